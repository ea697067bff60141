"""A Disk on real files that fails, shortens writes, dies, or loses power at a chosen step.

Every call that changes something is a step, counted from 1. `die_at` kills the process there:
the call and all after it raise `Died` and do nothing (a write may have gone half-way).
`failures` maps steps to what goes wrong once: an exception, or for a write the number of bytes
that go in. After death, `lose_power` takes back what no fsync made safe; without it all that was
written stays, as it does when only the process dies. Nothing is really fsynced: it is quick.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from threading import RLock

from bucketlog.disk import DiskProblem, RealDisk, publish


class Died(BaseException):
    """The process is gone. Not an Exception, as nothing in a dead process can catch anything."""


class FaultyDisk:
    """A disk for one life of a process. Make a new one for the next life.

    `shadow` is an empty folder of its own, on the same file system. `after` is the disk of a
    life that died while the power stayed on: what that one didn't make safe still isn't.
    """

    def __init__(
        self,
        shadow: Path,
        *,
        die_at: int | None = None,
        torn: float = 0.5,
        failures: Mapping[int, DiskProblem | int] | None = None,
        after: FaultyDisk | None = None,
    ) -> None:
        self.steps = 0
        self.calls: list[str] = []
        self.dead = False
        self._die_at = die_at
        self._torn = torn
        self._failures = dict(failures or {})
        self._shadow = shadow
        self._real = RealDisk()
        self._lock = RLock()
        self._descriptors: set[int] = set()
        self._safe: dict[int, bytes] = {}  # by inode: what the last sync made safe
        self._unsafe_names: list[tuple[Path, Callable[[], None]]] = []  # folder, and how to undo
        if after is not None:
            self._safe, self._unsafe_names = after._safe, after._unsafe_names
        shadow.mkdir(parents=True, exist_ok=True)

    def __repr__(self) -> str:
        return f"<FaultyDisk at step {self.steps}, {'dead' if self.dead else 'alive'}>"

    def die_after(self, steps: int) -> None:
        """Sets death that many steps from now."""
        self._die_at = self.steps + steps

    def fail_at(self, steps: int, failure: DiskProblem | int) -> None:
        """Makes a step fail: that many from now."""
        self._failures[self.steps + steps] = failure

    def fail_next(self, failure: DiskProblem | int) -> None:
        """Makes the next step fail."""
        self.fail_at(1, failure)

    def fail_no_more(self) -> None:
        """Forgets the failures that were to come."""
        self._failures.clear()

    def _step(self, call: str) -> int | None:
        """Counts a call; returns how many bytes of it go in, where that is decided."""
        if self.dead:
            raise Died
        self.steps += 1
        self.calls.append(call)
        if self.steps == self._die_at:
            self.dead = True
            raise Died
        failure = self._failures.pop(self.steps, None)
        if isinstance(failure, DiskProblem):
            raise failure
        return failure

    # Changing calls

    def create(self, path: Path) -> int:
        with self._lock:
            self._step(f"create {path.name}")
            descriptor = self._real.create(path)
            self._descriptors.add(descriptor)
            self._safe[os.fstat(descriptor).st_ino] = b""
            self._unsafe_names.append((path.parent, lambda: path.unlink(missing_ok=True)))
            return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        with self._lock:
            try:
                limit = self._step(f"write {len(data)}")
            except Died:
                if self.steps == self._die_at and descriptor in self._descriptors:
                    os.write(descriptor, data[: int(len(data) * self._torn)])
                    self._die_at = None
                raise
            return self._real.write(descriptor, data if limit is None else data[:limit])

    def truncate(self, descriptor: int, length: int) -> None:
        with self._lock:
            self._step("truncate")
            self._real.truncate(descriptor, length)

    def sync(self, descriptor: int) -> None:
        with self._lock:
            self._step("sync")
            status = os.fstat(descriptor)
            self._safe[status.st_ino] = os.pread(descriptor, status.st_size, 0)

    def rename(self, old: Path, new: Path) -> None:
        with self._lock:
            self._step(f"rename {old.name} {new.name}")
            kept = self._keep(new)
            self._real.rename(old, new)

            def undo() -> None:
                if new.exists():
                    new.replace(old)
                if kept is not None:
                    os.link(kept, new)

            self._unsafe_names.append((new.parent, undo))

    def unlink(self, path: Path) -> None:
        with self._lock:
            self._step(f"unlink {path.name}")
            kept = self._keep(path)
            self._real.unlink(path)
            if kept is not None:

                def undo() -> None:
                    if path.parent.exists() and not path.exists():
                        os.link(kept, path)

                self._unsafe_names.append((path.parent, undo))

    def make_folder(self, path: Path) -> None:
        with self._lock:
            self._step(f"make_folder {path.name}")
            if not path.exists():
                self._real.make_folder(path)
                self._unsafe_names.append(
                    (path.parent, lambda: shutil.rmtree(path, ignore_errors=True))
                )

    def remove_folder(self, path: Path) -> None:
        with self._lock:
            self._step(f"remove_folder {path.name}")
            if path.exists():
                self._real.remove_folder(path)
                self._unsafe_names.append((path.parent, lambda: path.mkdir(exist_ok=True)))

    def sync_folder(self, path: Path) -> None:
        with self._lock:
            self._step(f"sync_folder {path.name}")
            self._unsafe_names = [item for item in self._unsafe_names if item[0] != path]

    def publish(self, temporary: Path, final: Path) -> None:
        publish(self, temporary, final)

    def _keep(self, path: Path) -> Path | None:
        """Another name for a file that is about to go, so that it can come back."""
        if not path.exists():
            return None
        kept = self._shadow / f"{len(list(self._shadow.iterdir()))}"
        os.link(path, kept)
        return kept

    # Calls that change nothing a power cut could take back

    def open(self, path: Path) -> int:
        with self._lock:
            if self.dead:
                raise Died
            descriptor = self._real.open(path)
            self._descriptors.add(descriptor)
            self._remember(path)
            return descriptor

    def close(self, descriptor: int) -> None:
        with self._lock:
            if descriptor in self._descriptors:
                self._descriptors.discard(descriptor)
                self._real.close(descriptor)

    def read(self, path: Path) -> bytes:
        with self._lock:
            if self.dead:
                raise Died
            data = self._real.read(path)
            self._remember(path)
            return data

    def size(self, path: Path) -> int:
        return self._real.size(path)

    def names(self, folder: Path) -> Iterator[str]:
        return self._real.names(folder)

    def lock(self, path: Path) -> int | None:
        with self._lock:
            if self.dead:
                raise Died
            descriptor = self._real.lock(path)
            if descriptor is not None:
                self._descriptors.add(descriptor)
            return descriptor

    def _remember(self, path: Path) -> None:
        """What was there when this life first saw it counts as safe."""
        with suppress(FileNotFoundError):
            self._safe.setdefault(path.stat().st_ino, path.read_bytes())

    # After death

    def die(self) -> None:
        """Ends this life, wherever it is: descriptors closed, locks free."""
        with self._lock:
            self.dead = True
            for descriptor in self._descriptors:
                os.close(descriptor)
            self._descriptors.clear()

    def lose_power(self, root: Path, chance: Random) -> None:
        """Takes back what was not made safe, some of it, as chance has it.

        Names go in reverse order from some point on, as a journal loses them. Of bytes that were
        never synced, a beginning stays, and behind it perhaps zeros or rubbish.
        """
        self.die()
        keep = chance.randint(0, len(self._unsafe_names))
        for _, undo in reversed(self._unsafe_names[keep:]):
            with suppress(FileNotFoundError):
                undo()
        self._unsafe_names.clear()
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.stat().st_ino in self._safe:
                path.write_bytes(
                    _after_power_cut(path.read_bytes(), self._safe[path.stat().st_ino], chance)
                )


def _after_power_cut(now: bytes, safe: bytes, chance: Random) -> bytes:
    if not now.startswith(safe):  # truncated, and that was not synced
        return chance.choice((now, safe))
    rest = now[len(safe) :]
    kept = chance.randint(0, len(rest))
    gone = len(rest) - kept
    tail = chance.choice((b"", bytes(gone), chance.randbytes(gone)))
    return safe + rest[:kept] + tail
