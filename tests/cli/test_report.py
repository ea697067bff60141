"""`bucketlog report`: the list, one answer, and the page of all."""

import json
from pathlib import Path

import pytest
from tests.support.records import BATCH, BOB, COPY, LIFECYCLE, row

from bucketlog.cli import main
from bucketlog.lake import reports


@pytest.fixture
def log(tmp_path: Path) -> str:
    file = tmp_path / "a.log"
    file.write_bytes(b"".join([*BATCH, *COPY, *LIFECYCLE, row(requester=BOB), b"junk\n"]))
    return str(file)


def test_without_a_name_the_reports_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["report"]) == 0
    listed = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert listed == [[each.name, each.title] for each in reports.every()]
    assert main.run(["report", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in told] == list(reports.NAMES)
    assert all(each["text"] and each["columns"] for each in told)


def test_a_report_answers_with_its_filters(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["report", "who-changed", "--from", log, "--prefix", "a", "--from-time", "2026-03-01"]
    asked += ["--to-time", "2026-03-02", "--bucket", "photos", "--requester", "alice", "--top", "1"]
    for as_json in (["--json"], ["--format", "json"], []):
        assert main.run([*asked, *as_json]) == 0
        told = capsys.readouterr()
        (only,) = [json.loads(line) for line in told.out.splitlines()]
        assert (only["key"], only["change"]) == ("a b.jpg", "deleted, in a batch")
        assert "1 reject (1: " in told.err


def test_a_table_has_the_reports_title(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["report", "top-keys", "--from", log, "--format", "table", "-q"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("\nTop keys\n")
    assert "old.jpg" in told


def test_a_page_of_one_report_or_of_all_reads_the_source_once(
    log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    for name, title in (([], "S3 access report"), (["clients"], "Clients in use")):
        arguments = ["report", *name, "--from", log, "--html", str(page), "--bucket", "photos"]
        assert main.run(arguments) == 0
        told = capsys.readouterr()
        assert told.out == ""
        assert "12 lines: 11 rows, 1 reject (1: " in told.err
        text = page.read_text("utf-8")
        assert f"<h1>{title}</h1>" in text
        assert f"<dt>Source</dt><dd>{log}</dd>" in text
        assert "<dt>Bucket</dt><dd>photos</dd>" in text
        assert "<b>10</b><span>records</span>" in text
        assert "1 line rejected: no owner" in text


def test_a_page_may_go_to_stdout(log: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main.run(["report", "old-tls", "--from", log, "--html", "-", "-q"]) == 0
    told = capfdbinary.readouterr()
    assert told.out.startswith(b"<!doctype html>")
    assert told.err == b""


def test_after_from_a_glob_may_give_more_sources(
    log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "b.log"
    other.write_bytes(row(key="more"))
    page = tmp_path / "page.html"
    assert main.run(["report", "--html", str(page), "--from", log, str(other)]) == 0
    assert f"<dd>{log}, {other}</dd>" in page.read_text("utf-8")
    assert main.run(["report", "top-keys", "--key", "more", "--from", log, str(other)]) == 0
    assert '"key":"more"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["top-keys"], 2, "Give --from SOURCE"),
        (["--html", "x.html"], 2, "Give --from SOURCE"),
        (["--from", "LOG"], 2, "Give a report's NAME"),
        (["top-kees", "--from", "LOG"], 1, "Did you mean top-keys?"),
        (["zzz", "--from", "LOG"], 1, "`bucketlog report` lists them."),
        (["clients", "--from", "LOG", "--from-time", "soon"], 1, "'soon' is no time."),
        (
            ["clients", "--from", "LOG", "--from-time", "1d", "--to-time", "2d"],
            1,
            "--from-time is not before --to-time",
        ),
        (["clients", "--from", "LOG", "--top", "0"], 2, "0 is not in the range"),
        (["clients", "--from", "LOG.none"], 1, "LOG.none"),
    ],
)
def test_wrong_use_is_told(
    arguments: list[str], code: int, told: str, log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.replace("LOG", log) for word in arguments]
    assert main.run(["report", *given]) == code
    out = capsys.readouterr()
    assert told.replace("LOG", log) in out.err
    assert "Traceback" not in out.err
