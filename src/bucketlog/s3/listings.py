"""The documents that list: objects, versions, uploads under way, parts.

Names are told as they are, or percent-encoded where the client asked for encoding-type=url: the
only way to tell a key that XML can't hold. ETags are without quotes, instants are nanoseconds,
checksums "ALGORITHM [TYPE] VALUE". Source: the response syntax of each operation (API Reference).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus

from bucketlog.s3 import xml
from bucketlog.s3.model import Owner
from bucketlog.s3.xml import document, escape, instant, leaf, quoted


@dataclass(slots=True)
class ObjectItem:
    """One object of a listing, or one version of it."""

    key: str
    modified_at: int
    etag: str
    size: int
    storage_class: str = "STANDARD"
    owner: Owner | None = None
    checksum: str | None = None
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


def _kind(stored: str | None) -> tuple[str | None, str | None]:
    if stored is None:
        return None, None
    algorithm, *kind, _ = stored.split(" ")
    return algorithm, kind[0] if kind else None


def _entry(tag: str, item: ObjectItem, url: bool, versioned: str = "") -> str:
    key = _url(item.key) if url else escape(item.key)
    algorithm, kind = _kind(item.checksum)
    return (
        f"<{tag}><Key>{key}</Key>{versioned}"
        f"<LastModified>{instant(item.modified_at)}</LastModified>{quoted(item.etag)}"
        f"{leaf('ChecksumAlgorithm', algorithm)}{leaf('ChecksumType', kind)}"
        f"<Size>{item.size}</Size>"
        f"{xml.owner('Owner', item.owner)}<StorageClass>{item.storage_class}</StorageClass></{tag}>"
    )


def list_objects(
    bucket: str,
    items: Iterable[ObjectItem],
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
    items: Sequence[ObjectItem],
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
    items: Iterable[ObjectItem],
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
        f"{xml.owner('Initiator', item.initiator)}{xml.owner('Owner', item.owner)}"
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
        f"{quoted(etag)}<Size>{size}</Size>{xml.checksum(stored)}</Part>"
        for number, at, etag, size, stored in parts
    )
    following = parts[-1][0] if parts else 0
    content = (
        f"{leaf('Bucket', bucket)}{leaf('Key', key)}{leaf('UploadId', upload_id)}"
        f"{xml.owner('Initiator', initiator)}{xml.owner('Owner', owner)}"
        f"{leaf('StorageClass', storage_class)}{leaf('PartNumberMarker', marker)}"
        f"{leaf('NextPartNumberMarker', following)}{leaf('MaxParts', limit)}"
        f"{leaf('IsTruncated', more)}{leaf('ChecksumAlgorithm', checksum[0])}"
        f"{leaf('ChecksumType', checksum[1])}{listed}"
    )
    return document("ListPartsResult", content)
