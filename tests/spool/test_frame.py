"""Frames: both ways, torn anywhere, damaged anywhere, forged."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.spool import frame
from bucketlog.spool.frame import COMPLETION, INTENT, RECORD, Damage, Frame, Header, Part

HEADER = Header("0123456789abcdef", 42, 1001, 7, 1_700_000_000_000_000_000)
SEED = 0x5EED
ONE = Part(b"tag", 1, b"line\n")
THREE = Part(b"\xf1rec \xff", 3, b"a\nb\nc\n")

FRAMES = [
    Frame(RECORD, 1, 0, (ONE,)),
    Frame(INTENT, 0, 9, (ONE, THREE)),
    Frame(COMPLETION, 2, 9, (THREE, ONE)),
    Frame(COMPLETION, 6, 10, ()),
    Frame(RECORD, 2**64 - 1, 0, (Part(b"", 0, b""),)),
]

parts = st.builds(Part, st.binary(max_size=30), st.integers(0, 2**32 - 1), st.binary(max_size=60))
numbers = st.integers(0, 2**64 - 1)
some_frames = st.lists(
    st.builds(
        Frame,
        st.sampled_from([RECORD, INTENT, COMPLETION]),
        numbers,
        numbers,
        st.lists(parts, max_size=4).map(tuple),
    ),
    max_size=6,
)


def encoded(item: Frame) -> bytes:
    return frame.encode(item.kind, item.sequence, item.intent, item.parts, SEED)


@pytest.mark.parametrize("item", FRAMES)
def test_a_frame_reads_back_as_it_was_written(item: Frame) -> None:
    assert frame.scan(encoded(item), SEED, 0) == frame.Scan([item], [], len(encoded(item)), 0)


@given(some_frames)
def test_frames_in_a_row_read_back_in_order(items: list[Frame]) -> None:
    data = b"".join(encoded(item) for item in items)
    assert frame.scan(data, SEED, 0) == frame.Scan(items, [], len(data), 0)


def test_a_frame_has_the_bytes_that_the_format_page_draws() -> None:
    body = struct.pack("<III", 3, 1, 5) + b"tag" + b"line\n"
    head = b"\xf1rec" + struct.pack("<BBHIQQ", RECORD, 0, 1, len(body), 77, 0)
    check = crc32(body, crc32(head, SEED))
    assert frame.encode(RECORD, 77, 0, [ONE], SEED) == head + struct.pack("<I", check) + body


def test_a_header_has_the_bytes_that_the_format_page_draws() -> None:
    data = (
        b"\xf1bktspl\n"
        + struct.pack("<HH", 1, 0)
        + bytes.fromhex("0123456789abcdef")
        + struct.pack("<QQQQ", 42, 1001, 7, 1_700_000_000_000_000_000)
    )
    assert frame.encode_header(HEADER) == data + struct.pack("<I", crc32(data))
    assert frame.HEADER_BYTES == 56


@given(numbers, numbers, numbers, numbers, st.binary(min_size=8, max_size=8))
def test_a_header_reads_back_as_it_was_written(
    number: int, sequence: int, intent: int, at: int, spool_id: bytes
) -> None:
    header = Header(spool_id.hex(), number, sequence, intent, at)
    data = frame.encode_header(header)
    assert frame.decode_header(data + b"frames") == header
    assert frame.seed_of(data) == crc32(data[:-4])


def test_a_header_with_any_byte_changed_or_missing_is_none() -> None:
    data = frame.encode_header(HEADER)
    for at in range(len(data)):
        assert frame.decode_header(data[:at]) is None
        spoilt = data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]
        assert frame.decode_header(spoilt) is None


def test_a_header_of_a_newer_version_is_refused_by_name() -> None:
    data = bytearray(frame.encode_header(HEADER)[:-4])
    data[8] = 2
    with pytest.raises(ValueError, match="spool format 2"):
        frame.decode_header(bytes(data) + struct.pack("<I", crc32(data)))


def test_a_torn_tail_is_cut_to_the_last_whole_frame() -> None:
    first, second = encoded(FRAMES[0]), encoded(FRAMES[2])
    for length in range(len(second)):
        data = first + second[:length]
        assert frame.scan(data, SEED, 0) == frame.Scan([FRAMES[0]], [], len(first), length)


@pytest.mark.parametrize("tail", [b"\0" * 500, b"\xff" * 500, b"\xf1rec" + b"\xee" * 28])
def test_zeros_or_rubbish_behind_the_last_frame_are_a_torn_tail(tail: bytes) -> None:
    data = encoded(FRAMES[0])
    assert frame.scan(data + tail, SEED, 0) == frame.Scan([FRAMES[0]], [], len(data), len(tail))


def test_a_frame_damaged_in_the_middle_is_told_and_the_next_one_read() -> None:
    first, second, third = (encoded(item) for item in FRAMES[:3])
    start, end = len(first), len(first) + len(second)
    for at in range(start, end):
        data = bytearray(first + second + third)
        data[at] ^= 0x04
        scan = frame.scan(bytes(data), SEED, 0)
        assert scan.frames == [FRAMES[0], FRAMES[2]]
        assert scan.damage == [Damage(start, end)]
        assert (scan.end, scan.torn) == (len(data), 0)


def test_the_last_frame_if_whole_by_length_but_spoilt_is_damage_not_a_torn_tail() -> None:
    first, last = encoded(FRAMES[0]), encoded(FRAMES[2])
    data = first + last[:-1] + b"?"
    assert frame.scan(data, SEED, 0) == frame.Scan(
        [FRAMES[0]], [Damage(len(first), len(data))], len(first), 0
    )


def test_a_frame_forged_inside_a_record_never_passes_for_one() -> None:
    forged = frame.encode(RECORD, 1, 0, [Part(b"t", 1, b"forged\n")], 0)
    carrier = encoded(Frame(RECORD, 1, 0, (Part(b"t", 1, forged),)))
    damaged = b"\0" + carrier[1:]
    scan = frame.scan(damaged + encoded(FRAMES[0]), SEED, 0)
    assert scan.frames == [FRAMES[0]]
    assert scan.damage == [Damage(0, len(damaged))]


def test_frames_of_another_segment_do_not_read_as_ones_of_this() -> None:
    data = encoded(FRAMES[0])
    assert frame.scan(data, SEED + 1, 0).frames == []


def test_records_are_counted_by_tag_and_intents_are_none() -> None:
    assert frame.records_by_tag(FRAMES[:4]) == {b"tag": 2, b"\xf1rec \xff": 3}
    assert FRAMES[1].count == 4


def test_more_parts_than_a_frame_counts_are_refused() -> None:
    with pytest.raises(struct.error):
        frame.encode(RECORD, 1, 0, [ONE] * 65_536, SEED)
