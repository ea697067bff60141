"""Structured records to the columns of lines: JSON lines and Parquet, Amazon's and our own.

What is in a record and under which name is in `members`. JSON is read at once by Arrow where all
of it is as it should be, else line by line: one bad line is one reject, never more. A member that
stands twice, or that comes under two names, marks its record as ambiguous, as a line that can be
read in two ways is. Nothing that a record holds is lost: what is no column is in `extra_fields`.

Source: Amazon S3 User Guide, "Log format in CloudWatch Logs".
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, BinaryIO, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj
import pyarrow.parquet as pq

from bucketlog.problems import Problem
from bucketlog.reader import columns, derived, members
from bucketlog.reader.schema import FIELD_COLUMNS, LINE_COLUMNS, LINE_REJECTS, REPEATING

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes. A longer line of JSON is a reject; Amazon's have a few KB."""

NO_REJECTS = pa.RecordBatch.from_pylist([], schema=LINE_REJECTS)
"""A batch of LINE_REJECTS without rows."""

_BOM = b"\xef\xbb\xbf"


def parse_json(
    data: bytes, first_line: int = 1, first_offset: int = 0
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    r"""Whole lines of JSON: a batch of LINE_COLUMNS, and one of LINE_REJECTS.

    `data` holds lines ended by "\n" or "\r\n" (the last may lack its end); the first is line
    `first_line`, and its first byte is at `first_offset`. Every line is a row or a reject. A
    record needs a time, and a bucket or an operation; other members may be absent or null. A line
    of CloudWatch Logs' export, a time and a blank before the record, is read too, and so is an
    event `{"timestamp": ..., "message": "{...}"}`.
    """
    if first_offset == 0 and data.startswith(_BOM):
        data, first_offset = data[len(_BOM) :], len(_BOM)
    batch = _at_once(data, first_line)
    if batch is not None:
        return batch, NO_REJECTS
    return _line_by_line(data, first_line, first_offset)


# ── at once ─────────────────────────────────────────────────────────────────────────────────────

_AS_INTEGERS = frozenset(
    name for name in FIELD_COLUMNS.names if pa.types.is_integer(FIELD_COLUMNS.field(name).type)
)


def _expected(is_own: bool, acl_required: pa.DataType) -> pa.Schema:
    """The members that are no surprise, as JSON has them."""
    names = FIELD_COLUMNS.names if is_own else (*_AMAZONS, *members.KEPT)
    kinds = {"acl_required": acl_required}
    if is_own:
        names = [*names, *sorted(members.OWN)]
        kinds |= {
            "extra_fields": pa.list_(pa.string()),
            "parse_ambiguous": pa.bool_(),
            "field_count": pa.int64(),
            "line_number": pa.int64(),
        }
    return pa.schema(
        [
            (
                name,
                kinds.get(
                    name, pa.int64() if members.column(name) in _AS_INTEGERS else pa.string()
                ),
            )
            for name in names
        ]
    )


_COLUMN_TO_AMAZON = {column: name for name, column in members.RENAMED.items()}
_AMAZONS = [_COLUMN_TO_AMAZON.get(name, name) for name in FIELD_COLUMNS.names]


def _at_once(data: bytes, first_line: int) -> pa.RecordBatch | None:
    """The batch of records that are all sound; None where any line wants a closer look.

    Arrow refuses what isn't JSON, members that stand twice, that have no column or another type.
    What it would let pass is looked for here: several records on a line, or one on several.
    """
    body = data.removesuffix(b"\n").removesuffix(b"\r")
    if not (body.startswith(b"{") and body.endswith(b"}")):
        return None
    rows = body.count(b"\n") + 1
    # No "}", line break, "{" can stand within a record, so where every break is one, every line
    # is a record: those with more than one are betrayed by the count.
    if body.count(b"}\n{") + body.count(b"}\r\n{") != rows - 1:
        return None
    if len(body) > LONGEST_LINE and max(map(len, body.split(b"\n"))) > LONGEST_LINE:
        return None
    if not _is_utf_8(body):
        return None
    is_own = b'"parse_ambiguous"' in body[: body.find(b"\n") if rows > 1 else len(body)]
    has_truths = re.search(rb'"acl_required": ?[tf]', body) is not None
    schema = _expected(is_own, pa.bool_() if has_truths else pa.string())
    try:
        table = pj.read_json(
            io.BytesIO(body),
            read_options=pj.ReadOptions(use_threads=False, block_size=max(1 << 20, len(body) + 1)),
            parse_options=pj.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="error"
            ),
        )
        if table.num_rows != rows:
            return None
        arrays = [
            (name, column.combine_chunks())
            for name, column in zip(schema.names, table.columns, strict=True)
            if column.null_count < rows
        ]
        batch = columns.assemble(arrays, rows, first_line)
    except (pa.ArrowException, members.Refused):
        return None
    return batch if _are_records(batch) else None


