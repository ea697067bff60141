"""`bucketlog read`: log objects from anywhere, as typed rows, in the format that is wanted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

import click

from bucketlog.cli import filters, formats, output, telling
from bucketlog.cli.progress import Bar
from bucketlog.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa

    from bucketlog.reader.privacy import Privacy, RemoteIp
    from bucketlog.reader.scan import Scan

F = TypeVar("F", bound=Callable[..., Any])

_FORMATS = ("table", *formats.FORMATS)
_WAYS = ("keep", "drop", "truncate", "hash", "encrypt")


def source_options(command: F) -> F:
    """Adds what reading sources takes: --strict, where S3 is, and --quiet."""
    for option in (
        click.option("-q", "--quiet", is_flag=True, help="Neither progress nor summary on stderr."),
        click.option("--region", help="Region of s3:// sources.  [AWS_DEFAULT_REGION]"),
        click.option("--profile", help="Profile of the AWS settings.  [AWS_PROFILE]"),
        click.option(
            "--endpoint",
            metavar="URL",
            help="S3 endpoint of s3:// sources.  [default: Amazon's; AWS_ENDPOINT_URL]",
        ),
        click.option("--strict", is_flag=True, help="Stop at the first thing that can't be read."),
    ):
        command = option(command)
    return command


def _privacy_options(command: F) -> F:
    """Adds --ip, --requester, --key-env and --strip-signatures."""
    for option in (
        click.option(
            "--strip-signatures", is_flag=True, help="Mask signatures and access keys in URLs."
        ),
        click.option(
            "--key-env",
            metavar="NAME",
            help="Variable that holds the key to hash or encrypt with.",
        ),
        click.option(
            "--requester",
            type=click.Choice(("keep", "hash")),
            default="keep",
            help="What becomes of requesters.  [keep]",
        ),
        click.option(
            "--ip",
            type=click.Choice(_WAYS),
            default="keep",
            help="What becomes of remote IPs.  [keep]",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the rows is wanted, and how."""

    form: str
    file: Path | None
    columns: tuple[str, ...] | None
    derive: tuple[str, ...]
    where: str | None
    limit: int | None


@click.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="[default: by the name of -o FILE; else a table on a terminal, JSON lines in a pipe]",
)
@click.option("--columns", metavar="A,B,...", help="Only these columns, in this order.")
@click.option("--derive", metavar="A,B,...", help="Derived columns to add: all, or their names.")
@click.option("--where", metavar="SQL", help="Only rows for which this SQL expression is true.")
@click.option("--limit", type=click.IntRange(min=0), help="No more rows than that.")
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(path_type=Path),
    help="Write to a file, which appears when it is whole.",
)
@click.option(
    "--rejects",
    type=click.Path(path_type=Path),
    help="Write lines that are no records to this file, as JSON lines.",
)
@click.option("--ordered", is_flag=True, help="Objects in the order of their names.")
@_privacy_options
@source_options
def read(
    sources: tuple[str, ...],
    form: str | None,
    columns: str | None,
    derive: str | None,
    where: str | None,
    limit: int | None,
    file: Path | None,
    rejects: Path | None,
    ordered: bool,
    ip: str,
    requester: str,
    key_env: str | None,
    strip_signatures: bool,
    strict: bool,
    endpoint: str | None,
    profile: str | None,
    region: str | None,
    quiet: bool,
) -> int:
    """Read access logs, of any shape and era, into typed rows.

    A SOURCE is a file, a folder, a glob, s3://bucket/prefix, an S3 Inventory's manifest.json, or -
    for stdin; gzip and zstd are unpacked. What can't be read is counted and told on stderr. The
    exit code is 1 if an object was in trouble.

    Example: bucketlog read logs/ --where "http_status >= 400" --format csv -o errors.csv
    """
    wanted = _wanted(form, file, columns, derive, where, limit)
    options: dict[str, Any] = {
        "derive": filters.derived_of(wanted.columns or (), where, wanted.derive),
        "privacy": _privacy(ip, requester, key_env, strip_signatures),
        "ordered": ordered,
        "strict": strict,
        "endpoint_url": endpoint,
        "profile": profile,
        "region": region,
    }
    is_bar_wanted = wanted.form == "table" or file is not None or not sys.stdout.isatty()
    with ExitStack() as stack:
        bar = stack.enter_context(Bar(is_quiet=quiet or not is_bar_wanted))
        if rejects is not None:
            options["on_reject"] = _writer(stack.enter_context(output.opened(rejects)))
        from bucketlog.reader.scan import scan

        found = stack.enter_context(scan(*sources, on_progress=bar, **options))
        rows = _Rows(found, wanted)
        stack.callback(rows.close)
        if wanted.form == "table":
            _show(rows, bar)
        else:
            stream = stack.enter_context(output.opened(file))
            if file is None and sys.stdout.isatty():
                stream = cast("BinaryIO", output.Shown(stream))
            formats.FORMATS[wanted.form].write(rows, rows.schema, stream)
    if not quiet:
        telling.account(found.account, is_partial=rows.is_cut)
    return telling.exit_code(found.account)


