"""Every request and response document of the operations served here, but ACLs and logging rules.

What reads and writes them is `markup`; its general helpers are offered here as well. ETags are
given without quotes, instants as nanoseconds, checksums as "ALGORITHM [TYPE] VALUE". Readers
raise `S3Error`, MalformedXML unless they say otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus
from xml.etree.ElementTree import Element as Element

from bucketlog.s3.errors import S3Error
from bucketlog.s3.markup import NAMESPACE as NAMESPACE
from bucketlog.s3.markup import boolean as boolean
from bucketlog.s3.markup import child as child
from bucketlog.s3.markup import children as children
from bucketlog.s3.markup import document as document
from bucketlog.s3.markup import element as element
from bucketlog.s3.markup import escape as escape
from bucketlog.s3.markup import instant as instant
from bucketlog.s3.markup import leaf as leaf
from bucketlog.s3.markup import parse as parse
from bucketlog.s3.markup import render as render
from bucketlog.s3.markup import required as required
from bucketlog.s3.markup import text as text
from bucketlog.s3.model import Owner, Ownership, PublicAccessBlock

TYPE: Final = "application/xml"
MAX_DELETED_KEYS: Final = 1000
MAX_KEY_BYTES: Final = 1024
MAX_PART_NUMBER: Final = 10_000


def _identity(name: str, who: Owner | tuple[str, str] | None) -> str:
    """An Owner or Initiator: an account, or an id and the name people know it by."""
    if who is None:
        return ""
    identity, shown = who if isinstance(who, tuple) else (who.canonical_id, who.name)
    return f"<{name}>{leaf('ID', identity)}{leaf('DisplayName', shown)}</{name}>"


def _checksum(stored: str | None) -> str:
    """The elements of a checksum given as "ALGORITHM [TYPE] VALUE"."""
    if stored is None:
        return ""
    algorithm, *kind, value = stored.split(" ")
    return leaf(f"Checksum{algorithm}", value) + "".join(leaf("ChecksumType", one) for one in kind)


def _quoted(etag: str) -> str:
    """An ETag element; `etag` is without quotes."""
    return f"<ETag>&quot;{etag}&quot;</ETag>"


# --- Documents of buckets ---


def list_buckets(
    who: Owner,
    buckets: Iterable[tuple[str, int, str]],
    *,
    prefix: str | None = None,
    token: str | None = None,
) -> bytes:
    """ListAllMyBucketsResult; buckets are (name, created at, Region), `token` continues it."""
    listed = "".join(
        f"<Bucket>{leaf('Name', name)}{leaf('CreationDate', instant(at))}"
        f"{leaf('BucketRegion', region)}</Bucket>"
        for name, at, region in buckets
    )
    content = f"{_identity('Owner', who)}<Buckets>{listed}</Buckets>"
    more = leaf("ContinuationToken", token) + leaf("Prefix", prefix)
    return document("ListAllMyBucketsResult", content + more)


_REGION: Final = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-\d{1,2}")


def is_region(name: str) -> bool:
    """Whether a location constraint has the form of a Region's name."""
    return name == "EU" or _REGION.fullmatch(name) is not None


def location_constraint(data: bytes) -> str | None:
    """The Region that a CreateBucketConfiguration names, None if it names none."""
    root = parse(data, "CreateBucketConfiguration")
    for one in children(root, "LocationConstraint", "Location", "Bucket", "Tags"):
        if one.tag != "LocationConstraint":  # of directory buckets, and tags at creation
            raise S3Error("NotImplemented", f"{one.tag} is not implemented for this bucket type.")
    return (text(root, "LocationConstraint") or "").strip() or None


def location(region: str | None) -> bytes:
    """The LocationConstraint that GetBucketLocation answers; None for us-east-1."""
    return document("LocationConstraint", escape(region or ""))


def ownership_controls(setting: Ownership) -> bytes:
    """OwnershipControls."""
    rule = leaf("ObjectOwnership", setting.value)
    return document("OwnershipControls", f"<Rule>{rule}</Rule>")


def parse_ownership_controls(data: bytes) -> Ownership:
    """What an OwnershipControls document sets."""
    root = parse(data, "OwnershipControls")
    rules = list(children(root, "Rule"))
    if len(rules) != 1:
        raise S3Error("MalformedXML")
    try:
        return Ownership(required(rules[0], "ObjectOwnership").strip())
    except ValueError:
        raise S3Error("MalformedXML") from None


