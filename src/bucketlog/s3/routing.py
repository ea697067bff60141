"""What a request asks for: its target and Host, read into an operation, a bucket and a key.

It reads table 1 and nothing else; whether the bucket exists or the caller may is not its
business. A request that is wrong by shape still gets a Route whenever its bucket can be told,
with the `refusal` beside it, because S3 logs such requests under the name composed from method
and sub-resource. Paths are taken literally: dot segments and "//" are parts of a key.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from bucketlog.s3 import operations
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Request, Route, Source
from bucketlog.s3.operations import (
    COPY_SOURCE,
    OPERATIONS,
    POST_OBJECT,
    RESOURCES,
    Level,
    Operation,
)

MAX_KEY_BYTES: Final = 1024
MAX_PART_NUMBER: Final = 10_000


def route(request: Request, domains: tuple[str, ...] = ()) -> Route:
    """The operation, bucket and key that a request names.

    `domains` are lower-case host names, without port, under which buckets are addressed as
    "BUCKET.DOMAIN" (virtual-hosted style); every other host is path style. Raises `S3Error`
    only where not even a bucket can be told; otherwise what is wrong is `Route.refusal`.
    Sources: "Virtual hosting of buckets", "Naming objects" (S3 User Guide); RFC 9112 section 3.2.
    """
    target = request.target
    plain = target.isascii() and target.isprintable() and target[:1] == "/"
    if not plain or "#" in target or " " in target:
        return _unusual(request, domains)
    bucket = None
    if domains:
        bucket = _bucket_of_host(request.headers.get("host", ""), domains)
    return _routed(request, target, bucket)


_GENERAL_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
# Names that were legal in us-east-1 before March 2018 are still asked for: NoSuchBucket for them.
_LEGACY_NAME: Final = re.compile(r"[A-Za-z0-9._-]{3,255}")
_PREFIXES: Final = ("xn--", "sthree-", "amzn-s3-demo-")
_SUFFIXES: Final = ("-s3alias", "--ol-s3", "--x-s3", ".mrap", "--table-s3")


def valid_bucket_name(name: str) -> bool:
    """Whether a general purpose bucket may be created under this name.

    Source: "General purpose bucket naming rules" (S3 User Guide).
    """
    return (
        _GENERAL_NAME.fullmatch(name) is not None
        and ".." not in name
        and _ADDRESS.fullmatch(name) is None
        and not name.startswith(_PREFIXES)
        and not name.endswith(_SUFFIXES)
    )


@lru_cache(maxsize=4096)
def _askable(name: str) -> bool:
    return _LEGACY_NAME.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def _bucket_of_host(host: str, domains: tuple[str, ...]) -> str | None:
    name = host.lower()
    if not name.startswith("["):  # an IPv6 literal is never a bucket
        name = name.partition(":")[0]
    name = name.removesuffix(".")
    if name in domains:
        return None
    for domain in sorted(domains, key=len, reverse=True):
        if name.endswith("." + domain):
            return name[: -len(domain) - 1]
    return None


_ABSOLUTE: Final = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f#]")
_NOT_ASCII: Final = re.compile(r"[\x80-\xff]")


def addressed(request: Request, domains: tuple[str, ...] = ()) -> tuple[str | None, str]:
    """The bucket that the host names, if it does, and the path and query, as sent."""
    target, host = request.target, request.headers.get("host", "")
    absolute = None if target[:1] == "/" else _ABSOLUTE.fullmatch(target)
    if absolute is not None:  # its authority counts, not the Host header (RFC 9112 3.2.2)
        host, target = absolute.groups()
        if target[:1] != "/":
            target = "/" + target
    return _bucket_of_host(host, domains) if domains else None, target


def _unusual(request: Request, domains: tuple[str, ...]) -> Route:
    """A target that isn't a plain path: absolute-form, "*", raw bytes that are not ASCII."""
    bucket, target = addressed(request, domains)
    if target == "*" and request.method == "OPTIONS":
        target = "/"
    refusal = None
    if target[:1] != "/":
        refusal, target = _invalid_uri(request), "/"
    elif _FORBIDDEN.search(target) is not None:
        refusal = _invalid_uri(request)
        target = _FORBIDDEN.sub(lambda match: f"%{ord(match.group()):02X}", target)
    # Clients that forget to encode send UTF-8 as it is; S3 takes it.
    target = _NOT_ASCII.sub(lambda match: f"%{ord(match.group()):02X}", target)
    found = _routed(request, target, bucket)
    if refusal is not None:
        if found.bucket is None:
            raise refusal
        found.refusal = refusal
        found.key = None
    return found


def _invalid_uri(request: Request) -> S3Error:
    return S3Error("InvalidURI", URI=request.target)


