"""CopyObject."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode

import pytest
from tests.support.calls import Client

SOURCE = {"x-amz-copy-source": "/bucket/source"}


async def test_a_copy_takes_content_and_metadata_along(owner: Client) -> None:
    await owner.bucket("other")
    body = os.urandom(300_000)
    put = await owner.put("bucket", "source", body, content_type="text/x", x_amz_meta_a="1")
    copied = await owner.send("PUT", "/other/k", SOURCE)
    assert copied.text("ETag") == put.etag
    assert (copied.text("LastModified") or "").endswith("Z")
    assert copied.reply.facts.object_size == copied.reply.facts.source_size == len(body)
    got = await owner.get("other", "k")
    assert got.body == body
    assert (got.headers["Content-Type"], got.headers["x-amz-meta-a"]) == ("text/x", "1")
    await owner.send("DELETE", "/bucket/source")
    assert (await owner.get("other", "k")).body == body


async def test_a_copy_of_nothing_is_empty(owner: Client) -> None:
    await owner.put("bucket", "source")
    copied = await owner.send("PUT", "/bucket/k", SOURCE)
    assert copied.text("ETag") == f'"{hashlib.md5(b"").hexdigest()}"'
    assert (await owner.get("bucket", "k")).body == b""


async def test_replace_takes_the_metadata_of_the_request(owner: Client) -> None:
    await owner.put("bucket", "source", b"x", content_type="text/x", x_amz_meta_a="1")
    headers = {**SOURCE, "x-amz-metadata-directive": "REPLACE", "x-amz-meta-b": "2"}
    await owner.send("PUT", "/bucket/k", headers)
    got = await owner.get("bucket", "k")
    assert got.headers["Content-Type"] == "binary/octet-stream"
    assert got.headers["x-amz-meta-b"] == "2"
    assert "x-amz-meta-a" not in got.headers


async def test_class_and_redirect_are_not_copied(owner: Client) -> None:
    await owner.put(
        "bucket",
        "source",
        b"x",
        x_amz_storage_class="STANDARD_IA",
        x_amz_website_redirect_location="/there",
    )
    await owner.send("PUT", "/bucket/k", SOURCE)
    got = await owner.get("bucket", "k")
    assert "x-amz-storage-class" not in got.headers
    assert "x-amz-website-redirect-location" not in got.headers


async def test_a_copy_onto_itself_must_change_something(owner: Client) -> None:
    await owner.put("bucket", "source", b"x", x_amz_meta_a="1")
    error = await owner.refused("PUT", "/bucket/source", SOURCE)
    assert error.code == "InvalidRequest"
    assert error.text.startswith("This copy request is illegal because it is trying to copy")
    await owner.send("PUT", "/bucket/source", {**SOURCE, "x-amz-metadata-directive": "REPLACE"})
    got = await owner.get("bucket", "source")
    assert (got.body, "x-amz-meta-a" in got.headers) == (b"x", False)
    await owner.send("PUT", "/bucket/source", {**SOURCE, "x-amz-storage-class": "ONEZONE_IA"})
    assert (await owner.get("bucket", "source")).headers["x-amz-storage-class"] == "ONEZONE_IA"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-copy-source-if-match": '"other"'}, "PreconditionFailed"),
        (
            {"x-amz-copy-source-if-unmodified-since": "Wed, 21 Oct 2015 07:28:00 GMT"},
            "PreconditionFailed",
        ),
        ({"x-amz-metadata-directive": "KEEP"}, "InvalidArgument"),
        ({"x-amz-copy-source": "/bucket/none"}, "NoSuchKey"),
        ({"x-amz-copy-source": "/bucket/source?versionId=odd"}, "InvalidArgument"),
    ],
)
async def test_a_refused_copy_stores_nothing(
    owner: Client, headers: dict[str, str], code: str
) -> None:
    await owner.put("bucket", "source", b"x")
    error = await owner.refused("PUT", "/bucket/k", {**SOURCE, **headers})
    assert error.code == code
    assert (await owner.refused("GET", "/bucket/k")).code == "NoSuchKey"


async def test_a_copy_can_be_held_to_conditions_on_its_destination(owner: Client) -> None:
    await owner.put("bucket", "source", b"new")
    await owner.put("bucket", "k", b"old")
    error = await owner.refused("PUT", "/bucket/k", {**SOURCE, "if-none-match": "*"})
    assert error.code == "PreconditionFailed"
    assert (await owner.get("bucket", "k")).body == b"old"


async def test_a_copy_can_have_another_checksum(owner: Client) -> None:
    await owner.put("bucket", "source", b"x")
    await owner.send("PUT", "/bucket/k", {**SOURCE, "x-amz-checksum-algorithm": "SHA256"})
    got = await owner.get("bucket", "k", x_amz_checksum_mode="ENABLED")
    expected = b64encode(hashlib.sha256(b"x").digest()).decode()
    assert got.headers["x-amz-checksum-sha256"] == expected
