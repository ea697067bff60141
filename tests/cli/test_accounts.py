"""`bucketlog account`, `user` and `key`, over a data folder."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bucketlog.cli import main
from bucketlog.state.accounts import Accounts
from bucketlog.state.database import Database
from bucketlog.state.generation import Generation

Command = Callable[..., Any]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a server that was started once, named by the environment."""
    folder = tmp_path / "data"
    monkeypatch.setenv("BUCKETLOG_STORE_FOLDER", str(folder))
    database = Database.open(folder)
    Accounts(database, Generation.open(folder)).ensure_root("AKIAROOT", "secret-of-root")
    database.close()
    return folder


@pytest.fixture
def command(data: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command with --json and gives what it printed."""

    def run(*arguments: str) -> Any:
        assert main.run([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_an_account_comes_with_a_key_of_its_root(command: Command) -> None:
    made = command("account", "add", "lab")
    assert list(made) == [
        "name",
        "account_id",
        "canonical_id",
        "arn",
        "access_key",
        "secret_key",
    ]
    assert made["arn"] == f"arn:aws:iam::{made['account_id']}:root"
    assert [each["name"] for each in command("account", "list")] == ["lab", "root"]
    assert made["access_key"] in [each["access_key"] for each in command("key", "list")]


def test_a_user_comes_with_a_key_and_goes_with_all_keys(command: Command) -> None:
    made = command("user", "add", "bob")
    assert made["arn"] == f"arn:aws:iam::{made['account_id']}:user/bob"
    more = command("key", "add", "--user", "bob")
    (listed,) = command("user", "list")
    assert (listed["name"], listed["arn"]) == ("bob", made["arn"])
    keys = {made["access_key"], more["access_key"]}
    assert {each["access_key"] for each in command("key", "list", "--user", "bob")} == keys
    assert set(command("user", "remove", "bob")["access_keys"]) == keys
    assert command("user", "list") == []


def test_a_key_is_removed_by_its_name(command: Command) -> None:
    made = command("key", "add", "--access-key", "AKIAGIVEN", "--secret-key", "given-secret")
    assert (made["access_key"], made["secret_key"]) == ("AKIAGIVEN", "given-secret")
    assert command("key", "remove", "AKIAGIVEN") == {"removed": "AKIAGIVEN"}
    assert [each["access_key"] for each in command("key", "list")] == ["AKIAROOT"]


def test_a_secret_may_come_on_stdin(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret-from-stdin\n"))
    assert command("user", "add", "bob", "--secret-key", "-")["secret_key"] == "secret-from-stdin"


def test_nothing_is_made_when_the_key_is_refused(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["user", "add", "bob", "--access-key", "AKIAROOT"]) == 1
    assert "The access key AKIAROOT is taken." in capsys.readouterr().err
    assert command("user", "list") == []
    assert main.run(["account", "add", "lab", "--secret-key", "short"]) == 1
    assert [each["name"] for each in command("account", "list")] == ["root"]


def test_no_list_tells_a_secret(command: Command) -> None:
    made = command("user", "add", "bob")
    for noun in ("account", "user", "key"):
        assert made["secret_key"] not in json.dumps(command(noun, "list"))


def test_ids_may_be_given(command: Command) -> None:
    ids = ("--account-id", "111122223333", "--canonical-id", "ab" * 32)
    made = command("account", "add", "lab", *ids)
    assert (made["account_id"], made["canonical_id"]) == ("111122223333", "ab" * 32)


def test_for_people_the_key_is_ready_to_be_pasted(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["user", "add", "bob"]) == 0
    told = capsys.readouterr()
    assert re.search(r"^AWS_ACCESS_KEY_ID=AKIA[A-Z2-7]{16}$", told.out, re.MULTILINE)
    assert re.search(r"^AWS_SECRET_ACCESS_KEY=\S{40}$", told.out, re.MULTILINE)
    assert "shown this once" in told.err


def test_in_a_pipe_a_list_has_tabs_and_no_titles(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["user", "add", "bob"]) == 0
    capsys.readouterr()
    for noun, first, columns in (("account", "root", 4), ("user", "bob", 4), ("key", "AKIA", 3)):
        assert main.run([noun, "list"]) == 0
        rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
        assert rows[0][0].startswith(first)
        assert {len(row) for row in rows} == {columns}


def test_on_a_terminal_a_list_is_a_table(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    assert main.run(["account", "list"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"name +account id +canonical id +created", told)


def test_removing_says_what_is_gone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["user", "add", "bob", "--access-key", "AKIABOB"]) == 0
    capsys.readouterr()
    assert main.run(["user", "remove", "bob"]) == 0
    assert capsys.readouterr().out == "removed bob and AKIABOB\n"
    assert main.run(["key", "remove", "AKIAROOT"]) == 0
    assert capsys.readouterr().out == "removed AKIAROOT\n"


def test_the_data_folder_may_be_named_by_flag_or_file(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BUCKETLOG_STORE_FOLDER")
    config = tmp_path / "bucketlog.toml"
    config.write_text(f"[store]\nfolder = '{data}'\n")
    for where in (["--data", str(data)], ["--config", str(config)]):
        assert main.run(["account", "list", *where]) == 0
        assert capsys.readouterr().out.startswith("root\t")


def test_looking_does_not_make_a_data_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "mistyped"
    for arguments in (["account", "list"], ["key", "remove", "AKIA"], ["user", "remove", "bob"]):
        assert main.run([*arguments, "--data", str(missing)]) == 1
        assert f"There is no state in {missing}" in capsys.readouterr().err
    assert not missing.exists()
    assert main.run(["account", "add", "lab", "--data", str(missing)]) == 0
