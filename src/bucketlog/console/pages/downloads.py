"""An object's bytes, as they are stored, streamed through and never shown on this origin."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bucketlog.console import keys, parts, s3

_PIECE = 256 * 1024
_HEADERS = {
    "Content-Type": "application/octet-stream",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Accept-Ranges": "bytes",
}


async def _download(request: Request) -> Response:
    key = keys.wanted(request)
    wanted = {"Bucket": request.path_params["bucket"], "Key": key}
    if version := request.query_params.get("version"):
        wanted["VersionId"] = version
    if request.method == "HEAD":
        answer = await s3.call(request, "head_object", **wanted)
        return Response(headers=_headers(key, answer))
    part = request.headers.get("range", "")
    if part.startswith("bytes=") and "," not in part:
        wanted["Range"] = part
        if condition := request.headers.get("if-range"):
            wanted["IfMatch"] = condition
    answer = await s3.call(request, "get_object", **wanted)
    status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
    return StreamingResponse(
        _pieces(parts.of(request), answer["Body"]), status, _headers(key, answer)
    )


def _headers(key: str, answer: dict[str, Any]) -> dict[str, str]:
    headers = {
        **_HEADERS,
        "Content-Disposition": keys.attachment(key),
        "Content-Length": str(answer["ContentLength"]),
        "ETag": answer.get("ETag", ""),
        "Content-Range": answer.get("ContentRange", ""),
    }
    return {name: value for name, value in headers.items() if value}


async def _pieces(console: parts.Parts, body: Any) -> AsyncIterator[bytes]:
    try:
        while piece := await console.run(body.read, _PIECE):
            yield piece
    finally:
        body.close()


routes = [Route("/buckets/{bucket}/objects/download", _download, methods=["GET"])]
