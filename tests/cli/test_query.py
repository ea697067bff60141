"""`bucketlog query`: where answers go, in which format, and what is said beside them."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.support.records import ALICE, row

from bucketlog.cli import answers, main, questions
from bucketlog.reader import derived
from bucketlog.reader.schema import SCHEMA

LINES = [row(key="a b", bytes_sent=1234), row(key="c", http_status=404, requester=None)]


@pytest.fixture
def log(tmp_path: Path) -> str:
    file = tmp_path / "a.log"
    file.write_bytes(b"".join(LINES))
    return str(file)


def test_in_a_pipe_rows_are_json_lines(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT key_decoded, http_status, time, error_code FROM logs"
    assert main.run(["query", sql, "--from", log]) == 0
    told = capsys.readouterr()
    assert [json.loads(line) for line in told.out.splitlines()] == [
        {"key_decoded": "a b", "http_status": 200, "time": "2026-03-01T12:00:00Z"},
        {"key_decoded": "c", "http_status": 404, "time": "2026-03-01T12:00:00Z"},
    ]
    assert "2 lines: 2 rows, 0 rejects" in told.err


@pytest.mark.parametrize(
    ("name", "option", "read"),
    [
        ("x.csv", None, lambda file: file.read_text().splitlines()[0] == '"n"'),
        ("x.tsv", None, lambda file: file.read_text() == "n\n2\n"),
        ("x.out", None, lambda file: file.read_text() == '{"n":2}\n'),
        ("x.out", "csv", lambda file: file.read_text().splitlines()[1] == "2"),
        ("x.parquet", None, lambda file: pq.read_table(file).to_pydict() == {"n": [2]}),
        (
            "x.arrow",
            None,
            lambda file: pa.ipc.open_stream(file).read_all().to_pydict() == {"n": [2]},
        ),
    ],
)
def test_a_file_has_the_format_of_its_name_or_the_one_asked_for(
    name: str, option: str | None, read: Any, log: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    arguments = ["--format", option] if option else []
    sql = "SELECT count(*) AS n FROM logs"
    assert main.run(["query", sql, "--from", log, "-o", str(file), *arguments]) == 0
    assert read(file)


def test_several_sources_may_follow_from(
    log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "b.log"
    other.write_bytes(LINES[0])
    for sources in (["--from", log, str(other)], ["--from", log, "--from", str(other)]):
        assert main.run(["query", "SELECT count(*) AS n FROM logs", *sources]) == 0
        assert capsys.readouterr().out == '{"n":3}\n'


def test_stdin_can_be_asked_twice_in_one_question(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"".join(LINES))))
    sql = "SELECT count(*) AS n FROM logs a JOIN logs b ON a.key <> b.key"
    assert main.run(["query", sql, "--from", "-"]) == 0
    assert capsys.readouterr().out == '{"n":2}\n'


def test_what_could_not_be_read_is_told_and_is_an_exit_code(
    log: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(log).write_bytes(b"".join(LINES) + b"junk\n")
    sql = "SELECT count(*) AS n FROM logs"
    assert main.run(["query", sql, "--from", log]) == 0
    told = capsys.readouterr()
    assert told.out == '{"n":2}\n'
    assert "3 lines: 2 rows, 1 reject (1: " in told.err
    (tmp_path / "broken.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    assert main.run(["query", sql, "--from", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert told.out == '{"n":2}\n'
    assert "broken.gz" in told.err
    assert main.run(["query", sql, "--from", str(tmp_path), "--quiet"]) == 1
    assert capsys.readouterr().err == ""


def test_strict_stops_at_what_can_not_be_read(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(log).write_bytes(b"".join(LINES) + b"junk\n")
    sql = "SELECT count(*) AS n FROM logs"
    assert main.run(["query", sql, "--from", log, "--strict"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    assert told.err.startswith("bucketlog: A line can't be read")


def test_a_limit_says_that_not_all_was_read(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(log).write_bytes(b"".join(LINES) * 200_000)
    assert main.run(["query", "SELECT key FROM logs LIMIT 1", "--from", log]) == 0
    told = capsys.readouterr()
    assert told.out == '{"key":"a%2520b"}\n'
    assert "stopped at the limit" in told.err


def test_derived_columns_can_be_added_to_the_star(
    log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["query", "DESCRIBE FROM logs", "--from", log]
    names = []
    for derive in ([], ["--derive", "method, client"], ["--derive", "all"]):
        assert main.run([*asked, *derive]) == 0
        lines = capsys.readouterr().out.splitlines()
        names.append([json.loads(line)["column_name"] for line in lines])
    assert names[0] == SCHEMA.names
    assert names[1] == [*SCHEMA.names, "method", "client"]
    assert names[2] == [*SCHEMA.names, *derived.COLUMNS]
    assert main.run([*asked, "--derive", "nope"]) == 1
    assert "There is no derived column nope." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["SELECT 1"], 2, "Give --from SOURCE"),
        (["SELECT nope FROM logs", "--from", "LOG"], 1, "There is no column nope in logs."),
        (["SELECT 1 FROM logs", "--from", "LOG.none"], 1, "LOG.none"),
        (["SELECT 1", "--from", "LOG", "--memory", "much"], 1, "'much' is no size of memory."),
        (["SELECT 1", "--from", "LOG", "-o", "/", "--format", "csv"], 1, "/ is a folder."),
        (["SELECT 1", "--from", "LOG", "-o", "x", "--format", "table"], 1, "not for files"),
        (["COPY logs TO '/tmp/x'", "--from", "LOG"], 1, "COPY is not run"),
    ],
)
def test_wrong_use_is_told(
    arguments: list[str], code: int, told: str, log: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.replace("LOG", log) for word in arguments]
    assert main.run(["query", *given]) == code
    out = capsys.readouterr()
    assert told.replace("LOG", log) in out.err
    assert "Traceback" not in out.err


def test_a_table_shows_values_for_people(log: str, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT requester, bytes_sent, time, http_status, 'x\x1b[2J' AS odd, true AS t FROM logs"
    assert main.run(["query", sql, "--from", log, "--format", "table"]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    for text in ("user/alice", "1,234", "2026-03-01 12:00:00 ", " 404 ", "x\\x1b[2J", "yes"):
        assert text in told
    assert ALICE not in told


def test_binary_formats_are_not_for_terminals(
    log: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main.run(["query", "FROM logs", "--from", log, "--format", "arrow"]) == 1
    assert "arrow is not for terminals." in capsys.readouterr().err
    monkeypatch.setenv("TERM", "dumb")
    assert main.run(["query", "SELECT key FROM logs", "--from", log, "-q"]) == 0
    assert " a%2520b" in capsys.readouterr().out


def test_a_long_table_is_cut_and_says_so(
    log: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "_MOST_SHOWN", 3)
    asked = ["query", "SELECT r FROM logs, range(4) t(r)", "--from", log, "-q", "--format", "table"]
    assert main.run(asked) == 0
    told = capsys.readouterr()
    assert told.err == "These are the first 3 rows; -o FILE writes all.\n"
    assert len([line for line in told.out.splitlines() if line.strip().isdigit()]) == 3


def test_columns_that_do_not_fit_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    values = {"key": "k" * 80, "size": 10**15, "who": "w" * 80, "more": "m" * 80, "ok": b"\x00a"}
    answers.show([values], list(values), "Title")
    told = capsys.readouterr()
    assert told.err == "No room for who, more, ok; --format csv has all columns.\n"
    assert "1,000,000,000,000,000" in told.out
    assert max(map(len, told.out.splitlines())) <= 60
    answers.show([], ["nothing"])
    assert "nothing" in capsys.readouterr().out
