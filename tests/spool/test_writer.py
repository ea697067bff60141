"""The spool one process writes to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
from tests.support.faulty_disk import FaultyDisk

from bucketlog.disk import DiskFull, DiskProblem, RealDisk
from bucketlog.problems import SpoolProblem
from bucketlog.spool.folder import claim
from bucketlog.spool.frame import COMPLETION, INTENT, RECORD, Part
from bucketlog.spool.segment import SpoolFull
from bucketlog.spool.writer import Spool, SpoolSettings

SECOND = 1_000_000_000


class Bench:
    """A spool on a faulty disk with a clock that stands still."""

    def __init__(self, root: Path, settings: SpoolSettings | None = None) -> None:
        self.root = root
        self.at = 1_700_000_000 * SECOND
        self.settings = settings or SpoolSettings()
        self.lives = 0
        self.open()

    def open(self) -> None:
        self.lives += 1
        self.disk = FaultyDisk(self.root / "shadow" / str(self.lives))
        folder = claim(self.disk, self.root / "spools", lambda: f"{self.lives:016x}")
        self.spool = Spool.open(folder, self.settings, lambda: self.at)

    def again(self) -> None:
        """The process dies and another starts."""
        self.disk.die()
        self.open()

    def frames(self) -> list[tuple[int, int, list[bytes]]]:
        """Kind, sequence and data of what is sealed."""
        folder = self.spool.folder
        return [
            (item.kind, item.sequence, [part.data for part in item.parts])
            for sealed in folder.sealed()
            for item in (folder.read(sealed).scan or pytest.fail("unreadable")).frames
        ]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.disk.die()


def part(text: str, count: int = 1, tag: bytes = b"t") -> Part:
    return Part(tag, count, text.encode())


def test_records_get_consecutive_numbers_across_frames_segments_and_restarts(
    bench: Bench,
) -> None:
    assert bench.spool.append([part("1"), part("2-4", 3)]) == 1
    assert bench.spool.append([part("5")]) == 5
    bench.spool.seal()
    ticket = bench.spool.intend([part("never", 7)])
    assert bench.spool.complete(ticket, [part("6")]) == 6
    bench.again()
    assert bench.spool.append([part("7")]) == 7
    bench.spool.seal()
    for sealed in bench.spool.folder.sealed():
        bench.spool.folder.retire(sealed)
    bench.again()
    bench.again()
    assert bench.spool.append([part("8")]) == 8


def test_tickets_are_never_used_twice_in_a_folder(bench: Bench) -> None:
    first = bench.spool.intend([part("x")])
    bench.spool.complete(first, [])
    second = bench.spool.intend([part("x")])
    bench.again()
    third = bench.spool.intend([part("x")])
    assert len({first, second, third}) == 3


def test_an_intent_left_open_is_recorded_by_the_next_process(bench: Bench) -> None:
    bench.spool.intend([part("a"), part("b", 2)])
    cancelled = bench.spool.intend([part("cancelled")])
    bench.spool.complete(cancelled, [])
    done = bench.spool.intend([part("fallback")])
    bench.spool.complete(done, [part("done")])
    bench.again()
    assert bench.spool.counters().completed_by_recovery == 1
    assert bench.spool.counters().waiting == {b"t": 4}
    bench.spool.seal()
    records = [item for item in bench.frames() if item[0] != INTENT and item[2]]
    assert records == [(COMPLETION, 1, [b"done"]), (COMPLETION, 2, [b"a", b"b"])]


def test_open_intents_are_repeated_before_a_segment_is_sealed(bench: Bench) -> None:
    ticket = bench.spool.intend([part("fallback")])
    bench.spool.append([part("1")])
    bench.spool.seal()
    bench.spool.append([part("2")])
    bench.spool.seal()
    for sealed in bench.spool.folder.sealed():
        bench.spool.folder.retire(sealed)
    bench.again()
    bench.spool.seal()
    assert bench.frames() == [(COMPLETION, 3, [b"fallback"])]
    with pytest.raises(KeyError):
        bench.spool.complete(ticket, [part("too late")])


def test_a_ticket_can_be_completed_once(bench: Bench) -> None:
    ticket = bench.spool.intend([part("x")])
    bench.spool.complete(ticket, [part("y")])
    with pytest.raises(KeyError):
        bench.spool.complete(ticket, [part("z")])


def test_sealing_with_nothing_to_deliver_makes_no_segment(bench: Bench) -> None:
    bench.spool.intend([part("x")])
    bench.spool.seal()
    assert bench.spool.folder.sealed() == []


def test_tick_seals_by_the_age_of_the_oldest_record(bench: Bench) -> None:
    bench.at += 500 * SECOND
    bench.spool.append([part("1")])
    bench.at += 59 * SECOND
    bench.spool.append([part("2")])
    bench.spool.tick()
    assert bench.spool.folder.sealed() == []
    bench.at += SECOND
    bench.spool.tick()
    assert [sealed.sealed_at for sealed in bench.spool.folder.sealed()] == [bench.at]


def test_tick_seals_when_the_clock_was_set_back(bench: Bench) -> None:
    bench.spool.append([part("1")])
    bench.at -= SECOND
    bench.spool.tick()
    assert len(bench.spool.folder.sealed()) == 1


def test_tick_seals_by_size(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SpoolSettings(segment_bytes=1000))
    bench.spool.append([part("x" * 800)])
    bench.spool.tick()
    assert bench.spool.folder.sealed() == []
    bench.spool.append([part("x" * 100)])
    bench.spool.tick()
    assert len(bench.spool.folder.sealed()) == 1


def test_tick_replaces_a_segment_grown_large_with_intents_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SpoolSettings(segment_bytes=1000))
    for _ in range(20):
        bench.spool.complete(bench.spool.intend([part("x" * 100)]), [])
    bench.spool.tick()
    assert bench.spool.folder.sealed() == []
    assert bench.spool.counters().stored_bytes == 56
    assert len(list((tmp_path / "spools").rglob("*.open"))) == 1


def test_tick_syncs_by_the_interval(bench: Bench) -> None:
    bench.spool.append([part("1")])
    bench.spool.tick()
    assert bench.spool.counters().syncs == 0
    bench.at += SECOND
    bench.spool.tick()
    assert bench.spool.counters().syncs == 1


def test_beyond_its_limit_the_spool_is_full_until_something_is_retired(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SpoolSettings(max_bytes=990))
    ticket = bench.spool.intend([part("fallback")])
    bench.spool.append([part("x" * 800)])
    for refused in (bench.spool.append, bench.spool.intend):
        with pytest.raises(SpoolFull, match="holds 954 bytes, its limit"):
            refused([part("y")])
    bench.spool.complete(ticket, [part("what was let in is let out")])
    assert bench.spool.counters().refused == 2
    bench.spool.seal()
    with pytest.raises(SpoolFull):
        bench.spool.append([part("y")])
    bench.spool.folder.retire(bench.spool.folder.sealed()[0])
    assert bench.spool.append([part("y")]) == 3


@pytest.mark.parametrize("failure", [DiskFull("No room.", "Free some."), 10])
def test_a_full_disk_refuses_and_leaves_no_trace(bench: Bench, failure: DiskFull | int) -> None:
    bench.spool.append([part("1")])
    size = bench.spool.counters().stored_bytes
    bench.disk.fail_next(failure)
    with pytest.raises(SpoolFull):
        bench.spool.append([part("lost")])
    assert bench.spool.counters().stored_bytes == size
    assert bench.spool.append([part("2")]) == 2
    bench.spool.seal()
    assert bench.frames() == [(RECORD, 1, [b"1"]), (RECORD, 2, [b"2"])]


def test_while_half_a_frame_cannot_be_cut_off_nothing_is_appended(bench: Bench) -> None:
    bench.disk.fail_next(10)
    bench.disk.fail_at(2, DiskProblem("broken", None))
    with pytest.raises(SpoolProblem):
        bench.spool.append([part("lost")])
    bench.disk.fail_next(DiskProblem("still broken", None))
    with pytest.raises(SpoolProblem, match="still broken"):
        bench.spool.append([part("lost too")])
    assert bench.spool.append([part("1")]) == 1
    bench.spool.seal()
    assert bench.frames() == [(RECORD, 1, [b"1"])]


def test_half_a_frame_left_is_cut_before_sealing(bench: Bench) -> None:
    bench.spool.append([part("1")])
    bench.disk.fail_next(10)
    bench.disk.fail_at(2, DiskProblem("broken", None))
    with pytest.raises(SpoolProblem):
        bench.spool.append([part("lost")])
    bench.spool.seal()
    assert bench.frames() == [(RECORD, 1, [b"1"])]
    assert bench.spool.counters().damaged_pieces == 0


def test_an_intent_whose_completion_fails_stays_open(bench: Bench) -> None:
    ticket = bench.spool.intend([part("fallback")])
    bench.disk.fail_next(DiskFull("No room.", None))
    with pytest.raises(SpoolFull):
        bench.spool.complete(ticket, [part("done")])
    assert bench.spool.counters().open_intents == 1
    bench.spool.complete(ticket, [part("done")])
    assert bench.spool.counters().open_intents == 0


def test_any_failure_while_sealing_is_made_good_by_the_next_try(tmp_path: Path) -> None:
    steps = 1
    while True:
        bench = Bench(tmp_path / str(steps))
        ticket = bench.spool.intend([part("fallback")])
        bench.spool.append([part("1")])
        bench.disk.fail_at(steps, DiskProblem("broken", None))
        try:
            bench.spool.seal()
            is_done = True
        except SpoolProblem:
            is_done = False
        bench.disk.fail_no_more()
        bench.spool.complete(ticket, [part("2")])
        bench.spool.append([part("3")])
        bench.spool.seal()
        sealed = bench.frames()
        bench.again()
        bench.spool.seal()
        records = [item[2] for item in bench.frames() if item[0] != INTENT]
        assert records == [[b"1"], [b"2"], [b"3"]]
        assert sealed == bench.frames()
        if is_done:
            break
        steps += 1
    assert steps > 6


async def test_durable_waits_for_one_sync_that_serves_everybody(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SpoolSettings(sync="always"))

    async def one(number: int) -> None:
        bench.spool.append([part(str(number))])
        await bench.spool.durable()

    await asyncio.gather(*(one(number) for number in range(50)))
    counters = bench.spool.counters()
    assert counters.frames == 50
    assert 1 <= counters.syncs <= 3
    syncs = counters.syncs
    await bench.spool.durable()
    assert bench.spool.counters().syncs == syncs, "nothing new, nothing to wait for"


async def test_durable_tells_everybody_who_waited_of_a_failed_sync(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SpoolSettings(sync="always"))
    bench.spool.append([part("1")])
    bench.disk.fail_next(DiskProblem("broken", None))
    results = await asyncio.gather(
        *(bench.spool.durable() for _ in range(5)), return_exceptions=True
    )
    assert [type(result) for result in results] == [SpoolProblem] * 5
    assert bench.spool.counters().sync_failures == 1
    await bench.spool.durable()


async def test_durable_does_not_wait_when_syncing_goes_by_the_clock(bench: Bench) -> None:
    bench.spool.append([part("1")])
    await bench.spool.durable()
    assert bench.spool.counters().syncs == 0


def test_appending_beside_sealing_and_syncing_keeps_every_record_and_number(
    tmp_path: Path,
) -> None:
    disk = RealDisk()
    folder = claim(disk, tmp_path, lambda: "a" * 16)
    spool = Spool.open(folder, SpoolSettings(), lambda: 1)

    def write(name: str) -> None:
        for number in range(300):
            if number % 3:
                spool.append([part(f"{name}{number}")])
            else:
                spool.complete(spool.intend([part("fallback")]), [part(f"{name}{number}")])

    writers = [Thread(target=write, args=(name,)) for name in "abc"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        spool.seal()
    spool.seal()
    found = [
        (item.sequence, bytes(item.parts[0].data).decode())
        for sealed in folder.sealed()
        for item in (folder.read(sealed).scan or pytest.fail("unreadable")).frames
        if item.kind != INTENT
    ]
    assert [sequence for sequence, _ in found] == list(range(1, 901))
    assert {text for _, text in found} == {f"{n}{i}" for n in "abc" for i in range(300)}
    spool.close()


def test_a_spool_folder_has_one_owner_until_it_is_closed(tmp_path: Path) -> None:
    disk = RealDisk()
    ids = iter(["a" * 16, "b" * 16])
    first = Spool.open(claim(disk, tmp_path, lambda: next(ids)), SpoolSettings(), lambda: 1)
    second = Spool.open(claim(disk, tmp_path, lambda: next(ids)), SpoolSettings(), lambda: 1)
    assert (first.folder.spool_id, second.folder.spool_id) == ("a" * 16, "b" * 16)
    first.close()
    third = claim(disk, tmp_path, lambda: pytest.fail("a left-over one is there"))
    assert third.spool_id == "a" * 16
    third.close()
    second.close()


def test_a_spool_that_records_wait_in_is_not_removed(bench: Bench) -> None:
    bench.spool.append([part("1")])
    with pytest.raises(ValueError, match="records wait"):
        bench.spool.remove()


def test_a_drained_spool_is_removed_whole(bench: Bench) -> None:
    bench.spool.append([part("1")])
    bench.spool.seal()
    bench.spool.folder.retire(bench.spool.folder.sealed()[0])
    assert bench.spool.is_drained()
    bench.spool.remove()
    assert list((bench.root / "spools").iterdir()) == []


def test_counters_say_what_happened(bench: Bench) -> None:
    bench.spool.append([part("1"), part("2", 2, b"u")])
    bench.spool.intend([part("3")])
    counters = bench.spool.counters()
    assert replace(counters, written_bytes=0, stored_bytes=0) == type(counters)(
        frames=2, records=3, written_bytes=0, refused=0, completed_by_recovery=0, torn_bytes=0,
        damaged_pieces=0, damaged_bytes=0, syncs=0, sync_failures=0, sealed=0, open_intents=1,
        stored_bytes=0, is_refusing=False, waiting={b"t": 1, b"u": 2},
    )  # fmt: skip
    assert bench.spool.waiting() == [(bench.at, {b"t": 1, b"u": 2})]
    assert "1 intents open" in repr(bench.spool)


def test_it_says_that_it_refuses_while_what_was_refused_would_not_fit(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SpoolSettings(max_bytes=1000))
    bench.spool.append([part("1")])
    assert not bench.spool.counters().is_refusing
    with pytest.raises(SpoolFull):
        bench.spool.append([part("x" * 880)])
    bench.spool.append([part("2")])
    assert bench.spool.counters().is_refusing
    bench.spool.seal()
    bench.spool.folder.retire(bench.spool.folder.sealed()[0])
    assert not bench.spool.counters().is_refusing


def test_it_says_that_its_disk_fails_for_ten_seconds_or_until_a_write_succeeds(
    bench: Bench,
) -> None:
    for succeeds in (False, True):
        bench.disk.fail_next(DiskProblem("bad"))
        with pytest.raises(SpoolProblem):
            bench.spool.append([part("1")])
        assert bench.spool.counters().is_refusing
        if succeeds:
            bench.spool.append([part("1")])
        else:
            bench.at += 10 * SECOND
        assert not bench.spool.counters().is_refusing
