"""ListObjects, ListObjectsV2, ListObjectVersions: what is in a bucket, a page at a time.

Pages are cut by `rollup`; continuation tokens hold the name of the last item, so the server
keeps nothing between pages. Every object has one version here, "null".
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import msgspec

from bucketlog.backends.files import index as rows
from bucketlog.backends.files import rollup, uploads
from bucketlog.backends.files.depot import Depot, bucket_of
from bucketlog.s3 import listings, xml
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Call, Reply

_TOKEN = b"1"

_SELECT = (
    "SELECT key, size, etag, modified_at, owner, storage_class, checksum FROM objects "
    "WHERE bucket = ? AND key >= ?"
)


def encoding_of(query: dict[str, str]) -> bool:
    """Whether names are to be percent-encoded in the answer (encoding-type=url)."""
    wanted = query.get("encoding-type")
    if wanted not in (None, "", "url"):
        raise S3Error(
            "InvalidArgument",
            "Invalid Encoding Method specified in Request",
            ArgumentName="encoding-type",
            ArgumentValue=wanted,
        )
    return wanted == "url"


def token_of(name: bytes) -> str:
    """The continuation token for a page after the item `name`."""
    return urlsafe_b64encode(_TOKEN + name).decode()


def name_of(token: str) -> bytes:
    """The item a continuation token continues after. Raises `S3Error` InvalidArgument."""
    try:
        data = urlsafe_b64decode(token.encode("ascii"))
    except ValueError:
        data = b""
    if data[:1] != _TOKEN:
        raise S3Error(
            "InvalidArgument",
            "The continuation token provided is incorrect",
            ArgumentName="continuation-token",
        )
    return data[1:]


class Listing:
    """The operations that list objects."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot

    async def objects(self, call: Call) -> Reply:
        """ListObjects."""
        query = call.route.query
        bucket, delimiter = bucket_of(call).name, query.get("delimiter", "")
        url = encoding_of(query)
        limit = rollup.limit_of(query, "max-keys")
        marker = query.get("marker", "")
        page = await self._page(call, marker.encode() or None, limit)
        body = listings.list_objects(
            bucket,
            self._items(page, owners=True),
            [prefix.decode() for prefix in page.prefixes],
            prefix=query.get("prefix", ""),
            delimiter=delimiter,
            marker=marker,
            # Without a delimiter the last key of the page is the marker, and S3 leaves it out.
            next_marker=page.last.decode() if page.last is not None and delimiter else None,
            limit=limit,
            more=page.last is not None,
            url=url,
        )
        return self._answer(call, body)

    async def objects_v2(self, call: Call) -> Reply:
        """ListObjectsV2."""
        query = call.route.query
        url = encoding_of(query)
        limit = rollup.limit_of(query, "max-keys")
        token = query.get("continuation-token")
        if token == "":
            raise S3Error(
                "InvalidArgument",
                "The continuation token provided is incorrect",
                ArgumentName="continuation-token",
            )
        start_after = query.get("start-after")
        after = (start_after or "").encode() if token is None else name_of(token)
        page = await self._page(call, after or None, limit)
        body = listings.list_objects_v2(
            bucket_of(call).name,
            self._items(page, owners=query.get("fetch-owner") == "true"),
            [prefix.decode() for prefix in page.prefixes],
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            start_after=start_after,
            token=token,
            next_token=None if page.last is None else token_of(page.last),
            limit=limit,
            url=url,
        )
        return self._answer(call, body)

    async def versions(self, call: Call) -> Reply:
        """ListObjectVersions: each object once, as its version "null"."""
        query = call.route.query
        url = encoding_of(query)
        limit = rollup.limit_of(query, "max-keys")
        marker, version = query.get("key-marker", ""), query.get("version-id-marker", "")
        if version and not marker:
            raise S3Error(
                "InvalidArgument",
                "A version-id marker cannot be specified without a key marker.",
                ArgumentName="version-id-marker",
                ArgumentValue=version,
            )
        page = await self._page(call, marker.encode() or None, limit)
        body = listings.list_versions(
            bucket_of(call).name,
            self._items(page, owners=True),
            [prefix.decode() for prefix in page.prefixes],
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            marker=marker,
            version_marker=version,
            next_marker=None if page.last is None else page.last.decode(),
            next_version=None if page.last is None or page.last_is_prefix else "null",
            limit=limit,
            url=url,
        )
        return self._answer(call, body)

    async def uploads(self, call: Call) -> Reply:
        """ListMultipartUploads."""
        query = call.route.query
        url = encoding_of(query)
        limit = rollup.limit_of(query, "max-uploads")
        marker, id_marker = query.get("key-marker", ""), query.get("upload-id-marker", "")

        def read() -> rollup.Page:
            connection = self._depot.index.connection
            return uploads.page(
                connection,
                rows.bucket_id(connection, bucket_of(call).name),
                prefix=query.get("prefix", "").encode(),
                delimiter=query.get("delimiter", "").encode(),
                key_marker=marker.encode() or None,
                # S3 ignores an upload id without a key.
                id_marker=id_marker if marker else "",
                limit=limit,
            )

        page = await self._depot.run(read)
        last = page.rows[-1][1] if page.last is not None and not page.last_is_prefix else ""
        body = listings.list_uploads(
            bucket_of(call).name,
            [self._upload(row) for row in page.rows],
            [prefix.decode() for prefix in page.prefixes],
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            marker=marker,
            id_marker=id_marker,
            next_marker=None if page.last is None else page.last.decode(),
            next_id=None if page.last is None else last,
            limit=limit,
            url=url,
        )
        return self._answer(call, body)

    async def _page(self, call: Call, marker: bytes | None, limit: int) -> rollup.Page:
        query = call.route.query
        prefix, delimiter = query.get("prefix", "").encode(), query.get("delimiter", "").encode()
        page: rollup.Page = await self._depot.run(
            self._read, bucket_of(call).name, prefix, delimiter, marker, limit
        )
        return page

    def _read(
        self, bucket: str, prefix: bytes, delimiter: bytes, marker: bytes | None, limit: int
    ) -> rollup.Page:
        """Blocking. The page is read within one transaction, so it is of one moment."""
        connection = self._depot.index.connection
        connection.execute("BEGIN")
        try:
            number = rows.bucket_id(connection, bucket)

            def seek(start: bytes, end: bytes | None) -> Iterator[tuple[Any, ...]]:
                if end is None:
                    return connection.execute(f"{_SELECT} ORDER BY key", (number, start))
                return connection.execute(
                    f"{_SELECT} AND key < ? ORDER BY key", (number, start, end)
                )

            return rollup.page(seek, prefix=prefix, delimiter=delimiter, marker=marker, limit=limit)
        finally:
            connection.execute("COMMIT")

    def _upload(self, row: rollup.Row) -> listings.UploadItem:
        """A row of a page of uploads as a document shows it."""
        key, upload_id, initiated_at, owner, initiator, storage_class, algorithm, kind = row
        return listings.UploadItem(
            key=key.decode(),
            upload_id=upload_id,
            initiated_at=initiated_at,
            owner=self._depot.index.owner(owner),
            initiator=msgspec.json.decode(initiator, type=tuple[str, str]),
            storage_class=storage_class,
            checksum_algorithm=algorithm,
            checksum_type=kind,
        )

    def _items(self, page: rollup.Page, *, owners: bool) -> list[listings.ObjectItem]:
        """The rows of a page as a document shows them."""
        owner = self._depot.index.owner
        return [
            listings.ObjectItem(
                key=key.decode(),
                modified_at=modified_at,
                etag=etag,
                size=size,
                storage_class=storage_class,
                owner=owner(number) if owners else None,
                checksum=checksum,
            )
            for key, size, etag, modified_at, number, storage_class, checksum in page.rows
        ]

    def _answer(self, call: Call, body: bytes) -> Reply:
        headers = {"Content-Type": xml.TYPE, "x-amz-bucket-region": bucket_of(call).region}
        return Reply(200, headers, body)
