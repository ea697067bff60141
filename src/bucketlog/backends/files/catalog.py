"""The buckets as values: `Bucket` made of an index row, kept until a bucket changes anywhere.

Every worker process watches one shared counter, `generation`; whoever commits a change to a
bucket bumps it before answering. An unchanged counter makes a look-up two dictionary reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bucketlog.backends.files.index import Entry, Index
from bucketlog.s3 import acl as acls
from bucketlog.s3 import policy as policies
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Bucket, ObjectAccess, Ownership, PublicAccessBlock

_SELECT = (
    "SELECT id, name, region, owner, created_at, acl, policy, ownership, public_access "
    "FROM buckets WHERE name = ?"
)


@dataclass(frozen=True, slots=True)
class Known:
    """A bucket and its number in the index."""

    id: int
    bucket: Bucket


class KnownBuckets:
    """What is known of the buckets. Used on the event loop's thread only."""

    def __init__(self, index: Index, generation: Callable[[], int]) -> None:
        self._index = index
        self._generation = generation
        self._seen = generation()
        self._known: dict[str, Known] = {}

    def find(self, name: str) -> Known | None:
        """The bucket as it is now; None when there is none of that name."""
        # The counter is read before the row, so a change in between is seen at the next look-up.
        now = self._generation()
        if now != self._seen:
            self._known.clear()
            self._seen = now
        known = self._known.get(name)
        if known is None:
            row = self._index.reader.execute(_SELECT, (name,)).fetchone()
            if row is None:
                return None
            known = self._known[name] = self._known_of(row)
        return known

    def expect(self, name: str) -> Known:
        """The same, or `S3Error` NoSuchBucket."""
        known = self.find(name)
        if known is None:
            raise S3Error("NoSuchBucket", BucketName=name)
        return known

    def object_access(self, name: str, key: str) -> ObjectAccess | None:
        """Owner and ACL of an object; None when there is no such object."""
        known = self.find(name)
        entry = None if known is None else self._index.entry(known.id, key)
        return None if entry is None else self.access_of(entry)

    def access_of(self, entry: Entry) -> ObjectAccess:
        """Owner and ACL out of an object's row."""
        owner = self._index.owner(entry.owner)
        acl = acls.private(owner) if entry.acl is None else acls.decode(entry.acl)
        return ObjectAccess(owner, acl)

    def _known_of(self, row: tuple[Any, ...]) -> Known:
        number, name, region, owner, created_at, acl, policy, ownership, public_access = row
        return Known(
            number,
            Bucket(
                name=name,
                region=region,
                owner=self._index.owner(owner),
                created_at=created_at,
                acl=acls.decode(acl),
                policy=None if policy is None else policies.parse(policy, name),
                policy_text=policy,
                ownership=None if ownership is None else Ownership(ownership),
                public_access=None if public_access is None else switches(public_access),
            ),
        )


def switches(bits: int) -> PublicAccessBlock:
    """The four public-access switches out of the index's number."""
    return PublicAccessBlock(*(bool(bits & 1 << place) for place in range(4)))


def bits_of(block: PublicAccessBlock) -> int:
    """The index's number for the four switches."""
    return (
        block.block_public_acls
        | block.ignore_public_acls << 1
        | block.block_public_policy << 2
        | block.restrict_public_buckets << 3
    )
