"""A number in a shared file that tells every process when the state has changed.

Reading it is one load from mapped memory, so it can be asked for each request. Whoever changes
the state puts a new number there after the commit and before answering; who sees a number it
didn't see before loads the state again. Only equality counts.

The number is drawn at random, not counted up: then nothing is read before it is written, so no
two processes can lose each other's change or bring an old number back. Of two numbers written
at once one survives, which is enough, because both stand after their writer's own commit.
A torn read is a number not seen before: one load too many.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from bucketlog.problems import StateProblem

FILE_NAME = "generation"
_SIZE = 8


class Generation:
    """The number in one data folder. Any number of processes and threads may share it."""

    def __init__(self, path: Path) -> None:
        """Maps the file, made if it isn't there. Raises `StateProblem`."""
        self.path = path
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                # With room of its own from the start: on a full disk, writing to mapped memory
                # that has none yet would kill the process (SIGBUS). It never shortens the file,
                # which would do the same to others.
                os.posix_fallocate(descriptor, 0, _SIZE)
                self._map = mmap.mmap(descriptor, _SIZE)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StateProblem(
                f"The file {path} can't be used: {error.strerror}.",
                "Check that the data folder exists and that you may write to it.",
            ) from error
        self._number = memoryview(self._map).cast("Q")

    @classmethod
    def open(cls, folder: Path) -> Generation:
        """The generation of a data folder."""
        return cls(folder / FILE_NAME)

    def read(self) -> int:
        """The number now; about 0.1 us."""
        return self._number[0]

    def bump(self) -> None:
        """Puts a new number there. Call it after the commit, and once at start-up: a process
        may have died between its commit and its bump.
        """
        self._number[0] = int.from_bytes(os.urandom(_SIZE))

    def close(self) -> None:
        """Unmaps the file; `read` and `bump` mustn't be called any more."""
        self._number.release()
        self._map.close()
