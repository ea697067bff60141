"""The nouns of one S3 request, shared by everything that serves it.

Bytes and values only: no sockets, files, clocks or logs. Types made once per request are plain
slotted dataclasses (a frozen one costs 0.1 us a field more to build); treat them as values all
the same. Instants are `int` nanoseconds since 1970 UTC; sizes are `int` bytes; `None` means
"not known", never `""` or `"-"`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from bucketlog.s3.acl import Acl
    from bucketlog.s3.errors import S3Error
    from bucketlog.s3.operations import Operation
    from bucketlog.s3.policy import Policy


@dataclass(slots=True)
class Request:
    """The head of a request exactly as it came.

    `target` is the raw request target and header values are the raw bytes, both decoded as
    latin-1, so `.encode("latin-1")` gives back what was on the wire. Header names are
    lower-case; the values of a repeated header are joined with "," in order of arrival
    (RFC 9110 section 5.3; it is also how SigV4 signs them).
    """

    method: str
    target: str
    version: str  # "HTTP/1.1" or "HTTP/1.0"
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """What `x-amz-copy-source` names."""

    bucket: str
    key: str
    version_id: str | None = None


@dataclass(slots=True)
class Route:
    """What a request asks for: one operation, on one bucket or key.

    `query` holds the decoded query parameters, the last of each name; a parameter without "="
    has the value "". `refusal` is set when the request names something S3 refuses by shape alone
    (a method the sub-resource doesn't support, an invalid bucket name, an undecodable key); the
    operation then still carries the log name S3 composes for it.
    """

    operation: Operation
    bucket: str | None = None
    key: str | None = None
    version_id: str | None = None
    query: dict[str, str] = field(default_factory=dict)
    source: Source | None = None
    refusal: S3Error | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """An account: 12-digit id, 64-hex canonical id, and the name people know it by."""

    account_id: str
    canonical_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Who made a request, as far as its signature proves it.

    `user_arn` is set for an IAM user and None for an account's root. `service` is set for a
    service principal such as "logging.s3.amazonaws.com". All None: anonymous.
    """

    account: Owner | None = None
    user_arn: str | None = None
    service: str | None = None
    access_key: str | None = None
    signature_version: str | None = None  # "SigV4"
    authentication_type: str | None = None  # "AuthHeader" or "QueryString"

    @property
    def requester(self) -> str | None:
        """The Requester field: user ARN, canonical id of a root, "svc:" and a service, or None."""
        if self.user_arn is not None:
            return self.user_arn
        if self.account is not None:
            return self.account.canonical_id
        return f"svc:{self.service}" if self.service is not None else None


ANONYMOUS = Caller()


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key and whom it speaks for."""

    access_key: str
    secret_key: str
    account: Owner
    user_arn: str | None = None  # None: the account's root


class Ownership(Enum):
    """A bucket's object-ownership setting (PutBucketOwnershipControls)."""

    ENFORCED = "BucketOwnerEnforced"
    PREFERRED = "BucketOwnerPreferred"
    WRITER = "ObjectWriter"


@dataclass(frozen=True, slots=True)
class PublicAccessBlock:
    """The four switches of PutPublicAccessBlock."""

    block_public_acls: bool = False
    ignore_public_acls: bool = False
    block_public_policy: bool = False
    restrict_public_buckets: bool = False


@dataclass(frozen=True, slots=True)
class Bucket:
    """What must be known of a bucket to judge and record a request to it.

    `ownership` and `public_access` are None where that sub-resource is not set. A new bucket has
    ownership ENFORCED and all four public-access switches on, as on S3 since April 2023.
    """

    name: str
    region: str
    owner: Owner
    created_at: int
    acl: Acl
    policy: Policy | None = None
    policy_text: str | None = None
    ownership: Ownership | None = None
    public_access: PublicAccessBlock | None = None

    @property
    def acls_enabled(self) -> bool:
        """Whether ACLs count at all: not with BucketOwnerEnforced."""
        return self.ownership is not Ownership.ENFORCED


@dataclass(frozen=True, slots=True)
class ObjectAccess:
    """Who owns an object and what its ACL grants."""

    owner: Owner
    acl: Acl


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call is allowed, and whether only an ACL made it so.

    `acl_required` follows the aclRequired table of the log-format page. `reason` is for people:
    logs and tests, never sent to a client.
    """

    allowed: bool
    acl_required: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """What a request body turned out to be, once all of it was read and every check passed.

    `length` counts payload bytes, after chunk framing is taken off. `md5` is lower-case hex.
    `checksum` is (algorithm as in "CRC32", base64 value) when the client sent one or one was
    computed for storage; None otherwise.
    """

    length: int
    md5: str
    checksum: tuple[str, str] | None = None


class Body(Protocol):
    """A request body, unwrapped and checked while it is read.

    It is read once, by one of the two methods. Both raise `S3Error` when what arrives is not what
    was announced or signed (IncompleteBody, BadDigest, XAmzContentSHA256Mismatch,
    SignatureDoesNotMatch, EntityTooLarge, RequestTimeout...), and then nothing that was written
    may be kept.
    """

    @property
    def length(self) -> int | None:
        """Payload bytes announced, after unwrapping; None when the client didn't say."""

    async def read(self, limit: int) -> bytes:
        """The whole body; `S3Error("MaxMessageLengthExceeded")` when longer than `limit`."""

    async def into(self, write: Callable[[bytes], object]) -> Received:
        """Hands each piece to `write` in order, and says what it was when all have passed.

        `write` may block (a file); it is called on a worker thread for large bodies, never from
        two threads at once.
        """


@dataclass(frozen=True, slots=True)
class FileSlice:
    """`length` bytes of an open file from `offset`. Whoever sends it closes `descriptor`."""

    descriptor: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """What became of one key of a DeleteObjects call."""

    key: str
    version_id: str | None = None
    status: int = 204
    error_code: str | None = None
    object_size: int | None = None
    acl_required: bool = False


@dataclass(slots=True)
class Facts:
    """What only the backend knows of an answer, for the record of it.

    `object_size`: of the object the call concerned (stored, sent, or removed). `source_size`: of
    the object a copy read. `deleted`: one entry a key, in request order, for DeleteObjects.
    """

    object_size: int | None = None
    source_size: int | None = None
    error_code: str | None = None
    deleted: tuple[Deleted, ...] = ()


@dataclass(slots=True)
class Reply:
    """An answer: status, headers (names as sent), and a body held in memory or in a file.

    The edge adds Content-Length, Date, Server, Connection; the pipeline adds the request ids.
    The body of a reply to HEAD is never sent; its Content-Length is that of `body`, or the
    header given. A body in several files (the parts of one object) is a tuple of slices.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | FileSlice | tuple[FileSlice, ...] = b""
    facts: Facts = field(default_factory=Facts)


@dataclass(slots=True)
class Call:
    """All that a backend may see of a request it is to answer. Permission is already granted.

    `bucket` is the route's bucket, None when the operation is not on an existing one.
    `source_bucket` is the bucket `route.source` names, already permitted to be read from. Two
    are for DeleteObjects: `authorize` judges the deletion of one key of the bucket;
    `foresee` is awaited once, before anything is committed, with `Facts.deleted` naming each key
    that is about to be deleted, so that they are on record whatever happens then.
    """

    request: Request
    route: Route
    caller: Caller
    body: Body
    now: int
    bucket: Bucket | None = None
    source_bucket: Bucket | None = None
    authorize: Callable[[str, str | None], Decision] | None = None  # (key, version id)
    foresee: Callable[[Facts], Awaitable[None]] | None = None
    object_owner: Owner | None = None  # who shall own what is written; None: the caller
    region: str | None = None  # that the request was signed for


Handler = Callable[[Call], Awaitable[Reply]]


class Catalog(Protocol):
    """What the gateway asks a backend before it lets a call through. Quick, and never blocking
    on anything slower than a local index.
    """

    def bucket(self, name: str) -> Bucket | None:
        """The bucket as it is now, every change that was answered anywhere included."""

    def object_access(self, bucket: str, key: str, version_id: str | None) -> ObjectAccess | None:
        """Owner and ACL of an object; None when there is no such object."""


Permission = Literal["READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"]

__all__ = [
    "ANONYMOUS",
    "Body",
    "Bucket",
    "Call",
    "Caller",
    "Catalog",
    "Credential",
    "Decision",
    "Deleted",
    "Facts",
    "FileSlice",
    "Handler",
    "ObjectAccess",
    "Owner",
    "Ownership",
    "Permission",
    "PublicAccessBlock",
    "Received",
    "Reply",
    "Request",
    "Route",
    "Source",
]
