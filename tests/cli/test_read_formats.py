"""Batches as JSON lines, CSV, TSV, Parquet and Arrow: nothing is lost on the way."""

import io
import json
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv, parquet
from tests.support import logs

from bucketlog.cli import formats, texts
from bucketlog.reader.parse import parse
from bucketlog.reader.schema import LINE_COLUMNS

ODD = 'a"b\\c\td\ne\rf\x00\x1b[31m\x7f\x9b\u2028\u202e⚓ é'


def _written(name: str, *batches: pa.RecordBatch) -> bytes:
    stream = io.BytesIO()
    formats.FORMATS[name].write(iter(batches), batches[0].schema, stream)
    return stream.getvalue()


def _rows(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def _column(values: list[Any], kind: Any = None) -> pa.RecordBatch:
    return pa.record_batch({"x": pa.array(values, kind)})


def test_json_has_every_value_and_leaves_out_nulls() -> None:
    batch = parse(logs.data(2000, mix="hostile")).batch
    rows = batch.to_pylist()
    for row, told in zip(rows, _rows(_written("json", batch)), strict=True):
        row["time"] = row["time"].isoformat().replace("+00:00", "Z")
        row["raw"] = None if row["raw"] is None else row["raw"].decode("latin-1")
        assert told == {name: value for name, value in row.items() if value is not None}


@given(st.lists(st.none() | st.text()))
def test_any_text_comes_back_from_json(values: list[str | None]) -> None:
    for array in (pa.array(values, pa.string()), pa.array(values, pa.string()).dictionary_encode()):
        told = _written("json", pa.record_batch({"x": array, "n": pa.array(range(len(values)))}))
        assert [row.get("x") for row in _rows(told)] == values


@given(st.lists(st.none() | st.text()))
def test_tabs_and_line_ends_in_values_are_no_tabs_and_line_ends(values: list[str | None]) -> None:
    batch = pa.record_batch({"x": pa.array(values, pa.string()), "y": ["!"] * len(values)})
    lines = bytes(texts.tab_separated(batch)).decode().split("\n")[:-1]
    assert len(lines) == len(values)
    for line, value in zip(lines, values, strict=True):
        text, mark = line.split("\t")
        assert mark == "!"
        if value is None or not (texts.shown(value) != value or "\\" in value):
            assert text == (value or "")


def test_no_control_character_is_in_json_or_tsv() -> None:
    batch = pa.record_batch({"x": [ODD], "y": [[ODD]], "z": [ODD.encode()]})
    for name in ("json", "tsv"):
        told = _written(name, batch).decode()
        lines = told.splitlines()
        assert len(lines) == (1 if name == "json" else 2)
        assert texts.shown(told.replace("\n", "").replace("\t", "")) == told.replace(
            "\n", ""
        ).replace("\t", "")


def test_control_characters_are_shown_by_number() -> None:
    assert texts.shown("a\tb\x1b\u202ec\\é") == "a\\tb\\x1b\\u202ec\\é"


@pytest.mark.parametrize(
    ("value", "kind", "told"),
    [
        (True, pa.bool_(), "true"),
        (-5, pa.int16(), "-5"),
        (1.5, pa.float64(), "1.5"),
        (math.inf, pa.float64(), "null"),
        (Decimal("1.50"), pa.decimal128(5, 2), "1.50"),
        (
            datetime(2026, 3, 17, 9, 41, 7, tzinfo=UTC),
            pa.timestamp("us", "UTC"),
            '"2026-03-17T09:41:07Z"',
        ),
        (datetime(2026, 3, 17, 9, 41, 7, 5000), pa.timestamp("us"), '"2026-03-17T09:41:07.005"'),
        (datetime(1, 1, 1, 0, 0, 0, 1), pa.timestamp("us"), '"0001-01-01T00:00:00.000001"'),
        (7, pa.timestamp("ns", "UTC"), '"1970-01-01T00:00:00.000000007Z"'),
        (date(2026, 3, 17), pa.date32(), '"2026-03-17"'),
        (time(9, 41), pa.time32("s"), '"09:41:00"'),
        (timedelta(seconds=90), pa.duration("us"), '"0:01:30"'),
        (b"\xff\x00a", pa.binary(), '"\xff\\u0000a"'),
        ([1, None], pa.list_(pa.int64()), "[1,null]"),
        ({"a": "\x1b"}, pa.struct({"a": pa.string()}), '{"a":"\\u001b"}'),
        ("é", pa.large_string(), '"é"'),
    ],
)
def test_json_has_values_of_every_type(value: object, kind: pa.DataType, told: str) -> None:
    assert _written("json", _column([value, None], kind)).decode() == f'{{"x":{told}}}\n{{}}\n'


def test_dictionaries_of_numbers_and_bytes_are_looked_up() -> None:
    for values in ([3, None, 3], [b"\xff", None, b"a"]):
        array = pa.array(values).dictionary_encode()
        batch = pa.record_batch({"x": array})
        plain = pa.record_batch({"x": pa.array(values)})
        for name in ("json", "tsv"):
            assert _written(name, batch) == _written(name, plain)


def test_a_batch_may_be_a_slice_empty_or_without_columns() -> None:
    batch = parse(logs.data(50)).batch
    assert _written("json", batch.slice(10, 5)) == b"".join(
        line + b"\n" for line in _written("json", batch).split(b"\n")[10:15]
    )
    assert _written("json", batch.slice(3, 0)) == b""
    assert bytes(texts.json_lines(batch.select([]))) == b"{}\n" * 50


def test_csv_and_tsv_begin_with_the_names_and_have_each_value() -> None:
    batch = parse(logs.data(500, mix="hostile")).batch
    found = csv.read_csv(io.BytesIO(_written("csv", batch)))
    assert found.schema.names == LINE_COLUMNS.names
    assert found["http_status"].to_pylist() == batch["http_status"].to_pylist()
    assert found["operation"].to_pylist() == batch["operation"].cast("string").to_pylist()
    lines = _written("tsv", batch).decode().split("\n")
    assert lines[0].split("\t") == LINE_COLUMNS.names
    place = LINE_COLUMNS.get_field_index("request_id")
    assert [line.split("\t")[place] for line in lines[1:-1]] == batch["request_id"].to_pylist()


def test_parquet_and_arrow_keep_rows_and_types() -> None:
    batches = [parse(logs.data(300, seed)).batch for seed in (1, 2, 3)]
    whole = pa.Table.from_batches(batches)
    stored = parquet.read_table(io.BytesIO(_written("parquet", *batches)))
    streamed = pa.ipc.open_stream(_written("arrow", *batches)).read_all()
    assert streamed.schema == whole.schema
    assert stored.schema.field("time").type == whole.schema.field("time").type
    for found in (stored, streamed):
        assert found.to_pylist() == whole.to_pylist()


def test_parquet_is_compressed_and_its_row_groups_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batches = [parse(logs.data(300, seed)).batch for seed in range(5)]
    monkeypatch.setattr(formats, "_ROW_GROUP_ROWS", 500)
    by_rows = parquet.ParquetFile(io.BytesIO(_written("parquet", *batches))).metadata
    groups = [by_rows.row_group(number) for number in range(by_rows.num_row_groups)]
    assert sum(group.num_rows for group in groups) == 1500
    assert max(group.num_rows for group in groups) <= 600
    column = groups[0].column(LINE_COLUMNS.get_field_index("operation"))
    assert column.compression == "ZSTD"
    assert column.has_dictionary_page
    monkeypatch.setattr(formats, "_ROW_GROUP_BYTES", 1)
    by_size = parquet.ParquetFile(io.BytesIO(_written("parquet", *batches))).metadata
    assert by_size.num_row_groups == 5


@pytest.mark.parametrize("name", formats.FORMATS)
def test_no_rows_are_a_file_too(name: str) -> None:
    data = _written(name, _column([], pa.string()))
    if name == "parquet":
        assert parquet.read_table(io.BytesIO(data)).num_rows == 0
    elif name == "arrow":
        assert pa.ipc.open_stream(data).read_all().num_rows == 0
    else:
        assert data in (b"", b"x\n", b'"x"\n')


def test_a_file_name_tells_its_format() -> None:
    for name, each in formats.FORMATS.items():
        assert {formats.of_file(Path(f"a{suffix}")) for suffix in each.suffixes} == {name}
    assert formats.of_file(Path("a.CSV")) == "csv"
    assert formats.of_file(Path("parquet")) is None
