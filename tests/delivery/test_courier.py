"""The courier: every record delivered once, whatever is refused, fails or dies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from zlib import crc32

import pytest
from tests.support.faulty_disk import Died, FaultyDisk
from tests.support.target import HealthNotes, TargetBuckets, rule, source

from bucketlog.delivery.courier import Courier, CourierSettings
from bucketlog.delivery.tags import tag_of
from bucketlog.disk import Disk, DiskFull, DiskProblem, RealDisk
from bucketlog.s3.errors import S3Error
from bucketlog.spool.folder import claim
from bucketlog.spool.frame import Part
from bucketlog.spool.writer import Spool, SpoolSettings

SECOND = 1_000_000_000
DENIED = S3Error("AccessDenied", "Access Denied")


@dataclass
class Clock:
    at: int = 1_700_000_000 * SECOND

    def __call__(self) -> int:
        return self.at


@dataclass
class World:
    """A courier with its spool, clock, target and health."""

    root: Path
    disk: Disk = field(default_factory=RealDisk)
    settings: CourierSettings = field(default_factory=CourierSettings)
    spool_settings: SpoolSettings = field(default_factory=SpoolSettings)
    clock: Clock = field(default_factory=Clock)
    target: TargetBuckets = field(default_factory=TargetBuckets)
    health: HealthNotes = field(default_factory=HealthNotes)
    next_id: int = 1

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        folder = claim(self.disk, self.root / "spools", self.new_id)
        self.spool = Spool.open(folder, self.spool_settings, self.clock)
        self.courier = Courier(
            self.spool, self.target.put, self.health, self.clock, lambda: 1.0, self.settings
        )

    def new_id(self) -> str:
        self.next_id += 1
        return f"{self.next_id:016x}"

    def record(self, bucket: str, *lines: str, prefix: str = "p/", day: int = 19_000) -> None:
        tag = tag_of(rule(prefix=prefix), source(bucket), day)
        self.spool.append([Part(tag, 1, f"{line}\n".encode()) for line in lines])

    def held_files(self) -> list[Path]:
        return sorted(self.root.rglob("*.held"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.courier.close()


async def test_one_segment_becomes_one_log_object_per_source_bucket(world: World) -> None:
    world.record("a", "1", "2")
    world.record("b", "3")
    world.record("a", "4")
    delivered = await world.courier.deliver_now()
    assert [(item.source_bucket, item.records) for item in delivered] == [("a", 3), ("b", 1)]
    assert world.target.lines("a") == [b"1", b"2", b"4"]
    assert world.target.lines("b") == [b"3"]
    assert world.health.of("delivered") == [("a", 3), ("b", 1)]
    assert world.spool.folder.sealed() == []
    assert world.spool.counters().waiting == {}
    assert world.courier.waiting() == (0, None)


async def test_nothing_is_put_where_nothing_waits(world: World) -> None:
    assert await world.courier.deliver_now() == []
    assert world.target.tries == []


async def test_what_is_delivered_is_named_for_one_bucket_when_one_is_asked_for(
    world: World,
) -> None:
    world.record("a", "1")
    world.record("b", "2")
    delivered = await world.courier.deliver_now("b")
    assert [item.source_bucket for item in delivered] == ["b"]
    assert world.target.lines("a") == [b"1"], "the segment is delivered whole all the same"


async def test_a_refused_batch_is_held_and_its_neighbour_is_put_once(world: World) -> None:
    world.target.refusals["a"] = DENIED
    world.record("a", "1")
    world.record("b", "2")
    await world.courier.deliver_now()
    await world.courier.deliver_due()
    assert world.target.lines("b") == [b"2"]
    assert [bucket for bucket, _ in world.target.tries] == ["a", "b"]
    assert world.health.of("failed") == [("a", "AccessDenied: Access Denied")]
    assert world.courier.tally.failures == {"AccessDenied": 1}
    assert len(world.held_files()) == 1
    assert world.spool.folder.sealed() == []
    assert world.courier.waiting() == (1, world.clock.at)
    assert world.courier.waiting("b") == (0, None)


async def test_held_records_go_out_unchanged_once_permission_is_granted(world: World) -> None:
    world.target.refusals["a"] = DENIED
    world.record("b", "0")
    world.record("a", "1", "2")
    world.record("b", "9")
    world.record("a", "3")
    await world.courier.deliver_now("b")
    _, refused_key = world.target.tries[1]
    world.target.refusals.clear()
    delivered = await world.courier.deliver_now("a")
    assert [(item.key, item.records) for item in delivered] == [(refused_key, 3)]
    batch = world.target.objects["logs", refused_key]
    assert batch.data == b"1\n2\n3\n"
    assert [(run.sequence, run.count) for run in batch.runs] == [(2, 2), (5, 1)]
    assert world.held_files() == []
    assert world.spool.counters().stored_bytes < 100


async def test_a_failing_route_is_tried_at_doubling_intervals(world: World) -> None:
    world.target.refusals["a"] = ConnectionError("refused")
    world.record("a", "1")
    await world.courier.deliver_now()
    tries = []
    for second in range(1, 200):
        world.clock.at += SECOND
        before = len(world.target.tries)
        await world.courier.deliver_due()
        if len(world.target.tries) > before:
            tries.append(second)
    assert tries == [1, 3, 7, 15, 31, 63, 123, 183]
    assert world.health.of("failed")[0] == ("a", "ConnectionError: refused")


async def test_records_for_a_route_that_rests_are_held_without_a_try(world: World) -> None:
    world.target.refusals["a"] = DENIED
    world.record("a", "1")
    await world.courier.deliver_now()
    world.record("a", "2")
    await world.courier.deliver_now("other")
    assert len(world.target.tries) == 1
    assert len(world.held_files()) == 2
    world.target.refusals.clear()
    await world.courier.deliver_now()
    assert world.target.lines("a") == [b"1", b"2"]


async def test_one_failure_ends_a_round_of_a_route_with_a_long_backlog(world: World) -> None:
    world.target.refusals["a"] = DENIED
    for line in "12345":
        world.record("a", line)
        await world.courier.deliver_now("other")
    tries = len(world.target.tries)
    await world.courier.deliver_now("a")
    assert len(world.target.tries) == tries + 1
    world.target.refusals.clear()
    assert len(await world.courier.deliver_now("a")) == 5


async def test_held_records_survive_a_restart(world: World) -> None:
    world.target.refusals["a"] = DENIED
    world.record("a", "1")
    await world.courier.deliver_now()
    world.courier.close()
    world.target.refusals.clear()
    world.start()
    assert [totals.records for totals in world.spool.folder.held_totals().values()] == [1]
    delivered = await world.courier.deliver_due()
    assert [item.records for item in delivered] == [1]
    assert world.target.lines("a") == [b"1"]


async def test_held_records_too_old_are_given_up_and_reported(world: World) -> None:
    world.target.refusals["a"] = DENIED
    world.record("a", "1", "2")
    await world.courier.deliver_now()
    world.clock.at += 29 * 86400 * SECOND
    await world.courier.deliver_due()
    assert world.health.of("lost") == []
    world.record("a", "3")
    world.clock.at += 2 * 86400 * SECOND
    await world.courier.deliver_now("other")
    assert world.health.of("lost") == [("a", 2)]
    assert world.courier.tally.lost_records == 2
    assert len(world.held_files()) == 1, "the younger one stays"


async def test_the_oldest_held_records_are_given_up_when_too_many_are_held(tmp_path: Path) -> None:
    world = World(tmp_path, settings=CourierSettings(hold_bytes=3000))
    world.target.refusals["a"] = DENIED
    for line in "1234":
        world.record("a", line * 700)
        world.clock.at += SECOND
        await world.courier.deliver_now("other")
    assert world.spool.folder.held_bytes <= 3000
    assert world.health.of("lost") == [("a", 1)]
    world.target.refusals.clear()
    await world.courier.deliver_now()
    assert [line[:1] for line in world.target.lines("a")] == [b"2", b"3", b"4"]
    world.courier.close()


async def test_a_dead_workers_spool_is_adopted_delivered_and_removed(world: World) -> None:
    other = World(world.root, disk=FaultyDisk(world.root / "shadow"), next_id=100)
    other.record("a", "whole")
    tag = tag_of(rule(), source("a"), 1)
    other.spool.intend([Part(tag, 1, b"cut short\n")])
    await world.courier.adopt_leftovers(world.root / "spools")
    assert len(world.courier.spools) == 1, "its process lives"
    assert isinstance(other.disk, FaultyDisk)
    other.disk.die()
    await world.courier.adopt_leftovers(world.root / "spools")
    assert len(world.courier.spools) == 2
    await world.courier.deliver_due()
    assert world.target.lines("a") == [b"cut short", b"whole"]
    assert len(world.courier.spools) == 1
    assert [path.name for path in (world.root / "spools").iterdir()] == [
        world.spool.folder.spool_id
    ]


async def test_a_spool_of_a_newer_version_is_left_alone(world: World) -> None:
    stranger = world.root / "spools" / ("e" * 16)
    stranger.mkdir()
    head = b"\xf1bktspl\n\x63\0" + bytes(42)
    (stranger / "00000001.open").write_bytes(head + crc32(head).to_bytes(4, "little"))
    await world.courier.adopt_leftovers(world.root / "spools")
    await world.courier.adopt_leftovers(world.root / "spools")
    assert len(world.courier.spools) == 1
    assert world.courier.tally.troubles == 1
    assert (stranger / "00000001.open").exists()


async def test_records_that_damage_took_are_counted_as_lost(world: World) -> None:
    for line in ("one", "two", "three"):
        world.record("a", line)
    world.spool.seal()
    (path,) = world.root.rglob("*.sealed")
    data = path.read_bytes()
    path.write_bytes(data.replace(b"two", b"tWo"))
    await world.courier.deliver_due()
    assert world.target.lines("a") == [b"one", b"three"]
    assert world.courier.tally.lost_records == 1
    (kept,) = world.root.rglob("damaged/*.bytes")
    assert b"tWo" in kept.read_bytes()
    assert world.courier.tally.damaged_pieces == 1


async def test_where_sealing_fails_what_is_sealed_is_delivered(tmp_path: Path) -> None:
    world = World(tmp_path, disk=FaultyDisk(tmp_path / "shadow"))
    assert isinstance(world.disk, FaultyDisk)
    world.record("a", "1")
    world.spool.seal()
    world.record("a", "2")
    world.disk.fail_next(DiskFull("No room.", None))
    assert [item.records for item in await world.courier.deliver_now()] == [1]
    assert world.courier.tally.troubles == 1
    assert [item.records for item in await world.courier.deliver_now()] == [1]
    world.courier.close()


async def test_a_held_file_that_was_damaged_is_lost_and_reported(world: World) -> None:
    world.target.refusals["a"] = DENIED
    world.record("a", "one")
    await world.courier.deliver_now()
    (path,) = world.held_files()
    path.write_bytes(path.read_bytes().replace(b"one", b"oNe"))
    world.target.refusals.clear()
    assert await world.courier.deliver_now() == []
    assert world.health.of("lost") == [("a", 1)]
    assert world.held_files() == []


async def test_a_segment_that_cannot_be_held_stays_and_is_delivered_later(tmp_path: Path) -> None:
    world = World(tmp_path, disk=FaultyDisk(tmp_path / "shadow"))
    assert isinstance(world.disk, FaultyDisk)
    world.record("a", "1")
    world.record("b", "2")
    world.spool.seal()
    world.target.refusals["a"] = DENIED
    world.disk.fail_next(DiskFull("No room.", None))
    await world.courier.deliver_due()
    assert world.courier.tally.troubles == 1
    assert len(world.spool.folder.sealed()) == 1
    world.target.refusals.clear()
    world.clock.at += 10 * SECOND
    await world.courier.deliver_due()
    assert world.target.lines("a") == [b"1"]
    assert world.target.lines("b") == [b"2"]
    world.courier.close()


@pytest.mark.parametrize("cut_power", [False, True], ids=["process dies", "power is cut"])
async def test_death_at_any_step_of_delivery_repeats_the_same_names_and_bytes(
    tmp_path: Path, cut_power: bool
) -> None:
    die_at = 0
    while True:
        die_at += 1
        root = tmp_path / str(die_at)
        target, health, clock = TargetBuckets(), HealthNotes(), Clock()
        target.refusals["b"] = DENIED
        disk = FaultyDisk(root / "shadow" / "1")
        world = World(root, disk=disk, target=target, health=health, clock=clock)
        world.record("a", "a1", "a2")
        world.record("b", "b1")
        world.record("c", "c1")
        world.spool.sync()
        disk.die_after(die_at)
        try:
            await world.courier.deliver_now()
            target.refusals.clear()
            await world.courier.deliver_now()
            finished = True
        except Died:
            finished = False
        disk.die()
        if cut_power:
            disk.lose_power(root / "spools", Random(die_at))
        target.refusals.clear()
        clock.at += 100 * SECOND
        world = World(root, target=target, health=health, clock=clock)
        await world.courier.deliver_now()
        assert target.lines("a") == [b"a1", b"a2"]
        assert target.lines("b") == [b"b1"]
        assert target.lines("c") == [b"c1"]
        assert world.held_files() == []
        world.courier.close()
        if finished:
            break
    assert die_at > 15


async def test_the_loop_syncs_seals_adopts_and_delivers_until_it_is_cancelled(
    world: World,
) -> None:
    other = World(world.root, disk=FaultyDisk(world.root / "shadow"), next_id=100)
    other.record("b", "left behind")
    assert isinstance(other.disk, FaultyDisk)
    other.disk.die()
    world.record("a", "1")
    naps = 0

    async def sleep(seconds: float) -> None:
        nonlocal naps
        naps += 1
        world.clock.at += int(seconds * SECOND)
        await asyncio.sleep(0)

    loop = asyncio.create_task(world.courier.run(sleep, world.root / "spools"))
    while not (world.target.lines("a") and world.target.lines("b")):
        await asyncio.sleep(0)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
    assert naps > 10
    assert world.target.lines("b") == [b"left behind"]
    assert world.spool.counters().syncs > 0
    assert "adopted" in repr(world.courier)


async def test_the_loop_goes_on_after_a_problem_and_after_a_bug(tmp_path: Path) -> None:
    world = World(tmp_path, disk=FaultyDisk(tmp_path / "shadow"))
    assert isinstance(world.disk, FaultyDisk)
    world.record("a", "1")
    world.disk.fail_next(DiskProblem("broken", None))
    naps = 0

    async def sleep(seconds: float) -> None:
        nonlocal naps
        naps += 1
        if naps == 20:
            world.clock.at = 0  # as if the clock had been set back: due at once
        await asyncio.sleep(0)

    def bad_sink(bucket: str, key: str, records: int, at: int) -> None:
        world.health.delivered = HealthNotes().delivered  # type: ignore[method-assign]
        raise RuntimeError("a bug in the sink")

    world.health.delivered = bad_sink  # type: ignore[method-assign]
    loop = asyncio.create_task(world.courier.run(sleep, tmp_path / "spools"))
    while world.courier.tally.troubles < 1 or world.spool.folder.sealed():
        await asyncio.sleep(0)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
    assert world.target.lines("a") == [b"1"]
    assert len(world.target.tries) == 2, "put again under the same name"
    world.courier.close()


async def test_the_rule_that_was_in_force_decides_where_each_record_goes(world: World) -> None:
    world.record("a", "old", prefix="old/")
    world.record("a", "new", prefix="new/")
    delivered = await world.courier.deliver_now()
    assert sorted(item.key[:4] for item in delivered) == ["new/", "old/"]


async def test_what_waits_is_counted_by_bucket_wherever_it_is(world: World) -> None:
    began = world.clock.at
    world.target.refusals["a"] = DENIED
    world.record("a", "held", "held")
    await world.courier.deliver_now()
    world.clock.at += SECOND
    world.record("a", "sealed")
    world.record("b", "sealed")
    world.spool.seal()
    world.clock.at += SECOND
    world.record("b", "open")
    assert world.courier.waiting("a") == (3, began)
    assert world.courier.waiting("b") == (2, began + SECOND)
    assert world.courier.waiting() == (5, began)


async def test_damaged_held_records_too_old_are_reported_for_their_bucket(world: World) -> None:
    world.target.refusals["a"] = DENIED
    world.record("a", "one")
    await world.courier.deliver_now()
    (path,) = world.held_files()
    path.write_bytes(path.read_bytes().replace(b"one", b"oNe"))
    world.clock.at += 40 * 86400 * SECOND
    world.courier.settings = CourierSettings(retry_first_s=1e9, retry_most_s=1e9)
    world.record("b", "x")
    await world.courier.deliver_now("b")
    assert world.health.of("lost") == [("a", 1)]
