"""Immutable content files: one a stored object or part, under a random name, never changed.

`objects/xx/<id>`, xx being the first two digits of the id. A blob is written under `incoming/`
and published by `Disk.publish`: synced, renamed, its folder synced; only then may a row of the
index name it. A row that stops naming it is committed before the file is unlinked. So a crash
leaves files without rows, never rows without files, and `sweep` removes those. A reader that
finds its blob gone looks its row up again: somebody replaced the object.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from bucketlog.disk import Disk, DiskProblem, problem_of
from bucketlog.s3.errors import S3Error

log = logging.getLogger("bucketlog.store")

IN_MEMORY_BYTES = 256 * 1024
"""What is gathered in memory before a file is begun, so that small writes take one step."""

_PIECE = 1024 * 1024


class BlobGone(Exception):
    """The file isn't there (any more)."""


class Blobs:
    """The content files of a store. Safe to use from any thread and several processes."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        """Makes the folders. Raises `Problem`."""
        self._disk = disk
        self.left_behind = False
        self._incoming = folder / "incoming"
        self._objects = folder / "objects"
        self._prefix = f"{self._objects}/"
        disk.make_folder(self._incoming)
        disk.make_folder(self._objects)
        disk.sync_folder(folder)
        self._shards = set(disk.names(self._objects))

    def incoming(self, most: int | None = None) -> Incoming:
        """Somewhere to put new content, at most `most` bytes of it."""
        return Incoming(self._disk, self._incoming, self._place, most)

    def path(self, blob: str) -> Path:
        """Where a blob is."""
        return self._objects / blob[:2] / blob

    def _place(self, blob: str) -> Path:
        """Where a new blob goes; its folder is there, lastingly, when this returns."""
        path = self.path(blob)
        if blob[:2] not in self._shards:
            self._disk.make_folder(path.parent)
            self._disk.sync_folder(self._objects)
            self._shards.add(blob[:2])
        return path

    def open(self, blob: str) -> int:
        """A descriptor to read from, which the caller closes. Raises `BlobGone`."""
        try:
            return os.open(f"{self._prefix}{blob[:2]}/{blob}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobGone(blob) from None
        except OSError as error:
            raise problem_of(error, f"open {self.path(blob)}") from error

    def read(self, blob: str, offset: int, length: int) -> bytes:
        """Some of a blob, for short answers. Raises `BlobGone`."""
        descriptor = self.open(blob)
        try:
            data = os.pread(descriptor, length, offset)
            while len(data) < length and (
                more := os.pread(descriptor, length - len(data), offset + len(data))
            ):
                data += more
        except OSError as error:
            raise problem_of(error, f"read {self.path(blob)}") from error
        finally:
            os.close(descriptor)
        return data

    def copy(self, blob: str, offset: int, length: int, write: Callable[[bytes], object]) -> None:
        """Hands some of a blob to `write`, in pieces. Raises `BlobGone` before the first one."""
        descriptor = self.open(blob)
        try:
            while length > 0:
                piece = os.pread(descriptor, min(length, _PIECE), offset)
                if not piece:
                    raise S3Error("InternalError", "The stored content is shorter than recorded.")
                write(piece)
                offset += len(piece)
                length -= len(piece)
        except OSError as error:
            raise problem_of(error, f"read {self.path(blob)}") from error
        finally:
            os.close(descriptor)

    def remove(self, blob: str | None) -> None:
        """Unlinks a blob that no row names any more. None, and a blob that is gone, are fine.

        Never raises: the change was committed, and is answered as done. A file that stays is
        remembered by `left_behind`, and swept when the store is next opened.
        """
        if blob is None:
            return
        try:
            self._disk.unlink(self.path(blob))
        except DiskProblem as problem:
            self.left_behind = True
            log.warning("%s It will be removed at a later start.", problem.message)

    def sweep(self, unnamed: Callable[[str, Iterable[str]], Iterable[str]] | None) -> int:
        """Removes what a crash left, and says how many files that were.

        Only while nobody else has the store open. `unnamed(shard, blobs)` tells which of a
        folder's blobs no row names; None: after an orderly close there are none.
        """
        count = 0
        for name in list(self._disk.names(self._incoming)):
            self._disk.unlink(self._incoming / name)
            count += 1
        if unnamed is not None:
            for shard in sorted(self._shards):
                for blob in unnamed(shard, self._disk.names(self._objects / shard)):
                    self._disk.unlink(self.path(blob))
                    count += 1
        return count


class Incoming:
    """Content on its way in: gathered in memory, then in a file; published or discarded once.

    A request may be cancelled, and its content discarded, while a worker thread is still writing
    a piece: hence the lock, without which the descriptor might be another file's by then.
    """

    def __init__(
        self, disk: Disk, folder: Path, place: Callable[[str], Path], most: int | None
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._place = place
        self._path: Path | None = None
        self._most = most
        self._pieces: list[bytes] = []
        self._descriptor: int | None = None
        self._begun = False
        self._lock = threading.Lock()
        self._blob = secrets.token_hex(16)
        self.length = 0

    def write(self, data: bytes) -> None:
        """Takes the next piece. Raises `DiskProblem`, or `S3Error` when it gets too long."""
        self.length += len(data)
        if self._most is not None and self.length > self._most:
            raise S3Error(
                "EntityTooLarge", ProposedSize=str(self.length), MaxSizeAllowed=str(self._most)
            )
        with self._lock:
            if self._begun:
                self._append(data)
                return
            self._pieces.append(data)
            if self.length > IN_MEMORY_BYTES:
                self._spill()

    def publish(self) -> str | None:
        """Makes the content lasting, and gives the blob's name; None for no bytes at all.

        Blocking: call it off the event loop.
        """
        if self.length == 0:
            return None
        if not self._begun:
            self._spill()
        self._close()
        self._path = self._place(self._blob)
        self._disk.publish(self._folder / self._blob, self._path)
        return self._blob

    def discard(self) -> None:
        """Throws it away. After `publish` this removes what was published."""
        with self._lock:
            self._pieces.clear()
            if self._begun:
                self._close()
                self._disk.unlink(self._folder / self._blob)
                if self._path is not None:
                    self._disk.unlink(self._path)

    def _spill(self) -> None:
        self._descriptor = self._disk.create(self._folder / self._blob)
        self._begun = True
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._append(data)

    def _append(self, data: bytes) -> None:
        if self._descriptor is None:
            raise BlobGone("The content was discarded.")
        written = self._disk.write(self._descriptor, data)
        while written < len(data):
            written += self._disk.write(self._descriptor, data[written:])

    def _close(self) -> None:
        if self._descriptor is not None:
            self._disk.close(self._descriptor)
            self._descriptor = None
