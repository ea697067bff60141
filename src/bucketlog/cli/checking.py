"""`bucketlog check`: the proof that every line was read or rejected, and what is odd about a log.

Nothing is written but the report. Exit code 1 where lines are unaccounted for or an object could
not be read to its end; lines that are no records are counted and shown, but are no failure, since
nothing about them was lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from bucketlog import measures
from bucketlog.cli import options as terminal
from bucketlog.cli import progress, telling, texts
from bucketlog.cli.progress import Bar
from bucketlog.cli.reading import source_options

if TYPE_CHECKING:
    import pyarrow as pa

    from bucketlog.reader.account import Account

_MOST_BYTES = 160  # of an example that are shown
_MOST_AMBIGUOUS = 3
_MOST_TROUBLES = 20
_COLUMNS = ("parse_ambiguous", "raw", "source_object", "line_number")
_WIDTH = 17


@dataclass(frozen=True, slots=True)
class Example:
    """One line: where it is, and how it begins. `offset` is None where it isn't known."""

    source_object: str
    line_number: int
    offset: int | None
    beginning: bytes
    length: int


class Examples:
    """The first line of each reason to reject, and the first ambiguous ones."""

    def __init__(self) -> None:
        self.rejects: dict[str, Example] = {}
        self.ambiguous: list[Example] = []

    def add_rejects(self, batch: pa.RecordBatch) -> None:
        """Looks whether there is a new reason among them."""
        for reason in batch.column("reason").cast("string").unique().to_pylist():
            name = reason.partition(":")[0]
            if name not in self.rejects:
                index = batch.column("reason").cast("string").index(reason).as_py()
                self.rejects[name] = _example(batch.slice(index, 1), "bytes")

    def add_rows(self, batch: pa.RecordBatch) -> None:
        """Takes ambiguous ones until there are enough."""
        if len(self.ambiguous) < _MOST_AMBIGUOUS and batch.column("parse_ambiguous").true_count:
            odd = batch.filter(batch.column("parse_ambiguous"))
            more = range(min(odd.num_rows, _MOST_AMBIGUOUS - len(self.ambiguous)))
            self.ambiguous += [_example(odd.slice(index, 1), "raw") for index in more]


def _example(row: pa.RecordBatch, column: str) -> Example:
    values = row.to_pylist()[0]
    line = values[column] or b""
    return Example(
        source_object=values["source_object"],
        line_number=values["line_number"],
        offset=values.get("offset"),
        beginning=line[:_MOST_BYTES],
        length=len(line),
    )


@click.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@terminal.as_json
@source_options
def check(
    sources: tuple[str, ...],
    as_json: bool,
    strict: bool,
    endpoint: str | None,
    profile: str | None,
    region: str | None,
    quiet: bool,
) -> int:
    """Count everything in access logs: is each line a row or a reject?

    Shows what was rejected and why, with the first line of each reason; which lines can be read in
    two ways; the eras, the time that is covered, its largest gap, and how late records were
    delivered. The exit code is 1 if the count doesn't add up or an object could not be read.

    Example: bucketlog check s3://logs/2026/
    """
    from bucketlog.reader.scan import scan

    examples = Examples()
    with (
        Bar(is_quiet=quiet) as bar,
        scan(
            *sources,
            columns=_COLUMNS,
            strict=strict,
            ordered=True,
            endpoint_url=endpoint,
            profile=profile,
            region=region,
            on_reject=examples.add_rejects,
            on_progress=bar,
        ) as found,
    ):
        for batch in found:
            examples.add_rows(batch)
    if as_json:
        terminal.print_json(report(found.account, examples))
    else:
        for line in lines(found.account, examples):
            click.echo(line)
    return telling.exit_code(found.account)


# ── for programs ────────────────────────────────────────────────────────────────────────────────


def report(told: Account, examples: Examples) -> dict[str, Any]:
    """All that is told, for JSON: times in ISO 8601, durations in seconds."""
    gap = told.largest_gap
    return {
        "ok": telling.exit_code(told) == 0,
        "adds_up": told.adds_up,
        "objects": told.objects,
        "bytes": told.bytes,
        "stored_bytes": told.stored_bytes,
        "lines": told.lines,
        "rows": told.rows,
        "rejects": told.rejected,
        "rejects_by_reason": [
            {"reason": reason, "lines": count, "example": _plain(examples.rejects.get(reason))}
            for reason, count in told.rejects.most_common()
        ],
        "ambiguous": told.ambiguous,
        "ambiguous_examples": [_plain(each) for each in examples.ambiguous],
        "field_counts": {
            "structured" if fields is None else str(fields): count
            for fields, count in _ordered(told)
        },
        "eras": dict(sorted(told.eras.items())),
        "first_event": _iso(told.first_event),
        "last_event": _iso(told.last_event),
        "largest_gap": None
        if gap is None
        else {
            "from": _iso(gap.start),
            "to": _iso(gap.end),
            "seconds": gap.duration.total_seconds(),
        },
        "delivery_lag_seconds": None
        if told.longest_lag is None
        else {"median": _seconds(told.median_lag), "longest": _seconds(told.longest_lag)},
        "troubles": told.troubles,
        "objects_in_trouble": [
            {"object": each.name, "reason": each.reason} for each in told.objects_in_trouble
        ],
        "notes": told.notes,
    }