def _wanted(
    form: str | None,
    file: Path | None,
    columns: str | None,
    derive: str | None,
    where: str | None,
    limit: int | None,
) -> Wanted:
    form = formats.chosen(form, file, "logs")
    every = derive is not None and derive.strip() == "all"
    return Wanted(
        form=form,
        file=file,
        columns=_names("--columns", columns) or None,
        derive=filters.every_derived() if every else _names("--derive", derive),
        where=where,
        limit=limit,
    )


def _names(option: str, text: str | None) -> tuple[str, ...]:
    """The names between the commas, each once."""
    if text is None:
        return ()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise click.UsageError(f"{option} names no column.")
    return names


def _privacy(
    ip: str, requester: str, key_env: str | None, strip_signatures: bool
) -> Privacy | None:
    from bucketlog.reader.privacy import Privacy

    key = None
    if key_env is not None:
        text = os.environ.get(key_env)
        if text is None:
            raise Problem(
                f"There is no variable {key_env} in the environment.",
                f"Make a key and keep it: export {key_env}=$(openssl rand -hex 32)",
            )
        key = text.encode()
    elif ip in ("hash", "encrypt") or requester == "hash":
        raise Problem(
            "Hashing and encrypting need a key.",
            "Put one into the environment and name the variable: --key-env NAME",
        )
    chosen = Privacy(
        remote_ip=cast("RemoteIp", ip),
        requester="hash" if requester == "hash" else "keep",
        key=key,
        strip_signatures=strip_signatures,
    )
    return chosen if chosen.is_on else None


def _writer(stream: BinaryIO) -> Callable[[pa.RecordBatch], object]:
    """Writes batches of rejects, as JSON lines."""
    from bucketlog.cli import texts

    return lambda batch: stream.write(texts.json_lines(batch))


class _Rows:
    """The scan's rows that are wanted, and no more than the limit."""

    def __init__(self, found: Scan, wanted: Wanted) -> None:
        import pyarrow as pa

        self.is_cut = False
        self.count = 0
        self.wanted = wanted
        self._found = found
        self._condition = (
            None if wanted.where is None else filters.Condition(wanted.where, found.schema)
        )
        self._names = wanted.columns or _all_but(found.schema.names, wanted)
        self.schema = pa.schema([found.schema.field(name) for name in self._names])

    def close(self) -> None:
        """Lets the condition go."""
        if self._condition is not None:
            self._condition.close()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        limit = self.wanted.limit
        if limit == 0:
            self.is_cut = True
            return
        for batch in self._found:
            if self._condition is not None:
                batch = self._condition(batch)
            if limit is not None and self.count + batch.num_rows >= limit:
                self.is_cut = True
                batch = batch.slice(0, limit - self.count)
            self.count += batch.num_rows
            if batch.num_rows:
                yield batch.select(self._names)
            if self.is_cut:
                return


def _all_but(names: list[str], wanted: Wanted) -> tuple[str, ...]:
    """All columns but the derived ones that only the condition is about."""
    only_asked = {name for name in filters.every_derived() if name not in wanted.derive}
    return tuple(name for name in names if name not in only_asked)


def _show(rows: _Rows, bar: Bar) -> None:
    """The first rows as a table, and how many there are."""
    from bucketlog.cli import tables

    names = list(rows.wanted.columns or (*tables.usual(), *rows.wanted.derive))
    batches = iter(rows)
    limit = rows.wanted.limit
    first = tables.rows_of(batches, tables.first_rows() if limit is None else limit)
    bar.pause()
    tables.show(first, names)
    for _ in batches:
        pass  # for the count
    bar.pause()
    if rows.count > len(first):
        click.echo(
            f"These are the first {len(first)} of {rows.count:,} rows. "
            "For more: --limit N, or -o FILE."
        )
