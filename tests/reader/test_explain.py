"""Explanations: that nothing is left out, and that what is said fits the record."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
from tests.support.conformance import RECORDS

from bucketlog.accesslog import line, vocabulary
from bucketlog.accesslog.record import FIELDS, LogRecord
from bucketlog.problems import Problem
from bucketlog.reader.explain import Explanation, explain
from bucketlog.s3.operations import OPERATIONS


def line_named(name: str) -> Explanation:
    """A line of the conformance set, explained."""
    return explain(RECORDS[name].data)


def explained(**values: Any) -> Explanation:
    """The explanation of an ordinary GET with some values changed."""
    base: dict[str, Any] = {
        "bucket_owner": "5d1f0c6b" * 8,
        "bucket": "harbour-photos",
        "time": 1_773_740_467_000_000_000,
        "remote_ip": "203.0.113.24",
        "requester": "arn:aws:iam::210987654321:user/mira",
        "request_id": "7Q2M9K4T1V8X3Z6B",
        "operation": "REST.GET.OBJECT",
        "key": "boats/heron.jpg",
        "request_uri": "GET /harbour-photos/boats/heron.jpg HTTP/1.1",
        "http_status": 200,
        "bytes_sent": 48213,
        "object_size": 48213,
        "total_time": 31,
        "turn_around_time": 28,
        "user_agent": "gull/1",
        "host_id": "kR3vZ0mQ=",
        "signature_version": "SigV4",
        "cipher_suite": "TLS_AES_128_GCM_SHA256",
        "authentication_type": "AuthHeader",
        "host_header": "s3.eu-north-1.amazonaws.com",
        "tls_version": "TLSv1.3",
    }
    return explain(line.encode(LogRecord(**{**base, **values})))


def meaning(field: str, **values: Any) -> str:
    """What one field of such a record is said to mean."""
    return {each.field.name: each.meaning for each in explained(**values)}[field]


@pytest.mark.parametrize("name", RECORDS)
def test_every_field_of_every_line_is_explained_in_sentences(name: str) -> None:
    fields = RECORDS[name].expected["fields"]
    told = line_named(name)
    assert len(told) == fields + len(RECORDS[name].extra_fields)
    assert [each.field for each in told][:fields] == list(FIELDS[:fields])
    for sentence in (told.summary, *told.remarks, *(each.meaning for each in told)):
        assert re.match(r"[A-Z0-9]", sentence), sentence
        assert sentence.endswith("."), sentence
        assert "  " not in sentence, sentence
        assert "None" not in sentence, sentence
        assert ".." not in sentence.replace("E2QWERTYUIOP12", ""), sentence


def test_a_value_is_shown_as_it_stands_in_the_line() -> None:
    told = {each.field.name: each.value for each in line_named("batch-child")}
    assert told["key"] == "old+nets/a%2Bb+%C3%A5.png"
    assert told["time"] == "17/Mar/2026:09:41:07 +0000"
    assert told["referer"] == "-"


@pytest.mark.parametrize(
    ("name", "story"),
    [
        (
            "era-2026-27-fields",
            "On Tuesday 17 March 2026, 09:41:07 UTC, the IAM user mira of account 210987654321, "
            "from 203.0.113.24, asked for the object boats/heron.jpg in the bucket "
            "harbour-photos. It succeeded: 48,213 bytes (47.1 KiB) were sent in 31 milliseconds.",
        ),
        (
            "denied",
            "On Tuesday 17 March 2026, 09:41:07 UTC, an anonymous caller, from 203.0.113.24, "
            "asked for the object boats/heron.jpg in the bucket harbour-photos. "
            "It was answered 403 (AccessDenied) in 31 milliseconds.",
        ),
        (
            "lifecycle-expire",
            "On Tuesday 17 March 2026, 09:41:07 UTC, S3 itself deleted the object "
            "old nets/%.png by a lifecycle rule in the bucket harbour-photos. "
            "Nobody asked for it at that moment: a rule or a job did it.",
        ),
    ],
)
def test_the_summary_tells_the_story_of_the_record(name: str, story: str) -> None:
    assert line_named(name).summary == story


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"operation": "REST.PUT.OBJECT", "http_status": 403}, "tried to store the object"),
        ({"operation": "REST.GET.BUCKETPOLICY", "key": None}, "called GetBucketPolicy in the"),
        ({"operation": "REST.PUT.ACL"}, "called PutObjectAcl for boats/heron.jpg in the"),
        ({"operation": "REST.PATCH.BUCKET", "key": None}, "called REST.PATCH.BUCKET in the"),
        ({"http_status": 304, "bytes_sent": None}, "still current, so nothing had to be sent"),
        ({"http_status": 204, "bytes_sent": None}, "It succeeded in 31 milliseconds."),
        ({"http_status": None, "total_time": None}, "How it ended is not known."),
        ({"http_status": 500, "total_time": None}, "It was answered 500."),
        ({"requester": "5d1f0c6b" * 8}, "the root user of the bucket's account, from"),
        ({"requester": "1c2d3e4f" * 8, "remote_ip": None}, "UTC, another account asked"),
        ({"requester": None, "remote_ip": None}, "UTC, an anonymous caller asked"),
        ({"requester": None, "error_code": "InvalidAccessKeyId"}, "could not prove who they are"),
        ({"requester": "svc:delivery.logs.amazonaws.com"}, "the AWS service delivery.logs"),
    ],
)
def test_the_summary_fits_who_did_it_and_how_it_went(values: dict[str, Any], part: str) -> None:
    assert part in explained(**values).summary


@pytest.mark.parametrize(
    ("field", "values", "part"),
    [
        ("bucket", {"operation": "REST.COPY.OBJECT_GET"}, "copy was read from"),
        ("remote_ip", {"remote_ip": None}, "no client called"),
        ("remote_ip", {"remote_ip": "127.0.0.1"}, "the very machine"),
        ("remote_ip", {"remote_ip": "10.0.0.9"}, "IPv4 address that the request came from, in a"),
        ("remote_ip", {"remote_ip": "2001:db8::1"}, "IPv6 address"),
        ("remote_ip", {"remote_ip": "xx.xx.1.2"}, "as S3 saw it"),
        ("requester", {"requester": None}, "not authenticated: an anonymous request"),
        (
            "requester",
            {"requester": None, "error_code": "SignatureDoesNotMatch"},
            "authentication failed (SignatureDoesNotMatch)",
        ),
        ("requester", {"requester": "AmazonS3"}, "lifecycle rule"),
        ("requester", {"requester": "svc:logging.s3.amazonaws.com"}, "AWS service logging.s3"),
        ("requester", {"requester": "5d1f0c6b" * 8}, "root user's keys"),
        ("requester", {"requester": "1c2d3e4f" * 8}, "another account"),
        ("requester", {"requester": "Anonymous"}, "Who signed"),
        (
            "requester",
            {"requester": "arn:aws:sts::210987654321:assumed-role/Deck/a@b.example,x=2"},
            "The role Deck of account 210987654321, in the session a@b.example,x=2.",
        ),
        (
            "requester",
            {"requester": "arn:aws:sts::210987654321:federated-user/bo"},
            "The federated user bo",
        ),
        ("requester", {"requester": "arn:aws:iam::210987654321:root"}, "The root user of account"),
        ("requester", {"requester": "arn:aws:x::1:thing/bo"}, "Who signed"),
        ("request_id", {"operation": "BATCH.DELETE.OBJECT"}, "one batch delete share it"),
        ("request_id", {"operation": "REST.COPY.OBJECT"}, "one copy share it"),
        ("request_id", {"operation": "S3.COMPUTE.OBJECT.CHECKSUM"}, "batch job"),
        ("operation", {}, "The API action GetObject. REST is the S3 REST API, GET is the HTTP"),
        ("operation", {"operation": "REST.COPY.OBJECT"}, "COPY is a copy (sent as PUT)"),
        ("operation", {"operation": "REST.PATCH.BUCKET"}, "No API action has this combination"),
        ("operation", {"operation": "SOAP.PUT.OBJECT"}, "SOAP is the SOAP API of the early"),
        ("operation", {"operation": "S3.EXPIRE.OBJECT"}, "permanently deleted"),
        ("operation", {"operation": "REST.GET.BUCKET", "key": None}, "action ListObjects."),
        (
            "operation",
            {
                "operation": "REST.GET.BUCKET",
                "key": None,
                "request_uri": "GET /b?list-type=2 HTTP/1.1",
            },
            "action ListObjectsV2.",
        ),
        ("operation", {"operation": "REST.GET.ANALYTICS", "key": None}, " or ListBucketAnalytics"),
        ("key", {"key": None}, "not about one object"),
        ("key", {}, "The object's name."),
        ("key", {"key": "a b"}, "Decoded it is 'a b'"),
        ("request_uri", {"request_uri": None}, "no request from outside"),
        (
            "request_uri",
            {"request_uri": None, "operation": "BATCH.DELETE.OBJECT"},
            "in the record of the request itself",
        ),
        ("request_uri", {"request_uri": "GET / a HTTP/1.1"}, "not well-formed"),
        ("request_uri", {}, "The bucket is named in the path."),
        ("request_uri", {"request_uri": "GET /k?x-crew=1 HTTP/1.1"}, "S3 ignores x-crew"),
        (
            "request_uri",
            {
                "request_uri": "GET /k?X-Amz-Credential=AKID%2F20260317&X-Amz-Date="
                "20260317T094000Z&X-Amz-Expires=900&X-Amz-Signature=0 HTTP/1.1"
            },
            "with access key AKID on 2026-03-17 at 09:40:00 UTC for 15.0 minutes",
        ),
        (
            "request_uri",
            {"request_uri": "GET /k?X-Amz-Signature=0 HTTP/1.1"},
            "presigned; while it is valid",
        ),
        (
            "request_uri",
            {"request_uri": "GET /k?Signature=a&AWSAccessKeyId=b&Expires=1 HTTP/1.1"},
            "with Signature Version 2",
        ),
        ("request_uri", {"request_uri": "GET /k?prefix=a HTTP/1.1"}, "protocol HTTP/1.1."),
        ("http_status", {"http_status": None}, "outcome is not known"),
        ("http_status", {"http_status": None, "operation": "S3.EXPIRE.OBJECT"}, "no HTTP request"),
        ("http_status", {"http_status": 206}, "Partial Content"),
        ("http_status", {"http_status": 304}, "still current"),
        ("http_status", {"http_status": 403}, "Forbidden"),
        ("http_status", {"http_status": 411}, "Length Required."),
        ("http_status", {"http_status": 599}, "The status code of the answer."),
        ("http_status", {"http_status": 204, "operation": "REST.DELETE.OBJECT"}, "nothing of that"),
        ("http_status", {"http_status": 204, "operation": "BATCH.DELETE.OBJECT"}, "doesn't say"),
        ("error_code", {}, "there was no error"),
        ("error_code", {"http_status": 412}, "no error code was noted"),
        ("error_code", {"error_code": "SignatureDoesNotMatch"}, "wrong secret key"),
        ("error_code", {"error_code": "EntityTooSmall"}, "S3 says: Your proposed upload"),
        ("error_code", {"error_code": "TideTooLow"}, "The error code of the answer."),
        ("bytes_sent", {}, "48,213 bytes (47.1 KiB) of body: the whole object."),
        ("bytes_sent", {"bytes_sent": 1, "object_size": 1}, "1 byte of body: the whole"),
        ("bytes_sent", {"bytes_sent": 24}, "0.0 % of the object: the client hung up"),
        (
            "bytes_sent",
            {"bytes_sent": 24106, "http_status": 206},
            "50.0 % of the object: the range",
        ),
        ("bytes_sent", {"object_size": 0}, "more than the object"),
        ("bytes_sent", {"object_size": None}, "the answer's document"),
        ("bytes_sent", {"error_code": "NoSuchKey", "http_status": 404}, "the error document"),
        (
            "bytes_sent",
            {"operation": "REST.HEAD.OBJECT", "http_status": 404},
            "HEAD itself sends no body",
        ),
        ("bytes_sent", {"bytes_sent": None}, "no body was sent."),
        ("bytes_sent", {"bytes_sent": None, "http_status": 304}, "has it already"),
        ("bytes_sent", {"bytes_sent": None, "operation": "REST.HEAD.OBJECT"}, "headers alone"),
        ("bytes_sent", {"bytes_sent": None, "operation": "S3.EXPIRE.OBJECT"}, "no answer to send"),
        ("bytes_sent", {"bytes_sent": None, "operation": "REST.COPY.OBJECT_GET"}, "request itself"),
        ("object_size", {"object_size": None}, "no object's content"),
        ("object_size", {"object_size": None, "key": None}, "not about an object's content"),
        ("object_size", {"object_size": 0}, "0 bytes: an empty object."),
        ("object_size", {"operation": "REST.DELETE.OBJECT"}, "what was deleted"),
        ("object_size", {"operation": "REST.PUT.OBJECT"}, "what was stored"),
        ("object_size", {"object_size": 3 * 2**40}, "(3.0 TiB)"),
        ("total_time", {"total_time": None}, "not known"),
        ("total_time", {"total_time": None, "operation": "S3.EXPIRE.OBJECT"}, "nobody was waiting"),
        ("total_time", {"total_time": 1}, "1 millisecond,"),
        ("total_time", {"total_time": 41_754}, "41.8 seconds"),
        ("total_time", {"total_time": 600_000}, "10.0 minutes"),
        ("turn_around_time", {}, "the other 3 milliseconds"),
        ("turn_around_time", {"total_time": 28}, "to the answer's first byte."),
        ("turn_around_time", {"turn_around_time": None}, "only for some requests"),
        (
            "turn_around_time",
            {"turn_around_time": None, "operation": "S3.EXPIRE.OBJECT"},
            "nobody was waiting",
        ),
        ("referer", {}, "sent no Referer"),
        ("referer", {"operation": "BATCH.DELETE.OBJECT"}, "see the record of the request itself"),
        ("referer", {"referer": "https://pier.example/"}, "as the client claims"),
        ("referer", {"referer": "https://hadoop.apache.org/audit/x"}, "Hadoop's S3A"),
        ("user_agent", {"user_agent": None}, "sent no User-Agent"),
        ("user_agent", {"user_agent": ""}, "empty User-Agent"),
        ("user_agent", {"user_agent": "aws-cli/2.34 md/x"}, "The AWS command line, as"),
        ("user_agent", {"user_agent": "gull/1"}, "The client program"),
        ("version_id", {}, "so the current one was meant"),
        ("version_id", {"key": None}, "no version of an object was named"),
        ("version_id", {"version_id": "v9"}, "that the request named"),
        ("version_id", {"version_id": "v9", "operation": "S3.EXPIRE.OBJECT"}, "S3 acted on"),
        ("host_id", {"host_id": None}, "not known"),
        ("signature_version", {"signature_version": None}, "nothing was authenticated"),
        ("signature_version", {"signature_version": "SigV2"}, "deprecated"),
        ("signature_version", {"signature_version": "SigV4A"}, "authenticated the request"),
        ("cipher_suite", {"cipher_suite": None}, "plain HTTP"),
        (
            "cipher_suite",
            {"cipher_suite": None, "operation": "S3.EXPIRE.OBJECT"},
            "no connection was involved",
        ),
        ("authentication_type", {"authentication_type": None}, "not authenticated"),
        ("authentication_type", {"authentication_type": "QueryString"}, "a presigned URL"),
        ("authentication_type", {"authentication_type": "Carrier"}, "Where the signature was"),
        ("host_header", {"host_header": None}, "no Host header"),
        ("host_header", {}, "The endpoint that the client connected to."),
        ("host_header", {"host_header": "harbour-photos.s3.dualstack.x"}, "virtual-hosted style"),
        ("host_header", {"host_header": "a.mrap.accesspoint.s3-global.x"}, "Multi-Region"),
        ("host_header", {"host_header": "b.s3-website-eu-north-1.x"}, "website endpoint"),
        ("host_header", {"host_header": "bucket.vpce-1.s3.x"}, "private network (VPC)"),
        ("host_header", {"host_header": "harbour-photos.s3-accelerate.x"}, "accelerated"),
        (
            "host_header",
            {
                "host_header": "tide-210987654321.s3-accesspoint.x",
                "access_point_arn": "arn:aws:s3:eu-north-1:210987654321:accesspoint/tide",
            },
            "endpoint of an access point",
        ),
        ("tls_version", {"tls_version": None}, "plain HTTP"),
        ("tls_version", {"tls_version": "TLSv1.1"}, "outdated"),
        ("access_point_arn", {"access_point_arn": "arn:aws:s3:a:1:accesspoint/t"}, "came through"),
        ("acl_required", {}, "no access control list (ACL) was needed"),
        ("acl_required", {"acl_required": True}, "An access control list (ACL) decided"),
        ("source_region", {}, "not one of AWS's"),
        ("source_region", {"operation": "S3.EXPIRE.OBJECT"}, "no client was involved"),
        ("source_region", {"source_region": "eu-north-1"}, "came from"),
    ],
)
def test_a_field_is_explained_by_what_it_means_in_this_record(
    field: str, values: dict[str, Any], part: str
) -> None:
    assert part in meaning(field, **values)


def test_a_line_without_a_time_is_no_record() -> None:
    text = line.encode(LogRecord(bucket="b"))
    with pytest.raises(Problem):
        explain(text)


def test_an_ordinary_line_needs_no_remark() -> None:
    assert line_named("era-2026-27-fields").remarks == ()


@pytest.mark.parametrize("name", ["forged-user-agent", "forged-block-in-referer"])
def test_a_line_that_may_be_forged_says_so_first(name: str) -> None:
    assert "can be read in more than one way" in line_named(name).remarks[0]


def test_a_quote_from_the_client_is_remarked() -> None:
    assert "double quote" in line_named("quote-ends-referer").remarks[0]


def test_replaced_bytes_are_remarked() -> None:
    assert "not UTF-8" in line_named("bytes-not-utf-8").remarks[0]


def test_a_shorter_record_says_which_fields_came_later() -> None:
    assert line_named("era-2023-26-fields").remarks == (
        "This record has 26 fields, as Amazon wrote them between 2022 and the start of 2026; "
        "Source region came later.",
    )
    assert (
        "Access Point ARN, aclRequired and Source region came later."
        in (line_named("era-2019-24-fields").remarks[0])
    )


def test_fields_nobody_knows_are_shown_and_numbered() -> None:
    last = list(line_named("era-2029-29-fields"))[-2:]
    assert [(each.field.title, each.value) for each in last] == [
        ("Field 28", "kelp"),
        ("Field 29", "-"),
    ]


def test_what_is_no_record_is_a_problem_that_says_why() -> None:
    with pytest.raises(Problem, match="no owner, bucket, time and operation") as caught:
        explain(b'{"eventName": "GetObject"}')
    assert caught.value.hint


def test_every_operation_of_the_table_is_explained_by_its_own_name() -> None:
    for row in OPERATIONS:
        if row.level == "service":  # in no bucket's log
            continue
        names = vocabulary.actions(row.log_name, has_key=row.level == "object")
        if row.routed_as is None:
            assert row.name in names


def test_an_error_code_is_told_in_s3s_words() -> None:
    assert vocabulary.message("SlowDown") == "Please reduce your request rate."
    assert vocabulary.message("TideTooLow") is None


def test_it_can_be_imported_without_arrow_or_a_server() -> None:
    code = (
        "import sys, bucketlog.reader.explain;"
        "print(sorted({'pyarrow', 'duckdb', 'asyncio', 'sqlalchemy'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
