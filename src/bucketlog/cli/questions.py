"""`bucketlog query` and `bucketlog report`: questions about logs, in SQL or by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bucketlog.cli import formats, options, output
from bucketlog.problems import Problem

if TYPE_CHECKING:
    from bucketlog.lake.query import Answer
    from bucketlog.lake.reports import Filters
    from bucketlog.reader.account import Account
    from bucketlog.reader.scan import Scan

F = TypeVar("F", bound=Callable[..., Any])

_MEMORY = "1GB"
_MOST_SHOWN = 1000  # rows of a table for people
_FORMATS = ("table", *formats.FORMATS)


def _source_options(command: F) -> F:
    """Adds --from and what reading its sources takes, for `_Sources`."""
    for option in (
        click.option("--strict", is_flag=True, help="Stop at the first thing that can't be read."),
        click.option("--region", help="Region of s3:// sources.  [AWS_DEFAULT_REGION]"),
        click.option("--profile", help="Profile of the AWS settings.  [AWS_PROFILE]"),
        click.option(
            "--endpoint",
            metavar="URL",
            help="S3 endpoint of s3:// sources.  [default: Amazon's; AWS_ENDPOINT_URL]",
        ),
        click.option(
            "--from",
            "sources",
            metavar="SOURCE...",
            multiple=True,
            help="Files, folders, globs, s3://bucket/prefix, - for stdin.",
        ),
    ):
        command = option(command)
    return command


def _answer_options(command: F) -> F:
    """Adds --format, -o and --memory."""
    for option in (
        click.option(
            "--memory", default=_MEMORY, metavar="SIZE", help=f"Before it spills.  [{_MEMORY}]"
        ),
        click.option(
            "-o",
            "--output",
            "file",
            type=click.Path(path_type=Path),
            help="Write to a file; its name tells the format.",
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice(_FORMATS),
            help="[default: a table on a terminal, else tab-separated]",
        ),
    ):
        command = option(command)
    return command


class _Sources:
    """Opens the sources when rows are wanted, and knows what reading them came to."""

    def __init__(
        self,
        names: Sequence[str],
        endpoint: str | None,
        profile: str | None,
        region: str | None,
        strict: bool,
    ) -> None:
        self.names = tuple(names)
        self._options = {
            "endpoint_url": endpoint,
            "profile": profile,
            "region": region,
            "strict": strict,
        }
        self._scan: Scan | None = None

    def open(self, derive: Sequence[str]) -> Scan:
        """A scan with those derived columns."""
        from bucketlog.reader.scan import scan

        self._scan = scan(*self.names, derive=derive, **self._options)  # type: ignore[arg-type]
        return self._scan

    def close(self) -> None:
        """Stops reading what nobody asks for any more."""
        if self._scan is not None:
            self._scan.close()

    @property
    def account(self) -> Account:
        """What was read so far."""
        from bucketlog.reader.account import Account

        return Account() if self._scan is None else self._scan.account


@click.command()
@click.argument("sql", metavar="SQL")
@click.argument("more", metavar="", nargs=-1)
@_source_options
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
    derive: str | None,
    form: str | None,
    file: Path | None,
    memory: str,
) -> None:
    """Ask about access logs in SQL: the table is `logs`.

    Its columns are the fields of records, and derived ones (method, key_decoded, client, ...) as
    soon as the SQL mentions them. The SQL can read nothing else, and change nothing. JSON comes
    as a line for each row.

    Example: bucketlog query "SELECT operation, count(*) FROM logs GROUP BY ALL" --from logs/
    """
    names = (*sources, *more)
    if not names:
        raise click.UsageError("Give --from SOURCE: what to read.")
    chosen = _format(form, file)
    from bucketlog.lake import query as lake

    read = _Sources(names, endpoint, profile, region, strict)
    try:
        with lake.ask(sql, read.open, derive=_derived(derive), memory=memory) as answer:
            _write(answer, chosen, file)
    finally:
        read.close()
    _tell(read.account)


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.argument("more", metavar="", nargs=-1)
@_source_options
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
) -> None:
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
        return
    if named is None and html is None:
        raise click.UsageError(
            "Give a report's NAME, or --html FILE for a page of all. `bucketlog report` lists them."
        )
    filters = _filters(bucket, key, prefix, requester, from_time, to_time)
    read = _Sources(names, endpoint, profile, region, strict)
    try:
        if html is not None:
            _page(named, read, filters, top, memory, html)
        elif named is not None:
            _answer(named, read, filters, top, memory, "json" if as_json else form, file)
    finally:
        read.close()
    _tell(read.account)


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
    chosen = _format(form, file)
    with reports.answer(asked, read.open, filters, top=top, memory=memory) as answer:
        _write(answer, chosen, file, asked.title)


def _page(
    name: str | None, read: _Sources, filters: Filters, top: int, memory: str, file: Path
) -> None:
    from bucketlog.lake import page, reports

    asked = [reports.named(name)] if name is not None else reports.every()
    with reports.answers(list(asked), read.open, filters, top=top, memory=memory) as answers:
        sections = [
            page.Section(
                each,
                table,
                reports.statement(each, filters),
                reports.parameters(each, filters, top),
            )
            for each, table in answers.tables
        ]
    words = {
        flag.replace("_", " ").capitalize(): _words(value)
        for flag, value in filters.chosen().items()
    }
    facts = page.Facts(
        read.names,
        words,
        read.account,
        answers.records,
        answers.first,
        answers.last,
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
    if text is None:
        return ()
    from bucketlog.reader import derived

    if text.strip() == "all":
        return tuple(derived.COLUMNS)
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in derived.COLUMNS:
            raise Problem(
                f"There is no derived column {name}.", f"There are {', '.join(derived.COLUMNS)}."
            )
    return names


def _format(form: str | None, file: Path | None) -> str:
    """The format to write in: what was asked for, what the file's name says, what suits."""
    if form is None and file is not None:
        form = formats.of_file(file)
    if form is None or (form == "table" and (file is not None or not options.is_terminal())):
        return "table" if file is None and options.is_terminal() else "tsv"
    if file is None and form in formats.FORMATS and formats.FORMATS[form].is_binary:
        import sys

        if sys.stdout.isatty():
            raise Problem(f"{form} isn't for terminals.", "Write it to a file with -o FILE.")
    return form


