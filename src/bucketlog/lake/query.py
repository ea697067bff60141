"""SQL over parsed logs, streamed: the table `logs` has the columns that the question mentions.

The plan is asked first, against a table without rows: which derived columns are needed, which
columns are read, and how often. A question that reads `logs` once is answered as the sources are
read; one that reads it again gets a copy of the columns it needs, in DuckDB's own storage, since
sources can't be trusted to say the same twice (and stdin can't be asked again).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from bucketlog.lake.database import MEMORY, Database, refusals
from bucketlog.problems import Problem
from bucketlog.reader import derived
from bucketlog.reader.schema import SCHEMA

_WORD = re.compile(r"\w+")
_STREAM = "parsed"


class Batches(Protocol):
    """A scan: record batches, once."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """The batches, with the columns of `SCHEMA` and the derived ones that were asked for."""
        ...


Open = Callable[[Sequence[str]], Batches]
"""Opens the sources; it is given the names of the derived columns to add."""


class Answer:
    """The rows that answer a question, and the database they come from, until it is closed.

    Iterating gives record batches; it raises Problem for what DuckDB refuses on the way, and
    whatever reading the sources raises.
    """

    def __init__(self, database: Database, logs: _Logs, reader: pa.RecordBatchReader) -> None:
        self._database = database
        self._logs = logs
        self._reader = reader
        self.schema = pa.schema(_distinct(reader.schema))

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the sources, the connection and its temporary files."""
        self._reader.close()
        self._database.close()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        with self._logs.troubles():
            for batch in self._reader:
                yield pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)

    def table(self) -> pa.Table:
        """All that is left of the answer."""
        return pa.Table.from_batches(list(self), self.schema)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a question reads: derived columns, columns, and how many times; None: not known."""

    derived: tuple[str, ...]
    columns: tuple[str, ...] | None
    reads: int | None


def ask(
    sql: str,
    open: Open,
    *,
    parameters: Mapping[str, object] | None = None,
    derive: Sequence[str] = (),
    memory: str = MEMORY,
) -> Answer:
    """The answer to one SQL question about the table `logs`.

    `derive` names derived columns that `logs` has even if the question doesn't mention them. The
    sources are opened when DuckDB first asks for rows. Raises Problem for SQL that DuckDB refuses.
    """
    database = Database(memory)
    try:
        with refusals():
            plan = plan_of(database, sql, parameters, derive)
        logs = _Logs(lambda: open(plan.derived), columns(plan.derived))
        with logs.troubles():
            if plan.reads is not None and plan.reads <= 1:
                database.register("logs", logs)
            else:
                _copy(database, logs, plan.columns, Question("true"))
            return Answer(database, logs, database.run(sql, parameters))
    except BaseException:
        database.close()
        raise


@dataclass(frozen=True, slots=True)
class Question:
    """One SQL statement and the values of its parameters."""

    sql: str
    parameters: Mapping[str, object] = field(default_factory=dict)


def keep(database: Database, questions: Sequence[Question], open: Open, where: Question) -> None:
    """Reads the sources once, into the table `logs`: what these questions need of them.

    `where` is a condition; only the records it holds for are kept.
    """
    with refusals():
        plans = [plan_of(database, each.sql, each.parameters) for each in questions]
        which = f"SELECT count(*) FROM logs WHERE {where.sql}"
        condition = plan_of(database, which, where.parameters)
    needed = tuple(
        name
        for name in derived.COLUMNS
        if any(name in plan.derived for plan in (*plans, condition))
    )
    kept = [
        name
        for name in columns(needed).names
        if any(plan.columns is None or name in plan.columns for plan in plans)
    ]
    logs = _Logs(lambda: open(needed), columns(needed))
    with logs.troubles():
        _copy(database, logs, kept, where)


def _copy(database: Database, logs: _Logs, names: Sequence[str] | None, where: Question) -> None:
    database.register(_STREAM, logs)
    chosen = ", ".join(f'"{name}"' for name in names) if names else "*"
    database.execute(
        f"CREATE TABLE logs AS SELECT {chosen} FROM {_STREAM} WHERE {where.sql}", where.parameters
    )
    database.connection.unregister(_STREAM)


def answer(database: Database, question: Question) -> pa.Table:
    """The whole answer to a question about the table that `keep` made."""
    with refusals():
        found = database.run(question.sql, question.parameters).read_all()
    return found.rename_columns([each.name for each in _distinct(found.schema)])


def columns(derive: Sequence[str]) -> pa.Schema:
    """The columns of `logs` with those derived ones."""
    return pa.schema([*SCHEMA, *(pa.field(name, derived.COLUMNS[name].type) for name in derive)])


def plan_of(
    database: Database,
    sql: str,
    parameters: Mapping[str, object] | None = None,
    derive: Sequence[str] = (),
) -> Plan:
    """What the question reads. Raises Problem where it is none, or DuckDB refuses it."""
    kind = database.kind(sql)
    words = {word.lower() for word in _WORD.findall(sql)}
    mentioned = [name for name in derived.COLUMNS if name in words or name in derive]
    _bind(database, sql, parameters, mentioned)
    needed = list(mentioned)
    for name in mentioned:  # a word may also be a type, an alias, or stand in a string
        fewer = [other for other in needed if other != name]
        if name not in derive and _binds(database, sql, parameters, fewer):
            needed = fewer
    if kind != "SELECT":
        return Plan(tuple(needed), None, 1 if kind == "EXPLAIN" else None)
    database.register("logs", _Empty(columns(needed)))
    with refusals():
        told = database.run(f"EXPLAIN (FORMAT JSON) {sql}", parameters).read_all()
    database.connection.unregister("logs")
    return _read(told, tuple(needed))


def _read(told: pa.Table, needed: tuple[str, ...]) -> Plan:
    scans = [
        node["extra_info"].get("Projections")
        for plan in json.loads(told.column(1)[0].as_py())
        for node in _nodes(plan)
        if "ARROW_SCAN" in node["name"]
    ]
    read: set[str] = set()
    for each in scans:
        if each is None:
            return Plan(needed, None, len(scans))
        read.update([each] if isinstance(each, str) else each)
    known = columns(needed).names
    if not read <= set(known):
        return Plan(needed, None, len(scans))
    return Plan(needed, tuple(name for name in known if name in read), len(scans))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node["children"]:
        yield from _nodes(child)


class _Empty:
    """The table `logs` without any rows, to be read as often as one likes."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        reader = pa.RecordBatchReader.from_batches(self._schema, iter(()))
        return reader.__arrow_c_stream__(requested_schema)


