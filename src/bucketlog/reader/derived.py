"""Columns made of the fields on request, each by a rule that is told with it.

`COLUMNS` is the table; the reference page of columns is written from it. A rule reads the fields'
columns and nothing else, so the same records always give the same columns. Where a field's column
is a dictionary, its rule runs once a distinct value, not once a row.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bucketlog.problems import Problem
from bucketlog.reader import clients, keys, principals, request_lines
from bucketlog.reader.schema import REPEATING


@dataclass(frozen=True, slots=True)
class Derived:
    """One derived column: `rule` says in a sentence how it is made of the columns in `needs`."""

    name: str
    type: pa.DataType
    needs: tuple[str, ...]
    rule: str
    make: Callable[[Sources], pa.Array]


class Sources:
    """A batch's columns, and what several rules share, made once."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    def __getitem__(self, name: str) -> pa.Array:
        return self._batch.column(name)

    def text(self, name: str) -> pa.Array:
        """A column as plain strings."""
        array = self[name]
        return array if array.type == pa.string() else array.cast(pa.string())

    @cached_property
    def parts(self) -> request_lines.Parts:
        return request_lines.split(self["request_uri"])

    @cached_property
    def key(self) -> pa.Array:
        return keys.decoded(self["key"], self.text("operation"), self.is_structured)

    @cached_property
    def is_structured(self) -> pa.Array:
        return self["field_count"].is_null()


def add(batch: pa.RecordBatch, names: Iterable[str]) -> pa.RecordBatch:
    """The batch with derived columns behind its own, in the order of `names`.

    One that is there already is made anew in its place. Raises `Problem` for a name that is no
    derived column, and for a batch that lacks a column that a rule needs.
    """
    sources = Sources(batch)
    arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
    fields = {field.name: field for field in batch.schema}
    for name in names:
        column = _named(name)
        for needed in column.needs:
            if needed not in arrays:
                raise Problem(
                    f"The derived column {name} is made of {needed}, which these records lack.",
                    "Derive columns before columns are left out.",
                )
        arrays[name] = column.make(sources)
        fields[name] = pa.field(name, column.type)
    return pa.record_batch(
        list(arrays.values()), schema=pa.schema(list(fields.values()), batch.schema.metadata)
    )


def schema(names: Iterable[str]) -> pa.Schema:
    """The schema of these derived columns; raises `Problem` for a name that is none."""
    return pa.schema([(name, _named(name).type) for name in names])


def _named(name: str) -> Derived:
    column = COLUMNS.get(name)
    if column is not None:
        return column
    near = difflib.get_close_matches(name, COLUMNS, 2, 0.75)
    raise Problem(
        f"There is no derived column {name!r}.",
        f"Did you mean {' or '.join(near)}?" if near else f"There are {', '.join(COLUMNS)}.",
    )


# ── how rules are applied ───────────────────────────────────────────────────────────────────────


def _by_value(array: pa.Array, rule: Callable[[str | None], Any], kind: pa.DataType) -> pa.Array:
    """The rule's result for each row, worked out once for each distinct value and for null."""
    values = [*map(rule, array.dictionary.to_pylist()), rule(None)]
    places = pc.fill_null(array.indices, len(values) - 1)
    if kind != REPEATING:
        return pa.array(values, kind).take(places)
    results = pa.array(values, pa.string()).dictionary_encode().cast(REPEATING)
    return pa.DictionaryArray.from_arrays(results.indices.take(places), results.dictionary)


def _repeating(array: pa.Array) -> pa.Array:
    return array.dictionary_encode().cast(REPEATING)


def _of_principal(part: str) -> Callable[[Sources], pa.Array]:
    def make(sources: Sources) -> pa.Array:
        return _by_value(
            sources["requester"], lambda text: getattr(principals.of(text), part), REPEATING
        )

    return make


# ── the rules ───────────────────────────────────────────────────────────────────────────────────


def _is_presigned(sources: Sources) -> pa.Array:
    told = _by_value(
        sources["authentication_type"],
        lambda text: None if text is None else text == "QueryString",
        pa.bool_(),
    )
    return pc.coalesce(told, request_lines.has_signature(sources["request_uri"]))


_TLS = re.compile(r"TLS_?v?([0-9])(?:\.([0-9]))?", re.IGNORECASE)


