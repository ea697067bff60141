"""The tab Delivery: standing, deliver now, rings, and who delivers here; S3 is scripted."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from tests.support.console import Console, refusal
from tests.support.logged import GROUP, Buckets, grant

from bucketlog.accesslog import line
from bucketlog.accesslog.record import LogRecord
from bucketlog.console import flush, standing
from bucketlog.console.s3 import Failure

HERE = "/buckets/photos/delivery"
AT = 1_795_000_000_000_000_000


@pytest.fixture
def s3(console: Console) -> Buckets:
    """A source whose delivery is permitted by ACL."""
    console.log_in()
    found = Buckets(console, "photos", "logs", "reports")
    found.ownership["logs"] = "ObjectWriter"
    found.acls["logs"] += [grant("WRITE", uri=GROUP), grant("READ_ACP", uri=GROUP)]
    found.log("photos", "logs", "p/")
    return found


def told(console: Console, path: str = HERE) -> str:
    """What a page says, without markup."""
    text = re.sub(r"<[^>]*>", " ", console.get(path).text).replace("&#39;", "'")
    return re.sub(r"\s+", " ", text)


def test_a_bucket_that_is_not_logged_says_so_and_how_to_begin(
    console: Console, s3: Buckets
) -> None:
    text = told(console, "/buckets/reports/delivery")
    assert "is off: there is nothing to deliver" in text
    assert "Deliver now" not in text


def test_what_was_delivered_before_is_told_when_logging_is_off(
    console: Console, s3: Buckets
) -> None:
    console.parts.rules.delivered("reports", "x", 3, AT)
    console.parts.rules.failed("reports", "AccessDenied: no", AT + 1)
    text = told(console, "/buckets/reports/delivery")
    assert "3 records in 1 log object were delivered" in text
    assert "AccessDenied: no" in text


def test_the_headers_of_the_rule_tell_how_it_stands(console: Console, s3: Buckets) -> None:
    console.parts.rules.delivered("photos", "p/é x", 7, AT)
    s3.headers = {
        "x-bucketlog-waiting": "12",
        "x-bucketlog-lag-seconds": "150",
        "x-bucketlog-last-object": "p/%C3%A9%20x",
        "x-bucketlog-last-delivered": "2026-11-22T19:40:14Z",
    }
    record = LogRecord(operation="REST.GET.OBJECT", key="a/b", http_status=404, time=AT)
    record.error_code, record.bucket, record.bucket_owner = "NoSuchKey", "photos", "o"
    record.remote_ip, record.request_id = "192.0.2.1", "R"
    record.request_uri = "GET /photos/a/b HTTP/1.1"
    body = line.encode(record)
    console.s3.script["get_object"] = lambda **_: {"Body": io.BytesIO(b"cut off\n" + body)}
    text = told(console)
    assert "12 waiting" in text
    assert "the oldest for 2 min" in text
    assert "p/é x" in text
    assert "7 records in 1 log object" in text
    assert "REST.GET.OBJECT of a/b , status 404 (NoSuchKey), by an anonymous caller" in text


@pytest.mark.parametrize("body", [b"", b"no record\n", b"x" * 16 * 1024])
def test_a_log_object_that_is_none_is_not_guessed_at(
    console: Console, s3: Buckets, body: bytes
) -> None:
    s3.headers = {
        "x-bucketlog-last-object": "p/x",
        "x-bucketlog-last-delivered": "2026-11-22T19:40:14Z",
    }
    console.s3.script["get_object"] = lambda **_: {"Body": io.BytesIO(body)}
    assert "The object can't be read with your key" in told(console)
    console.s3.script["get_object"] = refusal("AccessDenied")
    assert "The object can't be read with your key" in told(console)


def test_a_failure_is_told_with_its_reason_and_since_when(console: Console, s3: Buckets) -> None:
    console.parts.rules.failed("photos", "SlowDown: busy", AT)
    s3.headers = {"x-bucketlog-failure": "SlowDown%3A%20busy", "x-bucketlog-waiting": "1"}
    text = told(console)
    assert "Delivery fails SlowDown: busy" in text
    assert "1 failure in all. Nothing has arrived yet" in text
    console.parts.rules.lost("photos", 5, "too old", AT)
    assert "5 records lost" in told(console)


def test_what_lacks_is_told_with_the_button_that_mends_it(console: Console, s3: Buckets) -> None:
    s3.acls["logs"].pop()
    text = console.get(HERE).text
    assert "nor does its ACL grant the log-delivery group READ_ACP" in text
    assert "/buckets/photos/properties/logging/review?enabled=on&amp;target=logs" in text


def test_who_may_not_read_the_rule_learns_nothing(console: Console, s3: Buckets) -> None:
    console.parts.rules.delivered("photos", "p/secret", 3, AT)
    s3.refuse("get_bucket_logging", "photos")
    text = told(console)
    assert "You may not see this" in text
    assert "secret" not in text
    assert "3 records" not in text


def test_a_bucket_that_is_a_target_names_its_sources(console: Console, s3: Buckets) -> None:
    s3.log("reports", "logs")
    s3.console.parts.rules.put("gone", s3.console.parts.rules.get("photos"))
    text = told(console, "/buckets/logs/delivery")
    assert "2 buckets" in text
    assert "photos" in text
    s3.refuse("get_bucket_logging", "reports")
    text = told(console, "/buckets/logs/delivery")
    assert "1 bucket whose logging you may not see delivers here too" in text
    assert "reports" not in text
    s3.refuse("get_bucket_logging", "logs")
    assert "may not see delivers" not in told(console, "/buckets/logs/delivery")


def test_loops_and_rings_are_warned_of(console: Console, s3: Buckets) -> None:
    s3.log("photos", "photos")
    assert "The bucket logs to itself" in told(console)
    s3.log("photos", "logs", "p/")
    s3.log("logs", "reports")
    assert "in a circle" not in told(console)
    s3.log("reports", "photos")
    assert "photos → logs → reports → photos" in told(console)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ({}, []),
        ({"a": "a"}, ["a"]),
        ({"a": "b"}, []),
        ({"a": "b", "b": "a"}, ["a", "b"]),
        ({"a": "b", "b": "c", "c": "b"}, []),
        ({"a": "b", "b": "c", "c": "a"}, ["a", "b", "c"]),
    ],
)
def test_a_ring_goes_through_where_it_began(targets: dict[str, str], expected: list[str]) -> None:
    assert standing.ring("a", targets.get) == expected


def test_deliver_now_names_the_objects_or_says_why_not(
    console: Console, s3: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def deliver(*arguments: Any) -> list[str]:
        asked.append(arguments[1:])
        return ["p/one", "p/two"]

    monkeypatch.setattr(flush, "deliver", deliver)
    text = console.post(f"{HERE}/now", htmx=True).text
    assert "2 log objects delivered just now" in text
    assert "<html" not in text
    assert asked == [("http://127.0.0.1:1", "photos", "us-east-1")]
    monkeypatch.setattr(flush, "deliver", lambda *_: [])
    assert "Nothing was waiting" in console.post(f"{HERE}/now").text
    s3.headers = {"x-bucketlog-waiting": "1"}
    assert "1 record still waits" in console.post(f"{HERE}/now").text

    def refused(*_: Any) -> list[str]:
        raise Failure("AccessDenied", "no", status=403, request_id="", operation="Flush")

    monkeypatch.setattr(flush, "deliver", refused)
    assert "Your key may not do this" in console.post(f"{HERE}/now", htmx=True).text


def test_a_delivery_asks_for_a_permission_of_ones_own(console: Console) -> None:
    answer = console.client.post(f"{HERE}/now", headers={"Origin": "http://elsewhere"})
    assert answer.status_code in (401, 403)
