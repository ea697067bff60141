"""Access control lists: canned, in grant headers, in XML, and as they are stored.

An `Acl` is a value: made once, compared and hashed, never changed. This module knows who is
granted what; whether that decides a call is `access`'s business. Rules are those of the AWS page
"Access control list (ACL) overview"; refusals carry Amazon's codes and words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NoReturn, cast, get_args

from bucketlog.s3 import xml
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Owner, Permission

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from bucketlog.s3.model import Bucket

ALL_USERS: Final = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS: Final = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
LOG_DELIVERY: Final = "http://acs.amazonaws.com/groups/s3/LogDelivery"
GROUPS: Final = frozenset({ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY})

# Who owns delivered log objects where ACLs are on, and what an anonymous writer owns. Neither is
# an account anybody can sign for, so the account number is nobody's.
LOG_DELIVERY_OWNER: Final = Owner(
    "000000000000",
    "3272ee65a908a7677109fedda345db8d9554ba26398b2ca10581de88777e2b61",
    "s3-log-service",
)
ANONYMOUS_OWNER: Final = Owner(
    "000000000000",
    "65a011a29cdf8ec533ec3d1ccaae921c",
    "anonymous",
)
# The EC2 bundle reader that `aws-exec-read` grants READ to.
_EXEC_READER: Final = "6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c"

PERMISSIONS: Final[frozenset[Permission]] = frozenset(get_args(Permission))
MAX_GRANTS: Final = 100

GRANT_HEADERS: Final[Mapping[str, Permission]] = {
    "x-amz-grant-full-control": "FULL_CONTROL",
    "x-amz-grant-read": "READ",
    "x-amz-grant-read-acp": "READ_ACP",
    "x-amz-grant-write": "WRITE",
    "x-amz-grant-write-acp": "WRITE_ACP",
}

OBJECT_CANNED: Final = frozenset(
    {
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
    }
)
_OWNERS: Final = "bucket-owner-full-control"
BUCKET_CANNED: Final = OBJECT_CANNED | {"log-delivery-write"}

_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_CANONICAL_ID: Final = re.compile(r"[0-9a-f]{64}|[0-9a-f]{32}")
_GRANTEE: Final = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"([^"]*)"|([^",\s]+))\s*(?:,|$)')

Known = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Grantee:
    """Whom a grant is for: `value` is a canonical id, or the URI of a predefined group."""

    kind: Literal["CanonicalUser", "Group"]
    value: str
    name: str | None = None  # the display name of a canonical user, where it is known


@dataclass(frozen=True, slots=True)
class Grant:
    """One line of an ACL."""

    grantee: Grantee
    permission: Permission


@dataclass(frozen=True, slots=True)
class Acl:
    """The owner of a bucket or object and what it grants, in the order given."""

    owner: Owner
    grants: tuple[Grant, ...]


def user(owner: Owner) -> Grantee:
    """The grantee that stands for an account."""
    return Grantee("CanonicalUser", owner.canonical_id, owner.name)


def group(uri: str) -> Grantee:
    """The grantee that stands for a predefined group."""
    return Grantee("Group", uri)


# ── asking ──────────────────────────────────────────────────────────────────────────────────────


def holds(acl: Acl, who: Collection[str], permission: Permission) -> bool:
    """Whether any of `who` (canonical ids and group URIs) is granted `permission`."""
    for grant in acl.grants:
        if grant.permission in (permission, "FULL_CONTROL") and grant.grantee.value in who:
            return True
    return False


def is_public(acl: Acl) -> bool:
    """Whether it grants anything to everyone or to every AWS account.

    The definition of the page "Blocking public access to your Amazon S3 storage".
    """
    return any(grant.grantee.value in (ALL_USERS, AUTHENTICATED_USERS) for grant in acl.grants)


def permits_delivery(acl: Acl) -> bool:
    """Whether the log-delivery group has the two permissions it needs: WRITE and READ_ACP."""
    who = (LOG_DELIVERY,)
    return holds(acl, who, "WRITE") and holds(acl, who, "READ_ACP")


def is_set_by(headers: Mapping[str, str]) -> bool:
    """Whether a request's headers set an ACL (one of `x-amz-acl`, `x-amz-grant-*`)."""
    return (
        "x-amz-acl" in headers
        or "x-amz-grant-full-control" in headers
        or "x-amz-grant-read" in headers
        or "x-amz-grant-read-acp" in headers
        or "x-amz-grant-write" in headers
        or "x-amz-grant-write-acp" in headers
    )


