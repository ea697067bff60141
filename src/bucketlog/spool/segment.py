"""One append-only file of frames, and the file names that are its state.

`docs/formats/spool.md` draws it: `00000042.open` is being written, `00000042-<ns>.sealed` was
sealed at that instant and never changes again. Numbers are never used twice in a spool. A segment
knows nothing of the ones before and after it; the writer and recovery keep their order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bucketlog.disk import Disk, DiskFull, DiskProblem
from bucketlog.problems import SpoolProblem
from bucketlog.spool import frame
from bucketlog.spool.frame import Header, Scan

_OPEN = re.compile(r"(\d{8,20})\.open")
_SEALED = re.compile(r"(\d{8,20})-(\d{1,20})\.sealed")


class SpoolFull(SpoolProblem):
    """No room to append: the spool's own limit, the disk, or a quota. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A segment that will not change: its number, when it was sealed, its size in bytes."""

    number: int
    sealed_at: int
    size: int

    @property
    def name(self) -> str:
        """Its file name, which is its state."""
        return f"{self.number:08d}-{self.sealed_at}.sealed"


@dataclass(frozen=True, slots=True)
class Contents:
    """A segment read back. `header` is None when even that can't be read; `scan` then too."""

    header: Header | None
    scan: Scan | None
    data: bytes


def open_name(number: int) -> str:
    """The file name of a segment being written."""
    return f"{number:08d}.open"


def open_number(name: str) -> int | None:
    """The number of the open segment a file name means; None for other names."""
    match = _OPEN.fullmatch(name)
    return int(match[1]) if match else None


def sealed_of(name: str, size: int) -> Sealed | None:
    """The sealed segment a file name means; None for other names."""
    match = _SEALED.fullmatch(name)
    return Sealed(int(match[1]), int(match[2]), size) if match else None


def read(disk: Disk, path: Path) -> Contents:
    """Reads a segment whole. Raises `SpoolProblem` when a newer version wrote it."""
    data = disk.read(path)
    try:
        header = frame.decode_header(data)
    except ValueError as error:
        raise SpoolProblem(
            f"{path} is of {error}, which this version of bucketlog can't read.",
            "Run the version that wrote it, or a later one.",
        ) from error
    if header is None:
        return Contents(None, None, data)
    return Contents(header, frame.scan(data, frame.seed_of(data)), data)


class Segment:
    """A segment being written.

    `records` counts records to be delivered, `waiting` counts them by tag, `first_at` is when
    the first of them came, `size` is the bytes written, `synced` those that survive a power cut.
    """

    __slots__ = (
        "_broken",
        "_disk",
        "_sealed",
        "descriptor",
        "first_at",
        "number",
        "path",
        "records",
        "seed",
        "size",
        "synced",
        "waiting",
    )

    def __init__(self, disk: Disk, folder: Path, number: int) -> None:
        """Creates the empty file, lastingly. Raises `DiskProblem`."""
        self._disk = disk
        self._broken = False
        self._sealed: Sealed | None = None
        self.number = number
        self.path = folder / open_name(number)
        self.seed = 0
        self.size = 0
        self.synced = 0
        self.records = 0
        self.first_at = 0
        self.waiting: dict[bytes, int] = {}
        self.descriptor = disk.create(self.path)
        try:
            disk.sync_folder(folder)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<Segment {self.path.name}: {self.size} bytes, {self.records} records>"

    def begin(self, header: Header) -> bytes:
        """Sets the seed and gives the header's bytes, for the first `append` to hold."""
        data = frame.encode_header(header)
        self.seed = frame.seed_of(data)
        return data

    def append(self, data: bytes) -> None:
        """Writes with one write(2), all or nothing; the bytes then survive the process.

        Raises `SpoolFull` or `DiskProblem`; then nothing of it stays in the file.
        """
        if self._broken:
            self._restore()
        try:
            written = self._disk.write(self.descriptor, data)
        except DiskProblem as problem:
            self._restore()
            if isinstance(problem, DiskFull):
                raise SpoolFull(problem.message, problem.hint) from problem
            raise
        if written != len(data):
            self._restore()
            raise SpoolFull(
                f"Only {written} of {len(data)} bytes could be written to {self.path}.",
                "Free some space on that file system.",
            )
        self.size += written

    def _restore(self) -> None:
        """Cuts what a failed write left. While that fails too, nothing more is appended."""
        self._broken = True
        self._disk.truncate(self.descriptor, self.size)
        self._broken = False

    def sync(self) -> None:
        """Makes what was appended before the call survive a power cut."""
        size = self.size
        if size > self.synced:
            self._disk.sync(self.descriptor)
            self.synced = size

    def seal(self, sealed_at: int) -> Sealed:
        """Gives the file its final name, lastingly. It must have been synced.

        Called again after it failed half-way, it ends what it began, under the same name.
        """
        if self._sealed is None:
            if self._broken:
                self._restore()
                self._disk.sync(self.descriptor)
            sealed = Sealed(self.number, sealed_at, self.size)
            self._disk.rename(self.path, self.path.parent / sealed.name)
            self._sealed = sealed
        self._disk.sync_folder(self.path.parent)
        self.close()
        return self._sealed

    def discard(self) -> None:
        """Removes the file: there is nothing in it that matters."""
        self.close()
        self._disk.unlink(self.path)
        self._disk.sync_folder(self.path.parent)

    def close(self) -> None:
        """Gives the descriptor back. What wasn't synced still survives the process."""
        if self.descriptor >= 0:
            self._disk.close(self.descriptor)
            self.descriptor = -1
