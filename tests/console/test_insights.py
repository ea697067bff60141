"""The pages of insights over a scripted S3 that holds log objects."""

from __future__ import annotations

import html
import io
import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from tests.support.console import Console, refusal
from tests.support.log_store import NOW, LogStore, text

from bucketlog.accesslog.targets import Target
from bucketlog.console.insights import collection, shelf
from bucketlog.console.insights.collection import Collection
from bucketlog.console.insights.sources import Source


@pytest.fixture
def store(console: Console) -> LogStore:
    """Somebody logged in, who may read all of it."""
    console.log_in()
    return LogStore(console)


def board(console: Console, path: str, *, part: str = "") -> str:
    """The board once everything is read; with `part`, that part of it."""
    joint = "&" if "?" in path else "?"
    wanted = path + (f"{joint}part={part}" if part else "")
    for _ in range(2000):
        answer = console.get(wanted, htmx=True)
        assert answer.status_code == 200, answer.text
        if "loading-words" not in answer.text:
            return html.unescape(answer.text)
    raise AssertionError("it is never read")


def lists(console: Console, path: str) -> dict[str, list[tuple[str, str]]]:
    """Each list with its rows: value, amount."""
    board(console, path)
    whole = board(console, path, part="lists")
    found = {}
    for section in whole.split("<section")[1:]:
        title = re.search(r'<h2 id="(\w+)-title"', section)
        assert title is not None
        rows = re.findall(
            r"<th scope=\"row\">.*?<a [^>]*>(.*?)</a></th>\s*<td[^>]*>([^<]*)", section
        )
        found[title[1]] = [(re.sub("<[^>]*>", "", a).strip(), b.strip()) for a, b in rows]
    return found


def tiles(page: str) -> list[str]:
    return [each.strip() for each in re.findall(r"<dt>[^<]*</dt><dd>([^<]*)", page)]


def test_requests_errors_bytes_and_times_are_counted(console: Console, store: LogStore) -> None:
    store.put(5, text(10), text(9, http_status=404, error_code="NoSuchKey", bytes_sent=300))
    store.put(3, text(4, total_time=2000), text(4, operation="BATCH.DELETE.OBJECT"))
    page = board(console, "/insights/photos")
    assert tiles(page) == ["3", "1", "2.3 KB", "10 ms"]
    assert "4 records read from 2 log objects" in page
    assert page.count('class="bar"') == 3 * 48


def test_the_page_comes_at_once_and_asks_for_the_rest(
    console: Console, store: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "_PATIENCE_S", 0.0)
    may_list, may_read = threading.Event(), threading.Event()
    script = console.s3.script

    def listed(**wanted: Any) -> dict[str, Any]:
        assert may_list.wait(30)
        return store._list(**wanted)

    def fetched(Bucket: str, Key: str) -> dict[str, Any]:
        assert may_read.wait(30)
        return {"Body": io.BytesIO(store.objects[Key])}

    script |= {"list_objects_v2": listed, "get_object": fetched}
    store.put(5, text(10))
    page = console.get("/insights/photos").text
    assert "Looking for log objects" in page
    assert 'hx-get="/insights/photos" hx-trigger="load delay:400ms"' in page
    may_list.set()
    for _ in range(10_000):
        told = console.get("/insights/photos", htmx=True).text
        if "Reading log objects: 0 of 1" in told:
            break
    assert '<progress class="progress" aria-label="Reading log objects" value="0" max="1">' in told
    may_read.set()
    assert tiles(board(console, "/insights/photos"))[0] == "1"


def test_lists_tell_what_comes_most(console: Console, store: LogStore) -> None:
    store.put(
        5,
        text(9),
        text(9, key="b.png", requester=None, tls_version=None),
        text(9, key="b.png", http_status=403, error_code="AccessDenied", user_agent=None),
    )
    found = lists(console, "/insights/photos")
    assert found["key"] == [("b.png", "2"), ("a/cat.png", "1")]
    assert found["operation"] == [("REST.GET.OBJECT", "3")]
    assert found["status"] == [("200", "2"), ("403", "1")]
    assert found["error"] == [("AccessDenied", "1")]
    assert found["requester"] == [("ann", "2"), ("anonymous", "1")]
    assert found["client"] == [("aws-cli", "2"), ("not told", "1")]
    assert found["tls"] == [("1.3", "2"), ("plain HTTP", "1")]
    assert found["address"] == [("192.0.2.1", "3")]
    assert found["folder"] == [("a/", "1")]
    assert lists(console, "/insights/photos?by=bytes")["key"][0] == ("b.png", "2.0 KB")
    assert lists(console, "/insights/photos?by=errors")["status"][0] == ("403", "1")
    assert lists(console, "/insights/photos?by=time")["status"][0] == ("200", "10 ms")


