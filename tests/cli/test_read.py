"""`bucketlog read`: sources to the rows and columns that are wanted, in the right format."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from tests.support import logs

from bucketlog.cli import main, progress, tables, telling
from bucketlog.reader.account import Account
from bucketlog.reader.scan import Progress
from bucketlog.reader.schema import SCHEMA

Captured = pytest.CaptureFixture[str]


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal, and keeps what it is given."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        return self.buffer.getvalue().decode()  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return logs.folder(tmp_path)


def _on_terminal(monkeypatch: pytest.MonkeyPatch, *arguments: str, width: int = 150) -> str:
    """What `bucketlog read` prints on a terminal of that width and 40 lines."""
    stream = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        for name, value in (("COLUMNS", str(width)), ("LINES", "40"), ("NO_COLOR", "1")):
            patch.setenv(name, value)
        patch.setenv("TERM", "dumb")
        code = main.run(["read", "-q", *arguments])
    told = stream.text()
    assert bool(told) == (code == 0)
    return told


def _rows(capsys: Captured) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_in_a_pipe_rows_are_json_lines_and_the_summary_is_on_stderr(
    folder: Path, capsys: Captured
) -> None:
    assert main.run(["read", str(folder), "--ordered"]) == 0
    told = capsys.readouterr()
    rows = [json.loads(line) for line in told.out.splitlines()]
    assert len(rows) == 300
    assert {row["source_object"] for row in rows} == {
        str(folder / name) for name in ("a.log", "b.log.gz", "deep/c.log")
    }
    assert told.err == ("bucketlog: 3 objects, 300 lines: 300 rows, 0 rejects, 0 ambiguous\n")


def test_quiet_says_nothing_but_what_is_wrong(folder: Path, capsys: Captured) -> None:
    assert main.run(["read", str(folder), "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_columns_are_chosen_in_their_order_derived_ones_too(folder: Path, capsys: Captured) -> None:
    assert main.run(["read", str(folder), "--columns", "era, time ,bucket,time", "-q"]) == 0
    assert {tuple(row) for row in _rows(capsys)} == {("era", "time", "bucket")}


def test_derived_columns_come_behind_the_others(folder: Path, capsys: Captured) -> None:
    assert main.run(["read", str(folder), "--derive", "era", "-q", "--limit", "1"]) == 0
    assert list(_rows(capsys)[0])[-2:] == ["line_number", "era"]
    assert main.run(["read", str(folder), "--derive", "all", "--format", "tsv", "-q"]) == 0
    names = capsys.readouterr().out.splitlines()[0].split("\t")
    assert names[: len(SCHEMA)] == SCHEMA.names
    assert "key_decoded" in names


def test_rows_are_chosen_by_a_condition_even_on_columns_that_are_not_shown(
    folder: Path, capsys: Captured
) -> None:
    arguments = ["read", str(folder), "-q", "--columns", "key"]
    assert main.run([*arguments, "--where", "method = 'PUT' and http_status = 200"]) == 0
    chosen = _rows(capsys)
    assert 0 < len(chosen) < 300
    assert main.run(["read", str(folder), "-q", "--where", "method = 'PUT'"]) == 0
    assert "method" not in _rows(capsys)[0]


def test_a_limit_stops_reading_and_says_so(folder: Path, capsys: Captured) -> None:
    for limit in (0, 1, 150):
        assert main.run(["read", str(folder), "--limit", str(limit)]) == 0
        told = capsys.readouterr()
        assert len(told.out.splitlines()) == limit
        assert "stopped at the limit" in told.err


def test_a_file_is_written_in_the_format_of_its_name(folder: Path, tmp_path: Path) -> None:
    for name in ("rows.json", "rows.csv", "rows.tsv", "rows.arrow", "rows.parquet", "rows"):
        assert main.run(["read", str(folder), "-q", "-o", str(tmp_path / name)]) == 0
    assert parquet.read_table(tmp_path / "rows.parquet").num_rows == 300
    assert (tmp_path / "rows").read_bytes().count(b"\n") == 300
    assert (tmp_path / "rows").read_bytes()[:1] == b"{"
    assert not list(tmp_path.glob(".*"))


def test_a_file_that_is_there_is_replaced_only_by_a_whole_one(
    folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    file = tmp_path / "rows.json"
    file.write_text("what was there")
    (folder / "broken.log").write_text("this is no record\n")
    assert main.run(["read", str(folder), "--strict", "-o", str(file)]) == 1
    assert file.read_text() == "what was there"
    assert not list(tmp_path.glob(".*"))
    assert "can't be read" in capsys.readouterr().err


def test_rejects_are_written_with_reason_place_and_bytes(tmp_path: Path, capsys: Captured) -> None:
    source, rejects = tmp_path / "odd.log", tmp_path / "rejects.json"
    source.write_bytes(logs.data(3) + b"junk \xff\x1b\n" + logs.data(2))
    assert main.run(["read", str(source), "--rejects", str(rejects)]) == 0
    assert "1 reject (1: no owner" in capsys.readouterr().err
    [told] = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert told["line_number"] == 4
    assert told["offset"] == len(logs.data(3))
    assert told["source_object"] == str(source)
    assert told["bytes"].encode("latin-1") == b"junk \xff\x1b"


def test_objects_in_trouble_are_named_the_rest_is_read_and_the_exit_code_is_1(
    folder: Path, capsys: Captured
) -> None:
    (folder / "dangling").symlink_to("nowhere")
    (folder / "empty").touch()
    (folder / "junk").write_bytes(bytes(range(256)) * 40)
    (folder / "torn.gz").write_bytes((folder / "b.log.gz").read_bytes()[:-200])
    assert main.run(["read", str(folder)]) == 1
    told = capsys.readouterr()
    assert len(told.out.splitlines()) >= 300
    for name in ("dangling", "junk", "torn.gz"):
        assert f"bucketlog: {folder / name}: " in told.err
    assert "3 in trouble" in told.err
    assert str(folder / "empty") not in told.err


def test_a_folder_given_as_a_file_to_write_is_refused(folder: Path, capsys: Captured) -> None:
    assert main.run(["read", str(folder), "-q", "-o", str(folder)]) == 1
    assert f"{folder} is a folder." in capsys.readouterr().err
    assert main.run(["read", str(folder), "-q", "-o", str(folder / "no" / "x")]) == 1
    assert "can't be written: No such file or directory." in capsys.readouterr().err


def test_a_device_is_written_as_it_is(folder: Path) -> None:
    assert main.run(["read", str(folder), "-q", "-o", "/dev/null"]) == 0
    assert Path("/dev/null").is_char_device()


def test_a_full_disk_is_a_problem(folder: Path, capsys: Captured) -> None:
    assert main.run(["read", str(folder), "-q", "-o", "/dev/full"]) == 1
    assert "No space left on device" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--columns", "kee"), "There is no column kee.\n  Did you mean key"),
        (("--derive", "clint"), "There is no column clint.\n  Did you mean client"),
        (("--derive", "bucket"), "There is no column bucket."),
        (("--where", "htp_status = 1"), "There is no column htp_status."),
        (("--format", "table", "-o", "x.txt"), "A table is for people"),
        (("--ip", "hash"), "need a key"),
        (("--requester", "hash"), "need a key"),
        (("--ip", "encrypt", "--key-env", "NO_SUCH_KEY"), "no variable NO_SUCH_KEY"),
    ],
)
def test_what_cannot_be_done_is_a_problem_with_a_hint(
    folder: Path, capsys: Captured, arguments: tuple[str, ...], told: str
) -> None:
    assert main.run(["read", str(folder), *arguments]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert "\n  " in error


@pytest.mark.parametrize("option", ["--columns", "--derive"])
def test_no_names_are_wrong_usage(folder: Path, capsys: Captured, option: str) -> None:
    assert main.run(["read", str(folder), option, " , "]) == 2
    assert f"{option} names no column." in capsys.readouterr().err


def test_a_source_that_is_not_there_is_a_problem(tmp_path: Path, capsys: Captured) -> None:
    assert main.run(["read", str(tmp_path / "none")]) == 1
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_addresses_and_signatures_are_hidden_on_request(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "0123456789abcdef0123456789abcdef")
    told: dict[str, list[dict[str, Any]]] = {}
    for way in ("keep", "drop", "truncate", "hash", "encrypt"):
        arguments = ["--ip", way, "--key-env", "A_KEY", "--strip-signatures", "--ordered", "-q"]
        assert main.run(["read", str(folder), *arguments]) == 0
        told[way] = _rows(capsys)
    addresses = {way: {row.get("remote_ip") for row in rows} for way, rows in told.items()}
    assert addresses["drop"] == {None}
    assert not addresses["hash"] & addresses["keep"] - {None}
    assert not addresses["encrypt"] & addresses["keep"] - {None}
    assert len(addresses["truncate"]) < len(addresses["keep"]) == len(addresses["hash"])
    assert not any(
        "X-Amz-Signature=" + "0" * 8 in row.get("request_uri", "") for row in told["keep"]
    )
    monkeypatch.setenv("A_KEY", "short")
    assert main.run(["read", str(folder), "--ip", "hash", "--key-env", "A_KEY"]) == 1
    assert main.run(["read", str(folder), "-q", "--requester", "keep", "--limit", "1"]) == 0


# ── on a terminal ───────────────────────────────────────────────────────────────────────────────


def test_on_a_terminal_the_first_rows_are_a_table_and_all_are_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = _on_terminal(monkeypatch, str(folder), "--ordered").splitlines()
    assert all(len(line) <= 150 for line in lines)
    title = next(line for line in lines if "operation" in line)
    assert title.split() == [
        "time", "remote_ip", "requester", "operation", "bucket", "key", "status", "bytes", "ms",
    ]  # fmt: skip
    shown = [line for line in lines if line.strip().startswith("2026-")]
    assert len(shown) == 34  # what fits
    assert lines[-1] == "These are the first 34 of 300 rows. For more: --limit N, or -o FILE."


def test_a_narrow_terminal_gets_fewer_columns(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = _on_terminal(monkeypatch, str(folder), "--limit", "5", width=80)
    assert max(map(len, told.splitlines())) <= 80
    assert "operation" in told
    assert "remote_ip" not in told
    assert "These are" not in told
    assert tables.usual(80) != tables.usual(200) == tables.USUAL


@pytest.mark.parametrize(
    "arguments",
    [
        ("--columns", "user_agent,raw,extra_fields,request_uri,acl_required", "--limit", "2000"),
        ("--format", "json"),
        ("--format", "csv"),
        ("--format", "tsv"),
    ],
)
def test_no_control_character_of_a_log_reaches_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    source = tmp_path / "hostile.log"
    source.write_bytes(logs.data(2000, mix="hostile"))
    assert b"\x1b[31mred" in source.read_bytes()
    told = _on_terminal(monkeypatch, str(source), *arguments)
    assert told.count("\n") > 1000
    assert "31mred" in told or arguments[0] == "--columns"
    assert {each for each in told if not each.isprintable()} <= {"\n", "\t"}


def test_binary_formats_are_not_for_terminals(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    for form in ("parquet", "arrow"):
        assert _on_terminal(monkeypatch, str(folder), "--format", form) == ""
        assert f"{form} is not for terminals." in capsys.readouterr().err


def test_a_table_may_be_asked_for_in_a_pipe(folder: Path, capsys: Captured) -> None:
    assert main.run(["read", str(folder), "-q", "--format", "table", "--limit", "0"]) == 0
    assert main.run(["read", str(folder), "-q", "--format", "table", "--limit", "3"]) == 0
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert sum(line.strip().startswith("2026-") for line in told.splitlines()) == 3


# ── how far it is, and what it came to ──────────────────────────────────────────────────────────


def test_progress_tells_bytes_rate_and_time_left() -> None:
    half = Progress(3, 2_000_000_000, 3_000_000, 10, 4_000_000_000)
    assert progress.told(half, 4.0) == (
        "2.0 GB of 4.0 GB, 500.0 MB/s, 4 s left, 3 of 10 objects, 3,000,000 rows"
    )
    assert progress.told(Progress(0, 1500, 7, None, None), 1.0) == "1.5 kB, 1.5 kB/s, 7 rows"
    assert progress.told(Progress(0, 0, 0, 1, 100), 0.0) == "0 B of 100 B, 0 B/s, 0 rows"


def test_a_bar_is_drawn_on_a_terminal_only_and_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    half = Progress(1, 50, 5, 2, 100)
    for is_quiet, patience, is_drawn in (
        (False, 0.0, True),
        (False, 99.0, False),
        (True, 0.0, False),
    ):
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress, "_PATIENCE_S", patience)
        monkeypatch.setenv("COLUMNS", "150")
        with progress.Bar(is_quiet=is_quiet) as bar:
            bar(half)
            bar.pause()
            bar(half)
        assert ("50 B of 100 B" in stream.text()) == is_drawn


def test_the_summary_names_at_most_ten_in_trouble_and_every_note(capsys: Captured) -> None:
    from bucketlog.reader.objects import Trouble

    told = Account(notes=["Requests are anonymous."])
    for number in range(12):
        told.note(Trouble(f"object-{number}\x1b", "it is gone"))
    told.lines = 2
    told.rows = 1
    telling.account(told)
    error = capsys.readouterr().err
    assert "bucketlog: Requests are anonymous.\n" in error
    assert "object-9\\x1b: it is gone" in error
    assert "object-10" not in error
    assert "and 2 more that could not be read" in error
    assert "12 in trouble, WHICH DOES NOT ADD UP" in error
    assert telling.exit_code(told) == 1
