"""Columns as text, whole batches at a time: JSON lines and tab-separated values.

Arrow's kernels do the work; only the few values that need escaping pass through Python. Times are
ISO 8601 in UTC. Bytes that aren't text (the column `raw`) become characters of the same number,
as in latin-1, so they can be had back.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_TEXT = pa.string()
_CONTROL = r"[\x00-\x1f\x7f-\x{9f}\x{2028}-\x{202e}\x{2066}-\x{2069}]"
_JSON_ODD = rf'["\\]|{_CONTROL}'
_TSV_ODD = rf"\\|{_CONTROL}"
_PYTHON_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\"}


def json_lines(batch: pa.RecordBatch) -> memoryview:
    """One JSON object a row, each with a line end; what is null is left out."""
    if batch.num_columns == 0:
        return memoryview(b"{}\n" * batch.num_rows)
    members = [
        _member(name, column)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    if any(member.null_count == 0 for member in members):
        inner = pc.binary_join_element_wise(*members, ",", null_handling="skip")
    else:  # pyarrow 26 drops a row whose values are all skipped, so each gets one that isn't
        led = pc.binary_join_element_wise(
            pa.repeat("", batch.num_rows), *members, ",", null_handling="skip"
        )
        inner = pc.ascii_ltrim(led, ",")  # members begin with a quote
    return _joined(pc.binary_join_element_wise("{", inner, "}\n", ""))


def tab_separated(batch: pa.RecordBatch) -> memoryview:
    r"""The values of a row with tabs between them; null is nothing.

    Control characters are written as \t, \n, \r or \x1b, a backslash as two.
    """
    columns = [
        pc.fill_null(_flat(column, _column_text, _escaped_for_tabs), "") for column in batch.columns
    ]
    return _joined(
        pc.binary_join_element_wise(pc.binary_join_element_wise(*columns, "\t"), "\n", "")
    )


def shown(text: str) -> str:
    """Text with control characters as escapes, so that none reaches a terminal."""
    return _PYTHON_CONTROL.sub(_escape, text)


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with each column text, number or truth value, as CSV has them."""
    columns = []
    for column in batch.columns:
        kind = column.type
        if pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type):
            columns.append(column.cast(_TEXT))
        elif pa.types.is_primitive(kind) and not pa.types.is_temporal(kind):
            columns.append(column)
        else:
            columns.append(_column_text(column))
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema of what `plain` makes of batches with this one."""
    empty = pa.RecordBatch.from_arrays([pa.array([], each.type) for each in schema], schema=schema)
    return plain(empty).schema


def _joined(rows: pa.Array) -> memoryview:
    """The texts one behind the other: they stand so in memory."""
    offsets = memoryview(rows.buffers()[1]).cast("i")
    first, last = offsets[rows.offset], offsets[rows.offset + len(rows)]
    return memoryview(rows.buffers()[2] or b"")[first:last]


def _flat(
    column: pa.Array,
    text: Callable[[pa.Array], pa.Array],
    encode: Callable[[pa.Array], pa.Array],
) -> pa.Array:
    """The encoded text of each value; of a dictionary each value is encoded once."""
    if pa.types.is_dictionary(column.type):
        return encode(text(column.dictionary)).take(column.indices)
    return encode(text(column))


def _member(name: str, column: pa.Array) -> pa.Array:
    r"""`"name":value` for each value, null for null."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    label = f"{json.dumps(name)}:"
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_decimal(kind):
        return _flat(
            column,
            _column_text,
            lambda text: pc.binary_join_element_wise(label, text, ""),
        )
    if pa.types.is_nested(kind) or pa.types.is_floating(kind):
        return _by_hand(column, lambda value: label + _dumped(_finite(value)))
    return _flat(
        column,
        _column_text,
        lambda text: pc.binary_join_element_wise(f'{label}"', _escaped_for_json(text), '"', ""),
    )


def _finite(value: object) -> object:
    """The value, or None for the floats that JSON doesn't have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _dumped(value: object) -> str:
    return _PYTHON_CONTROL.sub(
        lambda found: f"\\u{ord(found[0]):04x}",
        json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":")),
    )


def _column_text(column: pa.Array) -> pa.Array:
    """The values as text, null for null."""
    kind = column.type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_timestamp(kind):
        return _times(column)
    if pa.types.is_dictionary(kind):
        return _column_text(column.dictionary).take(column.indices)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _by_hand(column, lambda value: value.decode("latin-1"))
    if pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
        return _by_hand(column, " ".join)
    if pa.types.is_nested(kind):
        return _by_hand(column, _dumped)
    if pa.types.is_duration(kind) or pa.types.is_interval(kind):
        return _by_hand(column, str)
    return column.cast(_TEXT)


def _by_hand(column: pa.Array, text: Callable[[Any], str]) -> pa.Array:
    """Made by Python; quick where nearly all is null, as such columns are."""
    if column.null_count == len(column):
        return pa.nulls(len(column), _TEXT)
    return pa.array([None if value is None else text(value) for value in column.to_pylist()], _TEXT)


def _times(column: pa.Array) -> pa.Array:
    """`2026-03-17T09:41:07Z`, with as many digits of a second as the batch needs."""
    once = column.dictionary_encode()
    found = once.dictionary
    for unit in ("s", "ms", "us", "ns"):
        try:
            narrow = found.cast(pa.timestamp(unit))
        except pa.ArrowInvalid:
            continue
        text = pc.replace_substring(narrow.cast(_TEXT), " ", "T", max_replacements=1)
        zone = "" if column.type.tz is None else "Z"
        return pc.binary_join_element_wise(text, zone, "").take(once.indices)
    raise AssertionError("a timestamp has one of four units")


def _escaped_for_json(text: pa.Array) -> pa.Array:
    return _escaped(text, _JSON_ODD, lambda value: _dumped(value)[1:-1])


def _escaped_for_tabs(text: pa.Array) -> pa.Array:
    return _escaped(text, _TSV_ODD, lambda value: shown(value.replace("\\", "\\\\")))


def _escaped(text: pa.Array, odd: str, escape: Callable[[str], str]) -> pa.Array:
    """The texts, those of them escaped that match the pattern."""
    is_odd = pc.fill_null(pc.match_substring_regex(text, odd), False)
    if not pc.any(is_odd).as_py():
        return text
    escaped = [escape(value) for value in text.filter(is_odd).to_pylist()]
    return pc.replace_with_mask(text, is_odd, pa.array(escaped, _TEXT))


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