def _is_utf_8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _are_records(batch: pa.RecordBatch) -> bool:
    """Whether every row has a time, and a bucket or an operation."""
    if batch.column("time").null_count:
        return False
    if not batch.column("bucket").null_count or not batch.column("operation").null_count:
        return True
    named = pc.or_(batch.column("bucket").is_valid(), batch.column("operation").is_valid())
    return bool(pc.all(named).as_py())


# ── line by line ────────────────────────────────────────────────────────────────────────────────

# What CloudWatch Logs writes before each message when a log group is exported to S3.
_EXPORTED = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z \{")


class _Rejected(Exception):
    """A line that is no record, and why: the words are of a small set, so they can be counted."""


def _line_by_line(
    data: bytes, first_line: int, first_offset: int
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    rows: dict[str, list[Any]] = {column.name: [] for column in LINE_COLUMNS}
    rejects: dict[str, list[Any]] = {column.name: [] for column in LINE_REJECTS}
    offset = first_offset
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, whole in enumerate(lines, first_line):
        line = whole.removesuffix(b"\r")
        try:
            record = _record(line)
        except _Rejected as why:
            for name, value in zip(rejects, (number, offset, str(why), line), strict=True):
                rejects[name].append(value)
        else:
            record["line_number"] = number
            for name, values in rows.items():
                values.append(record.get(name))
        offset += len(whole) + 1
    return _batch(rows, LINE_COLUMNS), _batch(rejects, LINE_REJECTS)


def _batch(values: dict[str, list[Any]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [
        columns.encoded(pa.array(values[column.name], pa.string()))
        if column.type == REPEATING
        else pa.array(values[column.name], column.type)
        for column in schema
    ]
    return pa.record_batch(arrays, schema=schema)


def _record(line: bytes) -> dict[str, Any]:
    """The values of one record by column; raises `_Rejected`."""
    if not line.strip():
        raise _Rejected("the line is empty")
    if len(line) > LONGEST_LINE:
        raise _Rejected("the line is too long")
    start = line.index(b"{") if _EXPORTED.match(line) else 0
    text = line[start:].decode(errors="replace")
    try:
        record, is_doubted = _told(_unwrapped(_members(text)))
    except RecursionError:
        raise _Rejected("it is nested too deeply") from None
    if record.get("time") is None:
        raise _Rejected("it has no time")
    if record.get("bucket") is None and record.get("operation") is None:
        raise _Rejected("it names neither bucket nor operation")
    lossy = "\N{REPLACEMENT CHARACTER}" in text and not _is_utf_8(line)
    record["parse_ambiguous"] = is_doubted or record.get("parse_ambiguous") is True
    if "\\u" in text:
        lossy |= _mend(record)
    if is_doubted or lossy:
        record["raw"] = line
    return record


def _mend(record: dict[str, Any]) -> bool:
    """Puts U+FFFD for halves of surrogate pairs; whether there were any."""
    is_mended = False
    for name, value in record.items():
        if isinstance(value, str) and not _is_whole(value):
            record[name], is_mended = _whole(value), True
        elif name == "extra_fields" and value and not all(map(_is_whole, value)):
            record[name], is_mended = [_whole(each) for each in value], True
    return is_mended


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _members(text: str) -> members.Pairs:
    try:
        found = json.loads(
            text, object_pairs_hook=members.Pairs, parse_float=Decimal, parse_constant=_no_constant
        )
    except ValueError as error:
        if "Extra data" in str(error):
            raise _Rejected("something follows the record on its line") from None
        raise _Rejected("it is no JSON") from None
    if not isinstance(found, members.Pairs):
        raise _Rejected("it is JSON, but no object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _unwrapped(found: members.Pairs) -> members.Pairs:
    """The record in an event of CloudWatch Logs, or else what was given."""
    held = {name.lstrip("@"): value for name, value in found.members}
    if held.get("messageType") == "DATA_MESSAGE" or isinstance(held.get("logEvents"), list):
        raise _Rejected("it is an envelope of several events: take .logEvents[].message out of it")
    message = held.get("message")
    if not isinstance(message, str) or not message.startswith("{"):
        return found
    return (
        found
        if any(members.known(name) == "request_time" for name, _ in found.members)
        else (_members(message))
    )


def _told(found: members.Pairs) -> tuple[dict[str, Any], bool]:
    """Values by column, and whether any column was told of more than once."""
    record: dict[str, Any] = {}
    extras: list[str] = []
    is_doubted = False
    is_own = any(name == members.MARK for name, _ in found.members)
    seen: set[str] = set()
    arn: Any = None
    for name, value in found.members:
        known = members.known(name)
        column = None if known is None else members.column(known)
        is_doubted |= name in seen
        seen.add(name)
        if value is None or column in members.PROVENANCE:
            continue
        if column is None:
            if known == "bucket_arn" and isinstance(value, str):
                arn = arn or value
            if not (is_own and name in derived.COLUMNS):
                extras.append(members.extra(name, value))
            continue
        try:
            fitted = members.value(known or name, value)
        except members.Refused as why:
            raise _Rejected(str(why)) from None
        if column not in record:
            record[column] = fitted
        elif record[column] != fitted:
            is_doubted = True
            extras.append(members.extra(name, value))
    if arn is not None and record.get("bucket") is None:
        record["bucket"] = arn.rpartition(":")[2]
    record["extra_fields"] = [*(record.get("extra_fields") or ()), *extras] or None
    return record, is_doubted


# ── Parquet ─────────────────────────────────────────────────────────────────────────────────────


def parse_parquet(
    source: bytes | str | BinaryIO, first_line: int = 1, *, batch_rows: int = 65536
) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file as batches of LINE_COLUMNS; never more than `batch_rows` at once.

    `source` is the file's bytes, its path, or a file that can seek. Rows are the file's rows, in
    its order; row n is line n. Columns that are absent are null. Raises `Problem` where the file
    can't be read or is no access log: at once, or, if the damage is further in, from the iterator.
    """
    with _telling():
        file = pq.ParquetFile(io.BytesIO(source) if isinstance(source, bytes) else source)
        known = [members.known(name) for name in file.schema_arrow.names]
    found = {members.column(name) for name in known if name is not None}
    if "time" not in found or ("bucket_arn" not in known and not found & {"bucket", "operation"}):
        raise Problem(
            "This Parquet file is no access log: it has no columns for a time and a bucket.",
            "Columns are named as in Amazon's structured records, or as bucketlog names them.",
        )
    return _batches(file, first_line, batch_rows)


def joined(batches: Iterable[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches of LINE_COLUMNS as one."""
    whole = pa.Table.from_batches(batches, schema=LINE_COLUMNS).combine_chunks().to_batches()
    return whole[0] if whole else pa.RecordBatch.from_pylist([], schema=LINE_COLUMNS)


def _batches(file: pq.ParquetFile, first_line: int, batch_rows: int) -> Iterator[pa.RecordBatch]:
    with _telling(), file:
        for batch in file.iter_batches(batch_size=batch_rows, use_threads=False):
            arrays = zip(batch.schema.names, batch.columns, strict=True)
            yield columns.assemble(arrays, batch.num_rows, first_line)
            first_line += batch.num_rows


@contextmanager
def _telling() -> Iterator[None]:
    """Turns what goes wrong in a Parquet file into a `Problem`."""
    try:
        yield
    except members.Refused as error:
        raise Problem(f"This Parquet file is no access log: its {error}.") from None
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        said = str(error).partition("\n")[0].rstrip(".")
        raise Problem(f"The Parquet file can't be read: {said}.") from None
