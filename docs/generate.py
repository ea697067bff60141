"""Writes the reference pages from the tables of the code: `make docs`.

What is a row in a table of the code is described there and nowhere else; these pages are never
edited by hand. `--check` writes nothing and fails when a page is not what it would be.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from bucketlog import settings
from bucketlog.accesslog.record import FIELDS
from bucketlog.cli.main import COMMANDS, bucketlog
from bucketlog.gateway import metrics
from bucketlog.lake import reports
from bucketlog.reader import clients, derived, members, principals, schema
from bucketlog.s3.errors import ERRORS
from bucketlog.s3.operations import OPERATIONS

FOLDER = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by docs/generate.py from the code. Change the code, then run `make docs`. -->"
_HELP_COLUMNS = 100


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    return {
        "settings.md": _page("Settings", _settings()),
        "operations.md": _page("Operations", _operations()),
        "errors.md": _page("Errors", _errors()),
        "fields.md": _page("Fields", _fields()),
        "columns.md": _page("Columns", _columns()),
        "commands.md": _page("Commands", _commands()),
        "metrics.md": _page("Metrics", _metrics()),
        "reports.md": _page("Reports", _reports()),
    }


def stale(folder: Path = FOLDER) -> list[str]:
    """The names of the pages that are missing or not what the code says."""
    return [
        name
        for name, text in pages().items()
        if not (folder / name).exists() or (folder / name).read_text("utf-8") != text
    ]


def write(folder: Path = FOLDER) -> None:
    """Writes every page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")


def _settings() -> Iterator[str]:
    yield (
        "A flag counts before the environment, that before the TOML file (`--config FILE` or "
        f"`{settings.CONFIG}`), that before the default. An unknown name is refused wherever it "
        "stands."
    )
    yield (
        "A duration is a number and one of ms, s, m, h, d; a size is a number and a unit such as "
        "KB or MiB; without a unit they are seconds and bytes. In a variable, the items of a list "
        "are separated by commas or blanks."
    )
    for section, kind in settings.SECTIONS.items():
        yield f"## [{section}]"
        yield (kind.__doc__ or "").strip()
        yield _table(
            ("name", "type", "default", "meaning", "flag", "variable"),
            (
                (
                    f"`{row.name.partition('.')[2]}`",
                    row.type,
                    _code(row.default) if row.default != "not set" else row.default,
                    row.meaning,
                    _code(row.flag),
                    _code(row.environment),
                )
                for row in settings.table()
                if row.name.startswith(f"{section}.")
            ),
        )
    yield "## Root key"
    yield (
        f"`{settings.ROOT_ACCESS_KEY}` and `{settings.ROOT_SECRET_KEY}`, variables only, set the "
        "access key of the root account. Without them the first start makes one and prints it "
        "once. A root key that is no longer wanted is removed by `bucketlog key remove`. Secret "
        "keys are kept in clear in `state.db` in the data folder, because a SigV4 signature can't "
        "be verified without them; the file can be read by its owner alone (mode 0600)."
    )
    yield "## Example"
    yield (
        '```toml\n[server]\nlisten = "0.0.0.0:9000"\nregions = ["eu-central-1"]\n\n'
        '[delivery]\nevery = "5m"\n\n[log]\nformat = "json"\n```'
    )


def _operations() -> Iterator[str]:
    done = [each for each in OPERATIONS if each.implemented]
    yield (
        f"{len(done)} operations are answered. The other {len(OPERATIONS) - len(done)} are known "
        "by name: the answer is 501 NotImplemented, and the record has the right operation."
    )
    for title, rows in (
        ("Answered", done),
        ("Known", [each for each in OPERATIONS if not each.implemented]),
    ):
        yield f"## {title}"
        yield _table(
            ("API operation", "in the log", "method", "level", "permission", "or by ACL"),
            (
                (
                    each.name,
                    f"`{each.log_name}`"
                    + (f" and `{each.source_log_name}`" if each.source_log_name else ""),
                    each.method,
                    each.level,
                    _code(each.action),
                    f"{each.acl} on the {each.acl_on}" if each.acl else "",
                )
                for each in rows
            ),
        )


