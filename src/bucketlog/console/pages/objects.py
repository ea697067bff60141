"""The tab Objects of a bucket: its folders and objects, a page at a time, from one listing call.

Places are told by `prefix`, which may end anywhere, and `q`, what is typed behind it. Listings only
go forward, so the address of a page carries the tokens of the pages before it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bucketlog.console import frame, keys, render, s3
from bucketlog.console.pages import deletions, downloads, object_details, records, uploads
from bucketlog.console.s3 import Failure

PER_PAGE = 100
_TRAIL_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a bucket a listing is, and from where on."""

    bucket: str
    folder: str
    """Empty, or ends in a slash."""
    query: str
    """What names in the folder begin with."""
    has_versions: bool = False
    token: str | None = None
    trail: tuple[str, ...] = ()
    """Tokens of the pages before this one, the first page's not among them."""
    page: int = 1

    @property
    def prefix(self) -> str:
        return self.folder + self.query

    def address(self, **changes: Any) -> str:
        """Of the same place, but for what changes; from the first page unless a token is given."""
        place: dict[str, Any] = {
            "query": self.query,
            "has_versions": self.has_versions,
            "folder": self.folder,
        }
        wanted = place | changes
        pairs = [
            ("prefix", wanted["folder"]),
            ("q", wanted["query"]),
            ("versions", "1" if wanted["has_versions"] else ""),
            ("token", wanted.get("token") or ""),
            ("page", str(wanted.get("page", 1)) if wanted.get("page", 1) > 1 else ""),
            *(("back", token) for token in wanted.get("trail", ())),
        ]
        query = urlencode([(name, value) for name, value in pairs if value])
        path = f"/buckets/{render.segment(self.bucket)}"
        return f"{path}?{query}" if query else path

    def next(self, token: str) -> str:
        """The address of the page behind this one."""
        trail = (*self.trail, self.token) if self.token else self.trail
        while sum(map(len, trail)) > _TRAIL_CHARACTERS:
            trail = trail[1:]
        return self.address(token=token, trail=trail, page=self.page + 1)

    @property
    def previous(self) -> str | None:
        """The address of the page before this one; None where it is forgotten or there is none."""
        if self.trail:
            return self.address(token=self.trail[-1], trail=self.trail[:-1], page=self.page - 1)
        return self.address() if self.page == 2 else None


@dataclass(frozen=True, slots=True)
class Entry:
    """A row: a folder, an object, or a version of one."""

    name: str
    key: str
    is_folder: bool = False
    size: int | None = None
    modified_at: datetime | None = None
    storage_class: str = ""
    version_id: str | None = None
    is_latest: bool = True
    is_delete_marker: bool = False

    @property
    def item(self) -> str:
        """What a form sends for it; `deletions` reads it."""
        if self.is_folder:
            return urlencode({"folder": self.key})
        version = {} if self.version_id is None else {"version": self.version_id}
        return urlencode({"key": self.key, **version})

    @property
    def is_log(self) -> bool:
        return not self.is_folder and keys.is_log_name(self.key)


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of entries; `token` leads to the next."""

    entries: list[Entry] = field(default_factory=list)
    token: str | None = None

    @property
    def versions(self) -> bool:
        """Whether any object here has a version that isn't "null"."""
        return any(each.version_id not in (None, "null") for each in self.entries)


def place_of(request: Request) -> Place:
    """The place that an address names."""
    query = request.query_params
    whole = keys.wanted(request, "prefix")
    folder = keys.folder_of(whole)
    page = query.get("page", "")
    return Place(
        request.path_params["bucket"],
        folder,
        whole[len(folder) :] + query.get("q", ""),
        query.get("versions") == "1",
        query.get("token"),
        tuple(query.getlist("back")),
        int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 9 else 1,
    )


async def _show(request: Request) -> Response:
    place = place_of(request)
    if render.is_fragment(request):
        listing = await _list(request, place)
        headers = {"HX-Replace-Url": place.address()} if place.token is None else {}
        return render.fragment(
            request,
            "objects/found.html",
            headers=headers,
            bucket=place.bucket,
            **_context(place, listing),
        )
    region, found = await asyncio.gather(
        frame.region_of(request, place.bucket), _unless_refused(request, place)
    )
    if isinstance(found, Failure):
        return await frame.page(
            request, "objects/unlisted.html", "Objects", region=region, refusal=found
        )
    return await frame.page(
        request, "objects/page.html", "Objects", region=region, **_context(place, found)
    )


def _context(place: Place, listing: Listing) -> dict[str, Any]:
    return {
        "place": place,
        "listing": listing,
        "folders": keys.crumbs(place.folder),
    }


async def _unless_refused(request: Request, place: Place) -> Listing | Failure:
    try:
        return await _list(request, place)
    except Failure as failure:
        if failure.status != 403:
            raise
        return failure


async def _list(request: Request, place: Place) -> Listing:
    common = {
        "Bucket": place.bucket,
        "Prefix": place.prefix,
        "Delimiter": "/",
        "MaxKeys": PER_PAGE,
    }
    if place.has_versions:
        return await _versions(request, place, common)
    token = {"ContinuationToken": place.token} if place.token else {}
    answer = await s3.call(request, "list_objects_v2", **common, **token)
    entries = _folders(place, answer)
    entries += [
        Entry(
            name=found["Key"][len(place.folder) :],
            key=found["Key"],
            size=found["Size"],
            modified_at=found["LastModified"],
            storage_class=found.get("StorageClass", "STANDARD"),
        )
        for found in answer.get("Contents", [])
        if found["Key"] != place.folder or found["Size"]
    ]
    return Listing(_in_order(entries), answer.get("NextContinuationToken"))


async def _versions(request: Request, place: Place, common: dict[str, Any]) -> Listing:
    marker = {name: values[0] for name, values in parse_qs(place.token or "").items()}
    answer = await s3.call(request, "list_object_versions", **common, **marker)
    entries = _folders(place, answer)
    for found in answer.get("Versions", []) + answer.get("DeleteMarkers", []):
        if found["Key"] == place.folder and not found.get("Size"):
            continue
        entries.append(
            Entry(
                name=found["Key"][len(place.folder) :],
                key=found["Key"],
                size=found.get("Size"),
                modified_at=found["LastModified"],
                storage_class=found.get("StorageClass", ""),
                version_id=found["VersionId"],
                is_latest=found["IsLatest"],
                is_delete_marker="Size" not in found,
            )
        )
    markers = {
        name: answer[f"Next{name}"]
        for name in ("KeyMarker", "VersionIdMarker")
        if answer.get(f"Next{name}")
    }
    return Listing(_in_order(entries), urlencode(markers) if answer["IsTruncated"] else None)


def _folders(place: Place, answer: dict[str, Any]) -> list[Entry]:
    prefixes = [each["Prefix"] for each in answer.get("CommonPrefixes", [])]
    return [Entry(each[len(place.folder) :], each, is_folder=True) for each in prefixes]


def _in_order(entries: list[Entry]) -> list[Entry]:
    """As S3 lists them, in the order of UTF-8; versions of one key stay as they came."""
    return sorted(entries, key=lambda entry: entry.key.encode("utf-8", "surrogatepass"))


routes = [
    Route("/buckets/{bucket}", _show),
    *object_details.routes,
    *downloads.routes,
    *uploads.routes,
    *deletions.routes,
    *records.routes,
]
