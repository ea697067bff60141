"""One record, explained: its raw line and every field of it, marked alike, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from bucketlog.accesslog import line as lines
from bucketlog.accesslog.record import FIELDS, Field, LogRecord
from bucketlog.console import field_marks, keys, parts, record_table, render
from bucketlog.console.log_objects import LogObject
from bucketlog.console.record_table import PER_PAGE, Wanted
from bucketlog.reader import explain, meanings

_US_TO_NS = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """One field: `value` as it stands in the line; `decoded` where that says more."""

    number: int
    title: str
    value: str
    meaning: str
    decoded: str | None = None

    @property
    def is_dash(self) -> bool:
        return self.value == "-"


@dataclass(frozen=True, slots=True)
class Other:
    """Another way to read the line: the fields in which it differs, as (title, here, there)."""

    number: int
    differences: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Shown:
    """A record as its page shows it. `pieces` of the raw line; none where there is no line."""

    line: int
    summary: str
    fields: list[Told]
    remarks: tuple[str, ...]
    pieces: list[field_marks.Piece]
    raw: str
    others: list[Other]
    glance: list[tuple[str, str]]


def address(request: Request, **query: object) -> str:
    """Of the records of the object that a request is about."""
    named: dict[str, object] = {"key": keys.wanted(request)}
    if version := request.query_params.get("version"):
        named["version"] = version
    path = f"/buckets/{render.segment(request.path_params['bucket'])}/records"
    return render.href(path, **named, **query)


async def show(request: Request, log: LogObject, line: str, context: dict[str, Any]) -> Response:
    """The page of the record on that line; with links to those beside it, as filtered."""
    number = int(line) if line.isascii() and line.isdigit() and len(line) < 16 else 0
    row = log.row_of(number)
    if row is None:
        raw = log.raw(number)
        if raw is None:
            raise HTTPException(404)
        told = raw.decode(errors="replace")
        reason = _reason(log, number)
        return render.page(
            request,
            "records/reject.html",
            status=404,
            line=number,
            raw=told,
            reason=reason,
            **context,
        )
    wanted = Wanted.of(request.query_params)
    console = parts.of(request)
    shown = await console.run(_shown, log, row, number)
    around = await console.run(_around, log, row, wanted)
    return render.page(
        request, "records/record.html", record=shown, wanted=wanted, log=log, **around, **context
    )


def _reason(log: LogObject, line: int) -> str:
    import pyarrow.compute as pc

    at = pc.index(log.rejects.column("line_number"), line).as_py()
    return log.rejects.column("reason")[at].as_py() if at >= 0 else "it was not read"


def _around(log: LogObject, row: int, wanted: Wanted) -> dict[str, Any]:
    """Where the record stands among those wanted: its place, and the lines beside it."""
    import pyarrow.compute as pc

    rows = record_table.find(log, wanted)
    at = pc.index(rows, row).as_py()
    if at < 0:  # the filter doesn't let it through
        rows = record_table.find(log, Wanted())
        at = row
    numbers = log.batch.column("line_number")

    def line_of(place: int) -> int | None:
        if not 0 <= place < len(rows):
            return None
        found: int = numbers[rows[place].as_py()].as_py()
        return found

    return {
        "at": at + 1,
        "count": len(rows),
        "previous": line_of(at - 1),
        "next": line_of(at + 1),
        "list_page": at // PER_PAGE + 1,
    }


def _shown(log: LogObject, row: int, number: int) -> Shown:
    raw = log.raw(number)
    glance = _glance(log, row)
    if log.kind != "text" or raw is None:
        record = _record(log, row)
        told = [
            Told(at, field.title, _text(field, record), meanings.of(field, record))
            for at, field in enumerate(FIELDS, 1)
        ]
        text = "" if raw is None else raw.decode(errors="replace")
        summary = meanings.summary(record)
        return Shown(number, summary, told, (), [field_marks.Piece(text)], text, [], glance)
    explanation = explain.explain(raw)
    text = raw.decode(errors="replace")
    told = [
        Told(at, each.field.title, each.value, each.meaning, _decoded(each, explanation.record))
        for at, each in enumerate(explanation, 1)
    ]
    marks = field_marks.pieces(text, [each.value for each in explanation])
    others = _others(raw, [each.value for each in told])
    return Shown(
        number, explanation.summary, told, explanation.remarks, marks, text, others, glance
    )


def _decoded(each: explain.Explained, record: LogRecord) -> str | None:
    is_other = each.field.name == "key" and record.key is not None and record.key != each.value
    return record.key if is_other else None


def _others(raw: bytes, chosen: list[str]) -> list[Other]:
    found: list[Other] = []
    for reading in lines.readings(raw):
        texts = [*reading.texts, *reading.extra_fields]
        if texts == chosen:
            continue
        length = max(len(texts), len(chosen))
        differences = [
            (_title(at), _at(chosen, at), _at(texts, at))
            for at in range(length)
            if _at(chosen, at) != _at(texts, at)
        ]
        found.append(Other(len(found) + 1, differences))
    return found


def _title(at: int) -> str:
    return FIELDS[at].title if at < len(FIELDS) else f"Field {at + 1}"


def _at(texts: list[str], at: int) -> str:
    return texts[at] if at < len(texts) else ""


def _record(log: LogObject, row: int) -> LogRecord:
    """Of a row of structured records, which have no line to explain."""
    values = {field.name: log.batch.column(field.name)[row] for field in FIELDS}
    time = values.pop("time").value
    key = log.batch.column("key_decoded")[row].as_py()
    plain = {name: value.as_py() for name, value in values.items()}
    return LogRecord(**{**plain, "time": None if time is None else time * _US_TO_NS, "key": key})


def _text(field: Field, record: LogRecord) -> str:
    value = getattr(record, field.name)
    if value is None or value is False:
        return "-"
    if field.type == "time":
        return lines.timestamp(value).strip("[]")
    return "Yes" if value is True else str(value)


def _glance(log: LogObject, row: int) -> list[tuple[str, str]]:
    """What derived columns tell, in words."""
    value = {
        name: log.batch.column(name)[row].as_py()
        for name in ("client", "client_version", "requester", "is_presigned", "tls", "total_time")
    }
    client = " ".join(filter(None, (value["client"], value["client_version"])))
    told = [
        ("Who", record_table.who(value["requester"])),
        ("Client", client),
        ("Signed", "in the URL (presigned)" if value["is_presigned"] else ""),
        ("Encrypted", f"TLS {value['tls']}" if value["tls"] else ""),
        ("Took", "" if value["total_time"] is None else f"{value['total_time']:,} ms"),
    ]
    return [(name, text) for name, text in told if text]
