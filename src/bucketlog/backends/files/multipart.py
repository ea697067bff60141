"""Multipart uploads: create, upload and copy parts, complete, abort, list.

Completing joins the parts' files into one, so that a finished object is read like any other. The
joining happens before the transaction, and the transaction judges everything once more.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from bucketlog.backends.files import index as rows
from bucketlog.backends.files import metadata, rollup, uploads
from bucketlog.backends.files.blobs import BlobGone, Incoming
from bucketlog.backends.files.buckets import BODY_BYTES
from bucketlog.backends.files.depot import Depot, bucket_of, key_of, rights_of
from bucketlog.backends.files.objects import ATTEMPTS, MAX_PARTS, part_number
from bucketlog.backends.files.puts import (
    MOST_BYTES,
    Content,
    Draft,
    echoed,
    expect_source,
    source_of,
    store,
)
from bucketlog.backends.files.uploads import Finished, Part, Upload
from bucketlog.s3 import checksums, listings, xml
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Call, Facts, Received, Reply

LEAST_PART_BYTES = 5 * 1024**2
"""Of every part but the last (S3 User Guide)."""

_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})")


class Multipart:
    """The multipart operations."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot

    async def create(self, call: Call) -> Reply:
        """CreateMultipartUpload."""
        headers = metadata.kept(call.request)
        storage_class = metadata.storage_class(call.request.headers)
        owner, acl = rights_of(call, self._depot.name_of)
        algorithm, kind = _checksum_kind(call)
        upload_id = uploads.new_id(call.now)
        bucket, key = bucket_of(call).name, key_of(call)
        account = call.caller.account
        initiator = (
            (owner.canonical_id, owner.name)
            if account is None
            else (call.caller.user_arn or account.canonical_id, account.name)
        )

        def insert() -> None:
            with self._depot.index.write() as connection:
                upload = Upload(
                    initiated_at=call.now,
                    owner=rows.owner_id(connection, owner),
                    initiator=msgspec.json.encode(initiator).decode(),
                    headers=metadata.encode(headers),
                    storage_class=storage_class,
                    checksum_algorithm=algorithm,
                    checksum_type=kind,
                    acl=acl,
                    finished=None,
                    finished_at=None,
                )
                number = rows.bucket_id(connection, bucket)
                uploads.start(connection, number, key, upload_id, upload)

        await self._depot.run(insert)
        reply = _xml(xml.initiated(bucket, key, upload_id))
        reply.headers.update(echoed(headers))
        if algorithm is not None and kind is not None:
            reply.headers["x-amz-checksum-algorithm"] = algorithm
            reply.headers["x-amz-checksum-type"] = kind
        return reply

    def _find(self, call: Call) -> Upload:
        """The upload under way that a call names, read on the event loop."""
        number = self._depot.known.expect(bucket_of(call).name).id
        return uploads.find(self._depot.index.reader, number, key_of(call), _upload_id(call))

    async def put_part(self, call: Call) -> Reply:
        """UploadPart."""
        number = part_number(call.route.query.get("partNumber", ""))
        metadata.refuse_unsupported(call.request.headers)
        upload = self._find(call)
        incoming = self._depot.blobs.incoming(MOST_BYTES)
        try:
            received = await call.body.into(incoming.write)
            checksum = _part_checksum(call, upload, received)
        except BaseException:
            incoming.discard()
            raise
        part = Part(number, None, received.length, received.md5, checksum, call.now)
        where = (bucket_of(call).name, key_of(call), _upload_id(call))
        await self._depot.run(uploads.put_part, self._depot, where, incoming, part)
        headers = {"ETag": f'"{part.etag}"', **_part_headers(checksum)}
        return Reply(200, headers, facts=Facts(object_size=part.size))

    async def copy_part(self, call: Call) -> Reply:
        """UploadPartCopy."""
        number = part_number(call.route.query.get("partNumber", ""))
        metadata.refuse_unsupported(call.request.headers)
        upload = self._find(call)
        source = source_of(call)
        wanted = call.request.headers.get("x-amz-copy-source-range")
        algorithm = upload.checksum_algorithm or "CRC64NVME"
        where = (bucket_of(call).name, key_of(call), _upload_id(call))

        def copy(blob: str | None, offset: int, length: int) -> Part:
            incoming = self._depot.blobs.incoming(MOST_BYTES)
            try:
                received = _copied(self._depot, blob, offset, length, incoming, algorithm)
            except BaseException:
                incoming.discard()
                raise
            checksum = None if received.checksum is None else " ".join(received.checksum)
            part = Part(number, None, length, received.md5, checksum, call.now)
            uploads.put_part(self._depot, where, incoming, part)
            return part

        for _ in range(ATTEMPTS):
            entry = expect_source(self._depot, call, source)
            offset, length = _source_range(wanted, entry.size)
            try:
                part = await self._depot.run(copy, entry.blob, offset, length)
            except BlobGone:
                continue
            reply = _xml(xml.copy_result("CopyPartResult", part.etag, call.now, part.checksum))
            reply.facts = Facts(object_size=part.size, source_size=entry.size)
            return reply
        raise S3Error("InternalError", "The content of the source can't be found.")

    async def complete(self, call: Call) -> Reply:
        """CompleteMultipartUpload; again, with the same parts, it answers as before."""
        listed = xml.parse_complete(await call.body.read(BODY_BYTES * 4))
        answer, headers = await self._depot.run(self._complete, call, listed)
        body = xml.completed(
            bucket_of(call).name, key_of(call), answer.etag, answer.checksum, _location(call)
        )
        reply = _xml(body)
        reply.headers.update(headers)
        reply.facts = Facts(object_size=answer.size)
        return reply

    def _complete(
        self, call: Call, listed: list[xml.CompletedPart]
    ) -> tuple[Finished, dict[str, str]]:
        """Blocking. When the upload changes while its parts are joined, looks at it anew."""
        for _ in range(ATTEMPTS):
            try:
                return self._attempt(call, listed)
            except BlobGone:
                continue
        raise S3Error("InternalError", "The content of the parts can't be found.")

    def _attempt(
        self, call: Call, listed: list[xml.CompletedPart]
    ) -> tuple[Finished, dict[str, str]]:
        depot, upload_id, key = self._depot, _upload_id(call), key_of(call)
        name = bucket_of(call).name
        connection = depot.index.connection
        number = rows.bucket_id(connection, name)
        upload = uploads.find(connection, number, key, upload_id, finished=True)
        wanted = [(part.number, part.etag.strip('"')) for part in listed]
        headers = metadata.decode(upload.headers)
        if upload.finished is not None:
            before = msgspec.json.decode(upload.finished, type=Finished)
            if before.parts != wanted:
                raise S3Error("NoSuchUpload", UploadId=upload_id)
            return before, echoed(headers)
        parts = _chosen(uploads.parts(connection, upload_id), listed, upload, upload_id)
        incoming = depot.blobs.incoming()
        try:
            content = _joined(depot, parts, upload, incoming, call.request.headers)
        except BaseException:
            incoming.discard()
            raise
        answer = Finished(wanted, content.etag, content.size, content.checksum)
        dropped: list[str] = []

        def within(connection: rows.Connection, bucket: int) -> None:
            now = {part.number: part for part in uploads.parts(connection, upload_id)}
            if any(now.get(part.number) != part for part in parts):
                raise BlobGone(upload_id)
            uploads.finish(connection, bucket, key, upload_id, answer, call.now)
            dropped.extend(uploads.drop_parts(connection, upload_id))

        draft = Draft(
            bucket=name,
            key=key,
            owner=depot.index.owner(upload.owner),
            acl=upload.acl,
            headers=headers,
            storage_class=upload.storage_class,
            request_headers=call.request.headers,
            now=call.now,
        )
        store(depot, draft, incoming, content, within)
        for blob in dropped:
            depot.blobs.remove(blob)
        return answer, echoed(headers)

    async def abort(self, call: Call) -> Reply:
        """AbortMultipartUpload."""
        where = (bucket_of(call).name, key_of(call), _upload_id(call))
        await self._depot.run(uploads.abort, self._depot, *where)
        return Reply(204)

    async def parts(self, call: Call) -> Reply:
        """ListParts."""
        query = call.route.query
        upload = self._find(call)
        limit = rollup.limit_of(query, "max-parts")
        marker = (
            rollup.limit_of(query, "part-number-marker", MAX_PARTS)
            if query.get("part-number-marker")
            else 0
        )
        connection = self._depot.index.reader
        found = uploads.parts(connection, _upload_id(call), marker, limit + 1)
        owner = self._depot.index.owner(upload.owner)
        body = listings.list_parts(
            bucket_of(call).name,
            key_of(call),
            _upload_id(call),
            [(p.number, p.modified_at, p.etag, p.size, p.checksum) for p in found[:limit]],
            marker=marker,
            limit=limit,
            more=len(found) > limit,
            owner=owner,
            initiator=msgspec.json.decode(upload.initiator, type=tuple[str, str]),
            storage_class=upload.storage_class,
            checksum=(upload.checksum_algorithm, upload.checksum_type),
        )
        return _xml(body)