def check(wanted: Acl, bucket: Bucket, headers: Mapping[str, str]) -> None:
    """Refuses an ACL that the bucket's settings rule out, for the bucket or an object in it.

    Raises `AccessControlListNotSupported` with BucketOwnerEnforced, unless all it says is that
    the bucket's owner has full control: of the canned ones in the request's `headers` only
    `bucket-owner-full-control` does, not `private`, though it comes to the same; `AccessDenied`
    for a public one under `block_public_acls`.
    """
    if not bucket.acls_enabled:
        if headers.get("x-amz-acl", _OWNERS) != _OWNERS:
            raise S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs")
        for grant in wanted.grants:
            full = grant.permission == "FULL_CONTROL"
            if not full or grant.grantee.value != bucket.owner.canonical_id:
                raise S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs")
    elif (
        bucket.public_access is not None
        and bucket.public_access.block_public_acls
        and is_public(wanted)
    ):
        raise S3Error("AccessDenied")


def check_new_bucket(wanted: Acl | None, *, enforced: bool) -> None:
    """Refuses a CreateBucket, or a change to BucketOwnerEnforced, whose ACL grants to others.

    Raises `InvalidBucketAclWithObjectOwnership`.
    """
    if not enforced or wanted is None:
        return
    if any(grant.grantee.value != wanted.owner.canonical_id for grant in wanted.grants):
        raise S3Error(
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        )


# ── making ──────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=1024)
def private(owner: Owner) -> Acl:
    """The ACL of whatever is made without one: its owner has full control."""
    return Acl(owner, (Grant(user(owner), "FULL_CONTROL"),))


def canned(name: str, owner: Owner, bucket_owner: Owner | None = None) -> Acl:
    """The ACL that a canned name stands for; `bucket_owner` None means it is for a bucket.

    Raises `InvalidArgument` for a name that isn't one. The two `bucket-owner-*` names say nothing
    about a bucket, so there they mean `private`.
    """
    if name not in (BUCKET_CANNED if bucket_owner is None else OBJECT_CANNED):
        _refuse(None, "x-amz-acl", name)
    extra: tuple[Grant, ...] = ()
    if name == "public-read":
        extra = (Grant(group(ALL_USERS), "READ"),)
    elif name == "public-read-write":
        extra = (Grant(group(ALL_USERS), "READ"), Grant(group(ALL_USERS), "WRITE"))
    elif name == "authenticated-read":
        extra = (Grant(group(AUTHENTICATED_USERS), "READ"),)
    elif name == "aws-exec-read":
        extra = (Grant(Grantee("CanonicalUser", _EXEC_READER, "za-team"), "READ"),)
    elif name == "log-delivery-write":
        extra = (Grant(group(LOG_DELIVERY), "WRITE"), Grant(group(LOG_DELIVERY), "READ_ACP"))
    elif bucket_owner is not None and bucket_owner.canonical_id != owner.canonical_id:
        if name == "bucket-owner-read":
            extra = (Grant(user(bucket_owner), "READ"),)
        elif name == "bucket-owner-full-control":
            extra = (Grant(user(bucket_owner), "FULL_CONTROL"),)
    own = private(owner)
    return Acl(owner, own.grants + extra) if extra else own


def with_delivery(acl: Acl) -> Acl:
    """The same ACL with the grants that the log-delivery group lacks."""
    missing = tuple(
        Grant(group(LOG_DELIVERY), permission)
        for permission in cast("tuple[Permission, ...]", ("WRITE", "READ_ACP"))
        if not holds(acl, (LOG_DELIVERY,), permission)
    )
    return Acl(acl.owner, acl.grants + missing)