_SWITCHES: Final = {
    "BlockPublicAcls": "block_public_acls",
    "IgnorePublicAcls": "ignore_public_acls",
    "BlockPublicPolicy": "block_public_policy",
    "RestrictPublicBuckets": "restrict_public_buckets",
}


def public_access_block(block: PublicAccessBlock) -> bytes:
    """PublicAccessBlockConfiguration."""
    content = "".join(leaf(name, getattr(block, field)) for name, field in _SWITCHES.items())
    return document("PublicAccessBlockConfiguration", content)


def parse_public_access_block(data: bytes) -> PublicAccessBlock:
    """What a PublicAccessBlockConfiguration document sets; a switch not named is off."""
    root = parse(data, "PublicAccessBlockConfiguration")
    if not list(children(root, *_SWITCHES)):
        raise S3Error("InvalidRequest", "Must specify at least one configuration.")
    return PublicAccessBlock(
        **{field: boolean(root, name) or False for name, field in _SWITCHES.items()}
    )


def policy_status(is_public: bool) -> bytes:
    """PolicyStatus; S3 writes its booleans in capitals here, but takes and documents both."""
    return document("PolicyStatus", leaf("IsPublic", is_public))


# --- Documents of objects ---


def copy_result(root: str, etag: str, modified_at: int, stored: str | None = None) -> bytes:
    """CopyObjectResult or CopyPartResult; `stored` is a checksum as described above."""
    content = f"{leaf('LastModified', instant(modified_at))}{_quoted(etag)}{_checksum(stored)}"
    return document(root, content)


def initiated(bucket: str, key: str, upload_id: str) -> bytes:
    """InitiateMultipartUploadResult."""
    content = leaf("Bucket", bucket) + leaf("Key", key) + leaf("UploadId", upload_id)
    return document("InitiateMultipartUploadResult", content)


def completed(
    bucket: str, key: str, etag: str, stored: str | None = None, address: str = ""
) -> bytes:
    """CompleteMultipartUploadResult; `address` is the URL of the new object."""
    content = leaf("Location", address) + leaf("Bucket", bucket) + leaf("Key", key)
    return document("CompleteMultipartUploadResult", content + _quoted(etag) + _checksum(stored))


@dataclass(frozen=True, slots=True)
class CompletedPart:
    """One part that a CompleteMultipartUpload names.

    `etag` is without quotes. `checksums` are base64 values by algorithm, as in "CRC32".
    """

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)


def parse_complete(data: bytes) -> list[CompletedPart]:
    """The parts that a CompleteMultipartUpload document names, in its order."""
    root = parse(data, "CompleteMultipartUpload")
    parts = [_completed_part(one) for one in children(root, "Part")]
    if not parts or len(parts) > MAX_PART_NUMBER:
        raise S3Error("MalformedXML")
    return parts


def _completed_part(part: Element) -> CompletedPart:
    number = required(part, "PartNumber").strip()
    if not (number.isascii() and number.isdigit()):
        raise S3Error("MalformedXML")
    if not 1 <= int(number[:9]) <= MAX_PART_NUMBER:
        message = f"Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive"
        raise S3Error("InvalidArgument", message, ArgumentName="partNumber", ArgumentValue=number)
    checksums = {
        one.tag.removeprefix("Checksum"): (one.text or "").strip()
        for one in part
        if one.tag.startswith("Checksum")
    }
    return CompletedPart(int(number), required(part, "ETag").strip().strip('"'), checksums)


def parse_delete(data: bytes) -> tuple[bool, list[tuple[str, str | None, dict[str, str]]]]:
    """Whether a Delete document wants silence, and its objects: key, version id, conditions.

    The conditions are the headers that would say the same in a DeleteObject request.
    """
    root = parse(data, "Delete")
    objects = [
        (_key(one), text(one, "VersionId") or None, _conditions(one))
        for one in children(root, "Object", "Quiet")
        if one.tag == "Object"
    ]
    if not 1 <= len(objects) <= MAX_DELETED_KEYS:
        raise S3Error("MalformedXML")
    return boolean(root, "Quiet") or False, objects


def _key(one: Element) -> str:
    key = required(one, "Key")
    if not key:
        raise S3Error("UserKeyMustBeSpecified")
    if len(key.encode()) > MAX_KEY_BYTES:
        raise S3Error(
            "KeyTooLongError", Size=str(len(key.encode())), MaxSizeAllowed=str(MAX_KEY_BYTES)
        )
    return key


