"""One spool's folder: who owns it, which segments wait in it, what is held or kept aside.

`<root>/<spool id>/` holds `lock`, the segments, `held/<route>/*.held` (what could not be
delivered yet) and `damaged/*.bytes`. Writers create files, the courier removes them, nobody else
touches them. Bytes are counted here, and nowhere read for their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from bucketlog.disk import Disk, FileMissing
from bucketlog.problems import SpoolProblem
from bucketlog.spool import frame, segment
from bucketlog.spool.frame import RECORD, Frame, Header, Part
from bucketlog.spool.segment import Contents, Sealed

_ID = re.compile(r"[0-9a-f]{16}")
_HELD = re.compile(r"(\d{8,20})-(\d{1,20})-([0-9A-Z]{16})-(\d{1,20})\.held")


@dataclass(frozen=True, slots=True)
class Held:
    """Records set aside until their destination takes them.

    `route` is the 16 hex digits that the courier files destinations under; `number` and
    `sealed_at` are of the segment they came in; `unique` tells several of one segment apart.
    """

    route: str
    number: int
    sealed_at: int
    unique: str
    records: int

    @property
    def name(self) -> str:
        """Its file name, within the folder of its route."""
        return f"{self.number:08d}-{self.sealed_at}-{self.unique}-{self.records}.held"


@dataclass(slots=True)
class Totals:
    """How much is held for one route, and since when the oldest of it waits, or waited when the
    rest came.
    """

    oldest_at: int
    files: int = 0
    records: int = 0
    size: int = 0


class Folder:
    """A spool's folder, owned by this process until `close`.

    Safe to use from several threads. Every method that touches files may raise `DiskProblem`.
    """

    def __init__(self, disk: Disk, path: Path, lock: int) -> None:
        self.disk = disk
        self.path = path
        self.spool_id = path.name
        self.damaged_bytes = 0
        self.damaged_pieces = 0
        self._lock = lock
        self._changes = Lock()
        self._sealed: dict[int, Sealed] = {}
        self._waiting: dict[int, dict[bytes, int]] = {}
        self._since: dict[int, int] = {}
        self._held: dict[str, Totals] = {}
        self._sealed_bytes = 0
        self._held_bytes = 0

    def __repr__(self) -> str:
        return f"<Folder {self.path}: {len(self._sealed)} sealed, {self._held_bytes} bytes held>"

    @property
    def stored_bytes(self) -> int:
        """Bytes in sealed segments and held files."""
        return self._sealed_bytes + self._held_bytes

    @property
    def held_bytes(self) -> int:
        """Bytes in held files."""
        return self._held_bytes

    def load(self) -> list[int]:
        """Learns what is there, and returns the numbers of the open segments, ascending.

        First makes what the process before left survive a power cut, so that nothing seen here
        can un-happen later, and removes files that were never finished.
        """
        self.disk.sync_folder(self.path)
        opened = []
        for name in list(self.disk.names(self.path)):
            number = segment.open_number(name)
            if number is not None:
                opened.append(number)
            elif sealed := segment.sealed_of(name, 0):
                size = self.disk.size(self.path / name)
                self.add(Sealed(sealed.number, sealed.sealed_at, size), {}, sealed.sealed_at)
            elif name.endswith(".tmp"):
                self.disk.unlink(self.path / name)
        for route in list(self.disk.names(self.path / "held")):
            if _ID.fullmatch(route):
                self._load_route(route)
        return sorted(opened)

    def _load_route(self, route: str) -> None:
        folder = self.path / "held" / route
        self.disk.sync_folder(folder)
        for name in self.disk.names(folder):
            if name.endswith(".tmp"):
                self.disk.unlink(folder / name)
            elif match := _HELD.fullmatch(name):
                self._count(route, int(match[2]), 1, int(match[4]), self.disk.size(folder / name))

    # Sealed segments

    def sealed(self) -> list[Sealed]:
        """The sealed segments, in order."""
        with self._changes:
            return sorted(self._sealed.values(), key=lambda sealed: sealed.number)

    def add(self, sealed: Sealed, waiting: dict[bytes, int], since: int) -> None:
        """Takes a segment that was just sealed, lastingly, into account.

        `waiting`: its records by tag; `since`: when the first of them came, about.
        """
        with self._changes:
            self._sealed[sealed.number] = sealed
            self._since[sealed.number] = since
            self._waiting[sealed.number] = waiting
            self._sealed_bytes += sealed.size

    def read(self, sealed: Sealed) -> Contents:
        """A sealed segment's contents; damage in it is kept aside before they are returned."""
        contents = segment.read(self.disk, self.path / sealed.name)
        self.keep_damage(sealed.number, contents, all_of_it=True)
        with self._changes:
            if sealed.number in self._sealed and contents.scan:
                self._waiting[sealed.number] = frame.records_by_tag(contents.scan.frames)
        return contents

    def retire(self, sealed: Sealed) -> None:
        """Removes a segment whose records are all delivered or held."""
        self.disk.unlink(self.path / sealed.name)
        with self._changes:
            if self._sealed.pop(sealed.number, None) is not None:
                self._sealed_bytes -= sealed.size
                del self._waiting[sealed.number], self._since[sealed.number]

    def waiting(self) -> dict[bytes, int]:
        """Records in sealed segments, by tag, as far as they are known."""
        total: dict[bytes, int] = {}
        with self._changes:
            for counts in self._waiting.values():
                for tag, count in counts.items():
                    total[tag] = total.get(tag, 0) + count
        return total

    def segments(self) -> list[tuple[int, dict[bytes, int]]]:
        """Of each sealed segment: since when its records wait, about, and how many by tag, as far
        as that is known.
        """
        with self._changes:
            return [(self._since[number], dict(by)) for number, by in self._waiting.items()]

    # Held records

    def hold(self, held: Held, parts: Iterable[tuple[int, Part]]) -> None:
        """Sets records aside, lastingly, each part with its first sequence number.

        Holding the same again replaces it.
        """
        folder = self.path / "held" / held.route
        if held.route not in self._held:
            self.disk.make_folder(folder)
            self.disk.sync_folder(folder.parent)
            self.disk.sync_folder(self.path)
        header = frame.encode_header(Header(self.spool_id, held.number, 0, 0, held.sealed_at))
        seed = frame.seed_of(header)
        data = header + b"".join(
            frame.encode(RECORD, sequence, 0, (part,), seed) for sequence, part in parts
        )
        final = folder / held.name
        before = self._size_or_none(final)
        write_whole(self.disk, final, data)
        if before is None:
            self._count(held.route, held.sealed_at, 1, held.records, len(data))

    def _size_or_none(self, path: Path) -> int | None:
        try:
            return self.disk.size(path)
        except FileMissing:
            return None

    def held_totals(self) -> dict[str, Totals]:
        """How much is held, by route."""
        with self._changes:
            return {route: replace(totals) for route, totals in self._held.items()}

    def waits_since(self, oldest: dict[str, int]) -> None:
        """Corrects `Totals.oldest_at`, by route, after all that is held was looked at."""
        with self._changes:
            for route, at in oldest.items():
                if route in self._held:
                    self._held[route].oldest_at = at

    def held(self, route: str) -> Iterator[Held]:
        """What is held for a route, in no order, read from the folder bit by bit."""
        for name in self.disk.names(self.path / "held" / route):
            if match := _HELD.fullmatch(name):
                yield Held(route, int(match[1]), int(match[2]), match[3], int(match[4]))

    def read_held(self, held: Held) -> list[Frame]:
        """The frames of a held file; damage in it is kept aside before they are returned."""
        contents = segment.read(self.disk, self.path / "held" / held.route / held.name)
        self.keep_damage(held.number, contents, all_of_it=True, unique=f"-{held.unique}")
        return contents.scan.frames if contents.scan else []

    def held_size(self, held: Held) -> int:
        """Bytes in a held file."""
        return self.disk.size(self.path / "held" / held.route / held.name)

    def release(self, held: Held) -> None:
        """Removes a held file that was delivered or given up."""
        size = self.held_size(held)
        self.disk.unlink(self.path / "held" / held.route / held.name)
        self._count(held.route, held.sealed_at, -1, -held.records, -size)
        if held.route not in self._held:
            self.disk.remove_folder(self.path / "held" / held.route)

    def _count(self, route: str, at: int, files: int, records: int, size: int) -> None:
        with self._changes:
            totals = self._held.setdefault(route, Totals(at))
            totals.oldest_at = min(totals.oldest_at, at)
            totals.files += files
            totals.records += records
            totals.size += size
            self._held_bytes += size
            if not totals.files:
                del self._held[route]

    # Damage

    def keep_damage(
        self, number: int, contents: Contents, *, all_of_it: bool, unique: str = ""
    ) -> None:
        """Copies the damaged bytes of a segment to `damaged/`, lastingly, and counts them.

        `all_of_it`: a torn tail counts as damage too, because the segment was finished.
        """
        data = contents.data
        if contents.scan is None:
            ranges = [(0, len(data))] if data.strip(b"\0") else []
        else:
            ranges = [(damage.start, damage.end) for damage in contents.scan.damage]
            if all_of_it and contents.scan.torn:
                ranges.append((contents.scan.end, len(data)))
        for start, end in ranges:
            self.disk.make_folder(self.path / "damaged")
            self.disk.sync_folder(self.path)
            name = f"{number:08d}{unique}-{start}.bytes"
            write_whole(self.disk, self.path / "damaged" / name, data[start:end])
            self.damaged_pieces += 1
            self.damaged_bytes += end - start

    # The folder itself

    def is_drained(self) -> bool:
        """Whether nothing waits for delivery: nothing sealed, nothing held."""
        return not self._sealed and not self._held_bytes

    def close(self) -> None:
        """Gives the folder up: another process may own it now."""
        if self._lock >= 0:
            self.disk.close(self._lock)
            self._lock = -1

    def remove(self) -> None:
        """Removes the folder for good, its damaged bytes excepted, and gives it up.

        Its id is never used again, since ids are random.
        """
        for route in list(self.disk.names(self.path / "held")):
            self.disk.remove_folder(self.path / "held" / route)
        self.disk.remove_folder(self.path / "held")
        for name in list(self.disk.names(self.path)):
            if name not in ("lock", "damaged"):
                self.disk.unlink(self.path / name)
        self.disk.unlink(self.path / "lock")
        if not self.damaged_pieces and "damaged" not in self.disk.names(self.path):
            self.disk.remove_folder(self.path)
        self.disk.sync_folder(self.path.parent)
        self.close()


