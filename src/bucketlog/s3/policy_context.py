"""The values of a request that a bucket policy may ask for, each worked out only when asked.

`Context` is what surrounds a request; `Question` is one decision to be made about it. `KEYS`
names every condition key that is known, in lower case, with the function that looks it up; one
that never has a value here (tags, VPC endpoints, federation) is known too, and absent. AWS pages:
"AWS global condition context keys" and "Condition keys for Amazon S3".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from bucketlog.s3.model import Bucket, Caller, Request
from bucketlog.s3.wildcards import Value

_NS: Final = 1_000_000_000


@dataclass(slots=True)
class Context:
    """What surrounds a request, as far as policies may ask about it.

    `now` is in nanoseconds. `tls_version` is as in the log ("TLSv1.3"), None without TLS.
    `source_arn` and `source_account` are set for a service that acts for a resource: the log
    delivery acts for the source bucket.
    """

    request: Request
    now: int
    query: dict[str, str] = field(default_factory=dict)
    remote_ip: str | None = None
    is_secure: bool = False
    tls_version: str | None = None
    source_arn: str | None = None
    source_account: str | None = None


@dataclass(slots=True)
class Question:
    """May `caller` do `action` (as in "s3:GetObject") to the bucket, or to `key` in it?"""

    caller: Caller
    action: str
    bucket: Bucket
    key: str | None
    version_id: str | None
    context: Context

    def lookup(self, name: str) -> Value:
        """The value of a condition key, given in lower case; None where the request has none."""
        find = KEYS.get(name)
        return None if find is None else find(self)


Finder = Callable[[Question], Value]


def _absent(question: Question) -> Value:
    return None


def _header(name: str) -> Finder:
    return lambda question: question.context.request.headers.get(name)


def _query(name: str) -> Finder:
    return lambda question: question.context.query.get(name)


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _current_time(question: Question) -> Value:
    moment = datetime.fromtimestamp(question.context.now // _NS, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _epoch_time(question: Question) -> Value:
    return str(question.context.now // _NS)


def _principal_arn(question: Question) -> Value:
    caller = question.caller
    if caller.user_arn is not None:
        return caller.user_arn
    return None if caller.account is None else f"arn:aws:iam::{caller.account.account_id}:root"


def _principal_account(question: Question) -> Value:
    account = question.caller.account
    return None if account is None else account.account_id


def _principal_type(question: Question) -> Value:
    caller = question.caller
    if caller.user_arn is not None:
        return "User"
    if caller.account is not None:
        return "Account"
    return None if caller.service is not None else "Anonymous"


def _username(question: Question) -> Value:
    arn = question.caller.user_arn
    return None if arn is None else arn.rpartition("/")[2]


def _userid(question: Question) -> Value:
    # An IAM user's unique id (AIDA...) is not part of a Caller: rather absent than made up.
    caller = question.caller
    if caller.account is not None:
        return caller.account.account_id if caller.user_arn is None else None
    return None if caller.service is not None else "anonymous"


def _service_names(question: Question) -> Value:
    service = question.caller.service
    return None if service is None else (service,)


def _tls_version(question: Question) -> Value:
    version = question.context.tls_version
    if version is None:
        return None
    number = version.lower().removeprefix("tlsv")
    return number if "." in number else f"{number}.0"


def _auth_type(question: Question) -> Value:
    kind = question.caller.authentication_type
    return None if kind is None else _AUTH_TYPES.get(kind)


_AUTH_TYPES: Final = {
    "AuthHeader": "REST-HEADER",
    "QueryString": "REST-QUERY-STRING",
}


def _signature_version(question: Question) -> Value:
    version = question.caller.signature_version
    return {"SigV4": "AWS4-HMAC-SHA256", "SigV2": "AWS"}.get(version or "")


def _signature_age(question: Question) -> Value:
    """Milliseconds since the request was signed."""
    if question.caller.signature_version is None:
        return None
    context = question.context
    signed = context.query.get("X-Amz-Date") or context.request.headers.get("x-amz-date", "")
    try:
        moment = datetime.strptime(signed, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return str(context.now // 1_000_000 - int(moment.timestamp()) * 1000)


# Known, and never with a value here.
_VALUELESS: Final = """
    aws:calledvia aws:calledviafirst aws:calledvialast aws:ec2instancesourceprivateipv4
    aws:ec2instancesourcevpc aws:federatedprovider aws:multifactorauthage
    aws:multifactorauthpresent aws:principalorgid aws:principalorgpaths aws:resourceorgid
    aws:resourceorgpaths aws:sourceidentity aws:sourceorgid aws:sourceorgpaths aws:sourceowner
    aws:sourcevpc aws:sourcevpcarn aws:sourcevpce aws:tagkeys aws:tokenissuetime aws:vpceaccount
    aws:vpceorgid aws:vpceorgpaths aws:vpcsourceip
    s3:accessgrantsinstancearn s3:accesspointnetworkorigin s3:dataaccesspointaccount
    s3:dataaccesspointarn s3:inventoryaccessibleoptionalfields s3:jobsuspendedcause
    s3:locationconstraint s3:object-lock-legal-hold s3:object-lock-mode
    s3:object-lock-remaining-retention-days s3:object-lock-retain-until-date
    s3:objectcreationoperation s3:requestobjecttagkeys
