"""The live tail: who may watch, what they are shown, and how it ends."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.console import Console, refusal
from tests.support.log_store import LogStore, text

from bucketlog.accesslog.targets import Target
from bucketlog.console import watching
from bucketlog.console.insights import live
from bucketlog.console.insights.live import Filter
from bucketlog.console.pages import tail
from bucketlog.console.s3 import Failure
from bucketlog.console.watching import Streams, Watched
from bucketlog.console.workers import Workers
from bucketlog.problems import Problem


@pytest.fixture
def store(console: Console) -> LogStore:
    """Somebody logged in, who may read all of it."""
    console.log_in()
    return LogStore(console)


# Who may watch


def test_who_may_read_a_log_object_may_watch(store: LogStore) -> None:
    key = store.put(5, text(5))
    store.put(5, b"else", key="photos/else.txt")
    rule = watching.rule(store.s3, "photos")
    assert rule.target == Target("logs", "photos/")
    assert store.asked("head_object") == [{"Bucket": "logs", "Key": key}]


@pytest.mark.parametrize("operation", ["get_bucket_logging", "list_objects_v2", "head_object"])
def test_who_may_not_read_rule_list_or_object_may_not_watch(
    store: LogStore, operation: str
) -> None:
    store.put(5, text(5))
    store.s3.script[operation] = refusal("AccessDenied")
    with pytest.raises(Failure, match="AccessDenied"):
        watching.rule(store.s3, "photos")


def test_before_there_is_a_log_object_only_the_buckets_own_account_may(store: LogStore) -> None:
    names = ["logs", "photos"]
    store.s3.script["list_buckets"] = lambda Prefix, MaxBuckets: {
        "Buckets": [{"Name": name} for name in names if name.startswith(Prefix)][:MaxBuckets]
    }
    assert watching.rule(store.s3, "photos").source is not None
    names.remove("logs")
    with pytest.raises(Failure, match="shows once there are some"):
        watching.rule(store.s3, "photos")


def test_a_bucket_that_is_not_logged_is_told_so(console: Console, store: LogStore) -> None:
    store.rules = {}
    assert watching.rule(store.s3, "photos").source is None
    assert "Access logging of photos is off" in console.get("/insights/photos/tail").text


def test_nobody_else_gets_page_or_stream(console: Console, store: LogStore) -> None:
    console.s3.script["get_bucket_logging"] = refusal("AccessDenied")
    assert console.get("/insights/photos/tail").status_code == 403
    answer = console.get("/insights/photos/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text == 'event: end\ndata: "You may watch none of these buckets."\n\n'


def test_all_ones_own_logged_buckets_are_watched_together(
    console: Console, store: LogStore
) -> None:
    assert "There is nothing to watch" in console.get("/insights/-/tail").text
    store.put(5, text(5))
    console.parts.rules.put("photos", Target("logs", "photos/"))
    console.parts.rules.put("another_s", Target("logs", ""))
    page = console.get("/insights/-/tail?status=4xx").text
    assert 'data-events="/insights/-/events"' in page
    assert "Of 1 bucket: photos" in page
    assert '<option value="4xx" selected>' in page


def test_streams_are_few_and_one_login_has_not_all() -> None:
    streams = Streams()
    for _ in range(watching.MOST_OF_ONE):
        streams.begin("one")
    with pytest.raises(Problem):
        streams.begin("one")
    streams.end("one")
    streams.begin("one")
    for number in range(watching.MOST_STREAMS - watching.MOST_OF_ONE):
        streams.begin(f"other {number}")
    with pytest.raises(Problem):
        streams.begin("late")


# What is shown


def test_lines_become_rows_oldest_first() -> None:
    lines = {"b": text(1) + text(3, http_status=404, key="x%2520y"), "c": text(2, requester=None)}
    rows, more = live.rows(lines, Filter())
    assert [(row["bucket"], row["status"], row["who"]) for row in rows] == [
        ("b", 404, "ann"),
        ("c", 200, "anonymous"),
        ("b", 200, "ann"),
    ]
    assert more == 0
    assert rows[2]["line"].encode() + b"\n" == text(1)
    assert rows[2]["took"] == "10 ms"
    json.dumps(rows)


def test_of_very_many_lines_the_newest_are_shown_and_the_rest_counted() -> None:
    lines = b"".join(text(200 - minutes / 60) for minutes in range(live.AT_ONCE + 7))
    rows, more = live.rows({"b": lines}, Filter())
    assert (len(rows), more) == (live.AT_ONCE, 7)
    assert rows[-1]["line"].encode() == lines.splitlines()[-1]


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ({}, [200, 403, 404]),
        ({"status": "4xx"}, [403, 404]),
        ({"status": "404"}, [404]),
        ({"status": "junk"}, [200, 403, 404]),
        ({"operation": "put"}, [403]),
        ({"key": "cat"}, [200, 404]),
        ({"key": "cat", "status": "2xx", "operation": "get"}, [200]),
    ],
)
def test_a_filter_lets_through_what_is_wanted(query: dict[str, str], fits: list[int]) -> None:
    lines = (
        text(3)
        + text(2, http_status=403, operation="REST.PUT.OBJECT", key=None)
        + text(1, http_status=404)
    )
    rows, _ = live.rows({"b": lines}, Filter.of(query))
    assert [row["status"] for row in rows] == fits


def test_a_line_is_explained_field_by_field(console: Console, store: LogStore) -> None:
    page = console.post(
        "/insights/-/explain", htmx=True, line=text(1, key="<i>").decode().rstrip("\n")
    ).text
    assert "What it means here" in page
    assert "&lt;i&gt;" in page
    assert "<i>" not in page
    assert page.count("<tr class=") == 27
    refused = console.post("/insights/-/explain", htmx=True, line="hello")
    assert refused.status_code == 409
    assert "not a record" in refused.text


# What the workers tell


@asynccontextmanager
async def worker(run: Path, name: str, *told: dict[str, Any]) -> AsyncIterator[list[Any]]:
    """A worker that tells these things to who watches, then waits for it to leave."""
    asked: list[Any] = []
    left = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(json.loads(await reader.readline()))
        for each in told:
            writer.write(json.dumps(each).encode() + b"\n")
        await reader.read()
        writer.close()
        left.set()

    server = await asyncio.start_unix_server(connected, run / f"{name}.sock")
    yield asked
    await asyncio.wait_for(left.wait(), 5)
    server.close()


def lines(data: bytes) -> dict[str, Any]:
    return {"lines": {"b": base64.b64encode(data).decode()}, "lost": 2}


async def test_what_all_workers_tell_is_told_until_one_leaves(tmp_path: Path) -> None:
    async with (
        worker(tmp_path, "one", lines(b"1\n")) as first,
        worker(tmp_path, "two", lines(b"2\n")) as second,
    ):
        watched = watching.watch(Workers(tmp_path), ["b"])
        seen = [await anext(watched), await anext(watched)]
        await watched.aclose()
    assert sorted(seen, key=lambda each: each.lines["b"]) == [
        Watched({"b": b"1\n"}, 2),
        Watched({"b": b"2\n"}, 2),
    ]
    assert first == second == [{"do": "watch", "buckets": ["b"]}]


async def test_a_worker_that_is_gone_is_passed_over_and_one_that_comes_joins_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_LOOKS_EVERY_S", 0.01)
    (tmp_path / "dead.sock").touch()
    watched = watching.watch(Workers(tmp_path), ["b"])
    coming = asyncio.ensure_future(anext(watched))
    await asyncio.wait([coming], timeout=0.05)
    assert not coming.done()
    async with worker(tmp_path, "one", lines(b"1\n")):
        assert (await coming).lines == {"b": b"1\n"}
        await watched.aclose()


async def test_a_quiet_stream_still_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "_BEATS_EVERY_S", 0.01)
    go_on = asyncio.Event()

    async def told() -> Any:
        await go_on.wait()
        yield Watched(lost=1)
        await asyncio.Event().wait()

    beats = tail._with_beats(told())
    assert await anext(beats) is None
    assert await anext(beats) is None
    go_on.set()
    assert Watched(lost=1) in [await anext(beats), await anext(beats)]
    await beats.aclose()


# The stream


@pytest.fixture
def request_(console: Console, store: LogStore) -> Any:
    """A request of somebody logged in, as a page gets it."""
    from starlette.requests import Request

    store.put(5, text(5))
    assert console.session is not None
    scope = {
        "type": "http",
        "app": console.app,
        "state": {"session": console.session},
        "path_params": {"bucket": "photos"},
        "query_string": b"",
        "headers": [],
    }
    return Request(scope)


async def test_rows_and_what_was_lost_are_events_and_the_stream_ends_with_the_login(
    console: Console, store: LogStore, request_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "_ASKS_EVERY_S", 0.0)
    run = console.parts.config.run
    name = "w"
    async with worker(run, name, {"lines": {}, "lost": 0}, lines(text(1)), lines(text(1))):
        stream = tail._stream(request_, ["photos"], Filter())
        assert await anext(stream) == "event: rows\ndata: []\n\n"
        rows = await anext(stream)
        assert rows.startswith('event: rows\ndata: [{"bucket":"b"')
        assert rows.count("\n") == 3
        assert await anext(stream) == "event: lost\ndata: 2\n\n"
        assert console.session is not None
        console.parts.sessions.end(console.session)
        assert await anext(stream) == 'event: end\ndata: "You are logged out."\n\n'
        assert [each async for each in stream] == []
    console.parts.streams.begin("x")


async def test_a_stream_ends_when_the_key_is_gone_or_may_no_longer(
    console: Console, store: LogStore, request_: Any
) -> None:
    assert await tail._refused(request_, ["photos"]) is None
    store.s3.script["head_object"] = refusal("AccessDenied")
    told = await tail._refused(request_, ["photos"])
    assert told == "You may no longer watch this, or logging was switched off."
    assert console.session is not None
    console.accounts.remove_key(console.session.identity.access_key)
    assert await tail._refused(request_, ["photos"]) == "Your access key is gone."
