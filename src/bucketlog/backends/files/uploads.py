"""Multipart uploads as rows: starting, finding, putting parts, aborting, listing.

What a finished upload answered is kept for a day, so that a repeated CompleteMultipartUpload
(the client never saw the first answer) is answered the same way.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from bucketlog.backends.files import index as rows
from bucketlog.backends.files import rollup
from bucketlog.backends.files.blobs import Incoming
from bucketlog.backends.files.depot import Depot
from bucketlog.s3.errors import S3Error

FINISHED_KEPT_NS = 24 * 3600 * 1_000_000_000


class Upload(NamedTuple):
    """One row of `uploads`, without its bucket, key and id. A tuple as `Entry` is."""

    initiated_at: int
    owner: int
    initiator: str
    headers: str
    storage_class: str
    checksum_algorithm: str | None
    checksum_type: str | None
    acl: str | None
    finished: str | None
    finished_at: int | None


class Part(NamedTuple):
    """One row of `parts`, without its upload. `checksum` is "CRC32 base64"."""

    number: int
    blob: str | None
    size: int
    etag: str
    checksum: str | None
    modified_at: int


class Finished(msgspec.Struct):
    """What a finished upload answered, and the (number, ETag) list it was finished with."""

    parts: list[tuple[int, str]]
    etag: str
    size: int
    checksum: str | None


_UPLOAD = ", ".join(Upload._fields)
_PART = ", ".join(Part._fields)


def new_id(now: int) -> str:
    """An upload id: sorts by time of initiation, and can't be guessed."""
    return f"{now:016x}{secrets.token_urlsafe(36)}"


def start(
    connection: rows.Connection, bucket: int, key: str, upload_id: str, upload: Upload
) -> None:
    """Notes a new upload. Inside `write`."""
    connection.execute(
        f"INSERT INTO uploads (bucket, key, id, {_UPLOAD}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (bucket, key.encode(), upload_id, *upload),
    )


def find(
    connection: rows.Connection, bucket: int, key: str, upload_id: str, *, finished: bool = False
) -> Upload:
    """An upload under way; with `finished`, also one that is complete. Raises NoSuchUpload."""
    row = connection.execute(
        f"SELECT {_UPLOAD} FROM uploads WHERE bucket = ? AND key = ? AND id = ?",
        (bucket, key.encode(), upload_id),
    ).fetchone()
    upload = None if row is None else Upload._make(row)
    if upload is None or (upload.finished is not None and not finished):
        raise S3Error("NoSuchUpload", UploadId=upload_id)
    return upload


def put_part(depot: Depot, where: tuple[str, str, str], incoming: Incoming, part: Part) -> None:
    """Publishes a part's content and notes it, in place of an earlier one of its number.

    `where` is bucket name, key, upload id. Blocking. On failure nothing is kept.
    """
    name, key, upload_id = where
    try:
        part = part._replace(blob=incoming.publish())
        with depot.index.write() as connection:
            find(connection, rows.bucket_id(connection, name), key, upload_id)
            before = connection.execute(
                "SELECT blob FROM parts WHERE upload = ? AND number = ?", (upload_id, part.number)
            ).fetchone()
            connection.execute(
                f"INSERT OR REPLACE INTO parts (upload, {_PART}) VALUES (?,?,?,?,?,?,?)",
                (upload_id, *part),
            )
    except BaseException:
        incoming.discard()
        raise
    if before is not None:
        depot.blobs.remove(before[0])


def parts(
    connection: rows.Connection, upload_id: str, after: int = 0, limit: int = 10_000
) -> list[Part]:
    """The parts of an upload in order, from the one after `after`."""
    found = connection.execute(
        f"SELECT {_PART} FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?",
        (upload_id, after, limit),
    )
    return [Part._make(row) for row in found]


def drop_parts(connection: rows.Connection, upload_id: str) -> list[str]:
    """Takes the parts' rows away; returns the blobs that nobody names then. Inside `write`."""
    blobs = connection.execute(
        "SELECT blob FROM parts WHERE upload = ? AND blob IS NOT NULL", (upload_id,)
    ).fetchall()
    connection.execute("DELETE FROM parts WHERE upload = ?", (upload_id,))
    return [blob for (blob,) in blobs]


def abort(depot: Depot, name: str, key: str, upload_id: str) -> None:
    """Ends an upload and removes its parts. Blocking."""
    with depot.index.write() as connection:
        bucket = rows.bucket_id(connection, name)
        find(connection, bucket, key, upload_id)
        blobs = drop_parts(connection, upload_id)
        connection.execute(
            "DELETE FROM uploads WHERE bucket = ? AND key = ? AND id = ?",
            (bucket, key.encode(), upload_id),
        )
    for blob in blobs:
        depot.blobs.remove(blob)


def finish(
    connection: rows.Connection,
    bucket: int,
    key: str,
    upload_id: str,
    answer: Finished,
    now: int,
) -> None:
    """Keeps the answer for repeats, and forgets those of a day ago. Inside `write`."""
    connection.execute(
        "UPDATE uploads SET finished = ?, finished_at = ? WHERE bucket = ? AND key = ? AND id = ?",
        (msgspec.json.encode(answer).decode(), now, bucket, key.encode(), upload_id),
    )
    connection.execute("DELETE FROM uploads WHERE finished_at < ?", (now - FINISHED_KEPT_NS,))


def page(
    connection: rows.Connection,
    bucket: int,
    *,
    prefix: bytes,
    delimiter: bytes,
    key_marker: bytes | None,
    id_marker: str,
    limit: int,
) -> rollup.Page:
    """A page of the uploads under way, by key and then by time of initiation.

    With an upload id as marker, later uploads of the marker's own key are listed too. Rows are
    (key, id, initiated_at, owner, initiator, storage_class, algorithm, type).
    """
    columns = (
        "key, id, initiated_at, owner, initiator, storage_class, checksum_algorithm, checksum_type"
    )
    within = key_marker if id_marker else None

    def seek(start: bytes, end: bytes | None) -> Iterator[tuple[Any, ...]]:
        clauses = "bucket = ? AND (key, id) > (?, ?)"
        arguments: list[Any] = [bucket, start, id_marker if start == within else ""]
        if end is not None:
            clauses += " AND key < ?"
            arguments.append(end)
        return connection.execute(
            f"SELECT {columns} FROM uploads WHERE {clauses} AND finished IS NULL ORDER BY key, id",
            arguments,
        )

    return rollup.page(
        seek, prefix=prefix, delimiter=delimiter, marker=key_marker, limit=limit, start=within
    )