def _bind(
    database: Database,
    sql: str,
    parameters: Mapping[str, object] | None,
    names: Sequence[str],
) -> None:
    database.register("logs", _Empty(columns(names)))
    try:
        with refusals():
            database.run(sql, parameters)
    except Problem as problem:
        raise _with_near_names(problem) from problem.__cause__
    finally:
        database.connection.unregister("logs")


def _binds(
    database: Database,
    sql: str,
    parameters: Mapping[str, object] | None,
    names: Sequence[str],
) -> bool:
    try:
        _bind(database, sql, parameters, names)
    except Problem:
        return False
    return True


_UNKNOWN = re.compile(r'column "([^"]+)" not found|does not have a column named "([^"]+)"', re.I)


def _with_near_names(problem: Problem) -> Problem:
    found = _UNKNOWN.search(problem.message)
    if found is None:
        return problem
    import difflib

    name = (found[1] or found[2]).lower()
    known = [*SCHEMA.names, *derived.COLUMNS]
    near = difflib.get_close_matches(name, known, 3, 0.5)
    near += [each for each in known if name in each and each not in near][: 3 - len(near)]
    told = f"Did you mean {' or '.join(near)}?"
    hint = told if near else f"The columns are {', '.join(known)}."
    return Problem(f"There is no column {name} in logs.", hint)


class _Logs:
    """The sources as DuckDB sees them: a fresh stream for whoever binds, read by one of them.

    What goes wrong while they are read is kept, since Arrow would pass on its text only.
    """

    def __init__(self, open: Callable[[], Any], schema: pa.Schema) -> None:
        self._open = open
        self._schema = schema
        self._is_read = False
        self._trouble: BaseException | None = None

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        reader = pa.RecordBatchReader.from_batches(self._schema, self._batches())
        return reader.__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            if self._is_read:
                raise Problem(
                    "DuckDB read the logs twice where its plan said once.",
                    "Put the part that needs them in WITH x AS MATERIALIZED (FROM logs).",
                )
            self._is_read = True
            for batch in self._open():
                yield batch.select(self._schema.names)
        except GeneratorExit:  # DuckDB has had enough
            raise
        except BaseException as trouble:
            self._trouble = trouble
            raise

    @contextmanager
    def troubles(self) -> Iterator[None]:
        """Within it, trouble with the sources is raised as it was, and DuckDB's as Problems."""
        try:
            with refusals():
                yield
        except (Exception, KeyboardInterrupt):
            if self._trouble is not None:
                raise self._trouble from None
            raise


def _distinct(schema: pa.Schema) -> list[pa.Field]:
    """The fields with names of their own: a second `key` is `key_1`."""
    taken: set[str] = set()
    fields = []
    for each in schema:
        name, number = each.name, 0
        while name in taken:
            number += 1
            name = f"{each.name}_{number}"
        taken.add(name)
        fields.append(each.with_name(name))
    return fields