def _tls(text: str | None) -> str | None:
    match = None if text is None else _TLS.fullmatch(text)
    return text if match is None else f"{match[1]}.{match[2] or 0}"


def _client(sources: Sources) -> pa.Array:
    found = _by_value(
        sources["user_agent"], lambda text: None if text is None else clients.of(text)[0], REPEATING
    )
    is_rule = _by_value(
        sources["operation"], lambda text: bool(text and text.startswith("S3.")), pa.bool_()
    )
    if not is_rule.true_count:
        return found
    lifecycle = pc.if_else(is_rule, pa.scalar("lifecycle"), pa.scalar(None, pa.string()))
    return _repeating(pc.coalesce(found.cast(pa.string()), lifecycle))


def _client_version(sources: Sources) -> pa.Array:
    return _by_value(
        sources["user_agent"], lambda text: None if text is None else clients.of(text)[1], REPEATING
    )


def _extension(sources: Sources) -> pa.Array:
    found = pc.extract_regex(sources.key, r"[^/]\.(?P<extension>[0-9A-Za-z]{1,16})$")
    return _repeating(pc.ascii_lower(pc.struct_field(found, "extension")))


def _top_prefix(sources: Sources) -> pa.Array:
    halves = pc.split_pattern(sources.key, "/", max_splits=1)
    is_deep = pc.equal(pc.list_value_length(halves), 2)
    deep = pc.if_else(is_deep, halves, pa.scalar(None, halves.type))
    return _repeating(pc.binary_join_element_wise(pc.list_element(deep, 0), "", "/"))


ERAS: tuple[tuple[int, str], ...] = (
    (17, "2006"),
    (18, "2010"),
    (23, "2019-03-05"),
    (24, "2019-03-28"),
    (25, "2021"),
    (26, "2022"),
    (27, "2026"),
)
"""How many of the known fields records have, from when on."""

NEWER = "newer"
"""The era of records that have all known fields and more."""


def _era(sources: Sources) -> pa.Array:
    counts, extras = sources["field_count"], sources["extra_fields"]
    more = pc.fill_null(pc.list_value_length(extras), 0)
    known = pc.subtract(counts.cast(pa.int32()), more)
    rank = pa.scalar(-1, pa.int32())
    for fields, _ in ERAS:
        rank = pc.add(rank, pc.greater_equal(known, fields).cast(pa.int32()))
    is_newer = pc.and_(pc.equal(known, ERAS[-1][0]), pc.greater(more, 0))
    rank = pc.add(pc.max_element_wise(rank, 0, skip_nulls=False), is_newer.cast(pa.int32()))
    names = pa.array([*(name for _, name in ERAS), NEWER])
    found = pa.DictionaryArray.from_arrays(rank.cast(pa.int32()), names)
    if not counts.null_count:
        return found
    return _repeating(pc.coalesce(found.cast(pa.string()), _schema_version(extras)))


_VERSION = "schema_version_id="


def _schema_version(extras: pa.Array) -> pa.Array:
    """What each list has behind `schema_version_id=`; "structured" where it has none."""
    rows, texts = pc.list_parent_indices(extras), extras.flatten()
    is_version = pc.starts_with(texts, _VERSION)
    found = pc.utf8_slice_codeunits(texts.filter(is_version), len(_VERSION))
    where = pc.index_in(
        pa.array(range(len(extras)), pa.int64()),
        value_set=rows.filter(is_version).cast(pa.int64()),
    )
    return pc.fill_null(found.take(where), "structured")


def _status_class(sources: Sources) -> pa.Array:
    classes = pa.array([f"{digit}xx" for digit in range(10)])
    digits = pc.divide(sources["http_status"], pa.scalar(100, pa.int16()))
    return pa.DictionaryArray.from_arrays(digits.cast(pa.int32()), classes)


def _is_error(sources: Sources) -> pa.Array:
    failed = pc.fill_null(pc.greater_equal(sources["http_status"], 400), False)
    return pc.or_(failed, sources["error_code"].is_valid())


_KEY = ("key", "operation", "field_count")

