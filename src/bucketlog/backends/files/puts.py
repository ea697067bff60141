"""PutObject and CopyObject: content in, a file published, a row committed, the old file removed.

Everything that can be refused from the headers alone is refused before the body is read.
Conditions on a write (If-None-Match, If-Match) are judged inside the transaction that makes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bucketlog.backends.files import index as rows
from bucketlog.backends.files import metadata
from bucketlog.backends.files.blobs import BlobGone, Incoming
from bucketlog.backends.files.depot import Depot, bucket_of, key_of, rights_of
from bucketlog.backends.files.index import Entry
from bucketlog.backends.files.objects import ATTEMPTS, check_version
from bucketlog.s3 import checksums, conditions, xml
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Call, Facts, Owner, Received, Reply, Source

MOST_BYTES = 5 * 1024**3
"""One PUT, one part, and the source of one copy (S3 User Guide)."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An object as a request describes it, before its content is known."""

    bucket: str
    key: str
    owner: Owner
    acl: str | None
    headers: dict[str, str]
    storage_class: str
    request_headers: dict[str, str]
    now: int


def draft_of(depot: Depot, call: Call, headers: dict[str, str]) -> Draft:
    """What a call would write, with `headers` to be kept. Raises `S3Error`."""
    owner, acl = rights_of(call, depot.name_of)
    request_headers = call.request.headers
    return Draft(
        bucket=bucket_of(call).name,
        key=key_of(call),
        owner=owner,
        acl=acl,
        headers=headers,
        storage_class=metadata.storage_class(request_headers),
        request_headers=request_headers,
        now=call.now,
    )


@dataclass(frozen=True, slots=True)
class Content:
    """What is known of an object's content: size, ETag without quotes, checksum and parts as
    the index stores them.
    """

    size: int
    etag: str
    checksum: str | None
    parts: str | None = None


def content_of(received: Received) -> Content:
    """The content of a body that came in one piece."""
    checksum = None
    if received.checksum is not None:
        algorithm, value = received.checksum
        checksum = f"{algorithm} FULL_OBJECT {value}"
    return Content(received.length, received.md5, checksum)


def store(
    depot: Depot,
    draft: Draft,
    incoming: Incoming,
    content: Content,
    within: Callable[[rows.Connection, int], None] | None = None,
) -> None:
    """Publishes the content and commits the object. Blocking.

    `within` does more in the same transaction, given the bucket's number. On any failure nothing
    is stored and the content is discarded.
    """
    try:
        blob = incoming.publish()
        with depot.index.write() as connection:
            bucket = rows.bucket_id(connection, draft.bucket)
            before = rows.find(connection, bucket, draft.key)
            conditions.check_write(
                draft.request_headers, None if before is None else before.etag, draft.key
            )
            rows.put(
                connection,
                bucket,
                draft.key,
                Entry(
                    blob=blob,
                    size=content.size,
                    etag=content.etag,
                    modified_at=draft.now,
                    owner=rows.owner_id(connection, draft.owner),
                    headers=metadata.encode(draft.headers),
                    storage_class=draft.storage_class,
                    checksum=content.checksum,
                    parts=content.parts,
                    acl=draft.acl,
                ),
            )
            if within is not None:
                within(connection, bucket)
    except BaseException:
        incoming.discard()
        raise
    if before is not None:
        depot.blobs.remove(before.blob)


def checksum_headers(checksum: str | None) -> dict[str, str]:
    """The reply headers that tell a stored checksum."""
    if checksum is None:
        return {}
    algorithm, kind, value = checksum.split(" ")
    return {f"x-amz-checksum-{algorithm.lower()}": value, "x-amz-checksum-type": kind}


def echoed(headers: dict[str, str]) -> dict[str, str]:
    """The kept headers that the answer to a write repeats."""
    name = metadata.ENCRYPTION
    return {name: headers[name]} if name in headers else {}


