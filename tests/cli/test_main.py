"""The table of commands, and how each way to end shows."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bucketlog.cli import main
from bucketlog.problems import Problem

BUCKETLOG = [sys.executable, "-m", "bucketlog"]


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BUCKETLOG, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> list[BaseException | int]:
    """A command `end` that ends as the list says: it raises the exception, or returns."""
    how: list[BaseException | int] = []

    @click.command()
    def end() -> None:
        for each in how:
            if isinstance(each, BaseException):
                raise each

    monkeypatch.setattr(f"{__name__}.end", end, raising=False)
    monkeypatch.setitem(sys.modules, "a_command_that_ends", sys.modules[__name__])
    monkeypatch.setitem(main.COMMANDS, "end", ("a_command_that_ends:end", "End."))
    return how


def test_every_command_of_the_table_is_there_under_its_name() -> None:
    context = click.Context(main.bucketlog)
    for name in main.COMMANDS:
        command = main.bucketlog.get_command(context, name)
        assert isinstance(command, click.Command)
        assert command.name == name
    assert main.bucketlog.get_command(context, "nothing") is None


def test_help_lists_the_table_and_imports_no_command() -> None:
    script = (
        "import sys; from bucketlog.cli.main import run; code = run(['--help']);"
        "heavy = {'rich', 'boto3', 'sqlalchemy', 'msgspec', 'asyncio', 'bucketlog.settings'};"
        "print(sorted(heavy & set(sys.modules)), code, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    for name, (_, line) in main.COMMANDS.items():
        assert name in done.stdout
        assert line in done.stdout
    assert done.stderr == "[] 0\n"


def test_help_costs_less_than_a_quarter_of_a_second() -> None:
    def once() -> float:
        before = os.times()
        assert _run("--help").returncode == 0
        after = os.times()
        return (after.children_user + after.children_system) - (
            before.children_user + before.children_system
        )

    assert min(once() for _ in range(3)) < 0.25


def test_done_is_0(ending: list[BaseException | int]) -> None:
    assert main.run(["end"]) == 0
    assert main.run(["--version"]) == 0
    assert main.run(["end", "--help"]) == 0


def test_a_problem_is_1_with_message_and_hint(
    ending: list[BaseException | int], capsys: pytest.CaptureFixture[str]
) -> None:
    ending.append(Problem("The disk is full.", "Make room."))
    assert main.run(["end"]) == 1
    assert capsys.readouterr().err == "bucketlog: The disk is full.\n  Make room.\n"
    ending[:] = [Problem("The disk is full.")]
    assert main.run(["end"]) == 1
    assert capsys.readouterr().err == "bucketlog: The disk is full.\n"


def test_colour_is_left_out_where_it_is_not_wanted(
    ending: list[BaseException | int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ending.append(Problem("No."))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert main.run(["end"]) == 1
    assert "\x1b[31m" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    assert main.run(["end"]) == 1
    assert capsys.readouterr().err == "bucketlog: No.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demoo"], "There is no command demoo. Did you mean demo?"),
        (["zzz"], "There is no command zzz.\n"),
        (["account", "ad"], "No such command 'ad'"),
        (["account", "list", "--nothing"], "No such option"),
        (["logging", "enable", "only-one"], "Missing argument 'TARGET'"),
        (["logging", "enable", "a", "b", "--grant", "prayer"], "'prayer' is not one of"),
    ],
)
def test_wrong_usage_is_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.startswith("Usage: bucketlog")


def test_no_command_shows_the_help_and_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([]) == 2
    assert "Commands:" in capsys.readouterr().err


def test_another_mistake_that_click_finds_is_1(
    ending: list[BaseException | int], capsys: pytest.CaptureFixture[str]
) -> None:
    ending.append(click.ClickException("Out of paper."))
    assert main.run(["end"]) == 1
    assert capsys.readouterr().err == "Error: Out of paper.\n"


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), click.Abort()], ids=repr)
def test_an_interrupt_is_130_without_a_traceback(
    ending: list[BaseException | int],
    interrupt: BaseException,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ending.append(interrupt)
    assert main.run(["end"]) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("code", "expected"), [(3, 3), ("words", 1)])
def test_a_command_may_choose_its_exit_code(
    ending: list[BaseException | int], code: int | str, expected: int
) -> None:
    ending.append(SystemExit(code))
    assert main.run(["end"]) == expected


def test_a_bug_shows_its_traceback(ending: list[BaseException | int]) -> None:
    ending.append(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main.run(["end"])


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    line = "0" * 64 + " b [06/Feb/2019:00:00:38 +0000] - - - REST.GET.BUCKET - - - - - - - -"
    (tmp_path / "record").write_text(line + ' - "-" "-" -\n')
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*BUCKETLOG, "explain", str(tmp_path / "record")],
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_python_m_bucketlog_is_bucketlog() -> None:
    done = _run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("bucketlog, version ")
