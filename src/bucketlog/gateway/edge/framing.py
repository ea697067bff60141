"""Where a request body ends: after Content-Length bytes, or where its chunked coding says.

`feed` takes what comes off the wire and gives body bytes, and at the end what lies behind it.
Chunked coding (RFC 9112 section 7.1) is read by a grammar narrower than the RFC's, never wider:
whatever is accepted here, llhttp and every other reader take to mean the same.
"""

from __future__ import annotations

import re

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*"'
_SIZE = re.compile(
    rb"([0-9A-Fa-f]{1,15})(?:;" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*"
)
_TRAILER = re.compile(_TOKEN + rb":[\t\x20-\x7e\x80-\xff]*")

LINE = 4096
"""Bytes of one line of framing: a chunk size with its extensions, or a trailer."""

TRAILERS = 16 * 1024
"""Bytes of all trailers of a body together."""


class FramingError(Exception):
    """The framing of a body is broken, so nobody can say where it ends."""


class Sized:
    """A body of Content-Length bytes."""

    __slots__ = ("_remaining",)

    def __init__(self, length: int) -> None:
        self._remaining = length

    @property
    def remaining(self) -> int | None:
        """Bytes that have yet to come."""
        return self._remaining

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Body bytes of `data`, and what lies behind the body's end (None: not ended yet)."""
        size = len(data)
        if size < self._remaining:
            self._remaining -= size
            return data, None
        end, self._remaining = self._remaining, 0
        return data[:end], data[end:]


class Chunked:
    """A body in chunked coding. Extensions and trailers are read and dropped."""

    __slots__ = ("_data_left", "_in_trailers", "_line", "_trailers")

    def __init__(self) -> None:
        self._data_left = -1  # of the current chunk; 0: its CRLF comes next; -1: a line does
        self._in_trailers = False
        self._line = b""  # the beginning of a line that hasn't wholly come
        self._trailers = 0

    @property
    def remaining(self) -> int | None:
        """None: it can't be known."""
        return None

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """As `Sized.feed`. Raises `FramingError`; no more may be fed then."""
        if self._line:
            data = self._line + data
            self._line = b""
        payload: list[bytes] = []
        at = 0
        while True:
            if self._data_left > 0:
                piece = data[at : at + self._data_left]
                payload.append(piece)
                at += len(piece)
                self._data_left -= len(piece)
                if self._data_left:
                    break
            end = data.find(b"\r\n", at)
            if end < 0:
                self._line = _beginning(data[at:], 0 if self._data_left == 0 else LINE)
                break
            line, at = data[at:end], end + 2
            if self._data_left == 0:
                if line:
                    raise FramingError("a chunk is longer than its size")
                self._data_left = -1
            elif not self._in_trailers:
                self._size(line)
            elif line:
                self._trailer(line)
            else:
                return b"".join(payload), data[at:]
        return payload[0] if len(payload) == 1 else b"".join(payload), None

    def _size(self, line: bytes) -> None:
        match = _SIZE.fullmatch(line) if len(line) <= LINE else None
        if match is None:
            raise FramingError("not a chunk size")
        self._data_left = int(match[1], 16)
        if not self._data_left:
            self._data_left = -1
            self._in_trailers = True

    def _trailer(self, line: bytes) -> None:
        self._trailers += len(line) + 2
        if len(line) > LINE or self._trailers > TRAILERS or not _TRAILER.fullmatch(line):
            raise FramingError("not a trailer, or too many")


def _beginning(line: bytes, longest: int) -> bytes:
    """The beginning of a line of at most `longest` bytes, if it can become one."""
    if len(line) > longest + 1 or b"\n" in line or b"\r" in line[:-1]:
        raise FramingError("not a line of chunked coding")
    if longest == 0 and line not in (b"", b"\r"):
        raise FramingError("a chunk is longer than its size")
    return line
