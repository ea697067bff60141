"""The table of commands, and what becomes of whatever ends one.

A command is imported when it is called or asked for its help, so `bucketlog --help` starts at
once. A Problem is a message and a hint on stderr and exit code 1; wrong usage is 2; Ctrl-C is
130; a reader that went away (`| head`) is 141, as the shell says of any program. Everything else
is a bug and shows its traceback.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from bucketlog import __version__
from bucketlog.problems import Problem

# Name: where it is, and its line in `bucketlog --help`. A group's subcommands are listed there.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": (
        "bucketlog.cli.demo:demo",
        "Tell the whole story of access logging, with real requests.",
    ),
    "serve": ("bucketlog.cli.server:serve", "Serve S3 with access logging."),
    "account": ("bucketlog.cli.accounts:account", "Accounts: add, list."),
    "user": ("bucketlog.cli.accounts:user", "Users of an account: add, list, remove."),
    "key": ("bucketlog.cli.accounts:key", "Access keys: add, list, remove."),
    "logging": (
        "bucketlog.cli.logging_rules:logging",
        "A bucket's access logging: enable, disable, status.",
    ),
    "deliver": ("bucketlog.cli.server:deliver", "Deliver the records that are waiting, now."),
    "read": ("bucketlog.cli.reading:read", "Read access logs of any shape into typed rows."),
    "check": ("bucketlog.cli.checking:check", "Prove that every line of a log is accounted for."),
    "explain": ("bucketlog.cli.logs:explain", "Say what every field of a record means."),
    "query": ("bucketlog.cli.questions:query", "Ask about access logs in SQL."),
    "report": ("bucketlog.cli.questions:report", "Ask a question that has a name; a page of all."),
    "generate": (
        "bucketlog.cli.generating:generate",
        "Make up realistic access log lines, from a seed.",
    ),
}

USAGE_ERROR = 2
INTERRUPTED = 130
READER_GONE = 141


class Commands(click.Group):
    """The group of the table's commands, each imported when it is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Takes the first argument for a command's name; a misspelt one is told what is near."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            ctx.fail(f"There is no command {args[0]}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Runs the command; what it printed is out before it counts as done."""
        try:
            done = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            _forget_stdout()
            raise SystemExit(READER_GONE) from None
        return done


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="bucketlog")
def bucketlog() -> None:
    """S3 with complete server access logging: every request recorded, delivered, explained.

    Example: bucketlog demo
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command line and exits."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; its exit code."""
    try:
        code = bucketlog.main(
            None if arguments is None else list(arguments),
            prog_name="bucketlog",
            standalone_mode=False,
        )
        return code if isinstance(code, int) else 0
    except Problem as problem:
        _tell(problem)
        return 1
    except click.UsageError as error:
        error.show()
        return USAGE_ERROR
    except click.ClickException as error:  # a file that can't be opened and the like
        error.show()
        return 1
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else 1


def _tell(problem: Problem) -> None:
    is_plain = bool(os.environ.get("NO_COLOR"))
    word = "bucketlog:" if is_plain else click.style("bucketlog:", fg="red", bold=True)
    click.echo(f"{word} {problem.message}", err=True)
    if problem.hint is not None:
        click.echo(f"  {problem.hint}", err=True)


def _forget_stdout() -> None:
    # Or the interpreter flushes at its end what nobody reads, and complains.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
