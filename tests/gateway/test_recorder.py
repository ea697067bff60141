"""Records into the spool: a full one, a failing disk, and many requests at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support import parties
from tests.support.gate import ALICE, BOB, Gate, code_of, told
from tests.support.wire import Client, MemoryWire, edge

from bucketlog.accesslog.targets import Target
from bucketlog.disk import DiskFull, DiskProblem
from bucketlog.gateway.pipeline import Courier
from bucketlog.s3.access import LOG_DELIVERY_SERVICE
from bucketlog.s3.model import Call, Caller, Deleted, Facts, Reply
from bucketlog.spool.frame import COMPLETION, INTENT
from bucketlog.spool.writer import SpoolSettings

BIG = bytes(100_000)
EIO = DiskProblem("Can't write: Input/output error.", "Look at the disk.")
FULL = DiskFull("Can't write: No space left on device.", "Free some.")


@asynccontextmanager
async def opened(gate: Gate) -> AsyncIterator[Gate]:
    try:
        yield gate
    finally:
        gate.close()


def fill(gate: Gate) -> None:
    """Makes the spool's limit what it holds now."""
    gate.spool._max_bytes = gate.spool.counters().stored_bytes


def empty(gate: Gate) -> None:
    """Lifts the limit."""
    gate.spool._max_bytes = 1 << 30


# A full spool


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
async def test_a_full_spool_is_waited_for_and_then_the_client_is_told_to_slow_down(
    tmp_path: Path, method: str
) -> None:
    async with opened(Gate(tmp_path)) as gate:
        fill(gate)
        wire = await gate.send(method, "/box/a")
        assert wire.reply is not None
        assert (wire.reply.status, code_of(wire)) == (503, "SlowDown")
        assert wire.headers["Retry-After"] == "1"
        assert 1.9 < sum(gate.pauses) < 2.1
        assert gate.metrics.counters == {"requests_refused|spool_full": 1}
        assert gate.frames() == []
        assert len(gate.handler.calls) == (0 if method == "PUT" else 1)


async def test_a_long_answer_that_cannot_be_recorded_is_not_sent(tmp_path: Path) -> None:
    async with opened(Gate(tmp_path, (Reply(200, {}, BIG),))) as gate:
        fill(gate)
        wire = await gate.send("GET", "/box/a")
        assert code_of(wire) == "SlowDown"
        assert len(wire.sent) < 1000
        assert gate.frames() == []


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_room_that_appears_in_time_is_used(tmp_path: Path, method: str) -> None:
    gate: Gate

    async def sleep(seconds: float) -> None:
        gate.pauses.append(seconds)
        if len(gate.pauses) == 3:
            empty(gate)

    gate = Gate(tmp_path, sleep=sleep)
    async with opened(gate):
        fill(gate)
        wire = await gate.send(method, "/box/a")
        assert code_of(wire) is None
        assert len(gate.pauses) == 3
        assert told(gate.after_a_crash()) == [("box", f"REST.{method}.OBJECT", "a", 200)]


async def test_buckets_without_a_rule_are_never_held_back(tmp_path: Path) -> None:
    async with opened(Gate(tmp_path)) as gate:
        fill(gate)
        for method in ("GET", "PUT", "DELETE"):
            assert code_of(await gate.send(method, "/plain/a")) is None
        assert gate.pauses == []


async def test_a_request_let_in_is_recorded_when_the_spool_fills_meanwhile(tmp_path: Path) -> None:
    """The completion is exempt: the change is made and can't be taken back."""

    async def put(call: Call) -> Reply:
        fill(gate)
        return Reply(200, {}, b"", Facts(object_size=3))

    gate = Gate(tmp_path, (put, put))
    async with opened(gate):
        assert code_of(await gate.send("PUT", "/box/a")) is None
        (record,) = gate.after_a_crash()
        assert (record.http_status, record.object_size) == (200, 3)
        assert gate.pauses == []


