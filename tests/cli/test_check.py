"""`bucketlog check`: every line is counted, and what is odd is shown with an example."""

import gzip
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support import logs

from bucketlog.cli import checking, main
from bucketlog.reader.account import Account
from bucketlog.reader.objects import Trouble

Captured = pytest.CaptureFixture[str]
DELIVERED = "logs/2026-03-18-01-02-03-0123456789ABCDEF"


def _report(capsys: Captured, *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main.run(["check", *arguments, "--json"]) == code
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert told["ok"] == (code == 0)
    return told


def _told(capsys: Captured, *arguments: str, code: int = 0) -> str:
    assert main.run(["check", *arguments]) == code
    return capsys.readouterr().out


def test_a_clean_log_adds_up(tmp_path: Path, capsys: Captured) -> None:
    folder = logs.folder(tmp_path)
    told = _report(capsys, str(folder))
    assert (told["objects"], told["lines"], told["rows"]) == (3, 300, 300)
    assert (told["rejects"], told["ambiguous"], told["troubles"]) == (0, 0, 0)
    assert told["bytes"] == len(logs.data())
    assert told["stored_bytes"] < told["bytes"]
    assert told["field_counts"] == {"27": 300}
    assert told["eras"] == {"2026": 300}
    assert told["first_event"] == "2026-03-17T00:00:00Z"
    assert told["last_event"].startswith("2026-03-17T23:")
    assert told["largest_gap"]["seconds"] > 60
    text = _told(capsys, str(folder))
    assert "eras             300 of 27 fields, as since 2026\n" in text
    assert text.endswith("\n\nIt adds up: 300 lines = 300 rows + 0 rejects.\n")


def test_each_reason_has_the_place_and_the_beginning_of_its_first_line(
    tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "odd.log"
    long = b"no record \x1b[31m " + b"x" * 500
    file.write_bytes(logs.data(2) + b"\n" + long + b"\nnor this\n" + logs.data(1))
    told = _report(capsys, str(file))
    assert told["lines"] == told["rows"] + told["rejects"] == 6
    by_reason = {each["reason"]: each for each in told["rejects_by_reason"]}
    assert [each["lines"] for each in told["rejects_by_reason"]] == [2, 1]
    assert by_reason["the line is empty"]["example"]["line_number"] == 3
    assert by_reason["no owner, bucket, time and operation at its start"]["example"] == {
        "source_object": str(file),
        "line_number": 4,
        "offset": len(logs.data(2)) + 1,
        "beginning": long[:160].decode(),
        "length": len(long),
    }
    text = _told(capsys, str(file))
    assert f"        {file}, line 4\n        | no record \\x1b[31m xxx" in text
    assert f"x... ({len(long)} bytes)\n" in text
    assert "\x1b" not in text


def test_ambiguous_lines_are_shown_but_not_more_than_three(
    tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "hostile.log"
    file.write_bytes(logs.data(3000, mix="hostile"))
    told = _report(capsys, str(file))
    assert told["ambiguous"] > 10
    assert len(told["ambiguous_examples"]) == 3
    places = [each["line_number"] for each in told["ambiguous_examples"]]
    assert places == sorted(set(places))
    assert "29 fields" in _told(capsys, str(file))


def test_what_could_not_be_read_to_its_end_is_named_and_the_exit_code_is_1(
    tmp_path: Path, capsys: Captured
) -> None:
    folder = logs.folder(tmp_path)
    torn = gzip.compress(logs.data(2000))[:-3000]
    (folder / "torn.gz").write_bytes(torn)
    (folder / "gone").symlink_to("nowhere")
    (folder / "empty").touch()
    told = _report(capsys, str(folder), code=1)
    assert told["adds_up"]
    assert {each["object"] for each in told["objects_in_trouble"]} == {
        str(folder / "torn.gz"),
        str(folder / "gone"),
    }
    text = _told(capsys, str(folder), code=1)
    assert "in trouble       2\n" in text
    assert text.rstrip().endswith("but 2 could not be read to the end.")


def test_delivery_lag_is_told_where_names_tell_the_delivery(
    tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / DELIVERED
    file.parent.mkdir()
    file.write_bytes(logs.data(200))
    lag = _report(capsys, str(file))["delivery_lag_seconds"]
    assert lag["longest"] == 25 * 3600 + 2 * 60 + 3
    assert lag["median"] == pytest.approx(11 * 3600, rel=0.2)
    assert "delivery lag     " in _told(capsys, str(file))


def test_strict_stops_at_the_first_line_that_is_no_record(tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "odd.log"
    file.write_bytes(logs.data(2) + b"no record\n")
    assert main.run(["check", str(file), "--strict"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "can't be read" in told.err


def test_an_empty_file_is_an_object_without_lines(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "empty").touch()
    told = _report(capsys, str(tmp_path / "empty"))
    assert (told["objects"], told["lines"]) == (1, 0)
    assert told["first_event"] is told["largest_gap"] is told["delivery_lag_seconds"] is None
    assert "first event" not in _told(capsys, str(tmp_path / "empty"))


def test_lines_that_are_unaccounted_for_are_a_failure_told_loudly() -> None:
    told = Account(objects=1, lines=5, rows=3, notes=["Requests are anonymous."])
    told.rejects["why"] = 1
    told.field_counts[None] = 3
    text = list(checking.lines(told, checking.Examples()))
    assert text[-1].startswith("THE COUNT DOES NOT ADD UP: 5 lines = 3 rows + 1 reject leaves 1.")
    assert "eras             3 of structured records" in text
    assert "note             Requests are anonymous." in text
    found = checking.report(told, checking.Examples())
    assert not found["ok"]
    assert found["field_counts"] == {"structured": 3}
    assert found["rejects_by_reason"] == [{"reason": "why", "lines": 1, "example": None}]


def test_no_more_than_twenty_in_trouble_are_listed_for_people() -> None:
    told = Account()
    for number in range(25):
        told.note(Trouble(f"object-{number:02}", "it is gone"))
    text = "\n".join(checking.lines(told, checking.Examples()))
    assert "object-19: it is gone" in text
    assert "object-20" not in text
    assert "and 5 more" in text
    assert len(checking.report(told, checking.Examples())["objects_in_trouble"]) == 25


def test_an_example_without_bytes_has_a_place_only() -> None:
    example = checking.Example("a", 7, None, b"", 0)
    assert list(checking._shown(example)) == ["        a, line 7"]
    assert len(list(checking._shown(replace(example, beginning=b"x", length=1)))) == 2
    assert checking._seconds(timedelta(milliseconds=1500)) == 1.5
