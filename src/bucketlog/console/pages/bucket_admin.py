"""Making a bucket, and deleting one: only when it is empty, and only when its name is typed."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import parts, render, s3
from bucketlog.console.s3 import Failure
from bucketlog.console.sessions import Toast

_OWNERSHIP = ("BucketOwnerEnforced", "BucketOwnerPreferred")
# What is wrong with the name that was entered, so is told beside it.
_OF_NAME = frozenset(("BucketAlreadyExists", "BucketAlreadyOwnedByYou", "InvalidBucketName"))
_NO_CONSTRAINT = "us-east-1"


async def _create(request: Request) -> Response:
    form = await request.form(max_files=0, max_fields=10)
    name, region = str(form.get("name", "")).strip(), str(form.get("region", ""))
    ownership = str(form.get("ownership", ""))
    regions = parts.of(request).config.regions
    wanted: dict[str, Any] = {"Bucket": name}
    if ownership in _OWNERSHIP:
        wanted["ObjectOwnership"] = ownership
    if region in regions and region != _NO_CONSTRAINT:
        wanted["CreateBucketConfiguration"] = {"LocationConstraint": region}
    try:
        await _make(request, region, wanted)
    except Failure as failure:
        if failure.code not in _OF_NAME:
            raise
        return render.fragment(
            request,
            "buckets/create.html",
            name=name,
            wrong=f"{failure.title}. {failure.way_out}",
            regions=regions,
            chosen_region=region,
            chosen_ownership=ownership,
        )
    said = Toast("good", f"The bucket {name} was made.")
    return render.redirect(request, f"/buckets/{render.segment(name)}", said)


async def _make(request: Request, region: str, wanted: dict[str, Any]) -> None:
    """CreateBucket, signed for the bucket's Region as S3 wants it.

    In us-east-1 it succeeds for a bucket that one has already, and resets its ACL ("CreateBucket",
    S3 API Reference); who fills in a form means a new one, so that is looked at first.
    """
    console, session = parts.of(request), parts.session(request)
    taken = await _taken(request, wanted["Bucket"]) if region == _NO_CONSTRAINT else None
    if taken is not None:
        raise taken

    def make() -> None:
        with s3.translated("CreateBucket"):
            served = region if region in console.config.regions else None
            console.store.client(session, served).create_bucket(**wanted)

    await console.run(make)


async def _taken(request: Request, name: str) -> Failure | None:
    """What is wrong with a name that somebody has."""
    try:
        await s3.call(request, "head_bucket", Bucket=name)
    except Failure as failure:
        if failure.status != 403:
            return None  # there is none; or CreateBucket says better what is wrong
        return Failure("BucketAlreadyExists", "", status=409, request_id="", operation="HeadBucket")
    return Failure("BucketAlreadyOwnedByYou", "", status=409, request_id="", operation="HeadBucket")


async def _ask(request: Request) -> Response:
    """The dialog's content: what is in the way, or the field for the name."""
    bucket = request.path_params["bucket"]
    objects, uploads = await asyncio.gather(
        s3.call(request, "list_objects_v2", Bucket=bucket, MaxKeys=1),
        s3.call(request, "list_multipart_uploads", Bucket=bucket, MaxUploads=1),
    )
    return render.fragment(
        request,
        "buckets/delete.html",
        bucket=bucket,
        has_objects=bool(objects.get("KeyCount")),
        has_uploads=bool(uploads.get("Uploads")),
    )


async def _delete(request: Request) -> Response:
    bucket = request.path_params["bucket"]
    form = await request.form(max_files=0, max_fields=10)
    if form.get("confirmed") != bucket:
        return render.toast(request, "bad", "The name typed isn't the bucket's.", status=400)
    await s3.call(request, "delete_bucket", Bucket=bucket)
    return render.redirect(request, "/buckets", Toast("good", f"The bucket {bucket} was deleted."))


routes = [
    Route("/buckets", _create, methods=["POST"]),
    Route("/buckets/{bucket}/delete", _ask, methods=["GET"]),
    Route("/buckets/{bucket}/delete", _delete, methods=["POST"]),
]