def _write(answer: Answer, form: str, file: Path | None, title: str | None = None) -> None:
    if form == "table":
        _show(answer, title)
        return
    with output.opened(file) as stream:
        formats.FORMATS[form].write(answer, answer.schema, stream)


def _show(answer: Answer, title: str | None) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from bucketlog.cli import texts

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for field in answer.schema:
        is_number = str(field.type).startswith(("int", "uint", "double", "float", "decimal"))
        table.add_column(
            texts.shown(field.name), justify="right" if is_number else "left", overflow="fold"
        )
    shown, is_cut = 0, False
    for batch in answer:
        for row in batch.slice(0, _MOST_SHOWN - shown).to_pylist():
            table.add_row(*(Text(_cell(value)) for value in row.values()))
        shown += batch.num_rows
        if shown > _MOST_SHOWN:
            is_cut = True
            break
    options.console().print(table)
    if is_cut:
        click.echo(f"These are the first {_MOST_SHOWN} rows; -o FILE writes all.", err=True)


def _cell(value: Any) -> str:
    from bucketlog.cli import texts

    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix("+00:00")
    return texts.shown(value.decode(errors="replace") if isinstance(value, bytes) else str(value))


def _tell(account: Account) -> None:
    """Says on stderr what was read, if something was lost or is in doubt."""
    from bucketlog.cli import texts

    counted = sum(account.rejects.values())
    if not (counted or account.troubles or account.ambiguous or not account.adds_up):
        return
    click.echo(
        f"read {account.rows:,} rows of {account.lines:,} lines in {account.objects:,} objects; "
        f"{counted:,} lines rejected, {account.ambiguous:,} ambiguous, "
        f"{account.troubles:,} objects in trouble",
        err=True,
    )
    for reason, count in account.rejects.most_common():
        click.echo(f"  rejected {count:,}: {texts.shown(reason)}", err=True)
    for trouble in account.objects_in_trouble[:10]:
        click.echo(f"  {texts.shown(trouble.name)}: {texts.shown(trouble.reason)}", err=True)
    if account.troubles > 10:
        click.echo(f"  and {account.troubles - 10:,} more", err=True)
    if not account.adds_up:
        click.echo("  the count does not add up: lines are missing", err=True)