def _xml(body: bytes) -> Reply:
    return Reply(200, {"Content-Type": xml.TYPE}, body)


def _upload_id(call: Call) -> str:
    return call.route.query["uploadId"]


def _checksum_kind(call: Call) -> tuple[str | None, str | None]:
    """Algorithm and type of the checksum a new upload shall have. Raises `S3Error`."""
    algorithm = checksums.algorithm(call.request.headers.get("x-amz-checksum-algorithm"))
    asked = call.request.headers.get("x-amz-checksum-type")
    if algorithm is not None:
        return algorithm, checksums.checksum_type(algorithm, asked)
    if asked is not None:
        raise S3Error(
            "InvalidRequest",
            "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm "
            "header.",
        )
    return None, None


def _part_headers(checksum: str | None) -> dict[str, str]:
    """The reply header that tells a part's checksum."""
    if checksum is None:
        return {}
    algorithm, value = checksum.split(" ")
    return {f"x-amz-checksum-{algorithm.lower()}": value}


def _part_checksum(call: Call, upload: Upload, received: Received) -> str | None:
    """The checksum to keep of a part. Raises `S3Error` when it isn't of the upload's kind."""
    if received.checksum is None:
        return None
    algorithm, value = received.checksum
    wanted = upload.checksum_algorithm
    if wanted is not None and algorithm != wanted:
        expected = checksums.expected(call.request.headers)
        sent = algorithm.lower() if expected.checksum or expected.trailer else "null"
        raise S3Error(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {wanted.lower()}, "
            f"actual checksum Type: {sent}",
        )
    return f"{algorithm} {value}"


