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

from bucketlog.cli import texts

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
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        is_number = any(isinstance(row[name], int) for row in rows)
        is_long = name in ("key", "requester", "request_uri", "user_agent", "referer")
        table.add_column(
            _TITLES.get(name, name) if names == list(USUAL) else name,
            justify="right" if is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=19 if name == "time" else None,
            ratio=None,
            max_width=max(24, console.width // 4) if is_long else None,
        )
    for row in rows:
        table.add_row(*(Text(_cell(name, row[name]), _style(name, row[name])) for name in names))
    console.print(table)


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