def _errors() -> Iterator[str]:
    yield "Every error code that S3 documents, with its status and message."
    yield _table(
        ("code", "status", "message"),
        ((f"`{each.code}`", str(each.status), each.message) for each in ERRORS.values()),
    )


def _fields() -> Iterator[str]:
    yield (
        "The fields of a record, in order, separated by one blank. A hyphen means that a value is "
        "unknown or doesn't apply. The name is that of the column when records are read."
    )
    yield _table(
        ("#", "field", "name", "type", "unit", "meaning", "a hyphen means", "since"),
        (
            (
                str(number),
                each.title + (", in quotes" if each.is_quoted else ""),
                f"`{each.name}`",
                each.type,
                each.unit,
                each.meaning,
                each.dash,
                each.since,
            )
            for number, each in enumerate(FIELDS, 1)
        ),
    )


def _columns() -> Iterator[str]:
    yield (
        "The columns of `bucketlog.read`, `bucketlog.scan`, `bucketlog read` and of the table "
        "`logs` in `bucketlog query`. What is a hyphen in a line is null."
    )
    yield "## Fields"
    yield "What they mean is told with the [fields](fields.md). `key` is as it stands in the line."
    yield _table(
        ("column", "type", "unit"),
        (
            (f"`{column.name}`", _arrow(column.type), "" if column.name == "time" else field.unit)
            for column, field in zip(schema.FIELD_COLUMNS, FIELDS, strict=True)
        ),
    )
    yield "## About the record"
    yield _table(
        ("column", "type", "what it holds"),
        (
            (f"`{name}`", _arrow(schema.SCHEMA.field(name).type), text)
            for name, text in schema.ABOUT.items()
        ),
    )
    yield "## Derived"
    yield (
        "Made when they are asked for by name, of the columns above and of nothing else. "
        "Amazon's encoding of a key can be had back from `key_decoded` "
        "(`bucketlog.accesslog.line.encode_key` with the operation) wherever the line holds just "
        "what Amazon writes; not where a `%` has no two hex digits behind it, where they are in "
        "lower case, where a character is encoded that needn't be or isn't that should be, nor "
        "where the bytes are not UTF-8."
    )
    yield _table(
        ("column", "type", "how it is made"),
        ((f"`{each.name}`", _arrow(each.type), each.rule) for each in derived.COLUMNS.values()),
    )
    yield from _values()
    yield from _structured()


def _values() -> Iterator[str]:
    yield "### Values of principal_type"
    yield _table(
        ("value", "who made the request"),
        ((f"`{kind}`", text) for kind, text in principals.KINDS.items()),
    )
    yield "### Values of era"
    yield _table(
        ("value", "known fields"),
        (
            *((f"`{name}`", str(fields)) for fields, name in derived.ERAS),
            (f"`{derived.NEWER}`", f"{derived.ERAS[-1][0]}, and more that are not known"),
        ),
    )
    yield "### Values of client"
    families = dict.fromkeys(family for family, _ in clients.FAMILIES)
    names = (*families, "lifecycle", clients.SERVICE, clients.OTHER)
    yield f"In this order where a client names several: {', '.join(map(_code, names))}."


def _structured() -> Iterator[str]:
    yield "## Structured records"
    yield (
        "Amazon delivers records as JSON and as Parquet, too, through CloudWatch Logs. These are "
        "all members that such a record can have, and the columns they become; letter case, `_` "
        "and `-` in a name don't count. A member that is not in this list goes to `extra_fields`. "
        "Exports of bucketlog itself have the names of the columns. Times may be ISO 8601 with or "
        "without a zone (then UTC); numbers may be text if they are whole."
    )
    amazons = {column: name for name, column in members.RENAMED.items()}
    yield _table(
        ("member", "column"),
        (
            *((f"`{name}`", "`extra_fields`") for name in members.KEPT),
            *((f"`{amazons.get(each.name, each.name)}`", f"`{each.name}`") for each in FIELDS),
        ),
    )
    yield (
        "The names are Amazon's record fields of the log type `S3_SERVER_ACCESS_LOGS`. Read are "
        "JSON lines, the lines of a log group's export (a time before each record), single events "
        '(`{"timestamp": ..., "message": ...}`), and Parquet. An envelope of several events, '
        "as subscriptions send it, is a reject: take `.logEvents[].message` out of it first. "
        "`source_object` and `line_number` always tell where a row was read from, also if that "
        "is an export that has such columns."
    )


