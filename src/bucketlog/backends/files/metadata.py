"""What a write keeps of its request's headers, and what a read sends back of them.

Pure. Kept headers are stored as one JSON object, named as they are sent: a GET copies it into
its reply. Values stay as they came on the wire (bytes as latin-1). Server-side encryption
"AES256" is accepted and echoed, because clients and policies insist on naming it; content is
stored as it is, and encrypting it is the disk's business (Q065).
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from bucketlog.s3 import conditions
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Request

METADATA_BYTES = 2048
"""Most that the names and values of user metadata may add up to (S3 User Guide)."""

STORAGE_CLASSES = frozenset(
    {
        "STANDARD",
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER_IR",
    }
)
"""Accepted and echoed; here they all mean the same disk. Classes that need a restore before they
can be read are refused.
"""

_ARCHIVED = frozenset(
    {"GLACIER", "DEEP_ARCHIVE", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS"}
)

_SYSTEM = {
    "cache-control": "Cache-Control",
    "content-disposition": "Content-Disposition",
    "content-encoding": "Content-Encoding",
    "content-language": "Content-Language",
    "content-type": "Content-Type",
    "expires": "Expires",
}

REDIRECT = "x-amz-website-redirect-location"
ENCRYPTION = "x-amz-server-side-encryption"

_UNSUPPORTED = ("x-amz-tagging", "x-amz-write-offset-bytes", "x-amz-server-side-encryption-context")

OVERRIDES = {
    "response-cache-control": "Cache-Control",
    "response-content-disposition": "Content-Disposition",
    "response-content-encoding": "Content-Encoding",
    "response-content-language": "Content-Language",
    "response-content-type": "Content-Type",
    "response-expires": "Expires",
}

_decode = msgspec.json.Decoder(dict[str, str]).decode


def kept(request: Request) -> dict[str, str]:
    """The headers a new object keeps, named as a GET sends them.

    Raises `S3Error` for metadata over 2 KiB, and for headers that ask for something this store
    doesn't do.
    """
    headers = request.headers
    refuse_unsupported(headers)
    found = {}
    used = 0
    for name, value in headers.items():
        sent_as = _SYSTEM.get(name)
        if sent_as is not None:
            if name == "content-encoding":
                value = _without_chunking(value)
            if value:
                found[sent_as] = value
        elif name.startswith("x-amz-meta-"):
            used += len(name) - 11 + len(value)
            found[name] = value
    if used > METADATA_BYTES:
        raise S3Error("MetadataTooLarge", Size=str(used), MaxSizeAllowed=str(METADATA_BYTES))
    found.setdefault("Content-Type", "binary/octet-stream")
    found.update(own(headers))
    return found


def own(headers: dict[str, str]) -> dict[str, str]:
    """Those kept headers that a copy never takes from its source."""
    found = {}
    redirect = headers.get(REDIRECT)
    if redirect:
        if not redirect.startswith(("/", "http://", "https://")):
            raise S3Error(
                "InvalidRedirectLocation",
                "The website redirect location must have a prefix of 'http://' or 'https://' or "
                "'/'.",
            )
        found[REDIRECT] = redirect
    if ENCRYPTION in headers:
        found[ENCRYPTION] = headers[ENCRYPTION]
    return found


def refuse_unsupported(headers: dict[str, str]) -> None:
    """Raises `S3Error` for headers that ask for something this store doesn't do."""
    for name in _UNSUPPORTED:
        if headers.get(name):
            raise _not_implemented(name)
    for name in headers:
        if name.startswith("x-amz-object-lock-"):
            raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
        if "server-side-encryption-customer-" in name:
            raise _not_implemented(name)
    algorithm = headers.get(ENCRYPTION)
    if algorithm in ("aws:kms", "aws:kms:dsse", "aws:fsx"):
        raise _not_implemented(ENCRYPTION)
    if algorithm not in (None, "AES256"):
        raise S3Error(
            "InvalidArgument",
            "The encryption method specified is not supported",
            ArgumentName=ENCRYPTION,
            ArgumentValue=algorithm,
        )


def storage_class(headers: dict[str, str]) -> str:
    """The storage class asked for; "STANDARD" where none is."""
    name = headers.get("x-amz-storage-class") or "STANDARD"
    if name in STORAGE_CLASSES:
        return name
    if name in _ARCHIVED:
        raise _not_implemented("x-amz-storage-class")
    raise S3Error("InvalidStorageClass", StorageClassRequested=name)


def encode(headers: dict[str, str]) -> str:
    """Kept headers as the index stores them."""
    return msgspec.json.encode(headers).decode()


def decode(text: str) -> dict[str, str]:
    """The same, read back: a new dict each time."""
    return _decode(text)


@lru_cache(maxsize=4096)
def http_date(seconds: int) -> str:
    """Seconds since 1970 as HTTP writes them, remembered: the same objects are read often."""
    return conditions.http_date(seconds * 1_000_000_000)


def _without_chunking(value: str) -> str:
    """Content-Encoding without "aws-chunked", which names the transfer, not the object."""
    if "aws-chunked" not in value:
        return value
    return ",".join(part for part in value.split(",") if part.strip() != "aws-chunked").strip()


def _not_implemented(header: str) -> S3Error:
    return S3Error(
        "NotImplemented",
        "A header you provided implies functionality that is not implemented",
        Header=header,
    )
