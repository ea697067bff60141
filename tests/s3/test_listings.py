"""Listings, read by botocore as what they say."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_plus

import pytest
from botocore.parsers import RestXMLParser
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.s3 import listings
from bucketlog.s3.listings import ObjectItem, UploadItem
from bucketlog.s3.model import Owner

MODEL = get_session().get_service_model("s3")
OWNER = Owner("123456789012", "a" * 64, "Zoë & Co")
SHOWN = {"ID": OWNER.canonical_id, "DisplayName": OWNER.name}
AT = 1_700_000_000_123_456_789
ISO = "2023-11-14T22:13:20.000Z"


def understood(operation: str, body: bytes) -> dict[str, Any]:
    """What botocore makes of a response, times as text and without the metadata."""
    model = MODEL.operation_model(operation)
    response = {"status_code": 200, "headers": {}, "body": body}
    found: dict[str, Any] = RestXMLParser().parse(response, model.output_shape)
    del found["ResponseMetadata"]
    for entries in found.values():
        for entry in entries if isinstance(entries, list) else ():
            for name in ("LastModified", "Initiated"):
                if name in entry:
                    entry[name] = f"{entry[name]:%Y-%m-%dT%H:%M:%S.000Z}"
    return found


ITEMS = [
    ObjectItem("a&b", AT, "e1", 5, owner=OWNER, checksum="CRC32 FULL_OBJECT AAAA=="),
    ObjectItem("ü/ +", 0, "e2-2", 0, storage_class="GLACIER"),
]


def contents() -> list[dict[str, Any]]:
    first: dict[str, Any] = {
        "Key": "a&b",
        "LastModified": ISO,
        "ETag": '"e1"',
        "Size": 5,
        "StorageClass": "STANDARD",
        "Owner": SHOWN,
        "ChecksumAlgorithm": ["CRC32"],
        "ChecksumType": "FULL_OBJECT",
    }
    second = {
        "Key": "ü/ +",
        "LastModified": "1970-01-01T00:00:00.000Z",
        "ETag": '"e2-2"',
        "Size": 0,
        "StorageClass": "GLACIER",
    }
    return [first, second]


def test_objects_are_listed() -> None:
    body = listings.list_objects(
        "b",
        ITEMS,
        ["p/", "q&/"],
        prefix="<p",
        delimiter="/",
        marker="m",
        next_marker="n",
        limit=2,
        more=True,
        url=False,
    )
    assert understood("ListObjects", body) == {
        "Name": "b",
        "Prefix": "<p",
        "Delimiter": "/",
        "Marker": "m",
        "NextMarker": "n",
        "MaxKeys": 2,
        "IsTruncated": True,
        "Contents": contents(),
        "CommonPrefixes": [{"Prefix": "p/"}, {"Prefix": "q&/"}],
    }


def test_an_empty_listing_says_what_was_asked() -> None:
    body = listings.list_objects(
        "b", [], [], prefix="", delimiter="", marker="", next_marker=None, limit=1000, more=False,
        url=False,
    )  # fmt: skip
    assert understood("ListObjects", body) == {
        "Name": "b",
        "Prefix": "",
        "Marker": "",
        "MaxKeys": 1000,
        "IsTruncated": False,
    }


def test_objects_are_listed_in_the_second_form() -> None:
    body = listings.list_objects_v2(
        "b",
        ITEMS,
        ["p/"],
        prefix="",
        delimiter="/",
        start_after="s",
        token="t1",
        next_token="t2",
        limit=3,
        url=False,
    )
    assert understood("ListObjectsV2", body) == {
        "Name": "b",
        "Prefix": "",
        "Delimiter": "/",
        "StartAfter": "s",
        "ContinuationToken": "t1",
        "NextContinuationToken": "t2",
        "KeyCount": 3,
        "MaxKeys": 3,
        "IsTruncated": True,
        "Contents": contents(),
        "CommonPrefixes": [{"Prefix": "p/"}],
    }
    last = listings.list_objects_v2(
        "b", [], [], prefix="", delimiter="", start_after=None, token=None, next_token=None,
        limit=1, url=False,
    )  # fmt: skip
    found = understood("ListObjectsV2", last)
    assert (found["IsTruncated"], found["KeyCount"]) == (False, 0)
    assert {"StartAfter", "ContinuationToken", "NextContinuationToken"}.isdisjoint(found)


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_a_client_that_asks_for_it_reads_any_key(key: str) -> None:
    item = ObjectItem(key, AT, "e", 1)
    body = listings.list_objects_v2(
        "b", [item], [key], prefix=key, delimiter=key, start_after=key, token=None,
        next_token=None, limit=1, url=True,
    )  # fmt: skip
    found = understood("ListObjectsV2", body)
    assert found["EncodingType"] == "url"
    told = [
        found["Contents"][0]["Key"],
        found["CommonPrefixes"][0]["Prefix"],
        found["Prefix"],
        found["Delimiter"],
        found["StartAfter"],
    ]
    assert [unquote_plus(text) for text in told] == [key] * 5  # as botocore's handler does
    assert all(text.isascii() for text in told)


def test_without_encoding_a_control_character_is_a_numeric_reference() -> None:
    body = listings.list_objects(
        "b", [ObjectItem("a\x01", AT, "e", 1)], [], prefix="", delimiter="", marker="",
        next_marker=None, limit=1, more=False, url=False,
    )  # fmt: skip
    assert b"<Key>a&#x1;</Key>" in body


@pytest.mark.parametrize("url", [True, False])
def test_versions_are_listed(url: bool) -> None:
    body = listings.list_versions(
        "b",
        [ITEMS[0]],
        ["p/"],
        prefix="",
        delimiter="/",
        marker="m",
        version_marker="v",
        next_marker="n",
        next_version="null",
        limit=1,
        url=url,
    )
    version = {**contents()[0], "VersionId": "null", "IsLatest": True}
    version["Key"] = "a%26b" if url else "a&b"
    assert understood("ListObjectVersions", body) == {
        "Name": "b",
        "Prefix": "",
        "Delimiter": "/",
        "KeyMarker": "m",
        "VersionIdMarker": "v",
        "NextKeyMarker": "n",
        "NextVersionIdMarker": "null",
        "MaxKeys": 1,
        "IsTruncated": True,
        "Versions": [version],
        "CommonPrefixes": [{"Prefix": "p/"}],
        **({"EncodingType": "url"} if url else {}),
    }


@pytest.mark.parametrize("url", [True, False])
def test_uploads_under_way_are_listed(url: bool) -> None:
    uploads = [
        UploadItem(
            "a&b", "u1", AT, OWNER, ("arn:aws:iam::1:user/x", "x"), "STANDARD", "SHA1", "COMPOSITE"
        ),
        UploadItem("c", "u2", AT, None, ("i", "n")),
    ]
    body = listings.list_uploads(
        "b",
        uploads,
        ["p/"],
        prefix="p",
        delimiter="/",
        marker="m",
        id_marker="u0",
        next_marker=None,
        next_id=None,
        limit=9,
        url=url,
    )
    assert understood("ListMultipartUploads", body) == {
        "Bucket": "b",
        "Prefix": "p",
        "Delimiter": "/",
        "KeyMarker": "m",
        "UploadIdMarker": "u0",
        "MaxUploads": 9,
        "IsTruncated": False,
        "Uploads": [
            {
                "Key": "a%26b" if url else "a&b",
                "UploadId": "u1",
                "Initiated": ISO,
                "StorageClass": "STANDARD",
                "Owner": SHOWN,
                "Initiator": {"ID": "arn:aws:iam::1:user/x", "DisplayName": "x"},
                "ChecksumAlgorithm": "SHA1",
                "ChecksumType": "COMPOSITE",
            },
            {
                "Key": "c",
                "UploadId": "u2",
                "Initiated": ISO,
                "StorageClass": "STANDARD",
                "Initiator": {"ID": "i", "DisplayName": "n"},
            },
        ],
        "CommonPrefixes": [{"Prefix": "p/"}],
        **({"EncodingType": "url"} if url else {}),
    }


def test_parts_are_listed() -> None:
    body = listings.list_parts(
        "b",
        "a&b",
        "u",
        [(1, AT, "e1", 5, "SHA256 AAAA="), (7, AT, "e7", 6, None)],
        marker=0,
        limit=2,
        more=True,
        owner=OWNER,
        initiator=("i", "n"),
        storage_class="STANDARD",
        checksum=("SHA256", "COMPOSITE"),
    )
    assert understood("ListParts", body) == {
        "Bucket": "b",
        "Key": "a&b",
        "UploadId": "u",
        "PartNumberMarker": 0,
        "NextPartNumberMarker": 7,
        "MaxParts": 2,
        "IsTruncated": True,
        "Owner": SHOWN,
        "Initiator": {"ID": "i", "DisplayName": "n"},
        "StorageClass": "STANDARD",
        "ChecksumAlgorithm": "SHA256",
        "ChecksumType": "COMPOSITE",
        "Parts": [
            {"PartNumber": 1, "LastModified": ISO, "ETag": '"e1"', "Size": 5,
             "ChecksumSHA256": "AAAA="},
            {"PartNumber": 7, "LastModified": ISO, "ETag": '"e7"', "Size": 6},
        ],
    }  # fmt: skip
    none = listings.list_parts(
        "b", "k", "u", [], marker=3, limit=2, more=False, owner=None, initiator=("i", "n"),
        storage_class="STANDARD", checksum=(None, None),
    )  # fmt: skip
    found = understood("ListParts", none)
    assert (found["NextPartNumberMarker"], found["IsTruncated"]) == (0, False)
    assert "ChecksumAlgorithm" not in found


def test_a_checksum_without_a_type_names_its_algorithm_only() -> None:
    body = listings.list_objects_v2(
        "b", [ObjectItem("k", AT, "e", 1, checksum="SHA1 x=")], [], prefix="", delimiter="",
        start_after=None, token=None, next_token=None, limit=1, url=False,
    )  # fmt: skip
    entry = understood("ListObjectsV2", body)["Contents"][0]
    assert entry["ChecksumAlgorithm"] == ["SHA1"]
    assert "ChecksumType" not in entry
