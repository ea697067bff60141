"""The published conformance set is whole, and says of itself what is true."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conformance import compare, run

from bucketlog.accesslog import line
from bucketlog.accesslog.record import FIELDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "conformance" / "README.md").read_text()
CASES = {case.name: case for case in run.cases()}
PLACES = {
    "empty": "the line is empty",
    "head": "no owner, bucket, time and operation at its start",
    "time": "its time can't be read",
    "middle": "no status, error code and counters behind its key",
}

# A reader that writes what the slow, obvious parser says of each line.
READER = """
import json, sys
from datetime import UTC, datetime
from bucketlog.accesslog import line
from bucketlog.accesslog.record import FIELDS
for text in sys.stdin.buffer:
    decoded = line.decode(text)
    if decoded.record is None:
        told = {"reject": decoded.reason}
    else:
        told = {field.name: None for field in FIELDS}
        told |= {field.name: value for field, value in zip(FIELDS, decoded.texts)}
        at = datetime.fromtimestamp(decoded.record.time // 10**9, UTC)
        told |= {"time": at.isoformat(), "ambiguous": decoded.ambiguous}
        told["extra_fields"] = decoded.extra_fields
    print(json.dumps(told))
"""


def judged(command: list[str]) -> subprocess.CompletedProcess[str]:
    """What the runner prints about a reader."""
    script = ROOT / "conformance" / "run.py"
    return subprocess.run(
        [sys.executable, str(script), *command], capture_output=True, text=True, timeout=60
    )


def test_each_file_of_lines_has_its_expectations_and_the_other_way_round() -> None:
    folder = ROOT / "conformance" / "lines"
    assert {path.stem for path in folder.glob("*.log")} == set(CASES)
    assert len(list(folder.iterdir())) == 2 * len(CASES)


@pytest.mark.parametrize("name", CASES)
def test_every_expectation_is_of_the_form_that_the_readme_tells(name: str) -> None:
    case = CASES[name]
    assert len(run.lines_of(case.data)) == len(case.lines)
    assert not case.about.endswith(".")
    for expected in case.lines:
        if "reject" in expected:
            assert set(expected) == {"reject"}
            assert expected["reject"] in PLACES
            continue
        assert set(expected) - {"object_key", "extra_fields", "ambiguous", "disputed", "lossy"} == {
            "fields",
            "record",
        }
        assert list(expected["record"]) == [
            name for name in run.FIELDS if name in expected["record"]
        ]
        assert ("object_key" in expected) is ("key" in expected["record"])
        assert ("disputed" in expected) is ("ambiguous" in expected)
        for field in FIELDS:
            value = expected["record"].get(field.name)
            kind = {"int": int, "bool": bool}.get(field.type, str)
            assert value is None or type(value) is kind


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "reject" in str(case)])
def test_a_line_is_refused_for_the_reason_that_is_told(name: str) -> None:
    for text, expected in zip(run.lines_of(CASES[name].data), CASES[name].lines, strict=True):
        if "reject" in expected:
            assert line.decode(text).reason == PLACES[expected["reject"]]


def test_the_readme_has_a_row_for_each_class_and_a_name_for_each_field() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| ", README.split("## The classes")[1], re.MULTILINE)
    assert sorted(rows) == sorted({case.line_class for case in CASES.values()})
    assert tuple(field.name for field in FIELDS) == run.FIELDS
    assert all(f"`{name}`" in README for name in run.FIELDS)
    assert {field.name for field in FIELDS if field.type == "int"} == set(run.NUMBERS)


def test_the_runner_finds_a_right_reader_right() -> None:
    done = judged(["--class", "forged", sys.executable, "-c", READER])
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()
    lines = str(sum(len(case.lines) for case in CASES.values() if case.line_class == "forged"))
    assert last[-3].split() == ["all", lines, lines, "0", "0", "0"]
    assert last[-2] == "fields it knows: 27 of 27"


def test_the_runner_tells_silence_from_refusal() -> None:
    silent = judged(["--show", "--class", "keys", sys.executable, "-c", "pass"])
    assert silent.returncode == 1
    assert "key-plus:1: silent: left out" in silent.stdout
    failing = judged(["--show", "--class", "keys", sys.executable, "-c", "raise SystemExit('no')"])
    assert "key-plus:1: refused: exit 1: no" in failing.stdout
    prose = judged(["--show", "--class", "keys", sys.executable, "-c", "print('hello')"])
    assert "key-plus:1: refused: its answer is not JSON" in prose.stdout
    assert judged(["no-such-reader"]).returncode == 2
    assert judged([]).returncode == 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"bucket": "b", "time": "2026-03-17T10:41:07+01:00", "ambiguous": False}, "right"),
        ({"bucket": "b", "time": "2026-03-17T09:41:07", "http_status": "200"}, "right"),
        ({"bucket": "b", "error_code": "-"}, "silent"),
        ({"bucket": "b", "time": "yesterday"}, "silent"),
        ({"bucket": "x", "ambiguous": True}, "doubted"),
        ({"bucket": "b", "extra_fields": ["x"]}, "silent"),
        ({"reject": "no"}, "refused"),
        (None, "silent"),
    ],
)
def test_an_answer_is_judged_by_the_fields_that_the_reader_knows(
    answer: dict[str, object] | None, outcome: str
) -> None:
    expected = {
        "fields": 27,
        "record": {"bucket": "b", "time": "2026-03-17T09:41:07Z", "http_status": 200},
    }
    known = ["bucket", "time"] if answer and "time" in answer else ["bucket", "http_status"]
    assert run.judge(expected, answer, known)[0] == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"bucket": "b", "referer": "x", "ambiguous": True}, "right"),
        ({"bucket": "b", "referer": "a"}, "silent"),
        ({"bucket": "c", "ambiguous": True}, "doubted"),
        ({"reject": "no"}, "refused"),
    ],
)
def test_an_ambiguous_line_must_be_told_to_be_one(answer: dict[str, object], outcome: str) -> None:
    expected = {
        "fields": 27,
        "record": {"bucket": "b", "referer": "a"},
        "ambiguous": True,
        "disputed": ["referer"],
    }
    assert run.judge(expected, answer, ["bucket", "referer"])[0] == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"reject": "no"}, "right"),
        (None, "right"),
        ({"bucket": "b"}, "silent"),
        ({"bucket": "b", "ambiguous": True}, "doubted"),
    ],
)
def test_what_is_no_record_must_be_refused(answer: dict[str, object] | None, outcome: str) -> None:
    assert run.judge({"reject": "head"}, answer, ["bucket"])[0] == outcome


def test_bytes_that_are_not_utf_8_may_be_replaced_in_any_number() -> None:
    expected = {"fields": 18, "record": {"user_agent": "a\ufffd\ufffdb"}, "lossy": True}
    assert run.judge(expected, {"user_agent": "a\ufffdb"}, ["user_agent"])[0] == "right"
    assert run.judge(expected, {"user_agent": "ab"}, ["user_agent"])[0] == "silent"


def test_the_files_are_ascii_json_that_any_language_reads() -> None:
    for path in (ROOT / "conformance" / "lines").glob("*.json"):
        assert json.loads(path.read_bytes().decode("ascii"))


def test_the_page_shows_the_results_and_the_results_are_of_this_set() -> None:
    told = json.loads(compare.RESULTS.read_text())
    assert told["set"] == compare.digest(run.cases()), "run `make conformance`"
    assert compare.PAGE.read_text() == compare.page(told), "run `make conformance`"
    lines = sum(len(case.lines) for case in CASES.values())
    for reader in told["readers"]:
        assert sum(reader["outcomes"].values()) == lines
        assert lines - reader["outcomes"]["right"] == len(reader["not_right"])


def test_the_page_shows_every_class_once() -> None:
    shown = [name for names in compare.GROUPS.values() for name in names]
    assert sorted(shown) == sorted({case.line_class for case in CASES.values()})


def test_bucketlog_reads_every_line_right() -> None:
    told = json.loads(compare.RESULTS.read_text())
    ours = [reader for reader in told["readers"] if reader["kind"] == "ours"]
    assert len(ours) == 2
    assert all(not reader["not_right"] for reader in ours)
