"""Options that several commands share, and how they print."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

    from bucketlog.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def data_folder(command: F) -> F:
    """Adds --data and --config, for `settings`."""
    command = click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        help="TOML file that names the data folder.  [BUCKETLOG_CONFIG]",
    )(command)
    return click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        help="Data folder of the server.  [default: bucketlog-data; BUCKETLOG_STORE_FOLDER]",
    )(command)


def as_json(command: F) -> F:
    """Adds --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def settings(data: Path | None, config: Path | None) -> Settings:
    """The settings with --data and --config counted in."""
    from bucketlog import settings as configuration

    return configuration.load({"store.folder": data}, os.environ, config)


def console() -> Console:
    """Where text for people goes: colours on a terminal that wants them, whole lines elsewhere."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not is_terminal())


def is_terminal() -> bool:
    """Whether a person reads what is printed: on a terminal, or where FORCE_COLOR says so."""
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def print_json(value: object) -> None:
    """Prints a value as JSON, readable by people too."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere tabs between columns, for `cut` and `awk`."""
    if not is_terminal():
        for row in rows:
            click.echo("\t".join(row))
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)
