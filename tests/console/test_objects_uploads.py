"""Uploads through the console; S3 is scripted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.console import ORIGIN, Console, refusal

from bucketlog.console.pages import uploads

PATH = "/buckets/photos/objects/upload"


@pytest.fixture
def photos(console: Console, monkeypatch: pytest.MonkeyPatch) -> Console:
    """Somebody who uploads in parts of ten bytes."""
    monkeypatch.setattr(uploads, "PART", 10)
    console.log_in()
    console.s3.script["create_multipart_upload"] = {"UploadId": "u1"}
    console.s3.script["upload_part"] = lambda **told: {"ETag": f"e{told['PartNumber']}"}
    return console


def put(
    console: Console, data: bytes | Iterator[bytes], query: str = "key=a", **headers: str
) -> Any:
    assert console.session is not None
    token = {"Origin": ORIGIN, "X-CSRF-Token": console.session.csrf}
    return console.client.put(f"{PATH}?{query}", content=data, headers={**token, **headers})


def asked(console: Console, operation: str) -> list[dict[str, Any]]:
    return [parameters for name, parameters in console.s3.asked if name == operation]


def test_a_small_file_is_put_at_once_and_replaces_nothing(photos: Console) -> None:
    answer = put(photos, b"0123456789", "key=a%2F%0A%2520.png")
    assert answer.json() == {"key": "a/\n%20.png", "size": 10}
    assert asked(photos, "put_object") == [
        {
            "Bucket": "photos",
            "Key": "a/\n%20.png",
            "Body": b"0123456789",
            "ContentType": "image/png",
            "IfNoneMatch": "*",
        }
    ]


def test_a_file_replaces_another_only_when_told_to(photos: Console) -> None:
    put(photos, b"x", "key=a&replace=1")
    assert "IfNoneMatch" not in asked(photos, "put_object")[0]
    photos.s3.script["put_object"] = refusal("PreconditionFailed", 412)
    answer = put(photos, b"x")
    assert answer.status_code == 412
    assert answer.json()["title"] == "There is an object of that name"


def test_a_large_file_goes_in_parts_as_it_comes(photos: Console) -> None:
    data = bytes(range(25))
    assert put(photos, data, **{"Content-Type": "x/y"}).status_code == 200
    assert asked(photos, "create_multipart_upload")[0]["ContentType"] == "x/y"
    parts = asked(photos, "upload_part")
    assert [each["Body"] for each in parts] == [data[:10], data[10:20], data[20:]]
    complete = asked(photos, "complete_multipart_upload")[0]
    assert complete["MultipartUpload"]["Parts"] == [
        {"PartNumber": number, "ETag": f"e{number}"} for number in (1, 2, 3)
    ]
    assert (complete["UploadId"], complete["IfNoneMatch"]) == ("u1", "*")
    assert asked(photos, "abort_multipart_upload") == []


@pytest.mark.parametrize("failing", ["upload_part", "complete_multipart_upload"])
def test_an_upload_that_fails_leaves_no_parts_behind(photos: Console, failing: str) -> None:
    photos.s3.script[failing] = refusal("AccessDenied", 403, "not you")
    answer = put(photos, bytes(25))
    assert answer.status_code == 403
    assert answer.json() == {"title": "Your key may not do this", "message": "not you"}
    assert asked(photos, "abort_multipart_upload") == [
        {"Bucket": "photos", "Key": "a", "UploadId": "u1"}
    ]
    photos.s3.script["abort_multipart_upload"] = refusal("NoSuchUpload", 404)
    assert put(photos, bytes(25)).status_code == 403


def test_parts_grow_with_the_file_so_that_ten_thousand_are_enough(
    photos: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MOST_PARTS", 4)
    monkeypatch.setattr(uploads, "LARGEST_PART", 20)
    put(photos, bytes(79))
    assert [len(each["Body"]) for each in asked(photos, "upload_part")] == [20, 20, 20, 19]
    answer = put(photos, bytes(81))
    assert answer.status_code == 400
    assert "AWS CLI" in answer.json()["message"]


def test_what_cannot_be_stored_is_refused_in_words(photos: Console) -> None:
    assert put(photos, b"x", "").json()["message"] == "It has no name."
    assert put(photos, b"x", f"key={'x' * 1025}").status_code == 400
    assert put(photos, iter([b"x"])).status_code == 411
    assert asked(photos, "put_object") == []


@pytest.mark.parametrize(
    ("key", "told", "kind"),
    [
        ("a/b.css", "", "text/css"),
        ("a/b.css", "application/x-mine", "application/x-mine"),
        ("a.tar.gz", "", "application/gzip"),
        ("a.txt.bz2", "", "application/x-bzip2"),
        ("a.png/none", "", "application/octet-stream"),
        ("", "", "application/octet-stream"),
    ],
)
def test_the_type_is_what_the_browser_says_or_the_name(key: str, told: str, kind: str) -> None:
    assert uploads.content_type(key, told) == kind


def check(console: Console, question: Any, **headers: str) -> Any:
    assert console.session is not None
    token = {"Origin": ORIGIN, "X-CSRF-Token": console.session.csrf, **headers}
    return console.client.post("/buckets/photos/objects/check", json=question, headers=token)


def test_it_is_told_which_names_are_taken_and_which_cannot_be(photos: Console) -> None:
    def head(Bucket: str, Key: str) -> dict[str, Any]:
        if Key == "there":
            return {}
        raise refusal("404", 404) if Key == "new" else refusal("403", 403)

    photos.s3.script["head_object"] = head
    answer = check(photos, {"keys": ["there", "new", "secret", "x" * 2000]})
    assert answer.json()["taken"] == ["there"]
    assert list(answer.json()["wrong"]) == ["x" * 2000]
    photos.s3.script["head_object"] = refusal("InternalError", 500)
    assert check(photos, {"keys": ["a"]}).status_code == 502


@pytest.mark.parametrize("question", [[], {"key": 1}, {"keys": "a"}, {"keys": ["a"] * 1001}])
def test_a_question_that_is_none_is_refused(photos: Console, question: Any) -> None:
    assert check(photos, question).status_code == 400


def test_a_question_without_end_is_refused(photos: Console) -> None:
    assert check(photos, {"keys": ["x" * (5 << 20)]}).status_code == 413


def test_an_upload_from_elsewhere_is_refused(photos: Console) -> None:
    answer = photos.client.put(f"{PATH}?key=a", content=b"x", headers={"Origin": ORIGIN})
    assert answer.status_code == 403
    assert photos.s3.asked == []