"""

KEYS: Final[dict[str, Finder]] = {
    "aws:currenttime": _current_time,
    "aws:epochtime": _epoch_time,
    "aws:principalaccount": _principal_account,
    "aws:principalarn": _principal_arn,
    "aws:principalisawsservice": lambda question: _truth(question.caller.service is not None),
    "aws:principalservicename": lambda question: question.caller.service,
    "aws:principalservicenameslist": _service_names,
    "aws:principaltype": _principal_type,
    "aws:referer": _header("referer"),
    "aws:requestedregion": lambda question: question.bucket.region,
    "aws:resourceaccount": lambda question: question.bucket.owner.account_id,
    "aws:securetransport": lambda question: _truth(question.context.is_secure),
    "aws:sourceaccount": lambda question: question.context.source_account,
    "aws:sourcearn": lambda question: question.context.source_arn,
    "aws:sourceip": lambda question: question.context.remote_ip,
    "aws:useragent": _header("user-agent"),
    "aws:userid": _userid,
    "aws:username": _username,
    "aws:viaawsservice": lambda question: "false",
    "s3:authtype": _auth_type,
    "s3:delimiter": _query("delimiter"),
    "s3:max-keys": _query("max-keys"),
    "s3:prefix": _query("prefix"),
    "s3:resourceaccount": lambda question: question.bucket.owner.account_id,
    "s3:signatureage": _signature_age,
    "s3:signatureversion": _signature_version,
    "s3:tlsversion": _tls_version,
    "s3:versionid": lambda question: question.version_id,
}
KEYS.update(
    (f"s3:{name}", _header(name))
    for name in (
        "if-match",
        "if-none-match",
        "x-amz-acl",
        "x-amz-content-sha256",
        "x-amz-copy-source",
        "x-amz-grant-full-control",
        "x-amz-grant-read",
        "x-amz-grant-read-acp",
        "x-amz-grant-write",
        "x-amz-grant-write-acp",
        "x-amz-metadata-directive",
        "x-amz-object-ownership",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-customer-algorithm",
        "x-amz-storage-class",
        "x-amz-website-redirect-location",
    )
)
KEYS.update(dict.fromkeys(_VALUELESS.split(), _absent))

# Keys that go on with a name of the user's choosing: tags. None of them has a value here.
_FAMILIES: Final = (
    "aws:principaltag/",
    "aws:requesttag/",
    "aws:resourcetag/",
    "s3:buckettag/",
    "s3:existingobjecttag/",
    "s3:requestobjecttag/",
)


def is_known(name: str) -> bool:
    """Whether a condition key, in lower case, is one that S3 policies may use."""
    return name in KEYS or (name.startswith(_FAMILIES) and not name.endswith("/"))