async def test_the_courier_is_exempt(tmp_path: Path) -> None:
    """It makes the room that the others wait for."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": LOG_DELIVERY_SERVICE},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::other/*",
    }
    async with opened(Gate(tmp_path)) as gate:
        gate.put_bucket(parties.bucket("other", parties.ALICE, statement))
        fill(gate)
        courier = Courier(
            Caller(service=LOG_DELIVERY_SERVICE),
            "arn:aws:s3:::box",
            parties.ALICE.account_id,
            None,
        )
        wire = await gate.send("PUT", "/other/x", courier=courier, signer=None)
        assert code_of(wire) is None
        assert gate.pauses == []
        assert told(gate.after_a_crash()) == [("other", "REST.PUT.OBJECT", "x", 200)]


@pytest.mark.parametrize("query", ["logging", "policy", "acl", "ownershipControls"])
async def test_a_buckets_owner_can_still_permit_delivery(tmp_path: Path, query: str) -> None:
    """Even to a bucket that is its own target. Nobody else goes beyond the limit by that."""
    async with opened(Gate(tmp_path)) as gate:
        fill(gate)
        for method in ("GET", "PUT"):
            assert code_of(await gate.send(method, f"/box?{query}")) is None
            assert code_of(await gate.send(method, f"/box?{query}", signer=BOB)) == "SlowDown"
            assert code_of(await gate.send(method, f"/box?{query}", signer=None)) == "SlowDown"
        assert [one.http_status for one in gate.after_a_crash()] == [200, 200]


async def test_a_spool_that_may_drop_serves_on_and_counts(tmp_path: Path) -> None:
    answers = (
        Reply(200, {}, b"x"),
        Reply(200, {}, BIG),
        Reply(200),
        Reply(200, {}, b"", Facts(deleted=(Deleted("a"), Deleted("b")))),
        Reply(200),
    )
    async with opened(Gate(tmp_path, answers, drop_when_full=True)) as gate:
        fill(gate)
        for method, target in (
            ("GET", "/box/a"),
            ("GET", "/box/big"),
            ("PUT", "/box/a"),
            ("POST", "/box?delete"),
        ):
            wire = await gate.send(method, target)
            assert code_of(wire) is None
        assert gate.pauses == []
        assert gate.frames() == []
        assert gate.metrics.counters == {"records_dropped": 3 + 3}
        await gate.send("PUT", "/box/b", {"x-amz-copy-source": "/other/c"})
        assert gate.metrics.counters == {"records_dropped": 3 + 3 + 2}


async def test_room_that_appears_late_still_keeps_what_might_have_been_dropped(
    tmp_path: Path,
) -> None:
    async def delete(call: Call) -> Reply:
        assert call.foresee is not None
        empty(gate)
        await call.foresee(Facts(deleted=(Deleted("a"),)))
        fill(gate)
        return Reply(200, {}, b"", Facts(deleted=(Deleted("a"),)))

    async def put(call: Call) -> Reply:
        empty(gate)
        return Reply(200)

    gate = Gate(tmp_path, (delete, put), drop_when_full=True)
    async with opened(gate):
        fill(gate)
        await gate.send("POST", "/box?delete")
        await gate.send("PUT", "/box/b")
        assert [one[1:] for one in told(gate.after_a_crash())] == [
            ("REST.POST.MULTI_OBJECT_DELETE", None, 200),
            ("BATCH.DELETE.OBJECT", "a", 204),
            ("REST.PUT.OBJECT", "b", 200),
        ]
        assert gate.metrics.counters == {}
        assert gate.spool.counters().open_intents == 0


async def test_a_batch_delete_is_refused_if_its_keys_cannot_be_named(tmp_path: Path) -> None:
    """And then nothing is deleted, and the record says what became of it."""

    async def delete(call: Call) -> Reply:
        assert call.foresee is not None
        fill(gate)
        await call.foresee(Facts(deleted=(Deleted("a"),)))
        raise AssertionError("deleted")

    gate = Gate(tmp_path, (delete,))
    async with opened(gate):
        wire = await gate.send("POST", "/box?delete")
        assert code_of(wire) == "SlowDown"
        assert sum(gate.pauses) < 2.1  # waited for once
        assert gate.spool.counters().open_intents == 0
        empty(gate)
        await gate.send("GET", "/box/a")
        assert [one.operation for one in gate.after_a_crash()] == ["REST.GET.OBJECT"]


# A failing disk


@pytest.mark.parametrize("failure", [EIO, FULL], ids=["EIO", "ENOSPC"])
@pytest.mark.parametrize("body", [b"x", BIG], ids=["short", "long"])
async def test_a_read_that_cannot_be_written_down_is_refused(
    tmp_path: Path, failure: DiskProblem, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(Gate(tmp_path, (Reply(200, {}, body),))) as gate:
        for step in range(1, 200, 2):  # each write; what it left is cut off again
            gate.faults.fail_at(step, failure)
        wire = await gate.send("GET", "/box/a")
        assert wire.reply is not None
        assert wire.reply.status == 503
        assert code_of(wire) == ("SlowDown" if failure is FULL else "ServiceUnavailable")
        label = "spool_full" if failure is FULL else "spool_failed"
        assert gate.metrics.counters == {f"requests_refused|{label}": 1}
        gate.faults.fail_no_more()
        assert code_of(await gate.send("GET", "/box/a")) is None
        assert len(gate.after_a_crash()) == 1
    assert all(entry.exc_info is None for entry in caplog.records)


async def test_a_change_that_cannot_be_written_down_is_not_made(tmp_path: Path) -> None:
    async with opened(Gate(tmp_path)) as gate:
        gate.faults.fail_next(EIO)
        wire = await gate.send("PUT", "/box/a")
        assert code_of(wire) == "ServiceUnavailable"
        assert gate.handler.calls == []
        # The refusal itself could be recorded, as the disk worked again.
        assert told(gate.after_a_crash()) == [("box", "REST.PUT.OBJECT", "a", 503)]


async def test_a_change_that_is_made_is_answered_even_if_its_outcome_cannot_be_written(
    tmp_path: Path,
) -> None:
    """Its intent is on disk, and becomes its record."""

    async def put(call: Call) -> Reply:
        gate.faults.fail_next(EIO)
        return Reply(200)

    gate = Gate(tmp_path, (put,))
    async with opened(gate):
        wire = await gate.send("PUT", "/box/a")
        assert code_of(wire) is None
        assert gate.metrics.counters == {"records_unfinished": 1}
        assert told(gate.after_a_crash()) == [("box", "REST.PUT.OBJECT", "a", None)]


async def test_an_intent_that_cannot_be_renewed_stands(tmp_path: Path) -> None:
    async def delete(call: Call) -> Reply:
        assert call.foresee is not None
        gate.faults.fail_next(EIO)
        await call.foresee(Facts(deleted=(Deleted("a"),)))
        raise AssertionError("deleted")

    gate = Gate(tmp_path, (delete,))
    async with opened(gate):
        wire = await gate.send("POST", "/box?delete")
        assert code_of(wire) == "ServiceUnavailable"
        assert [frame.kind for frame in gate.frames()] == [INTENT, COMPLETION]
        assert [one.http_status for one in gate.after_a_crash()] == [503]
        assert gate.spool.counters().open_intents == 0


async def test_refusals_are_told_now_and_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("bucketlog"), "propagate", True)
    async with opened(Gate(tmp_path)) as gate:
        fill(gate)
        for _ in range(5):
            await gate.send("GET", "/box/a")
        assert gate.count("requests_refused") == 5
    (entry,) = caplog.records
    assert "its limit" in entry.getMessage()


# Safe from a power cut before the answer


ALWAYS = SpoolSettings(sync="always")


async def test_with_sync_always_an_answer_waits_for_an_fsync(tmp_path: Path) -> None:
    synced: list[int] = []

    async def put(call: Call) -> Reply:
        synced.append(gate.spool.counters().syncs)
        return Reply(200)

    gate = Gate(tmp_path, (put,), ALWAYS)
    async with opened(gate):
        wire = MemoryWire()
        await gate.send("PUT", "/box/a", wire=wire)
        await gate.send("GET", "/box/a")
        assert synced == [1]
        assert gate.spool.counters().syncs == 3
        await gate.send("GET", "/plain/a")
        assert gate.spool.counters().syncs == 3


async def test_a_change_is_refused_when_its_intent_cannot_be_made_safe(tmp_path: Path) -> None:
    async with opened(Gate(tmp_path, settings=ALWAYS)) as gate:
        gate.faults.fail_at(2, EIO)  # the write, then the sync
        wire = await gate.send("PUT", "/box/a")
        assert code_of(wire) == "ServiceUnavailable"
        assert gate.handler.calls == []
        assert [one.http_status for one in gate.after_a_crash()] == [503]
        assert gate.spool.counters().open_intents == 0


async def test_a_read_is_answered_when_its_record_cannot_be_made_safe(tmp_path: Path) -> None:
    """It is in the system's memory, and the failure is counted."""
    async with opened(Gate(tmp_path, (Reply(200, {}, b"x"),), ALWAYS)) as gate:
        gate.faults.fail_at(2, EIO)
        wire = await gate.send("GET", "/box/a")
        assert wire.sent == b"x"
        assert gate.spool.counters().sync_failures == 1
        assert len(gate.after_a_crash()) == 1


