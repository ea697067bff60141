"""Bytes of known objects to rows, rejects and their count.

Many small objects are joined into one call of the kernel, whose cost is the same for ten lines as
for ten thousand; which object each row is from is worked out afterwards from the counts of lines.
An object without a single record that isn't text either is no log: one trouble, not a million
rejects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from bucketlog.problems import Problem
from bucketlog.reader import account, blocks, parse, structured, timeline
from bucketlog.reader.account import Tally
from bucketlog.reader.blocks import Block, Unread, count_lines
from bucketlog.reader.objects import Position, SourceObject, Trouble, delivered_at
from bucketlog.reader.schema import LINE_REJECTS, REJECTS, REPEATING, SCHEMA, TIME
from bucketlog.reader.shape import Shape

_BOM = b"\xef\xbb\xbf"
_LOOKED_AT = 64 * 1024
_CONTROLS = bytes({*range(32)} - {9, 10, 12, 13, 27}) + b"\x7f"
_NO_REJECTS = LINE_REJECTS.empty_table().to_batches() or [
    pa.record_batch([pa.array([], each.type) for each in LINE_REJECTS], schema=LINE_REJECTS)
]


@dataclass(frozen=True, slots=True)
class Piece:
    """A small object, whole and decompressed; `trouble` is what befell its end, if anything."""

    found: SourceObject
    data: bytes
    stored_bytes: int
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a block, or of a few small objects: in the order of their lines."""

    batches: tuple[pa.RecordBatch, ...]
    rejects: pa.RecordBatch | None
    tally: Tally
    end: Position | None
    is_log: bool = True


def of_pieces(pieces: Sequence[Piece], shape: Shape, width_us: int) -> Outcome:
    """The rows of whole objects, joined where they may be."""
    outcomes: list[Outcome] = []
    for kind, run in groupby(pieces, _kind):
        if kind == "torn":
            outcomes += (each for piece in run for each in _of_torn(piece, shape, width_us))
        else:
            outcomes += _of_run(kind, list(run), shape, width_us)
    troubles = tuple(
        Trouble(piece.found.name, piece.trouble) for piece in pieces if piece.trouble is not None
    )
    tally = Tally(
        objects=len(pieces),
        stored_bytes=sum(piece.stored_bytes for piece in pieces),
        bytes=sum(len(piece.data) for piece in pieces),
        troubles=troubles,
    )
    return merged([*outcomes, Outcome((), None, tally, Position(pieces[-1].found.name))])


def _kind(piece: Piece) -> parse.Kind | Literal["torn"]:
    return parse.kind_of(piece.data) if piece.trouble is None else "torn"


def _of_torn(piece: Piece, shape: Shape, width_us: int) -> Iterator[Outcome]:
    """The rows of what is left of a damaged object, whose bytes are counted elsewhere."""
    is_json = parse.kind_of(piece.data) == "json"
    for block in blocks.ending(piece.data, 1, 0, is_torn=True):
        outcome = of_block(piece.found, replace(block, is_json=is_json), shape, width_us)
        passed = 0 if outcome.is_log else len(piece.data)
        yield replace(outcome, tally=replace(outcome.tally, bytes=0, bytes_not_log=passed))
        if not outcome.is_log:
            return


def merged(outcomes: Sequence[Outcome]) -> Outcome:
    """Several outcomes as one."""
    rejects = [each.rejects for each in outcomes if each.rejects is not None]
    ends = [each.end for each in outcomes if each.end is not None]
    return Outcome(
        tuple(batch for outcome in outcomes for batch in outcome.batches),
        pa.concat_batches(rejects) if len(rejects) > 1 else next(iter(rejects), None),
        account.combined([outcome.tally for outcome in outcomes]),
        ends[-1] if ends else None,
        all(outcome.is_log for outcome in outcomes),
    )


def _of_run(
    kind: parse.Kind, pieces: list[Piece], shape: Shape, width_us: int
) -> Iterator[Outcome]:
    if kind == "parquet":
        for piece in pieces:
            yield from of_parquet(piece.found, piece.data, shape, width_us)
        return
    filled = [piece for piece in pieces if piece.data]
    if not filled:
        return
    joined = _Joined(filled, kind)
    parser = structured.parse_json if kind == "json" else parse.parse_lines
    batch, rejects = parser(joined.data, 1, 0)
    not_logs = joined.not_logs(batch, rejects)
    rejects = joined.without(rejects, not_logs)
    lines = sum(joined.line_counts) - sum(joined.line_counts[at] for at in not_logs)
    tally = Tally(
        lines=lines,
        bytes_not_log=sum(len(filled[at].data) for at in not_logs),
        troubles=tuple(_not_a_log(filled[at].found, filled[at].data) for at in not_logs),
    )
    provenance = joined.provenance(batch.column("line_number"))
    rejected = joined.provenance(rejects.column("line_number")) if rejects.num_rows else None
    yield _outcome(batch, rejects, provenance, rejected, tally, shape, width_us)


