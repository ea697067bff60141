"""The server's own log on stderr."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Literal

import pytest

from bucketlog import journal
from bucketlog.settings import Log

log = logging.getLogger("bucketlog.test")


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    logger = logging.getLogger(journal.ROOT)
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.level, logger.propagate = before


def _lines(
    format: Literal["text", "json"], level: Literal["debug", "info", "error"] = "info"
) -> io.StringIO:
    stream = io.StringIO()
    journal.start(Log(format=format, level=level), stream)
    return stream


def test_an_event_is_one_line_with_its_values_behind_it() -> None:
    stream = _lines("text")
    log.warning("delivery of %s failed", "photos", extra={"code": "AccessDenied", "records": 3})
    assert re.fullmatch(
        r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning delivery of photos failed "
        r"code=AccessDenied records=3\n",
        stream.getvalue(),
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a b", '"a b"'),
        ("", '""'),
        ('say "hi"', r'"say \"hi\""'),
        ("a=b", '"a=b"'),
        ("line\nbreak", r'"line\nbreak"'),
        ("\x1b[31m", r'"\u001b[31m"'),
        ("k\u00f6ln", r'"k\u00f6ln"'),
        ("s3://a/b?c", "s3://a/b?c"),
    ],
)
def test_a_value_cannot_be_taken_for_something_else(value: str, written: str) -> None:
    stream = _lines("text")
    log.info("event", extra={"key": value})
    assert stream.getvalue().endswith(f" event key={written}\n")


def test_a_value_that_is_not_known_is_left_out() -> None:
    stream = _lines("text")
    log.info("event", extra={"key": None})
    assert stream.getvalue().endswith(" event\n")


def test_a_client_cannot_forge_a_line() -> None:
    stream = _lines("text")
    log.info("asked for %s", "x\n2026-01-01T00:00:00.000Z info    all is well\r\u2028\x9b")
    assert stream.getvalue().count("\n") == 1
    assert r"x\x0a2026" in stream.getvalue()


def test_a_traceback_follows_indented() -> None:
    stream = _lines("text")
    try:
        raise ValueError("odd\nthing")
    except ValueError:
        log.exception("unexpected")
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("error   unexpected")
    assert rest[0] == "    Traceback (most recent call last):"
    assert all(line.startswith("    ") for line in rest)


def test_json_has_the_same_and_is_one_object_a_line() -> None:
    stream = _lines("json")
    log.info("served\n%s", "x", extra={"bucket": "photos", "status": 200})
    try:
        raise ValueError("odd")
    except ValueError:
        log.exception("unexpected")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "INFO",
        "logger": "bucketlog.test",
        "message": "served\nx",
        "bucket": "photos",
        "status": 200,
    }
    assert "ValueError: odd" in second["traceback"]


def test_the_level_decides_what_is_written_and_a_second_start_replaces_the_first() -> None:
    first = _lines("text", "error")
    log.warning("not this")
    second = _lines("text", "debug")
    log.debug("this, once")
    assert first.getvalue() == ""
    assert second.getvalue().count("this, once") == 1