async def test_one_fsync_serves_all_that_wait_for_it(tmp_path: Path) -> None:
    """Sixteen at a time make 800 records; each fsync is of all that came during the last one."""
    async with opened(Gate(tmp_path, settings=ALWAYS)) as gate:

        async def client(number: int) -> None:
            for turn in range(50):
                await gate.send("GET", f"/box/{number}/{turn}")

        await asyncio.gather(*(client(number) for number in range(16)))
        counters = gate.spool.counters()
        assert counters.records == 800
        assert counters.syncs <= 800 / 4
        keys = {one.key for one in gate.after_a_crash()}
        assert len(keys) == 800


# Over a real connection, where requests of one turn are recorded together


async def talk(gate: Gate, port: int, *targets: str) -> list[int]:
    """Sends requests at once on one connection; the statuses of the answers."""
    client = await Client.connect(port)
    text = b""
    for target in targets:
        request = gate.request("GET", target)
        lines = [f"GET {target} HTTP/1.1", *(f"{n}: {v}" for n, v in request.headers.items())]
        text += ("\r\n".join(lines) + "\r\n\r\n").encode()
    await client.send(text)
    statuses = [(await client.answer()).status for _ in targets]
    await client.close()
    return statuses


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The edge receives everything at the moment the tests sign for."""
    from tests.support.gate import NOW

    monkeypatch.setattr("bucketlog.gateway.edge.connection.time_ns", lambda: NOW)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("sync", ["interval", "always"])
async def test_requests_of_one_turn_are_each_recorded_once(tmp_path: Path, sync: str) -> None:
    settings = SpoolSettings(sync=sync)  # type: ignore[arg-type]
    async with opened(Gate(tmp_path, settings=settings)) as gate:
        gate.handler.answers = [Reply(200, {}, b"x" * n) for n in range(40)]
        async with edge(gate.pipeline) as server:
            found = await asyncio.gather(
                *(talk(gate, server.port, f"/box/{n}", f"/other/{n}") for n in range(20))
            )
        assert found == [[200, 200]] * 20
        records = gate.after_a_crash()
        assert sorted((one.bucket or "", int(one.key or "")) for one in records) == sorted(
            (bucket, n) for bucket in ("box", "other") for n in range(20)
        )
        assert sorted(one.bytes_sent or 0 for one in records) == list(range(40))
        assert {one.remote_ip for one in records} == {"127.0.0.1"}


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("drop", [False, True])
async def test_requests_of_one_turn_without_room_are_each_refused_or_dropped(
    tmp_path: Path, drop: bool
) -> None:
    async with opened(Gate(tmp_path, drop_when_full=drop)) as gate:
        fill(gate)
        async with edge(gate.pipeline) as server:
            found = await asyncio.gather(
                *(talk(gate, server.port, f"/box/{n}", f"/plain/{n}") for n in range(5))
            )
        assert found == [[200 if drop else 503, 200]] * 5
        assert gate.frames() == []
        assert gate.metrics.counters == {
            "records_dropped" if drop else "requests_refused|spool_full": 5
        }


@pytest.mark.usefixtures("clock")
async def test_a_disk_that_fails_once_costs_the_requests_of_that_turn_nothing(
    tmp_path: Path,
) -> None:
    async with opened(Gate(tmp_path)) as gate:
        gate.faults.fail_next(EIO)
        async with edge(gate.pipeline) as server:
            found = await asyncio.gather(*(talk(gate, server.port, f"/box/{n}") for n in range(5)))
        assert found == [[200]] * 5
        assert len(gate.after_a_crash()) == 5


# Rules


async def test_a_bucket_without_a_rule_costs_a_look_up(tmp_path: Path) -> None:
    async with opened(Gate(tmp_path)) as gate:
        gate.rules["plain"] = Target("logs", "x/")
        await gate.send("GET", "/plain/a", signer=ALICE)
        del gate.rules["plain"]
        gate.asked_rules.clear()
        await gate.send("GET", "/plain/a")
        assert gate.asked_rules == ["plain"]
        assert len(gate.after_a_crash()) == 1
