"""Arrays under the names of structured records' members, made into a batch of LINE_COLUMNS.

Both JSON that Arrow read at once and Parquet pass through `assemble`. It changes types, fills in
what is absent, and puts into `extra_fields` whatever is no column.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from bucketlog.reader import derived, members
from bucketlog.reader.schema import LINE_COLUMNS, REPEATING, TIME

_SEPARATOR = "\x1e\x1f"  # between the extra fields of one record, while they are one text
# Times that Arrow reads as `members.instant` does.
_PLAIN_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$"


def assemble(arrays: Iterable[tuple[str, pa.Array]], rows: int, first_line: int) -> pa.RecordBatch:
    """A batch of LINE_COLUMNS from arrays by the names of their members, as they came.

    A bucket that isn't named is taken from the bucket's ARN. Of two members for one column the
    first counts; where the second differs from it, the record is ambiguous and the second is
    among the extra fields. Raises `members.Refused` for values that don't fit their column.
    """
    pairs = list(arrays)
    is_own = any(name == members.MARK for name, _ in pairs)
    found: dict[str, pa.Array] = {}
    extras: list[pa.Array] = []
    doubted = pa.scalar(False)
    of_arn: pa.Array | None = None
    for name, array in pairs:
        known = members.known(name)
        column = None if known is None else members.column(known)
        if column is None:
            if known == "bucket_arn":
                of_arn = pc.replace_substring_regex(text(array), "^.*:", "")
            if not (is_own and name in derived.COLUMNS):
                extras.append(named(name, array))
        elif column in members.PROVENANCE:
            continue
        elif column not in found:
            found[column] = fitted(known or name, array)
        else:
            second = fitted(known or name, array)
            differs = pc.fill_null(_differ(found[column], second), False)
            doubted = pc.or_(doubted, differs)
            texts = named(name, array)
            extras.append(pc.if_else(differs, texts, pa.scalar(None, pa.string())))
    if of_arn is not None:
        held = found.get("bucket")
        found["bucket"] = encoded(of_arn if held is None else pc.coalesce(text(held), of_arn))
    found["extra_fields"] = _joined(extras, found.get("extra_fields"), rows)
    ambiguous = found.get("parse_ambiguous", pa.scalar(False))
    doubts = pc.or_(pc.fill_null(ambiguous, False), doubted)
    found["parse_ambiguous"] = pa.repeat(doubts, rows) if isinstance(doubts, pa.Scalar) else doubts
    found["line_number"] = pa.array(range(first_line, first_line + rows), pa.int64())
    return pa.record_batch(
        [
            found[column.name] if column.name in found else pa.nulls(rows, column.type)
            for column in LINE_COLUMNS
        ],
        schema=LINE_COLUMNS,
    )


def _differ(one: pa.Array, other: pa.Array) -> pa.Array:
    """Where both are known and not the same."""
    if pa.types.is_dictionary(one.type):
        one, other = text(one), text(other)
    return pc.not_equal(one, other)


def fitted(name: str, array: pa.Array) -> pa.Array:
    """An array as its column's type; raises `members.Refused` naming the member."""
    column = members.column(name)
    kind = LINE_COLUMNS.field(column).type if column in LINE_COLUMNS.names else REPEATING
    try:
        if kind == REPEATING:
            return encoded(text(array))
        if kind == pa.string():
            return text(array)
        if column == "time":
            return _times(name, array)
        if pa.types.is_integer(kind):
            return _counts(name, array, kind)
        if pa.types.is_boolean(kind):
            return _truths(name, array)
        if pa.types.is_binary(kind) and _is_text(array.type):
            texts = text(array).to_pylist()
            return pa.array([None if v is None else members.octets(name, v) for v in texts], kind)
        return array.cast(kind)
    except (pa.ArrowException, ValueError) as error:
        if isinstance(error, members.Refused):
            raise
        raise members.Refused(f"{name} is of type {array.type}") from None


def text(array: pa.Array) -> pa.Array:
    """An array of texts as plain strings, whatever Arrow type it came in.

    Bytes that are not UTF-8 are replaced. Raises `ValueError` for what is no text.
    """
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.string())
    if not _is_text(array.type) and not pa.types.is_binary(array.type):
        raise ValueError("no text")
    try:
        strings = array if array.type == pa.string() else array.cast(pa.string())
        strings.validate(full=True)
    except pa.ArrowInvalid:
        values = array.cast(pa.binary()).to_pylist()
        return pa.array([None if v is None else v.decode(errors="replace") for v in values])
    return strings


def encoded(array: pa.Array) -> pa.Array:
    """Strings as a dictionary."""
    return array.dictionary_encode().cast(REPEATING)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _times(name: str, array: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(array.type):
        # A time without a zone is UTC, as Amazon's are; nanoseconds are cut.
        return array.cast(pa.timestamp("us", array.type.tz), safe=False).cast(TIME)
    texts = text(array)
    if pc.all(pc.match_substring_regex(texts, _PLAIN_TIME)).as_py():
        return texts.cast(TIME)
    micros = [None if v is None else members.instant(name, v) for v in texts.to_pylist()]
    return pa.array(micros, TIME)


def _counts(name: str, array: pa.Array, kind: pa.DataType) -> pa.Array:
    if _is_text(array.type) or pa.types.is_null(array.type):
        values = text(array).to_pylist()
        return pa.array([None if v is None else members.value(name, v) for v in values], kind)
    numbers = array.cast(kind)
    least = pc.min(numbers).as_py()
    most = pc.max(numbers).as_py()
    if least is not None and (least < 0 or (name == "http_status" and most > 999)):
        raise members.Refused(f"{name} is out of range")
    return numbers


def _truths(name: str, array: pa.Array) -> pa.Array:
    if pa.types.is_boolean(array.type):
        return array
    return pa.array(
        [None if v is None else members.value(name, v) for v in text(array).to_pylist()],
        pa.bool_(),
    )


# ── what is no column ───────────────────────────────────────────────────────────────────────────


def named(name: str, array: pa.Array) -> pa.Array:
    """`name=value` for each value, null for null."""
    try:
        values = text(array)
    except (ValueError, pa.ArrowException):
        return pa.array(
            [None if v is None else members.extra(name, v) for v in array.to_pylist()], pa.string()
        )
    return pc.binary_join_element_wise(f"{name}=", values, "")


def _joined(texts: list[pa.Array], held: pa.Array | None, rows: int) -> pa.Array:
    """One list a row of the texts it has, behind those it already had; null where none."""
    kind = LINE_COLUMNS.field("extra_fields").type
    if not texts:
        return pa.nulls(rows, kind) if held is None else _no_empty(held)
    is_odd = any(pc.any(pc.match_substring(each, "\x1e")).as_py() for each in texts)
    if held is not None or is_odd:
        lists = held.to_pylist() if held is not None else [None] * rows
        columns = [each.to_pylist() for each in texts]
        rows_of = zip(lists, *columns, strict=True)
        return pa.array(
            [[*(had or ()), *(v for v in more if v is not None)] or None for had, *more in rows_of],
            kind,
        )
    # The first text is there in every row: Arrow leaves rows out that have none to join.
    first = pa.repeat(pa.scalar(""), rows)
    joined = pc.binary_join_element_wise(first, *texts, _SEPARATOR, null_handling="skip")
    return _no_empty(pc.list_slice(pc.split_pattern(joined, _SEPARATOR), 1).cast(kind))


def _no_empty(lists: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(pc.list_value_length(lists), 0), pa.scalar(None, lists.type), lists)
