"""Where a command's bytes go: stdout, or a file that appears only when it is whole.

A file is written beside its place under another name and renamed at the end, so nobody ever sees
half of one, and whatever breaks the command off leaves nothing behind.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from bucketlog.problems import Problem

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def opened(file: Path | None) -> Iterator[BinaryIO]:
    """The file to write to, or stdout if None.

    Raises `Problem` where the file can't be written. A device or a named pipe is written as it is.
    """
    if file is None:
        with _named("stdout", _NO_ROOM):
            sys.stdout.flush()
            yield cast("BinaryIO", Whole(sys.stdout.buffer))
            sys.stdout.buffer.flush()
        return
    place = Path(os.path.realpath(file))
    if place.is_dir():
        raise Problem(f"{file} is a folder.", "Name a file to write to.")
    if place.exists() and not place.is_file():
        with _named(str(file)):
            device = place.open("wb")
        with _named(str(file), _NO_ROOM), device:
            yield device
        return
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}.partial")
    with _named(str(file)):
        stream = temporary.open("xb")
    try:
        with _named(str(file), _NO_ROOM), stream:
            yield stream
        with _named(str(file)):
            temporary.replace(place)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class Whole(io.RawIOBase):
    """A stream that writes all it is given, even where Python's stdout is unbuffered and may not.

    With PYTHONUNBUFFERED, a write to a full disk or a reader that goes away may be a part only,
    and the error comes with the next one.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Writes it all, or raises what the system says."""
        left = memoryview(data).cast("B")
        size = len(left)
        while left:
            left = left[self._stream.write(left) :]
        return size


class Shown(io.RawIOBase):
    """A stream for a terminal: UTF-8 text whose control characters are shown, not sent."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Writes text, line ends as they are."""
        from bucketlog.cli import texts

        told = self._decoder.decode(bytes(data))
        self._stream.write("\n".join(map(texts.shown, told.split("\n"))).encode())
        return len(data)


@contextmanager
def _named(name: str, only: tuple[int, ...] = ()) -> Iterator[None]:
    """Makes a Problem of what the system says, or of these errors only if any are given."""
    try:
        yield
    except OSError as error:
        if only and error.errno not in only:
            raise
        raise Problem(
            f"{name} can't be written: {error.strerror}.",
            "Write to another place with -o FILE." if error.errno in _NO_ROOM else None,
        ) from error
