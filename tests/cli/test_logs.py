"""`bucketlog explain`: where the record comes from, and how it is shown."""

import io
import json
import re
import sys
from pathlib import Path

import pytest

from bucketlog.accesslog.record import FIELDS
from bucketlog.cli import main

OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
RECORD = (
    f"{OWNER} photos [06/Feb/2019:00:00:38 +0000] 192.0.2.3 - 3E57427F3EXAMPLE REST.GET.OBJECT "
    'cat.png "GET /photos/cat.png HTTP/1.1" 403 AccessDenied 243 - 7 - "-" "curl/7.15.1" - '
    "s9lzHYrFp76ZVxRcpX9= - - - photos.example.com - - - -"
)
OTHER = RECORD.replace("cat.png", "dog.png")


class Stdin(io.TextIOWrapper):
    """Standard input that holds `data`."""

    def __init__(self, data: bytes = b"", *, is_terminal: bool = False) -> None:
        super().__init__(io.BytesIO(data))
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


def _key(capsys: pytest.CaptureFixture[str]) -> object:
    told = json.loads(capsys.readouterr().out)
    return next(each["value"] for each in told["fields"] if each["name"] == "key")


def test_a_record_may_be_an_argument_a_file_or_stdin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "record"
    file.write_text(f"\n{OTHER}\r\n{RECORD}\n")
    for arguments, stdin, key in (
        ([RECORD], b"", "cat.png"),
        ([str(file)], b"", "dog.png"),
        ([str(file), "--line", "2"], b"", "cat.png"),
        (["-"], RECORD.encode(), "cat.png"),
        ([], OTHER.encode() + b"\n", "dog.png"),
    ):
        monkeypatch.setattr(sys, "stdin", Stdin(stdin))
        assert main.run(["explain", *arguments, "--json"]) == 0
        assert _key(capsys) == key


def test_json_has_every_field_with_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["explain", RECORD, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in told["fields"]] == [field.name for field in FIELDS]
    assert all(each["title"] and each["value"] and each["meaning"] for each in told["fields"])
    assert "photos" in told["summary"]
    assert told["remarks"] == []


def test_in_a_pipe_each_field_has_a_line_and_its_meaning_below(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main.run(["explain", RECORD]) == 0
    told = capsys.readouterr().out
    lines = told.splitlines()
    for field in FIELDS:
        assert any(line.startswith(f"{field.title:<22}") for line in lines)
    assert "Error Code            AccessDenied" in lines
    assert "\x1b" not in told
    meanings = [line for line in lines if line.startswith(" " * 22)]
    assert max(len(line) for line in meanings) <= 80


def test_on_a_terminal_the_fields_are_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    quoted = RECORD.replace("curl/7.15.1", 'cu"rl')
    assert main.run(["explain", quoted]) == 0
    told = capsys.readouterr().out
    assert re.search(r"field +value +meaning", told)
    assert re.search(r"Error Code +AccessDenied", told)
    assert "Note: " in told


def test_a_record_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = RECORD.replace("curl/7.15.1", "\x1b]0;title\x07\x9b31m\u202e")
    assert main.run(["explain", evil]) == 0
    told = capsys.readouterr().out
    assert r"\x1b]0;title\x07" in told
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", told)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["no-such-file"], 1, "The file no-such-file can't be read: No such file"),
        (["/"], 1, "The file / can't be read: Is a directory"),
        (["no record at all"], 1, "is not a record"),
        (["-"], 1, "There is no line 1 in stdin."),
        (["-", "--line", "0"], 2, "Invalid value for '--line'"),
    ],
)
def test_what_is_no_record_is_told(
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin())
    assert main.run(["explain", *arguments]) == code
    assert message in capsys.readouterr().err


def test_without_a_record_a_person_is_asked_for_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(is_terminal=True))
    assert main.run(["explain"]) == 2
    assert "Give a LINE in quotes, a FILE, or -" in capsys.readouterr().err
