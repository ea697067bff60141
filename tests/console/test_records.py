"""The pages of a log object's records; S3 is scripted."""

from __future__ import annotations

import gzip
import html
import io
import re
from typing import Any

import pytest
from tests.support.console import AT, Console, refusal
from tests.support.log_lines import lines
from tests.support.records import ALICE, row

from bucketlog.accesslog import generate
from bucketlog.accesslog.record import FIELDS

PATH = "/buckets/logs/records?key=app/x"
FORGED = row(user_agent="x").replace(b'"x"', b'"x" "y" - forged SigV4 "z"')


@pytest.fixture
def logs(console: Console) -> Console:
    """Somebody who may read log objects; `hold` says what is in them."""
    console.log_in()
    return console


def hold(console: Console, data: bytes, etag: str = '"e1"') -> None:
    console.s3.script["head_object"] = {
        "ContentLength": len(data),
        "LastModified": AT,
        "ETag": etag,
    }
    console.s3.script["get_object"] = lambda **_: {"Body": io.BytesIO(data)}


def asked(console: Console, operation: str) -> list[dict[str, Any]]:
    return [parameters for name, parameters in console.s3.asked if name == operation]


def opened(console: Console, query: str = "") -> str:
    """The records as they come after the page that says to wait."""
    answer = console.get(PATH + query, htmx=True)
    assert answer.status_code == 200
    text: str = answer.text
    return text


def test_the_first_visit_shows_a_page_at_once_that_asks_for_the_rest(logs: Console) -> None:
    hold(logs, lines(0, 3))
    text = logs.get(f"{PATH}&operation=a%26b").text
    assert asked(logs, "get_object") == []
    assert 'hx-trigger="load"' in text
    assert 'hx-get="/buckets/logs/records?key=app/x&amp;operation=a%26b"' in text
    assert opened(logs).count("<tr data-line") == 3
    assert asked(logs, "get_object") == [{"Bucket": "logs", "Key": "app/x", "IfMatch": '"e1"'}]
    assert logs.get(PATH).text.count("<tr data-line") == 3
    assert len(asked(logs, "get_object")) == 1


def test_what_has_changed_is_read_anew(logs: Console) -> None:
    hold(logs, lines(0, 3))
    opened(logs)
    hold(logs, lines(0, 5), '"e2"')
    assert opened(logs).count("<tr data-line") == 5


def test_an_open_object_is_shown_only_to_who_may_read_it(logs: Console) -> None:
    hold(logs, lines(0, 3))
    opened(logs)
    logs.s3.script["head_object"] = refusal("403", 403)
    answer = logs.get(PATH)
    assert answer.status_code == 403
    assert "data-line" not in answer.text


def test_a_failing_read_is_told(logs: Console) -> None:
    hold(logs, lines(0, 3))
    logs.s3.script["get_object"] = refusal("AccessDenied")
    answer = logs.get(PATH, htmx=True)
    assert answer.status_code == 403
    assert "Your key may not do this" in answer.text


def test_pages_are_of_a_hundred_and_numbered(logs: Console) -> None:
    hold(logs, lines(0, 250))
    assert opened(logs).count("<tr data-line") == 100
    text = html.unescape(opened(logs, "&page=3&order=newest"))
    assert text.count("<tr data-line") == 50
    assert re.search("201.250 of 250 records", text)
    assert "/buckets/logs/records?key=app%2Fx&page=2&order=newest" in text
    assert "Page 3 of 3" in opened(logs, "&page=99")
    assert "Page 1 of 3" in opened(logs, "&page=none")


def test_a_filter_changes_the_list_alone_and_the_address(logs: Console) -> None:
    hold(logs, lines(0, 250))
    answer = logs.get(
        f"{PATH}&text=key-24&object=&order=", htmx=True, **{"HX-Target": "record-list"}
    )
    assert answer.headers["hx-replace-url"] == "/buckets/logs/records?key=app%2Fx&text=key-24"
    assert "<form" not in answer.text
    assert "of 11 records that fit" in answer.text
    text = opened(logs, "&text=nothing+has+this")
    assert "No record fits" in text


def test_a_form_names_the_object_even_with_a_line_break_in_its_key(logs: Console) -> None:
    hold(logs, lines(0, 1))
    logs.get("/buckets/logs/records?encoded_key=a%250Ab&version=null", htmx=True)
    told = {"Bucket": "logs", "Key": "a\nb", "VersionId": "null"}
    assert asked(logs, "head_object")[0] == {**told, "ChecksumMode": "ENABLED"}
    assert asked(logs, "get_object") == [{**told, "IfMatch": '"e1"'}]


