"""A log object opened as records: the table with its filters, and what was no record.

Each page asks S3 by HEAD whether the object is still what was opened and may still be read. The
first visit shows a page at once, which asks for the table by itself while the object is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import keys, log_objects, parts, record_table, render, s3
from bucketlog.console.log_objects import LogObject, Name
from bucketlog.console.pages import object_details, record
from bucketlog.console.record_table import PER_PAGE, Wanted

_PIECE = 1 << 20
_REJECTS_SHOWN = 200
_LIST = "record-list"


async def _show(request: Request) -> Response:
    answer = await object_details.head(request)
    line = request.query_params.get("line", "")
    console, name = parts.of(request), _name(request, answer)
    log = console.log_objects.find(name)
    is_fragment = render.is_fragment(request)
    if log is None and (is_fragment or line):
        log = await console.run(console.log_objects.open, name, lambda: _chunks(request, answer))
    context = _object(request, answer)
    if log is None:
        return render.page(request, "records/page.html", log=None, **context)
    if line:
        return await record.show(request, log, line, context)
    wanted = Wanted.of(request.query_params)
    context |= await console.run(_table, log, wanted, request.query_params.get("page", ""))
    address = record.address(
        request, **wanted.query, page=context["page"] if context["page"] > 1 else ""
    )
    if not is_fragment:
        return render.page(request, "records/page.html", **context)
    part = "list" if request.headers.get("hx-target") == _LIST else "records"
    return render.fragment(
        request, f"records/{part}.html", headers={"HX-Replace-Url": address}, **context
    )


def _name(request: Request, answer: dict[str, Any]) -> Name:
    version = answer.get("VersionId") or request.query_params.get("version", "")
    bucket, key = request.path_params["bucket"], keys.wanted(request)
    return Name(bucket, key, version, answer["ETag"])


def _chunks(request: Request, answer: dict[str, Any]) -> Iterator[bytes]:
    """The object's bytes, if it is still the one that HEAD told of."""
    wanted = {**object_details.which(request), "IfMatch": answer["ETag"]}
    with s3.translated("GetObject"):
        client = parts.of(request).store.client(parts.session(request))
        body = client.get_object(**wanted)["Body"]
        try:
            while piece := body.read(_PIECE):
                yield piece
        finally:
            body.close()


def _object(request: Request, answer: dict[str, Any]) -> dict[str, Any]:
    key = keys.wanted(request)
    return {
        "bucket": request.path_params["bucket"],
        "key_whole": key,
        "name": keys.last_part(key),
        "folders": keys.crumbs(keys.folder_of(key.removesuffix("/"))),
        "version": request.query_params.get("version", ""),
        "size": answer["ContentLength"],
        "modified_at": answer["LastModified"],
        "address": lambda **query: record.address(request, **query),
        "here_whole": str(request.url.path)
        + (f"?{request.url.query}" if request.url.query else ""),
    }


def _table(log: LogObject, wanted: Wanted, page: str) -> dict[str, Any]:
    rows = record_table.find(log, wanted)
    pages = max(1, -(-len(rows) // PER_PAGE))
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 9 else 1
    number = min(max(number, 1), pages)
    return {
        "log": log,
        "wanted": wanted,
        "rows": record_table.page(log, rows, number),
        "count": len(rows),
        "page": number,
        "pages": pages,
        "first": (number - 1) * PER_PAGE + 1,
        "facets": record_table.facets(log),
        "orders": record_table.ORDERS,
        "rejects": _rejects(log),
        "most": log_objects.MOST,
    }


def _rejects(log: LogObject) -> list[dict[str, Any]]:
    """The first of them: line number, reason, and the text as far as it is worth showing."""
    some = log.rejects.slice(0, _REJECTS_SHOWN).to_pylist()
    return [
        {
            "line": each["line_number"],
            "reason": each["reason"],
            "text": each["bytes"][:400].decode(errors="replace"),
            "is_longer": len(each["bytes"]) > 400,
        }
        for each in some
    ]


routes = [Route("/buckets/{bucket}/records", _show, methods=["GET"])]
