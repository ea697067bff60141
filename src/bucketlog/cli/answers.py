"""An answer as a table on a terminal: whole numbers, shortened texts, as many columns as fit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from bucketlog.cli import options, texts

if TYPE_CHECKING:
    from rich.console import Console

_SHORTEST = 20  # characters to which a text is cut before columns are left out
_WIDE = 200  # where there is no terminal to fit
_GAP = 3  # between columns
_PLAIN = frozenset({"http_status", "line_number", "field_count"})  # digits without commas


def show(rows: Sequence[dict[str, Any]], names: Sequence[str], title: str | None = None) -> None:
    """Prints the rows; columns that don't fit are left out, from the right, and named."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = _console()
    cells = [[_cell(name, row[name]) for name in names] for row in rows]
    rigid = [any(isinstance(row[name], int | float | datetime) for row in rows) for name in names]
    widths = _widths(names, cells, rigid, console.width - 2)  # a blank at either side
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for place, width in enumerate(widths):
        is_number = any(isinstance(row[names[place]], int | float) for row in rows)
        table.add_column(
            Text(texts.shown(names[place])),
            justify="right" if is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=width,
        )
    for shown in cells:
        table.add_row(*(Text(cell, "dim" if cell == "-" else "") for cell in shown[: len(widths)]))
    if title is not None:
        console.print(Text(f"\n{title}", "bold"))
    console.print(table)
    if left_out := [texts.shown(name) for name in names[len(widths) :]]:
        click.echo(f"No room for {', '.join(left_out)}; --format csv has all columns.", err=True)


def _widths(
    names: Sequence[str], cells: Sequence[Sequence[str]], rigid: Sequence[bool], room: int
) -> list[int]:
    """Of the columns that are shown; the first always is. Only texts are shortened."""
    from rich.cells import cell_len

    needed = [
        max(cell_len(texts.shown(name)), *(cell_len(row[place]) for row in cells), 1)
        for place, name in enumerate(names)
    ]

    def limited(longest: int) -> list[int]:
        pairs = zip(needed, rigid, strict=True)
        return [width if is_rigid else min(width, longest) for width, is_rigid in pairs]

    longest = max(needed, default=0)
    while longest > _SHORTEST and sum(width + _GAP for width in limited(longest)) > room:
        longest -= 1
    widths: list[int] = []
    for width in limited(longest):
        if widths and sum(widths) + _GAP * len(widths) + width > room:
            break
        widths.append(min(width, room))
    return widths


def _console() -> Console:
    from rich.console import Console

    if options.is_terminal():
        return options.console()
    return Console(highlight=False, width=int(os.environ.get("COLUMNS") or _WIDE))


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return str(value) if name in _PLAIN else f"{value:,}"
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix("+00:00")
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    text = str(value)
    if text.startswith("arn:"):  # what tells it from others is at its end
        text = text.split(":", 5)[-1]
    return texts.shown(text)