def _plain(example: Example | None) -> dict[str, Any] | None:
    if example is None:
        return None
    return {
        "source_object": example.source_object,
        "line_number": example.line_number,
        "offset": example.offset,
        "beginning": example.beginning.decode("latin-1"),
        "length": example.length,
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else round(duration.total_seconds(), 3)


def _ordered(told: Account) -> list[tuple[int | None, int]]:
    return sorted(told.field_counts.items(), key=lambda each: each[0] or 0)


# ── for people ──────────────────────────────────────────────────────────────────────────────────


def lines(told: Account, examples: Examples) -> Iterator[str]:
    """The report as text, the verdict last."""
    yield _row("objects", f"{told.objects:,}, {progress.size(told.stored_bytes)}{_unpacked(told)}")
    yield _row("lines", f"{told.lines:,}")
    yield _row("rows", f"{told.rows:,}")
    yield _row("rejects", f"{told.rejected:,}")
    for reason, count in told.rejects.most_common():
        yield f"    {count:,}: {texts.shown(reason)}"
        if reason in examples.rejects:
            yield from _shown(examples.rejects[reason])
    yield _row("ambiguous", f"{told.ambiguous:,}")
    for example in examples.ambiguous:
        yield from _shown(example)
    for number, (fields, count) in enumerate(_ordered(told)):
        yield _row("" if number else "eras", f"{count:,} of {_era(fields)}")
    yield from _times(told)
    if told.troubles:
        yield _row("in trouble", f"{told.troubles:,}")
    for trouble in islice(told.objects_in_trouble, _MOST_TROUBLES):
        yield f"    {texts.shown(trouble.name)}: {texts.shown(trouble.reason)}"
    if told.troubles > _MOST_TROUBLES:
        yield f"    and {told.troubles - _MOST_TROUBLES:,} more"
    for note in told.notes:
        yield _row("note", texts.shown(note))
    yield ""
    yield _verdict(told)


def _row(title: str, value: str) -> str:
    return f"{title:<{_WIDTH}}{value}"


def _unpacked(told: Account) -> str:
    return f", {progress.size(told.bytes)} unpacked" if told.bytes != told.stored_bytes else ""


def _shown(example: Example) -> Iterator[str]:
    yield f"        {texts.shown(example.source_object)}, line {example.line_number:,}"
    text = texts.shown(example.beginning.decode("latin-1"))
    more = f"... ({example.length:,} bytes)" if example.length > len(example.beginning) else ""
    if text:
        yield f"        | {text}{more}"


def _era(fields: int | None) -> str:
    from bucketlog.reader.derived import ERAS

    if fields is None:
        return "structured records"
    since = dict(ERAS).get(fields)
    return f"{fields} fields" if since is None else f"{fields} fields, as since {since}"


def _times(told: Account) -> Iterator[str]:
    if told.first_event is not None and told.last_event is not None:
        yield _row("first event", _told(told.first_event))
        yield _row("last event", _told(told.last_event))
    gap = told.largest_gap
    if gap is not None:
        yield _row(
            "largest gap", f"{_about(gap.duration)}, from {_told(gap.start)} to {_told(gap.end)}"
        )
    if told.longest_lag is not None and told.median_lag is not None:
        yield _row(
            "delivery lag",
            f"{_about(told.median_lag)} in the middle, {_about(told.longest_lag)} at most",
        )


def _told(at: datetime) -> str:
    return f"{at.isoformat(' ').removesuffix('+00:00')} UTC"


def _about(duration: timedelta) -> str:
    return measures.about(duration.total_seconds())


def _verdict(told: Account) -> str:
    count = (
        f"{telling.counted(told.lines, 'line')} = {telling.counted(told.rows, 'row')} + "
        f"{telling.counted(told.rejected, 'reject')}"
    )
    if not told.adds_up:
        missing = told.lines - told.rows - told.rejected
        return f"THE COUNT DOES NOT ADD UP: {count} leaves {missing:,}. Please report this."
    if told.troubles:
        return f"It adds up, {count}, but {told.troubles:,} could not be read to the end."
    return f"It adds up: {count}."