def requested(
    headers: Mapping[str, str],
    owner: Owner,
    bucket_owner: Owner | None = None,
    *,
    known: Known | None = None,
) -> Acl | None:
    """The ACL a request's headers ask for; None where they ask for none.

    `owner` will own the thing; `bucket_owner` is None where the thing is a bucket. `known` gives
    the display name of a canonical id, or None for one that is nobody's; without it every
    well-formed id is taken. Raises `InvalidRequest`, `InvalidArgument`, `MethodNotAllowed`,
    `MalformedACLError`.
    """
    if not is_set_by(headers):
        return None
    name = headers.get("x-amz-acl")
    if name is not None:
        if any(header in headers for header in GRANT_HEADERS):
            raise S3Error(
                "InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed"
            )
        return canned(name, owner, bucket_owner)
    grants: list[Grant] = []
    for header, permission in GRANT_HEADERS.items():
        value = headers.get(header)
        if value is not None:
            grants += [Grant(who, permission) for who in _grantees(header, value, owner, known)]
    if len(grants) > MAX_GRANTS:
        raise S3Error("MalformedACLError")
    return Acl(owner, tuple(grants))


def submitted(
    headers: Mapping[str, str],
    body: bytes,
    owner: Owner,
    bucket_owner: Owner | None = None,
    *,
    known: Known | None = None,
) -> Acl:
    """The ACL that a PutBucketAcl or PutObjectAcl brings, in its headers or in its body.

    Arguments as for `requested`. Raises also `UnexpectedContent` for both at once and
    `MissingSecurityHeader` for neither.
    """
    asked = requested(headers, owner, bucket_owner, known=known)
    if asked is None:
        if not body:
            raise S3Error(
                "MissingSecurityHeader",
                "Your request was missing a required header",
                MissingHeaderName="x-amz-acl",
            )
        return parse(body, owner, known=known)
    if body:
        raise S3Error("UnexpectedContent", "This request does not support content")
    return asked


def _grantees(header: str, value: str, owner: Owner, known: Known | None) -> list[Grantee]:
    """The grantees of one grant header: `id="...", uri="..."`."""
    found = []
    position = 0
    while position < len(value):
        part = _GRANTEE.match(value, position)
        if part is None:
            _refuse("Argument format not recognized", header, value)
        position = part.end()
        kind = part[1]
        text = part[2] if part[2] is not None else part[3]
        if kind == "id":
            found.append(_canonical(text, "id", owner, known))
        elif kind == "uri":
            found.append(_group(text, "uri"))
        elif kind == "emailAddress":
            raise S3Error("MethodNotAllowed")  # email grantees ended on 1 October 2025
        else:
            _refuse("Argument format not recognized", header, value)
    if not found:
        _refuse("Argument format not recognized", header, value)
    return found


def _canonical(value: str, argument: str, owner: Owner, known: Known | None) -> Grantee:
    if value == owner.canonical_id:
        return user(owner)
    if value == LOG_DELIVERY_OWNER.canonical_id:
        return user(LOG_DELIVERY_OWNER)
    if value == _EXEC_READER:
        return Grantee("CanonicalUser", value, "za-team")
    name = known(value) if known is not None else None
    if name is None and (known is not None or _CANONICAL_ID.fullmatch(value) is None):
        _refuse("Invalid id", argument, value)
    return Grantee("CanonicalUser", value, name or None)


def _group(uri: str, argument: str) -> Grantee:
    if uri not in GROUPS:
        _refuse("Invalid group uri", argument, uri)
    return Grantee("Group", uri)


def _refuse(message: str | None, argument: str, value: str) -> NoReturn:
    raise S3Error("InvalidArgument", message, ArgumentName=argument, ArgumentValue=value)


# ── XML ─────────────────────────────────────────────────────────────────────────────────────────


