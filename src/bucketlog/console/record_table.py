"""The records of a log object that somebody wants to see: which, in what order, shown how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

from bucketlog.reader import principals

if TYPE_CHECKING:
    import pyarrow as pa

    from bucketlog.console.log_objects import LogObject

PER_PAGE = 100
NOBODY = "-"
"""How a filter asks for records without a requester, or without a status."""

ORDERS: dict[str, tuple[str, str, str]] = {
    "newest": ("time", "descending", "newest first"),
    "oldest": ("time", "ascending", "oldest first"),
    "slowest": ("total_time", "descending", "slowest first"),
    "largest": ("bytes_sent", "descending", "most bytes first"),
}
"""Orders but the object's own: column, direction, words."""

_SEARCHED = ("request_uri", "key", "requester", "remote_ip", "error_code", "user_agent", "referer")
_REMEMBERED = 12
_MOST_REQUESTERS = 200
_SHOWN = (
    *("line_number", "time", "operation", "key_decoded", "http_status", "error_code"),
    *("requester", "remote_ip", "client", "bytes_sent", "total_time", "parse_ambiguous"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter. "" lets everything through."""

    operation: str = ""
    status: str = ""
    """ "4xx", "404", or `NOBODY`."""
    requester: str = ""
    object: str = ""
    """A part of the key, decoded; capital or small."""
    text: str = ""
    """A part of the raw line; capital or small."""
    doubted: str = ""
    """ "1": only what can be read in more than one way."""
    order: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """What an address asks for."""
        given = {each.name: query.get(each.name, "") for each in fields(cls)}
        return cls(**given)

    @property
    def query(self) -> dict[str, str]:
        """For an address that asks for it."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @property
    def filters(self) -> bool:
        """Whether anything but the order is asked for."""
        return any(value for name, value in self.query.items() if name != "order")


@dataclass(frozen=True, slots=True)
class Row:
    """One record in the table."""

    line: int
    time: datetime
    operation: str
    key: str | None
    status: int | None
    error_code: str | None
    requester: str | None
    who: str
    remote_ip: str | None
    client: str | None
    bytes_sent: int | None
    total_time: int | None
    is_ambiguous: bool
    raw: str | None


@dataclass(frozen=True, slots=True)
class Facets:
    """What there is to choose from, with counts, the most frequent first."""

    operations: list[tuple[str, int]]
    statuses: list[tuple[str, int]]
    requesters: list[tuple[str, str, int]]
    """As the filter takes it, in words, count."""
    more_requesters: int


def find(log: LogObject, wanted: Wanted) -> pa.Array:
    """The numbers of the rows wanted, in the order wanted."""
    known = log.found.get(wanted)
    if known is not None:
        return known
    rows = _ordered(log, _chosen(log, wanted), wanted.order)
    log.found[wanted] = rows
    while len(log.found) > _REMEMBERED:
        log.found.popitem(last=False)
    return rows


def _chosen(log: LogObject, wanted: Wanted) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    masks = []
    if wanted.operation:
        masks.append(pc.equal(log.batch.column("operation"), wanted.operation))
    if wanted.status:
        masks.append(_status(log.batch, wanted.status))
    if wanted.requester == NOBODY:
        masks.append(log.batch.column("requester").is_null())
    elif wanted.requester:
        masks.append(pc.equal(log.batch.column("requester"), wanted.requester))
    if wanted.object:
        column = log.batch.column("key_decoded")
        masks.append(pc.match_substring(column, wanted.object, ignore_case=True))
    if wanted.doubted:
        masks.append(log.batch.column("parse_ambiguous"))
    if wanted.text:
        masks.append(_text(log, wanted.text))
    if not masks:
        return pa.array(range(log.batch.num_rows), pa.uint64())
    both = masks[0]
    for mask in masks[1:]:
        both = pc.and_(both, mask)
    return pc.indices_nonzero(pc.fill_null(both, False))


def _status(batch: pa.RecordBatch, wanted: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = batch.column("http_status")
    if wanted == NOBODY:
        return column.is_null()
    if wanted.isascii() and wanted.isdigit() and len(wanted) == 3:
        return pc.equal(column, pa.scalar(int(wanted), pa.int16()))
    return pc.equal(batch.column("status_class"), wanted)


def _text(log: LogObject, wanted: str) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if log.lines is not None:
        matches = pc.match_substring(log.lines, wanted, ignore_case=True)
        return matches.take(pc.subtract(log.batch.column("line_number"), 1))
    any_of = pa.array([False] * log.batch.num_rows)
    for name in _SEARCHED:
        column = log.batch.column(name).cast(pa.string())
        hit = pc.fill_null(pc.match_substring(column, wanted, ignore_case=True), False)
        any_of = pc.or_(any_of, hit)
    return any_of


def _ordered(log: LogObject, rows: pa.Array, order: str) -> pa.Array:
    import pyarrow.compute as pc

    if order not in ORDERS:
        return rows
    name, direction, _ = ORDERS[order]
    column = log.batch.column(name).take(rows)
    return rows.take(pc.array_sort_indices(column, order=direction))


def page(log: LogObject, rows: pa.Array, number: int) -> list[Row]:
    """One page of these rows, from 1."""
    taken = log.batch.select(list(_SHOWN)).take(rows.slice((number - 1) * PER_PAGE, PER_PAGE))
    return [
        Row(
            line=each["line_number"],
            time=each["time"],
            operation=each["operation"] or "",
            key=each["key_decoded"],
            status=each["http_status"],
            error_code=each["error_code"],
            requester=each["requester"],
            who=who(each["requester"]),
            remote_ip=each["remote_ip"],
            client=each["client"],
            bytes_sent=each["bytes_sent"],
            total_time=each["total_time"],
            is_ambiguous=each["parse_ambiguous"],
            raw=_decoded(log.raw(each["line_number"])),
        )
        for each in taken.to_pylist()
    ]


def _decoded(line: bytes | None) -> str | None:
    return None if line is None else line.decode(errors="replace")


def facets(log: LogObject) -> Facets:
    """Of all records, whatever filter is on."""
    requesters = _counts(log.batch, "requester")
    return Facets(
        [(name or NOBODY, count) for name, count in _counts(log.batch, "operation")],
        sorted((name or NOBODY, count) for name, count in _counts(log.batch, "status_class")),
        [(name or NOBODY, who(name), count) for name, count in requesters[:_MOST_REQUESTERS]],
        max(0, len(requesters) - _MOST_REQUESTERS),
    )


def _counts(batch: pa.RecordBatch, name: str) -> list[tuple[str | None, int]]:
    import pyarrow.compute as pc

    counted = pc.value_counts(batch.column(name)).to_pylist()
    pairs = [(each["values"], each["counts"]) for each in counted]
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0] or ""))


def who(requester: str | None) -> str:
    """A requester, short enough for a table."""
    found = principals.of(requester)
    if found.role_name is not None:
        return f"role {found.role_name}"
    if found.user_name is not None:
        return found.user_name
    if requester is None or found.kind == "anonymous":
        return "anonymous"
    if found.kind == "root" and found.account_id:
        return f"root of {found.account_id}"
    return f"account {requester[:8]}…" if found.kind == "account" else requester
