"""The kernel's slow twin: the same two RecordBatches, in pure Python over `line.decode`.

`bucketlog._native.parse_lines` must agree with it, column by column, on any bytes.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from bucketlog import _native
from bucketlog.accesslog import line
from bucketlog.accesslog.record import FIELDS
from bucketlog.reader.schema import LINE_COLUMNS, LINE_REJECTS

_MICROSECOND_NS = 1000


def parse_lines(
    data: bytes, first_line: int = 1, first_offset: int = 0
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    r"""Rows and rejects of the lines in `data`.

    A line ends at "\n"; bytes behind the last one are a line too. `first_line` is the number of
    the first line, `first_offset` the offset of its first byte.
    """
    rows: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    offset = first_offset
    pieces = data.split(b"\n")
    if not pieces[-1]:
        pieces.pop()
    for number, piece in enumerate(pieces, first_line):
        text = piece.removesuffix(b"\r")
        decoded = line.decode(piece)
        if decoded.record is None:
            rejects.append(
                {"line_number": number, "offset": offset, "reason": decoded.reason, "bytes": text}
            )
        else:
            odd = decoded.ambiguous or decoded.lossy
            rows.append(
                _row(decoded)
                | {
                    "extra_fields": list(decoded.extra_fields) or None,
                    "parse_ambiguous": decoded.ambiguous,
                    "raw": text if odd else None,
                    "field_count": min(len(decoded.texts) + len(decoded.extra_fields), 32767),
                    "line_number": number,
                }
            )
        offset += len(piece) + 1
    return _batch(rows, LINE_COLUMNS), _batch(rejects, LINE_REJECTS)


def disagreement(data: bytes, first_line: int = 1, first_offset: int = 0) -> str | None:
    """Where kernel and twin first differ over `data`; None where they agree in all."""
    for ours, theirs, schema in zip(
        _native.parse_lines(data, first_line, first_offset),
        parse_lines(data, first_line, first_offset),
        (LINE_COLUMNS, LINE_REJECTS),
        strict=True,
    ):
        ours.validate(full=True)
        if not ours.schema.equals(schema):
            return f"the schema is {ours.schema}"
        for name in schema.names:
            found, wanted = (_values(batch.column(name)) for batch in (ours, theirs))
            if found != wanted:
                return f"{name}: {found} instead of {wanted}"
    return None


def _values(column: pa.Array) -> list[Any]:
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    values: list[Any] = plain.to_pylist()
    return values


def _row(decoded: line.Decoded) -> dict[str, Any]:
    """The fields' values as the columns hold them: the key as it stands in the line."""
    assert decoded.record is not None
    values: dict[str, Any] = {field.name: getattr(decoded.record, field.name) for field in FIELDS}
    values["time"] //= _MICROSECOND_NS
    if values["key"] is not None:
        values["key"] = decoded.texts[7]
    return values


def _batch(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for column in schema:
        values = [row[column.name] for row in rows]
        if pa.types.is_dictionary(column.type):
            arrays.append(pa.array(values, pa.string()).dictionary_encode())
        else:
            arrays.append(pa.array(values, column.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
