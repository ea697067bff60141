"""`bucketlog explain`: what a record says, field by field.

What stands in a log was written by strangers, so control characters are shown, never sent to the
terminal.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bucketlog.cli import options
from bucketlog.problems import Problem

if TYPE_CHECKING:
    from bucketlog.reader.explain import Explanation

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_INDENT = 22  # the longest title, "Authentication Type", and room


@click.command()
@click.argument("record", metavar="[LINE|FILE|-]", required=False)
@click.option(
    "--line", "number", type=click.IntRange(min=1), default=1, help="Which line of a file.  [1]"
)
@options.as_json
def explain(record: str | None, number: int, as_json: bool) -> None:
    """Say what every field of a record means, in this record.

    The record is given as one quoted argument, as a file (its first line, unless --line says
    otherwise), or on stdin.

    Example: bucketlog explain record.txt
    """
    if record is None and sys.stdin.isatty():
        raise click.UsageError("Give a LINE in quotes, a FILE, or - and the line on stdin.")
    from bucketlog.reader.explain import explain as told_of

    told = told_of(_line(record or "-", number))
    if as_json:
        options.print_json(
            {
                "summary": told.summary,
                "remarks": list(told.remarks),
                "fields": [
                    {
                        "name": each.field.name,
                        "title": each.field.title,
                        "value": each.value,
                        "meaning": each.meaning,
                    }
                    for each in told
                ],
            }
        )
    elif options.is_terminal():
        _show(told)
    else:
        for line in _lines(told):
            click.echo(line)


def _line(record: str, number: int) -> bytes:
    """The line that is meant, without its end."""
    if record == "-":
        return _nth(sys.stdin.buffer, number, "stdin")
    try:
        with Path(record).open("rb") as file:
            return _nth(file, number, record)
    except OSError as error:
        if " " in record:  # no file of that name, so it is a line
            return os.fsencode(record)
        raise Problem(
            f"The file {record} can't be read: {error.strerror}.",
            "A record given on the command line stands in quotes, as one argument.",
        ) from error


def _nth(lines: Iterable[bytes], number: int, source: str) -> bytes:
    filled = (line.rstrip(b"\r\n") for line in lines if line.strip())
    found = next(islice(filled, number - 1, None), None)
    if found is None:
        raise Problem(f"There is no line {number} in {source}.", "Blank lines aren't counted.")
    return found


def _show(told: Explanation) -> None:
    from rich import box
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = options.console()
    console.print(Padding(Text(_safe(told.summary), "bold"), (1, 0)))
    for remark in told.remarks:
        console.print(Padding(Text(f"Note: {_safe(remark)}", "yellow"), (0, 0, 1, 0)))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("field", style="cyan", no_wrap=True)
    table.add_column("value", overflow="fold", ratio=2)
    table.add_column("meaning", ratio=3)
    for each in told:
        style = "dim" if each.value == "-" else ""
        table.add_row(
            each.field.title, Text(_safe(each.value), style), Text(_safe(each.meaning), style)
        )
    console.print(table)


def _lines(told: Explanation) -> Iterable[str]:
    width = max(60, shutil.get_terminal_size((100, 24)).columns)
    yield from textwrap.wrap(_safe(told.summary), width)
    for remark in told.remarks:
        yield ""
        yield from textwrap.wrap(f"Note: {_safe(remark)}", width)
    yield ""
    for each in told:
        yield f"{each.field.title:<{_INDENT}}{_safe(each.value)}"
        indent = " " * _INDENT
        yield from textwrap.wrap(
            _safe(each.meaning), width, initial_indent=indent, subsequent_indent=indent
        )


def _safe(text: str) -> str:
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