def of_block(found: SourceObject, block: Block, shape: Shape, width_us: int) -> Outcome:
    """The rows of a block of a big object. Its first block tells whether it is a log."""
    end = Position(found.name, block.first_line + block.lines - 1)
    tally = Tally(lines=block.lines, bytes=len(block.data), stored_bytes=block.stored_bytes)
    if block.unread is not None:
        rejects = _unread(block, block.unread)
        placed = _placed(rejects, _Provenance.of(found, rejects.column("line_number")))
        tally = replace(tally, bytes=block.unread.length, rejects=account.reasons(rejects))
        return Outcome((), shape.rejects(placed), tally, end)
    is_json = block.is_json
    parser = structured.parse_json if is_json else parse.parse_lines
    batch, rejects = parser(block.data, block.first_line, block.first_offset)
    if block.first_line == 1 and not batch.num_rows and is_binary(block.data):
        tally = Tally(troubles=(_not_a_log(found, block.data),))
        return Outcome((), None, tally, None, is_log=False)
    provenance = _Provenance.of(found, batch.column("line_number"))
    rejected = _Provenance.of(found, rejects.column("line_number")) if rejects.num_rows else None
    outcome = _outcome(batch, rejects, provenance, rejected, tally, shape, width_us)
    return replace(outcome, end=end)


def of_parquet(
    found: SourceObject, source: Any, shape: Shape, width_us: int, behind: int = 0
) -> Iterator[Outcome]:
    """The rows of structured records in Parquet, where a row counts as a line."""
    rows = 0
    try:
        for batch in structured.parse_parquet(source):
            passed = min(max(behind - rows, 0), batch.num_rows)
            rows += passed
            batch = batch.slice(passed)
            if not batch.num_rows:
                continue
            provenance = _Provenance.of(found, batch.column("line_number"))
            tally = Tally(lines=batch.num_rows)
            rows += batch.num_rows
            yield replace(
                _outcome(batch, _NO_REJECTS[0], provenance, None, tally, shape, width_us),
                end=Position(found.name, rows),
            )
    except Problem as problem:
        yield Outcome((), None, Tally(troubles=(Trouble(found.name, problem.message),)), None)


def _outcome(
    batch: pa.RecordBatch,
    rejects: pa.RecordBatch,
    provenance: _Provenance,
    rejected: _Provenance | None,
    tally: Tally,
    shape: Shape,
    width_us: int,
) -> Outcome:
    times = batch.column("time")
    field_counts = account.counts(batch.column("field_count"))
    lags, longest_lag_us = provenance.lags(times)
    shaped = shape.apply(provenance.placed(batch)) if batch.num_rows else None
    return Outcome(
        (shaped,) if shaped is not None and shaped.num_rows else (),
        None if rejected is None else shape.rejects(_placed(rejects, rejected)),
        replace(
            tally,
            rows=batch.num_rows,
            selected=0 if shaped is None else shaped.num_rows,
            rejects=account.reasons(rejects),
            ambiguous=batch.column("parse_ambiguous").true_count,
            field_counts=field_counts,
            eras=account.eras(batch, field_counts),
            width_us=width_us,
            spans=timeline.spans_of(times, width_us),
            lags=lags,
            longest_lag_us=longest_lag_us,
        ),
        None,
    )


# ── where rows are from ─────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Provenance:
    """Of each row: which object, by its place in `objects`, and which line of it.

    `starts` are the offsets at which the objects begin, None where offsets are right already.
    """

    objects: Sequence[SourceObject]
    indices: pa.Array
    line_numbers: pa.Array
    starts: Sequence[int] | None = None

    @classmethod
    def of(cls, found: SourceObject, line_numbers: pa.Array) -> _Provenance:
        """All rows are from one object."""
        indices = pa.repeat(pa.scalar(0, pa.int32()), len(line_numbers))
        return cls((found,), indices, line_numbers)

    def source_object(self) -> pa.Array:
        """The column of names."""
        names = pa.array([found.name for found in self.objects], pa.string())
        return pa.DictionaryArray.from_arrays(self.indices, names)

    def placed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with SCHEMA's columns."""
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        columns |= {"source_object": self.source_object(), "line_number": self.line_numbers}
        return pa.record_batch([columns[name] for name in SCHEMA.names], schema=SCHEMA)

    def lags(self, times: pa.Array) -> tuple[dict[int, int], int | None]:
        """How long the rows waited for their delivery, where that is known."""
        delivered = [delivered_at(found) for found in self.objects]
        if not any(delivered):
            return {}, None
        return account.lags(times, pa.array(delivered, TIME).take(self.indices))