def test_rejects_are_shown_with_their_reasons(logs: Console) -> None:
    hold(logs, lines(0, 1) + b"<script>\n\n" + b"x" * 1000 + b"\n")
    text = opened(logs)
    assert "3 lines are no record" in text
    assert "&lt;script&gt;" in text
    assert "the line is empty" in text
    assert "and more" in text
    hold(logs, b"x\n" * 300, '"e2"')
    text = opened(logs)
    assert "No line of this object is a record" in text
    assert "The first 200 are shown" in text
    hold(logs, b"", '"e3"')
    assert "This object is empty" in opened(logs)


def test_a_cut_or_damaged_object_says_so(logs: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(logs, gzip.compress(lines(0, 300))[:-99])
    assert "The object is damaged" in opened(logs)
    monkeypatch.setattr("bucketlog.console.log_objects.load.__defaults__", (2000,))
    hold(logs, lines(0, 30), '"e2"')
    assert "Only the beginning is open" in opened(logs)


# ── one record ──────────────────────────────────────────────────────────────────────────────────


def test_a_record_is_its_raw_line_and_every_field_in_words(logs: Console) -> None:
    hold(logs, row(requester=None, key="a b"))
    text = html.unescape(logs.get(f"{PATH}&line=1").text)
    for number, field in enumerate(FIELDS, 1):
        assert re.search(rf'href="#field-{number}" data-field="{number}"', text)
        assert re.search(rf'id="field-{number}" class="f{number}"', text)
        assert field.title in text
    assert "The hyphen means that the caller was not authenticated" in text
    assert "decoded: " in text
    assert ">a b<" in text
    assert 'aria-disabled="true"' in text


def test_a_record_leads_to_those_beside_it_in_what_was_filtered(logs: Console) -> None:
    data = lines(0, 9)
    hold(logs, data)
    text = html.unescape(logs.get(f"{PATH}&line=5").text)
    assert 'href="/buckets/logs/records?key=app%2Fx&line=4"' in text
    assert 'href="/buckets/logs/records?key=app%2Fx&line=6"' in text
    assert "5 of 9" in text
    text = html.unescape(logs.get(f"{PATH}&line=5&order=newest&text=key-").text)
    assert 'rel="prev" data-key="ArrowLeft" href="/buckets/logs/records?key=app%2Fx&line=6' in text
    text = html.unescape(logs.get(f"{PATH}&line=5&text=key-8").text)
    assert "5 of 9" in text


def test_a_doubtful_record_shows_what_it_could_be_too(logs: Console) -> None:
    hold(logs, FORGED)
    text = html.unescape(logs.get(f"{PATH}&line=1").text)
    assert "Doubtful: this may be forged" in text
    assert "The other reading" in text or "Another reading, 1 of" in text
    assert "In the other reading" in text
    assert "Doubtful" in opened(logs)


def test_an_old_record_says_what_came_later_and_a_newer_one_what_is_unknown(
    logs: Console,
) -> None:
    hold(logs, row(fields=18) + row().rstrip() + b" new-field\n")
    assert "came later" in logs.get(f"{PATH}&line=1").text
    text = logs.get(f"{PATH}&line=2").text
    assert 'class="fx"' in text
    assert "new-field" in text


def test_a_line_that_is_no_record_says_why(logs: Console) -> None:
    hold(logs, lines(0, 1) + b"<b>no\n")
    answer = logs.get(f"{PATH}&line=2")
    assert answer.status_code == 404
    assert "&lt;b&gt;no" in answer.text
    assert "no owner, bucket, time and operation at its start" in answer.text
    for line in ("3", "0", "x", "-1", "9" * 30):
        assert logs.get(f"{PATH}&line={line}").status_code == 404


def test_a_structured_record_is_explained_without_a_line(logs: Console) -> None:
    hold(
        logs,
        b'{"bucket_name": "b", "request_time": "2026-07-01T12:00:00Z", "operation": '
        b'"REST.GET.OBJECT", "key_name": "k", "acl_required": true, "http_status": 200}\n?\n',
    )
    text = html.unescape(logs.get(f"{PATH}&line=1").text)
    assert "01/Jul/2026:12:00:00 +0000" in text
    assert "An access control list (ACL) decided" in text
    assert '"request_time"' in text
    assert "The hyphen means that the caller was not authenticated" in text
    assert "it is no JSON" in logs.get(f"{PATH}&line=2").text


def test_nothing_hostile_in_a_log_becomes_markup(logs: Console) -> None:
    evil = '<img src=x onerror="alert(1)">'
    data = row(key="<img>", user_agent=evil, referer=evil) + row(requester=ALICE)
    hold(logs, data.replace(b"%22", b"'") + b"".join(generate.lines(300, mix="hostile")))
    for text in (
        opened(logs),
        logs.get(f"{PATH}&line=1").text,
        logs.get(f"{PATH}&text={evil}").text,
    ):
        assert "<img" not in text
        assert "<script>" not in text
    for page in range(1, 5):
        assert "<img" not in opened(logs, f"&page={page}")
