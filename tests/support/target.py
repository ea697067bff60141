"""A target bucket in memory that can refuse, and a health that remembers what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field

from bucketlog.accesslog.targets import Target
from bucketlog.delivery.batches import Batch
from bucketlog.s3.acl import Acl
from bucketlog.s3.model import Bucket, Owner

OWNER = Owner("123456789012", "c" * 64, "owner")


def source(name: str) -> Bucket:
    """A source bucket."""
    return Bucket(name, "us-east-1", OWNER, 0, Acl(OWNER, ()))


@dataclass
class TargetBuckets:
    """Stores log objects by bucket and key. `refusals` are raised, by source bucket."""

    objects: dict[tuple[str, str], Batch] = field(default_factory=dict)
    refusals: dict[str, Exception] = field(default_factory=dict)
    tries: list[tuple[str, str]] = field(default_factory=list)  # source bucket, key

    async def put(self, batch: Batch) -> None:
        source_bucket = batch.destination.source_bucket
        self.tries.append((source_bucket, batch.key))
        if source_bucket in self.refusals:
            raise self.refusals[source_bucket]
        name = (batch.destination.target.bucket, batch.key)
        before = self.objects.setdefault(name, batch)
        assert (before.data, before.metadata) == (batch.data, batch.metadata)

    def lines(self, source_bucket: str) -> list[bytes]:
        """All lines stored for a source bucket, sorted."""
        return sorted(
            line
            for batch in self.objects.values()
            if batch.destination.source_bucket == source_bucket
            for line in batch.data.splitlines()
        )


@dataclass
class HealthNotes:
    """A Health that keeps what it is told."""

    told: list[tuple[str, str, str | int]] = field(default_factory=list)

    def delivered(self, bucket: str, key: str, records: int, at: int) -> None:
        self.told.append(("delivered", bucket, records))

    def failed(self, bucket: str, reason: str, at: int) -> None:
        self.told.append(("failed", bucket, reason))

    def lost(self, bucket: str, records: int, reason: str, at: int) -> None:
        self.told.append(("lost", bucket, records))

    def of(self, kind: str) -> list[tuple[str, str | int]]:
        """What was told of one kind: bucket, and records or reason."""
        return [(bucket, what) for said, bucket, what in self.told if said == kind]


def rule(bucket: str = "logs", prefix: str = "p/") -> Target:
    """A simple logging rule."""
    return Target(bucket, prefix)