def parse(data: bytes, owner: Owner, *, known: Known | None = None) -> Acl:
    """An `AccessControlPolicy` document; either of Amazon's namespaces, or none.

    `owner` is who owns the thing now: ownership can't be given away, so a document that names
    another is `AccessDenied`. Raises also `MalformedACLError`, `InvalidArgument`,
    `MethodNotAllowed`.
    """
    try:
        root = xml.parse(data, "AccessControlPolicy")
        owner_element = xml.child(root, "Owner")
        listed = xml.child(root, "AccessControlList")
        if owner_element is None or listed is None:
            raise S3Error("MalformedACLError")
        owner_id = xml.required(owner_element, "ID").strip()
    except S3Error:
        raise S3Error("MalformedACLError") from None
    if _canonical(owner_id, "CanonicalUser/ID", owner, known).value != owner.canonical_id:
        raise S3Error("AccessDenied")
    return Acl(owner, grants(listed, owner, known=known))


def grants(
    listed: Element,
    owner: Owner,
    *,
    known: Known | None = None,
    malformed: str = "MalformedACLError",
) -> tuple[Grant, ...]:
    """The `Grant` elements of a list (`AccessControlList`, `TargetGrants`).

    `malformed` is the code raised for a list that doesn't fit the schema.
    """
    if len(listed) > MAX_GRANTS:
        raise S3Error(malformed)
    try:
        return tuple(_grant(each, owner, known) for each in xml.children(listed, "Grant"))
    except S3Error as error:
        if error.code == "MalformedXML":
            raise S3Error(malformed) from None
        raise


def _grant(element: Element, owner: Owner, known: Known | None) -> Grant:
    grantee = xml.child(element, "Grantee")
    permission = xml.required(element, "Permission").strip()
    if grantee is None or permission not in PERMISSIONS:
        raise S3Error("MalformedXML")
    kind = grantee.get(f"{{{_XSI}}}type")
    if kind == "CanonicalUser":
        value = xml.required(grantee, "ID").strip()
        who = _canonical(value, "CanonicalUser/ID", owner, known)
    elif kind == "Group":
        who = _group(xml.required(grantee, "URI").strip(), "Group/URI")
    elif kind == "AmazonCustomerByEmail":
        raise S3Error("MethodNotAllowed")  # email grantees ended on 1 October 2025
    else:
        raise S3Error("MalformedXML")
    return Grant(who, permission)


def render(acl: Acl) -> bytes:
    """The `AccessControlPolicy` document that GetBucketAcl and GetObjectAcl answer with."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Owner>{_identity(acl.owner.canonical_id, acl.owner.name)}</Owner>"
        f"<AccessControlList>{render_grants(acl.grants)}</AccessControlList>"
        "</AccessControlPolicy>"
    ).encode()


def render_grants(listed: Collection[Grant]) -> str:
    """The `Grant` elements alone, as they stand in an ACL or in `TargetGrants`."""
    return "".join(
        f'<Grant><Grantee xmlns:xsi="{_XSI}" xsi:type="{grant.grantee.kind}">'
        + (
            f"<URI>{xml.escape(grant.grantee.value)}</URI>"
            if grant.grantee.kind == "Group"
            else _identity(grant.grantee.value, grant.grantee.name)
        )
        + f"</Grantee><Permission>{grant.permission}</Permission></Grant>"
        for grant in listed
    )


def _identity(canonical_id: str, name: str | None) -> str:
    shown = f"<DisplayName>{xml.escape(name)}</DisplayName>" if name else ""
    return f"<ID>{xml.escape(canonical_id)}</ID>{shown}"


# ── storage ─────────────────────────────────────────────────────────────────────────────────────


def encode(acl: Acl) -> str:
    """One line of JSON, for storage: the owner's three values, four values for each grant."""
    owner = acl.owner
    listed = [
        [grant.grantee.kind, grant.grantee.value, grant.grantee.name, grant.permission]
        for grant in acl.grants
    ]
    return json.dumps(
        {"owner": [owner.account_id, owner.canonical_id, owner.name], "grants": listed},
        separators=(",", ":"),
    )


@lru_cache(maxsize=4096)
def decode(text: str) -> Acl:
    """The ACL that `encode` wrote. Equal texts give the same object, so it is parsed once."""
    stored = json.loads(text)
    return Acl(
        Owner(*stored["owner"]),
        tuple(
            Grant(Grantee(kind, value, name), permission)
            for kind, value, name, permission in stored["grants"]
        ),
    )