def _routed(request: Request, target: str, bucket: str | None) -> Route:
    path, _, text = target.partition("?")
    refusal: S3Error | None = None
    if bucket is None:
        bucket, _, key = path[1:].partition("/")
    else:
        key = path[1:]
    if "%" in path:
        try:
            bucket = _decoded(bucket)
        except ValueError:
            raise _invalid_uri(request) from None
        try:
            key = _decoded(key)
        except ValueError:  # `key` stays as it came: enough to know that an object is meant
            refusal = _invalid_uri(request)
    query: dict[str, str] = {}
    if text:
        try:
            query = _parameters(text)
        except ValueError:
            refusal = refusal or _invalid_uri(request)
    if not bucket:
        return _without_bucket(request, path, query)
    level: Level = "object" if key else "bucket"
    operation = None if query else _PLAIN.get((level, request.method))
    if operation is None:
        if bucket == _WRITE_RESPONSE.name and request.method == "POST" and not key:
            return Route(_WRITE_RESPONSE, query=query)
        operation, misfit = _chosen(request, level, query)
        refusal = refusal or misfit
    if not _askable(bucket) or (operation is _CREATE_BUCKET and not valid_bucket_name(bucket)):
        refusal = refusal or S3Error("InvalidBucketName", BucketName=bucket)
    found = Route(operation, bucket, key or None, None, query, None, refusal)
    if refusal is None:
        if len(key) * 4 > MAX_KEY_BYTES:  # else UTF-8 can't make it too long
            found.refusal = _too_long(key)
        if query or operation.header is not None:
            _complete(found, request)
    elif refusal.code == "InvalidURI":
        found.key = None
    return found


def _without_bucket(request: Request, path: str, query: dict[str, str]) -> Route:
    if path != "/":
        raise S3Error("InvalidBucketName", BucketName="")
    operation, refusal = _chosen(request, "service", query)
    return Route(operation, query=query, refusal=refusal)


def _too_long(key: str) -> S3Error | None:
    size = len(key.encode())
    if size <= MAX_KEY_BYTES:
        return None
    return S3Error("KeyTooLongError", Size=str(size), MaxSizeAllowed=str(MAX_KEY_BYTES))


def _complete(found: Route, request: Request) -> None:
    """Reads versionId, partNumber and x-amz-copy-source into the Route, or refuses them."""
    operation, query = found.operation, found.query
    try:
        if "versionId" in query:
            found.version_id = _version_id(operation, query["versionId"])
        if "partNumber" in operation.query:
            _check_part_number(query["partNumber"])
        if operation.header is not None:
            found.source = copy_source(request.headers[operation.header])
    except S3Error as error:
        found.refusal = found.refusal or error


def _version_id(operation: Operation, value: str) -> str | None:
    if operation.version_action is not None:
        if value:
            return value
        raise _argument("Version id cannot be the empty string", "versionId", value)
    if operation.level == "object":
        raise _argument("This operation does not accept a version-id.", "versionId", value)
    return None  # on a bucket it means nothing


def _check_part_number(value: str) -> None:
    digits = len(value) <= 6 and value.isascii() and value.isdigit()
    if not digits or not 1 <= int(value) <= MAX_PART_NUMBER:
        message = f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive"
        raise _argument(message, "partNumber", value)


def _argument(message: str, name: str, value: str) -> S3Error:
    return S3Error("InvalidArgument", message, ArgumentName=name, ArgumentValue=value)


def copy_source(value: str) -> Source:
    """The object that a value of x-amz-copy-source names: "BUCKET/KEY[?versionId=ID]".

    It is URL-encoded, with or without a slash in front; "+" is a blank. Raises
    `S3Error` (InvalidArgument). Source: CopyObject in the API Reference.
    """
    path, mark, version_id = value.rpartition("?versionId=")
    if not mark:
        path, version_id = value, ""
    try:
        name, _, key = _decoded(path.replace("+", "%20")).removeprefix("/").partition("/")
        version_id = _decoded(version_id)
    except ValueError:
        raise _argument("Invalid copy source encoding.", COPY_SOURCE, value) from None
    if not _askable(name):
        raise _argument("Invalid copy source bucket name", COPY_SOURCE, value)
    if not key or _too_long(key) is not None:
        raise _argument("Invalid copy source object key", COPY_SOURCE, value)
    if mark and not version_id:
        raise _argument("Version id cannot be the empty string", COPY_SOURCE, value)
    return Source(name, key, version_id or None)


_MALFORMED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def _decoded(text: str) -> str:
    """Percent-decoded UTF-8; ValueError (UnicodeDecodeError is one) where it isn't."""
    if "%" not in text and text.isascii():
        return text
    if _MALFORMED.search(text) is not None:
        raise ValueError(text)
    return unquote_to_bytes(text.encode("latin-1")).decode()


def _parameters(text: str) -> dict[str, str]:
    if "+" in text:
        text = text.replace("+", " ")
    found: dict[str, str] = {}
    if "%" not in text:
        for piece in text.split("&"):
            name, _, value = piece.partition("=")
            found[name] = value
    else:
        for piece in text.split("&"):
            name, _, value = piece.partition("=")
            found[_decoded(name)] = _decoded(value)
    found.pop("", None)
    return found


