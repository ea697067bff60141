"""A change of a bucket's access logging: what is wanted, what that changes, and doing it.

What is shown before saving is a `Plan`; `carry_out` does what it says and nothing else. Its
digest goes along with the form, so that another plan than the one shown is never carried out.
Calls block.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from hashlib import sha256
from typing import Any, Literal

from bucketlog.accesslog import targets
from bucketlog.accesslog.targets import Target
from bucketlog.console import s3, standing
from bucketlog.console.s3 import Failure
from bucketlog.console.standing import Permission
from bucketlog.delivery import parties
from bucketlog.s3 import acl
from bucketlog.s3.delivery_permission import Addition
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Bucket, Owner
from bucketlog.state.rules import Rules

EXAMPLE = "E568B2907131C0C0"
"""The unique end of an example's name: that of Amazon's documentation."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A bucket that log objects may go to; or, with `reason`, why they may not."""

    name: str
    region: str
    reason: str | None
    warning: str | None = None
    is_target: bool = False
    """Whether other buckets deliver into it already."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the form asks for. `target` None: logging off."""

    target: Target | None
    how: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What saving will change: the rule from `before` to `after`, and the target's permission."""

    source: str
    before: Target | None
    after: Target | None
    permission: Permission | None = None
    addition: Addition | None = None
    policy_before: str | None = None
    ring: tuple[str, ...] = ()
    account_id: str = ""
    earlier: Any = None
    """The rule as GetBucketLogging gives it."""

    @property
    def sets_rule(self) -> bool:
        """Whether the rule changes at all."""
        return self.before != self.after

    @property
    def is_needless(self) -> bool:
        """Whether there is nothing to do."""
        return not self.sets_rule and self.addition is None

    @property
    def digest(self) -> str:
        """Of all that is shown; another one means that something else would be done."""
        shown = repr((self.before, self.after, self.permission, self.addition, self.policy_before))
        return sha256(shown.encode()).hexdigest()

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """The rule as (setting, now, after)."""
        now, after = words_of(self.before), words_of(self.after)
        return [(name, now.get(name, ""), after.get(name, "")) for name in {**now, **after}]

    @property
    def diff(self) -> list[tuple[str, str]]:
        """The target's policy with what is added: ("+", "-" or " ", line)."""
        if self.addition is None or self.addition.policy_text is None:
            return []
        return difference(self.policy_before, self.addition.policy_text)


# ── what is wanted ──────────────────────────────────────────────────────────────────────────────


def wanted(fields: Mapping[str, Any]) -> Wanted:
    """What a form's fields or an address's query say."""
    name = str(fields.get("target", "")).strip()
    if fields.get("enabled") != "on" or not name:
        return Wanted(None)
    prefix = str(fields.get("prefix", ""))
    if fields.get("format") != "partitioned":
        return Wanted(Target(name, prefix), str(fields.get("how", "")))
    source: targets.DateSource = (
        "DeliveryTime" if fields.get("date_source") == "DeliveryTime" else "EventTime"
    )
    return Wanted(Target(name, prefix, (), "partitioned", source), str(fields.get("how", "")))


def words_of(target: Target | None) -> dict[str, str]:
    """A rule as people read it."""
    if target is None:
        return {"Access logging": "Off"}
    words = {
        "Access logging": "On",
        "Target bucket": target.bucket,
        "Prefix": target.prefix or "none",
        "Log object key format": format_of(target),
    }
    if target.grants:
        words["Target grants"] = f"{len(target.grants)}, on each log object"
    return words


def format_of(target: Target) -> str:
    """The key format in words."""
    if not target.is_partitioned:
        return "Simple"
    return f"Partitioned, by {'event' if target.splits_by_day else 'delivery'} time"


def example(target: Target, bucket: str, account_id: str, region: str | None) -> str:
    """The name a log object delivered now would have."""
    return targets.object_name(
        target,
        bucket=bucket,
        account_id=account_id or "123456789012",
        region=region or "us-east-1",
        at=time.time_ns(),
        unique=EXAMPLE,
    )


def advice(bucket: str, target: Target, others: list[str]) -> list[str]:
    """What there is to say about a prefix. `others` deliver to the same bucket and prefix."""
    said = []
    if not target.prefix and not target.is_partitioned:
        said.append(
            "Without a prefix, log objects stand at the top of the target, among all else. "
            f"“{bucket}/” would keep them together."
        )
    elif target.prefix and not target.prefix.endswith("/"):
        said.append(
            "No slash is put behind the prefix: end it with one to make log objects a folder."
        )
    if others and not target.is_partitioned:
        said.append(
            f"{' and '.join(others)} deliver{'s' if len(others) == 1 else ''} under the same "
            "prefix, so names won't tell whose records are in an object. Each object still holds "
            "records of one bucket only."
        )
    return said


def ring_words(ring: tuple[str, ...] | list[str]) -> str | None:
    """A warning about buckets that log round in a circle; None where there is no circle."""
    if not ring:
        return None
    if len(ring) == 1:
        return (
            "The bucket logs to itself: its log objects lie among what is logged, and every "
            "request to read them is logged too. bucketlog doesn't record its own deliveries "
            "there; on Amazon S3 each delivery is logged again, without end."
        )
    path = " → ".join([*ring, ring[0]])
    return (
        f"This closes a ring: {path}. Every log object delivered is a request to the next bucket, "
        "which makes another log object, without end."
    )


