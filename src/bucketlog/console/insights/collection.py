"""The records of one source in a DuckDB of its own, read with the key of who asks for them.

Log objects are fetched once: what is new is added, an earlier time is read in addition. The newest
come first, and of more than there is room for only they are kept, which is told. Blocks; `update`
runs on one thread at a time, questions may be asked meanwhile.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from bucketlog import _native
from bucketlog.console import s3
from bucketlog.console.insights.sources import Source, listed
from bucketlog.console.s3 import Failure
from bucketlog.lake.database import Database, refusals
from bucketlog.problems import Problem
from bucketlog.reader import compression, derived, parse, schema

MOST_OBJECTS = 20_000
MOST_BYTES = 1 << 30
"""Of log objects as they are stored."""

_MEMORY = "128MB"  # beyond that DuckDB spills
_FETCHERS = 6
_AHEAD = 32
_BLOCK_BYTES = 4 << 20
_ANSWERS = 256
_SPAN = "SELECT count(*) AS n, min(time) AS first, max(time) AS last FROM logs"

_FIELDS = (
    "time",
    "bucket",
    "remote_ip",
    "requester",
    "operation",
    "http_status",
    "error_code",
    "bytes_sent",
    "object_size",
    "total_time",
    "authentication_type",
    "source_object",
    "line_number",
)
_DERIVED = ("key_decoded", "top_prefix", "client", "tls", "status_class")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an update is."""

    objects: int = 0
    of_objects: int | None = None
    """None while they are being listed."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What is in a collection."""

    records: int = 0
    objects: int = 0
    rejects: int = 0
    """Lines that are no record."""
    left_out: int = 0
    """Older log objects there was no room for."""
    unreadable: int = 0
    """Log objects that could not be fetched or read; they are tried again."""
    first: datetime | None = None
    last: datetime | None = None


