"""`bucketlog query` and `bucketlog report`: questions about logs, in SQL or by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bucketlog.cli import answers, formats, options, output, tables, telling
from bucketlog.cli import filters as derived_columns
from bucketlog.cli.progress import Bar
from bucketlog.cli.reading import source_options
from bucketlog.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa

    from bucketlog.lake.query import Answer
    from bucketlog.lake.reports import Filters
    from bucketlog.reader.account import Account
    from bucketlog.reader.scan import Scan

F = TypeVar("F", bound=Callable[..., Any])

_MEMORY = "1GB"
_MOST_SHOWN = 1000  # rows of a table for people
_FORMATS = ("table", *formats.FORMATS)


def _from(command: F) -> F:
    """Adds --from and what reading its sources takes, for `_Sources`."""
    return click.option(
        "--from",
        "sources",
        metavar="SOURCE...",
        multiple=True,
        help="Files, folders, globs, s3://bucket/prefix, - for stdin.",
    )(source_options(command))


def _answer_options(command: F) -> F:
    """Adds --format, -o and --memory."""
    for option in (
        click.option(
            "--memory",
            default=_MEMORY,
            metavar="SIZE",
            help=f"How much to hold before spilling to TMPDIR.  [{_MEMORY}]",
        ),
        click.option(
            "-o",
            "--output",
            "file",
            type=click.Path(path_type=Path),
            help="Write to a file, which appears when it is whole.",
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice(_FORMATS),
            help="[default: by the name of -o FILE; else a table on a terminal, JSON lines in a "
            "pipe]",
        ),
    ):
        command = option(command)
    return command


class _Sources:
    """Opens the sources when rows are wanted, and tells what reading them came to."""

    def __init__(self, names: Sequence[str], quiet: bool, **options: Any) -> None:
        self.names = tuple(names)
        self._is_quiet = quiet
        self._options = options
        self._bar = Bar(is_quiet=quiet)
        self._scan: Scan | None = None
        self._is_whole = False

    def __enter__(self) -> _Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.pause()
        if self._scan is not None:
            self._scan.close()

    def open(self, derive: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The records, with those derived columns."""
        from bucketlog.reader.scan import scan

        self._scan = scan(*self.names, derive=derive, on_progress=self._bar, **self._options)
        yield from self._scan
        self._bar.pause()
        self._is_whole = True

    @property
    def account(self) -> Account:
        """What was read so far."""
        from bucketlog.reader.account import Account

        return Account() if self._scan is None else self._scan.account

    def tell(self) -> int:
        """Says on stderr what was read, unless nothing was; the exit code that follows."""
        if self._scan is None:
            return 0
        self._bar.pause()
        if not self._is_quiet:
            telling.account(self.account, is_partial=not self._is_whole)
        return telling.exit_code(self.account)

    def pause(self) -> None:
        """Takes the bar off the terminal."""
        self._bar.pause()


@click.command()
@click.argument("sql", metavar="SQL")
@click.argument("more", metavar="", nargs=-1)
@_from
@click.option(
    "--derive",
    metavar="NAMES",
    help="Derived columns that * shall have too: all, or names with commas between.",
)
@_answer_options
def query(
    sql: str,
    more: tuple[str, ...],
    sources: tuple[str, ...],
    endpoint: str | None,
    profile: str | None,
    region: str | None,
    strict: bool,
    quiet: bool,
    derive: str | None,
    form: str | None,
    file: Path | None,
    memory: str,
) -> int:
    """Ask about access logs in SQL: the table is `logs`.

    Its columns are the fields of records, and derived ones (method, key_decoded, client, ...) as
    soon as the SQL mentions them. The SQL can read nothing else, and change nothing. JSON comes
    as a line for each row.

    Example: bucketlog query "SELECT operation, count(*) FROM logs GROUP BY ALL" --from logs/
    """
    names = (*sources, *more)
    if not names:
        raise click.UsageError("Give --from SOURCE: what to read.")
    chosen = formats.chosen(form, file, "answer")
    from bucketlog.lake import query as lake

    access = {
        "endpoint_url": endpoint,
        "profile": profile,
        "region": region,
        "strict": strict,
    }
    with _Sources(names, quiet, **access) as read:
        with lake.ask(sql, read.open, derive=_derived(derive), memory=memory) as answer:
            _write(answer, chosen, file, read)
        return read.tell()


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.argument("more", metavar="", nargs=-1)
@_from
@click.option("--bucket", help="Only this bucket.")
@click.option("--key", help="Only this key, as it is or as it stands in the log.")
@click.option("--prefix", help="Only keys that begin so.")
@click.option(
    "--requester",
    help="Only this requester: an ARN, a canonical or account ID, a user's or role's name; "
    "anonymous.",
)
@click.option(
    "--from-time",
    metavar="TIME",
    help="Only from then on: 2026-03-01T12:00Z, or 7d for 7 days ago.",
)
@click.option("--to-time", metavar="TIME", help="Only before then; a date is its beginning, UTC.")
@click.option("--top", type=click.IntRange(min=1), default=20, help="How many rows.  [20]")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with charts instead.")
@_answer_options
@options.as_json
def report(
    name: str | None,
    more: tuple[str, ...],
    sources: tuple[str, ...],
    endpoint: str | None,
    profile: str | None,
    region: str | None,
    strict: bool,
    quiet: bool,
    bucket: str | None,
    key: str | None,
    prefix: str | None,
    requester: str | None,
    from_time: str | None,
    to_time: str | None,
    top: int,
    html: Path | None,
    form: str | None,
    file: Path | None,
    memory: str,
    as_json: bool,
) -> int:
    """Ask a question that has a name; without NAME, list them.

    With --html and no NAME, one page answers all of them. `bucketlog query` takes the SQL of a
    report, too: the page shows it.

    Example: bucketlog report top-keys --from logs/ --bucket photos --from-time 7d
    """
    named, names = _split(name, (*sources, *more))
    if not names and (named or html or more):
        raise click.UsageError("Give --from SOURCE: what to read.")
    if not names:
        _list(as_json)
        return 0
    if named is None and html is None:
        raise click.UsageError(
            "Give a report's NAME, or --html FILE for a page of all. `bucketlog report` lists them."
        )
    filters = _filters(bucket, key, prefix, requester, from_time, to_time)
    access = {
        "endpoint_url": endpoint,
        "profile": profile,
        "region": region,
        "strict": strict,
    }
    with _Sources(names, quiet, **access) as read:
        if html is not None:
            _page(named, read, filters, top, memory, html)
        elif named is not None:
            _answer(named, read, filters, top, memory, "json" if as_json else form, file)
        return read.tell()


