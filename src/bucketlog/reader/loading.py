"""Source objects to bytes: small ones whole, big ones block by block.

What goes wrong with one object becomes its trouble here; what could be read before is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bucketlog.reader import blocks, compression, parse, rows
from bucketlog.reader.account import Tally
from bucketlog.reader.blocks import Block
from bucketlog.reader.compression import Damaged
from bucketlog.reader.objects import Position, SourceObject, Trouble, Unreadable
from bucketlog.reader.rows import Outcome, Piece
from bucketlog.reader.shape import Shape

SMALL = blocks.SIZE
"""Bytes, as stored: what is not more is read whole."""

_MOST_EXPANDED = 4 * SMALL

Loaded = Piece | SourceObject | Trouble
"""A small object; one that turned out to be big; or why there is neither."""


def load(objects: Sequence[SourceObject]) -> list[Loaded]:
    """Small objects, whole."""
    return [_whole(found) for found in objects]


def _whole(found: SourceObject) -> Loaded:
    if found.size == 0:
        return Piece(found, b"", 0)
    try:
        data = found.store.whole(found, SMALL)
    except Unreadable as error:
        return Trouble(found.name, str(error))
    if data is None:
        return found
    if compression.kind(data[:4]) is None:
        return Piece(found, data, len(data))
    parts: list[bytes] = []
    expanded, trouble = 0, None
    try:
        for part in compression.expand([data], lambda: [data]):
            expanded += len(part)
            if expanded > _MOST_EXPANDED:
                return found
            parts.append(part)
    except Damaged as error:
        trouble = str(error)
    return Piece(found, b"".join(parts), len(data), trouble)


class _Counted:
    """Chunks that are counted as they pass."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._bytes += len(chunk)
            yield chunk

    def count(self, bytes: int) -> None:
        """Bytes that went another way."""
        self._bytes += bytes

    def taken(self) -> int:
        """Bytes since this was last asked."""
        found, self._bytes = self._bytes, 0
        return found


def steps(
    found: SourceObject, shape: Shape, width_us: int, behind: int = 0
) -> Iterator[Block | Outcome]:
    """A big object: blocks that are still to be parsed, or what came of it, in order.

    Its first `behind` lines are passed over.
    """
    counted = _Counted(iter(()))
    trouble: tuple[Trouble, ...] = ()
    try:
        chunks, counted = _opened(found)
        if chunks is None:
            with found.store.seekable(found) as file:
                yield from rows.of_parquet(found, file, shape, width_us, behind)
            counted.count(found.size or 0)
        else:
            yield from _blocks(found, chunks, counted, shape, width_us, behind)
    except (Unreadable, Damaged) as error:
        trouble = (Trouble(found.name, str(error)),)
    tally = Tally(objects=1, stored_bytes=counted.taken(), troubles=trouble)
    yield Outcome((), None, tally, Position(found.name))


def _opened(found: SourceObject) -> tuple[Iterator[bytes] | None, _Counted]:
    """The object's bytes decompressed, in chunks; None for Parquet. And the count of them."""
    stream = found.store.chunks(found)
    first = b""
    for chunk in stream:
        first += chunk
        if len(first) >= 4:
            break
    if compression.kind(first[:4]) is not None:
        counted = _Counted(_rejoined(first, stream))
        again = (lambda: found.store.chunks(found)) if found.store.can_repeat(found) else None
        return compression.expand(counted, again), counted
    if first.startswith(b"PAR1"):
        if found.store.can_repeat(found):
            stream.close()  # type: ignore[attr-defined]
        return None, _Counted(iter(()))
    aligned = getattr(found.store, "aligned", None)
    if aligned is not None:
        stream.close()  # type: ignore[attr-defined]
        counted = _Counted(aligned(found, blocks.SIZE))
    else:
        counted = _Counted(_rejoined(first, stream))
    return iter(counted), counted


def _rejoined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _blocks(
    found: SourceObject,
    chunks: Iterator[bytes],
    counted: _Counted,
    shape: Shape,
    width_us: int,
    behind: int,
) -> Iterator[Block | Outcome]:
    is_json: bool | None = None
    for block in blocks.cut(chunks):
        if is_json is None:
            is_json = parse.kind_of(block.data) == "json"
            if rows.is_binary(block.data):  # so whether it is a log decides whether to go on
                outcome = rows.of_block(found, replace(block, is_json=is_json), shape, width_us)
                if not outcome.is_log:
                    yield _passed_over(found, outcome, block, counted)
                    return
        for wanted in blocks.after([block], behind) if behind else (block,):
            yield replace(wanted, is_json=is_json, stored_bytes=counted.taken())


def _passed_over(found: SourceObject, outcome: Outcome, block: Block, counted: _Counted) -> Outcome:
    """An object that is no log: its bytes are counted, as far as they are known."""
    stored = counted.taken()
    size = stored if found.size is None else found.size
    tally = replace(
        outcome.tally, stored_bytes=size, bytes=len(block.data), bytes_not_log=len(block.data)
    )
    return replace(outcome, tally=tally)
