"""`bucketlog generate`: access log lines to try things on."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from bucketlog import measures
from bucketlog.cli import output

if TYPE_CHECKING:
    from bucketlog.accesslog.generate import Era
    from bucketlog.accesslog.mixes import Mix

_ERAS = ("17", "18", "24", "25", "26", "27", "all")
_RECORDS = 1000


def _size(text: str) -> int:
    try:
        return measures.size(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from error


def _instant(text: str) -> int:
    """Seconds since 1970, of a date or time in ISO 8601; UTC where it names no zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no time; write it like 2026-03-17T09:00:00Z."
        ) from error
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


@click.command()
@click.option("--records", type=click.IntRange(min=0), help=f"How many records.  [{_RECORDS}]")
@click.option(
    "--bytes", "size", type=_size, metavar="SIZE", help="About how much instead, as in 1GB."
)
@click.option("--seed", type=click.IntRange(min=0), default=1, help="What all follows from.  [1]")
@click.option(
    "--era", type=click.Choice(_ERAS), default="27", help="How many fields records have.  [27]"
)
@click.option(
    "--mix",
    type=click.Choice(("default", "website", "lake", "hostile")),
    default="default",
    help="What kind of traffic; hostile has forged and broken lines.  [default]",
)
@click.option(
    "--start", type=_instant, metavar="TIME", help="Time of the first record.  [by the era]"
)
@click.option(
    "--days",
    type=click.FloatRange(min=0, min_open=True, max=36_500),
    default=1.0,
    help="Over how many days.  [1]",
)
@click.option(
    "-o", "--output", "file", type=click.Path(path_type=Path), help="Write to a file, not stdout."
)
def generate(
    records: int | None,
    size: int | None,
    seed: int,
    era: str,
    mix: str,
    start: int | None,
    days: float,
    file: Path | None,
) -> None:
    """Make up realistic access log lines, for trying and measuring.

    The same options give the same bytes, on every machine. Nothing in them is real: addresses are
    from the ranges kept for documentation, keys and signatures belong to nobody.

    Example: bucketlog generate --records 100000 --seed 7 -o access.log
    """
    if records is not None and size is not None:
        raise click.UsageError("Give --records or --bytes, not both.")
    from bucketlog.accesslog import generate as made

    chosen = cast("Era", "all" if era == "all" else int(era))
    mixture = cast("Mix", mix)
    if size is not None:
        records = math.ceil(size / made.average_bytes(seed, era=chosen, mix=mixture))
    blocks = made.lines(
        _RECORDS if records is None else records,
        seed,
        era=chosen,
        mix=mixture,
        start_s=start,
        days=days,
    )
    with output.opened(file) as stream:
        for block in blocks:
            stream.write(block)
