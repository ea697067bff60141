"""The page of an object: what it is, what is known of it, a link to it for others, its end."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import frame, keys, log_objects, parts, render, s3
from bucketlog.console.s3 import Failure

EXPIRIES = (
    (300, "5 minutes"),
    (3600, "1 hour"),
    (43_200, "12 hours"),
    (86_400, "1 day"),
    (604_800, "7 days"),
)
"""Seconds that a presigned link may be good for; a week is the most that S3 allows."""

_SYSTEM = (
    ("ContentType", "Content-Type"),
    ("ContentEncoding", "Content-Encoding"),
    ("ContentLanguage", "Content-Language"),
    ("ContentDisposition", "Content-Disposition"),
    ("CacheControl", "Cache-Control"),
    ("ExpiresString", "Expires"),
    ("WebsiteRedirectLocation", "x-amz-website-redirect-location"),
    ("ServerSideEncryption", "x-amz-server-side-encryption"),
)
_CHECKSUMS = (
    *("CRC64NVME", "CRC32", "CRC32C", "SHA1", "SHA256", "MD5", "SHA512"),
    *("XXHASH64", "XXHASH3", "XXHASH128"),
)


_MAYBE_LOGS = ("text/plain", "application/json", "application/gzip", "application/x-ndjson")
_BEGINNING = 16 << 10


@dataclass(frozen=True, slots=True)
class Details:
    """An object, as HeadObject and GetObjectAcl tell. `owner` None: this key may not know."""

    key: str
    size: int
    modified_at: datetime
    etag: str
    storage_class: str
    version_id: str | None
    checksums: list[tuple[str, str]]
    checksum_type: str | None
    system: list[tuple[str, str]]
    user: list[tuple[str, str]]
    owner: tuple[str, str] | None

    @property
    def is_multipart(self) -> bool:
        return "-" in self.etag


def which(request: Request) -> dict[str, str]:
    """The object, or version of one, that an address names: parameters of S3 calls."""
    named = {"Bucket": request.path_params["bucket"], "Key": keys.wanted(request)}
    version = _version(request)
    return {**named, "VersionId": version["version"]} if version else named


def _version(request: Request) -> dict[str, str]:
    version = request.query_params.get("version")
    return {"version": version} if version else {}


async def head(request: Request) -> dict[str, Any]:
    """HeadObject, whose refusals have no body and so no code, told as GetObject would."""
    named = which(request)
    if not named["Key"]:
        raise Failure("NoSuchKey", "", status=404, request_id="", operation="HeadObject")
    try:
        return await s3.call(request, "head_object", ChecksumMode="ENABLED", **named)
    except Failure as failure:
        codes = {403: "AccessDenied", 404: "NoSuchKey"}
        if failure.status in codes:
            raise Failure(
                codes[failure.status],
                f"{keys.shown(named['Key'])} in {named['Bucket']}",
                status=failure.status,
                request_id=failure.request_id,
                operation=failure.operation,
            ) from failure
        raise


async def _show(request: Request) -> Response:
    bucket, key = request.path_params["bucket"], keys.wanted(request)
    answer, owner, region = await asyncio.gather(
        head(request), _owner(request), frame.region_of(request, bucket)
    )
    details = _details(key, answer, owner)
    return render.page(
        request,
        "objects/details.html",
        bucket=bucket,
        region=region,
        object=details,
        version=request.query_params.get("version", ""),
        item=urlencode({"key": key, **_version(request)}),
        name=keys.last_part(key),
        folder=keys.folder_of(key.removesuffix("/")),
        folders=keys.crumbs(keys.folder_of(key.removesuffix("/"))),
        is_log=keys.is_log_name(key) or await _begins_like_a_log(request, answer),
        expiries=EXPIRIES,
        endpoint=endpoint_for(request),
        has_dots=keys.has_dots(key),
    )


def _details(key: str, answer: dict[str, Any], owner: tuple[str, str] | None) -> Details:
    return Details(
        key=key,
        size=answer["ContentLength"],
        modified_at=answer["LastModified"],
        etag=answer["ETag"].strip('"'),
        storage_class=answer.get("StorageClass", "STANDARD"),
        version_id=answer.get("VersionId"),
        checksums=[
            (name, answer[f"Checksum{name}"])
            for name in _CHECKSUMS
            if answer.get(f"Checksum{name}")
        ],
        checksum_type=answer.get("ChecksumType"),
        system=[(title, str(answer[name])) for name, title in _SYSTEM if answer.get(name)],
        user=sorted(answer.get("Metadata", {}).items()),
        owner=owner,
    )


async def _begins_like_a_log(request: Request, answer: dict[str, Any]) -> bool:
    """Whether an object that may be text begins with a record of an access log."""
    kind = answer.get("ContentType", "")
    if not answer["ContentLength"] or not kind.startswith(_MAYBE_LOGS):
        return False
    part = {"Range": f"bytes=0-{_BEGINNING - 1}", "IfMatch": answer["ETag"]}
    try:
        got = await s3.call(request, "get_object", **which(request), **part)
        data: bytes = await parts.of(request).run(got["Body"].read)
    except Failure:
        return False  # whoever may not read it is told so when they try
    return await parts.of(request).run(log_objects.begins_like_one, data)


async def _owner(request: Request) -> tuple[str, str] | None:
    """Name and canonical id of the owner."""
    try:
        answer = await s3.call(request, "get_object_acl", **which(request))
    except Failure:
        return None  # it may be forbidden, or unknown to the store; `head` tells the rest
    owner = answer.get("Owner", {})
    return owner.get("DisplayName", ""), owner.get("ID", "")


# ── presigned links ─────────────────────────────────────────────────────────────────────────────


def endpoint_for(request: Request) -> str:
    """Where whoever sees this console will reach S3: by the console's host name where this
    process reaches it by an address that leads nowhere from other machines.
    """
    endpoint = urlsplit(parts.of(request).config.endpoint)
    seen = request.url.hostname or ""
    if not seen or _is_loopback(seen) or not _is_loopback(endpoint.hostname or ""):
        return endpoint.geturl()
    host = f"[{seen}]" if ":" in seen else seen
    port = f":{endpoint.port}" if endpoint.port else ""
    return f"{endpoint.scheme}://{host}{port}"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _proper(endpoint: str) -> str | None:
    """An address without a path; None for what isn't one."""
    try:
        told = urlsplit(endpoint.strip().rstrip("/"))
        _ = told.port
    except ValueError:
        return None
    is_plain = not (told.path or told.query or told.fragment or told.username)
    has_parts = told.scheme in ("http", "https") and told.hostname
    return told.geturl() if is_plain and has_parts else None


