"""One frame on disk: everything one request appends, in one write, all of it or none.

Bytes in, values out; `docs/formats/spool.md` draws the boxes. A frame's checksum is seeded with
its segment's, so bytes of another file, or a frame forged inside a record, never pass for one.
The torn-tail rule: what follows the last whole frame is cut. Damage with whole frames behind it
is a value (`Damage`), never skipped in silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from zlib import crc32

RECORD, INTENT, COMPLETION = 1, 2, 3
"""Kinds of frame: records; what to record if no completion follows; the records of an intent."""

VERSION = 1
"""The format's version, in the header of each segment."""

_SEGMENT_MAGIC = b"\xf1bktspl\n"
_SEGMENT = Struct("<8sHxx8sQQQQ")
_MAGIC = b"\xf1rec"  # no UTF-8 text holds it
_HEAD = Struct("<4sBxHIQQ")
_PART = Struct("<III")
_CRC = Struct("<I")

HEADER_BYTES = _SEGMENT.size + _CRC.size
_HEAD_BYTES = _HEAD.size + _CRC.size

_pack_head, _pack_part, _pack_crc = _HEAD.pack, _PART.pack, _CRC.pack


@dataclass(slots=True)
class Part:
    """Records that share a destination: an opaque tag, how many they are, their bytes.

    Read back, `data` is a view of what was read: a segment is copied once, when it is joined.
    """

    tag: bytes
    count: int
    data: bytes | memoryview


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment says of itself, and what outlives all segments before it.

    `spool_id` is 16 hex digits. `next_sequence` and `next_intent` are the first numbers not
    given out when the segment was begun.
    """

    spool_id: str
    number: int
    next_sequence: int
    next_intent: int
    created_at: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame read back.

    `sequence` is the number of its first record; the records of `parts` follow it in order. 0 in
    an INTENT, whose parts aren't records yet. `intent` is 0 in a RECORD.
    """

    kind: int
    sequence: int
    intent: int
    parts: tuple[Part, ...]

    @property
    def count(self) -> int:
        """Records in all parts."""
        return sum(part.count for part in self.parts)


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes `start` to `end` of a segment that should be frames and aren't."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What a segment holds: whole frames in order, damage, and where the last whole frame ends.

    `torn` counts the bytes behind `end` that are the start of a frame never finished.
    """

    frames: list[Frame]
    damage: list[Damage]
    end: int
    torn: int


def encode_header(header: Header) -> bytes:
    """The first bytes of a segment. The seed of its frames is `seed_of` them."""
    data = _SEGMENT.pack(
        _SEGMENT_MAGIC,
        VERSION,
        bytes.fromhex(header.spool_id),
        header.number,
        header.next_sequence,
        header.next_intent,
        header.created_at,
    )
    return data + _pack_crc(crc32(data))


def seed_of(header: bytes) -> int:
    """The seed of the frames of the segment that begins with `header`: its checksum."""
    seed: int = _CRC.unpack_from(header, _SEGMENT.size)[0]
    return seed


def decode_header(data: bytes) -> Header | None:
    """The header a segment's bytes begin with; None when they don't.

    Raises ValueError when it is whole, but of a version this code doesn't know.
    """
    if len(data) < HEADER_BYTES:
        return None
    magic, version, spool_id, number, sequence, intent, created_at = _SEGMENT.unpack_from(data)
    if magic != _SEGMENT_MAGIC or crc32(data[: _SEGMENT.size]) != seed_of(data):
        return None
    if version != VERSION:
        raise ValueError(f"spool format {version}")
    return Header(spool_id.hex(), number, sequence, intent, created_at)


def encode(kind: int, sequence: int, intent: int, parts: Iterable[Part], seed: int) -> bytes:
    """The bytes of one frame. Raises struct.error beyond 4 GiB or 65,535 parts."""
    body = b""
    number = 0
    for part in parts:
        tag, data = part.tag, part.data
        body += _pack_part(len(tag), part.count, len(data)) + tag + data
        number += 1
    head = _pack_head(_MAGIC, kind, number, len(body), sequence, intent)
    return head + _pack_crc(crc32(body, crc32(head, seed))) + body


def scan(data: bytes, seed: int, start: int = HEADER_BYTES) -> Scan:
    """Reads the frames of a segment's bytes, from `start` on."""
    frames: list[Frame] = []
    damage: list[Damage] = []
    view = memoryview(data)
    at, end = start, len(data)
    while at < end:
        found = _decode_at(data, view, at, seed)
        if found is None:
            further = _next_frame(data, view, at + 1, seed)
            if further is None:
                break
            damage.append(Damage(at, further))
            at = further
        else:
            frame, at = found
            frames.append(frame)
    if at < end and _extent(data, at) is not None:
        # Long enough to be whole, yet it doesn't check: not torn but spoilt.
        damage.append(Damage(at, end))
        return Scan(frames, damage, at, 0)
    return Scan(frames, damage, at, max(0, end - at))


def _extent(data: bytes, at: int) -> int | None:
    """Where the frame that begins at `at` would end; None when it isn't one or isn't all there."""
    body = at + _HEAD_BYTES
    if body > len(data) or not data.startswith(_MAGIC, at):
        return None
    _, kind, _, length, _, _ = _HEAD.unpack_from(data, at)
    end: int = body + length
    return end if RECORD <= kind <= COMPLETION and end <= len(data) else None


def _decode_at(data: bytes, view: memoryview, at: int, seed: int) -> tuple[Frame, int] | None:
    """The frame at `at` and where it ends; None when no whole, sound frame is there."""
    end = _extent(data, at)
    if end is None:
        return None
    body = at + _HEAD_BYTES
    (expected,) = _CRC.unpack_from(data, at + _HEAD.size)
    if crc32(view[body:end], crc32(view[at : at + _HEAD.size], seed)) != expected:
        return None
    _, kind, number, _, sequence, intent = _HEAD.unpack_from(data, at)
    parts = []
    for _ in range(number):
        tag_bytes, count, data_bytes = _PART.unpack_from(data, body)
        tag_end = body + _PART.size + tag_bytes
        body = tag_end + data_bytes
        parts.append(Part(data[tag_end - tag_bytes : tag_end], count, view[tag_end:body]))
    return Frame(kind, sequence, intent, tuple(parts)), end


def _next_frame(data: bytes, view: memoryview, at: int, seed: int) -> int | None:
    """Where the next whole, sound frame at or after `at` begins."""
    while (at := data.find(_MAGIC, at)) >= 0:
        if _decode_at(data, view, at, seed) is not None:
            return at
        at += 1
    return None


def records_by_tag(frames: Iterable[Frame]) -> dict[bytes, int]:
    """How many records, of those to be delivered, the frames hold for each tag."""
    counts: dict[bytes, int] = {}
    for frame in frames:
        if frame.kind != INTENT:
            for part in frame.parts:
                counts[part.tag] = counts.get(part.tag, 0) + part.count
    return counts
