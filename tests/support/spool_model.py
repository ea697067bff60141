"""A spool beside a list of what it was told, through any number of lives and deaths.

`SpoolModel` tells a real Spool on a FaultyDisk what to do and notes, for each unit of work, which
outcomes are right: what was acknowledged must come out once, what was under way may, and nothing
may come out twice. `live` is one life of a process; `verdict` delivers all and compares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.support.faulty_disk import Died, FaultyDisk

from bucketlog.disk import DiskProblem
from bucketlog.problems import Problem
from bucketlog.spool.folder import claim
from bucketlog.spool.frame import INTENT, Part
from bucketlog.spool.writer import Spool, SpoolSettings

SECOND = 1_000_000_000
TAGS = (b"one", b"two")


@dataclass
class Unit:
    """An append, or an intent and what became of it.

    `fallback` and `final` are record ids. `calls`: what was called, in order; `answered`: how
    many of these returned; `safe`: how many of these were synced since.
    """

    fallback: tuple[str, ...]
    final: tuple[str, ...] = ()
    calls: int = 1
    answered: int = 0
    safe: int = 0
    settled: bool = False  # a power cut decided what is left of it

    def outcomes(self, power_lost: bool) -> set[tuple[str, ...]]:
        """The record ids that may come out."""
        states = [(), self.fallback, self.final]  # after none, one, two calls
        least = self.safe if power_lost else self.answered
        return set(states[least : self.calls + 1])


@dataclass
class SpoolModel:
    """A spool under `root` and what it was told."""

    root: Path
    settings: SpoolSettings
    chance: Random
    units: list[Unit] = field(default_factory=list)
    target: dict[tuple[str, int, int], list[tuple[int, str]]] = field(default_factory=dict)
    power_lost: bool = False
    lives: int = 0
    clock: int = 1_700_000_000 * SECOND
    opened: dict[int, Unit] = field(default_factory=dict)
    spool: Spool | None = None
    disk: FaultyDisk | None = None

    def now(self) -> int:
        self.clock += SECOND // 10
        return self.clock

    def live(
        self,
        actions: Iterable[str],
        die_at: int | None = None,
        cut_power: bool = False,
        failures: Mapping[int, DiskProblem | int] | None = None,
    ) -> int:
        """One life: open the spool, do these, die. Returns the steps the disk went through.

        An action that fails is given up, and the next one tried.
        """
        self.lives += 1
        self.opened.clear()
        shadow = self.root / "shadow" / str(self.lives)
        disk = self.disk = FaultyDisk(shadow, die_at=die_at, after=self.disk, failures=failures)
        try:
            folder = claim(
                disk, self.root / "spools", lambda: f"{self.chance.getrandbits(64):016x}"
            )
            self.spool = Spool.open(folder, self.settings, self.now)
            self._mark_safe([(unit, unit.answered) for unit in self.units])
            for action in actions:
                with suppress(Problem):
                    getattr(self, action)()
        except (Died, Problem):
            pass
        disk.die()
        if cut_power:
            self.power_lost = True
            for unit in self.units:
                unit.settled = True
            disk.lose_power(self.root / "spools", self.chance)
            self.disk = None
        return disk.steps

    # Actions

    def append(self) -> None:
        unit = self._unit()
        self._spool.append(self._parts(unit.fallback))
        unit.answered = 1

    def intend(self) -> None:
        unit = self._unit()
        ticket = self._spool.intend(self._parts(unit.fallback))
        unit.answered = 1
        self.opened[ticket] = unit

    def complete(self) -> None:
        self._end(f"final-{len(self.units)}-{len(self.opened)}")

    def cancel(self) -> None:
        self._end()

    def _end(self, *final: str) -> None:
        if self.opened:
            ticket = self.chance.choice(sorted(self.opened))
            unit = self.opened.pop(ticket)
            unit.final = final
            unit.calls = 2
            self._spool.complete(ticket, self._parts(final))
            unit.answered = 2

    def sync(self) -> None:
        marks = [(unit, unit.answered) for unit in self.units]
        self._spool.sync()
        self._mark_safe(marks)

    def _mark_safe(self, marks: list[tuple[Unit, int]]) -> None:
        for unit, answered in marks:
            if not unit.settled:
                unit.safe = answered

    def seal(self) -> None:
        self._spool.seal()

    def tick(self) -> None:
        self._spool.tick()

    def deliver(self) -> None:
        """Puts each sealed segment under its name; the same again must be the same bytes."""
        folder = self._spool.folder
        for sealed in folder.sealed():
            contents = folder.read(sealed)
            assert contents.scan is not None
            records = []
            for frame in contents.scan.frames:
                sequence = frame.sequence
                for part in frame.parts if frame.kind != INTENT else ():
                    for line in bytes(part.data).decode().splitlines():
                        records.append((sequence, line))
                        sequence += 1
            name = (folder.spool_id, sealed.number, sealed.sealed_at)
            assert self.target.setdefault(name, records) == records
            folder.retire(sealed)

    @property
    def _spool(self) -> Spool:
        assert self.spool is not None
        return self.spool

    def _unit(self) -> Unit:
        number = len(self.units)
        ids = tuple(f"unit-{number}-{i}" for i in range(self.chance.randint(1, 3)))
        self.units.append(Unit(ids))
        return self.units[-1]

    def _parts(self, ids: tuple[str, ...]) -> list[Part]:
        return [Part(self.chance.choice(TAGS), 1, f"{one}\n".encode()) for one in ids]

    # The end

    def verdict(self) -> None:
        """Recovers, delivers everything, and holds what came out against what was told."""
        self.live(["seal", "deliver"])
        came = Counter(line for records in self.target.values() for _, line in records)
        assert not [line for line, times in came.items() if times > 1], "delivered twice"
        expected = set()
        for unit in self.units:
            out = tuple(one for one in unit.fallback + unit.final if one in came)
            assert out in unit.outcomes(self.power_lost), unit
            expected.update(out)
        assert set(came) == expected, "nothing else comes out"
        by_spool: dict[str, list[int]] = {}
        for (spool_id, _, _), records in self.target.items():
            by_spool.setdefault(spool_id, []).extend(sequence for sequence, _ in records)
        for sequences in by_spool.values():
            assert len(set(sequences)) == len(sequences), "a sequence number was given twice"
            if not self.power_lost:
                assert sorted(sequences) == list(range(1, len(sequences) + 1))
