"""Log objects opened, kept, filtered, ordered."""

from __future__ import annotations

import gzip
import io
import json
import threading
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.log_lines import lines
from tests.support.records import ALICE, BOB, ROLE, row

from bucketlog.console import log_objects, record_table
from bucketlog.console.log_objects import LogObject, LogObjects, Name
from bucketlog.console.record_table import Wanted
from bucketlog.problems import Problem

FORGED = row(user_agent="x").replace(b'"x"', b'"x" "y" - forged SigV4 "z"')
JSON = json.dumps(
    {"bucket_name": "b", "request_time": "2026-07-01T12:00:00.123Z", "operation": "REST.GET.OBJECT"}
).encode()

TEXT = b"".join(
    (
        row(key="a b.txt", at="2026-03-01T12:00:03", total_time=5),
        b"not a record\n",
        row("REST.PUT.OBJECT", key="B.txt", at="2026-03-01T12:00:01", requester=BOB, bytes_sent=9),
        row(http_status=404, error_code="NoSuchKey", requester=None, at="2026-03-01T12:00:02"),
        FORGED,
        row("S3.EXPIRE.OBJECT", key="old", requester="AmazonS3", http_status=None),
    )
)


@pytest.fixture(scope="module")
def log() -> LogObject:
    """Five records and a reject on line 2; the one on line 5 is ambiguous."""
    return log_objects.load([TEXT])


def found(log: LogObject, **wanted: str) -> list[int]:
    """The lines found."""
    rows = record_table.find(log, Wanted(**wanted))
    return [each.line for each in record_table.page(log, rows, 1)]


def test_lines_are_records_and_rejects(log: LogObject) -> None:
    assert (log.kind, log.batch.num_rows, log.rejects.num_rows, log.ambiguous) == ("text", 5, 1, 1)
    assert log.raw(2) == b"not a record"
    assert (log.raw(0), log.raw(7)) == (None, None)
    assert [log.row_of(line) for line in (1, 2, 3, 6, 99)] == [0, None, 1, 4, None]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [1, 3, 4, 5, 6]),
        ({"operation": "REST.PUT.OBJECT"}, [3]),
        ({"operation": "no such"}, []),
        ({"status": "4xx"}, [4]),
        ({"status": "404"}, [4]),
        ({"status": "-"}, [6]),
        ({"status": "²00"}, []),
        ({"requester": "-"}, [4]),
        ({"requester": BOB}, [3]),
        ({"object": "A B"}, [1]),
        ({"object": "b.TXT"}, [1, 3]),
        ({"text": "nosuchkey"}, [4]),
        ({"text": "not a record"}, []),
        ({"text": "(["}, []),
        ({"doubted": "1"}, [5]),
        ({"status": "2xx", "object": "txt"}, [1, 3]),
        ({"order": "oldest"}, [5, 6, 3, 4, 1]),
        ({"order": "newest"}, [1, 4, 3, 5, 6]),
        ({"order": "sideways"}, [1, 3, 4, 5, 6]),
        ({"order": "newest", "object": "txt"}, [1, 3]),
    ],
)
def test_a_filter_lets_through_what_fits(
    log: LogObject, wanted: dict[str, str], expected: list[int]
) -> None:
    assert found(log, **wanted) == expected


def test_the_slowest_and_largest_come_first_and_the_unknown_last(log: LogObject) -> None:
    assert found(log, order="slowest")[0] == 1
    assert found(log, order="largest")[0] == 3


def test_what_was_found_is_remembered_but_not_for_ever(log: LogObject) -> None:
    first = record_table.find(log, Wanted(text="0"))
    assert record_table.find(log, Wanted(text="0")) is first
    for number in range(20):
        record_table.find(log, Wanted(text=str(number)))
    assert len(log.found) == 12


def test_what_there_is_to_choose_from_is_counted(log: LogObject) -> None:
    facets = record_table.facets(log)
    assert facets.operations[0] == ("REST.GET.OBJECT", 3)
    assert facets.statuses == [("-", 1), ("2xx", 3), ("4xx", 1)]
    assert ("-", "anonymous", 1) in facets.requesters
    assert (ALICE, "alice", 2) in facets.requesters


@pytest.mark.parametrize(
    ("requester", "words"),
    [
        (None, "anonymous"),
        (ALICE, "alice"),
        (ROLE, "role deploy"),
        ("arn:aws:iam::111122223333:root", "root of 111122223333"),
        ("ab" * 32, "account abababab…"),
        ("AmazonS3", "AmazonS3"),
        ("65a011a29cdf8ec533ec3d1ccaae921c", "anonymous"),
    ],
)
def test_requesters_are_called_by_their_names(requester: str | None, words: str) -> None:
    assert record_table.who(requester) == words


