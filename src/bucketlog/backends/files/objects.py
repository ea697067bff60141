"""GetObject and HeadObject: from an index row to what is sent, all of it on the event loop.

A look-up and a small file cost less than a hop to another thread. What to send is decided by
`_plan`, without I/O; larger content goes out as a `FileSlice`, whose descriptor the sender
closes. Whoever drops such a reply must close it too.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from bucketlog.backends.files import metadata
from bucketlog.backends.files.blobs import BlobGone
from bucketlog.backends.files.depot import Depot
from bucketlog.backends.files.index import Entry
from bucketlog.s3 import conditions
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Call, Facts, FileSlice, Reply, Request

SMALL_BYTES = 64 * 1024
"""Up to this a body is read and handed over in memory."""

ATTEMPTS = 20
"""How often a look-up is repeated when the content was replaced in between."""

MAX_PARTS = 10_000

_CONDITIONAL = frozenset(
    {"range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
)

_part_rows = msgspec.json.Decoder(list[tuple[int, int, str | None]]).decode


@dataclass(slots=True)
class Plan:
    """What to answer: status, headers, and which bytes of the content."""

    status: int
    headers: dict[str, str]
    offset: int
    length: int


class Objects:
    """The reading half of the object operations."""

    def __init__(self, depot: Depot) -> None:
        self._index = depot.index
        self._blobs = depot.blobs
        self._known = depot.known

    async def get(self, call: Call) -> Reply:
        """GetObject."""
        gone: str | None = None
        for _ in range(ATTEMPTS):
            entry = self._expect(call)
            plan = _plan(call, entry)
            length = plan.length
            blob = entry.blob
            body: bytes | FileSlice = b""
            if length and blob is not None:
                try:
                    if length <= SMALL_BYTES:
                        body = self._blobs.read(blob, plan.offset, length)
                    else:
                        body = FileSlice(self._blobs.open(blob), plan.offset, length)
                except BlobGone:
                    if blob == gone:
                        break
                    gone = blob
                    continue
            return Reply(plan.status, plan.headers, body, Facts(object_size=entry.size))
        raise S3Error("InternalError", "The content of the object can't be found.")

    async def head(self, call: Call) -> Reply:
        """HeadObject."""
        entry = self._expect(call)
        plan = _plan(call, entry)
        plan.headers["Content-Length"] = str(plan.length)
        return Reply(plan.status, plan.headers, facts=Facts(object_size=entry.size))

    def _expect(self, call: Call) -> Entry:
        route = call.route
        bucket, key = route.bucket, route.key
        assert bucket is not None
        assert key is not None
        entry = self._index.entry(self._known.expect(bucket).id, key)
        version = route.version_id
        if version is not None:
            check_version(version, key, entry is not None)
        if entry is None:
            raise S3Error("NoSuchKey", Key=key)
        return entry


def _plan(call: Call, entry: Entry) -> Plan:
    """What an object's row and the request's headers come to. Raises `S3Error`."""
    request = call.request
    headers = metadata.decode(entry.headers)
    headers["Last-Modified"] = metadata.http_date(entry.modified_at // 1_000_000_000)
    headers["ETag"] = f'"{entry.etag}"'
    headers["Accept-Ranges"] = "bytes"
    if entry.storage_class != "STANDARD":
        headers["x-amz-storage-class"] = entry.storage_class
    plan = Plan(200, headers, 0, entry.size)
    query = call.route.query
    if query:
        _override(call, headers)
    if not _CONDITIONAL.isdisjoint(request.headers):
        not_modified = _precondition(request, entry, headers)
        if not_modified is not None:
            return not_modified
        _cut_range(request, plan, entry)
    part: str | None = None
    if query and "partNumber" in query:
        if plan.status == 206 or "range" in request.headers:
            raise S3Error(
                "InvalidRequest",
                "Cannot specify both Range header and partNumber query parameter",
            )
        part = _cut_part(query["partNumber"], plan, entry)
    elif plan.status == 206:
        return plan
    if "x-amz-checksum-mode" in request.headers:
        _add_checksum(request, headers, entry, part)
    return plan


def _precondition(request: Request, entry: Entry, headers: dict[str, str]) -> Plan | None:
    """A 304 answer, or None to go on. Raises `S3Error` PreconditionFailed.

    304 is built here and not raised, because its record names the object's size.
    """
    try:
        conditions.check_read(request.headers, entry.etag, entry.modified_at)
    except S3Error as error:
        if error.code != "NotModified":
            raise
        kept = ("ETag", "Last-Modified", "Cache-Control", "Expires")
        return Plan(304, {name: headers[name] for name in kept if name in headers}, 0, 0)
    return None


def _cut_range(request: Request, plan: Plan, entry: Entry) -> None:
    """Narrows the plan to the range asked for, if one is. Raises `S3Error` InvalidRange."""
    wanted = request.headers.get("range")
    if wanted is None or not conditions.range_applies(
        request.headers, entry.etag, entry.modified_at
    ):
        return
    found = conditions.range_of(wanted, entry.size)
    if found is not None:
        _narrow(plan, found[0], found[1], entry.size)


def _cut_part(text: str, plan: Plan, entry: Entry) -> str | None:
    """Narrows the plan to one part of a multipart object; returns that part's checksum."""
    number = part_number(text)
    if entry.parts is None:
        if number != 1:
            raise _no_such_part(number, 1)
        if entry.size:
            _narrow(plan, 0, entry.size, entry.size)
        else:
            plan.status = 206
        return None
    parts = _part_rows(entry.parts)
    if number > len(parts):
        raise _no_such_part(number, len(parts))
    plan.headers["x-amz-mp-parts-count"] = str(len(parts))
    offset = sum(size for _, size, _ in parts[: number - 1])
    _, size, checksum = parts[number - 1]
    if size:
        _narrow(plan, offset, size, entry.size)
    else:
        plan.status, plan.length = 206, 0
    return checksum


