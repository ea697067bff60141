"""`--where` and `--columns`: which rows and columns are wanted, checked before anything is read.

A condition is one SQL expression. DuckDB parses it as that and no more, so it can't end the
statement it is put into; and it runs on a connection that is locked: no files, no network.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from bucketlog.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa

_WORD = re.compile(r"\w+")
_ROW = "bucketlog row"  # no name that an expression has by accident


def derived_of(
    columns: Collection[str], condition: str | None, derive: Collection[str]
) -> list[str]:
    """The derived columns that are asked for, chosen, or in the condition, in their own order.

    Raises `Problem` for a name that is no column, or no derived one in `derive`.
    """
    from bucketlog.reader import derived
    from bucketlog.reader.schema import SCHEMA

    for name in columns:
        if name not in SCHEMA.names and name not in derived.COLUMNS:
            raise unknown(name)
    for name in derive:
        if name not in derived.COLUMNS:
            raise unknown(name)
    wanted = {*columns, *derive}
    if condition is not None:
        wanted.update(word.lower() for word in _WORD.findall(condition))
    return [name for name in derived.COLUMNS if name in wanted]


def every_derived() -> tuple[str, ...]:
    """The names of all derived columns."""
    from bucketlog.reader import derived

    return tuple(derived.COLUMNS)


def unknown(name: str) -> Problem:
    """What is said of a column that there isn't."""
    from bucketlog.reader import derived
    from bucketlog.reader.schema import SCHEMA

    known = [*SCHEMA.names, *derived.COLUMNS]
    near = difflib.get_close_matches(name.lower(), known, 3, 0.5)
    near += [each for each in known if name.lower() in each and each not in near][: 3 - len(near)]
    return Problem(
        f"There is no column {name}.",
        f"Did you mean {' or '.join(near)}?" if near else f"The columns are: {', '.join(known)}.",
    )


class Condition:
    """An SQL expression over the columns, for record batches of one schema.

    Raises `Problem` where DuckDB isn't installed, or with DuckDB's words for what is no condition
    on these columns. `close` it.
    """

    def __init__(self, expression: str, schema: pa.Schema) -> None:
        from bucketlog.lake.database import Database, refusals

        self._database = Database()
        self._refusals = refusals
        self._text = expression
        try:
            import duckdb

            with refusals():
                self._expression = duckdb.SQLExpression(expression)
            self._chosen(_empty(schema))
        except Problem as problem:
            self._database.close()
            raise _explained(problem, expression) from problem.__cause__
        except BaseException:
            self._database.close()
            raise

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of the batch that the condition holds for."""
        try:
            chosen = self._chosen(batch)
        except Problem as problem:  # a value that can't be converted, say
            raise _explained(problem, self._text) from problem.__cause__
        return batch if len(chosen) == batch.num_rows else batch.take(chosen)

    def close(self) -> None:
        """Lets DuckDB go."""
        self._database.close()

    def _chosen(self, batch: pa.RecordBatch) -> pa.Array:
        import pyarrow as pa

        numbers = pa.array(range(batch.num_rows), pa.int64())
        numbered = pa.Table.from_batches([batch.append_column(_ROW, numbers)])
        with self._refusals():
            relation = self._database.connection.from_arrow(numbered)
            found = relation.filter(self._expression).select(f'"{_ROW}"').to_arrow_table()
        return found.column(0).combine_chunks()


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays([pa.array([], each.type) for each in schema], schema=schema)


_UNKNOWN = re.compile(r'column "([^"]+)" not found|does not have a column named "([^"]+)"', re.I)


def _explained(problem: Problem, expression: str) -> Problem:
    """A Problem about the condition, with the columns that a misspelt one may have been."""
    found = _UNKNOWN.search(problem.message)
    if found is not None:
        return unknown(found[1] or found[2])
    if not problem.message.startswith("DuckDB:"):
        return problem
    return Problem(
        f"--where {expression}: {problem.message}",
        "Write a condition, as in: --where \"http_status >= 400 and bucket = 'photos'\"",
    )