class Collection:
    """One source's records. Close it to give back what it takes."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.progress = Progress()
        self.holding = Holding()
        self.version = 0
        """Another whenever there are other records."""
        self._database = Database(_MEMORY)
        # A connection serves one call at a time: one is for what comes, one for who asks.
        self._asker = self._database.connection.cursor()
        self._adding = threading.Lock()
        self._asking = threading.Lock()
        self._is_closed = False
        self._keys: set[str] = set()
        self._answers: dict[str, list[dict[str, Any]]] = {}
        self._rejects = 0
        empty = pa.Table.from_batches([], _columns())
        self._database.register("arriving", empty)
        self._database.execute("CREATE TABLE logs AS FROM arriving")
        self._database.connection.unregister("arriving")

    def close(self) -> None:
        """Forgets the records; who is at it meanwhile gets a `Problem`."""
        self._is_closed = True
        self._asker.interrupt()
        with self._adding, self._asking:
            self._asker.close()
            self._database.close()

    def _check(self) -> None:
        if self._is_closed:
            raise Problem("The records were put away meanwhile.", "Load the page again.")

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    def update(self, client: Any, since: datetime | None) -> None:
        """Reads the log objects that may hold records from `since` on and aren't here yet.

        Raises `Failure` where they can't be listed, or none of them can be read.
        """
        self.progress = Progress()
        there = list(listed(client, self.source, since))
        missing = [each for each in there if each[0] not in self._keys]
        missing.sort(key=lambda each: each[0][-36:], reverse=True)
        wanted, left_out = self._fitting(missing)
        self.progress = Progress(0, len(wanted))
        unreadable, failure = 0, None
        done = 0
        for block in _blocks(_fetched(client, self.source.target, wanted)):
            done += len(block)
            good = [(key, data) for key, data in block if isinstance(data, bytes)]
            failure = next((data for _, data in block if isinstance(data, Failure)), failure)
            unreadable += len(block) - len(good)
            unreadable += self._add(good)
            self.progress = Progress(done, len(wanted))
        if failure is not None and not self._keys:
            raise failure
        self._settle(left_out, unreadable, has_changed=bool(wanted))

    def _fitting(self, missing: list[tuple[str, int]]) -> tuple[list[str], int]:
        room, objects = MOST_BYTES, MOST_OBJECTS - len(self._keys)
        wanted: list[str] = []
        for key, size in missing:
            room -= size
            if room < 0 or len(wanted) >= objects:
                break
            wanted.append(key)
        return wanted, len(missing) - len(wanted)

    def _add(self, objects: list[tuple[str, bytes]]) -> int:
        """Adds the records of some objects; how many of them are damaged."""
        tables: list[pa.RecordBatch] = []
        texts: list[tuple[str, bytes]] = []
        damaged = 0
        for key, data in objects:
            try:
                data = b"".join(compression.expand([data]))
            except compression.Damaged:
                damaged += 1
                continue
            if parse.kind_of(data[:4096]) == "text":
                texts.append((key, data))
            else:
                parsed = parse.parse(data)
                self._rejects += parsed.rejects.num_rows
                tables.append(_named(parsed.batch, [key] * parsed.batch.num_rows))
        if texts:
            tables.append(self._parsed(texts))
        self._insert([_chosen(table) for table in tables])
        self._keys.update(key for key, _ in objects)
        return damaged

    def _parsed(self, texts: list[tuple[str, bytes]]) -> pa.RecordBatch:
        """All at once, as each parse has its price; each row gets the name and line it is of."""
        whole = [data if data.endswith(b"\n") else data + b"\n" for _, data in texts]
        batch, rejects = parse.parse_lines(b"".join(whole))
        self._rejects += rejects.num_rows
        begins = [0]
        for data in whole:
            begins.append(begins[-1] + _native.count_lines(data))
        numbers = batch.column("line_number").to_pylist()
        places = [bisect_right(begins, number - 1) - 1 for number in numbers]
        lines = [number - begins[place] for number, place in zip(numbers, places, strict=True)]
        batch = batch.set_column(
            batch.schema.get_field_index("line_number"), "line_number", pa.array(lines, pa.int64())
        )
        return _named(batch, [texts[place][0] for place in places])

    def _insert(self, batches: list[pa.RecordBatch]) -> None:
        if not batches:
            return
        table = pa.Table.from_batches(batches)
        with self._adding:
            self._check()
            self._database.register("arriving", table)
            where = ""
            if self.source.about is not None:
                where = " WHERE bucket = $about"
            self._database.execute(
                f"INSERT INTO logs SELECT * FROM arriving{where}",
                {"about": self.source.about} if where else None,
            )
            self._database.connection.unregister("arriving")

    def _settle(self, left_out: int, unreadable: int, *, has_changed: bool) -> None:
        if has_changed or not self.version:
            (row,) = self._run(
                "SELECT count(*) AS n, min(time) AS first, max(time) AS last FROM logs"
            )
            self.holding = Holding(
                row["n"],
                len(self._keys),
                self._rejects,
                left_out,
                unreadable,
                row["first"],
                row["last"],
            )
            self._answers = {}
            self.version += 1

    # ── asking ──────────────────────────────────────────────────────────────────────────────────

    def ask(self, statements: Iterable[str]) -> list[list[dict[str, Any]]]:
        """The rows that answer each statement. Raises `Problem` for what DuckDB refuses."""
        found = []
        answers = self._answers
        for sql in statements:
            rows = answers.get(sql)
            if rows is None:
                rows = self._run(sql)
                if len(answers) >= _ANSWERS:
                    answers.clear()
                answers[sql] = rows
            found.append(rows)
        return found

    def _run(self, sql: str) -> list[dict[str, Any]]:
        with self._asking:
            self._check()
            try:
                with refusals():
                    table: pa.Table = self._asker.sql(sql).to_arrow_table()
            except KeyboardInterrupt:  # so an interruption is told, which only `close` makes
                self._check()
                raise
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows


def _columns() -> pa.Schema:
    fields = {field.name: field for field in schema.SCHEMA}
    made = [pa.field(name, derived.COLUMNS[name].type) for name in _DERIVED]
    return pa.schema([*(fields[name] for name in _FIELDS), *made])


def _named(batch: pa.RecordBatch, names: list[str]) -> pa.RecordBatch:
    return batch.append_column("source_object", pa.array(names).dictionary_encode())


def _chosen(batch: pa.RecordBatch) -> pa.RecordBatch:
    made = derived.add(batch, _DERIVED).select(_columns().names)
    return made.cast(_columns())


Fetched = bytes | Failure


def _fetched(client: Any, bucket: str, keys: list[str]) -> Iterator[tuple[str, Fetched]]:
    """The objects in that order, several being fetched at a time."""

    def fetch(key: str) -> Fetched:
        try:
            with s3.translated("GetObject"):
                data: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
                return data
        except Failure as failure:
            return failure

    with ThreadPoolExecutor(_FETCHERS, "insights") as fetchers:
        ahead: list[tuple[str, Future[Fetched]]] = []
        try:
            for key in keys:
                ahead.append((key, fetchers.submit(fetch, key)))
                if len(ahead) >= _AHEAD:
                    first, fetched = ahead.pop(0)
                    yield first, fetched.result()
            for key, fetched in ahead:
                yield key, fetched.result()
        finally:
            for _, fetched in ahead:
                fetched.cancel()


def _blocks(fetched: Iterator[tuple[str, Fetched]]) -> Iterator[list[tuple[str, Fetched]]]:
    """Some at a time: as many as are parsed well together, and as have come within a moment."""
    block: list[tuple[str, Fetched]] = []
    held, began_at = 0, time.monotonic()
    for key, data in fetched:
        block.append((key, data))
        held += len(data) if isinstance(data, bytes) else 0
        if held >= _BLOCK_BYTES or time.monotonic() - began_at > 1.0:
            yield block
            block, held, began_at = [], 0, time.monotonic()
    if block:
        yield block
