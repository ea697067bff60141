"""Who a requester is: the kind of principal, and its account, user, role and session.

One function on one text of the Requester field. What identifies a principal is copied from the
text and never guessed: what it doesn't say is None.

Source: Amazon S3 User Guide, "Amazon S3 server access log format"; AWS IAM User Guide, "IAM
identifiers"; Amazon CloudFront Developer Guide for the account that delivers its logs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

KINDS: dict[str, str] = {
    "anonymous": "nobody signed the request, or its authentication failed",
    "account": "a canonical user ID: the root of an account, or an account as a whole",
    "root": "the root user of an account, by its ARN",
    "iam_user": "an IAM user",
    "role": "an IAM role itself, not a session of one",
    "assumed_role": "a session of an IAM role",
    "federated_user": "a session of a federated user",
    "cloudfront_oai": "a CloudFront origin access identity",
    "log_delivery": "a service that delivers logs",
    "aws_service": "another AWS service, or S3 itself carrying out a lifecycle rule",
    "other": "none of these forms",
}
"""The values of `principal_type`, and what each means."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A requester, taken apart. `kind` is one of `KINDS`."""

    kind: str
    account_id: str | None = None
    user_name: str | None = None
    role_name: str | None = None
    session_name: str | None = None


# The canonical user ID that stands for anonymous callers, in records of 2006.
_ANONYMOUS = frozenset({"Anonymous", "65a011a29cdf8ec533ec3d1ccaae921c"})
# The account awslogsdelivery, which writes the logs of CloudFront and of vended log delivery.
_DELIVERY = "c4c1ede66af53448b93c283ce9448c4ba468c9432aa01d700d3878632f77d2d0"
_CANONICAL = re.compile(r"[0-9a-f]{64}|[0-9a-f]{32}")
_ARN = re.compile(r"arn:[a-z-]+:(iam|sts)::([0-9]{12}|cloudfront)?:(.*)", re.DOTALL)
_OAI = re.compile(r"user/CloudFront Origin Access Identity +(\S+)")
_SERVICE = re.compile(r"(?:svc:)?([a-z0-9.-]+\.amazonaws\.com(?:\.cn)?|AmazonS3)")


_PSEUDONYM = re.compile(rf"({'|'.join(KINDS)}):[0-9a-f]{{64}}")


@lru_cache(maxsize=4096)
def of(requester: str | None) -> Principal:
    """The principal of a Requester field; None is the hyphen.

    A requester that `privacy` hashed still has its kind: it is `iam_user:` and 64 hex digits.
    """
    if requester is None or requester in _ANONYMOUS:
        return Principal("anonymous")
    if requester == _DELIVERY:
        return Principal("log_delivery")
    if _CANONICAL.fullmatch(requester):
        return Principal("account")
    if arn := _ARN.fullmatch(requester):
        return _of_arn(arn[1], arn[2], arn[3])
    if service := _SERVICE.fullmatch(requester):
        is_delivery = service[1].startswith(("delivery.logs.", "logging.s3."))
        return Principal("log_delivery" if is_delivery else "aws_service")
    if pseudonym := _PSEUDONYM.fullmatch(requester):
        return Principal(pseudonym[1])
    return Principal("aws_service" if requester.startswith("svc:") else "other")


def _of_arn(service: str, account: str | None, resource: str) -> Principal:
    if account == "cloudfront":
        identity = _OAI.fullmatch(resource)
        return Principal("cloudfront_oai", None, identity[1] if identity else None)
    kind, _, name = resource.partition("/")
    if resource == "root":
        return Principal("root", account)
    if service == "sts":
        if kind == "assumed-role":
            role, _, session = name.partition("/")
            return Principal("assumed_role", account, None, role or None, session or None)
        if kind == "federated-user":
            return Principal("federated_user", account, name or None)
    elif kind == "user":
        return Principal("iam_user", account, name.rpartition("/")[2] or None)
    elif kind == "role":
        return Principal("role", account, None, name.rpartition("/")[2] or None)
    return Principal("other", account)
