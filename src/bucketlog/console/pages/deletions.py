"""Deleting objects, versions of them and whole folders, after a question that names them.

A folder is emptied a thousand keys a request; the answer shows how far it is and asks for the
next by itself, so nothing runs on once its page is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import keys, render, s3
from bucketlog.console.sessions import Toast

_AT_ONCE = 1000
_MOST_ITEMS = 1100


@dataclass(frozen=True, slots=True)
class Item:
    """What is to go: an object, one version of it, or all in a folder. `text` is the form's."""

    text: str
    key: str
    version_id: str | None = None
    is_folder: bool = False


def items_of(form: FormData) -> list[Item]:
    """What the fields `item` of a form name."""
    found = []
    for text in form.getlist("item"):
        told = {name: values[0] for name, values in parse_qs(str(text)).items()}
        if told.get("folder"):
            found.append(Item(str(text), told["folder"], is_folder=True))
        elif told.get("key"):
            found.append(Item(str(text), told["key"], told.get("version")))
    return found


async def _ask(request: Request) -> Response:
    """The dialog's content: what would go."""
    bucket = request.path_params["bucket"]
    form = await request.form(max_files=0, max_fields=_MOST_ITEMS)
    counted = []
    for item in items_of(form):
        if not item.is_folder:
            counted.append((item, 1, False))
            continue
        answer = await s3.call(
            request, "list_objects_v2", Bucket=bucket, Prefix=item.key, MaxKeys=_AT_ONCE
        )
        counted.append((item, answer["KeyCount"], bool(answer.get("IsTruncated"))))
    return render.fragment(
        request,
        "objects/delete.html",
        bucket=bucket,
        items=counted,
        onward=str(form.get("onward", "")),
    )


async def _delete(request: Request) -> Response:
    bucket = request.path_params["bucket"]
    form = await request.form(max_files=0, max_fields=_MOST_ITEMS)
    items = items_of(form)
    told = str(form.get("done", ""))
    done = int(told) if told.isascii() and told.isdigit() and len(told) < 12 else 0
    objects = [item for item in items if not item.is_folder]
    folders = [item for item in items if item.is_folder]
    failed: list[dict[str, Any]] = []
    if objects:
        failed = await _go(request, bucket, [(item.key, item.version_id) for item in objects])
        done += len(objects) - len(failed)
    elif folders:
        answer = await s3.call(
            request, "list_objects_v2", Bucket=bucket, Prefix=folders[0].key, MaxKeys=_AT_ONCE
        )
        found: list[tuple[str, str | None]]
        found = [(each["Key"], None) for each in answer.get("Contents", [])]
        if found:
            failed = await _go(request, bucket, found)
            done += len(found) - len(failed)
        if not answer.get("IsTruncated"):
            folders = folders[1:]
    onward = str(form.get("onward", ""))
    if failed or folders:
        return render.fragment(
            request,
            "objects/deleting.html",
            bucket=bucket,
            failed=failed,
            left=folders,
            done=done,
            onward=onward,
        )
    where = onward if _is_ours(onward, bucket) else f"/buckets/{render.segment(bucket)}"
    said = "1 object was deleted." if done == 1 else f"{done:,} objects were deleted."
    return render.redirect(request, where, Toast("good", said))


async def _go(
    request: Request, bucket: str, which: list[tuple[str, str | None]]
) -> list[dict[str, Any]]:
    """Deletes up to a thousand; answers the errors, each with Key, Code and Message."""
    if len(which) == 1:
        key, version_id = which[0]
        version = {} if version_id is None else {"VersionId": version_id}
        await s3.call(request, "delete_object", Bucket=bucket, Key=key, **version)
        return []
    named = [
        {"Key": key} if version_id is None else {"Key": key, "VersionId": version_id}
        for key, version_id in which
    ]
    answer = await s3.call(
        request, "delete_objects", Bucket=bucket, Delete={"Objects": named, "Quiet": True}
    )
    errors: list[dict[str, Any]] = answer.get("Errors", [])
    return [{**error, "shown": keys.shown(error.get("Key", ""))} for error in errors]


def _is_ours(path: str, bucket: str) -> bool:
    """Whether it leads to a page of that bucket and nowhere else."""
    own = f"/buckets/{render.segment(bucket)}"
    return path == own or path.startswith(f"{own}?")


routes = [
    Route("/buckets/{bucket}/objects/delete/ask", _ask, methods=["POST"]),
    Route("/buckets/{bucket}/objects/delete", _delete, methods=["POST"]),
]
