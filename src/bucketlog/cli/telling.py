"""What a scan came to, told in a line or two on stderr; and the exit code that follows from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bucketlog.reader.account import Account

_MOST_TROUBLES = 10


def account(told: Account, *, is_partial: bool = False) -> None:
    """Prints the summary line, and what was in trouble."""
    for note in told.notes:
        click.echo(f"bucketlog: {_shown(note)}", err=True)
    for trouble in told.objects_in_trouble[:_MOST_TROUBLES]:
        click.echo(f"bucketlog: {_shown(trouble.name)}: {_shown(trouble.reason)}", err=True)
    if told.troubles > _MOST_TROUBLES:
        more = told.troubles - _MOST_TROUBLES
        click.echo(f"bucketlog: and {more:,} more that could not be read", err=True)
    click.echo(f"bucketlog: {summary(told, is_partial=is_partial)}", err=True)


def summary(told: Account, *, is_partial: bool = False) -> str:
    """Objects, lines, rows, rejects by reason, ambiguous lines: one line."""
    parts = [
        f"{counted(told.objects, 'object')}, {counted(told.lines, 'line')}: "
        f"{counted(told.rows, 'row')}, {counted(told.rejected, 'reject')}{''.join(_reasons(told))}",
        f"{told.ambiguous:,} ambiguous",
    ]
    if told.troubles:
        parts.append(f"{told.troubles:,} in trouble")
    if is_partial:
        parts.append("stopped at the limit")
    if not told.adds_up:
        parts.append("WHICH DOES NOT ADD UP")
    return ", ".join(parts)


def counted(number: int, noun: str) -> str:
    """`1 line`, `2,000 lines`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _reasons(told: Account) -> Iterator[str]:
    if told.rejects:
        by_reason = (f"{count:,}: {_shown(why)}" for why, count in told.rejects.most_common())
        yield f" ({'; '.join(by_reason)})"


def exit_code(told: Account) -> int:
    """1 where something could not be read at all, or lines got lost; else 0."""
    return 1 if told.troubles or not told.adds_up else 0


def _shown(text: str) -> str:
    from bucketlog.cli import texts

    return texts.shown(text)