def write_whole(disk: Disk, final: Path, data: bytes) -> None:
    """Makes a file with these bytes appear, whole or not at all, and lastingly."""
    temporary = final.with_name(final.name + ".tmp")
    disk.unlink(temporary)
    descriptor = disk.create(temporary)
    try:
        written = 0
        while written < len(data):
            count = disk.write(descriptor, data[written:])
            if not count:
                raise segment.SpoolFull(f"No room to write {final}.")
            written += count
    finally:
        disk.close(descriptor)
    disk.publish(temporary, final)


def _has_segments(disk: Disk, path: Path) -> bool:
    return any(
        segment.open_number(name) is not None or segment.sealed_of(name, 0) is not None
        for name in disk.names(path)
    ) or any(True for _ in disk.names(path / "held"))


def leftovers(disk: Disk, root: Path) -> Iterator[Folder]:
    """The spools under `root` that no living process owns, each owned by this one once given.

    A folder without segments was never used, or is spent: it is passed over.
    """
    for name in sorted(disk.names(root)):
        path = root / name
        if _ID.fullmatch(name) and _has_segments(disk, path):
            try:
                descriptor = disk.lock(path / "lock")
            except FileMissing:  # its owner removed it this moment
                continue
            if descriptor is None:
                continue
            if _has_segments(disk, path):
                yield Folder(disk, path, descriptor)
            else:
                disk.close(descriptor)


def claim(disk: Disk, root: Path, new_id: Callable[[], str]) -> Folder:
    """A spool folder for this process to write to: one left over, or else a new one.

    `new_id` gives 16 random hex digits. Call it in the process that will write, after any fork:
    a child shares its parent's locks.
    """
    disk.make_folder(root)
    disk.sync_folder(root.parent)
    for folder in leftovers(disk, root):
        return folder
    spool_id = new_id()
    if not _ID.fullmatch(spool_id):
        raise ValueError(f"not 16 hex digits: {spool_id!r}")
    path = root / spool_id
    disk.make_folder(path)
    disk.sync_folder(root)
    descriptor = disk.lock(path / "lock")
    if descriptor is None:
        raise SpoolProblem(f"{path} is in use by another process.", "Start again.")
    return Folder(disk, path, descriptor)