def difference(before: str | None, after: str) -> list[tuple[str, str]]:
    """Two policies line by line, whatever their layout was."""
    old = [] if before is None else _lines(before)
    new = _lines(after)
    found: list[tuple[str, str]] = []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found += [(" ", line) for line in old[a:b]]
            continue
        found += [("-", line) for line in old[a:b]]
        found += [("+", line) for line in new[c:d]]
    return found


def _lines(text: str) -> list[str]:
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False).splitlines()


# ── the choice of a target ─────────────────────────────────────────────────────────────────────


def choices(
    source: str, region: str | None, owner_id: str, listed: list[dict[str, Any]]
) -> list[Choice]:
    """Each bucket as a possible target: those that can be one first, then the source itself.

    The rules are those of PutBucketLogging (`targets.check`).
    """
    here = _known(source, region or "", owner_id)
    found = []
    for each in listed:
        name, where = each["Name"], each.get("BucketRegion", "")
        there = _known(name, where, each.get("Owner", {}).get("ID", ""))
        try:
            targets.check(here, Target(name), there)
        except S3Error as error:
            reason = (
                f"in another Region, {where}"
                if error.code == "CrossLocationLoggingProhibitted"
                else "has another owner"
            )
            found.append(Choice(name, where, reason))
            continue
        found.append(Choice(name, where, None))
    return sorted(
        found, key=lambda choice: (choice.reason is not None, choice.name == source, choice.name)
    )


def _known(name: str, region: str, owner_id: str) -> Bucket:
    # An account has one canonical id, so it compares as well as the 12 digits do.
    owner = Owner(owner_id, owner_id, "")
    return Bucket(name, region, owner, 0, acl.private(owner))


# ── planning and doing ──────────────────────────────────────────────────────────────────────────


def plan(client: Any, bucket: str, asked: Wanted, rules: Rules) -> Plan:
    """What saving would change now. Blocks. Raises `Failure` where the rule may not be read."""
    with s3.translated():
        answer = client.get_bucket_logging(Bucket=bucket)
    before = standing.rule(answer)
    after = asked.target
    if after is None:
        return Plan(bucket, before, None)
    if before is not None and before.bucket == after.bucket:
        after = replace(after, grants=before.grants)
    if before is not None and not before.is_partitioned and not after.is_partitioned:
        after = replace(after, key_format=before.key_format)  # unset and "simple" are the same
    account_id = answer["ResponseMetadata"]["HTTPHeaders"].get(parties.ACCOUNT_HEADER, "")
    permission = standing.permission(client, bucket, account_id, after)
    addition = next((way for way in permission.ways if way.how == asked.how), None)
    addition = addition or next(iter(permission.ways), None)
    policy_before = None
    if addition is not None and addition.how == "policy":
        with s3.translated():
            policy_before = parties.policy_text(client, after.bucket)
    return Plan(
        bucket,
        before,
        after,
        permission,
        addition,
        policy_before,
        tuple(standing.ring_of(client, bucket, rules, after.bucket)),
        account_id,
        answer.get("LoggingEnabled"),
    )


def fields_of(made: Plan) -> dict[str, str]:
    """What a form or an address must say to ask for the same again."""
    after = made.after
    if after is None:
        return {"enabled": "off"}
    fields = {"enabled": "on", "target": after.bucket, "prefix": after.prefix}
    if after.is_partitioned:
        fields |= {
            "format": "partitioned",
            "date_source": "EventTime" if after.splits_by_day else "DeliveryTime",
        }
    return fields


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one step of the saving. `failure` None and not done: not reached."""

    words: str
    state: Literal["done", "failed", "skipped"]
    failure: Failure | None = None


def carry_out(client: Any, made: Plan) -> list[Step]:
    """Sets the rule, then adds the permission: where S3 refuses the rule, nobody is let in."""
    steps: list[Step] = []
    if made.sets_rule:
        element: dict[str, Any] = {}
        if made.after is not None:
            source = made.after.date_source if made.after.is_partitioned else None
            if made.after.is_partitioned and source is None:
                source = "EventTime"
            element["LoggingEnabled"] = parties.rule(
                made.after.bucket, made.after.prefix, source, made.earlier
            )
        words = f"Access logging of {made.source} is {'on' if element else 'off'}"
        steps.append(
            _step(
                words,
                lambda: client.put_bucket_logging(Bucket=made.source, BucketLoggingStatus=element),
            )
        )
    if made.addition is not None and made.after is not None:
        addition, target = made.addition, made.after.bucket
        words = (
            f"A statement for logging.s3.amazonaws.com is in the policy of {target}"
            if addition.how == "policy"
            else f"The S3 log delivery group is in the ACL of {target}"
        )
        if steps and steps[-1].state == "failed":
            steps.append(Step(words, "skipped"))
        else:
            steps.append(_step(words, lambda: parties.permit(client, target, addition)))
    return steps


def _step(words: str, do: Callable[[], object]) -> Step:
    try:
        with s3.translated():
            do()
    except Failure as failure:
        return Step(words, "failed", failure)
    return Step(words, "done")
