"""A sealed segment's frames, as log objects: one per tag, so per source, target and day.

Pure, and a function of the segment alone: the same segment always gives the same objects, with
the same names and bytes, so that a delivery may be repeated without a trace. Records keep the
order in which they were appended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from bucketlog.delivery import tags
from bucketlog.delivery.tags import Tag, tag_of
from bucketlog.spool.frame import INTENT, Frame, Part

MAX_OBJECT_BYTES = 64 << 20
"""Size at which a log object is ended and another begun. Changing it changes what a repeated
delivery writes, so it is no setting."""


@dataclass(frozen=True, slots=True)
class Run:
    """Records with consecutive sequence numbers: the first number, how many, their bytes."""

    sequence: int
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One log object: where it goes, its name, its bytes, and what they prove.

    `number` and `sealed_at` are of the segment; `unique` is the end of `key`; `runs` says which
    records of the spool `data` holds.
    """

    tag: bytes
    destination: Tag
    key: str
    data: bytes
    spool_id: str
    number: int
    sealed_at: int
    unique: str
    runs: tuple[Run, ...]

    def __repr__(self) -> str:
        where = f"{self.destination.target.bucket}/{self.key}"
        return f"<Batch {where}: {self.count} records, {len(self.data)} bytes>"

    @property
    def count(self) -> int:
        """Records in it."""
        return sum(run.count for run in self.runs)

    @property
    def first(self) -> int:
        """The sequence number of its first record."""
        return self.runs[0].sequence

    @property
    def last(self) -> int:
        """The sequence number of its last record."""
        return self.runs[-1].sequence + self.runs[-1].count - 1

    @property
    def metadata(self) -> dict[str, str]:
        """The user metadata of the log object (`x-amz-meta-` and these names)."""
        return {
            "bucketlog-spool": self.spool_id,
            "bucketlog-segment": str(self.number),
            "bucketlog-first": str(self.first),
            "bucketlog-last": str(self.last),
            "bucketlog-records": str(self.count),
            "bucketlog-sha256": sha256(self.data).hexdigest(),
        }

    def parts(self) -> Iterable[tuple[int, Part]]:
        """Its records as parts, each with its first sequence number, as a held file keeps them."""
        at = 0
        for run in self.runs:
            yield run.sequence, Part(self.tag, run.count, self.data[at : at + run.size])
            at += run.size


def split(
    frames: Iterable[Frame],
    spool_id: str,
    number: int,
    sealed_at: int,
    max_object_bytes: int = MAX_OBJECT_BYTES,
) -> list[Batch]:
    """The log objects that a sealed segment's frames make. Intents make none.

    Raises ValueError for a tag that `tags.decode` doesn't know.
    """
    by_tag: dict[bytes, list[tuple[int, Part]]] = {}
    for frame in frames:
        if frame.kind == INTENT:
            continue
        sequence = frame.sequence
        for part in frame.parts:
            if part.count:
                by_tag.setdefault(part.tag, []).append((sequence, part))
            sequence += part.count
    return [
        _batch(tag, piece, spool_id, number, sealed_at)
        for tag, parts in by_tag.items()
        for piece in _pieces(parts, max_object_bytes)
    ]


def _pieces(
    parts: list[tuple[int, Part]], max_object_bytes: int
) -> Iterable[list[tuple[int, Part]]]:
    """Cuts between parts wherever the next would make the object too large."""
    piece: list[tuple[int, Part]] = []
    size = 0
    for sequence, part in parts:
        if piece and size + len(part.data) > max_object_bytes:
            yield piece
            piece, size = [], 0
        piece.append((sequence, part))
        size += len(part.data)
    yield piece


def _batch(
    tag: bytes, parts: list[tuple[int, Part]], spool_id: str, number: int, sealed_at: int
) -> Batch:
    destination = tags.decode(tag)
    unique = _unique(tag, spool_id, number, sealed_at, parts[0][0])
    return Batch(
        tag=tag,
        destination=destination,
        key=tags.object_key(destination, sealed_at, unique),
        data=b"".join(part.data for _, part in parts),
        spool_id=spool_id,
        number=number,
        sealed_at=sealed_at,
        unique=unique,
        runs=_runs(parts),
    )


def _runs(parts: list[tuple[int, Part]]) -> tuple[Run, ...]:
    runs: list[Run] = []
    for sequence, part in parts:
        before = runs[-1] if runs else None
        if before is not None and before.sequence + before.count == sequence:
            runs[-1] = Run(before.sequence, before.count + part.count, before.size + len(part.data))
        else:
            runs.append(Run(sequence, part.count, len(part.data)))
    return tuple(runs)


def _unique(tag: bytes, spool_id: str, number: int, sealed_at: int, first: int) -> str:
    """The 16 characters that end a log object's name, different for every object ever made."""
    text = f"{spool_id} {number} {sealed_at} {first} ".encode()
    return sha256(text + tag).hexdigest()[:16].upper()


__all__ = ["MAX_OBJECT_BYTES", "Batch", "Run", "Tag", "split", "tag_of"]
