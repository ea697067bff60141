"""Standard input and open files as a store: bytes that come once, in order."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO

from bucketlog.reader.files import reading
from bucketlog.reader.objects import SourceObject, Unreadable

_CHUNK = 1024 * 1024
_IN_MEMORY = 64 * 1024 * 1024
_PATIENCE_S = 0.2


class Stream:
    """One open binary file. It is not closed here: whoever opened it does that."""

    readers = 1

    def __init__(self, file: Any) -> None:
        self._file = file
        self._is_closing = threading.Event()

    def whole(self, found: SourceObject, limit: int) -> bytes | None:
        return None  # its length is not known until it ends

    def chunks(self, found: SourceObject) -> Iterator[bytes]:
        with reading(found.name):
            while chunk := self._read(found):
                yield chunk

    def can_repeat(self, found: SourceObject) -> bool:
        return False

    def seekable(self, found: SourceObject) -> BinaryIO:
        # Parquet is read from its end, so a stream of it has to be kept first.
        kept = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)
        for chunk in self.chunks(found):
            kept.write(chunk)
        kept.seek(0)
        return kept  # type: ignore[return-value]

    def _read(self, found: SourceObject) -> bytes:
        read = getattr(self._file, "read1", None) or self._file.read
        chunk = read(_CHUNK)
        if isinstance(chunk, str):
            raise Unreadable("it is open as text; open it in binary mode")
        return bytes(chunk or b"")
