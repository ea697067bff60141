"""The formats that rows are written in: each streams batches to a binary stream.

Memory is bounded whatever the input's size: text and Arrow go out batch by batch, Parquet row
group by row group.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from bucketlog.problems import Problem

if TYPE_CHECKING:
    import pyarrow as pa

Write: TypeAlias = "Callable[[Iterable[pa.RecordBatch], pa.Schema, BinaryIO], None]"

_ROW_GROUP_ROWS = 1 << 20
_ROW_GROUP_BYTES = 256 << 20  # in memory; a good deal less in the file


@dataclass(frozen=True, slots=True)
class Format:
    """`is_binary` formats aren't for terminals; a file's `suffixes` tell its format."""

    write: Write
    suffixes: tuple[str, ...]
    is_binary: bool = False


def of_file(file: Path) -> str | None:
    """The format that the file's name asks for; None where it doesn't say."""
    for name, each in FORMATS.items():
        if file.suffix.lower() in each.suffixes:
            return name
    return None


def _json(batches: Iterable[pa.RecordBatch], schema: pa.Schema, stream: BinaryIO) -> None:
    from bucketlog.cli import texts

    for batch in batches:
        stream.write(texts.json_lines(batch))


def _tsv(batches: Iterable[pa.RecordBatch], schema: pa.Schema, stream: BinaryIO) -> None:
    from bucketlog.cli import texts

    stream.write("\t".join(schema.names).encode() + b"\n")
    for batch in batches:
        stream.write(texts.tab_separated(batch))


def _csv(batches: Iterable[pa.RecordBatch], schema: pa.Schema, stream: BinaryIO) -> None:
    from pyarrow import csv

    from bucketlog.cli import texts

    with csv.CSVWriter(stream, texts.plain_schema(schema)) as writer:
        for batch in batches:
            writer.write_batch(texts.plain(batch))


def _arrow(batches: Iterable[pa.RecordBatch], schema: pa.Schema, stream: BinaryIO) -> None:
    import pyarrow as pa

    with pa.ipc.new_stream(stream, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _parquet(batches: Iterable[pa.RecordBatch], schema: pa.Schema, stream: BinaryIO) -> None:
    from pyarrow import parquet

    with parquet.ParquetWriter(stream, schema, compression="zstd") as writer:
        for group in _row_groups(batches, schema):
            writer.write_table(group, _ROW_GROUP_ROWS)


def _row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Tables of about a million rows, with one dictionary a column: or none would be written."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= _ROW_GROUP_ROWS or size >= _ROW_GROUP_BYTES:
            yield pa.Table.from_batches(held, schema).unify_dictionaries()
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held, schema).unify_dictionaries()


FORMATS: dict[str, Format] = {
    "json": Format(_json, (".json", ".jsonl", ".ndjson")),
    "csv": Format(_csv, (".csv",)),
    "tsv": Format(_tsv, (".tsv", ".tab")),
    "parquet": Format(_parquet, (".parquet", ".pq"), is_binary=True),
    "arrow": Format(_arrow, (".arrow", ".arrows"), is_binary=True),
}
"""Every format but the table for people, by its name."""


def chosen(form: str | None, file: Path | None, example: str) -> str:
    """The format to write in: what was asked for, what the file's name says, what suits.

    `example` is the stem of the file name in a hint. Raises `Problem` for what can't be looked at.
    """
    if form is None and file is not None:
        form = of_file(file) or "json"
    is_terminal = file is None and sys.stdout.isatty()
    if form is None:
        form = "table" if is_terminal else "json"
    if form == "table" and file is not None:
        raise Problem(
            "A table is for people to look at, not for files.",
            f"Give --format {', '.join(FORMATS)}.",
        )
    if is_terminal and form != "table" and FORMATS[form].is_binary:
        raise Problem(
            f"{form} is not for terminals.",
            f"Write it to a file: -o {example}.{form}, or to a pipe.",
        )
    return form
