"""SQL over logs: streamed, copied where it is read again, and locked in."""

import io
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.support.records import ALICE, BOB, COPY, opening, row

from bucketlog.lake import database, query
from bucketlog.problems import Problem
from bucketlog.reader import derived
from bucketlog.reader.scan import scan
from bucketlog.reader.schema import SCHEMA

LINES = [
    row(key="a", bytes_sent=1),
    row(key="b", bytes_sent=2, requester=BOB),
    row("REST.PUT.OBJECT", "c", bytes_sent=None),
]


class Opened:
    """Opens sources of lines, and remembers for which derived columns, and how often."""

    def __init__(self, lines: Sequence[bytes] = LINES) -> None:
        self.lines = lines
        self.derived: list[tuple[str, ...]] = []

    def __call__(self, derive: Sequence[str]) -> Any:
        self.derived.append(tuple(derive))
        return opening(self.lines)(derive)


def rows(sql: str, open: query.Open | None = None, **options: Any) -> list[dict[str, Any]]:
    with query.ask(sql, open or Opened(), **options) as answer:
        return answer.table().to_pylist()


def refused(sql: str, open: query.Open | None = None, **options: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        rows(sql, open, **options)
    return caught.value


# ── what is asked for ───────────────────────────────────────────────────────────────────────────


def test_types_survive() -> None:
    with query.ask(
        "SELECT time, http_status, bytes_sent, acl_required, key FROM logs", Opened()
    ) as answer:
        assert answer.schema.types == [
            pa.timestamp("us", "UTC"),
            pa.int16(),
            pa.int64(),
            pa.bool_(),
            pa.string(),
        ]
        assert answer.table().num_rows == 3


def test_a_star_is_all_columns_and_no_derived_ones() -> None:
    opened = Opened()
    with query.ask("FROM logs", opened) as answer:
        assert answer.schema.names == SCHEMA.names
        assert answer.table().num_rows == 3
    assert opened.derived == [()]


@pytest.mark.parametrize(
    ("sql", "needed"),
    [
        ("SELECT method FROM logs", {"method"}),
        ("SELECT l.METHOD FROM logs l", {"method"}),
        ('SELECT "client" FROM logs WHERE is_presigned', {"client", "is_presigned"}),
        ("SELECT count(*) FROM logs WHERE method = 'client'", {"method"}),
        ("SELECT 1 AS method FROM logs", set()),
        ("SELECT time::date FROM logs", set()),
        ("SELECT time::date, date FROM logs", {"date"}),
        ("SELECT 1 FROM logs WHERE time > date '2026-01-01' -- client", set()),
        ("SELECT upper(method) AS method, count(*) FROM logs GROUP BY ALL", {"method"}),
        ("SELECT extension FROM (SELECT * FROM logs)", {"extension"}),
    ],
)
def test_derived_columns_are_made_only_if_the_sql_needs_them(sql: str, needed: set[str]) -> None:
    if not needed <= set(derived.COLUMNS):
        pytest.fail(f"{needed - set(derived.COLUMNS)} are no derived columns")
    opened = Opened()
    rows(sql, opened)
    assert set(opened.derived[0]) == needed
    assert len(opened.derived) == 1


def test_derived_columns_can_be_asked_for_by_name() -> None:
    with query.ask("FROM logs", Opened(), derive=["method", "client"]) as answer:
        assert answer.schema.names == [*SCHEMA.names, "method", "client"]
        assert answer.table().column("method").to_pylist() == ["GET", "GET", "PUT"]
    every = tuple(derived.COLUMNS)
    assert len(rows("FROM logs", derive=every)[0]) == len(SCHEMA) + len(every)


def test_columns_of_one_name_get_names_of_their_own() -> None:
    assert rows("SELECT key, key, 1 AS key_1 FROM logs LIMIT 1") == [
        {"key": "a", "key_1": "a", "key_1_1": 1}
    ]


def test_parameters_are_bound() -> None:
    sql = "SELECT key FROM logs WHERE requester = $who"
    assert rows(sql, parameters={"who": BOB}) == [{"key": "b"}]
    assert rows(sql, parameters={"who": "' OR true --"}) == []


# ── reading once, and again ─────────────────────────────────────────────────────────────────────

TWICE = [
    ("SELECT count(*) AS n FROM logs a JOIN logs b USING (request_id)", [{"n": 4}]),
    (
        "SELECT (SELECT max(key) FROM logs) AS k, count(*) AS n FROM logs",
        [{"k": "old.jpg", "n": 2}],
    ),
    (
        "SELECT key FROM logs UNION ALL SELECT key FROM logs ORDER BY 1 LIMIT 3",
        [{"key": "new.jpg"}, {"key": "new.jpg"}, {"key": "old.jpg"}],
    ),
    (
        "WITH x AS NOT MATERIALIZED (SELECT key FROM logs) SELECT count(*) AS n FROM x a, x b",
        [{"n": 4}],
    ),
    ("WITH x AS (SELECT key FROM logs) SELECT count(*) AS n FROM x a, x b", [{"n": 4}]),
    (
        "WITH x AS MATERIALIZED (SELECT key FROM logs) SELECT count(*) AS n FROM x a, x b",
        [{"n": 4}],
    ),
    ("SELECT key FROM logs a WHERE EXISTS (FROM logs b WHERE b.key > a.key)", [{"key": "new.jpg"}]),
    (
        "PIVOT logs ON operation USING count(*) GROUP BY requester",
        [{"requester": ALICE, "REST.COPY.OBJECT": 1, "REST.COPY.OBJECT_GET": 1}],
    ),
]


@pytest.mark.parametrize(("sql", "answer"), TWICE, ids=range(len(TWICE)))
def test_logs_that_are_used_again_are_the_same_logs_and_read_once(
    sql: str, answer: list[dict[str, Any]]
) -> None:
    opened = Opened(COPY)
    assert rows(sql, opened) == answer
    assert len(opened.derived) == 1


def test_a_stream_that_can_be_read_once_only_can_be_asked_twice_in_one_question() -> None:
    stream = io.BytesIO(b"".join(COPY))
    sql = "SELECT count(*) AS n FROM logs a JOIN logs b ON a.key_decoded <> b.key_decoded"
    assert rows(sql, lambda derive: scan(stream, derive=derive)) == [{"n": 2}]


def test_only_the_columns_that_are_needed_are_copied() -> None:
    with database.Database() as scratch:
        plan = query.plan_of(
            scratch, "SELECT a.key, b.method FROM logs a JOIN logs b USING (bucket)"
        )
    assert plan == query.Plan(("method",), ("bucket", "key", "method"), 2)


def test_a_question_that_needs_no_logs_reads_none() -> None:
    opened = Opened()
    assert rows("SELECT 1 AS one", opened) == [{"one": 1}]
    assert "count_star()" in str(rows("EXPLAIN SELECT count(*) FROM logs", opened))
    assert len(rows("DESCRIBE logs", opened)) == len(SCHEMA)
    assert opened.derived == []


def test_a_plan_that_can_not_be_told_never_gives_half_an_answer() -> None:
    sql = "EXPLAIN ANALYZE SELECT count(*) FROM logs a JOIN logs b USING (key)"
    assert refused(sql).message == "DuckDB read the logs twice where its plan said once."


def test_rows_come_while_the_sources_are_still_being_read() -> None:
    """Far more batches than could be held are offered; the first rows need a few of them."""
    given = 0
    batch = next(iter(scan(io.BytesIO(b"".join(LINES)))))

    def endless(_: Sequence[str]) -> Iterator[pa.RecordBatch]:
        nonlocal given
        while given < 200_000:
            given += 1
            yield batch

    with query.ask("SELECT key FROM logs LIMIT 2", endless) as answer:
        assert answer.table().num_rows == 2
    assert given < 200_000


def test_closing_an_answer_early_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with query.ask("SELECT * FROM logs, range(100000)", Opened()) as answer:
        next(iter(answer))
        assert os.listdir(tmp_path)
    assert os.listdir(tmp_path) == []
    refused("SELECT nope FROM logs")
    assert os.listdir(tmp_path) == []


def test_more_than_fits_into_memory_spills_to_the_disk() -> None:
    many = "SELECT hash(r) || key AS k FROM logs, range(700000) t(r)"
    sql = f"SELECT count(DISTINCT k) AS n FROM ({many})"
    assert rows(sql, memory="60MB") == [{"n": 2_100_000}]


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────


def test_trouble_with_the_sources_is_told_as_it_is() -> None:
    def broken(_: Sequence[str]) -> Iterator[pa.RecordBatch]:
        raise Problem("The disk is gone.", "Find it.")
        yield

    for sql in ("SELECT count(*) FROM logs", "SELECT count(*) FROM logs a, logs b"):
        found = refused(sql, broken)
        assert (found.message, found.hint) == ("The disk is gone.", "Find it.")


@pytest.mark.parametrize("sql", ["SELECT key FROM logs", "SELECT 1 FROM logs a, logs b"])
def test_an_interrupt_while_reading_stays_one(sql: str) -> None:
    def broken(_: Sequence[str]) -> Iterator[pa.RecordBatch]:
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        rows(sql, broken)


def test_a_bug_while_reading_stays_what_it_is() -> None:
    def broken(_: Sequence[str]) -> Iterator[pa.RecordBatch]:
        raise ZeroDivisionError("ours")
        yield

    with pytest.raises(ZeroDivisionError, match="ours"):
        rows("SELECT key FROM logs", broken)


@pytest.mark.parametrize(
    ("sql", "message", "hint"),
    [
        ("SELECT kee FROM logs", "There is no column kee in logs.", "Did you mean key"),
        (
            "SELECT l.method_ FROM logs l",
            "There is no column method_ in logs.",
            "Did you mean method",
        ),
        ("SELECT zzzzz FROM logs", "There is no column zzzzz in logs.", "The columns are bucket_o"),
        ("SELEC 1", "DuckDB: syntax error at or near", "LINE 1: SELEC 1\n"),
        ("SELECT key FROM log", "DuckDB: Table with name log does not", 'Did you mean "logs"?'),
        ("SELECT nofun(key) FROM logs", "DuckDB: Scalar Function with name nofun", "Did you mean"),
        ("SELECT CAST(key AS INT) FROM logs", "DuckDB: Could not convert string 'a'", ""),
        ("SELECT error('x' || key) FROM logs", "DuckDB: xa", ""),
        ("", "There are 0 statements, and one is run.", "Ask one question"),
        ("SELECT 1; SELECT 2", "There are 2 statements, and one is run.", "Ask one question"),
    ],
)
def test_what_duckdb_refuses_is_a_problem_in_its_words(sql: str, message: str, hint: str) -> None:
    found = refused(sql)
    assert found.message.startswith(message)
    assert (found.hint or "").startswith(hint)


def test_sizes_of_memory_are_checked() -> None:
    for odd in ("lots", "1", "-1GB", "1GB'; SET x"):
        assert refused("SELECT 1", memory=odd).message == f"{odd!r} is no size of memory."


def test_a_folder_for_temporary_files_that_can_not_be_written_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    found = refused("SELECT 1")
    assert found.message.startswith("There is no room for temporary files: ")
    assert found.hint == "Set TMPDIR to a folder that can be written."


def test_a_duckdb_that_is_missing_or_too_old_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    monkeypatch.setattr(duckdb, "__version__", "1.4.4")
    found = refused("SELECT 1")
    assert found.message == "DuckDB 1.4.4 is too old; questions need 2.0 or newer."
    monkeypatch.setitem(sys.modules, "duckdb", None)
    found = refused("SELECT 1")
    assert found.message == "Questions in SQL need DuckDB, which isn't installed."
    assert found.hint == "Run: pip install 'bucketlog[lake]'"


def test_an_interrupt_stays_one() -> None:
    import duckdb

    for raised in (duckdb.InterruptException("INTERRUPT"), RuntimeError("Query interrupted")):
        with pytest.raises(KeyboardInterrupt), database.refusals():
            raise raised
    with pytest.raises(RuntimeError, match="ours"), database.refusals():
        raise RuntimeError("ours")


# ── strangers ───────────────────────────────────────────────────────────────────────────────────

READ = [
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM read_json('{file}')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM '{file}'",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM sniff_csv('{file}')",
    "SELECT * FROM parquet_metadata('{file}')",
    "SELECT * FROM read_csv('http://127.0.0.1:1/')",
    "SELECT * FROM read_parquet('s3://bucket/x')",
    "SELECT * FROM query_table('{file}')",
    "FROM query('FROM read_text(''{file}'')')",
    "SELECT getenv('HOME')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM scratch",  # a variable of ours
    "SELECT * FROM pandas_scan(1)",
    "SELECT * FROM python_arrow_scan(1, 2, 3)",
]
CHANGE = [
    "COPY logs TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/out.parquet'",
    "EXPORT DATABASE '{folder}/out'",
    "IMPORT DATABASE '{folder}/out'",
    "ATTACH '{folder}/out.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CREATE TABLE t AS SELECT 1",
    "CREATE SECRET (TYPE s3)",
    "DROP VIEW logs",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "PRAGMA enable_external_access = true",
    "PRAGMA temp_directory = '{folder}'",
    "CALL enable_logging(storage = 'file', storage_path = '{folder}')",
    "USE memory",
    "CHECKPOINT",
]


@pytest.mark.parametrize("sql", [*READ, *CHANGE])
def test_sql_of_a_stranger_reads_nothing_but_logs_and_writes_nothing(
    sql: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text("secret\n")
    scratch = pa.table({"a": [1]})
    refused(sql.format(file=file, folder=tmp_path))
    assert os.listdir(tmp_path) == ["secret"]
    assert scratch.num_rows == 1


@pytest.mark.parametrize("sql", [*CHANGE, *READ[:11]])
def test_the_connection_itself_refuses_what_could_reach_out_or_undo_that(
    sql: str, tmp_path: Path
) -> None:
    """Behind the check for questions: nothing rests on that alone."""
    file = tmp_path / "secret"
    file.write_text("secret\n")
    harmless = ("CREATE TABLE", "DROP VIEW", "CHECKPOINT", "USE", "CREATE SECRET")
    with database.Database() as scratch:
        if not sql.startswith(harmless):
            with pytest.raises(Problem), database.refusals():
                scratch.run(sql.format(file=file, folder=tmp_path)).read_all()
    assert os.listdir(tmp_path) == ["secret"]