class Puts:
    """The operations that write one whole object."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot

    async def put(self, call: Call) -> Reply:
        """PutObject."""
        draft = draft_of(self._depot, call, metadata.kept(call.request))
        incoming = self._depot.blobs.incoming(MOST_BYTES)
        try:
            received = await call.body.into(incoming.write)
        except BaseException:
            incoming.discard()
            raise
        content = content_of(received)
        await self._depot.run(store, self._depot, draft, incoming, content)
        headers = {"ETag": f'"{content.etag}"', **checksum_headers(content.checksum)}
        headers.update(echoed(draft.headers))
        return Reply(200, headers, facts=Facts(object_size=content.size))

    async def copy(self, call: Call) -> Reply:
        """CopyObject."""
        source = source_of(call)
        replaces = _replaces(call, "x-amz-metadata-directive")
        _replaces(call, "x-amz-tagging-directive")
        kept = metadata.kept(call.request)
        for _ in range(ATTEMPTS):
            entry = expect_source(self._depot, call, source)
            headers = kept if replaces else _copied(call, entry)
            draft = draft_of(self._depot, call, headers)
            if not replaces:
                _refuse_idle_copy(draft, source, entry)
            try:
                # One step, so that a client who goes away leaves nothing half done.
                content = await self._depot.run(_copy, self._depot, draft, entry, _algorithm(call))
            except BlobGone:
                continue
            body = xml.copy_result("CopyObjectResult", content.etag, draft.now, content.checksum)
            facts = Facts(object_size=content.size, source_size=entry.size)
            return Reply(200, {"Content-Type": xml.TYPE, **echoed(headers)}, body, facts)
        raise S3Error("InternalError", "The content of the source can't be found.")


def source_of(call: Call) -> Source:
    """What a copy reads."""
    assert call.route.source is not None
    return call.route.source


def expect_source(depot: Depot, call: Call, source: Source) -> Entry:
    """The row of a copy's source. Raises `S3Error`, preconditions on the source included."""
    known = depot.known.expect(source.bucket)
    entry = depot.index.entry(known.id, source.key)
    check_version(source.version_id, source.key, entry is not None)
    if entry is None:
        raise S3Error("NoSuchKey", Key=source.key)
    conditions.check_copy_source(call.request.headers, entry.etag, entry.modified_at)
    return entry


def copy_content(depot: Depot, entry: Entry, incoming: Incoming, algorithm: str | None) -> Content:
    """Copies a whole object's content, and says what it is. Blocking; raises `BlobGone`.

    What was uploaded in parts gets the ETag of one piece, as S3's copies do, so it is hashed
    again; so is an object whose checksum is not of the algorithm asked for.
    """
    if entry.size > MOST_BYTES:
        raise S3Error(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy "
            f"source: {MOST_BYTES}",
        )
    stored = entry.checksum.split(" ") if entry.checksum else (None, None, None)
    wanted = algorithm or stored[0] or "CRC64NVME"
    digests = None
    if entry.parts is not None or stored[0] != wanted or stored[1] != "FULL_OBJECT":
        digests = checksums.Digests(checksums.expected({}), None, md5=True, default=wanted)
    try:
        if entry.blob is not None:
            if digests is None:
                depot.blobs.copy(entry.blob, 0, entry.size, incoming.write)
            else:
                update = digests.update

                def both(piece: bytes) -> None:
                    update(piece)
                    incoming.write(piece)

                depot.blobs.copy(entry.blob, 0, entry.size, both)
    except BaseException:
        incoming.discard()
        raise
    if digests is None:
        return Content(entry.size, entry.etag, entry.checksum)
    return content_of(digests.verify({}))


def _copy(depot: Depot, draft: Draft, entry: Entry, algorithm: str | None) -> Content:
    incoming = depot.blobs.incoming(MOST_BYTES)
    content = copy_content(depot, entry, incoming, algorithm)
    store(depot, draft, incoming, content)
    return content


def _algorithm(call: Call) -> str | None:
    return checksums.algorithm(call.request.headers.get("x-amz-checksum-algorithm"))


def _replaces(call: Call, header: str) -> bool:
    """Whether a directive says REPLACE; absent or COPY: it doesn't."""
    value = call.request.headers.get(header, "COPY")
    if value not in ("COPY", "REPLACE"):
        what = "metadata" if "metadata" in header else "tagging"
        raise S3Error(
            "InvalidArgument",
            f"Unknown {what} directive.",
            ArgumentName=header,
            ArgumentValue=value,
        )
    return value == "REPLACE"


def _copied(call: Call, entry: Entry) -> dict[str, str]:
    """The headers of the source, without those that a copy doesn't take along."""
    headers = metadata.decode(entry.headers)
    headers.pop(metadata.REDIRECT, None)
    headers.pop(metadata.ENCRYPTION, None)
    headers.update(metadata.own(call.request.headers))
    return headers


def _refuse_idle_copy(draft: Draft, source: Source, entry: Entry) -> None:
    """Raises `S3Error` for a copy of an object onto itself that would change nothing."""
    asked = draft.request_headers
    if (
        (source.bucket, source.key) == (draft.bucket, draft.key)
        and draft.storage_class == entry.storage_class
        and metadata.REDIRECT not in asked
        and metadata.ENCRYPTION not in asked
        and "x-amz-checksum-algorithm" not in asked
    ):
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself "
            "without changing the object's metadata, storage class, website redirect location "
            "or encryption attributes.",
        )
