"""The Arrow columns of parsed logs and of rejects, made from the table of fields.

Columns carry Amazon's field names. Those whose values repeat are dictionaries; a hyphen is null.
"""

from __future__ import annotations

import pyarrow as pa

from bucketlog.accesslog.record import FIELDS, Field

TIME = pa.timestamp("us", tz="UTC")
REPEATING = pa.dictionary(pa.int32(), pa.string())
"""The type of columns in which few values come again and again."""

# Hardly any two records share these; all other text repeats.
_DISTINCT = frozenset({"request_id", "key", "request_uri", "version_id", "host_id"})


def _column(field: Field) -> pa.Field:
    kind: pa.DataType
    if field.type == "text":
        kind = pa.string() if field.name in _DISTINCT else REPEATING
    elif field.type == "int":
        kind = pa.int16() if field.name == "http_status" else pa.int64()
    else:
        kind = TIME if field.type == "time" else pa.bool_()
    return pa.field(field.name, kind)


FIELD_COLUMNS = pa.schema([_column(field) for field in FIELDS])
"""The 27 fields. `key` is as it stands in the line; a decoded one is a derived column."""

LINE_COLUMNS = pa.schema(
    [
        *FIELD_COLUMNS,
        pa.field("extra_fields", pa.list_(pa.string())),  # null where there are none
        pa.field("parse_ambiguous", pa.bool_(), nullable=False),
        pa.field("raw", pa.binary()),  # the line's bytes, where it is ambiguous or not UTF-8
        pa.field("field_count", pa.int16()),
        pa.field("line_number", pa.int64(), nullable=False),  # from 1, in its source object
    ]
)
"""What the kernel makes of lines.

`field_count` is how many fields the line had: `len(texts) + len(extra_fields)` of
`accesslog.line.decode`, at most 32767. It tells fields that were not yet there from hyphens, which
are both null. Null for structured records.
"""

SCHEMA = pa.schema(
    [
        *(column for column in LINE_COLUMNS if column.name != "line_number"),
        pa.field("source_object", REPEATING),
        pa.field("line_number", pa.int64(), nullable=False),
    ]
)
"""What `bucketlog.read` and `scan` return: the kernel's columns, and where each row is from."""

LINE_REJECTS = pa.schema(
    [
        pa.field("line_number", pa.int64(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),  # of its first byte, once decompressed
        pa.field("reason", REPEATING, nullable=False),
        pa.field("bytes", pa.binary(), nullable=False),  # without the line's end
    ]
)
"""What the kernel makes of lines that are no records."""

REJECTS = pa.schema([pa.field("source_object", REPEATING), *LINE_REJECTS])
"""Rejects with where they are from."""

ABOUT: dict[str, str] = {
    "extra_fields": "Fields behind those that are known, as they stand in the line; of a "
    "structured record the members that are no column, as `name=value`. Null where there are none.",
    "parse_ambiguous": "Whether the record can be read in more than one way, so that somebody may "
    "have forged it.",
    "raw": "The bytes of the line, if it is ambiguous or not UTF-8; else null.",
    "field_count": "How many fields the line had, extra ones included: it tells a field that was "
    "not there from a hyphen. Null for structured records.",
    "source_object": "The file or object that the record was read from.",
    "line_number": "The line in it, from 1; in Parquet the row.",
}
"""What the columns that are no field hold, for the reference page."""
