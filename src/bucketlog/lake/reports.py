"""The named questions: one SQL file each, whose first comment is its help.

A report asks the table `logs`; what to ask about (a bucket, a key, a time...) is put before it as
a table expression of that name, with values that are bound, never spliced into the SQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from importlib import resources

import pyarrow as pa

from bucketlog.lake import query
from bucketlog.lake.database import MEMORY, Database
from bucketlog.lake.query import Question
from bucketlog.problems import Problem

TOP = 20
"""How many rows a report has, unless told otherwise."""

# In the order in which they are listed.
NAMES = (
    "who-changed",
    "principal-activity",
    "anonymous-access",
    "failed-access",
    "top-keys",
    "bytes-by-requester",
    "requests-over-time",
    "latency-by-operation",
    "old-tls",
    "acl-dependent",
    "presigned-use",
    "clients",
)


@dataclass(frozen=True, slots=True)
class Report:
    """One question: its name, its title, what it answers, its columns' meanings, its SQL."""

    name: str
    title: str
    text: tuple[str, ...]  # paragraphs
    columns: tuple[tuple[str, str], ...]  # name and meaning, in the answer's order
    sql: str  # without the comment

    @property
    def takes_top(self) -> bool:
        """Whether it has as many rows as one asks for."""
        return "$top" in self.sql


@dataclass(frozen=True, slots=True)
class Filters:
    """Which records a report is about; None: all. Times are aware; the end is exclusive."""

    bucket: str | None = None
    key: str | None = None
    prefix: str | None = None
    requester: str | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None

    def chosen(self) -> dict[str, object]:
        """The values that are given, by name."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if value is not None}

    def where(self) -> str:
        """The condition, with a parameter for each value."""
        return "\n  AND ".join(_CONDITIONS[name] for name in self.chosen()) or "true"


# Keys may be given as they are, or as they stand in the log.
_CONDITIONS = {
    "bucket": "bucket = $bucket",
    "key": "(key_decoded = $key OR key = $key)",
    "prefix": "(starts_with(key_decoded, $prefix) OR starts_with(key, $prefix))",
    "requester": (
        "(requester = $requester OR starts_with(requester, $requester || '/')\n"
        "    OR account_id = $requester OR user_name = $requester OR role_name = $requester\n"
        "    OR ($requester = 'anonymous' AND is_anonymous))"
    ),
    "from_time": "time >= $from_time",
    "to_time": "time < $to_time",
}


@cache
def named(name: str) -> Report:
    """The report of that name. Raises Problem where there is none."""
    if name not in NAMES:
        import difflib

        near = difflib.get_close_matches(name, NAMES, 1)
        raise Problem(
            f"There is no report {name}.",
            f"Did you mean {near[0]}?" if near else "`bucketlog report` lists them.",
        )
    file = resources.files("bucketlog.lake") / "reports" / f"{name}.sql"
    return read(name, file.read_text("utf-8"))


def every() -> Iterator[Report]:
    """All reports, in the order in which they are listed."""
    return map(named, NAMES)


_COLUMN = re.compile(r"  (\w+) {2,}(.+)")


def read(name: str, text: str) -> Report:
    """A report from its file: title, paragraphs, "Columns:" and a line for each; then the SQL."""
    comment, sql = [], text
    for line in text.splitlines(keepends=True):
        if not line.startswith("--"):
            break
        comment.append(line[2:].removeprefix(" ").rstrip())
        sql = sql[len(line) :]
    title, *paragraphs = "\n".join(comment).split("\n\n")
    head, _, rest = paragraphs[-1].partition("\n")
    if head != "Columns:":
        raise ValueError(f"{name}: the comment does not end with its columns")
    columns = []
    for line in rest.splitlines():
        found = _COLUMN.fullmatch(line)
        if found is None:
            raise ValueError(f"{name}: {line!r} tells no column")
        columns.append((found[1], found[2]))
    told = tuple(" ".join(each.split()) for each in paragraphs[:-1])
    return Report(name, title, told, tuple(columns), sql.strip() + "\n")


def statement(report: Report, filters: Filters) -> str:
    """The report's SQL about the chosen records only; `bucketlog query` takes it too."""
    if not filters.chosen():
        return report.sql
    logs = f"WITH logs AS (\n  FROM logs\n  WHERE {filters.where()}\n)"
    if report.sql.startswith("WITH "):
        return f"{logs},\n{report.sql[len('WITH ') :]}"
    return f"{logs}\n{report.sql}"


def parameters(report: Report, filters: Filters, top: int) -> dict[str, object]:
    """The values of the statement's parameters."""
    return {**filters.chosen(), **({"top": top} if report.takes_top else {})}


def answer(
    report: Report,
    open: query.Open,
    filters: Filters = Filters(),
    *,
    top: int = TOP,
    memory: str = MEMORY,
) -> query.Answer:
    """The answer of one report, read from the sources as they are opened."""
    return query.ask(
        statement(report, filters),
        open,
        parameters=parameters(report, filters, top),
        memory=memory,
    )


@contextmanager
def answers(
    chosen: Sequence[Report],
    open: query.Open,
    filters: Filters = Filters(),
    *,
    top: int = TOP,
    memory: str = MEMORY,
) -> Iterator[Answers]:
    """The answers of several reports; the sources are read once, on entering."""
    with Database(memory) as database:
        questions = [Question(each.sql, parameters(each, Filters(), top)) for each in chosen]
        span = Question("SELECT count(*), min(time), max(time) FROM logs")
        query.keep(database, [*questions, span], open, Question(filters.where(), filters.chosen()))
        (rows,), (first,), (last,) = query.answer(database, span).to_pydict().values()
        tables = (query.answer(database, each) for each in questions)
        yield Answers(rows, first, last, zip(chosen, tables, strict=True))


@dataclass(frozen=True, slots=True)
class Answers:
    """How many records were asked about, the first and last of them, and each report's answer."""

    records: int
    first: datetime | None
    last: datetime | None
    tables: Iterator[tuple[Report, pa.Table]]
