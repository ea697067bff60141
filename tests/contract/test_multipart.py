"""Multipart uploads, from CreateMultipartUpload to CompleteMultipartUpload or Abort."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from zlib import crc32

import pytest
from tests.support.calls import Answer, Client

from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import FileSlice

LEAST = 5 * 1024 * 1024


async def begin(client: Client, key: str = "k", **headers: str) -> str:
    dashed = {name.replace("_", "-"): value for name, value in headers.items()}
    begun = await client.send("POST", f"/bucket/{key}?uploads", dashed)
    assert (begun.text("Bucket"), begun.text("Key")) == ("bucket", key)
    return begun.text("UploadId") or ""


async def part(
    client: Client, upload: str, number: int, body: bytes, key: str = "k", **headers: str
) -> str:
    dashed = {name.replace("_", "-"): value for name, value in headers.items()}
    target = f"/bucket/{key}?partNumber={number}&uploadId={upload}"
    stored = await client.send("PUT", target, dashed, body)
    assert stored.etag == f'"{hashlib.md5(body).hexdigest()}"'
    assert stored.reply.facts.object_size == len(body)
    return stored.etag


def document(parts: list[tuple[int, str]], extra: str = "") -> bytes:
    listed = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{extra}</Part>"
        for number, etag in parts
    )
    return f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()


async def complete(
    client: Client, upload: str, parts: list[tuple[int, str]], key: str = "k", **headers: str
) -> Answer:
    dashed = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.send("POST", f"/bucket/{key}?uploadId={upload}", dashed, document(parts))


async def test_parts_become_one_object(owner: Client) -> None:
    first, second = os.urandom(LEAST), os.urandom(1000)
    upload = await begin(owner, content_type="text/x", x_amz_meta_a="1")
    assert (await owner.refused("GET", "/bucket/k")).code == "NoSuchKey"
    tag2 = await part(owner, upload, 7, second)
    tag1 = await part(owner, upload, 2, first)
    done = await complete(owner, upload, [(2, tag1), (7, tag2)])
    digest = hashlib.md5(hashlib.md5(first).digest() + hashlib.md5(second).digest())
    assert done.text("ETag") == f'"{digest.hexdigest()}-2"'
    assert (done.text("Bucket"), done.text("Key")) == ("bucket", "k")
    assert done.reply.facts.object_size == LEAST + 1000
    got = await owner.get("bucket", "k")
    assert got.body == first + second
    assert isinstance(got.reply.body, FileSlice)
    assert got.etag == done.text("ETag")
    assert (got.headers["Content-Type"], got.headers["x-amz-meta-a"]) == ("text/x", "1")
    assert (await owner.list("bucket")).texts("Contents/ETag") == [got.etag]


async def test_a_part_of_a_finished_object_can_be_read_alone(owner: Client) -> None:
    first, second = os.urandom(LEAST), b"second"
    upload = await begin(owner)
    tags = [await part(owner, upload, 1, first), await part(owner, upload, 2, second)]
    await complete(owner, upload, [(1, tags[0]), (2, tags[1])])
    got = await owner.get("bucket", "k", "?partNumber=2")
    assert (got.status, got.body) == (206, second)
    assert got.headers["x-amz-mp-parts-count"] == "2"
    assert got.headers["Content-Range"] == f"bytes {LEAST}-{LEAST + 5}/{LEAST + 6}"
    head = await owner.send("HEAD", "/bucket/k?partNumber=1")
    assert (head.status, head.headers["Content-Length"]) == (206, str(LEAST))
    assert (await owner.refused("GET", "/bucket/k?partNumber=3")).code == "InvalidPartNumber"


async def test_a_part_sent_again_replaces_the_earlier(owner: Client) -> None:
    upload = await begin(owner)
    old = await part(owner, upload, 1, b"old")
    new = await part(owner, upload, 1, b"newer")
    error = await owner.refused("POST", f"/bucket/k?uploadId={upload}", body=document([(1, old)]))
    assert error.code == "InvalidPart"
    await complete(owner, upload, [(1, new)])
    assert (await owner.get("bucket", "k")).body == b"newer"


async def test_parts_not_named_are_left_out(owner: Client) -> None:
    upload = await begin(owner)
    await part(owner, upload, 1, b"one")
    tag = await part(owner, upload, 2, b"two")
    await complete(owner, upload, [(2, tag)])
    assert (await owner.get("bucket", "k")).body == b"two"


async def test_completing_again_answers_as_before(owner: Client) -> None:
    upload = await begin(owner)
    tag = await part(owner, upload, 1, b"body")
    first = await complete(owner, upload, [(1, tag)])
    await owner.send("DELETE", "/bucket/k")
    again = await complete(owner, upload, [(1, tag)])
    assert again.body == first.body
    assert again.reply.facts.object_size == 4
    assert (await owner.refused("GET", "/bucket/k")).code == "NoSuchKey"
    other = document([(2, tag)])
    error = await owner.refused("POST", f"/bucket/k?uploadId={upload}", body=other)
    assert error.code == "NoSuchUpload"


async def test_a_complete_that_does_not_fit_is_refused_and_can_be_mended(owner: Client) -> None:
    upload = await begin(owner)
    tags = [await part(owner, upload, number, b"small") for number in (1, 2)]
    target = f"/bucket/k?uploadId={upload}"
    for body, code in (
        (document([(2, tags[1]), (1, tags[0])]), "InvalidPartOrder"),
        (document([(1, tags[0]), (1, tags[0])]), "InvalidPartOrder"),
        (document([(1, '"0"')]), "InvalidPart"),
        (document([(3, tags[0])]), "InvalidPart"),
        (document([(1, tags[0]), (2, tags[1])]), "EntityTooSmall"),
        (document([]), "MalformedXML"),
        (b"<CompleteMultipartUpload>", "MalformedXML"),
    ):
        assert (await owner.refused("POST", target, body=body)).code == code
    size = await owner.refused(
        "POST", target, {"x-amz-mp-object-size": "6"}, document([(1, tags[0])])
    )
    assert size.code == "InvalidRequest"
    await complete(owner, upload, [(1, tags[0])], x_amz_mp_object_size="5")
    assert (await owner.get("bucket", "k")).body == b"small"


async def test_a_complete_can_be_held_to_conditions(owner: Client) -> None:
    await owner.put("bucket", "k", b"there")
    upload = await begin(owner)
    tag = await part(owner, upload, 1, b"new")
    target = f"/bucket/k?uploadId={upload}"
    error = await owner.refused("POST", target, {"if-none-match": "*"}, document([(1, tag)]))
    assert error.code == "PreconditionFailed"
    assert (await owner.get("bucket", "k")).body == b"there"
    await complete(owner, upload, [(1, tag)])
    assert (await owner.get("bucket", "k")).body == b"new"


async def test_an_aborted_upload_is_gone(owner: Client) -> None:
    upload = await begin(owner)
    tag = await part(owner, upload, 1, b"x")
    target = f"/bucket/k?uploadId={upload}"
    assert (await owner.send("DELETE", target)).status == 204
    assert (await owner.refused("DELETE", target)).code == "NoSuchUpload"
    assert (await owner.refused("GET", target)).code == "NoSuchUpload"
    late = await owner.refused("PUT", f"/bucket/k?partNumber=2&uploadId={upload}", body=b"y")
    assert late.code == "NoSuchUpload"
    done = await owner.refused("POST", target, body=document([(1, tag)]))
    assert done.code == "NoSuchUpload"


async def test_an_upload_belongs_to_its_key(owner: Client) -> None:
    upload = await begin(owner, "k")
    error = await owner.refused("PUT", f"/bucket/j?partNumber=1&uploadId={upload}", body=b"y")
    assert error.code == "NoSuchUpload"


async def test_a_part_that_fails_half_way_is_not_kept(owner: Client) -> None:
    upload = await begin(owner)
    with pytest.raises(S3Error, match="IncompleteBody"):
        await owner.send(
            "PUT",
            f"/bucket/k?partNumber=1&uploadId={upload}",
            body=os.urandom(500_000),
            fails=S3Error("IncompleteBody"),
        )
    listed = await owner.send("GET", f"/bucket/k?uploadId={upload}")
    assert listed.texts("Part/PartNumber") == []


@pytest.mark.parametrize("number", ["0", "10001", "x", "-1"])
async def test_a_part_number_is_1_to_10000(owner: Client, number: str) -> None:
    upload = await begin(owner)
    error = await owner.refused("PUT", f"/bucket/k?partNumber={number}&uploadId={upload}")
    assert error.code == "InvalidArgument"


async def test_parts_are_listed_in_pages(owner: Client) -> None:
    upload = await begin(owner)
    for number in (1, 5, 9):
        await part(owner, upload, number, b"x" * number)
    page = await owner.send("GET", f"/bucket/k?uploadId={upload}&max-parts=2")
    assert page.texts("Part/PartNumber") == ["1", "5"]
    assert page.texts("Part/Size") == ["1", "5"]
    assert (page.text("IsTruncated"), page.text("NextPartNumberMarker")) == ("true", "5")
    assert page.text("UploadId") == upload
    rest = await owner.send("GET", f"/bucket/k?uploadId={upload}&part-number-marker=5")
    assert rest.texts("Part/PartNumber") == ["9"]
    assert rest.text("IsTruncated") == "false"
    assert rest.text("Owner/ID") == rest.text("Initiator/ID") == "a" * 64


async def test_uploads_are_listed_by_key_and_time_in_pages(owner: Client) -> None:
    ids = [(key, await begin(owner, key)) for key in ("b", "a", "a", "c/1", "c/2")]
    expected = [ids[1], ids[2], ids[0]]
    found: list[tuple[str, str]] = []
    prefixes: list[str] = []
    markers = ""
    while True:
        page = await owner.send("GET", f"/bucket?uploads&delimiter=/&max-uploads=1{markers}")
        found += zip(page.texts("Upload/Key"), page.texts("Upload/UploadId"), strict=True)
        prefixes += page.texts("CommonPrefixes/Prefix")
        if page.text("IsTruncated") == "false":
            break
        markers = (
            f"&key-marker={page.text('NextKeyMarker')}"
            f"&upload-id-marker={page.text('NextUploadIdMarker') or ''}"
        )
    assert (found, prefixes) == (expected, ["c/"])
    by_key = await owner.send("GET", "/bucket?uploads&key-marker=a")
    assert by_key.texts("Upload/Key") == ["b", "c/1", "c/2"]
    by_prefix = await owner.send("GET", "/bucket?uploads&prefix=c/")
    assert by_prefix.texts("Upload/Key") == ["c/1", "c/2"]


async def test_a_finished_upload_is_listed_no_more(owner: Client) -> None:
    upload = await begin(owner)
    tag = await part(owner, upload, 1, b"x")
    await complete(owner, upload, [(1, tag)])
    assert (await owner.send("GET", "/bucket?uploads")).texts("Upload/Key") == []


async def test_a_part_can_be_copied_from_an_object(owner: Client) -> None:
    body = os.urandom(LEAST + 10)
    await owner.put("bucket", "source", body)
    upload = await begin(owner)
    target = f"/bucket/k?partNumber=1&uploadId={upload}"
    source = {"x-amz-copy-source": "/bucket/source"}
    ranged = {**source, "x-amz-copy-source-range": f"bytes=10-{LEAST + 9}"}
    copied = await owner.send("PUT", target, ranged)
    assert copied.text("ETag") == f'"{hashlib.md5(body[10:]).hexdigest()}"'
    assert copied.reply.facts.object_size == LEAST
    assert copied.reply.facts.source_size == LEAST + 10
    whole = await owner.send("PUT", target.replace("partNumber=1", "partNumber=2"), source)
    parts = [(1, copied.text("ETag") or ""), (2, whole.text("ETag") or "")]
    await complete(owner, upload, parts)
    assert (await owner.get("bucket", "k")).body == body[10:] + body
    for bad in ("bytes=0-", "bytes=5-4", f"bytes=0-{LEAST + 10}", "0-1"):
        error = await owner.refused("PUT", target, {**source, "x-amz-copy-source-range": bad})
        assert error.code in ("InvalidArgument", "NoSuchUpload")


async def test_a_copy_of_what_was_uploaded_in_parts_has_a_plain_etag(owner: Client) -> None:
    upload = await begin(owner)
    await complete(owner, upload, [(1, await part(owner, upload, 1, b"body"))])
    copied = await owner.send("PUT", "/bucket/copy", {"x-amz-copy-source": "/bucket/k"})
    assert copied.text("ETag") == f'"{hashlib.md5(b"body").hexdigest()}"'
    assert (await owner.get("bucket", "copy")).body == b"body"


def b64(number: int) -> str:
    return b64encode(number.to_bytes(4, "big")).decode()


async def test_a_full_object_checksum_is_that_of_the_whole(owner: Client) -> None:
    first, second = os.urandom(LEAST), b"second"
    upload = await begin(owner, x_amz_checksum_algorithm="CRC32", x_amz_checksum_type="FULL_OBJECT")
    tags = []
    for number, body in enumerate((first, second), 1):
        tag = await part(owner, upload, number, body, x_amz_checksum_crc32=b64(crc32(body)))
        tags.append((number, tag))
    whole = b64(crc32(first + second))
    done = await complete(owner, upload, tags, x_amz_checksum_crc32=whole)
    assert done.text("ChecksumCRC32") == whole
    assert done.text("ChecksumType") == "FULL_OBJECT"
    got = await owner.get("bucket", "k", x_amz_checksum_mode="ENABLED")
    assert got.headers["x-amz-checksum-crc32"] == whole


async def test_a_composite_checksum_is_made_of_the_parts(owner: Client) -> None:
    upload = await begin(owner, x_amz_checksum_algorithm="SHA256")
    digest = hashlib.sha256(b"body").digest()
    value = b64encode(digest).decode()
    tag = await part(owner, upload, 1, b"body", x_amz_checksum_sha256=value)
    missing = await owner.refused("POST", f"/bucket/k?uploadId={upload}", body=document([(1, tag)]))
    assert missing.code == "InvalidRequest"
    named = document([(1, tag)], f"<ChecksumSHA256>{value}</ChecksumSHA256>")
    done = await owner.send("POST", f"/bucket/k?uploadId={upload}", body=named)
    composite = b64encode(hashlib.sha256(digest).digest()).decode() + "-1"
    assert done.text("ChecksumSHA256") == composite
    assert done.text("ChecksumType") == "COMPOSITE"
    got = await owner.get("bucket", "k", x_amz_checksum_mode="ENABLED")
    assert got.headers["x-amz-checksum-sha256"] == composite
    assert got.headers["x-amz-checksum-type"] == "COMPOSITE"


async def test_a_part_with_another_checksum_than_agreed_is_refused(owner: Client) -> None:
    upload = await begin(owner, x_amz_checksum_algorithm="SHA256")
    error = await owner.refused(
        "PUT",
        f"/bucket/k?partNumber=1&uploadId={upload}",
        {"x-amz-checksum-crc32": b64(crc32(b"x"))},
        b"x",
    )
    assert error.code == "InvalidRequest"