_CONDITION_HEADERS: Final = {
    "ETag": "if-match",
    "LastModifiedTime": "x-amz-if-match-last-modified-time",
    "Size": "x-amz-if-match-size",
}


def _conditions(one: Element) -> dict[str, str]:
    found = {header: text(one, name) for name, header in _CONDITION_HEADERS.items()}
    return {header: value.strip() for header, value in found.items() if value is not None}


def deleted(
    results: Iterable[tuple[str, str | None, S3Error | None]], *, quiet: bool = False
) -> bytes:
    """DeleteResult; results are key, version id and what went wrong, in request order.

    With `quiet` only what went wrong is told.
    """
    pieces = []
    for key, version_id, error in results:
        what = leaf("Key", key) + leaf("VersionId", version_id)
        if error is not None:
            told = leaf("Code", error.code) + leaf("Message", error.text)
            pieces.append(f"<Error>{what}{told}</Error>")
        elif not quiet:
            pieces.append(f"<Deleted>{what}</Deleted>")
    return document("DeleteResult", "".join(pieces))


# --- Listings ---


@dataclass(slots=True)
class Item:
    """One object of a listing. `checksum_type` is "FULL_OBJECT" or "COMPOSITE"."""

    key: str
    modified_at: int
    etag: str
    size: int
    storage_class: str = "STANDARD"
    owner: Owner | None = None
    checksum_algorithm: str | None = None
    checksum_type: str | None = None
    version_id: str = "null"
    is_latest: bool = True


@dataclass(slots=True)
class UploadItem:
    """One upload under way; `initiator` is an id (or ARN) and a name."""

    key: str
    upload_id: str
    initiated_at: int
    owner: Owner | None
    initiator: tuple[str, str]
    storage_class: str = "STANDARD"
    checksum_algorithm: str | None = None
    checksum_type: str | None = None


def _url(value: str) -> str:
    # As S3 does for encoding-type=url: a blank is "+", a slash stays.
    return quote_plus(value, safe="/*", errors="surrogatepass")


def _name(name: str, value: str | None, url: bool) -> str:
    return leaf(name, _url(value) if url and value else value)


def _frame(bucket: str, prefix: str, delimiter: str, limit: int, more: bool, url: bool) -> str:
    """What every listing of objects says of itself."""
    return (
        f"{leaf('Name', bucket)}{_name('Prefix', prefix, url)}"
        f"{_name('Delimiter', delimiter or None, url)}{leaf('MaxKeys', limit)}"
        f"{leaf('EncodingType', 'url' if url else None)}{leaf('IsTruncated', more)}"
    )


def _common(prefixes: Iterable[str], url: bool) -> str:
    return "".join(
        f"<CommonPrefixes>{_name('Prefix', prefix, url)}</CommonPrefixes>" for prefix in prefixes
    )


def _entry(tag: str, item: Item, url: bool, versioned: str = "") -> str:
    key = _url(item.key) if url else escape(item.key)
    return (
        f"<{tag}><Key>{key}</Key>{versioned}"
        f"<LastModified>{instant(item.modified_at)}</LastModified>{_quoted(item.etag)}"
        f"{leaf('ChecksumAlgorithm', item.checksum_algorithm)}"
        f"{leaf('ChecksumType', item.checksum_type)}<Size>{item.size}</Size>"
        f"{_identity('Owner', item.owner)}<StorageClass>{item.storage_class}</StorageClass></{tag}>"
    )


def list_objects(
    bucket: str,
    items: Iterable[Item],
    prefixes: Iterable[str],
    *,
    prefix: str,
    delimiter: str,
    marker: str,
    next_marker: str | None,
    limit: int,
    more: bool,
    url: bool,
) -> bytes:
    """ListBucketResult of ListObjects; with `url` names are percent-encoded."""
    content = (
        f"{_frame(bucket, prefix, delimiter, limit, more, url)}{_name('Marker', marker, url)}"
        f"{_name('NextMarker', next_marker, url)}"
        f"{''.join(_entry('Contents', item, url) for item in items)}{_common(prefixes, url)}"
    )
    return document("ListBucketResult", content)


