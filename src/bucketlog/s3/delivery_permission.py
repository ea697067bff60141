"""Whether log delivery may write a source bucket's log objects, and exactly what would allow it.

Judged by `access.decide`, like any other write, when an object is delivered: as on S3, nothing
is checked when the logging rule is set. What is missing comes back in words, with the target's
policy and ACL as they would have to be. AWS page: "Permissions for log delivery".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from bucketlog.s3 import access, acl, wildcards
from bucketlog.s3.acl import Acl, Grant
from bucketlog.s3.model import Bucket, Caller, Decision, Request
from bucketlog.s3.policy import MAX_BYTES, Policy, Statement
from bucketlog.s3.policy_context import Context, Question

DELIVERY: Final = Caller(service=access.LOG_DELIVERY_SERVICE)
SID: Final = "S3ServerAccessLogsPolicy"

How = Literal["acl", "policy"]

_ACTION: Final = "s3:PutObject"
_VERSION: Final = "2012-10-17"


@dataclass(frozen=True, slots=True)
class Gap:
    """What stands in the way of delivery, and what would clear it.

    `missing` is a sentence for people. `policy_text` is the target's whole policy with the
    statement added, None where another statement denies delivery, so that adding one can't help.
    `target_acl` is the target's ACL with the grants added, None where ACLs are disabled or a
    statement denies. Either of the two is enough.
    """

    missing: str
    policy_text: str | None = None
    target_acl: Acl | None = None


@dataclass(frozen=True, slots=True)
class Addition:
    """What is added to the target's permission, and nothing else, so that delivery may write.

    By "policy": `statement`, and `policy_text`, the whole document with it. By "acl": `grants`,
    which come behind those that are there.
    """

    how: How
    statement: dict[str, Any] | None = None
    policy_text: str | None = None
    grants: tuple[Grant, ...] = ()


def context(source: Bucket, request: Request, now: int) -> Context:
    """What surrounds a delivery for `source`: over TLS, from no address, for that bucket."""
    return Context(
        request,
        now,
        is_secure=True,
        source_arn=f"arn:aws:s3:::{source.name}",
        source_account=source.owner.account_id,
    )


def decide(source: Bucket, target: Bucket, key: str, now: int) -> Decision:
    """Whether the log-delivery service may put `key` into `target` for `source`, at `now` (ns)."""
    return access.decide(
        DELIVERY,
        _ACTION,
        target,
        key,
        context=_context(source, target, key, now),
        permission="WRITE",
        permission_on="bucket",
    )


def gap(
    source: Bucket, target: Bucket, prefix: str, now: int, key: str | None = None
) -> Gap | None:
    """What keeps log objects under `prefix` from being delivered; None when nothing does.

    `key` is the log object's key where it is known; without it the name of one is taken that
    `prefix` would give.
    """
    if key is None:
        key = f"{prefix}1970-01-01-00-00-00-0000000000000000"
    if decide(source, target, key, now).allowed:
        return None
    question = Question(DELIVERY, _ACTION, target, key, None, _context(source, target, key, now))
    decisive = None if target.policy is None else target.policy.decisive(question)
    if decisive is not None and decisive.effect == "deny":
        return Gap(
            f"statement {decisive.label} of the policy of bucket {target.name} denies "
            f"{_ACTION} to {access.LOG_DELIVERY_SERVICE}; it must spare that service "
            "(a Condition on aws:PrincipalServiceName, or NotPrincipal)"
        )
    return Gap(
        _missing(source, target, prefix, question),
        merged(target.policy_text, statement(source, target.name, prefix)),
        acl.with_delivery(target.acl) if target.acls_enabled else None,
    )


def preferred(target: Bucket) -> How:
    """How delivery is permitted unless somebody says how: by ACL where the target has them."""
    return "acl" if target.acls_enabled else "policy"


def addition(source: Bucket, target: Bucket, prefix: str, how: How) -> Addition | None:
    """What would permit delivery under `prefix` that way; None where it is there already.

    Without an account id (a source whose endpoint tells none) the statement's condition on it is
    left out: the one on the source bucket's ARN stays. An ACL addition has no effect on a target
    whose ACLs are disabled; the caller has asked `target.acls_enabled`.
    """
    if how == "acl":
        lacking = acl.with_delivery(target.acl).grants[len(target.acl.grants) :]
        return Addition("acl", grants=lacking) if lacking else None
    added = statement(source, target.name, prefix)
    if not source.owner.account_id:
        condition = {"ArnLike": added["Condition"]["ArnLike"]}
        added = {**added, "Condition": condition}
    text = target.policy_text
    whole = merged(text, added)
    document = json.loads(whole)
    if text is not None and document == json.loads(text):
        return None
    return Addition("policy", document["Statement"][-1], whole)


def statement(source: Bucket, target_name: str, prefix: str) -> dict[str, Any]:
    """The policy statement that lets logs of `source` be delivered under `prefix`."""
    return {
        "Sid": SID,
        "Effect": "Allow",
        "Principal": {"Service": access.LOG_DELIVERY_SERVICE},
        "Action": [_ACTION],
        "Resource": f"arn:aws:s3:::{target_name}/{wildcards.escape(prefix)}*",
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source.name}"},
            "StringEquals": {"aws:SourceAccount": source.owner.account_id},
        },
    }


def merged(policy_text: str | None, added: dict[str, Any]) -> str:
    """A policy document with one statement more; the others, and their order, stay as they are.

    A statement with the same content is not added twice; one with the same Sid and other content
    makes the new one's Sid get a number. In a policy of the older version, which knows no
    `${...}`, the new statement's escapes are undone (its wildcards then cover no less).
    """
    if policy_text is None:
        document: dict[str, Any] = {"Version": _VERSION, "Statement": []}
    else:
        document = json.loads(policy_text)
    if document.get("Version") != _VERSION:
        resource = added["Resource"]
        listed_resources = resource if isinstance(resource, list) else [resource]
        plain = [_unescaped(each) for each in listed_resources]
        added = {**added, "Resource": plain if isinstance(resource, list) else plain[0]}
    listed = document["Statement"]
    if isinstance(listed, dict):
        listed = [listed]
    if not any(_same(each, added) for each in listed):
        taken = {each.get("Sid") for each in listed}
        number = 1
        sid = added["Sid"]
        while sid in taken:
            number += 1
            sid = f"{added['Sid']}{number}"
        listed = [*listed, {**added, "Sid": sid}]
    document["Statement"] = listed
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if len(text.encode()) > MAX_BYTES:
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return text


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return {**one, "Sid": None} == {**other, "Sid": None}


def _unescaped(resource: str) -> str:
    for mark in "*?$":
        resource = resource.replace(f"${{{mark}}}", mark)
    return resource


def _context(source: Bucket, target: Bucket, key: str, now: int) -> Context:
    return context(source, Request("PUT", f"/{target.name}/{key}", "HTTP/1.1", {}), now)


def _missing(source: Bucket, target: Bucket, prefix: str, question: Question) -> str:
    words = (
        f"the policy of bucket {target.name} does not let {access.LOG_DELIVERY_SERVICE} do "
        f"{_ACTION} on {target.name}/{prefix}* for bucket {source.name}"
    )
    near = None if target.policy is None else _near_miss(target.policy, question)
    if near is not None:
        words += f" ({near})"
    lacking = [
        permission
        for permission in ("WRITE", "READ_ACP")
        if not acl.holds(target.acl, (acl.LOG_DELIVERY,), permission)
    ]
    if target.acls_enabled:
        return f"{words}, nor does its ACL grant the log-delivery group {' and '.join(lacking)}"
    if not lacking:
        return f"{words}; its ACL grants have no effect, because ACLs are disabled on it"
    return f"{words}; ACLs are disabled on it, so only the policy can"


def _near_miss(policy: Policy, question: Question) -> str | None:
    """Why a statement that names the service and allows something doesn't fit."""
    for each in policy.statements:
        principals = each.principals
        if (
            each.effect == "allow"
            and not principals.negated
            and access.LOG_DELIVERY_SERVICE in principals.listed
        ):
            return f"statement {each.label} names it, but {_misfit(each, question)}"
    return None


def _misfit(each: Statement, question: Question) -> str:
    if not each.covers(question.action.lower()):
        return "for other actions"
    if not each.reaches(f"{question.bucket.name}/{question.key}", question.lookup):
        return "for another resource"
    return "its conditions do not hold for this source bucket"
