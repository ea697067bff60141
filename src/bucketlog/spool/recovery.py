"""What start-up makes of the open segments that a process left behind.

All of them are read together: an intent may stand in two, when the process died while changing
from one to the next. An intent without completion is completed with its own parts, in a new
segment, which is made safe *before* the old ones are sealed, in order. So this may itself die
anywhere: the next recovery finds either the intent open still, or the completion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bucketlog.spool import frame, segment
from bucketlog.spool.folder import Folder
from bucketlog.spool.frame import COMPLETION, INTENT, Frame, Header, Part
from bucketlog.spool.segment import Contents, Sealed, Segment

_UNKNOWN_GAP = 1 << 32
"""How far numbers jump where a segment's header is lost: more than one segment can hold."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A new segment to write to, and the first numbers free.

    `orphans` counts intents that were completed for the dead process, `torn_bytes` what was cut.
    """

    current: Segment
    next_sequence: int
    next_intent: int
    orphans: int
    torn_bytes: int


def recover(folder: Folder, now: int) -> Recovered:
    """Loads the folder, seals what was left open, begins a new segment.

    Raises `DiskProblem`, `SpoolFull`, or `SpoolProblem` for a format of a newer version.
    """
    left = [
        (number, segment.read(folder.disk, folder.path / segment.open_name(number)))
        for number in folder.load()
    ]
    frames = [item for _, contents in left if contents.scan for item in contents.scan.frames]
    sequence, intent = _first_free(folder, left, frames)
    orphans = _orphans(frames)
    last = max(_numbers(folder, left), default=0)
    current = Segment(folder.disk, folder.path, last + 1)
    data = current.begin(Header(folder.spool_id, current.number, sequence, intent, now))
    for ticket, parts in orphans.items():
        data += frame.encode(COMPLETION, sequence, ticket, parts, current.seed)
        sequence += sum(part.count for part in parts)
    current.append(data)
    current.sync()
    for part in (part for parts in orphans.values() for part in parts):
        current.records += part.count
        current.waiting[part.tag] = current.waiting.get(part.tag, 0) + part.count
    current.first_at = now
    torn = sum(_settle(folder, number, contents, now) for number, contents in left)
    return Recovered(current, sequence, intent, len(orphans), torn)


def _orphans(frames: list[Frame]) -> dict[int, tuple[Part, ...]]:
    """The parts of each intent that no completion supersedes, by ticket."""
    done = {item.intent for item in frames if item.kind == COMPLETION}
    return {
        item.intent: item.parts
        for item in frames
        if item.kind == INTENT and item.intent not in done
    }


def _first_free(
    folder: Folder, left: list[tuple[int, Contents]], frames: list[Frame]
) -> tuple[int, int]:
    """The first sequence number and the first ticket that were never given out."""
    headers = [contents.header for _, contents in left if contents.header]
    lost = any(not c.header and c.data.strip(b"\0") for _, c in left)
    sealed = folder.sealed()
    if not headers and sealed:
        # Whoever writes keeps an open segment, so this is not a process's doing.
        lost = True
        for contents in (folder.read(item) for item in sealed):
            headers += [contents.header] if contents.header else []
            frames = frames + (contents.scan.frames if contents.scan else [])
    sequence = max((header.next_sequence for header in headers), default=1)
    intent = max((header.next_intent for header in headers), default=1)
    for item in frames:
        intent = max(intent, item.intent + 1)
        sequence = max(sequence, item.sequence + item.count) if item.kind != INTENT else sequence
    gap = _UNKNOWN_GAP if lost else 0
    return sequence + gap, intent + gap


def _numbers(folder: Folder, left: list[tuple[int, Contents]]) -> Iterator[int]:
    """The numbers of all segments, those included that only held records are left of."""
    yield from (number for number, _ in left)
    yield from (sealed.number for sealed in folder.sealed())
    for route in folder.held_totals():
        yield from (held.number for held in folder.held(route))


def _settle(folder: Folder, number: int, contents: Contents, now: int) -> int:
    """Seals one segment that was left open, or removes it if it holds no records.

    Returns how many bytes of a torn tail were cut.
    """
    path = folder.path / segment.open_name(number)
    folder.keep_damage(number, contents, all_of_it=False)
    scan = contents.scan
    waiting = frame.records_by_tag(scan.frames) if scan else {}
    if scan is None or not any(waiting.values()):
        folder.disk.unlink(path)
        folder.disk.sync_folder(folder.path)
        return scan.torn if scan else len(contents.data)
    descriptor = folder.disk.open(path)
    try:
        if scan.end < len(contents.data):
            folder.disk.truncate(descriptor, scan.end)
        folder.disk.sync(descriptor)
    finally:
        folder.disk.close(descriptor)
    sealed = Sealed(number, now, scan.end)
    since = contents.header.created_at if contents.header else now
    folder.disk.rename(path, folder.path / sealed.name)
    folder.disk.sync_folder(folder.path)
    folder.add(sealed, waiting, since)
    return scan.torn
