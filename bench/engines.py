"""Engines that read whole files of lines into Arrow, each as its users do it.

`Engine.load` reads a file into an Arrow table and is what is timed; `Engine.answers` says what the
table holds in the form of the conformance set. Where an engine can only fail or leave odd lines
out, it is told to leave them out.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
from bench import readers
from bench.patterns import AMAZON_NOW
from conformance.run import FIELDS, lines_of

Load = Callable[[Path], pa.Table]

PATTERN = f"^{AMAZON_NOW.alternatives[0]}"
"""Amazon's pattern; RE2 and Rust's regex read it as Java does."""

COLUMNS = FIELDS[:26]
_TOKENS = (*FIELDS[:2], "day", "zone", *FIELDS[3:])
"""What a reader of separated values sees: the time is two of them."""

_LONGEST = 32 << 20  # bytes in a line


@contextmanager
def quiet() -> Iterator[None]:
    """What engines say on stderr of odd lines is not shown; their answers are what counts."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.unraisablehook = hook


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to get a file of lines into an Arrow table.

    `empty_is_unknown`: it gives the empty text for a group that isn't there. `tells_of_dropped`:
    its user learns of each line that it leaves out.
    """

    name: str
    package: str
    how: str
    load: Load
    empty_is_unknown: bool = False
    tells_of_dropped: bool = False

    @property
    def licence(self) -> str:
        """The package's licence."""
        return {"duckdb": "MIT", "polars": "MIT"}.get(self.package, "Apache-2.0")

    @property
    def version(self) -> str:
        """The package with its version."""
        return f"{self.package} {version(self.package)}"

    def answers(self, table: pa.Table) -> list[dict[str, Any]]:
        """The rows, in order; a row of nothing is the engine's way to refuse."""
        return [self._answer(row) for row in table.to_pylist()]

    def answers_one_by_one(self, data: bytes, folder: Path) -> list[dict[str, Any] | None]:
        """What it says of each line of a file, each by itself so that none spoils another.

        None is a line left out without a word.
        """
        told = []
        path = folder / "one.log"
        for line in lines_of(data):
            path.write_bytes(line)
            try:
                with quiet():
                    rows = self.answers(self.load(path))
            except Exception as error:  # whatever an engine fails with, it has refused
                rows = [{"reject": f"{type(error).__name__}: {error}"[:200]}]
            if not rows:
                told.append({"reject": "left out"} if self.tells_of_dropped else None)
            else:
                told.append(rows[0] if len(rows) == 1 else {"bucket": f"{len(rows)} rows"})
        return told

    def _answer(self, row: dict[str, Any]) -> dict[str, Any]:
        if self.empty_is_unknown:
            row = {name: value or None for name, value in row.items()}
        if not any(row.values()):
            return {"reject": "no match"}
        if "day" in row:
            row["time"] = f"{row.pop('day')} {row.pop('zone')}"
        return readers.answer(readers.unquoted(row))


# ── DuckDB ──────────────────────────────────────────────────────────────────────────────────────


def _duckdb(query: str) -> Load:
    def load(path: Path) -> pa.Table:
        import duckdb

        with duckdb.connect() as connection:
            connection.execute("SET threads = 2")
            return connection.sql(query, params={"path": str(path)}).to_arrow_table()

    return load


# No line has byte 1 in it, so each comes whole.
_DUCKDB_LINES = f"""
    read_csv($path, columns = {{'line': 'VARCHAR'}}, delim = '\x01', quote = '', escape = '',
             header = false, auto_detect = false, strict_mode = false, ignore_errors = true,
             max_line_size = {_LONGEST}, buffer_size = {_LONGEST * 2})
"""
_DUCKDB_REGEX = f"""
    SELECT unnest(regexp_extract(line, '{PATTERN.replace("'", "''")}', {list(COLUMNS)}))
    FROM {_DUCKDB_LINES}
"""
_DUCKDB_CSV = f"""
    FROM read_csv($path, columns = {dict.fromkeys(_TOKENS, "VARCHAR")}, delim = ' ', quote = '"',
                  escape = '', header = false, auto_detect = false, null_padding = true,
                  strict_mode = false, ignore_errors = true, parallel = true,
                  max_line_size = {_LONGEST}, buffer_size = {_LONGEST * 2})
"""

