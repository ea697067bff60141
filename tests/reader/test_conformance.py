"""bucketlog reads the conformance set that it publishes."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest
from bench import ours
from conformance import run

import bucketlog
from bucketlog.reader import derived

CASES = run.cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_file_of_the_set_is_read_as_it_must_be(case: run.Case) -> None:
    parsed = bucketlog.parse(case.data)
    assert parsed.lines == len(case.lines)
    told = ours.from_batches(parsed.batch, parsed.rejects)
    verdicts, _ = run.verdicts([case], {case.name: told})
    assert [verdict for verdict in verdicts if verdict.outcome != "right"] == []


def test_the_whole_set_in_one_stream_is_read_as_its_files_are() -> None:
    # An empty line between two files is one more reject, and ends a last line without end.
    expected = [line for case in CASES for line in (*case.lines, {"reject": "empty"})]
    data = b"".join(
        case.data + (b"\n" if case.data.endswith(b"\n") or not case.data else b"\n\n")
        for case in CASES
    )
    rejected: list[pa.RecordBatch] = []
    with bucketlog.scan(io.BytesIO(data), on_reject=rejected.append) as scan:
        rows = [row for batch in scan for row in batch.to_pylist()]
    assert scan.account.adds_up
    assert len(rows) == sum("record" in line for line in expected)
    assert sum(batch.num_rows for batch in rejected) == len(expected) - len(rows)
    for row in rows:
        line = expected[row["line_number"] - 1]
        assert row["request_id"] == line["record"]["request_id"]
        assert row["parse_ambiguous"] is line.get("ambiguous", False)
        assert row["field_count"] == line["fields"] + len(line.get("extra_fields", ()))
    for batch in rejected:
        for number in batch.column("line_number").to_pylist():
            assert "reject" in expected[number - 1]


@pytest.mark.parametrize(
    "case", [case for case in CASES if "object_key" in str(case.lines)], ids=lambda case: case.name
)
def test_the_derived_key_is_the_objects_name(case: run.Case) -> None:
    batch = derived.add(bucketlog.parse(case.data).batch, ["key_decoded"])
    keys = [line.get("object_key") for line in case.lines if "record" in line]
    assert batch.column("key_decoded").to_pylist() == keys
