"""Words for sizes, numbers and times; assets; what templates are given."""

from __future__ import annotations

import datetime
import gzip
from pathlib import Path

import pytest
from tests.support.console import AT, Console

from bucketlog.console import render, wording
from bucketlog.console.assets import FOLDER, Assets
from bucketlog.s3.errors import ERRORS


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (1449, "1.4 KB"),
        (99_449, "99.4 KB"),
        (99_500, "100 KB"),
        (999_499, "999 KB"),
        (999_500, "1.0 MB"),
        (5 * 10**12, "5.0 TB"),
        (10**18, "1000 PB"),
    ],
)
def test_a_size_has_three_digits_and_a_unit(count: int, text: str) -> None:
    assert render.size(count) == text


def test_numbers_and_their_nouns_agree() -> None:
    assert render.number(1234567) == "1,234,567"
    assert [render.plural(n, "bucket") for n in (0, 1, 2)] == ["0 buckets", "1 bucket", "2 buckets"]
    assert render.plural(1200, "entry", "entries") == "1,200 entries"


def test_a_time_is_shown_whole_and_in_utc() -> None:
    assert render.iso(AT) == "2026-11-22T19:40:14Z"
    assert render.clock(AT) == "22 Nov 2026, 19:40:14 UTC"
    assert render.iso(int(AT.timestamp() * 1e9)) == "2026-11-22T19:40:14Z"
    east = AT.astimezone(datetime.timezone(datetime.timedelta(hours=5)))
    assert render.iso(east) == render.iso(AT)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "just now"),
        (0, "just now"),
        (50, "50 s ago"),
        (300, "5 min ago"),
        (4 * 3600, "4 h ago"),
        (5 * 86400, "5 days ago"),
    ],
)
def test_a_time_is_told_as_people_do(seconds: int, text: str) -> None:
    now = datetime.datetime.now(datetime.UTC)
    assert render.ago(now - datetime.timedelta(seconds=seconds)) == text


def test_what_is_long_ago_has_a_date() -> None:
    assert render.ago(datetime.datetime(2006, 3, 1, tzinfo=datetime.UTC)) == "1 Mar 2006"


def test_addresses_are_made_with_what_is_given() -> None:
    assert render.href("/buckets", q="a&b c", page=2, x=None, y="") == "/buckets?q=a%26b+c&page=2"
    assert render.href("/buckets") == "/buckets"
    assert render.segment("a b/c?d#e%ü") == "a%20b/c%3Fd%23e%25%C3%BC"


def test_assets_have_addresses_made_of_their_content(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.css").write_text("a")
    first = Assets(tmp_path).url("a/x.css")
    assert first == Assets(tmp_path).url("a/x.css")
    (tmp_path / "a" / "x.css").write_text("b")
    assert Assets(tmp_path).url("a/x.css") != first
    with pytest.raises(KeyError):
        Assets(tmp_path).url("a/y.css")


@pytest.mark.parametrize("name", ["css/tokens.css", "js/console.js", "icons.svg"])
def test_an_asset_is_kept_for_ever_and_needs_no_login(console: Console, name: str) -> None:
    url = console.parts.assets.url(name)
    answer = console.get(url)
    assert answer.status_code == 200
    assert answer.content == (FOLDER / name).read_bytes()
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["x-content-type-options"] == "nosniff"
    plain = console.get(url, **{"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content
    assert gzip.compress(b"") != b""


@pytest.mark.parametrize("path", ["old/css/tokens.css", "{}/css/../../app.py", "{}/nothing.css"])
def test_an_asset_that_is_not_there_is_not_kept(console: Console, path: str) -> None:
    answer = console.get("/static/" + path.format(console.parts.assets.digest))
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


def test_every_icon_that_a_template_names_is_in_the_sprite(console: Console) -> None:
    import re

    sprite = (FOLDER / "icons.svg").read_text()
    there = set(re.findall(r'<symbol id="([a-z-]+)"', sprite))
    wanted = {place.icon for place in render.PLACES}
    for path in render.FOLDER.rglob("*.html"):
        wanted |= set(re.findall(r"icon\(\"([a-z-]+)\"", path.read_text()))
    assert wanted <= there


def test_every_template_can_be_read(console: Console) -> None:
    for path in render.FOLDER.rglob("*.html"):
        console.parts.renderer.template(path.relative_to(render.FOLDER).as_posix())


def test_every_code_that_has_words_is_one_of_s3() -> None:
    assert set(wording._WORDS) <= set(ERRORS) | {"AllAccessDisabled", "ExpiredToken"}


@pytest.mark.parametrize(
    ("code", "status", "title"),
    [
        ("NoSuchKey", 404, "There is no such object"),
        ("EndpointConnectionError", 0, "S3 doesn't answer"),
        ("Odd", 500, "The server failed"),
        ("Odd", 400, "That didn't work"),
    ],
)
def test_a_code_without_words_has_those_of_its_kind(code: str, status: int, title: str) -> None:
    assert wording.of(code, status)[0] == title