def test_a_filter_is_in_its_address() -> None:
    wanted = Wanted.of({"operation": "x", "line": "7", "order": "newest"})
    assert wanted == Wanted(operation="x", order="newest")
    assert Wanted.of(wanted.query) == wanted
    assert wanted.filters
    assert not Wanted(order="newest").filters


# ── opening ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_compressed_objects_are_expanded(size: int) -> None:
    packed = gzip.compress(TEXT)
    log = log_objects.load(packed[at : at + size] for at in range(0, len(packed), size))
    assert (log.batch.num_rows, log.compressed, log.damage) == (5, "gzip", None)


def test_of_a_damaged_object_what_is_sound_is_shown() -> None:
    log = log_objects.load([gzip.compress(lines(0, 500))[:-200]])
    assert 0 < log.batch.num_rows < 500
    assert "truncated gzip" in str(log.damage)


def test_of_an_endless_object_the_beginning_is_read() -> None:
    data = lines(0, 10)
    log = log_objects.load([data], most=len(data) - 5)
    assert (log.batch.num_rows, log.rejects.num_rows, log.is_cut) == (9, 0, True)
    assert log_objects.load([data], most=20).rejects.num_rows == 1


def test_an_empty_object_has_no_lines() -> None:
    log = log_objects.load([])
    assert (log.batch.num_rows, log.rejects.num_rows, log.raw(1)) == (0, 0, None)
    assert record_table.page(log, record_table.find(log, Wanted(text="x")), 1) == []


def test_json_lines_keep_their_text() -> None:
    log = log_objects.load([JSON + b"\n" + JSON])
    assert (log.kind, log.batch.num_rows, log.raw(2)) == ("json", 2, JSON)
    assert found(log, text="request_TIME") == [1, 2]


def parquet(rows: int = 1) -> bytes:
    sink = io.BytesIO()
    record = {**json.loads(JSON), "key_name": "cat.jpg"}
    pq.write_table(pa.Table.from_pylist([record] * rows), sink)
    return sink.getvalue()


def test_parquet_has_no_lines_and_is_searched_all_the_same() -> None:
    log = log_objects.load([parquet()])
    assert (log.kind, log.lines, log.raw(1)) == ("parquet", None, None)
    assert found(log, text="CAT") == [1]
    assert found(log, text="dog") == []
    assert record_table.page(log, record_table.find(log, Wanted()), 1)[0].raw is None
    with pytest.raises(Problem, match="too large"):
        log_objects.load([parquet(50)], most=100)


def named(etag: str) -> Name:
    return Name("b", "k", "", etag)


def test_what_is_open_is_not_fetched_again() -> None:
    opened = LogObjects()
    fetched = []

    def fetch() -> Iterable[bytes]:
        fetched.append(1)
        return [TEXT]

    assert opened.find(named("1")) is None
    first = opened.open(named("1"), fetch)
    assert opened.open(named("1"), fetch) is first is opened.find(named("1"))
    assert opened.open(named("2"), fetch) is not first
    assert len(fetched) == 2


def test_the_longest_unused_goes_when_there_is_no_room() -> None:
    weight = log_objects.load([TEXT]).weight
    opened = LogObjects(kept=2 * weight)
    for etag in "12":
        opened.open(named(etag), lambda: [TEXT])
    assert opened.find(named("1"))
    opened.open(named("3"), lambda: [TEXT])
    assert opened.find(named("2")) is None
    assert opened.find(named("1"))
    assert LogObjects(kept=1).open(named("1"), lambda: [TEXT]).batch.num_rows == 5


def test_a_fetch_that_fails_leaves_nothing_behind() -> None:
    opened = LogObjects()

    def fail() -> Iterable[bytes]:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        opened.open(named("1"), fail)
    assert opened.open(named("1"), lambda: [TEXT]).batch.num_rows == 5


def test_two_who_ask_at_once_wait_for_one_reading() -> None:
    opened = LogObjects()
    begun, go, fetched = threading.Event(), threading.Event(), []

    def fetch() -> Iterable[bytes]:
        fetched.append(1)
        begun.set()
        assert go.wait(20)
        return [TEXT]

    logs: list[LogObject] = []
    ask = [
        threading.Thread(target=lambda: logs.append(opened.open(named("1"), fetch)))
        for _ in range(2)
    ]
    ask[0].start()
    assert begun.wait(20)
    ask[1].start()
    go.set()
    for each in ask:
        each.join(20)
    assert len(fetched) == 1
    assert logs[0] is logs[1]
