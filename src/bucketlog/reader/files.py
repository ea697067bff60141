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
        with reading(found.key), _opened(found.key) as file:
            data = file.read(limit + 1)
        return data if len(data) <= limit else None

    def chunks(self, found: SourceObject) -> Iterator[bytes]:
        with reading(found.key), _opened(found.key) as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def can_repeat(self, found: SourceObject) -> bool:
        return True

    def seekable(self, found: SourceObject) -> BinaryIO:
        with reading(found.key):
            return _opened(found.key)

    def aligned(self, found: SourceObject, size: int) -> Iterator[bytes]:
        """Its bytes in chunks that end where lines do, if lines are short: no byte is copied."""
        with reading(found.key), _opened(found.key) as file:
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


def _opened(path: str) -> BinaryIO:
    # A FIFO without a writer would be waited for, for ever.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise Unreadable("it is no regular file")
    return open(path, "rb", buffering=0)


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Makes an `Unreadable` of what the system says."""
    try:
        yield
    except FileNotFoundError as error:
        raise Unreadable("it is gone") from error
    except OSError as error:
        raise Unreadable((error.strerror or str(error)).lower()) from error
