"""Local files as a store: read whole, in chunks, or in blocks that end where lines do."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from bucketlog.reader.objects import SourceObject, Unreadable

_CHUNK = 4 * 1024 * 1024
_PROBE = 64 * 1024


class Files:
    """Files by their paths."""

    readers = 4

    def whole(self, found: SourceObject, limit: int) -> bytes | None:
        """All of it, or None. A file that grew meanwhile is read to its end."""
        with reading(found.key):
            number = _opened(found.key)
            try:
                size = limit if found.size is None else min(found.size, limit)
                data = os.read(number, size + 1)
                if len(data) <= size and len(data) == found.size:
                    return data
                parts = [data]
                while part := os.read(number, _CHUNK):
                    parts.append(part)
                    if sum(map(len, parts)) > limit:
                        return None
                return b"".join(parts)
            finally:
                os.close(number)

    def chunks(self, found: SourceObject) -> Iterator[bytes]:
        with reading(found.key), open(_opened(found.key), "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def can_repeat(self, found: SourceObject) -> bool:
        return True

    def seekable(self, found: SourceObject) -> BinaryIO:
        with reading(found.key):
            return open(_opened(found.key), "rb")

    def aligned(self, found: SourceObject, size: int) -> Iterator[bytes]:
        """Its bytes in chunks that end where lines do, if lines are short: no byte is copied."""
        with reading(found.key), open(_opened(found.key), "rb", buffering=0) as file:
            number, start = file.fileno(), 0
            while True:
                end = start + size
                probe = os.pread(number, _PROBE, end)
                end += probe.find(b"\n") + 1
                chunk = os.pread(number, end - start, start)
                if not chunk:
                    return
                start += len(chunk)
                yield chunk


def _opened(path: str) -> int:
    # A FIFO without a writer would be waited for, for ever.
    number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise Unreadable("it is no regular file")
    return number


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Makes an `Unreadable` of what the system says."""
    try:
        yield
    except FileNotFoundError as error:
        raise Unreadable("it is gone") from error
    except OSError as error:
        raise Unreadable((error.strerror or str(error)).lower()) from error