def _source_range(wanted: str | None, size: int) -> tuple[int, int]:
    """Offset and length of what a part copies. Raises `S3Error` InvalidArgument."""
    if wanted is None:
        return 0, size
    match = _RANGE.fullmatch(wanted)
    if match is None or int(match[1]) > int(match[2]):
        raise S3Error(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first "
            "and last are the zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=wanted,
        )
    first, last = int(match[1]), int(match[2])
    if last >= size:
        raise S3Error(
            "InvalidArgument",
            f"Range specified is not valid for source object of size: {size}",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=wanted,
        )
    return first, last - first + 1


def _copied(
    depot: Depot, blob: str | None, offset: int, length: int, incoming: Incoming, algorithm: str
) -> Received:
    """Copies a range of a blob, and says what it is. Blocking; raises `BlobGone`."""
    digests = checksums.Digests(checksums.expected({}), None, md5=True, default=algorithm)
    if blob is not None and length:

        def both(piece: bytes) -> None:
            digests.update(piece)
            incoming.write(piece)

        depot.blobs.copy(blob, offset, length, both)
    return digests.verify({})


def _chosen(
    stored: list[Part], listed: list[xml.CompletedPart], upload: Upload, upload_id: str
) -> list[Part]:
    """The parts that a Complete names, as they are stored. Raises `S3Error`."""
    by_number = {part.number: part for part in stored}
    chosen = []
    before = 0
    for wanted in listed:
        if wanted.number <= before:
            raise S3Error("InvalidPartOrder", UploadId=upload_id)
        before = wanted.number
        part = by_number.get(wanted.number)
        if part is None or part.etag != wanted.etag.strip('"'):
            raise S3Error(
                "InvalidPart",
                UploadId=upload_id,
                PartNumber=str(wanted.number),
                ETag=wanted.etag,
            )
        _check_part_checksum(part, wanted, upload, upload_id)
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < LEAST_PART_BYTES:
            raise S3Error(
                "EntityTooSmall",
                ProposedSize=str(part.size),
                MinSizeAllowed=str(LEAST_PART_BYTES),
                PartNumber=str(part.number),
                ETag=part.etag,
            )
    return chosen


