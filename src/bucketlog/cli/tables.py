"""Rows as a table for people: a few columns, the first rows, and how many more there are.

What stands in a log was written by strangers, so control characters are shown, never sent to the
terminal.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bucketlog.cli import output, texts

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import Console

USUAL = (
    "time",
    "remote_ip",
    "requester",
    "operation",
    "bucket",
    "key",
    "http_status",
    "bytes_sent",
    "total_time",
)
"""The columns that are shown unless others are asked for."""

_TITLES = {"http_status": "status", "bytes_sent": "bytes", "total_time": "ms"}
_DISPENSABLE = ("remote_ip", "bucket", "bytes_sent", "total_time")
_ROOMY = 110  # characters, for all of them
_RIGID = frozenset({"time", "http_status", "bytes_sent", "object_size", "total_time"})
_TELLING = frozenset(
    {"operation", "key", "key_decoded", "request_uri", "user_agent"}
)  # get twice the room
_NARROWEST = 8
_LONGEST = 400  # characters of a value that are looked at
_WIDE = 200  # where there is no terminal to fit
_CANONICAL = re.compile(r"[0-9a-f]{64}")


def first_rows() -> int:
    """How many rows are shown where nobody says: what fits on the terminal."""
    from bucketlog.cli import options

    return max(10, options.console().size.height - 6) if options.is_terminal() else 50


def show(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Prints the rows, dictionaries by column name."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = _console()
    titles = [_TITLES.get(name, name) for name in names]
    cells = [[_cell(name, row[name]) for name in names] for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, width in enumerate(_widths(titles, cells, names, console.width)):
        is_number = any(isinstance(row[names[place]], int) for row in rows)
        table.add_column(
            titles[place],
            justify="right" if is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
            width=width,
        )
    for row, shown in zip(rows, cells, strict=True):
        table.add_row(
            *(Text(cell, _style(name, row[name])) for name, cell in zip(names, shown, strict=True))
        )
    with console.capture() as told:
        console.print(table)
    # Not by rich itself, which would end the program with code 1 if nobody reads on.
    with output.opened(None) as stream:
        stream.write(told.get().encode())


def usual(width: int | None = None) -> tuple[str, ...]:
    """The columns for a terminal of that width, or of this one."""
    room = _console().width if width is None else width
    return USUAL if room >= _ROOMY else tuple(name for name in USUAL if name not in _DISPENSABLE)


def _widths(
    titles: Sequence[str], cells: Sequence[Sequence[str]], names: Sequence[str], room: int
) -> list[int]:
    """As wide as their contents, or else the text columns are cut, the widest first."""
    from rich.cells import cell_len

    needed = [
        max(cell_len(title), *(cell_len(row[place]) for row in cells), 1)
        for place, title in enumerate(titles)
    ]
    texts_at = [place for place, name in enumerate(names) if name not in _RIGID]
    left = (
        room
        - 3 * len(names)
        - sum(width for place, width in enumerate(needed) if place not in texts_at)
    )
    longest = max(needed)
    while True:
        limits = [2 * longest if name in _TELLING else longest for name in names]
        cut = [min(needed[place], limits[place]) for place in texts_at]
        if longest <= _NARROWEST or sum(cut) <= left:
            return [
                min(width, limits[at]) if at in texts_at else width
                for at, width in enumerate(needed)
            ]
        longest -= 1


def rows_of(batches: Iterable[pa.RecordBatch], limit: int) -> list[dict[str, Any]]:
    """The first rows, no more than that; no more batches are taken than that needs."""
    rows: list[dict[str, Any]] = []
    if limit:
        for batch in batches:
            rows += batch.slice(0, limit - len(rows)).to_pylist()
            if len(rows) >= limit:
                break
    return rows


def _console() -> Console:
    from rich.console import Console

    from bucketlog.cli import options

    if options.is_terminal():
        return options.console()
    return Console(highlight=False, width=int(os.environ.get("COLUMNS") or _WIDE))


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix("+00:00")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if name in ("http_status", "line_number") else f"{value:,}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        value = value[:_LONGEST].decode("latin-1")
    if isinstance(value, list):
        value = " ".join(map(str, value))
    text = str(value)[:_LONGEST]
    return texts.shown(_who(text) if name == "requester" else text)


def _who(requester: str) -> str:
    """A requester by what tells it from others; a table has no room for the rest."""
    if requester.startswith("arn:"):
        return requester.partition("/")[2] or requester
    return f"{requester[:12]}…" if _CANONICAL.fullmatch(requester) else requester


def _style(name: str, value: Any) -> str:
    if value is None:
        return "dim"
    if name == "http_status" and isinstance(value, int):
        return "red" if value >= 500 else "yellow" if value >= 400 else "green"
    return "cyan" if name == "time" else ""
