"""`--where`: one SQL condition, and nothing that isn't one."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pytest
from tests.support import logs

from bucketlog.cli import filters
from bucketlog.cli.filters import Condition
from bucketlog.problems import Problem
from bucketlog.reader.parse import parse

BATCH = parse(logs.data(1000)).batch


@contextmanager
def _condition(text: str) -> Iterator[Condition]:
    condition = Condition(text, BATCH.schema)
    try:
        yield condition
    finally:
        condition.close()


def _rows(text: str) -> list[dict[str, object]]:
    with _condition(text) as condition:
        found: list[dict[str, object]] = condition(BATCH).to_pylist()
        return found


def test_rows_are_those_for_which_the_condition_is_true_in_their_order() -> None:
    every = BATCH.to_pylist()
    assert _rows("http_status >= 400") == [row for row in every if (row["http_status"] or 0) >= 400]
    assert _rows("operation like 'REST.GET.%' and not (bytes_sent < 1000)") == [
        row
        for row in every
        if row["operation"].startswith("REST.GET.") and (row["bytes_sent"] or 0) >= 1000
    ]
    assert _rows("true") == every
    assert _rows("remote_ip is null and false") == []


def test_a_time_without_a_zone_is_utc() -> None:
    noon = [row for row in BATCH.to_pylist() if row["time"].hour >= 12]
    assert _rows("time >= '2026-03-17 12:00'") == noon


def test_types_and_columns_stay_as_they_were() -> None:
    with _condition("http_status = 200") as condition:
        assert condition(BATCH).schema == BATCH.schema
        assert condition(BATCH.slice(0, 0)).num_rows == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-- nothing",
        "true) from logs --",
        "true; drop table logs",
        "http_status, key",
        "select 1",
        "count(*) > 1",
        "row_number() over () = 1",
        "exists (select * from read_text('/etc/passwd'))",
        "exists (select * from '/etc/passwd')",
        "exists (select * from glob('/*'))",
        "time",
        "http_status = 'many'",
        "nosuchfunction(key)",
    ],
)
def test_what_is_no_condition_is_refused_in_duckdbs_words(text: str) -> None:
    with pytest.raises(Problem) as told, _condition(text) as condition:
        condition(BATCH)
    assert told.value.message.startswith(f"--where {text}: DuckDB: ")
    assert "LINE" not in told.value.message + str(told.value.hint)


def test_a_value_that_cannot_be_converted_is_told_when_it_is_met() -> None:
    with (
        _condition("key is not null and cast(key as int) > 1") as condition,
        pytest.raises(Problem, match=r"DuckDB: Could not convert string"),
    ):
        condition(BATCH)


def test_a_misspelt_column_is_told_what_is_near() -> None:
    with pytest.raises(Problem) as told, _condition("htp_status = 404"):
        pass
    assert told.value.message == "There is no column htp_status."
    assert "http_status" in str(told.value.hint)


def test_a_name_like_nothing_is_told_all_columns() -> None:
    told = filters.unknown("qqqqqqq")
    assert "bucket_owner" in str(told.hint)


def test_without_duckdb_the_hint_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(Problem) as told, _condition("true"):
        pass
    assert "pip install" in str(told.value.hint)


def test_derived_columns_are_found_where_they_are_named() -> None:
    assert filters.derived_of(("key", "era"), "Method = 'GET'", ("client",)) == [
        name for name in filters.every_derived() if name in {"era", "method", "client"}
    ]
    for columns, derive in ((("keys",), ()), ((), ("key",))):
        with pytest.raises(Problem, match="There is no column"):
            filters.derived_of(columns, None, derive)


def test_a_condition_may_be_about_a_derived_column() -> None:
    from bucketlog.reader import derived

    batch: pa.RecordBatch = derived.add(BATCH, ["method"])
    condition = Condition("method = 'PUT'", batch.schema)
    found = condition(batch)
    condition.close()
    assert 0 < found.num_rows < batch.num_rows
    assert set(found["method"].cast("string").to_pylist()) == {"PUT"}
