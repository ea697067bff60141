"""Objects of a bucket: lists, details, links, downloads, deletion; S3 is scripted."""

from __future__ import annotations

import gzip
import html
import io
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.console import AT, Console, refusal
from tests.support.log_lines import lines

from bucketlog.console.pages import objects

ODD = (" lead", "a%2Fb", "x+y z", "a&b=c", "dots/../up", "/lead", "new\nline", "<b>\"'", "ü\u202e")
UNAVAILABLE = refusal("InternalError", 500)


def found(key: str, size: int = 5) -> dict[str, Any]:
    return {"Key": key, "Size": size, "LastModified": AT, "StorageClass": "STANDARD"}


def listing(*keys: str, folders: tuple[str, ...] = (), token: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = {
        "Contents": [found(key) for key in keys],
        "CommonPrefixes": [{"Prefix": folder} for folder in folders],
        "KeyCount": len(keys) + len(folders),
        "IsTruncated": bool(token),
    }
    return {**answer, "NextContinuationToken": token} if token else answer


@pytest.fixture
def photos(console: Console) -> Console:
    """Somebody who looks at a bucket with a few objects."""
    console.log_in()
    console.s3.script["head_bucket"] = {"BucketRegion": "us-east-1"}
    console.s3.script["list_objects_v2"] = listing("a.txt", "b.txt", folders=("album/",))
    return console


def asked(console: Console, operation: str) -> list[dict[str, Any]]:
    return [parameters for name, parameters in console.s3.asked if name == operation]


def links(text: str) -> list[str]:
    return [html.unescape(link) for link in re.findall(r'href="([^"]*)"', text)]


def test_a_page_is_one_listing_of_a_hundred(photos: Console) -> None:
    text = photos.get("/buckets/photos").text
    assert asked(photos, "list_objects_v2") == [
        {"Bucket": "photos", "Prefix": "", "Delimiter": "/", "MaxKeys": 100}
    ]
    assert text.index("a.txt") < text.index("album/") < text.index("b.txt")
    assert "/buckets/photos?prefix=album%2F" in links(text)
    assert "3 entries" in text


def test_a_folder_has_its_path_and_not_its_own_empty_object(photos: Console) -> None:
    photos.s3.script["list_objects_v2"] = listing("a//b/c", folders=("a//b/d/",)) | {
        "Contents": [found("a//b/", 0), found("a//b/c")]
    }
    text = photos.get("/buckets/photos?prefix=a%2F%2Fb%2F").text
    assert {"/buckets/photos?prefix=a%2F", "/buckets/photos?prefix=a%2F%2F"} <= set(links(text))
    assert "no name" in text
    assert text.count('name="item"') == 2
    photos.s3.script["list_objects_v2"] = {"Contents": [found("a/", 3)]}
    assert "named like the folder" in photos.get("/buckets/photos?prefix=a/").text


def test_a_prefix_that_ends_anywhere_is_a_folder_and_what_is_searched_in_it(
    photos: Console,
) -> None:
    photos.get("/buckets/photos?prefix=logs/2026-")
    photos.get("/buckets/photos?prefix=logs/&q=2026-")
    photos.get("/buckets/photos?encoded_prefix=a%250Ab/&q=x")
    prefixes = [each["Prefix"] for each in asked(photos, "list_objects_v2")]
    assert prefixes == ["logs/2026-", "logs/2026-", "a\nb/x"]


def test_what_is_typed_changes_the_list_and_the_address(photos: Console) -> None:
    answer = photos.get("/buckets/photos?prefix=album%2F&q=b%26", htmx=True)
    assert "<html" not in answer.text
    assert answer.headers["hx-replace-url"] == "/buckets/photos?prefix=album%2F&q=b%26"
    assert asked(photos, "head_bucket") == []
    photos.s3.script["list_objects_v2"] = {}
    assert "Nothing here begins with “zz”" in photos.get("/buckets/photos?q=zz", htmx=True).text


def test_pages_lead_on_and_back(photos: Console) -> None:
    tokens = iter(("t/1+", "t2", "t3"))
    photos.s3.script["list_objects_v2"] = lambda **_: listing("k", token=next(tokens))

    def next_of(text: str) -> str:
        return next(link for link in links(text) if "token=" in link and "page=" in link)

    first = photos.get("/buckets/photos?q=k").text
    second = next_of(first)
    assert parse_qs(urlsplit(second).query) == {"q": ["k"], "token": ["t/1+"], "page": ["2"]}
    text = photos.get(second).text
    assert asked(photos, "list_objects_v2")[-1]["ContinuationToken"] == "t/1+"
    assert "/buckets/photos?q=k" in links(text)
    third = next_of(text)
    assert parse_qs(urlsplit(third).query)["back"] == ["t/1+"]
    assert second in links(photos.get(third).text)


def test_a_trail_that_grows_too_long_forgets_its_beginning() -> None:
    place = objects.Place("b", "", "", token="t" * 1000, page=9, trail=("s" * 1000,) * 4)
    query = parse_qs(urlsplit(place.next("u")).query)
    assert [text[0] for text in query["back"]] == ["s", "s", "s", "t"]
    assert query["page"] == ["10"]
    assert objects.Place("b", "", "", token="t", page=9).previous is None


@pytest.mark.parametrize("key", ODD)
def test_odd_keys_work_in_every_link_and_form(photos: Console, key: str) -> None:
    photos.s3.script["list_objects_v2"] = {"Contents": [found(key)]}
    photos.s3.script["head_object"] = {"ContentLength": 1, "LastModified": AT, "ETag": '"e"'}
    photos.s3.script["get_object"] = lambda **_: body(b"x")
    text = photos.get("/buckets/photos").text
    assert '<b>"' not in text
    for path in (link for link in links(text) if "/objects/" in link):
        assert photos.get(path).status_code == 200
    assert {each["Key"] for each in asked(photos, "head_object")} == {key}
    assert {each["Key"] for each in asked(photos, "get_object")} == {key}
    item = html.unescape(re.search(r'name="item" value="([^"]*)"', text)[1])  # type: ignore[index]
    assert (
        photos.post("/buckets/photos/objects/delete/ask", htmx=True, item=item).status_code == 200
    )
    photos.post("/buckets/photos/objects/delete", htmx=True, item=item)
    assert asked(photos, "delete_object") == [{"Bucket": "photos", "Key": key}]


def test_who_may_not_list_can_still_open_what_they_know(photos: Console) -> None:
    photos.s3.script["list_objects_v2"] = refusal("AccessDenied")
    answer = photos.get("/buckets/photos")
    assert answer.status_code == 200
    assert "You may not list this bucket" in answer.text
    assert 'action="/buckets/photos/objects/details"' in answer.text
    photos.s3.script["list_objects_v2"] = UNAVAILABLE
    assert photos.get("/buckets/photos").status_code == 500


def test_an_empty_bucket_and_an_empty_folder_teach(photos: Console) -> None:
    photos.s3.script["list_objects_v2"] = {}
    assert "aws s3 cp FILE s3://photos/" in photos.get("/buckets/photos").text
    assert "This folder is empty" in photos.get("/buckets/photos?prefix=a/").text
    assert "This page is empty" in photos.get("/buckets/photos?token=t&page=3").text


def test_versions_are_told_as_the_store_has_them(photos: Console) -> None:
    version = {**found("a.txt"), "VersionId": "null", "IsLatest": True}
    photos.s3.script["list_object_versions"] = {"Versions": [version], "IsTruncated": False}
    text = photos.get("/buckets/photos?versions=1").text
    assert "Every version here is" in text
    assert "/buckets/photos/objects/details?key=a.txt&version=null" in links(text)
    older = {**found("a.txt"), "VersionId": "v1", "IsLatest": False}
    marker = {"Key": "a.txt", "VersionId": "v2", "IsLatest": True, "LastModified": AT}
    photos.s3.script["list_object_versions"] = {
        "Versions": [older],
        "DeleteMarkers": [marker],
        "IsTruncated": True,
        "NextKeyMarker": "a.txt",
        "NextVersionIdMarker": "v1",
    }
    text = photos.get("/buckets/photos?versions=1").text
    assert "Delete marker" in text
    assert "Every version here is" not in text
    onward = next(link for link in links(text) if "page=2" in link)
    photos.get(onward)
    told = asked(photos, "list_object_versions")[-1]
    assert (told["KeyMarker"], told["VersionIdMarker"]) == ("a.txt", "v1")


# ── one object ──────────────────────────────────────────────────────────────────────────────────


def test_an_object_tells_what_is_known_of_it(photos: Console) -> None:
    photos.s3.script["head_object"] = {
        "ContentLength": 1234567,
        "LastModified": AT,
        "ETag": '"abc-2"',
        "ContentType": "text/<html>",
        "Metadata": {"who": "<me>"},
        "ChecksumCRC64NVME": "AAA=",
        "ChecksumType": "FULL_OBJECT",
    }
    photos.s3.script["get_object_acl"] = {"Owner": {"DisplayName": "root", "ID": "c0ffee"}}
    text = photos.get("/buckets/photos/objects/details?key=a/b.txt").text
    for told in ("1,234,567 bytes", "abc-2", "not the MD5", "text/&lt;html&gt;", "&lt;me&gt;"):
        assert told in text
    for told in ("x-amz-meta-who", "CRC64NVME", "of the whole object", "c0ffee", "s3://photos/a/b"):
        assert told in text
    assert "/buckets/photos?prefix=a%2F" in links(text)
    photos.s3.script["get_object_acl"] = refusal("AccessDenied")
    assert "not known to you" in photos.get("/buckets/photos/objects/details?key=a/b.txt").text


@pytest.mark.parametrize(
    ("status", "words"), [(404, "There is no such object"), (403, "Your key may not do this")]
)
def test_an_object_that_is_not_there_or_not_allowed_says_so(
    photos: Console, status: int, words: str
) -> None:
    photos.s3.script["head_object"] = refusal(str(status), status)
    answer = photos.get("/buckets/photos/objects/details?key=x")
    assert answer.status_code == status
    assert words in answer.text
    assert photos.get("/buckets/photos/objects/details").status_code == 404
    photos.s3.script["head_object"] = UNAVAILABLE
    assert photos.get("/buckets/photos/objects/details?key=x").status_code == 500


class Signer:
    """A client that tells what it was to sign, and for where."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def generate_presigned_url(self, name: str, wanted: dict[str, str], ExpiresIn: int) -> str:
        return f"{self.endpoint}/{name}?{sorted(wanted.items())}&{ExpiresIn}"

    def close(self) -> None:
        """As boto3's clients have it."""


def test_a_link_is_signed_for_the_endpoint_and_time_chosen(photos: Console) -> None:
    photos.parts.store._make = lambda _, region, endpoint=None: (
        Signer(f"{endpoint} {region}") if endpoint else photos.s3
    )
    path = "/buckets/photos/objects/link?key=a%0Ab&version=null"
    text = html.unescape(
        photos.post(path, htmx=True, expiry="300", endpoint="https://s3.example.com/").text
    )
    assert "https://s3.example.com us-east-1/get_object" in text
    assert "('Key', 'a\\nb'), ('VersionId', 'null')" in text
    assert "&300" in text
    text = photos.post(path, htmx=True, expiry="9999999", save="1").text
    assert "http://127.0.0.1:1 us-east-1" in text
    assert "&amp;3600" in text
    assert "ResponseContentDisposition" in text
    assert "path-as-is" in photos.post("/buckets/photos/objects/link?key=../x", htmx=True).text


@pytest.mark.parametrize("wrong", ["javascript:x", "http://", "http://h/path", "http://[x", "//h"])
def test_an_endpoint_that_is_none_is_refused(photos: Console, wrong: str) -> None:
    text = photos.post("/buckets/photos/objects/link?key=a", htmx=True, endpoint=wrong).text
    assert "like https://s3.example.com" in text


@pytest.mark.parametrize(
    ("seen", "endpoint", "offered"),
    [
        ("127.0.0.1:9001", "http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("localhost:9001", "http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("10.1.2.3:9001", "http://127.0.0.1:9000", "http://10.1.2.3:9000"),
        ("[2001:db8::1]:9001", "https://[::1]:9000", "https://[2001:db8::1]:9000"),
        ("logs.example:9001", "https://127.0.0.1", "https://logs.example"),
        ("10.1.2.3:9001", "https://s3.example.com", "https://s3.example.com"),
    ],
)
def test_links_lead_to_where_others_reach_s3(
    tmp_path: Any, seen: str, endpoint: str, offered: str
) -> None:
    config = {"endpoint": endpoint, "host": "0.0.0.0", "names": ("logs.example",)}
    if "[" in seen:
        config["host"] = "::"
    with Console(tmp_path / "data", **config) as console:
        console.log_in()
        console.s3.script["head_object"] = {"ContentLength": 1, "LastModified": AT, "ETag": '"e"'}
        text = console.get("/buckets/b/objects/details?key=k", host=seen).text
    assert f'name="endpoint" class="code" value="{offered}"' in text


@pytest.mark.parametrize(
    ("kind", "data", "is_log"),
    [
        ("text/plain", lines(0, 2), True),
        ("application/gzip", gzip.compress(lines(0, 2)), True),
        ("text/plain", b"just text\n", False),
        ("text/plain", lines(0, 1)[:-1], False),
        ("text/html", lines(0, 2), False),
        ("text/plain", b"", False),
        ("text/plain", gzip.compress(b"x")[:9], False),
    ],
)
def test_a_log_is_known_by_its_first_line(
    photos: Console, kind: str, data: bytes, is_log: bool
) -> None:
    head = {"ContentLength": len(data), "LastModified": AT, "ETag": '"e"', "ContentType": kind}
    photos.s3.script["head_object"] = head
    photos.s3.script["get_object"] = lambda **_: body(data)
    path = "/buckets/photos/objects/details?key=x"
    assert ("Log object" in photos.get(path).text) is is_log
    photos.s3.script["get_object"] = refusal("AccessDenied")
    assert "Log object" not in photos.get(path).text


# ── downloads ───────────────────────────────────────────────────────────────────────────────────


def body(data: bytes, status: int = 200, **more: Any) -> dict[str, Any]:
    return {
        "Body": io.BytesIO(data),
        "ContentLength": len(data),
        "ETag": '"e"',
        "ContentType": "text/html",
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }


def test_a_download_is_kept_and_never_shown(photos: Console) -> None:
    photos.s3.script["get_object"] = body(b"<script>alert(1)</script>" * 40_000)
    answer = photos.get("/buckets/photos/objects/download?key=a/x.html&version=null")
    assert answer.content == b"<script>alert(1)</script>" * 40_000
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith('attachment; filename="x.html"')
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-length"] == str(25 * 40_000)
    assert asked(photos, "get_object")[0]["VersionId"] == "null"


def test_a_download_goes_on_where_it_broke_off(photos: Console) -> None:
    photos.s3.script["get_object"] = lambda **_: body(b"x", 206, ContentRange="bytes 1-1/2")
    path = "/buckets/photos/objects/download?key=k"
    answer = photos.get(path, range="bytes=1-", **{"if-range": '"e"'})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == "bytes 1-1/2"
    told = asked(photos, "get_object")[0]
    assert (told["Range"], told["IfMatch"]) == ("bytes=1-", '"e"')
    photos.get(path, range="bytes=0-1,3-4")
    assert "Range" not in asked(photos, "get_object")[1]


def test_asking_only_for_the_headers_reads_nothing(photos: Console) -> None:
    photos.s3.script["head_object"] = {"ContentLength": 7, "ETag": '"e"'}
    answer = photos.client.head("/buckets/photos/objects/download?key=k")
    assert (answer.status_code, answer.headers["content-length"]) == (200, "7")
    assert asked(photos, "get_object") == []


# ── deletion and folders ────────────────────────────────────────────────────────────────────────


def test_before_anything_goes_it_is_named_and_counted(photos: Console) -> None:
    photos.s3.script["list_objects_v2"] = listing(*map(str, range(7)), token="t")
    path = "/buckets/photos/objects/delete/ask"
    text = photos.post(path, htmx=True, item="folder=a%2F").text
    assert "More than <b>7 objects</b>" in text
    assert 'data-confirms="delete"' in text
    text = photos.post(path, htmx=True, item="key=%3Cb%3E&version=v1").text
    assert "<b>1 object</b>" in text
    assert "&lt;b&gt;" in text
    assert "version v1" in text
    assert "data-confirms" not in text
    assert "Nothing is selected" in photos.post(path, htmx=True).text
    assert asked(photos, "delete_object") == asked(photos, "delete_objects") == []


def send(console: Console, path: str, fields: str) -> Any:
    assert console.session is not None
    return console.client.post(
        path,
        content=fields,
        headers={
            "Origin": "http://127.0.0.1:9001",
            "HX-Request": "true",
            "X-CSRF-Token": console.session.csrf,
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )


def test_several_go_in_one_request_and_what_stays_is_named(photos: Console) -> None:
    path = "/buckets/photos/objects/delete"
    items = "item=key%3Da&item=key%3Db%26version%3Dv1&onward=/buckets/photos%3Fprefix%3Dx"
    answer = send(photos, path, items)
    assert answer.headers["hx-redirect"] == "/buckets/photos?prefix=x"
    told = asked(photos, "delete_objects")[0]["Delete"]
    assert told == {"Objects": [{"Key": "a"}, {"Key": "b", "VersionId": "v1"}], "Quiet": True}
    error = {"Key": "a\n", "Code": "AccessDenied", "Message": "<no>"}
    photos.s3.script["delete_objects"] = {"Errors": [error]}
    text = send(photos, path, items).text
    assert "t be deleted" in text
    assert "a\\n" in text
    assert "&lt;no&gt;" in text
    answer = send(photos, path, "item=key%3Da&onward=https://elsewhere.example/")
    assert answer.headers["hx-redirect"] == "/buckets/photos"


def test_a_folder_is_emptied_a_thousand_at_a_time_showing_how_far_it_is(photos: Console) -> None:
    photos.s3.script["list_objects_v2"] = listing("f/1", "f/2", token="t")
    path = "/buckets/photos/objects/delete"
    text = send(photos, path, "item=folder%3Df%252F&done=5").text
    assert "7 objects deleted so far" in text
    assert 'hx-trigger="load"' in text
    photos.s3.script["list_objects_v2"] = listing("f/3")
    answer = send(photos, path, "item=folder%3Df%252F&done=7")
    assert answer.headers["hx-redirect"] == "/buckets/photos"
    assert photos.session is not None
    assert photos.session.toasts[0].text == "8 objects were deleted."
    assert asked(photos, "delete_object") == [{"Bucket": "photos", "Key": "f/3"}]


def test_a_folder_is_an_empty_object_that_replaces_none(photos: Console) -> None:
    path = "/buckets/photos/objects/folder"
    answer = photos.post(path, htmx=True, folder="a%0Ab/", name="new/")
    assert answer.headers["hx-redirect"] == "/buckets/photos?prefix=a%0Ab%2Fnew%2F"
    told = asked(photos, "put_object")[0]
    assert (told["Key"], told["Body"], told["IfNoneMatch"]) == ("a\nb/new/", b"", "*")
    photos.s3.script["put_object"] = refusal("PreconditionFailed", 412)
    assert "There is a folder of that name" in photos.post(path, htmx=True, name="x").text
    assert "Enter a name" in photos.post(path, htmx=True, name="/").text
    assert "the most" in photos.post(path, htmx=True, name="x" * 1024).text
    photos.s3.script["put_object"] = refusal("AccessDenied", 403)
    assert photos.post(path, htmx=True, name="x").status_code == 403