def _check_part_checksum(
    part: Part, wanted: xml.CompletedPart, upload: Upload, upload_id: str
) -> None:
    """Holds the checksum that a Complete names for a part against the stored one."""
    algorithm, value = part.checksum.split(" ") if part.checksum else (None, None)
    for name, given in wanted.checksums.items():
        if name == algorithm and given != value:
            raise S3Error(
                "InvalidPart",
                UploadId=upload_id,
                PartNumber=str(part.number),
                ETag=part.etag,
            )
    required = upload.checksum_algorithm
    if upload.checksum_type == "COMPOSITE" and required not in wanted.checksums:
        raise S3Error(
            "InvalidRequest",
            f"The upload was created using a {str(required).lower()} checksum. The complete "
            "request must include the checksum for each part. It was missing for part "
            f"{part.number} in the request.",
        )


def _joined(
    depot: Depot,
    parts: list[Part],
    upload: Upload,
    incoming: Incoming,
    headers: dict[str, str],
) -> Content:
    """Puts the parts together, and says what came out. Blocking; raises `BlobGone`.

    An upload that named no checksum algorithm gets a CRC64NVME of the whole, as on S3.
    """
    size = sum(part.size for part in parts)
    announced = headers.get("x-amz-mp-object-size")
    if announced is not None and announced != str(size):
        raise S3Error(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {announced} does not match what "
            f"was computed: {size}",
        )
    digests = None
    if upload.checksum_algorithm is None:
        digests = checksums.Digests(checksums.expected({}), None, md5=False, default="CRC64NVME")

    def write(piece: bytes) -> None:
        if digests is not None:
            digests.update(piece)
        incoming.write(piece)

    for part in parts:
        if part.blob is not None:
            depot.blobs.copy(part.blob, 0, part.size, write)
    if digests is not None:
        algorithm, kind = "CRC64NVME", "FULL_OBJECT"
        received = digests.verify({}).checksum
        value = None if received is None else received[1]
    else:
        algorithm, kind = str(upload.checksum_algorithm), str(upload.checksum_type)
        value = _combined(parts, algorithm, kind)
    given = headers.get(f"x-amz-checksum-{algorithm.lower()}")
    if given is not None and given not in (value, str(value).partition("-")[0]):
        raise S3Error(
            "BadDigest",
            f"The {algorithm.lower()} you specified did not match the calculated checksum.",
        )
    whole = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts))
    rows_of_parts = [
        (part.number, part.size, part.checksum.split(" ")[1] if part.checksum else None)
        for part in parts
    ]
    return Content(
        size=size,
        etag=f"{whole.hexdigest()}-{len(parts)}",
        checksum=None if value is None else f"{algorithm} {kind} {value}",
        parts=msgspec.json.encode(rows_of_parts).decode(),
    )


def _combined(parts: list[Part], algorithm: str, kind: str) -> str | None:
    """The checksum of the whole, made of those of the parts."""
    values = [part.checksum.split(" ")[1] for part in parts if part.checksum is not None]
    if len(values) != len(parts):
        return None
    if kind == "COMPOSITE":
        return checksums.composite(algorithm, values)
    return checksums.full_object(
        algorithm, [(value, part.size) for value, part in zip(values, parts, strict=True)]
    )


def _location(call: Call) -> str:
    """The URL that CompleteMultipartUpload tells: the address the client used."""
    target = call.request.target.partition("?")[0]
    host = call.request.headers.get("host")
    return target if host is None else f"http://{host}{target}"
