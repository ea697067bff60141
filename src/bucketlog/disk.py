"""The few file calls durability rests on, behind a Protocol, so that tests can cut the power.

Knows files, folders and what fsync promises; knows nothing of what the bytes mean. `RealDisk` is
the machine's; every `OSError` ends here as a `DiskProblem`. The rule: bytes are safe after
`sync(descriptor)`, a name is safe after `sync_folder(parent)`, and nothing is safe before.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from bucketlog.problems import Problem


class DiskProblem(Problem):
    """A file call that failed."""


class DiskFull(DiskProblem):
    """No room: the file system, a quota or a file-size limit is exhausted."""


class FileMissing(DiskProblem):
    """The file or folder isn't there."""


class FileExists(DiskProblem):
    """`create` found the name taken."""


_FAMILIES: dict[int, tuple[type[DiskProblem], str]] = {
    errno.ENOSPC: (DiskFull, "Free some space on that file system."),
    errno.EDQUOT: (DiskFull, "Free some space, or raise the disk quota of this user."),
    errno.EFBIG: (DiskFull, "Raise the file-size limit of this process (ulimit -f)."),
    errno.ENOENT: (FileMissing, "Check that nothing else removes files from that folder."),
    errno.EEXIST: (FileExists, "Check that nothing else writes to that folder."),
    errno.EACCES: (DiskProblem, "Let the user that runs bucketlog read and write there."),
    errno.EPERM: (DiskProblem, "Let the user that runs bucketlog read and write there."),
    errno.EROFS: (DiskProblem, "Mount that file system writable."),
    errno.EMFILE: (DiskProblem, "Raise the open-files limit of this process (ulimit -n)."),
    errno.ENFILE: (DiskProblem, "Raise the open-files limit of this machine (fs.file-max)."),
    errno.EIO: (DiskProblem, "Look for errors of that disk in the kernel log."),
}


def problem_of(error: OSError, doing: str) -> DiskProblem:
    """The `DiskProblem` an `OSError` is, with a hint where something can be done."""
    family, hint = _FAMILIES.get(error.errno or 0, (DiskProblem, None))
    return family(f"Can't {doing}: {error.strerror or error}.", hint)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise problem_of(error, doing) from error


class Disk(Protocol):
    """What may be asked of a disk. Every call may raise `DiskProblem`; none retries.

    Descriptors belong to whoever opened them. Calls may come from any thread; two threads
    don't use one descriptor at a time, except `write` beside `sync`.
    """

    def create(self, path: Path) -> int:
        """A new empty file, open for reading and appending; `FileExists` if the name is taken."""

    def open(self, path: Path) -> int:
        """An existing file, open for reading and appending; `FileMissing` if it isn't there."""

    def write(self, descriptor: int, data: bytes) -> int:
        """Appends with one write(2); returns how many bytes went in, which may be fewer."""

    def truncate(self, descriptor: int, length: int) -> None:
        """Cuts the file to `length` bytes."""

    def sync(self, descriptor: int) -> None:
        """Returns when the file's bytes and length survive a power cut."""

    def close(self, descriptor: int) -> None:
        """Gives the descriptor back. Never raises: what mattered was synced before."""

    def read(self, path: Path) -> bytes:
        """The whole file; `FileMissing` if it isn't there."""

    def size(self, path: Path) -> int:
        """Bytes in the file; `FileMissing` if it isn't there."""

    def names(self, folder: Path) -> Iterator[str]:
        """The names in a folder, in no order, without holding them all in memory.

        Nothing when there is no such folder.
        """

    def make_folder(self, path: Path) -> None:
        """Makes a folder and its parents; does nothing if it exists."""

    def remove_folder(self, path: Path) -> None:
        """Removes an empty folder; does nothing if it isn't there."""

    def sync_folder(self, path: Path) -> None:
        """Returns when names made, renamed and removed in the folder survive a power cut."""

    def rename(self, old: Path, new: Path) -> None:
        """Gives a file another name, at once, replacing what had it."""

    def unlink(self, path: Path) -> None:
        """Removes a file; does nothing if it isn't there."""

    def publish(self, temporary: Path, final: Path) -> None:
        """Makes a finished file appear under its name, whole or not at all, and lastingly.

        Syncs the file, renames it, syncs the folder of `final`. Both on one file system.
        """

    def lock(self, path: Path) -> int | None:
        """Takes a file's lock, making the file; None if another holder has it.

        The lock goes with the descriptor returned: closed, or the process dead, it is free.
        """


class RealDisk:
    """The machine's own disk."""

    def create(self, path: Path) -> int:
        with _translated(f"create {path}"):
            return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)

    def open(self, path: Path) -> int:
        with _translated(f"open {path}"):
            return os.open(path, os.O_RDWR | os.O_APPEND)

    def write(self, descriptor: int, data: bytes) -> int:
        try:  # no context manager: this is the hot call, and one costs a microsecond
            return os.write(descriptor, data)
        except OSError as error:
            raise problem_of(error, "write") from error

    def truncate(self, descriptor: int, length: int) -> None:
        with _translated("truncate"):
            os.ftruncate(descriptor, length)

    def sync(self, descriptor: int) -> None:
        with _translated("sync a file"):
            os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        with suppress(OSError):
            os.close(descriptor)

    def read(self, path: Path) -> bytes:
        with _translated(f"read {path}"):
            return path.read_bytes()

    def size(self, path: Path) -> int:
        with _translated(f"look at {path}"):
            return path.stat().st_size

    def names(self, folder: Path) -> Iterator[str]:
        try:
            with _translated(f"list {folder}"), os.scandir(folder) as entries:
                for entry in entries:
                    yield entry.name
        except FileMissing:
            return

    def make_folder(self, path: Path) -> None:
        with _translated(f"make the folder {path}"):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove_folder(self, path: Path) -> None:
        with _translated(f"remove the folder {path}"), suppress(FileNotFoundError):
            path.rmdir()

    def sync_folder(self, path: Path) -> None:
        with _translated(f"sync the folder {path}"):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        with _translated(f"rename {old} to {new.name}"):
            old.replace(new)

    def unlink(self, path: Path) -> None:
        with _translated(f"remove {path}"):
            path.unlink(missing_ok=True)

    def publish(self, temporary: Path, final: Path) -> None:
        publish(self, temporary, final)

    def lock(self, path: Path) -> int | None:
        with _translated(f"lock {path}"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever had it may have removed the file meanwhile: then this locks nothing.
                if os.fstat(descriptor).st_ino == path.stat().st_ino:
                    return descriptor
            except (BlockingIOError, FileNotFoundError):
                pass
            os.close(descriptor)
            return None


def publish(disk: Disk, temporary: Path, final: Path) -> None:
    """`Disk.publish` made of a disk's other calls."""
    descriptor = disk.open(temporary)
    try:
        disk.sync(descriptor)
    finally:
        disk.close(descriptor)
    disk.rename(temporary, final)
    disk.sync_folder(final.parent)
