"""The pipe: what is recorded before what, by every way out, and who is let through."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import parties
from tests.support.gate import ALICE, BOB, Gate, Watched, code_of, told
from tests.support.wire import MemoryWire

from bucketlog.accesslog.record import LogRecord
from bucketlog.accesslog.targets import Target
from bucketlog.gateway.edge.wire import Wire
from bucketlog.problems import StateProblem
from bucketlog.s3.access import LOG_DELIVERY_SERVICE
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Call, Caller, Deleted, Facts, FileSlice, ObjectAccess, Reply
from bucketlog.spool.frame import COMPLETION, INTENT, RECORD

BIG = bytes(100_000)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    yield gate
    gate.close()


def watched(gate: Gate, seen: list[list[LogRecord]], *pieces: bytes, **options: object) -> Watched:
    """A wire that notes what would survive a crash when the reply is handed to it."""
    return Watched(*pieces, before_send=lambda: seen.append(gate.after_a_crash()), **options)


def kinds(gate: Gate) -> list[int]:
    return [frame.kind for frame in gate.frames()]


# Order of record and release


async def test_a_short_answer_is_on_disk_before_it_is_sent(gate: Gate) -> None:
    gate.handler.answers = [Reply(200, {}, b"12345", Facts(object_size=5))]
    seen: list[list[LogRecord]] = []
    wire = await gate.send("GET", "/box/a", wire=watched(gate, seen))
    ((record,),) = seen
    assert wire.sent == b"12345"
    assert (record.http_status, record.bytes_sent, record.object_size) == (200, 5, 5)
    assert record.request_id == wire.headers["x-amz-request-id"]
    assert record.host_id == wire.headers["x-amz-id-2"]
    assert gate.after_a_crash() == [record]
    assert kinds(gate) == [RECORD]


@pytest.mark.parametrize("size", [65_536, 65_537], ids=["short", "long"])
async def test_an_answer_is_long_from_64_kib_on(gate: Gate, size: int) -> None:
    gate.handler.answers = [Reply(200, {}, bytes(size))]
    await gate.send("GET", "/box/a")
    assert kinds(gate) == ([RECORD] if size == 65_536 else [INTENT, COMPLETION])


async def test_a_long_answer_is_foretold_and_then_recorded_as_it_went(gate: Gate) -> None:
    """The client goes away after 70,000 bytes: those are recorded, with the true times."""
    gate.handler.answers = [Reply(200, {}, BIG, Facts(object_size=100_000))]
    seen: list[list[LogRecord]] = []
    await gate.send("GET", "/box/a", wire=watched(gate, seen, accepts=70_000))
    ((before,),) = seen
    assert (before.http_status, before.bytes_sent, before.total_time) == (None, None, None)
    assert before.key == "a"
    assert before.requester == parties.ALICE.canonical_id
    (after,) = gate.after_a_crash()
    assert (after.http_status, after.bytes_sent, after.object_size) == (200, 70_000, 100_000)
    assert (after.total_time, after.turn_around_time) == (6000, 2000)
    assert after.request_id == before.request_id


async def test_a_file_is_sent_as_a_long_answer_and_closed(gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(BIG)
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    gate.handler.answers = [Reply(206, {}, FileSlice(descriptor, 10, 90_000))]
    wire = await gate.send("GET", "/box/a")
    assert len(wire.sent) == 90_000
    assert [one.bytes_sent for one in gate.after_a_crash()] == [90_000]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


async def test_a_change_is_foretold_before_it_is_made_and_told_before_it_is_answered(
    gate: Gate,
) -> None:
    seen: list[list[LogRecord]] = []

    async def put(call: Call) -> Reply:
        seen.append(gate.after_a_crash())
        received = await call.body.into(lambda piece: None)
        return Reply(200, {}, b"", Facts(object_size=received.length))

    gate.handler.answers = [put]
    await gate.send("PUT", "/box/a", wire=watched(gate, seen, b"hello"))
    (during,), (before_send,) = seen
    assert (during.operation, during.key, during.http_status) == ("REST.PUT.OBJECT", "a", None)
    assert (before_send.http_status, before_send.object_size) == (200, 5)
    assert gate.after_a_crash() == [before_send]
    assert kinds(gate) == [INTENT, COMPLETION]


async def test_nothing_is_foretold_of_a_read(gate: Gate) -> None:
    seen: list[list[LogRecord]] = []

    async def look(call: Call) -> Reply:
        seen.append(gate.after_a_crash())
        return Reply(200, {}, b"x")

    gate.handler.answers = [look, look]
    await gate.send("GET", "/box/a")
    await gate.send("GET", "/box?acl")
    assert seen == [[], [gate.after_a_crash()[0]]]


async def test_a_head_is_short_however_long_its_body_would_be(gate: Gate) -> None:
    gate.handler.answers = [Reply(200, {"Content-Length": "99"}, BIG, Facts(object_size=99))]
    seen: list[list[LogRecord]] = []
    wire = await gate.send("HEAD", "/box/a", wire=watched(gate, seen))
    assert wire.sent == b""
    ((record,),) = seen
    assert (record.operation, record.bytes_sent) == ("REST.HEAD.OBJECT", None)
    assert kinds(gate) == [RECORD]


# Every way out


WAYS_OUT = {
    "a refusal of the backend": (S3Error("NoSuchKey"), 404, "NoSuchKey"),
    "a mistake of ours": (RuntimeError("oops"), 500, "InternalError"),
    "what an operator can put right": (StateProblem("full", "do"), 503, "ServiceUnavailable"),
}


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("way", WAYS_OUT)
async def test_what_the_backend_raises_is_answered_and_recorded(
    gate: Gate, way: str, method: str
) -> None:
    error, status, code = WAYS_OUT[way]
    error.__traceback__ = None
    gate.handler.answers = [error]
    seen: list[list[LogRecord]] = []
    wire = await gate.send(method, "/box/a", wire=watched(gate, seen))
    assert code_of(wire) == code
    ((record,),) = seen
    assert (record.http_status, record.error_code) == (status, code)
    assert record.bytes_sent == len(wire.sent)
    assert record.requester == parties.ALICE.canonical_id
    assert gate.spool.counters().open_intents == 0
    assert gate.count("errors_internal") == (1 if code == "InternalError" else 0)
    assert gate.count("requests_failed") == (1 if code == "ServiceUnavailable" else 0)


async def test_only_a_mistake_of_ours_leaves_a_traceback(
    gate: Gate, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import logging

    monkeypatch.setattr(logging.getLogger("bucketlog"), "propagate", True)
    for error, _, _ in WAYS_OUT.values():
        gate.handler.answers.append(error)
        await gate.send("GET", "/box/a")
    assert [bool(entry.exc_info) for entry in caplog.records] == [True, False]
    assert "full" in caplog.records[1].getMessage()


async def test_a_refusal_by_the_edge_is_recorded_in_the_bucket_it_names(gate: Gate) -> None:
    wire = MemoryWire(refusal=S3Error("RequestHeaderSectionTooLarge"))
    await gate.send("GET", "/box/a", wire=wire, signer=None)
    assert gate.handler.calls == []
    assert told(gate.after_a_crash()) == [("box", "REST.GET.OBJECT", "a", 400)]


async def test_a_refusal_by_shape_is_recorded_in_the_bucket_it_names(gate: Gate) -> None:
    await gate.send("PUT", "/box?logging&acl", signer=None)
    await gate.send("GET", "/box/%ff", signer=None)
    assert gate.handler.calls == []
    codes = [(one.operation, one.http_status, one.error_code) for one in gate.after_a_crash()]
    assert codes[1] == ("REST.GET.OBJECT", 400, "InvalidURI")
    assert all(code is not None for _, _, code in codes)


@pytest.mark.parametrize("target", ["/nobody/key", "/", "/%ff%ff/x", "/Bad_Name/x"])
async def test_a_request_that_names_no_bucket_is_in_no_log(gate: Gate, target: str) -> None:
    wire = await gate.send("GET", target)
    assert wire.replied
    assert wire.headers["x-amz-request-id"]
    assert gate.frames() == []


async def test_a_client_that_vanishes_while_it_sends_is_recorded(gate: Gate) -> None:
    async def put(call: Call) -> Reply:
        await call.body.into(lambda piece: None)
        return Reply(200)

    gate.handler.answers = [put]
    wire = MemoryWire(b"hel", body_error=S3Error("IncompleteBody"))
    wire.content_length = 5
    await gate.send("PUT", "/box/a", wire=wire)
    (record,) = gate.after_a_crash()
    assert (record.http_status, record.error_code) == (400, "IncompleteBody")
    assert record.turn_around_time is None
    assert gate.spool.counters().open_intents == 0


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_request_that_is_cancelled_is_recorded_without_its_outcome(
    gate: Gate, method: str
) -> None:
    begun = asyncio.Event()

    async def hang(call: Call) -> Reply:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    gate.handler.answers = [hang]
    task = asyncio.create_task(gate.send(method, "/box/a"))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told(gate.after_a_crash()) == [("box", f"REST.{method}.OBJECT", "a", None)]
    assert gate.spool.counters().open_intents == 0
    assert [frame.kind for frame in gate.frames()][-1] in (RECORD, COMPLETION)


class Stuck(MemoryWire):
    """A client that takes 10 bytes and then nothing more."""

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.sending = asyncio.Event()
        self.error = error

    async def send(self, reply: Reply, **options: object) -> None:
        self.replied = True
        self.bytes_sent = 10
        self.first_sent = self.last_sent = self.began + 5
        self.sending.set()
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()


async def test_a_download_that_is_cancelled_is_recorded_with_what_was_sent(gate: Gate) -> None:
    gate.handler.answers = [Reply(200, {}, BIG)]
    wire = Stuck()
    task = asyncio.create_task(gate.send("GET", "/box/a", wire=wire))
    await wire.sending.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (record,) = gate.after_a_crash()
    assert (record.http_status, record.bytes_sent) == (200, 10)
    assert gate.spool.counters().open_intents == 0


@pytest.mark.parametrize("body", [b"short", BIG], ids=["short", "long"])
async def test_a_wire_that_breaks_leaves_one_record(gate: Gate, body: bytes) -> None:
    gate.handler.answers = [Reply(200, {}, body)]
    with pytest.raises(OSError, match="broken"):
        await gate.send("GET", "/box/a", wire=Stuck(OSError("broken")))
    assert told(gate.after_a_crash()) == [("box", "REST.GET.OBJECT", "a", 200)]
    assert gate.spool.counters().open_intents == 0


# Buckets without a rule, and rules that change


async def test_nothing_is_written_for_a_bucket_without_a_rule(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("composed")

    monkeypatch.setattr("bucketlog.gateway.recorder.compose.lines", never)
    steps = gate.faults.steps
    gate.handler.answers = [Reply(200, {}, b"x"), Reply(200, {}, BIG), Reply(200), S3Error("Nope")]
    for method, target in (("GET", "a"), ("GET", "big"), ("PUT", "a"), ("DELETE", "a")):
        await gate.send(method, f"/plain/{target}")
    assert gate.faults.steps == steps
    assert gate.spool.counters().frames == 0
    assert gate.asked_rules == ["plain"] * 4


async def test_the_call_that_switches_logging_on_is_not_recorded(gate: Gate) -> None:
    async def switch(call: Call) -> Reply:
        gate.rules["plain"] = Target("logs", "plain/")
        return Reply(200)

    gate.handler.answers = [switch]
    await gate.send("PUT", "/plain?logging")
    assert gate.frames() == []
    await gate.send("GET", "/plain?logging")
    assert told(gate.after_a_crash()) == [("plain", "REST.GET.LOGGING_STATUS", None, 200)]


async def test_the_rule_in_force_when_a_request_began_decides(gate: Gate) -> None:
    async def switch(call: Call) -> Reply:
        gate.rules["box"] = Target("logs", "elsewhere/")
        return Reply(200)

    async def off(call: Call) -> Reply:
        del gate.rules["box"]
        return Reply(204)

    gate.handler.answers = [switch, off]
    await gate.send("PUT", "/box?logging")
    await gate.send("PUT", "/box?logging")
    await gate.send("GET", "/box/a")
    prefixes = [b'"box/"' in tag for tag in gate.spool.counters().waiting]
    assert sorted(prefixes) == [False, True]
    assert len(gate.after_a_crash()) == 2


# Copies


COPY = {"x-amz-copy-source": "/other/from"}


async def test_a_copy_is_recorded_in_both_buckets(gate: Gate) -> None:
    gate.handler.answers = [Reply(200, {}, b"<x/>", Facts(object_size=3, source_size=3))]
    await gate.send("PUT", "/box/to", COPY)
    assert told(gate.after_a_crash()) == [
        ("box", "REST.COPY.OBJECT", "to", 200),
        ("other", "REST.COPY.OBJECT_GET", "from", 200),
    ]
    assert gate.handler.calls[0].source_bucket == gate.catalog.buckets["other"]


@pytest.mark.parametrize(
    ("into", "source", "logged"),
    [("plain", "/other/from", "other"), ("box", "/plain/from", "box")],
)
async def test_a_copy_is_recorded_where_one_of_its_buckets_is_logged(
    gate: Gate, into: str, source: str, logged: str
) -> None:
    await gate.send("PUT", f"/{into}/to", {"x-amz-copy-source": source})
    assert [one.bucket for one in gate.after_a_crash()] == [logged]


async def test_a_copy_needs_permission_to_read_its_source(gate: Gate) -> None:
    """Bob may write here. Without a right to the source neither its absence nor its size shows."""
    allowed = parties.bucket(
        "box",
        parties.ALICE,
        {
            "Effect": "Allow",
            "Principal": {"AWS": parties.BOB.account_id},
            "Action": "s3:PutObject",
            "Resource": "arn:aws:s3:::box/*",
        },
    )
    gate.put_bucket(allowed)
    wire = await gate.send("PUT", "/box/to", COPY, signer=BOB)
    assert code_of(wire) == "AccessDenied"
    assert gate.handler.calls == []
    assert told(gate.after_a_crash()) == [
        ("box", "REST.COPY.OBJECT", "to", 403),
        ("other", "REST.COPY.OBJECT_GET", "from", 403),
    ]


async def test_a_copy_from_a_bucket_that_is_not_there(gate: Gate) -> None:
    wire = await gate.send("PUT", "/box/to", {"x-amz-copy-source": "/nobody/from"})
    assert code_of(wire) == "NoSuchBucket"
    assert told(gate.after_a_crash()) == [("box", "REST.COPY.OBJECT", "to", 404)]


async def test_a_copy_refused_at_its_target_never_touched_the_source(gate: Gate) -> None:
    await gate.send("PUT", "/box/to", COPY, signer=BOB)
    assert [one.bucket for one in gate.after_a_crash()] == ["box"]


@pytest.mark.parametrize("part", ["", "?partNumber=1&uploadId=u"])
async def test_a_missing_copy_source_is_told_to_those_who_may_list_it(
    gate: Gate, part: str
) -> None:
    """Bob owns the target, and may get objects of the source but not list them."""
    gate.put_bucket(parties.bucket("plain", parties.BOB))
    gate.put_bucket(parties.bucket("other", parties.ALICE, _get_only("other")))
    gate.handler.answers = [S3Error("NoSuchKey")] * 2
    wire = await gate.send("PUT", f"/plain/to{part}", COPY, signer=BOB)
    assert code_of(wire) == "AccessDenied"
    wire = await gate.send("PUT", f"/box/to{part}", COPY)
    assert code_of(wire) == "NoSuchKey"


# Who is let through


def _get_only(bucket: str) -> dict[str, object]:
    return {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }


OWNERS = [
    ({"x-amz-expected-bucket-owner": parties.ALICE.account_id}, None),
    ({"x-amz-expected-bucket-owner": parties.BOB.account_id}, "AccessDenied"),
    (
        COPY
        | {
            "x-amz-expected-bucket-owner": parties.ALICE.account_id,
            "x-amz-source-expected-bucket-owner": parties.ALICE.account_id,
        },
        None,
    ),
    (COPY | {"x-amz-source-expected-bucket-owner": parties.BOB.account_id}, "AccessDenied"),
]


@pytest.mark.parametrize(("headers", "code"), OWNERS)
async def test_the_owner_a_client_expects_is_checked(
    gate: Gate, headers: dict[str, str], code: str | None
) -> None:
    wire = await gate.send("PUT", "/box/a", headers)
    assert code_of(wire) == code
    assert len(gate.handler.calls) == (0 if code else 1)
    assert gate.after_a_crash()[0].error_code == code


async def test_a_signature_for_another_region_than_the_buckets_is_refused(gate: Gate) -> None:
    wire = await gate.send("GET", "/box/a", region="eu-west-1")
    assert code_of(wire) == "AuthorizationHeaderMalformed"
    assert b"<Region>us-east-1</Region>" in wire.sent
    (record,) = gate.after_a_crash()
    assert (record.http_status, record.requester) == (400, None)
    wire = await gate.send("GET", "/", region="eu-west-1")
    assert code_of(wire) is None


@pytest.mark.parametrize("signer", [BOB, None], ids=["another account", "anonymous"])
async def test_strangers_are_denied(gate: Gate, signer: object) -> None:
    for method, target in (("GET", "/box/a"), ("PUT", "/box/a"), ("GET", "/box?website")):
        wire = await gate.send(method, target, signer=signer)
        assert code_of(wire) == "AccessDenied"
    assert gate.handler.calls == []
    requester = parties.BOB.canonical_id if signer else None
    assert {one.requester for one in gate.after_a_crash()} == {requester}


async def test_whoever_may_not_list_a_bucket_does_not_learn_which_keys_exist(gate: Gate) -> None:
    gate.put_bucket(parties.bucket("box", parties.ALICE, _get_only("box")))
    gate.handler.answers = [S3Error("NoSuchKey")] * 2
    assert code_of(await gate.send("GET", "/box/a", signer=BOB)) == "AccessDenied"
    assert code_of(await gate.send("GET", "/box/a", signer=ALICE)) == "NoSuchKey"
    first, second = gate.after_a_crash()
    assert (first.http_status, second.http_status) == (403, 404)


async def test_a_stored_object_of_another_account_is_judged_by_its_acl(gate: Gate) -> None:
    from bucketlog.s3 import acl
    from bucketlog.s3.model import Ownership

    gate.put_bucket(parties.bucket("box", ownership=Ownership.WRITER))
    public = acl.canned("public-read", parties.ALICE, parties.ALICE)
    gate.catalog.objects["box", "a"] = ObjectAccess(parties.ALICE, public)
    gate.handler.answers = [Reply(200, {}, b"x")]
    wire = await gate.send("GET", "/box/a", signer=None)
    assert code_of(wire) is None
    assert gate.after_a_crash()[0].acl_required is True


@pytest.mark.parametrize("query", ["website", "cors", "lifecycle", "inventory&id=1"])
async def test_what_is_not_implemented_says_so_and_is_recorded(gate: Gate, query: str) -> None:
    wire = await gate.send("GET", f"/box?{query}")
    assert (wire.reply.status if wire.reply else None, code_of(wire)) == (501, "NotImplemented")
    assert gate.handler.calls == []
    assert gate.after_a_crash()[0].http_status == 501


async def test_an_account_is_all_it_takes_to_list_and_create_buckets(gate: Gate) -> None:
    for method, target in (("GET", "/"), ("PUT", "/new-bucket")):
        assert code_of(await gate.send(method, target, signer=None)) == "AccessDenied"
        assert code_of(await gate.send(method, target, signer=BOB)) is None
    assert [call.caller.account for call in gate.handler.calls] == [parties.BOB] * 2


async def test_a_handler_sees_what_was_found_out(gate: Gate) -> None:
    await gate.send("GET", "/box/a%20b?versionId=null", signer=ALICE)
    (call,) = gate.handler.calls
    assert call.bucket == gate.catalog.buckets["box"]
    assert (call.route.key, call.route.version_id) == ("a b", "null")
    assert call.caller.account == parties.ALICE
    assert (call.source_bucket, call.object_owner, call.authorize) == (None, None, None)


# Batch deletes


async def test_a_batch_delete_names_its_keys_before_it_deletes_them(gate: Gate) -> None:
    seen: list[list[LogRecord]] = []

    async def delete(call: Call) -> Reply:
        assert call.foresee is not None
        assert call.authorize is not None
        seen.append(gate.after_a_crash())
        assert call.authorize("a", None).allowed
        assert call.authorize("b", "v1").allowed
        await call.foresee(Facts(deleted=(Deleted("a"), Deleted("b", "v1", object_size=7))))
        seen.append(gate.after_a_crash())
        return Reply(200, {}, b"<x/>", Facts(deleted=(Deleted("a"), Deleted("b", "v1"))))

    gate.handler.answers = [delete]
    await gate.send("POST", "/box?delete", wire=MemoryWire(b"<Delete/>"))
    before, named = seen
    assert told(before) == [("box", "REST.POST.MULTI_OBJECT_DELETE", None, None)]
    assert told(named) == [
        ("box", "REST.POST.MULTI_OBJECT_DELETE", None, None),
        ("box", "BATCH.DELETE.OBJECT", "a", None),
        ("box", "BATCH.DELETE.OBJECT", "b", None),
    ]
    assert (named[2].version_id, named[2].object_size) == ("v1", 7)
    assert told(gate.after_a_crash()) == [
        ("box", "REST.POST.MULTI_OBJECT_DELETE", None, 200),
        ("box", "BATCH.DELETE.OBJECT", "a", 204),
        ("box", "BATCH.DELETE.OBJECT", "b", 204),
    ]
    assert gate.spool.counters().open_intents == 0


async def test_each_key_of_a_batch_delete_is_judged_by_itself(gate: Gate) -> None:
    allowed = parties.bucket(
        "plain",
        parties.ALICE,
        {
            "Effect": "Allow",
            "Principal": {"AWS": parties.BOB.account_id},
            "Action": "s3:DeleteObject",
            "Resource": "arn:aws:s3:::plain/bob/*",
        },
    )
    gate.put_bucket(allowed)
    judged: list[bool] = []

    async def delete(call: Call) -> Reply:
        assert call.foresee is not None
        assert call.authorize is not None
        judged.extend(
            call.authorize(key, version).allowed
            for key, version in (("bob/1", None), ("bob/1", "v"), ("x", None))
        )
        await call.foresee(Facts(deleted=(Deleted("bob/1"),)))
        return Reply(200)

    gate.handler.answers = [delete]
    await gate.send("POST", "/plain?delete", signer=BOB)
    assert judged == [True, False, False]
    assert gate.frames() == []


# The courier's own


COURIER_CALLER = Caller(service=LOG_DELIVERY_SERVICE)


def _courier() -> object:
    from bucketlog.gateway.pipeline import Courier

    return Courier(COURIER_CALLER, "arn:aws:s3:::box", parties.ALICE.account_id, None)


def _delivery(bucket: str) -> dict[str, object]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": LOG_DELIVERY_SERVICE},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::box"}},
    }


async def test_a_delivery_is_judged_by_its_target_and_needs_no_signature(gate: Gate) -> None:
    wire = await gate.send("PUT", "/logs/x", courier=_courier(), signer=None)
    assert code_of(wire) == "AccessDenied"
    gate.put_bucket(parties.bucket("logs", parties.ALICE, _delivery("logs")))
    wire = await gate.send("PUT", "/logs/x", courier=_courier(), signer=None)
    assert code_of(wire) is None


async def test_a_deny_of_plain_http_does_not_hurt_delivery(gate: Gate) -> None:
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::logs/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    gate.put_bucket(parties.bucket("logs", parties.ALICE, _delivery("logs"), deny))
    wire = await gate.send("PUT", "/logs/x", courier=_courier(), signer=None)
    assert code_of(wire) is None
    assert code_of(await gate.send("PUT", "/logs/x")) == "AccessDenied"


async def test_a_delivery_into_a_logged_bucket_is_recorded(gate: Gate) -> None:
    gate.put_bucket(parties.bucket("other", parties.ALICE, _delivery("other")))
    await gate.send("PUT", "/other/x", courier=_courier(), signer=None)
    (record,) = gate.after_a_crash()
    assert (record.bucket, record.requester) == ("other", f"svc:{LOG_DELIVERY_SERVICE}")


async def test_a_delivery_into_a_bucket_that_delivers_to_itself_is_not(gate: Gate) -> None:
    gate.rules["logs"] = Target("logs", "self/")
    gate.put_bucket(parties.bucket("logs", parties.ALICE, _delivery("logs")))
    await gate.send("PUT", "/logs/x", courier=_courier(), signer=None)
    assert gate.frames() == []
    await gate.send("GET", "/logs/x")
    assert len(gate.after_a_crash()) == 1


# Counting


async def test_each_answer_is_counted_under_its_operation_and_status(gate: Gate) -> None:
    gate.handler.answers = [Reply(200, {}, b"12345"), S3Error("NoSuchKey")]
    await gate.send("GET", "/box/a")
    await gate.send("GET", "/plain/a")
    await gate.send("PUT", "/plain/a", wire=MemoryWire(b"123"))
    await gate.send("GET", "/Bad_Name/x")
    cells = gate.metrics.snapshot().requests
    assert cells["GetObject 200"].bytes_sent == 5
    assert cells["PutObject 200"].bytes_received == 3
    assert "GetObject 404" in cells
    assert sum(cell.count for cell in cells.values()) == 4


def test_the_double_of_a_wire_has_what_a_wire_has() -> None:
    ours = {name for name in Wire.__slots__ if not name.startswith("_") and name != "is_old"}
    assert ours <= set(vars(MemoryWire()))
