"""How access logging of a bucket stands, as the S3 calls of whoever is logged in tell.

The rule, whether delivery is permitted and by what, what waits, what arrived, what failed; which
buckets deliver into a bucket; and where that goes round in a ring. Calls block: `parts.run` them.
The state in the data folder is asked only for what GetBucketLogging has already allowed to know.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from urllib.parse import unquote

from bucketlog.accesslog.targets import DateSource, KeyFormat, Target
from bucketlog.console import s3
from bucketlog.console.s3 import Failure
from bucketlog.delivery import parties
from bucketlog.s3 import acl, delivery_permission
from bucketlog.s3.delivery_permission import Addition, How
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Bucket, Owner
from bucketlog.state.rules import Health, Rules

Trouble = Literal["ungranted", "denied", "no_target", "unreadable", "unknown"]


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether log delivery may write under the prefix now.

    `trouble` None: it may, `by` what. "ungranted": a statement or grant is lacking, and
    `ways` would add it, the preferred first. "denied": a statement forbids it. "no_target":
    the bucket is gone. "unreadable": its policy can't be judged. "unknown": this key may not look.
    """

    trouble: Trouble | None
    words: str
    by: How | None = None
    ways: tuple[Addition, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """Logging of one bucket. `target` None: it is off, and the rest says nothing of now.

    `waiting` counts records, the oldest of them `lag_s` old. None: not told.
    """

    bucket: str
    account_id: str
    health: Health
    target: Target | None = None
    permission: Permission | None = None
    waiting: int | None = None
    lag_s: float | None = None
    last_object: str | None = None
    last_delivered_at: datetime | None = None
    failure: str | None = None


def look(client: Any, name: str, rules: Rules) -> Standing:
    """How it stands. Raises `Failure` where this key may not read the bucket's rule."""
    with s3.translated("GetBucketLogging"):
        answer = client.get_bucket_logging(Bucket=name)
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    account_id = headers.get(parties.ACCOUNT_HEADER, "")
    health = rules.health(name)
    target = rule(answer)
    if target is None:
        return Standing(name, account_id, health)
    delivered = headers.get("x-bucketlog-last-delivered")
    return Standing(
        name,
        account_id,
        health,
        target,
        permission(client, name, account_id, target),
        waiting=_number(headers.get("x-bucketlog-waiting")),
        lag_s=_number(headers.get("x-bucketlog-lag-seconds")),
        last_object=_text(headers.get("x-bucketlog-last-object")),
        last_delivered_at=None if delivered is None else datetime.fromisoformat(delivered),
        failure=_text(headers.get("x-bucketlog-failure")),
    )


def rule(answer: Mapping[str, Any]) -> Target | None:
    """The rule that GetBucketLogging answered with; None where logging is off."""
    enabled = answer.get("LoggingEnabled")
    if enabled is None:
        return None
    key_format: KeyFormat | None = None
    date_source: DateSource | None = None
    told = enabled.get("TargetObjectKeyFormat", {})
    if "PartitionedPrefix" in told:
        key_format = "partitioned"
        date_source = cast(DateSource | None, told["PartitionedPrefix"].get("PartitionDateSource"))
    elif "SimplePrefix" in told:
        key_format = "simple"
    grants = tuple(parties.grant(each) for each in enabled.get("TargetGrants", ()))
    return Target(
        enabled["TargetBucket"], enabled.get("TargetPrefix", ""), grants, key_format, date_source
    )


# ── permission ──────────────────────────────────────────────────────────────────────────────────


def source_of(name: str, account_id: str) -> Bucket:
    """A source bucket as far as permission to deliver asks for it: its name and account."""
    owner = Owner(account_id, "", "")
    return Bucket(name, "", owner, 0, acl.private(owner))


def bucket_of(client: Any, name: str, account_id: str) -> Bucket:
    """A target bucket as deliveries into it are judged. Raises what boto3 raises, and `S3Error`."""
    region = client.head_bucket(Bucket=name).get("BucketRegion")
    return parties.bucket(client, name, account_id, region)


def permission(client: Any, source: str, account_id: str, target: Target) -> Permission:
    """Whether delivery of `source`'s log objects is permitted, and what would permit it."""
    try:
        with s3.translated():
            bucket = bucket_of(client, target.bucket, account_id)
    except Failure as failure:
        if failure.status == 404:
            return Permission("no_target", f"There is no bucket called {target.bucket}.")
        if failure.status == 403:
            words = f"Your key may not read the permissions of {target.bucket}."
            return Permission("unknown", words)
        raise
    except S3Error as error:
        words = f"The policy of {target.bucket} can't be judged: {error.text}"
        return Permission("unreadable", words)
    return judged(source_of(source, account_id), bucket, target.prefix)


def judged(source: Bucket, target: Bucket, prefix: str) -> Permission:
    """The same, of buckets at hand."""
    now = time.time_ns()
    gap = delivery_permission.gap(source, target, prefix, now)
    if gap is None:
        key = f"{prefix}1970-01-01-00-00-00-0000000000000000"
        by_acl = delivery_permission.decide(source, target, key, now).acl_required
        words = (
            f"The ACL of {target.name} grants the S3 log delivery group Write and Read ACP."
            if by_acl
            else f"The policy of {target.name} lets logging.s3.amazonaws.com write here."
        )
        return Permission(None, words, "acl" if by_acl else "policy")
    words = f"{gap.missing[0].upper()}{gap.missing[1:]}."
    if gap.policy_text is None:
        return Permission("denied", words)
    return Permission("ungranted", words, ways=ways(source, target, prefix))


def ways(source: Bucket, target: Bucket, prefix: str) -> tuple[Addition, ...]:
    """What may be added to permit delivery, the preferred way first."""
    first = delivery_permission.preferred(target)
    order: tuple[How, ...] = ("acl", "policy") if first == "acl" else ("policy",)
    found = (delivery_permission.addition(source, target, prefix, how) for how in order)
    return tuple(each for each in found if each is not None)


# ── who delivers where ──────────────────────────────────────────────────────────────────────────


def sources(client: Any, target: str, rules: Rules) -> tuple[list[Standing], int]:
    """The buckets that deliver into `target`, and how many more do that this key may not see."""
    found: list[Standing] = []
    unseen = 0
    for name, known in sorted(rules.all().items()):
        if known.bucket != target:
            continue
        try:
            standing = look(client, name, rules)
        except Failure as failure:
            if failure.status == 404:
                continue
            if failure.status != 403:
                raise
            unseen += 1
            continue
        if standing.target is not None and standing.target.bucket == target:
            found.append(standing)
    return found, unseen


def permitted_by_acl(found: list[Standing]) -> list[str]:
    """Those of the source buckets whose delivery hangs on the target's ACL."""
    return [each.bucket for each in found if each.permission and each.permission.by == "acl"]


def ring(start: str, target_of: Callable[[str], str | None]) -> list[str]:
    """The buckets that log round in a circle through `start`, in order; [] where none do.

    `["a"]`: a logs to itself. `["a", "b"]`: a to b, b to a. `target_of` gives a bucket's target.
    """
    path = [start]
    following = target_of(start)
    while following is not None and following not in path:
        path.append(following)
        following = target_of(following)
    return path if following == start else []


def ring_of(client: Any, start: str, rules: Rules, wanted: str | None = None) -> list[str]:
    """The ring through a bucket, as it is, or as it would be if `start` logged to `wanted`.

    Told only where this key may read the rule of each bucket in it.
    """
    known = rules.all()

    def noted(name: str) -> str | None:
        if name == start and wanted is not None:
            return wanted
        target = known.get(name)
        return None if target is None else target.bucket

    found = ring(start, noted)
    for name in found:
        if name == start and wanted is not None:
            continue
        try:
            with s3.translated():
                client.get_bucket_logging(Bucket=name)
        except Failure:
            return []
    return found


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _text(text: str | None) -> str | None:
    return None if text is None else unquote(text)