def _arrow(kind: object) -> str:
    """An Arrow type in words."""
    text = str(kind)
    return "string, as a dictionary" if text.startswith("dictionary") else text


def _commands() -> Iterator[str]:
    yield "Exit codes: 0 done, 1 a problem (told on stderr), 2 wrong usage, 130 interrupted."
    for path, command in commands():
        yield f"## bucketlog {' '.join(path)}".rstrip()
        yield f"```text\n{help_of(path, command)}\n```"


def _metrics() -> Iterator[str]:
    yield (
        "What `/metrics` of the operator's port shows, in Prometheus's text format. With several "
        "workers the values are of all of them together. Counters begin at 0 when a worker "
        "starts. [How to monitor](../how-to/monitor.md) says which of them deserve an alert."
    )
    labels = ", ".join(f"`{label}`" for label in metrics.REQUEST_LABELS)
    yield "## Requests"
    yield (
        f"Labels: {labels}. The operation is the API's name (`GetObject`), `Unknown` for a request "
        "that names none. A series is there once it has been counted."
    )
    yield _table(
        ("metric", "type", "meaning"),
        (
            (f"`bucketlog_{name}`", "histogram", text)
            if name == "request_seconds"
            else (f"`bucketlog_{name}_total`", "counter", text)
            for name, text in metrics.REQUESTS.items()
        ),
    )
    bounds = ", ".join(f"{bound:g}" for bound in metrics.LATENCY_BOUNDS)
    yield f"The histogram's buckets end at {bounds} seconds."
    yield "## Counters"
    yield "A counter with a label is there once it has been counted."
    yield _table(
        ("metric", "label", "meaning"),
        (
            (f"`bucketlog_{name}_total`", _code(label), text)
            for name, (text, label) in metrics.COUNTERS.items()
        ),
    )
    yield "## Gauges"
    yield _table(
        ("metric", "of several workers", "meaning"),
        (
            *((f"`bucketlog_{name}`", "the sum", text) for name, text in metrics.GAUGES.items()),
            *((f"`bucketlog_{name}`", "the largest", text) for name, text in metrics.PEAKS.items()),
        ),
    )


def _reports() -> Iterator[str]:
    yield (
        "The questions that `bucketlog report NAME --from SOURCE` answers: one SQL file each, "
        "whose first comment is what stands here. Every report can be asked about one `--bucket`, "
        "one `--key` (as it is, or as it stands in the log), keys that begin with a `--prefix`, "
        "one `--requester`, and a time from `--from-time` to before `--to-time`. `--top` says how "
        "many rows there may be; it is 20 unless told otherwise. "
        "[Answers from access logs](../how-to/answers.md) shows them at work."
    )
    yield _table(
        ("report", "answers"),
        ((f"[{each.name}](#{each.name})", each.title) for each in reports.every()),
    )
    for each in reports.every():
        yield f"## {each.name}"
        yield f"{each.title}."
        yield from each.text
        yield _table(
            ("column", "meaning"), ((f"`{name}`", meaning) for name, meaning in each.columns)
        )


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command by its words, groups before what is in them; first comes `bucketlog`."""
    yield (), bucketlog
    context = click.Context(bucketlog)
    for name in COMMANDS:
        command = bucketlog.get_command(context, name)
        assert command is not None
        yield (name,), command
        if isinstance(command, click.Group):
            for below in command.list_commands(context):
                found = command.get_command(context, below)
                assert found is not None
                yield (name, below), found


def help_of(path: Sequence[str], command: click.Command) -> str:
    """What `--help` prints, at a fixed width."""
    context = click.Context(
        command,
        info_name=" ".join(("bucketlog", *path)),
        terminal_width=_HELP_COLUMNS,
        help_option_names=["-h", "--help"],
    )
    return command.get_help(context)


def _page(title: str, parts: Iterable[str]) -> str:
    return "\n\n".join((f"# {title}", _NOTE, *parts)) + "\n"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.strip().replace("|", "\\|").replace("\n", " ")


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        if found := stale():
            sys.exit(f"not what the code says: {', '.join(found)}; run `make docs`")
    else:
        write()