# Operations by what chooses among them; the more a row asks for, the earlier it is tried.
_Plan = dict[tuple[Level, str, str | None], tuple[Operation, ...]]


def _plan() -> _Plan:
    plan: _Plan = {}
    rows = [row for row in OPERATIONS if row.routed_as is None and row is not _WRITE_RESPONSE]
    for row in sorted(rows, key=lambda row: (row.header is None, -len(row.query))):
        place = (row.level, row.method, row.subresource)
        plan[place] = (*plan.get(place, ()), row)
    return plan


_CREATE_BUCKET: Final = operations.BY_NAME["CreateBucket"]
_WRITE_RESPONSE: Final = operations.BY_NAME["WriteGetObjectResponse"]
_LIST_V2: Final = operations.BY_NAME["ListObjectsV2"]
_PLAN: Final = _plan()
# What a request without a query is, where no header has a say either: the hot path.
_PLAIN: Final[dict[tuple[Level, str], Operation]] = {
    (level, method): rows[-1]
    for (level, method, subresource), rows in _PLAN.items()
    if subresource is None and method in ("GET", "HEAD", "DELETE")
}


def _chosen(
    request: Request, level: Level, query: dict[str, str]
) -> tuple[Operation, S3Error | None]:
    method = request.method
    named = [name for name in query if name in RESOURCES[level]] if query else []
    subresource = named[0] if named else None
    copies = method == "PUT" and COPY_SOURCE in request.headers
    if method == "OPTIONS" and level != "service":
        return _PLAN[level, method, None][0], _preflight(request, level)
    if len(named) > 1:
        named.sort()
        message = f"Conflicting query string parameters: {', '.join(named)}"
        odd = operations.composed(method, named[0], level, copies=copies)
        return odd, _argument(message, "ResourceType", named[0])
    rows = [
        row
        for row in _PLAN.get((level, method, subresource), ())
        if (row.header is not None) == copies
    ]
    for row in rows:
        if all(name in query for name in row.query) and _meant(row, request, query):
            return row, _stray_part(row, query)
    if subresource is not None and rows:  # the sub-resource is there, what it also needs is not
        return rows[-1], _incomplete(rows[-1], query)
    odd = operations.composed(method, subresource, level, copies=copies)
    return odd, _refused(odd, request)


def _meant(row: Operation, request: Request, query: dict[str, str]) -> bool:
    """What the names of query parameters alone don't tell."""
    if row is _LIST_V2:
        return query["list-type"] == "2"
    if row is POST_OBJECT:
        kind = request.headers.get("content-type", "")
        return kind.partition(";")[0].strip().lower() == "multipart/form-data"
    return True


def _stray_part(row: Operation, query: dict[str, str]) -> S3Error | None:
    """A part without its upload must not replace the whole object."""
    if "partNumber" in query and row.mutates and row.name in ("PutObject", "CopyObject"):
        return _argument("uploadId must be given with partNumber", "uploadId", "")
    return None


def _incomplete(row: Operation, query: dict[str, str]) -> S3Error | None:
    if "partNumber" in row.query:
        return _argument("partNumber must be given with uploadId", "partNumber", "")
    return None  # none of the others is implemented: refused by name


def _preflight(request: Request, level: Level) -> S3Error:
    """The answer to a browser's preflight: no bucket here has a CORS configuration."""
    if "origin" not in request.headers:
        return S3Error("BadRequest", "Insufficient information. Origin request header needed.")
    method = request.headers.get("access-control-request-method")
    if method not in ("GET", "PUT", "POST", "DELETE", "HEAD"):
        text = "null" if method is None else method
        return S3Error("BadRequest", f"Invalid Access-Control-Request-Method: {text}")
    message = "CORSResponse: CORS is not enabled for this bucket."
    return S3Error("AccessForbidden", message, Method=method, ResourceType=level.upper())


def _refused(odd: Operation, request: Request) -> S3Error:
    """Why S3 has no such operation, as a client is told."""
    resource, level = odd.subresource, odd.level
    if resource == "logging" and level == "object":
        return S3Error("NoLoggingStatusForKey")
    if resource == "torrent" and level == "bucket":
        return S3Error("RequestTorrentOfBucketError")
    if odd.method == "POST" and resource is None and level == "bucket":
        condition = "Bucket POST must be of the enclosure-type multipart/form-data"
        return S3Error("PreconditionFailed", Condition=condition)
    allowed = sorted(method for at, method, name in _PLAN if (at, name) == (level, resource))
    return S3Error(
        "MethodNotAllowed",
        Method=request.method,
        ResourceType=odd.log_name.rpartition(".")[2],
        Allow=", ".join(allowed),
    )
