"""What a page of insights is about: to an address and back, and to SQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.console.insights import filters
from bucketlog.console.insights.filters import DIMENSIONS, PRESETS, Choice, View
from bucketlog.problems import Problem

NOW = datetime(2026, 11, 22, 19, 40, 14, 123456, UTC)

values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
choices = st.builds(Choice, st.sampled_from(sorted(DIMENSIONS)), values, st.booleans())
moments = st.datetimes(datetime(2007, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=0)
)


def parsed(address: str) -> View:
    parts = urlsplit(address)
    return filters.parse(parts.path, parse_qsl(parts.query), NOW)


@given(
    st.lists(choices, max_size=5, unique=True),
    st.sampled_from(sorted(PRESETS)),
    st.sampled_from(sorted(filters.MEASURES)),
    st.sampled_from(["", *DIMENSIONS]),
)
def test_a_view_is_its_address(chosen: list[Choice], span: str, by: str, more: str) -> None:
    view = View("/insights/b", (), span, None, None, tuple(chosen), by, more)
    assert parsed(view.address) == view


@given(moments, st.integers(1, 10**8))
def test_a_custom_range_is_in_the_address_too(begins_at: datetime, seconds: int) -> None:
    view = View("/x").between(begins_at, begins_at + timedelta(seconds=seconds))
    assert parsed(view.address) == view


@given(values)
def test_any_text_is_a_literal_of_sql(text: str) -> None:
    assert duckdb.sql(f"SELECT {filters.literal(text)}").fetchall() == [(text,)]


def test_what_an_address_has_that_is_unknown_is_passed_over() -> None:
    assert parsed("/x?range=9y&by=luck&more=all&colour=red&key=&status%21=&key=a%00b") == View("/x")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("from=yesterday", "is no time"),
        ("from=1999-01-01", "before there was any log"),
        ("from=2026-02-02&to=2026-02-01", "ends before it begins"),
        ("from=2026-02-02&to=2026-02-02", "ends before it begins"),
        ("&".join(f"key={n}" for n in range(25)), "More than 24"),
    ],
)
def test_what_makes_no_sense_is_told(query: str, told: str) -> None:
    with pytest.raises(Problem, match=told):
        parsed(f"/x?{query}")


def test_choices_are_made_turned_and_taken_back() -> None:
    view = View("/x").toggled("status", 404).toggled("key", None)
    assert view.choices == (Choice("status", "404"), Choice("key", "-"))
    assert view.chosen("key", None) == Choice("key", "-")
    assert view.chosen("key", "a") is None
    assert [c.words for c in view.choices] == ["404", "no key"]
    assert [c.title for c in view.choices] == ["Status", "Key"]
    turned = view.flipped(Choice("status", "404"))
    assert turned.choices[0].excludes
    assert turned.toggled("status", 404).choices == (Choice("key", "-"),)
    assert view.cleared() == View("/x")
    assert view.longer("key").more == "key"
    assert view.longer("key").longer("key") == view
    assert view.by_measure("bytes").by == "bytes"
    assert view.between(NOW, NOW + timedelta(1)).ranged("7d").is_custom is False


def test_choices_of_one_kind_are_either_or_and_of_several_kinds_both() -> None:
    view = parsed(
        "/x?range=all&status=4xx&status=200&key=it%27s&client!=-&operation!=a&operation!=b"
    )
    assert view.conditions(view.stretch(NOW, None, None)) == [
        "(operation = 'a') IS NOT TRUE",
        "(operation = 'b') IS NOT TRUE",
        "(status_class = '4xx' OR http_status = 200)",
        "key_decoded = 'it''s'",
        "(client IS NULL) IS NOT TRUE",
    ]


def test_a_usual_range_ends_with_the_bar_that_is_now() -> None:
    view = parsed("/x?range=1h")
    stretch = view.stretch(NOW, None, None)
    assert (stretch.begins_at, stretch.ends_at) == (
        datetime(2026, 11, 22, 18, 41, tzinfo=UTC),
        datetime(2026, 11, 22, 19, 41, tzinfo=UTC),
    )
    assert len(list(stretch.bars())) == 60
    assert view.conditions(stretch) == ["time >= TIMESTAMPTZ '2026-11-22 18:41:00+00'"]
    since = view.since(NOW)
    assert since is not None
    assert since <= stretch.begins_at


@pytest.mark.parametrize(
    ("days", "width_s"),
    [
        (0.0005, 1),
        (0.01, 15),
        (0.5, 900),
        (1, 3600),
        (20, 6 * 3600 * 4),
        (400, 7 * 86400),
        (4000, 56 * 86400),
    ],
)
def test_bars_are_as_wide_as_suits_the_time(days: float, width_s: int) -> None:
    view = View("/x").between(NOW - timedelta(days=days), NOW)
    stretch = view.stretch(NOW, None, None)
    assert stretch.width_s == width_s
    bars = list(stretch.bars())
    assert len(bars) <= filters.BARS + 2
    assert bars[0] <= stretch.begins_at
    assert bars[-1] < stretch.ends_at
    if width_s % (7 * 86_400) == 0:
        assert {bar.weekday() for bar in bars} == {0}


def test_all_that_there_is_goes_from_the_first_to_the_last_record() -> None:
    first, last = NOW - timedelta(days=3), NOW - timedelta(days=1)
    stretch = View("/x").ranged("all").stretch(NOW, first, last)
    assert (stretch.begins_at, stretch.ends_at) == (first, last + timedelta(seconds=1))
    alone = View("/x").ranged("all").stretch(NOW, None, None)
    assert alone.ends_at == NOW
    assert View("/x").ranged("all").since(NOW) is None


def test_a_custom_range_may_be_open() -> None:
    view = parsed("/x?from=2026-11-20")
    stretch = view.stretch(NOW, None, NOW)
    assert stretch.begins_at == datetime(2026, 11, 20, tzinfo=UTC)
    assert view.since(NOW) == stretch.begins_at
    assert parsed("/x?to=2026-11-20").since(NOW) is None
    assert len(view.conditions(stretch)) == 2