def test_a_click_on_a_value_narrows_everything(console: Console, store: LogStore) -> None:
    store.put(5, text(9), text(9, key="it's & <b>"), text(9, key="it's & <b>", http_status=500))
    whole = board(console, "/insights/photos", part="lists")
    links = re.findall(r'<th scope="row">.*?<a href="([^"]*)"', whole)
    (link,) = [each for each in links if "key=it" in each]
    page = board(console, link)
    assert tiles(page)[:2] == ["2", "1"]
    assert "Key is" in page
    assert "key_decoded = 'it''s & <b>'" in page
    assert "<b>it's & <b></b>" in page.replace("&lt;", "<")  # unescaped by `board`
    raw = console.get(link, htmx=True).text
    assert "it&#39;s &amp; &lt;b&gt;" in raw
    assert "& <b>" not in raw
    assert tiles(board(console, link + "&status%21=5xx"))[:2] == ["1", "0"]


def test_each_chart_shows_the_sql_that_was_run(console: Console, store: LogStore) -> None:
    store.put(5, text(9))
    page = board(console, "/insights/photos?client=aws-cli")
    assert "FROM logs\nWHERE bucket = 'photos'\n  AND time >= TIMESTAMPTZ '" in page
    assert "AND client = 'aws-cli'" in page
    assert "bucketlog query --from s3://logs/photos/ " in page
    whole = board(console, "/insights/photos", part="lists")
    assert whole.count("<summary>SQL") == whole.count('class="card list"') >= 8


def test_only_what_is_new_is_fetched(console: Console, store: LogStore) -> None:
    for minutes in (9, 8, 7, 6):
        store.put(minutes, text(minutes))
    board(console, "/insights/photos")
    assert len(store.asked("get_object")) == 4
    store.put(5, text(5))
    assert tiles(board(console, "/insights/photos?anew=1"))[0] == "5"
    assert len(store.asked("get_object")) == 5


def test_an_earlier_time_is_read_when_it_is_asked_for(console: Console, store: LogStore) -> None:
    store.put(3000, text(3000))
    store.put(5, text(5))
    assert tiles(board(console, "/insights/photos"))[0] == "1"
    assert len(store.asked("get_object")) == 1
    assert tiles(board(console, "/insights/photos?range=7d"))[0] == "2"
    assert tiles(board(console, "/insights/photos"))[0] == "1"
    assert len(store.asked("get_object")) == 2
    at = (NOW - timedelta(minutes=3001)).strftime("%Y-%m-%dT%H:%M:%S")
    to = (NOW - timedelta(minutes=2999)).strftime("%Y-%m-%dT%H:%M:%S")
    assert tiles(board(console, f"/insights/photos?from={at}&to={to}"))[0] == "1"


def test_other_objects_and_other_buckets_below_the_prefix_are_left_out(
    console: Console, store: LogStore
) -> None:
    store.put(5, text(5), text(5, bucket="other"))
    store.put(5, b"hello\n", key="photos/readme.txt")
    assert tiles(board(console, "/insights/photos"))[0] == "1"
    assert "1 record read" in board(console, "/insights/photos")


def test_lines_that_are_no_records_are_counted(console: Console, store: LogStore) -> None:
    store.put(5, text(5), b"what is this\n")
    assert "1 line that is no record" in board(console, "/insights/photos")


def test_logging_that_is_off_is_told_with_the_way_to_switch_it_on(
    console: Console, store: LogStore
) -> None:
    store.rules = {}
    page = console.get("/insights/photos").text
    assert "Access logging of photos is off" in page
    assert 'href="/buckets/photos/properties/logging?enabled=on"' in page


def test_where_nothing_is_delivered_yet_one_is_told_what_waits(
    console: Console, store: LogStore
) -> None:
    page = board(console, "/insights/photos")
    assert "Nothing was delivered in this time" in page
    assert 'action="/insights/photos/deliver"' in page
    assert "Nothing was delivered yet" in board(console, "/insights/photos?range=all")


def test_who_may_not_read_the_rule_sees_nothing(console: Console, store: LogStore) -> None:
    console.s3.script["get_bucket_logging"] = refusal("AccessDenied")
    answer = console.get("/insights/photos")
    assert answer.status_code == 403
    assert store.asked("list_objects_v2") == []


def test_who_may_not_list_or_read_the_log_objects_is_told_so(
    console: Console, store: LogStore
) -> None:
    store.put(5, text(5))
    console.s3.script["list_objects_v2"] = refusal("AccessDenied")
    page = board(console, "/insights/photos")
    assert "Your key may not do this" in page
    assert tiles(page) == []
    LogStore(console)
    console.s3.script["list_objects_v2"] = store._list
    console.s3.script["get_object"] = refusal("AccessDenied")
    assert "Your key may not do this" in board(console, "/insights/photos?anew=1")


def test_who_may_no_longer_list_them_loses_what_was_read(console: Console, store: LogStore) -> None:
    store.put(5, text(5))
    assert tiles(board(console, "/insights/photos"))[0] == "1"
    console.s3.script["list_objects_v2"] = refusal("AccessDenied")
    assert tiles(board(console, "/insights/photos?anew=1")) == []
    assert tiles(board(console, "/insights/photos")) == []