def _split(first: str | None, names: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The report's name and the sources: after --from, a shell's glob gives more of these."""
    from bucketlog.lake.reports import NAMES

    if first is None or first in NAMES:
        return first, names
    if names and (Path(first).exists() or first.startswith("s3://")):
        return None, (names[0], first, *names[1:])
    return first, names


def _filters(
    bucket: str | None,
    key: str | None,
    prefix: str | None,
    requester: str | None,
    from_time: str | None,
    to_time: str | None,
) -> Filters:
    from bucketlog.lake import moments
    from bucketlog.lake.reports import Filters

    now = datetime.now(UTC)
    begins = moments.parse(from_time, now) if from_time is not None else None
    ends = moments.parse(to_time, now) if to_time is not None else None
    if begins is not None and ends is not None and begins >= ends:
        raise Problem("--from-time is not before --to-time, so nothing lies between.")
    return Filters(bucket, key, prefix, requester, begins, ends)


def _answer(
    name: str,
    read: _Sources,
    filters: Filters,
    top: int,
    memory: str,
    form: str | None,
    file: Path | None,
) -> None:
    from bucketlog.lake import reports

    asked = reports.named(name)
    chosen = formats.chosen(form, file, "answer")
    with reports.answer(asked, read.open, filters, top=top, memory=memory) as answer:
        _write(answer, chosen, file, read, asked.title)


def _page(
    name: str | None, read: _Sources, filters: Filters, top: int, memory: str, file: Path
) -> None:
    from bucketlog.lake import page, reports

    asked = [reports.named(name)] if name is not None else reports.every()
    with reports.answers(list(asked), read.open, filters, top=top, memory=memory) as told:
        sections = [
            page.Section(
                each,
                table,
                reports.statement(each, filters),
                reports.parameters(each, filters, top),
            )
            for each, table in told.tables
        ]
    words = {
        flag.replace("_", " ").capitalize(): _words(value)
        for flag, value in filters.chosen().items()
    }
    facts = page.Facts(
        read.names,
        words,
        read.account,
        told.records,
        told.first,
        told.last,
        datetime.now(UTC),
    )
    text = page.render(sections, facts)
    with output.opened(None if str(file) == "-" else file) as stream:
        stream.write(text.encode("utf-8"))


def _words(value: object) -> str:
    return value.isoformat(" ") if isinstance(value, datetime) else str(value)


def _list(as_json: bool) -> None:
    from bucketlog.lake import reports

    if as_json:
        options.print_json(
            [
                {
                    "name": each.name,
                    "title": each.title,
                    "text": " ".join(each.text),
                    "columns": dict(each.columns),
                }
                for each in reports.every()
            ]
        )
    else:
        options.print_table(
            ("report", "answers"), ((each.name, each.title) for each in reports.every())
        )


# ── what goes out ───────────────────────────────────────────────────────────────────────────────


def _derived(text: str | None) -> tuple[str, ...]:
    """The derived columns that --derive names."""
    if text is None:
        return ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    every = derived_columns.every_derived()
    for name in names:
        if name not in every and names != ("all",):
            raise Problem(
                f"There is no derived column {name}.", f"There are {', '.join(every)}; or all."
            )
    return tuple(every) if names == ("all",) else names


def _write(
    answer: Answer, form: str, file: Path | None, read: _Sources, title: str | None = None
) -> None:
    if form == "table":
        _show(answer, read, title)
        return
    with output.opened(file) as stream:
        formats.FORMATS[form].write(answer, answer.schema, stream)


def _show(answer: Answer, read: _Sources, title: str | None) -> None:
    """The rows as a table, as many as a person may want to see."""
    rows = tables.rows_of(iter(answer), _MOST_SHOWN + 1)
    read.pause()
    answers.show(rows[:_MOST_SHOWN], answer.schema.names, title)
    if len(rows) > _MOST_SHOWN:
        click.echo(f"These are the first {_MOST_SHOWN:,} rows; -o FILE writes all.", err=True)
