"""A scratch DuckDB for one question: bounded memory, spilling to a folder of its own, locked.

SQL comes from anybody: once the connection is made nothing can read or write files, reach the
network, load extensions, or undo that. What DuckDB refuses becomes a Problem with its words.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from bucketlog.problems import Problem

MEMORY = "1GB"
"""How much DuckDB holds in memory before it spills, unless told otherwise."""

_OLDEST = 2  # major version; older ones crash on Arrow streams
_BATCH_ROWS = 20_000
_SIZE = re.compile(r"\d+(?:\.\d+)?\s*(?:[kmgt]i?)?b", re.IGNORECASE)

_KIND = re.compile(r"^[A-Z][A-Za-z -]* Error: ")
_QUESTIONS = frozenset({"SELECT", "EXPLAIN", "MULTI"})  # MULTI is how PIVOT is done


class Database:
    """A DuckDB connection and the folder it spills to; both are gone when it is closed.

    `memory` is DuckDB's memory limit, as in "500MB". Raises Problem where DuckDB isn't installed
    or too old, the size is none, or the folder for temporary files (TMPDIR) can't be written.
    """

    def __init__(self, memory: str = MEMORY) -> None:
        if _SIZE.fullmatch(memory) is None:
            raise Problem(f"{memory!r} is no size of memory.", "Write it like 500MB or 4GB.")
        try:
            import duckdb
        except ImportError as error:
            raise Problem(
                "Questions in SQL need DuckDB, which isn't installed.",
                "Run: pip install 'bucketlog[lake]'",
            ) from error
        if int(duckdb.__version__.partition(".")[0]) < _OLDEST:
            raise Problem(
                f"DuckDB {duckdb.__version__} is too old; questions need {_OLDEST}.0 or newer.",
                "Run: pip install -U 'bucketlog[lake]'",
            )
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="bucketlog-")
        except OSError as error:
            raise Problem(
                f"There is no room for temporary files: {error.strerror}.",
                "Set TMPDIR to a folder that can be written.",
            ) from error
        try:
            # In a file, what is kept is compressed and needn't fit into memory.
            self.connection = duckdb.connect(
                os.path.join(self._folder.name, "logs.duckdb"), config=_limits(memory)
            )
            self._lock()
        except BaseException:
            self._folder.cleanup()
            raise

    def _lock(self) -> None:
        for statement in (
            "SET TimeZone = 'UTC'",
            f"SET temp_directory = '{_quoted(os.path.join(self._folder.name, 'spill'))}'",
            "SET preserve_insertion_order = true",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            self.connection.execute(statement)

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forgets everything."""
        self.connection.close()
        self._folder.cleanup()

    def register(self, name: str, stream: object) -> None:
        """Lets SQL read an object that has `__arrow_c_stream__` as a table."""
        self.connection.register(name, stream)

    def run(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.RecordBatchReader:
        """The answer to one statement, as it comes; with parameters, once it is complete.

        Raises whatever DuckDB raises, now or while the answer is read; see `refusals`.
        """
        relation = self.connection.sql(sql, params=dict(parameters) if parameters else None)
        return relation.to_arrow_reader(_BATCH_ROWS)

    def execute(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """Runs one statement that has no answer."""
        if parameters:
            self.connection.execute(sql, dict(parameters))
        else:
            self.connection.execute(sql)

    def kind(self, sql: str) -> str:
        """What kind of statement it is, in DuckDB's words: SELECT, EXPLAIN or MULTI.

        Raises Problem for several statements, none, and those that ask nothing.
        """
        with refusals():
            statements = self.connection.extract_statements(sql)
        if len(statements) != 1:
            raise Problem(
                f"There are {len(statements)} statements, and one is run.",
                "Ask one question at a time: SELECT ... FROM logs",
            )
        kind = statements[0].type.name
        if kind not in _QUESTIONS:
            raise Problem(
                f"{kind} is not run: only questions are.",
                "Write SELECT ... FROM logs, or FROM logs.",
            )
        return kind


def _limits(memory: str) -> dict[str, Any]:
    return {
        "memory_limit": memory,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,  # a variable of ours is not a table
    }


def _quoted(text: str) -> str:
    return text.replace("'", "''")


@contextmanager
def refusals() -> Iterator[None]:
    """Turns what DuckDB raises into Problems; Ctrl-C stays what it is."""
    import duckdb

    try:
        yield
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except RuntimeError as error:  # what DuckDB's Python side makes of Ctrl-C
        if "Query interrupted" in str(error):
            raise KeyboardInterrupt from error
        raise
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise refusal(str(error)) from error


def refusal(text: str) -> Problem:
    """The Problem that DuckDB's text tells.

    It says which part of the SQL it means below its sentence, after a blank line.
    """
    told, _, place = text.partition("\n\nLINE ")
    first, *others = _KIND.sub("", told.strip()).split("\n")
    hint = [" ".join(line.strip() for line in others if line.strip())]
    if place:
        hint += f"LINE {place}".split("\n")
    return Problem(f"DuckDB: {first}", "\n  ".join(filter(None, hint)) or None)
