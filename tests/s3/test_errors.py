"""Table 2 and the one place that makes an answer of an error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from botocore.parsers import RestXMLParser
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.s3 import errors
from bucketlog.s3.errors import ERRORS, S3Error
from bucketlog.s3.model import Reply

SOURCE = Path(__file__).parents[2] / "src"


def reply(error: S3Error) -> Reply:
    return errors.reply(error, resource="/b/k", request_id="REQ", host_id="HOST")


def as_client(answer: Reply) -> dict[str, Any]:
    """The Error that botocore makes of it."""
    assert isinstance(answer.body, bytes)
    response = {"status_code": answer.status, "headers": answer.headers, "body": answer.body}
    found: dict[str, Any] = RestXMLParser().parse(response, None)
    error: dict[str, Any] = found["Error"]
    return error


def test_every_code_that_is_raised_anywhere_is_in_the_table() -> None:
    raised = {
        (str(path.relative_to(SOURCE)), code)
        for path in SOURCE.rglob("*.py")
        for code in re.findall(r"\bS3Error\(\s*\"([^\"]+)\"", path.read_text())
    }
    assert len(raised) > 10
    assert {(path, code) for path, code in raised if code not in ERRORS} == set()


@pytest.mark.parametrize("row", ERRORS.values(), ids=lambda row: row.code)
def test_a_row_has_a_code_a_status_of_an_error_and_words(row: errors.ErrorCode) -> None:
    assert re.fullmatch(r"[A-Z][A-Za-z0-9.]+", row.code)
    assert 300 <= row.status <= 503
    assert row.message
    assert "\n" not in row.message
    assert "  " not in row.message.replace(".  ", ". ")


@pytest.mark.parametrize(
    ("code", "status", "message"),
    [
        ("AccessDenied", 403, "Access Denied"),
        ("NoSuchKey", 404, "The specified key does not exist."),
        ("NoSuchBucket", 404, "The specified bucket does not exist"),
        ("BucketAlreadyOwnedByYou", 409, None),
        ("BucketNotEmpty", 409, "The bucket you tried to delete is not empty"),
        ("InvalidRange", 416, "The requested range is not satisfiable"),
        (
            "PreconditionFailed",
            412,
            "At least one of the pre-conditions you specified did not hold",
        ),
        (
            "NotImplemented",
            501,
            "A header you provided implies functionality that is not implemented",
        ),
        ("SlowDown", 503, "Please reduce your request rate."),
        ("MissingContentLength", 411, None),
        ("MethodNotAllowed", 405, "The specified method is not allowed against this resource."),
        ("CrossLocationLoggingProhibitted", 403, "Cross S3 location logging not allowed. "),
        ("OwnershipControlsNotFoundError", 404, "The bucket ownership controls were not found"),
        ("ConditionalRequestConflict", 409, None),
        ("PermanentRedirect", 301, None),
        ("InternalError", 500, "We encountered an internal error. Please try again."),
    ],
)
def test_a_code_answers_as_amazon_does(code: str, status: int, message: str | None) -> None:
    assert S3Error(code).status == status
    assert message is None or S3Error(code).text == message


def test_a_message_given_replaces_the_rows() -> None:
    error = S3Error("InvalidTargetBucketForLogging", "Own words", TargetBucket="t")
    assert (error.text, str(error)) == ("Own words", "InvalidTargetBucketForLogging: Own words")


def test_an_unknown_code_is_an_internal_error_and_breaks_nothing() -> None:
    error = S3Error("NoSuchCodeAtAll")
    assert (error.status, error.text) == (500, ERRORS["InternalError"].message)
    assert as_client(reply(error))["Code"] == "NoSuchCodeAtAll"


def test_an_error_is_a_document_with_details_in_order() -> None:
    answer = reply(S3Error("KeyTooLongError", Size="1025", MaxSizeAllowed="1024"))
    assert answer.status == 400
    assert answer.headers == {"Content-Type": "application/xml"}
    assert answer.facts.error_code == "KeyTooLongError"
    assert answer.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b"<Error><Code>KeyTooLongError</Code><Message>Your key is too long</Message>"
        b"<Size>1025</Size><MaxSizeAllowed>1024</MaxSizeAllowed><Resource>/b/k</Resource>"
        b"<RequestId>REQ</RequestId><HostId>HOST</HostId></Error>"
    )


def test_a_resource_given_as_a_detail_is_told_once() -> None:
    body = reply(S3Error("AccessDenied", Resource="/other")).body
    assert isinstance(body, bytes)
    assert body.count(b"<Resource>") == 1
    assert b"<Resource>/other</Resource>" in body


def test_some_codes_say_more_in_headers() -> None:
    found = reply(S3Error("MethodNotAllowed", Method="PATCH", ResourceType="OBJECT", Allow="GET"))
    assert found.headers["Allow"] == "GET"
    assert isinstance(found.body, bytes)
    assert b"<Allow>" not in found.body
    assert reply(S3Error("SlowDown")).headers["Retry-After"] == "1"
    ranged = reply(S3Error("InvalidRange", RangeRequested="bytes=9-", ActualObjectSize="5"))
    assert ranged.headers["Content-Range"] == "bytes */5"
    assert "Content-Range" not in reply(S3Error("InvalidRange")).headers


def test_not_modified_has_no_document_and_no_error_code_in_the_log() -> None:
    answer = reply(S3Error("NotModified", **{"ETag": '"e"', "Last-Modified": "then"}))
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers == {"ETag": '"e"', "Last-Modified": "then"}
    assert answer.facts.error_code is None


@given(st.text(st.characters(exclude_categories=())))
def test_a_client_can_read_the_code_whatever_the_key(key: str) -> None:
    error = as_client(reply(S3Error("NoSuchKey", Key=key)))
    assert error["Code"] == "NoSuchKey"
    odd = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
    assert (error["Key"] or "") == odd.sub("\ufffd", key)
