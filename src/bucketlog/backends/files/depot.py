"""The parts of an open store, as each group of operations is given them; and who owns a write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bucketlog.backends.files.blobs import Blobs
from bucketlog.backends.files.catalog import KnownBuckets
from bucketlog.backends.files.index import Index
from bucketlog.s3 import acl as acls
from bucketlog.s3.acl import Acl
from bucketlog.s3.model import Bucket, Call, Owner, Ownership

Run = Callable[..., Awaitable[Any]]
"""`await run(function, *arguments)`: calls a blocking function off the event loop."""


@dataclass(frozen=True, slots=True)
class Depot:
    """Index, content and the rest. `regions` are those served, the default first; `bump` tells
    every process that a bucket has changed; `name_of` and `is_principal` tell who exists.
    """

    index: Index
    blobs: Blobs
    known: KnownBuckets
    run: Run
    bump: Callable[[], object]
    regions: tuple[str, ...]
    name_of: acls.Known | None
    is_principal: Callable[[str], bool] | None


def bucket_of(call: Call) -> Bucket:
    """The bucket of a call that is on one."""
    assert call.bucket is not None
    return call.bucket


def key_of(call: Call) -> str:
    """The key of a call that is on an object."""
    assert call.route.key is not None
    return call.route.key


def writer_of(call: Call) -> Owner:
    """The account that a new object belongs to, if the bucket's settings don't say otherwise."""
    if call.object_owner is not None:
        return call.object_owner
    if call.caller.account is not None:
        return call.caller.account
    return acls.ANONYMOUS_OWNER


def rights_of(call: Call, name_of: acls.Known | None) -> tuple[Owner, str | None]:
    """Who shall own what a call writes, and its ACL as the index stores it (None: private).

    With BucketOwnerEnforced the bucket's owner owns everything; with BucketOwnerPreferred, what
    comes with the canned ACL bucket-owner-full-control ("Controlling ownership of objects", S3
    User Guide). Raises `S3Error` for an ACL that is malformed or that the bucket rules out.
    """
    bucket = bucket_of(call)
    headers = call.request.headers
    owner = writer_of(call)
    given_up = headers.get("x-amz-acl") == "bucket-owner-full-control"
    if not bucket.acls_enabled or (bucket.ownership is Ownership.PREFERRED and given_up):
        owner = bucket.owner
    wanted = acls.requested(headers, owner, bucket.owner, known=name_of)
    if wanted is None:
        return owner, None
    acls.check(wanted, bucket, headers)
    return owner, stored(wanted)


def stored(acl: Acl) -> str | None:
    """An object's ACL as the index stores it; None stands for private."""
    return None if acl == acls.private(acl.owner) else acls.encode(acl)
