"""PutObject, GetObject, HeadObject as S3 has them."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode

import pytest
from tests.support.calls import Client, nobody, path

from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import FileSlice

KEYS = [
    "a",
    "a/b//c",
    "/",
    "//x",
    ".",
    "../up",
    "with space+plus%25",
    "é€\U0001f600",
    'quote"<&>',
    "tab\tand\x7f",
    "k" * 1024,
]


@pytest.mark.parametrize("key", KEYS)
async def test_every_key_stores_and_gives_back_what_was_put(owner: Client, key: str) -> None:
    body = key.encode() * 3
    await owner.put("bucket", key, body)
    answer = await owner.get("bucket", key)
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("size", [0, 1, 1000, 64 * 1024, 64 * 1024 + 1, 256 * 1024 + 1, 3_000_000])
async def test_content_of_every_size_comes_back_whole(owner: Client, size: int) -> None:
    body = os.urandom(size)
    put = await owner.put("bucket", "k", body)
    assert put.status == 200
    assert put.etag == f'"{hashlib.md5(body).hexdigest()}"'
    assert put.reply.facts.object_size == size
    answer = await owner.get("bucket", "k")
    assert answer.body == body
    assert answer.etag == put.etag
    assert answer.reply.facts.object_size == size
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert isinstance(answer.reply.body, FileSlice) is (size > 64 * 1024)


async def test_head_tells_what_get_would_send(owner: Client) -> None:
    await owner.put("bucket", "k", b"hello", content_type="text/plain", x_amz_meta_a="1")
    got = await owner.get("bucket", "k")
    head = await owner.send("HEAD", "/bucket/k")
    assert head.status == 200
    assert head.headers == {**got.headers, "Content-Length": "5"}
    assert head.body == b""
    assert head.reply.facts.object_size == 5


async def test_system_headers_and_metadata_are_kept(owner: Client) -> None:
    given = {
        "Cache-Control": "max-age=1",
        "Content-Disposition": 'attachment; filename="x"',
        "Content-Encoding": "gzip",
        "Content-Language": "en",
        "Content-Type": "text/x",
        "Expires": "Wed, 21 Oct 2015 07:28:00 GMT",
        "x-amz-meta-color": "blue",
        "x-amz-meta-empty": "",
        "x-amz-website-redirect-location": "/elsewhere",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-server-side-encryption": "AES256",
    }
    put = await owner.send("PUT", "/bucket/k", given, b"x")
    assert put.headers["x-amz-server-side-encryption"] == "AES256"
    got = await owner.get("bucket", "k")
    assert {name: got.headers.get(name) for name in given} == given


async def test_chunk_framing_is_no_part_of_the_content_encoding(owner: Client) -> None:
    await owner.put("bucket", "a", b"x", content_encoding="aws-chunked")
    await owner.put("bucket", "b", b"x", content_encoding="aws-chunked,gzip")
    assert "Content-Encoding" not in (await owner.get("bucket", "a")).headers
    assert (await owner.get("bucket", "b")).headers["Content-Encoding"] == "gzip"


async def test_content_without_a_type_is_binary(owner: Client) -> None:
    await owner.put("bucket", "k", b"x")
    assert (await owner.get("bucket", "k")).headers["Content-Type"] == "binary/octet-stream"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-meta-a": "x" * 2048}, "MetadataTooLarge"),
        ({"x-amz-storage-class": "NOPE"}, "InvalidStorageClass"),
        ({"x-amz-storage-class": "GLACIER"}, "NotImplemented"),
        ({"x-amz-server-side-encryption": "aws:kms"}, "NotImplemented"),
        ({"x-amz-server-side-encryption": "rot13"}, "InvalidArgument"),
        ({"x-amz-server-side-encryption-customer-algorithm": "AES256"}, "NotImplemented"),
        ({"x-amz-tagging": "a=b"}, "NotImplemented"),
        ({"x-amz-object-lock-mode": "GOVERNANCE"}, "InvalidRequest"),
        ({"x-amz-website-redirect-location": "elsewhere"}, "InvalidRedirectLocation"),
        ({"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, "BadDigest"),
    ],
)
async def test_a_refused_put_stores_nothing(
    owner: Client, headers: dict[str, str], code: str
) -> None:
    assert (await owner.refused("PUT", "/bucket/k", headers, b"body")).code == code
    assert (await owner.refused("GET", "/bucket/k")).code == "NoSuchKey"


async def test_metadata_of_exactly_two_kibibytes_is_taken(owner: Client) -> None:
    await owner.send("PUT", "/bucket/k", {"x-amz-meta-a": "x" * 2047}, b"")
    assert len((await owner.get("bucket", "k")).headers["x-amz-meta-a"]) == 2047


@pytest.mark.parametrize("size", [10, 1_000_000])
async def test_a_body_that_fails_half_way_leaves_what_was_there(owner: Client, size: int) -> None:
    await owner.put("bucket", "k", b"before")
    with pytest.raises(S3Error, match="IncompleteBody"):
        await owner.send("PUT", "/bucket/k", body=os.urandom(size), fails=S3Error("IncompleteBody"))
    assert (await owner.get("bucket", "k")).body == b"before"


async def test_a_put_replaces_the_object_whole(owner: Client) -> None:
    await owner.put("bucket", "k", b"first", x_amz_meta_a="1", content_type="text/a")
    await owner.put("bucket", "k", b"second")
    got = await owner.get("bucket", "k")
    assert got.body == b"second"
    assert "x-amz-meta-a" not in got.headers
    assert got.headers["Content-Type"] == "binary/octet-stream"


async def test_what_is_not_there_is_refused_by_name(owner: Client) -> None:
    error = await owner.refused("GET", "/bucket/k")
    assert (error.code, error.detail["Key"]) == ("NoSuchKey", "k")
    assert (await owner.refused("HEAD", "/bucket/k")).code == "NoSuchKey"


@pytest.mark.parametrize(
    ("wanted", "expected", "shown"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", b"0123456789", "bytes 0-9/10"),
        ("bytes=5-500", b"56789", "bytes 5-9/10"),
    ],
)
async def test_a_range_is_cut_out(owner: Client, wanted: str, expected: bytes, shown: str) -> None:
    await owner.put("bucket", "k", b"0123456789")
    got = await owner.get("bucket", "k", range=wanted)
    assert (got.status, got.body) == (206, expected)
    assert got.headers["Content-Range"] == shown
    assert got.reply.facts.object_size == 10
    head = await owner.send("HEAD", "/bucket/k", {"range": wanted})
    assert (head.status, head.headers["Content-Length"]) == (206, str(len(expected)))


@pytest.mark.parametrize("wanted", ["bytes=0-0,2-3", "items=1-2", "bytes=x"])
async def test_a_range_that_s3_does_not_know_gives_the_whole(owner: Client, wanted: str) -> None:
    await owner.put("bucket", "k", b"0123456789")
    got = await owner.get("bucket", "k", range=wanted)
    assert (got.status, got.body) == (200, b"0123456789")


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=-0", "bytes=99-100"])
async def test_a_range_behind_the_end_is_refused(owner: Client, wanted: str) -> None:
    await owner.put("bucket", "k", b"0123456789")
    assert (await owner.refused("GET", "/bucket/k", {"range": wanted})).code == "InvalidRange"


async def test_a_range_of_a_large_object_is_sent_from_the_file(owner: Client) -> None:
    body = os.urandom(300_000)
    await owner.put("bucket", "k", body)
    got = await owner.get("bucket", "k", range="bytes=1000-200000")
    assert got.body == body[1000:200001]
    assert isinstance(got.reply.body, FileSlice)
    assert (got.reply.body.offset, got.reply.body.length) == (1000, 199001)


async def test_conditions_on_reading_follow_the_rfc(owner: Client) -> None:
    put = await owner.put("bucket", "k", b"x", cache_control="no-cache")
    got = await owner.get("bucket", "k")
    modified = got.headers["Last-Modified"]
    same = await owner.get("bucket", "k", if_none_match=put.etag)
    assert (same.status, same.body) == (304, b"")
    assert same.headers == {
        "ETag": put.etag,
        "Last-Modified": modified,
        "Cache-Control": "no-cache",
    }
    assert same.reply.facts.object_size == 1
    assert (await owner.get("bucket", "k", if_modified_since=modified)).status == 304
    assert (await owner.get("bucket", "k", if_match=put.etag)).status == 200
    assert (await owner.get("bucket", "k", if_unmodified_since=modified)).status == 200
    assert (await owner.get("bucket", "k", if_none_match='"other"')).status == 200
    head = await owner.send("HEAD", "/bucket/k", {"if-none-match": put.etag})
    assert head.status == 304
    for headers in (
        {"if-match": '"other"'},
        {"if-unmodified-since": "Wed, 21 Oct 2015 07:28:00 GMT"},
    ):
        assert (await owner.refused("GET", "/bucket/k", headers)).code == "PreconditionFailed"


async def test_conditions_on_writing_are_judged_with_the_write(owner: Client) -> None:
    first = await owner.send("PUT", "/bucket/k", {"if-none-match": "*"}, b"1")
    error = await owner.refused("PUT", "/bucket/k", {"if-none-match": "*"}, b"2")
    assert error.code == "PreconditionFailed"
    assert (await owner.get("bucket", "k")).body == b"1"
    await owner.send("PUT", "/bucket/k", {"if-match": first.etag}, b"3")
    error = await owner.refused("PUT", "/bucket/k", {"if-match": first.etag}, b"4")
    assert error.code == "PreconditionFailed"
    assert (await owner.get("bucket", "k")).body == b"3"
    error = await owner.refused("PUT", "/bucket/new", {"if-match": first.etag}, b"5")
    assert error.code == "NoSuchKey"


async def test_response_parameters_replace_headers_for_those_who_sign(owner: Client) -> None:
    await owner.put("bucket", "k", b"x", content_type="text/a", cache_control="no-store")
    query = "?response-content-type=text%2Fb&response-expires=never&response-cache-control=a"
    got = await owner.get("bucket", "k", query)
    assert got.headers["Content-Type"] == "text/b"
    assert got.headers["Expires"] == "never"
    assert got.headers["Cache-Control"] == "a"
    error = await owner.as_(nobody()).refused("GET", "/bucket/k" + query)
    assert error.code == "InvalidRequest"
    injected = await owner.refused("GET", "/bucket/k?response-content-type=a%0D%0Ab")
    assert injected.code == "InvalidArgument"


async def test_a_checksum_sent_is_echoed_kept_and_told_when_asked(owner: Client) -> None:
    value = b64encode(hashlib.sha256(b"x").digest()).decode()
    put = await owner.put("bucket", "k", b"x", x_amz_checksum_sha256=value)
    assert put.headers["x-amz-checksum-sha256"] == value
    assert put.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    assert "x-amz-checksum-sha256" not in (await owner.get("bucket", "k")).headers
    got = await owner.get("bucket", "k", x_amz_checksum_mode="ENABLED")
    assert got.headers["x-amz-checksum-sha256"] == value
    assert got.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    cut = await owner.get("bucket", "k", x_amz_checksum_mode="ENABLED", range="bytes=0-0")
    assert "x-amz-checksum-sha256" not in cut.headers


async def test_an_object_has_one_version_named_null(owner: Client) -> None:
    await owner.put("bucket", "k", b"x")
    assert (await owner.get("bucket", "k", "?versionId=null")).body == b"x"
    error = await owner.refused("GET", "/bucket/k?versionId=3HL4kqtJvjVBH40Nrjfkd3HL4kqtJvjV")
    assert error.code == "NoSuchVersion"
    assert (await owner.refused("GET", "/bucket/k?versionId=odd")).code == "InvalidArgument"
    assert (await owner.refused("GET", "/bucket/none?versionId=null")).code == "NoSuchVersion"


async def test_an_object_put_in_one_piece_is_its_own_part_one(owner: Client) -> None:
    await owner.put("bucket", "k", b"0123")
    got = await owner.get("bucket", "k", "?partNumber=1")
    assert (got.status, got.body) == (206, b"0123")
    assert "x-amz-mp-parts-count" not in got.headers
    assert (await owner.refused("GET", "/bucket/k?partNumber=2")).code == "InvalidPartNumber"
    assert (await owner.refused("GET", "/bucket/k?partNumber=0")).code == "InvalidArgument"
    both = await owner.refused("GET", "/bucket/k?partNumber=1", {"range": "bytes=0-1"})
    assert both.code == "InvalidRequest"


async def test_objects_of_a_deleted_and_recreated_bucket_do_not_come_back(owner: Client) -> None:
    await owner.put("bucket", "k", b"x")
    await owner.send("DELETE", "/bucket/k")
    await owner.send("DELETE", "/bucket")
    await owner.bucket("bucket")
    assert (await owner.refused("GET", path("bucket", "k"))).code == "NoSuchKey"