def part_number(text: str) -> int:
    """A part number as S3 takes them: 1 to 10,000."""
    # The length first: int() of thousands of digits raises, and zeros may lead any number.
    if len(text) > 9 or not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PARTS):
        raise S3Error(
            "InvalidArgument",
            "Part number must be an integer between 1 and 10000, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=text,
        )
    return int(text)


def _no_such_part(number: int, count: int) -> S3Error:
    return S3Error("InvalidPartNumber", ActualPartCount=str(count), PartNumberRequested=str(number))


def _narrow(plan: Plan, offset: int, length: int, size: int) -> None:
    plan.status = 206
    plan.offset, plan.length = offset, length
    plan.headers["Content-Range"] = f"bytes {offset}-{offset + length - 1}/{size}"


def _override(call: Call, headers: dict[str, str]) -> None:
    """Puts the response-* parameters in place of the stored headers."""
    query = call.route.query
    asked = [name for name in metadata.OVERRIDES if name in query]
    if asked and call.caller.requester is None:
        raise S3Error(
            "InvalidRequest",
            "Request specific response headers cannot be used for anonymous GET requests.",
        )
    for name in asked:
        value = query[name]
        if not value.isprintable():
            raise S3Error(
                "InvalidArgument",
                f"Header value cannot be represented using ISO-8859-1.{name}",
                ArgumentName=name,
                ArgumentValue=value,
            )
        headers[metadata.OVERRIDES[name]] = value


def _add_checksum(
    request: Request, headers: dict[str, str], entry: Entry, part: str | None
) -> None:
    """Adds the stored checksum, when the request's x-amz-checksum-mode asks for it."""
    if request.headers["x-amz-checksum-mode"].upper() != "ENABLED" or entry.checksum is None:
        return
    algorithm, kind, value = entry.checksum.split(" ")
    if part is not None:
        headers[f"x-amz-checksum-{algorithm.lower()}"] = part
    elif headers.get("x-amz-mp-parts-count") is None:
        headers[f"x-amz-checksum-{algorithm.lower()}"] = value
        headers["x-amz-checksum-type"] = kind


def check_version(version: str | None, key: str, exists: bool) -> None:
    """Raises `S3Error` unless `version` is None or "null", the one version an object has here."""
    if version is None or (version == "null" and exists):
        return
    if version == "":
        raise S3Error(
            "InvalidArgument",
            "Version id cannot be the empty string",
            ArgumentName="versionId",
            ArgumentValue="",
        )
    if version != "null" and not (len(version) == 32 and version.isascii()):
        raise S3Error(
            "InvalidArgument",
            "Invalid version id specified",
            ArgumentName="versionId",
            ArgumentValue=version,
        )
    raise S3Error("NoSuchVersion", Key=key, VersionId=version)
