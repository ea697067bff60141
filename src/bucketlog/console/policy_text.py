"""Bucket policies in the making: a text judged before it is put, examples, and what would stop.

The judge is the one that S3 here has, `s3.policy`, so its messages are those that PutBucketPolicy
would answer with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from bucketlog.console import standing
from bucketlog.console.standing import Standing
from bucketlog.s3 import delivery_permission, policy
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Bucket


@dataclass(frozen=True, slots=True)
class Verdict:
    """What there is to say about a text. `message` None: S3 takes it."""

    message: str | None = None
    place: str | None = None
    is_public: bool = False
    stops: tuple[str, ...] = ()
    """Source buckets whose delivery into this one would no longer be permitted."""

    @property
    def needs_confirming(self) -> bool:
        """Whether putting it does what one may not have meant."""
        return self.is_public or bool(self.stops)


@dataclass(frozen=True, slots=True)
class Example:
    """A statement to begin with; what stands in capitals is to be replaced."""

    name: str
    title: str
    words: str
    statement: Callable[[str, str], dict[str, Any]]


def judge(
    text: str,
    bucket: str,
    known: Callable[[str], bool],
    target: Bucket | None = None,
    sources: Iterable[Standing] = (),
) -> Verdict:
    """What S3 would say to it, and what it would do to deliveries into `target`."""
    try:
        compiled = policy.parse(text, bucket, known=known)
    except S3Error as error:
        said = error.text
        detail = error.detail.get("Detail")
        if detail:
            said = f"{said} ({detail})"
        return Verdict(said, _place(text))
    after = None if target is None else replace(target, policy=compiled, policy_text=text)
    return Verdict(is_public=policy.is_public(compiled), stops=stops(target, after, sources))


def stops(
    before: Bucket | None, after: Bucket | None, sources: Iterable[Standing]
) -> tuple[str, ...]:
    """The sources that may deliver before and may not after."""
    if before is None or after is None:
        return ()
    found = []
    for each in sources:
        source = standing.source_of(each.bucket, each.account_id)
        prefix = "" if each.target is None else each.target.prefix
        if (
            standing.judged(source, before, prefix).trouble is None
            and standing.judged(source, after, prefix).trouble is not None
        ):
            found.append(each.bucket)
    return tuple(found)


def without_policy(bucket: Bucket | None) -> Bucket | None:
    """The same bucket as if its policy were deleted."""
    return None if bucket is None else replace(bucket, policy=None, policy_text=None)


def formatted(text: str) -> str:
    """The same document with one element a line; as it is where it is no JSON."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


def inserted(text: str, example: Example, bucket: str, account_id: str) -> str:
    """The document with the example's statement added. Raises ValueError where it is none."""
    statement = example.statement(bucket, account_id)
    if not text.strip():
        return delivery_permission.merged(None, statement)
    document = json.loads(text)
    if not isinstance(document, dict) or not isinstance(document.get("Statement", []), dict | list):
        raise ValueError("no policy")
    return delivery_permission.merged(json.dumps({"Statement": [], **document}), statement)


def _place(text: str) -> str | None:
    """Where JSON breaks off; None where it doesn't."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return f"line {error.lineno}, column {error.colno}: {error.msg}"
    except ValueError:
        return None
    return None


# ── examples ────────────────────────────────────────────────────────────────────────────────────


def _log_delivery(bucket: str, account_id: str) -> dict[str, Any]:
    return {
        "Sid": delivery_permission.SID,
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": ["s3:PutObject"],
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
    }


def _only_log_delivery(bucket: str, account_id: str) -> dict[str, Any]:
    return {
        "Sid": "OnlyLogDeliveryWrites",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {
            "ForAllValues:StringNotEquals": {
                "aws:PrincipalServiceNamesList": "logging.s3.amazonaws.com"
            }
        },
    }


def _tls(bucket: str, account_id: str) -> dict[str, Any]:
    return {
        "Sid": "RequireTLS",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _other_account(bucket: str, account_id: str) -> dict[str, Any]:
    return {
        "Sid": "OtherAccountReads",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::ACCOUNT-ID:root"},
        "Action": ["s3:GetObject", "s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }


def _everyone(bucket: str, account_id: str) -> dict[str, Any]:
    return {
        "Sid": "EveryoneReads",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }


EXAMPLES = (
    Example(
        "log-delivery",
        "Let access logs in",
        "S3 log delivery may write here, for every bucket of your account.",
        _log_delivery,
    ),
    Example(
        "only-log-delivery",
        "Nobody else writes",
        "Only log delivery may write: good for a bucket that holds nothing but logs.",
        _only_log_delivery,
    ),
    Example("tls", "Only over TLS", "Refuses whatever isn't encrypted on its way.", _tls),
    Example(
        "other-account",
        "Let another account read",
        "Put its 12 digits where ACCOUNT-ID stands.",
        _other_account,
    ),
    Example(
        "everyone",
        "Let everyone read",
        "Makes the objects public: nobody has to sign.",
        _everyone,
    ),
)
BY_NAME = {example.name: example for example in EXAMPLES}
