"""Standard input, pipes and open files as a store: bytes that come once, in order.

A pipe that falls silent doesn't hold back what it said: an empty chunk tells the reader that no
more comes for now, so that `tail -f log | bucketlog read -` shows each line within a moment.
"""

from __future__ import annotations

import os
import select
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO, cast

from bucketlog.reader.files import reading
from bucketlog.reader.objects import SourceObject, Unreadable

_CHUNK = 1024 * 1024
_IN_MEMORY = 64 * 1024 * 1024
_PATIENCE_S = 0.2


class Stream:
    """An open binary file. It is not closed here: whoever opened it does that."""

    readers = 1

    def __init__(self, file: Any) -> None:
        self._file = file

    def whole(self, found: SourceObject, limit: int) -> bytes | None:
        """None: how long it is isn't known until it ends."""
        return None

    def chunks(self, found: SourceObject) -> Iterator[bytes]:
        """What is left of it."""
        read = getattr(self._file, "read1", None) or self._file.read
        with reading(found.name):
            while chunk := read(_CHUNK):
                if isinstance(chunk, str):
                    raise Unreadable("it is open as text; open it in binary mode")
                yield bytes(chunk)

    def can_repeat(self, found: SourceObject) -> bool:
        """No."""
        return False

    def seekable(self, found: SourceObject) -> BinaryIO:
        """It, kept in a temporary file: Parquet is read from its end."""
        with ExitStack() as undo:
            kept = undo.enter_context(tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))
            for chunk in self.chunks(found):
                kept.write(chunk)
            kept.seek(0)
            undo.pop_all()
        return cast(BinaryIO, kept)


class Pipe(Stream):
    """A FIFO or device by its path, or standard input by its number; read without any buffer.

    (The buffer of `sys.stdin` has a lock, which a thread that still waits for input would hold
    when the program ends, and the interpreter would die of it.)
    """

    def __init__(self, place: str | int) -> None:
        self._place = place
        self._is_closed = threading.Event()

    def close(self) -> None:
        """Ends `chunks` within a moment, whatever thread is in it."""
        self._is_closed.set()

    def chunks(self, found: SourceObject) -> Iterator[bytes]:
        """What comes; an empty chunk where nothing comes for a moment."""
        with reading(found.name), ExitStack() as undo:
            number = self._place
            if isinstance(number, str):
                number = os.open(number, os.O_RDONLY)
                undo.callback(os.close, number)
            is_told = True
            while not self._is_closed.is_set():
                if not select.select([number], [], [], _PATIENCE_S)[0]:
                    if not is_told:
                        is_told = True
                        yield b""
                    continue
                if not (chunk := os.read(number, _CHUNK)):
                    return
                is_told = False
                yield chunk


def stdin() -> Stream:
    """Standard input, whatever stands for it."""
    try:
        return Pipe(sys.stdin.fileno())
    except (OSError, ValueError):  # a test's, or a notebook's
        return Stream(getattr(sys.stdin, "buffer", sys.stdin))
