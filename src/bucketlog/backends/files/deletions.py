"""DeleteObject and DeleteObjects: rows away in one transaction, then their files."""

from __future__ import annotations

from dataclasses import dataclass

from bucketlog.backends.files import index as rows
from bucketlog.backends.files.depot import Depot, bucket_of, key_of
from bucketlog.backends.files.objects import check_version
from bucketlog.s3 import conditions, xml
from bucketlog.s3.errors import ERRORS, S3Error
from bucketlog.s3.model import Call, Deleted, Facts, Reply

BODY_BYTES = 2 * 1024 * 1024
"""Of a DeleteObjects document (S3 API Reference); 1,000 keys of 1,024 bytes fit well."""

MOST_KEYS = 1000


@dataclass(slots=True)
class Doomed:
    """One key of a batch: what was asked, and what became of it."""

    key: str
    version_id: str | None = None
    headers: dict[str, str] | None = None
    error: S3Error | None = None
    size: int | None = None
    acl_required: bool = False


class Deletions:
    """The operations that remove objects."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot

    async def delete(self, call: Call) -> Reply:
        """DeleteObject: 204 also when there is none."""
        doomed = Doomed(key_of(call), call.route.version_id, call.request.headers)
        await self._depot.run(self._remove, bucket_of(call).name, [doomed])
        if doomed.error is not None:
            raise doomed.error
        return Reply(204, facts=Facts(object_size=doomed.size))

    async def delete_many(self, call: Call) -> Reply:
        """DeleteObjects: up to 1,000 keys, each permitted and answered by itself."""
        quiet, listed = xml.parse_delete(await call.body.read(BODY_BYTES))
        if not 1 <= len(listed) <= MOST_KEYS:
            raise S3Error("MalformedXML")
        batch = [_judged(call, Doomed(key, version, headers)) for key, version, headers in listed]
        if call.foresee is not None:
            await call.foresee(Facts(deleted=tuple(_deleted(item) for item in batch)))
        await self._depot.run(self._remove, bucket_of(call).name, batch)
        body = xml.deleted([(item.key, item.version_id, item.error) for item in batch], quiet=quiet)
        return Reply(
            200,
            {"Content-Type": xml.TYPE},
            body,
            Facts(deleted=tuple(_deleted(item) for item in batch)),
        )

    def _remove(self, bucket: str, batch: list[Doomed]) -> None:
        """Blocking. Keys that are refused already are left alone."""
        blobs = []
        with self._depot.index.write() as connection:
            number = rows.bucket_id(connection, bucket)
            for item in batch:
                if item.error is not None:
                    continue
                entry = rows.find(connection, number, item.key)
                try:
                    check_version(item.version_id, item.key, exists=True)
                    conditions.check_delete(
                        item.headers or {},
                        None if entry is None else entry.etag,
                        None if entry is None else entry.modified_at,
                        None if entry is None else entry.size,
                    )
                except S3Error as error:
                    if error.code != "NoSuchVersion":  # of a version that isn't there: 204
                        item.error = error
                    continue
                if entry is not None:
                    item.size = entry.size
                    rows.remove(connection, number, item.key)
                    blobs.append(entry.blob)
        for blob in blobs:
            self._depot.blobs.remove(blob)


def _judged(call: Call, item: Doomed) -> Doomed:
    """The item, refused if the caller may not delete that key."""
    if call.authorize is not None:
        decision = call.authorize(item.key, item.version_id)
        item.acl_required = decision.acl_required
        if not decision.allowed:
            item.error = S3Error("AccessDenied")
    return item


def _deleted(item: Doomed) -> Deleted:
    error = item.error
    return Deleted(
        key=item.key,
        version_id=item.version_id,
        status=204 if error is None else ERRORS[error.code].status,
        error_code=None if error is None else error.code,
        object_size=item.size,
        acl_required=item.acl_required,
    )