def test_a_bug_is_told_as_one_and_not_waited_for(console: Console, store: LogStore) -> None:
    store.put(5, text(5))
    console.s3.script["list_objects_v2"] = {"Contents": [{}]}
    assert console.get("/insights/photos").status_code == 500
    console.s3.script["list_objects_v2"] = store._list
    assert tiles(board(console, "/insights/photos"))[0] == "1"


def test_any_prefix_can_be_looked_into(console: Console, store: LogStore) -> None:
    store.put(5, text(5), text(5, bucket="other"), key="archive/one.log")
    answer = console.get("/insights/-/in?source=s3://old-logs/archive/")
    assert answer.headers["location"] == "/insights/-/in/old-logs?prefix=archive%2F"
    assert tiles(board(console, answer.headers["location"]))[0] == "2"
    found = lists(console, answer.headers["location"])
    assert found["bucket"] == [("other", "1"), ("photos", "1")]
    assert console.get("/insights/-/in?source=").status_code == 409


def test_a_time_that_is_none_is_told(console: Console, store: LogStore) -> None:
    answer = console.get("/insights/photos?from=yesterday")
    assert answer.status_code == 409
    assert "is no time" in answer.text


def test_a_bucket_that_isn_t_there_is_told(console: Console, store: LogStore) -> None:
    console.s3.script["head_bucket"] = refusal("404", 404)
    answer = console.get("/insights/missing")
    assert answer.status_code == 404
    assert "There is no such bucket" in answer.text


def test_the_index_names_the_buckets_that_are_logged(console: Console, store: LogStore) -> None:
    assert "No bucket of yours is logged yet" in console.get("/insights").text
    console.parts.rules.put("photos", Target("logs", "photos/"))
    page = console.get("/insights").text
    assert 'href="/insights/photos"' in page
    assert "1 bucket of yours isn&#39;t logged" in page or "1 bucket of yours isn't logged" in page


def test_what_is_new_is_offered_and_not_forced(console: Console, store: LogStore) -> None:
    store.put(5, text(5))
    board(console, "/insights/photos")
    told = board(console, "/insights/photos", part="fresh&seen=0")
    assert "New records have come" in told
    assert "New records have come" not in board(console, "/insights/photos", part="fresh&seen=1")


def test_a_log_out_takes_the_records_away(console: Console, store: LogStore) -> None:
    store.put(5, text(5))
    board(console, "/insights/photos")
    (place,) = console.parts.shelf._places.values()
    assert place.collection is not None
    assert console.session is not None
    console.parts.sessions.end(console.session)
    console.log_in()
    board(console, "/insights/photos")
    assert place.collection is None
    assert len(console.parts.shelf._places) == 1


def test_one_login_has_few_collections_and_the_oldest_goes(
    console: Console, store: LogStore
) -> None:
    store.put(5, text(5), key="x/one.log")
    for number in range(shelf.FOR_ONE + 2):
        board(console, f"/insights/-/in/logs?prefix=x/&n={number}")
        board(console, f"/insights/-/in/logs{number}?prefix=x/")
    held = [source.target for _, source in console.parts.shelf._places]
    assert held == ["logs3", "logs", "logs4"][-shelf.FOR_ONE :]


# The collection by itself


def test_of_more_than_there_is_room_for_the_newest_are_kept(
    console: Console, store: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "MOST_OBJECTS", 2)
    for minutes in (9, 8, 7):
        store.put(minutes, text(minutes, key=f"k{minutes}"))
    held = Collection(Source("logs", "photos/", "photos"))
    try:
        held.update(console.s3, None)
        assert (held.holding.objects, held.holding.left_out) == (2, 1)
        ((*rows,),) = held.ask(["SELECT key_decoded AS k FROM logs ORDER BY k"])
        assert [row["k"] for row in rows] == ["k7", "k8"]
    finally:
        held.close()


def test_records_know_their_object_and_line_also_where_a_last_line_lacks_its_end(
    console: Console, store: LogStore
) -> None:
    import gzip

    first = store.put(9, text(9, key="1"), text(9, key="2").rstrip(b"\n"))
    second = store.put(8, b"nonsense\n", text(8, key="3"))
    third = store.put(7, gzip.compress(text(7, key="4")))
    damaged = store.put(6, gzip.compress(text(6, key="5"))[:-9])
    held = Collection(Source("logs", "photos/", "photos"))
    try:
        held.update(console.s3, None)
        (rows,) = held.ask(
            ["SELECT key_decoded AS k, source_object AS o, line_number AS n FROM logs ORDER BY k"]
        )
        assert [(row["k"], row["o"], row["n"]) for row in rows] == [
            ("1", first, 1),
            ("2", first, 2),
            ("3", second, 2),
            ("4", third, 1),
        ]
        assert (held.holding.rejects, held.holding.unreadable) == (1, 1)
        assert damaged not in {row["o"] for row in rows}
    finally:
        held.close()