def _placed(rejects: pa.RecordBatch, provenance: _Provenance) -> pa.RecordBatch:
    offsets = rejects.column("offset")
    if provenance.starts is not None:
        starts = pa.array(provenance.starts, pa.int64()).take(provenance.indices)
        offsets = pc.subtract(offsets, starts)
    return pa.record_batch(
        [
            provenance.source_object(),
            provenance.line_numbers,
            offsets,
            rejects.column("reason"),
            rejects.column("bytes"),
        ],
        schema=REJECTS,
    )


class _Joined:
    """Whole objects as one text, and which of its lines are whose."""

    def __init__(self, pieces: Sequence[Piece], kind: parse.Kind) -> None:
        self.pieces = pieces
        parts: list[bytes] = []
        self.line_counts: list[int] = []
        self.starts: list[int] = []
        offset = 0
        for piece in pieces:
            data = piece.data
            self.line_counts.append(count_lines(data))
            self.starts.append(offset)
            if kind == "json" and data.startswith(_BOM):
                data = data[len(_BOM) :]
                self.starts[-1] -= len(_BOM)
            parts.append(data)
            offset += len(data)
            if not data.endswith(b"\n"):
                parts.append(b"\n")
                offset += 1
        self.data = parts[0] if len(parts) == 1 else b"".join(parts)
        self._ends = list(accumulate(self.line_counts))
        self._owners: pa.Array | None = None

    def _owner_of(self, lines: pa.Array) -> pa.Array:
        """Which object lines belong to, by their number in the whole."""
        if self._owners is None:
            places = pa.array(range(len(self.pieces)), pa.int32())
            ends = pa.array(self._ends, pa.int32())
            self._owners = pc.run_end_decode(pa.RunEndEncodedArray.from_arrays(ends, places))
        if len(lines) == len(self._owners):  # no reject, or nothing else: lines are in order
            return self._owners
        return self._owners.take(pc.subtract(lines, 1))

    def provenance(self, lines: pa.Array) -> _Provenance:
        """Of lines by their number in the whole: whose they are, and their number there."""
        owners = self._owner_of(lines)
        before = pa.array([0, *self._ends[:-1]], pa.int64()).take(owners)
        objects = [piece.found for piece in self.pieces]
        return _Provenance(objects, owners, pc.subtract(lines, before), self.starts)

    def not_logs(self, batch: pa.RecordBatch, rejects: pa.RecordBatch) -> set[int]:
        """The objects without any record that are no text."""
        if not rejects.num_rows:
            return set()
        suspects = set(pc.unique(self._owner_of(rejects.column("line_number"))).to_pylist())
        if batch.num_rows:
            suspects -= set(pc.unique(self._owner_of(batch.column("line_number"))).to_pylist())
        return {at for at in suspects if is_binary(self.pieces[at].data)}

    def without(self, rejects: pa.RecordBatch, objects: set[int]) -> pa.RecordBatch:
        """The rejects but for those of some objects."""
        if not objects:
            return rejects
        owners = self._owner_of(rejects.column("line_number"))
        theirs = pc.is_in(owners, pa.array(sorted(objects), pa.int32()))
        return rejects.filter(pc.invert(theirs))


# ── what is no log ──────────────────────────────────────────────────────────────────────────────

_MAGIC = (
    (b"SQLite format 3\0", "a SQLite database"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive, to be unpacked first"),
    (b"BZh", "compressed with bzip2, to be unpacked first"),
    (b"\xfd7zXZ\0", "compressed with xz, to be unpacked first"),
    (b"7z\xbc\xaf", "a 7z archive, to be unpacked first"),
    (b"\x04\x22\x4d\x18", "compressed with lz4, to be unpacked first"),
    (b"\xff\x06\0\0sNaPpY", "compressed with snappy, to be unpacked first"),
    (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"),
    (b"ARROW1", "Arrow"),
    (b"\x7fELF", "a program"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)


def is_binary(data: bytes) -> bool:
    """Whether bytes are no text: they hold a NUL, or more than 10 % other control characters."""
    looked_at = data[:_LOOKED_AT]
    if b"\0" in looked_at or any(looked_at.startswith(magic) for magic, _ in _MAGIC):
        return True
    controls = len(looked_at) - len(looked_at.translate(None, _CONTROLS))
    return controls * 10 > len(looked_at)


def _not_a_log(found: SourceObject, data: bytes) -> Trouble:
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return Trouble(found.name, f"not a log: it is {name}")
    is_tar = data[257:262] == b"ustar"
    what = "it is a tar archive, to be unpacked first" if is_tar else "it is binary"
    return Trouble(found.name, f"not a log: {what}")


def _unread(block: Block, unread: Unread) -> pa.RecordBatch:
    return pa.record_batch(
        [
            pa.array([block.first_line], pa.int64()),
            pa.array([block.first_offset], pa.int64()),
            pa.array([unread.reason]).dictionary_encode().cast(REPEATING),
            pa.array([unread.head], pa.binary()),
        ],
        schema=LINE_REJECTS,
    )
