"""ListObjects, ListObjectsV2, ListObjectVersions."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest
from tests.support.calls import Client

KEYS = ["a", "b/1", "b/2", "b/sub/3", "c", "d/x", "é", "\U0001f600", "\ufffd"]


async def fill(client: Client, keys: list[str]) -> None:
    for key in keys:
        await client.put("bucket", key, key.encode())


async def test_keys_are_listed_in_the_order_of_their_utf8_bytes(owner: Client) -> None:
    await fill(owner, KEYS)
    listed = (await owner.list("bucket")).texts("Contents/Key")
    assert listed == sorted(KEYS, key=str.encode)


async def test_an_entry_tells_size_etag_class_and_time(owner: Client) -> None:
    put = await owner.put("bucket", "k", b"123", x_amz_storage_class="STANDARD_IA")
    listed = await owner.list("bucket", fetch_owner="true")
    entry = listed.xml.find("Contents")
    assert entry is not None
    assert entry.findtext("Size") == "3"
    assert entry.findtext("ETag") == put.etag
    assert entry.findtext("StorageClass") == "STANDARD_IA"
    assert entry.findtext("LastModified", "").endswith(".000Z")
    assert entry.findtext("Owner/ID") == "a" * 64
    assert listed.text("KeyCount") == "1"
    assert listed.text("IsTruncated") == "false"
    assert (await owner.list("bucket")).xml.find("Contents/Owner") is None


async def test_prefix_and_delimiter_roll_up(owner: Client) -> None:
    await fill(owner, KEYS)
    listed = await owner.list("bucket", delimiter="/")
    assert listed.texts("CommonPrefixes/Prefix") == ["b/", "d/"]
    assert listed.texts("Contents/Key") == ["a", "c", "é", "\ufffd", "\U0001f600"]
    assert listed.text("KeyCount") == "7"
    below = await owner.list("bucket", delimiter="/", prefix="b/")
    assert below.texts("Contents/Key") == ["b/1", "b/2"]
    assert below.texts("CommonPrefixes/Prefix") == ["b/sub/"]


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_version_two_pages_join_to_the_whole(owner: Client, size: int) -> None:
    await fill(owner, KEYS)
    found: list[str] = []
    query: dict[str, object] = {"delimiter": "/", "max_keys": size}
    while True:
        page = await owner.list("bucket", **query)
        found += sorted(page.texts("Contents/Key") + page.texts("CommonPrefixes/Prefix"))
        token = page.text("NextContinuationToken")
        assert (page.text("IsTruncated") == "true") is (token is not None)
        if token is None:
            break
        assert page.text("KeyCount") == str(size)
        query["continuation_token"] = token
    assert found == ["a", "b/", "c", "d/", "é", "\ufffd", "\U0001f600"]


async def test_version_one_pages_join_by_marker(owner: Client) -> None:
    await fill(owner, KEYS)
    found: list[str] = []
    marker = ""
    while True:
        page = await owner.send("GET", f"/bucket?max-keys=2&delimiter=/&marker={quote(marker)}")
        found += sorted(page.texts("Contents/Key") + page.texts("CommonPrefixes/Prefix"))
        if page.text("IsTruncated") == "false":
            break
        marker = page.text("NextMarker") or ""
        assert marker == found[-1]
    assert found == ["a", "b/", "c", "d/", "é", "\ufffd", "\U0001f600"]


async def test_version_one_names_no_next_marker_without_a_delimiter(owner: Client) -> None:
    await fill(owner, KEYS)
    page = await owner.send("GET", "/bucket?max-keys=2")
    assert page.text("IsTruncated") == "true"
    assert page.text("NextMarker") is None
    assert page.text("Marker") == ""
    assert page.texts("Contents/Owner/ID") == ["a" * 64] * 2


async def test_start_after_begins_behind_a_key_and_a_token_overrides_it(owner: Client) -> None:
    await fill(owner, KEYS)
    page = await owner.list("bucket", start_after="b/2", max_keys=1)
    assert page.texts("Contents/Key") == ["b/sub/3"]
    assert page.text("StartAfter") == "b/2"
    token = page.text("NextContinuationToken")
    following = await owner.list("bucket", start_after="a", continuation_token=token)
    assert following.texts("Contents/Key")[0] == "c"
    assert following.text("ContinuationToken") == token


async def test_a_page_of_nothing_is_not_truncated(owner: Client) -> None:
    await fill(owner, ["a"])
    page = await owner.list("bucket", max_keys=0)
    assert (page.text("KeyCount"), page.text("IsTruncated")) == ("0", "false")


async def test_names_are_percent_encoded_on_request(owner: Client) -> None:
    await fill(owner, ["a b+&/é", "ctl\x01"])
    page = await owner.list("bucket", encoding_type="url", delimiter="+", prefix="a ")
    assert page.text("EncodingType") == "url"
    assert page.texts("CommonPrefixes/Prefix") == ["a+b%2B"]
    assert page.text("Delimiter") == "%2B"
    assert page.text("Prefix") == "a+"
    everything = await owner.list("bucket", encoding_type="url")
    assert everything.texts("Contents/Key") == ["a+b%2B%26/%C3%A9", "ctl%01"]


@pytest.mark.parametrize(
    ("query", "argument"),
    [
        ("max-keys=x", "max-keys"),
        ("max-keys=-1", "max-keys"),
        ("encoding-type=base64", "encoding-type"),
        ("list-type=2&continuation-token=odd", "continuation-token"),
        ("list-type=2&continuation-token=", "continuation-token"),
        ("list-type=2&continuation-token=%C3%A9", "continuation-token"),
        ("versions&version-id-marker=null", "version-id-marker"),
    ],
)
async def test_a_parameter_that_means_nothing_is_refused(
    owner: Client, query: str, argument: str
) -> None:
    error = await owner.refused("GET", f"/bucket?{query}")
    assert (error.code, error.detail["ArgumentName"]) == ("InvalidArgument", argument)


async def test_versions_are_listed_once_each_as_null(owner: Client) -> None:
    await fill(owner, KEYS)
    page = await owner.send("GET", "/bucket?versions&delimiter=/&max-keys=3")
    assert page.texts("Version/Key") == ["a", "c"]
    assert page.texts("Version/VersionId") == ["null"] * 2
    assert page.texts("Version/IsLatest") == ["true"] * 2
    assert page.texts("CommonPrefixes/Prefix") == ["b/"]
    assert (page.text("NextKeyMarker"), page.text("NextVersionIdMarker")) == ("c", "null")
    following = await owner.send(
        "GET", "/bucket?versions&delimiter=/&key-marker=c&version-id-marker=null"
    )
    assert following.texts("CommonPrefixes/Prefix") == ["d/"]
    assert following.text("IsTruncated") == "false"


async def test_a_listing_shows_nothing_of_other_buckets(owner: Client) -> None:
    await owner.bucket("bucket2")
    await owner.put("bucket2", "k")
    assert (await owner.list("bucket")).texts("Contents/Key") == []


async def test_a_thousand_keys_under_one_prefix_cost_one_entry(owner: Client) -> None:
    for number in range(300):
        await owner.put("bucket", f"p/{number:04d}")
    await owner.put("bucket", "z")
    began = time.process_time()
    page = await owner.list("bucket", delimiter="/")
    assert time.process_time() - began < 0.05
    assert page.texts("CommonPrefixes/Prefix") == ["p/"]
    assert page.texts("Contents/Key") == ["z"]
