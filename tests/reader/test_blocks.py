"""Chunks of any size are cut into whole lines, with nothing lost and every line counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.reader import blocks

TEXTS = st.lists(st.sampled_from([b"", b"a", b"bc\r", b"ddd", b"\0\xff"]), max_size=30).map(
    lambda lines: b"\n".join(lines)
)


def chunked(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(TEXTS, st.integers(1, 12), st.integers(1, 20))
def test_blocks_joined_are_the_bytes_and_each_ends_where_a_line_does(
    data: bytes, chunk: int, size: int
) -> None:
    found = list(blocks.cut(chunked(data, chunk), size))
    assert b"".join(block.data for block in found) == data
    assert all(block.data.endswith(b"\n") for block in found[:-1])
    line, offset = 1, 0
    for block in found:
        assert (block.first_line, block.first_offset) == (line, offset)
        assert block.lines == len(_lines(block.data))
        line, offset = line + block.lines, offset + len(block.data)


def _lines(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    return parts[:-1] if not parts[-1] else parts


def test_a_line_longer_than_a_block_makes_it_grow() -> None:
    long = b"x" * 100
    found = list(blocks.cut(chunked(b"a\n" + long + b"\nb\n", 7), 10))
    assert b"".join(block.data for block in found) == b"a\n" + long + b"\nb\n"
    assert max(block.lines for block in found if long in block.data) <= 2
    assert not any(block.unread for block in found)


@pytest.mark.parametrize("chunk", [1, 5, 30, 200])
@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_longer_than_the_longest_is_told_with_its_length(chunk: int, end: bytes) -> None:
    data = b"a\n" + b"x" * 100 + end
    after = b"b\nc" if end else b""
    found = list(blocks.cut(chunked(data + after, chunk), 10, longest=20))
    if chunk == 200:  # it came at once, so there is no reason to give it up
        assert b"".join(block.data for block in found) == data + after
        return
    (unread,) = [block for block in found if block.unread is not None]
    assert unread.unread is not None
    assert unread.unread.length == 100
    assert unread.unread.head == b"x" * len(unread.unread.head) != b""
    assert (unread.first_line, unread.first_offset, unread.lines) == (2, 2, 1)
    if end:
        behind = found[found.index(unread) + 1 :]
        assert b"".join(block.data for block in behind) == after
        assert (behind[0].first_line, behind[0].first_offset) == (3, 103)


def test_an_empty_chunk_gives_out_the_whole_lines_that_are_there() -> None:
    found = blocks.cut([b"a\nb\nc", b"", b"", b"d\n"])
    assert [(block.data, block.first_line) for block in found] == [(b"a\nb\n", 1), (b"cd\n", 3)]


@given(TEXTS, st.integers(1, 12), st.integers(1, 20), st.integers(0, 35))
def test_lines_are_passed_over_wherever_blocks_end(
    data: bytes, chunk: int, size: int, passed: int
) -> None:
    found = list(blocks.after(blocks.cut(chunked(data, chunk), size), passed))
    rest = _lines(data)[passed:]
    assert [line for block in found for line in _lines(block.data)] == rest
    assert sum(block.lines for block in found) == len(rest)
    if found:
        assert found[0].first_line == passed + 1
        assert data[found[0].first_offset :] == b"".join(block.data for block in found)


@given(TEXTS, st.integers(1, 12), st.integers(1, 20))
def test_what_came_before_an_error_is_given_and_a_torn_line_is_none(
    data: bytes, chunk: int, size: int
) -> None:
    def broken() -> Iterator[bytes]:
        yield from chunked(data, chunk)
        raise ConnectionError

    found = []
    with pytest.raises(ConnectionError):
        found += blocks.cut(broken(), size)  # extends the list until it raises
    end = data.rfind(b"\n") + 1
    whole = [block for block in found if block.unread is None]
    assert b"".join(block.data for block in whole) == data[:end]
    torn = [block for block in found if block.unread is not None]
    assert [block.unread.head for block in torn if block.unread] == [data[end:]] * bool(data[end:])
    assert sum(block.lines for block in found) == len(_lines(data))
