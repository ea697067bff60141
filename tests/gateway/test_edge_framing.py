"""Where bodies end: by length, by chunks, in any split, and as llhttp reads the same bytes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.gateway.edge.framing import LINE, TRAILERS, Chunked, FramingError, Sized

NEXT = b"GET /next HTTP/1.1\r\n"


def read(framing: Sized | Chunked, *pieces: bytes) -> tuple[bytes, bytes | None]:
    """All body bytes of these pieces, and what was left behind the end."""
    payload = b""
    for number, piece in enumerate(pieces):
        part, rest = framing.feed(piece)
        payload += part
        if rest is not None:
            return payload, rest + b"".join(pieces[number + 1 :])
    return payload, None


def split(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(data)) for place in at), len(data)]
    return [data[one:two] for one, two in pairwise(edges)]


def test_a_sized_body_ends_after_its_length() -> None:
    body = Sized(5)
    assert body.feed(b"abc") == (b"abc", None)
    assert body.remaining == 2
    assert body.feed(b"de" + NEXT) == (b"de", NEXT)
    assert body.remaining == 0


PROPER = {
    b"0\r\n\r\n": b"",
    b"3\r\nabc\r\n0\r\n\r\n": b"abc",
    b'3;a;b=c;d="x;\\"y"\r\nabc\r\n0;e\r\n\r\n': b"abc",
    b"3\r\nabc\r\nA\r\n0123456789\r\n000\r\n\r\n": b"abc0123456789",
    b"3\r\n\r\n\r\r\n0\r\n\r\n": b"\r\n\r",
    b"0\r\nX-Sum: abc\r\nOther:\r\n\r\n": b"",
}


@pytest.mark.parametrize("data", PROPER)
def test_chunks_are_joined_in_whatever_pieces_they_come(data: bytes) -> None:
    for pieces in ([data + NEXT], [data[i : i + 1] for i in range(len(data))] + [NEXT]):
        assert read(Chunked(), *pieces) == (PROPER[data], NEXT)
    assert read(Chunked(), data) == (PROPER[data], b"")
    assert Chunked().remaining is None


BROKEN = [
    b"5_0\r\n",
    b"-1\r\n",
    b"+1\r\n",
    b"0x3\r\nabc\r\n",
    b" 3\r\n",
    b"3 \r\nabc\r\n",
    b"\r\n",
    b"g\r\n",
    b"3;\r\n",
    b"3;a=\x00\r\n",
    b'3;a="\n"\r\n',
    b"3\nabc\n",
    b"3\rabc",
    b"3\r\nabcd\r\n",
    b"3\r\nabc0\r\n\r\n",
    b"3\r\nabc\n0\r\n\r\n",
    b"3\r\nabc\rX",
    b"0\r\n bad: x\r\n\r\n",
    b"0\r\nbad\r\n\r\n",
    b"0\r\nbad: \x00\r\n\r\n",
    b"0\r\nA: b\r\n c\r\n\r\n",
    b"10000000000000000\r\n",
    b"1" * (LINE + 2),
    b"1;" + b"a" * LINE + b"\r\n",
    b"0\r\n" + b"A: b\r\n" * (TRAILERS // 6 + 1),
]


@pytest.mark.parametrize("data", BROKEN)
def test_broken_chunks_are_refused_in_whatever_pieces_they_come(data: bytes) -> None:
    with pytest.raises(FramingError):
        read(Chunked(), data)
    with pytest.raises(FramingError):
        read(Chunked(), *[data[i : i + 1] for i in range(len(data))])


def llhttp(data: bytes) -> tuple[bytes, bool] | None:
    """The body as llhttp reads it and whether it ended; None when it refuses."""
    pieces: list[bytes] = []
    ends: list[int] = []

    class Callbacks:
        def on_body(self, piece: bytes) -> None:
            pieces.append(piece)

        def on_message_complete(self) -> None:
            ends.append(1)

    parser: Any = httptools.HttpRequestParser(Callbacks())
    parser.feed_data(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        parser.feed_data(data)
    except httptools.HttpParserError:
        return None
    return b"".join(pieces), bool(ends)


_tokens = st.text("abz-!09", min_size=1, max_size=5).map(str.encode)
_lines = st.one_of(
    st.integers(0, 40).map(lambda size: b"%x" % size),
    st.sampled_from(
        [b"3", b"03", b"5;a=b", b'2;c="x y"', b"0", b"", b"A: b", b"3 ", b"3\t;x", b"z"]
    ),
    st.binary(max_size=6),
)
_almost = st.lists(
    st.one_of(
        _lines.map(lambda line: line + b"\r\n"),
        st.binary(max_size=8).map(lambda data: b"%x\r\n%s\r\n" % (len(data), data)),
    ),
    max_size=6,
).map(b"".join)


@given(_almost, st.lists(st.integers(0, 60), max_size=4))
def test_what_is_accepted_llhttp_reads_the_same_and_any_split_too(
    data: bytes, at: list[int]
) -> None:
    try:
        payload, rest = read(Chunked(), data)
    except FramingError:
        with pytest.raises(FramingError):
            read(Chunked(), *split(data, at))
        return
    assert read(Chunked(), *split(data, at)) == (payload, rest)
    used = data if rest is None else data[: len(data) - len(rest)]
    assert llhttp(used) == (payload, rest is not None)


@given(st.lists(st.binary(min_size=1, max_size=50)), st.lists(st.integers(0, 300), max_size=5))
def test_every_body_comes_through_chunks_unchanged(parts: list[bytes], at: list[int]) -> None:
    data = b"".join(b"%X\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n" + NEXT
    assert read(Chunked(), *split(data, at)) == (b"".join(parts), NEXT)