async def _link(request: Request) -> Response:
    form = await request.form(max_files=0, max_fields=10)
    bucket = request.path_params["bucket"]
    told = str(form.get("expiry", ""))
    expiry = int(told) if told in {str(seconds) for seconds, _ in EXPIRIES} else 3600
    endpoint = _proper(str(form.get("endpoint", "")) or endpoint_for(request))
    if endpoint is None:
        return render.fragment(
            request, "objects/link.html", wrong="The endpoint is to be like https://s3.example.com"
        )
    region = await frame.region_of(request, bucket)
    console, session = parts.of(request), parts.session(request)

    def sign() -> str:
        with s3.translated("GetObject"):
            client = console.store.presigner(session, region, endpoint)
            wanted: dict[str, str] = which(request)
            if form.get("save") == "1":
                wanted["ResponseContentDisposition"] = keys.attachment(wanted["Key"])
            link: str = client.generate_presigned_url("get_object", wanted, ExpiresIn=expiry)
        return link

    return render.fragment(
        request,
        "objects/link.html",
        wrong=None,
        link=await console.run(sign),
        until=datetime.now(UTC) + timedelta(seconds=expiry),
        has_dots=keys.has_dots(keys.wanted(request)),
    )


routes = [
    Route("/buckets/{bucket}/objects/details", _show, methods=["GET"]),
    Route("/buckets/{bucket}/objects/link", _link, methods=["POST"]),
]
