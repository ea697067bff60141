"""gzip and zstd, told by their first bytes and undone as they stream.

Members of gzip and frames of zstd may follow each other. Of a damaged stream all that can be had
is given before `Damaged` says what is wrong: to the very byte, for the last whole line before the
damage is as good as any other.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SLICE = 64 * 1024  # of compressed bytes: what is gone through again when it is damaged
_PIECE = 1024 * 1024  # the most that one step may expand to

Chunks = Iterable[bytes]


class Damaged(Exception):
    """A compressed stream ends too early or is corrupt; the message says which, and where."""


def kind(head: bytes) -> str | None:
    """How bytes that begin so are compressed: `gzip`, `zstd` or None. Four bytes will do."""
    if head.startswith(_GZIP):
        return "gzip"
    # A skippable frame (RFC 8878, section 3.1.2) may come first; pzstd writes one.
    is_skippable = head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5
    return "zstd" if head.startswith(_ZSTD) or is_skippable else None


def expand(chunks: Chunks, again: Callable[[], Chunks] | None = None) -> Iterator[bytes]:
    """The bytes as they were before compression; as they are, if they aren't compressed.

    `again` gives the same chunks once more, where that is possible: what a damaged zstd stream
    holds between two steps can't be had without it. Raises `Damaged` after all that is sound.
    """
    stream = iter(chunks)
    head = b""
    for chunk in stream:
        head += chunk
        if len(head) >= 4:
            break
    found = kind(head)
    if found is None:
        return _rejoined(head, stream)
    if found == "gzip":
        return _gunzipped(_rejoined(head, stream))
    return _unzstd(_rejoined(head, stream), again)


def _rejoined(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from rest


# ── gzip ────────────────────────────────────────────────────────────────────────────────────────


def _gunzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    member = _member()
    is_inside = False  # a member, which has begun and not ended
    position = 0
    for chunk in chunks:
        for start in range(0, len(chunk), _SLICE):
            data = chunk[start : start + _SLICE]
            position += len(data)
            while data:
                if not is_inside:
                    data = data.lstrip(b"\0")  # tar and tape pad with zeros between and behind
                    if not data:
                        break
                    member, is_inside = _member(), True
                before = member.copy()
                try:
                    piece = member.decompress(data, _PIECE)
                except zlib.error as error:
                    yield _salvaged(before, data)
                    raise Damaged(_gzip_trouble(error, position - len(data))) from error
                if piece:
                    yield piece
                is_inside = not member.eof
                data = member.unused_data if member.eof else member.unconsumed_tail
    while is_inside and (piece := member.decompress(b"", _PIECE)):
        yield piece
    if is_inside and not member.eof:
        raise Damaged(f"truncated gzip: it ends within a member, after {position:,} bytes")


def _member() -> zlib._Decompress:
    return zlib.decompressobj(wbits=31)


def _salvaged(member: zlib._Decompress, data: bytes) -> bytes:
    """What the bytes hold up to where they are corrupt."""
    found = []
    try:
        for at in range(len(data)):
            found.append(member.decompress(data[at : at + 1]))
    except zlib.error:
        pass
    return b"".join(found)


def _gzip_trouble(error: zlib.error, position: int) -> str:
    text = str(error)
    if "incorrect data check" in text or "incorrect length check" in text:
        return f"corrupt gzip: a checksum or length is wrong, after byte {position:,}"
    if "incorrect header check" in text or "unknown compression" in text:
        return f"corrupt gzip: what follows byte {position:,} is no gzip"
    return f"corrupt gzip: {text.rpartition(': ')[2]}, after byte {position:,}"


# ── zstd ────────────────────────────────────────────────────────────────────────────────────────


class Pulled(io.RawIOBase):
    """Chunks as a file, for Arrow to read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")
        self.position = 0
        self.error: BaseException | None = None

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer, or a part of it."""
        taken = self.read(len(buffer))
        buffer[: len(taken)] = taken
        return len(taken)

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes; none at the end."""
        while not self._rest:
            try:
                chunk = next(self._chunks, None)
            except BaseException as error:  # Arrow would make a text of it
                self.error = error
                raise
            if chunk is None:
                return b""
            self._rest = memoryview(chunk)
        taken = bytes(self._rest[:size]) if size >= 0 else bytes(self._rest)
        self._rest = self._rest[len(taken) :]
        self.position += len(taken)
        return taken


def _unzstd(chunks: Iterator[bytes], again: Callable[[], Chunks] | None) -> Iterator[bytes]:
    import pyarrow as pa

    raw = Pulled(chunks)
    expanded = 0
    step = _SLICE if again is not None else 4096
    try:
        with pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd") as stream:
            while piece := stream.read(step):
                expanded += len(piece)
                yield piece
    except (OSError, pa.ArrowException) as error:
        if raw.error is not None:  # it couldn't be read: another trouble than damage
            raise raw.error from None
        if again is not None:
            yield from _replayed(again(), expanded)
        text = str(error)
        is_short = "runcated" in text
        what = "truncated zstd: it ends within a frame" if is_short else "corrupt zstd"
        raise Damaged(f"{what}, after about {raw.position:,} bytes") from error


def _replayed(chunks: Chunks, skipped: int) -> Iterator[bytes]:
    """What comes behind the bytes that were had: byte by byte, as a failed step gives nothing."""
    import pyarrow as pa

    found = bytearray()
    raw = Pulled(iter(chunks))
    try:
        with pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd") as stream:
            while skipped and (piece := stream.read(min(skipped, _SLICE))):
                skipped -= len(piece)
            while byte := stream.read(1):
                found += byte
    except (OSError, pa.ArrowException):
        pass
    yield bytes(found)
