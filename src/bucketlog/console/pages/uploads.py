"""Uploads: a file is the body of a PUT, passed on to S3 as it comes, at most two parts in memory.

Nothing that is there is replaced unless the request says so: a script asks first which names are
taken, and the condition If-None-Match holds when somebody was quicker.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bucketlog.console import keys, render, s3
from bucketlog.console.s3 import Failure
from bucketlog.console.sessions import Toast

PART = 8 << 20
"""Bytes of a part, and the most that is stored by a single PutObject."""
LARGEST_PART = 64 << 20
MOST_PARTS = 10_000
ASKED_AT_ONCE = 1000
"""How many names may be asked for in one request."""
_AT_ONCE = 12
_QUESTION_BYTES = 4 << 20
_CLIENT_GONE = 499


async def _upload(request: Request) -> Response:
    key = keys.wanted(request)
    length = request.headers.get("content-length", "")
    if not length.isdigit():
        return _refusal(411, "The length is missing", "Send Content-Length.")
    size = int(length)
    fault = keys.fault(key)
    if fault is None and size > MOST_PARTS * LARGEST_PART:
        fault = "The file is too large to send through the console; use the AWS CLI."
    if fault is not None:
        return _refusal(400, "That can't be uploaded", fault)
    target = {
        "Bucket": request.path_params["bucket"],
        "Key": key,
        "ContentType": content_type(key, request.headers.get("content-type", "")),
    }
    condition = {} if request.query_params.get("replace") == "1" else {"IfNoneMatch": "*"}
    try:
        if size <= PART:
            body = b"".join([piece async for piece in request.stream()])
            await s3.call(request, "put_object", Body=body, **target, **condition)
        else:
            each = max(PART, -(-size // MOST_PARTS))
            await _in_parts(request, target, condition, each)
    except Failure as failure:
        if failure.status == 412:
            return _refusal(412, "There is an object of that name", "Replace it, or leave it.")
        status = failure.status if failure.status >= 400 else 502
        return _refusal(status, failure.title, failure.message or failure.way_out)
    except ClientDisconnect:
        return Response(status_code=_CLIENT_GONE)
    return JSONResponse({"key": key, "size": size})


async def _in_parts(
    request: Request, target: dict[str, Any], condition: dict[str, Any], each: int
) -> None:
    """A multipart upload: while one part is being stored the next is received."""
    begun = await s3.call(request, "create_multipart_upload", **target)
    upload = {"Bucket": target["Bucket"], "Key": target["Key"], "UploadId": begun["UploadId"]}
    done: list[dict[str, Any]] = []
    sending: asyncio.Task[dict[str, Any]] | None = None
    try:
        async for body in _cut(request.stream(), each):
            if sending is not None:
                done.append(await sending)
            sending = asyncio.create_task(_send_part(request, upload, len(done) + 1, body))
        if sending is not None:
            done.append(await sending)
        await s3.call(
            request,
            "complete_multipart_upload",
            MultipartUpload={"Parts": done},
            **upload,
            **condition,
        )
    except BaseException:
        if sending is not None:
            await asyncio.gather(sending, return_exceptions=True)
        await asyncio.shield(_abort(request, upload))
        raise


async def _send_part(
    request: Request, upload: dict[str, Any], number: int, body: bytes
) -> dict[str, Any]:
    answer = await s3.call(request, "upload_part", PartNumber=number, Body=body, **upload)
    return {"PartNumber": number, "ETag": answer["ETag"]}


async def _abort(request: Request, upload: dict[str, Any]) -> None:
    try:
        await s3.call(request, "abort_multipart_upload", **upload)
    except Failure as failure:
        if failure.code != "NoSuchUpload":
            raise


async def _cut(pieces: AsyncIterator[bytes], each: int) -> AsyncIterator[bytes]:
    held = bytearray()
    async for piece in pieces:
        held += piece
        while len(held) >= each:
            yield bytes(memoryview(held)[:each])
            del held[:each]
    if held:
        yield bytes(held)


def content_type(key: str, told: str) -> str:
    """What the browser says that a file is; where it doesn't, what its name says."""
    if told:
        return told
    kind, encoding = mimetypes.guess_type(key.rpartition("/")[2])
    if encoding is not None:
        return (
            f"application/{encoding}"
            if encoding in ("gzip", "zstd")
            else f"application/x-{encoding}"
        )
    return kind or "application/octet-stream"


def _refusal(status: int, title: str, message: str) -> Response:
    return JSONResponse({"title": title, "message": message}, status)


async def _check(request: Request) -> Response:
    """Which of the keys in a JSON list are taken, and which can't be."""
    if int(request.headers.get("content-length") or _QUESTION_BYTES + 1) > _QUESTION_BYTES:
        return _refusal(413, "That is too long", "Ask for fewer names.")
    try:
        asked = (await request.json())["keys"]
    except (ValueError, KeyError, TypeError):
        return _refusal(400, "That isn't understood", 'Send {"keys": [...]}.')
    if not isinstance(asked, list) or len(asked) > ASKED_AT_ONCE:
        return _refusal(400, "That isn't understood", f"At most {ASKED_AT_ONCE} keys.")
    wrong = {key: fault for key in map(str, asked) if (fault := keys.fault(key)) is not None}
    turns = asyncio.Semaphore(_AT_ONCE)

    async def is_taken(key: str) -> bool:
        async with turns:
            try:
                await s3.call(request, "head_object", Bucket=request.path_params["bucket"], Key=key)
            except Failure as failure:
                if failure.status in (403, 404):
                    return False  # if it may not be known, the condition of the upload decides
                raise
        return True

    left = [key for key in map(str, asked) if key not in wrong]
    try:
        taken = await asyncio.gather(*map(is_taken, left))
    except Failure as failure:
        return _refusal(502, failure.title, failure.message or failure.way_out)
    return JSONResponse(
        {
            "taken": [key for key, is_there in zip(left, taken, strict=True) if is_there],
            "wrong": wrong,
        }
    )


async def _make_folder(request: Request) -> Response:
    """A folder is an empty object whose key ends in a slash, as Amazon's console makes it."""
    bucket = request.path_params["bucket"]
    form = await request.form(max_files=0, max_fields=10)
    name = str(form.get("name", ""))
    folder = keys.from_form(str(form.get("folder", "")))
    key = f"{folder}{name.removesuffix('/')}/"
    fault = keys.fault(key) if name.strip("/") else "Enter a name."
    if fault is None:
        try:
            await s3.call(request, "put_object", Bucket=bucket, Key=key, Body=b"", IfNoneMatch="*")
        except Failure as failure:
            if failure.status != 412:
                raise
            fault = "There is a folder of that name."
    if fault is not None:
        return render.fragment(
            request, "objects/folder.html", bucket=bucket, folder=folder, name=name, wrong=fault
        )
    where = render.href(f"/buckets/{render.segment(bucket)}", prefix=key)
    return render.redirect(
        request, where, Toast("good", f"The folder {keys.shown(name)} was made.")
    )


routes = [
    Route("/buckets/{bucket}/objects/upload", _upload, methods=["PUT"]),
    Route("/buckets/{bucket}/objects/check", _check, methods=["POST"]),
    Route("/buckets/{bucket}/objects/folder", _make_folder, methods=["POST"]),
]