_ROWS = (
    Derived(
        "key_decoded",
        pa.string(),
        _KEY,
        "The object's name: `key` percent-decoded once for `BATCH.` and `S3.` operations and twice "
        "for all others, with `+` read as a blank; of structured records only if encoding the "
        "result gives `key` again.",
        lambda sources: sources.key,
    ),
    Derived(
        "extension",
        REPEATING,
        _KEY,
        "What follows the last dot of `key_decoded`, in lower case, if it is 1 to 16 ASCII letters "
        "and digits, and the dot doesn't begin the name.",
        _extension,
    ),
    Derived(
        "top_prefix",
        REPEATING,
        _KEY,
        "`key_decoded` up to and with its first slash; null without one.",
        _top_prefix,
    ),
    Derived(
        "method",
        REPEATING,
        ("request_uri",),
        "The request line up to its first blank; null without one.",
        lambda sources: _repeating(sources.parts.method),
    ),
    Derived(
        "path",
        pa.string(),
        ("request_uri",),
        "The request line's target up to its first question mark, as the client encoded it.",
        lambda sources: sources.parts.path,
    ),
    Derived(
        "query",
        pa.string(),
        ("request_uri",),
        "What follows the first question mark of the request line's target; null without one.",
        lambda sources: sources.parts.query,
    ),
    Derived(
        "http_version",
        REPEATING,
        ("request_uri",),
        "What follows the request line's last blank, if it is `HTTP/` and a number.",
        lambda sources: _repeating(sources.parts.http_version),
    ),
    Derived(
        "is_presigned",
        pa.bool_(),
        ("authentication_type", "request_uri"),
        "Whether `authentication_type` is `QueryString`; where it is null, whether the query has "
        "`X-Amz-Signature`, or `Signature` and `AWSAccessKeyId`, as that of a presigned URL that "
        "was refused has.",
        _is_presigned,
    ),
    Derived(
        "is_anonymous",
        pa.bool_(),
        ("requester",),
        "Whether `principal_type` is `anonymous`.",
        lambda sources: _by_value(
            sources["requester"], lambda text: principals.of(text).kind == "anonymous", pa.bool_()
        ),
    ),
    Derived(
        "principal_type",
        REPEATING,
        ("requester",),
        "The kind of principal, by the form of `requester`; null is `anonymous`.",
        _of_principal("kind"),
    ),
    Derived(
        "account_id",
        REPEATING,
        ("requester",),
        "The 12 digits of the account in an ARN; a canonical user ID doesn't tell them.",
        _of_principal("account_id"),
    ),
    Derived(
        "user_name",
        REPEATING,
        ("requester",),
        "The name of an IAM user without its path, of a federated user, or of an origin access "
        "identity.",
        _of_principal("user_name"),
    ),
    Derived(
        "role_name",
        REPEATING,
        ("requester",),
        "The name of the role in the ARN of an assumed role.",
        _of_principal("role_name"),
    ),
    Derived(
        "session_name",
        REPEATING,
        ("requester",),
        "The name of the session in the ARN of an assumed role.",
        _of_principal("session_name"),
    ),
    Derived(
        "tls",
        REPEATING,
        ("tls_version",),
        "`tls_version` as `1.0` to `1.3`, however it is spelled; text of another form stays.",
        lambda sources: _by_value(sources["tls_version"], _tls, REPEATING),
    ),
    Derived(
        "client",
        REPEATING,
        ("user_agent", "operation"),
        "The best known product that `user_agent` names, a tool before its SDK before its HTTP "
        "library; `other` where none is known, `lifecycle` where an `S3.` operation has none.",
        _client,
    ),
    Derived(
        "client_version",
        REPEATING,
        ("user_agent",),
        "The version that `user_agent` gives for `client`.",
        _client_version,
    ),
    Derived(
        "era",
        REPEATING,
        ("field_count", "extra_fields"),
        "Since when records have as many known fields as this one, `newer` where it has all and "
        "more; of structured records their `schema_version_id`, or `structured`.",
        _era,
    ),
    Derived(
        "date",
        pa.date32(),
        ("time",),
        "The day of `time`, in UTC.",
        lambda sources: sources["time"].cast(pa.date32()),
    ),
    Derived(
        "status_class",
        REPEATING,
        ("http_status",),
        "`http_status` by its first digit: `2xx`, `4xx`.",
        _status_class,
    ),
    Derived(
        "is_error",
        pa.bool_(),
        ("http_status", "error_code"),
        "Whether `http_status` is 400 or more, or there is an `error_code`.",
        _is_error,
    ),
)

COLUMNS: dict[str, Derived] = {column.name: column for column in _ROWS}
"""Every derived column by its name, in the order of the reference page."""