# ── Polars ──────────────────────────────────────────────────────────────────────────────────────


def _polars_csv(path: Path) -> pa.Table:
    import polars

    return polars.read_csv(
        path,
        separator=" ",
        quote_char='"',
        has_header=False,
        schema=dict.fromkeys(_TOKENS, polars.String),
        truncate_ragged_lines=True,
        missing_columns="insert",
        extra_columns="ignore",
        ignore_errors=True,
        encoding="utf8-lossy",
    ).to_arrow()


def _polars_regex(path: Path) -> pa.Table:
    import polars

    lines = polars.scan_lines(path)
    groups = polars.col("line").str.extract_groups(PATTERN)
    return lines.select(groups.alias("groups")).unnest("groups").collect().to_arrow()


# ── pyarrow ─────────────────────────────────────────────────────────────────────────────────────


def _pyarrow_csv(path: Path) -> pa.Table:
    return pa.csv.read_csv(
        path,
        pa.csv.ReadOptions(column_names=list(_TOKENS), block_size=_LONGEST),
        pa.csv.ParseOptions(delimiter=" ", quote_char='"', invalid_row_handler=lambda _: "skip"),
        pa.csv.ConvertOptions(column_types=dict.fromkeys(_TOKENS, pa.string())),
    )


# ── ClickHouse ──────────────────────────────────────────────────────────────────────────────────


def _chdb(query: str) -> Load:
    def load(path: Path) -> pa.Table:
        import chdb  # type: ignore[import-not-found]

        return chdb.query(query.format(path=path), "ArrowTable")

    return load


_RE2 = PATTERN.replace("\\", "\\\\").replace("'", "\\'")
_CHDB_REGEXP = (
    "SELECT * FROM file('{{path}}', 'Regexp', '{columns}') SETTINGS format_regexp = '{pattern}', "
    "format_regexp_escaping_rule = 'Raw', format_regexp_skip_unmatched = 1, max_threads = 2"
).format(columns=", ".join(f"{name} String" for name in COLUMNS), pattern=_RE2)
_CHDB_GROUPS = (
    "SELECT {columns} FROM (SELECT extractGroups(line, '{pattern}') AS found "
    "FROM file('{{path}}', 'LineAsString')) SETTINGS max_threads = 2"
).format(
    columns=", ".join(f"found[{at}] AS {name}" for at, name in enumerate(COLUMNS, 1)),
    pattern=_RE2,
)

_GROUPS = "Amazon's regex"
ENGINES = (
    Engine(
        f"DuckDB, {_GROUPS}", "duckdb", "regexp_extract with names", _duckdb(_DUCKDB_REGEX), True
    ),
    Engine(
        "DuckDB, CSV", "duckdb", "read_csv, blank and quote, null_padding", _duckdb(_DUCKDB_CSV)
    ),
    Engine(f"Polars, {_GROUPS}", "polars", "scan_lines, str.extract_groups", _polars_regex),
    Engine("Polars, CSV", "polars", "read_csv", _polars_csv),
    Engine(
        "pyarrow, CSV",
        "pyarrow",
        "csv.read_csv",
        _pyarrow_csv,
        tells_of_dropped=True,
    ),
    Engine("ClickHouse, Regexp format", "chdb", "file(..., 'Regexp')", _chdb(_CHDB_REGEXP), True),
    Engine(
        "ClickHouse, extractGroups",
        "chdb",
        "extractGroups",
        _chdb(_CHDB_GROUPS),
        True,
    ),
)
"""Every engine."""