def list_objects_v2(
    bucket: str,
    items: Sequence[Item],
    prefixes: Sequence[str],
    *,
    prefix: str,
    delimiter: str,
    start_after: str | None,
    token: str | None,
    next_token: str | None,
    limit: int,
    url: bool,
) -> bytes:
    """ListBucketResult of ListObjectsV2; `next_token` is None on the last page."""
    content = (
        f"{_frame(bucket, prefix, delimiter, limit, next_token is not None, url)}"
        f"{_name('StartAfter', start_after, url)}{leaf('ContinuationToken', token)}"
        f"{leaf('NextContinuationToken', next_token)}"
        f"{leaf('KeyCount', len(items) + len(prefixes))}"
        f"{''.join(_entry('Contents', item, url) for item in items)}{_common(prefixes, url)}"
    )
    return document("ListBucketResult", content)


def list_versions(
    bucket: str,
    items: Iterable[Item],
    prefixes: Iterable[str],
    *,
    prefix: str,
    delimiter: str,
    marker: str,
    version_marker: str,
    next_marker: str | None,
    next_version: str | None,
    limit: int,
    url: bool,
) -> bytes:
    """ListVersionsResult; `next_marker` is None on the last page."""
    versions = "".join(
        _entry(
            "Version",
            item,
            url,
            leaf("VersionId", item.version_id) + leaf("IsLatest", item.is_latest),
        )
        for item in items
    )
    content = (
        f"{_frame(bucket, prefix, delimiter, limit, next_marker is not None, url)}"
        f"{_name('KeyMarker', marker, url)}{leaf('VersionIdMarker', version_marker)}"
        f"{_name('NextKeyMarker', next_marker, url)}{leaf('NextVersionIdMarker', next_version)}"
        f"{versions}{_common(prefixes, url)}"
    )
    return document("ListVersionsResult", content)


def list_uploads(
    bucket: str,
    items: Iterable[UploadItem],
    prefixes: Iterable[str],
    *,
    prefix: str,
    delimiter: str,
    marker: str,
    id_marker: str,
    next_marker: str | None,
    next_id: str | None,
    limit: int,
    url: bool,
) -> bytes:
    """ListMultipartUploadsResult; `next_marker` is None on the last page."""
    uploads = "".join(
        f"<Upload>{_name('Key', item.key, url)}{leaf('UploadId', item.upload_id)}"
        f"{_identity('Initiator', item.initiator)}{_identity('Owner', item.owner)}"
        f"{leaf('StorageClass', item.storage_class)}{leaf('Initiated', instant(item.initiated_at))}"
        f"{leaf('ChecksumAlgorithm', item.checksum_algorithm)}"
        f"{leaf('ChecksumType', item.checksum_type)}</Upload>"
        for item in items
    )
    content = (
        f"{leaf('Bucket', bucket)}{_name('KeyMarker', marker, url)}"
        f"{leaf('UploadIdMarker', id_marker)}{_name('NextKeyMarker', next_marker, url)}"
        f"{leaf('NextUploadIdMarker', next_id)}{_name('Delimiter', delimiter or None, url)}"
        f"{_name('Prefix', prefix, url)}{leaf('EncodingType', 'url' if url else None)}"
        f"{leaf('MaxUploads', limit)}{leaf('IsTruncated', next_marker is not None)}"
        f"{uploads}{_common(prefixes, url)}"
    )
    return document("ListMultipartUploadsResult", content)


def list_parts(
    bucket: str,
    key: str,
    upload_id: str,
    parts: Sequence[tuple[int, int, str, int, str | None]],
    *,
    marker: int,
    limit: int,
    more: bool,
    owner: Owner | None,
    initiator: tuple[str, str],
    storage_class: str,
    checksum: tuple[str | None, str | None],
) -> bytes:
    """ListPartsResult; parts are (number, modified at, ETag, size, checksum), the upload's
    checksum is its algorithm and type.
    """
    listed = "".join(
        f"<Part><PartNumber>{number}</PartNumber><LastModified>{instant(at)}</LastModified>"
        f"{_quoted(etag)}<Size>{size}</Size>{_checksum(stored)}</Part>"
        for number, at, etag, size, stored in parts
    )
    following = parts[-1][0] if parts else 0
    content = (
        f"{leaf('Bucket', bucket)}{leaf('Key', key)}{leaf('UploadId', upload_id)}"
        f"{_identity('Initiator', initiator)}{_identity('Owner', owner)}"
        f"{leaf('StorageClass', storage_class)}{leaf('PartNumberMarker', marker)}"
        f"{leaf('NextPartNumberMarker', following)}{leaf('MaxParts', limit)}"
        f"{leaf('IsTruncated', more)}{leaf('ChecksumAlgorithm', checksum[0])}"
        f"{leaf('ChecksumType', checksum[1])}{listed}"
    )
    return document("ListPartsResult", content)
