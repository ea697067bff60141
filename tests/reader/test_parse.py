"""Bytes to columns: what they are is told by how they begin."""

from __future__ import annotations

import io
import json
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.conformance import LINES

import bucketlog
from bucketlog.problems import Problem
from bucketlog.reader import parse
from bucketlog.reader.schema import LINE_COLUMNS, LINE_REJECTS

LINE = LINES["era-2026-27-fields"].data
FORGED = LINES["forged-user-agent"].data
RECORD = {
    "bucket_name": "harbour-photos",
    "request_time": "2026-03-17T09:41:07.123Z",
    "operation": "REST.GET.OBJECT",
    "http_status": 200,
}


def test_lines_are_rows_and_rejects() -> None:
    parsed = bucketlog.parse(LINE + b"kelp\n\n" + FORGED)
    assert (parsed.lines, parsed.batch.num_rows, parsed.rejects.num_rows) == (4, 2, 2)
    assert parsed.ambiguous == 1
    assert parsed.batch.schema.equals(LINE_COLUMNS)
    assert parsed.rejects.schema.equals(LINE_REJECTS)
    assert parsed.batch.column("raw").to_pylist() == [None, FORGED.removesuffix(b"\n")]
    assert parsed.rejects.to_pylist() == [
        {
            "line_number": 2,
            "offset": len(LINE),
            "reason": "no owner, bucket, time and operation at its start",
            "bytes": b"kelp",
        },
        {
            "line_number": 3,
            "offset": len(LINE) + 5,
            "reason": "the line is empty",
            "bytes": b"",
        },
    ]


def test_nothing_is_no_lines() -> None:
    parsed = bucketlog.parse(b"")
    assert (parsed.lines, parsed.ambiguous) == (0, 0)
    assert parsed.batch.schema.equals(LINE_COLUMNS)


def test_bytes_of_every_kind_and_text_are_read_alike() -> None:
    for data in (bytearray(LINE), memoryview(LINE), LINE.decode()):
        assert bucketlog.parse(data).batch.equals(bucketlog.parse(LINE).batch)


def test_text_that_is_no_unicode_is_a_row_with_replaced_characters() -> None:
    agent = LINE.decode().replace("harbour-sync", "\udc80")
    parsed = bucketlog.parse(agent)
    assert "\N{REPLACEMENT CHARACTER}" in parsed.batch.column("user_agent")[0].as_py()
    assert parsed.batch.column("raw")[0].as_py() is not None


def test_lines_are_numbered_from_where_one_says() -> None:
    parsed = bucketlog.parse(LINE + b"kelp", first_line=11, first_offset=1000)
    assert parsed.batch.column("line_number").to_pylist() == [11]
    assert parsed.rejects.to_pylist()[0]["line_number"] == 12
    assert parsed.rejects.to_pylist()[0]["offset"] == 1000 + len(LINE)


def test_json_lines_are_read_into_the_same_columns() -> None:
    parsed = bucketlog.parse(b"\n " + json.dumps(RECORD).encode() + b"\n{kelp\n", first_line=5)
    assert parsed.batch.schema.equals(LINE_COLUMNS)
    assert parsed.batch.column("bucket").to_pylist() == ["harbour-photos"]
    assert parsed.batch.column("line_number").to_pylist() == [6]
    assert parsed.lines == 3


def test_parquet_is_read_into_the_same_columns() -> None:
    file = io.BytesIO()
    other = {**RECORD, "bucket_name": "tide-tables"}
    rows = [*[RECORD] * 100, *[other] * 100]
    pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=100)
    parsed = bucketlog.parse(file.getvalue(), first_line=3)
    assert parsed.batch.schema.equals(LINE_COLUMNS)
    assert parsed.rejects.schema.equals(LINE_REJECTS)
    assert (parsed.lines, parsed.ambiguous) == (200, 0)
    assert parsed.batch.column("bucket").to_pylist()[99:101] == ["harbour-photos", "tide-tables"]
    assert parsed.batch.column("line_number").to_pylist() == list(range(3, 203))


def test_parquet_of_no_rows_is_no_lines() -> None:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([RECORD]).slice(1), file)
    assert bucketlog.parse(file.getvalue()).lines == 0


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"", "text"),
        (LINE, "text"),
        (b"\xef\xbb\xbf" + LINE, "text"),
        (b"PAR", "text"),
        (b"PAR1\x15", "parquet"),
        (b"{", "json"),
        (b" \r\n\t{}", "json"),
        (b"\xef\xbb\xbf{}", "json"),
        (b"[{}]", "text"),
    ],
)
def test_the_first_bytes_tell_what_it_is(start: bytes, kind: str) -> None:
    assert parse.kind_of(start) == kind


def test_too_much_for_one_batch_is_a_problem_with_a_way_out() -> None:
    with pytest.raises(Problem, match="too many") as caught:
        bucketlog.parse(bytes(parse.MOST_BYTES + 1))
    assert caught.value.hint is not None
    assert "bucketlog.scan" in caught.value.hint


def test_a_kernel_that_is_not_built_is_a_problem_that_says_how(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(bucketlog, "_native", raising=False)
    monkeypatch.setitem(sys.modules, "bucketlog._native", None)
    with pytest.raises(Problem, match="can't be loaded") as caught:
        bucketlog.parse(LINE)
    assert caught.value.hint is not None
    assert "make native" in caught.value.hint
