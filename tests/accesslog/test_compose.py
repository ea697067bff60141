"""What a request's records hold: by the tables of Amazon's page and the lines Amazon writes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.accesslog import compose, line
from bucketlog.accesslog.exchange import Exchange, Timing, Tls
from bucketlog.accesslog.record import LogRecord
from bucketlog.s3 import acl
from bucketlog.s3.model import (
    ANONYMOUS,
    Bucket,
    Caller,
    Decision,
    Deleted,
    Facts,
    Owner,
    Request,
    Route,
    Source,
)
from bucketlog.s3.operations import OPERATIONS, Operation

MS = 1_000_000
OWNER = Owner("210987654321", "5d1f0c6b" * 8, "harbour")
CALLER = Caller(
    OWNER, "arn:aws:iam::210987654321:user/mira", None, "AKIDEXAMPLE", "SigV4", "AuthHeader"
)
BUCKET = Bucket("harbour-photos", "eu-north-1", OWNER, 0, acl.private(OWNER))
OTHER = Bucket("old-photos", "eu-north-1", OWNER, 0, acl.private(OWNER))
BY_LOG_NAME: dict[str, Operation] = {row.log_name: row for row in OPERATIONS}


def exchange(
    operation: str = "REST.GET.OBJECT", key: str | None = "a.jpg", **over: Any
) -> Exchange:
    """A signed request for `a.jpg` over TLS that was answered in 7 ms; then what is changed."""
    row = BY_LOG_NAME[operation]
    values: dict[str, Any] = {
        "request": Request(
            row.method,
            "/harbour-photos/a.jpg",
            "HTTP/1.1",
            {"host": "s3.example:9000", "user-agent": "gull/1", "referer": "https://pier.example/"},
        ),
        "timing": Timing(1_773_740_467_500_000_000, MS, 2 * MS, 5 * MS, 8 * MS),
        "request_id": "7Q2M9K4T1V8X3Z6B",
        "host_id": "kR3vZ0mQ=",
        "remote_ip": "203.0.113.24",
        "tls": Tls("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
        "route": Route(row, "harbour-photos", key),
        "bucket": BUCKET,
        "caller": CALLER,
        "decision": Decision(True),
        "status": 200,
        "bytes_sent": 1024,
        "facts": Facts(object_size=1024),
    }
    return Exchange(**{**values, **over})


def only(given: Exchange) -> LogRecord:
    """The one record of an exchange."""
    found = compose.records(given)
    assert len(found) == 1
    return found[0]


def test_a_plain_get_fills_every_field_that_was_observed() -> None:
    assert only(exchange()) == LogRecord(
        bucket_owner="5d1f0c6b" * 8,
        bucket="harbour-photos",
        time=1_773_740_467_500_000_000,
        remote_ip="203.0.113.24",
        requester="arn:aws:iam::210987654321:user/mira",
        request_id="7Q2M9K4T1V8X3Z6B",
        operation="REST.GET.OBJECT",
        key="a.jpg",
        request_uri="GET /harbour-photos/a.jpg HTTP/1.1",
        http_status=200,
        bytes_sent=1024,
        object_size=1024,
        total_time=7,
        turn_around_time=3,
        referer="https://pier.example/",
        user_agent="gull/1",
        host_id="kR3vZ0mQ=",
        signature_version="SigV4",
        cipher_suite="TLS_AES_128_GCM_SHA256",
        authentication_type="AuthHeader",
        host_header="s3.example:9000",
        tls_version="TLSv1.3",
    )


# Operation, status, bytes really sent, size the backend knows; then the numbers of the record.
NUMBERS = [
    ("REST.GET.OBJECT", 200, 1024, 1024, (200, 1024, 1024, 7, 3)),
    ("REST.GET.OBJECT", 206, 100, 1024, (206, 100, 1024, 7, 3)),
    ("REST.GET.OBJECT", 200, 0, 0, (200, None, 0, 7, 3)),
    ("REST.GET.OBJECT", 304, 0, 1024, (304, None, 1024, 7, None)),
    ("REST.GET.OBJECT", 404, 272, None, (404, 272, None, 7, None)),
    ("REST.GET.OBJECT", 403, 243, 1024, (403, 243, None, 7, None)),
    ("REST.GET.OBJECT", 416, 300, 1024, (416, 300, 1024, 7, None)),
    ("REST.HEAD.OBJECT", 200, 0, 1024, (200, None, 1024, 7, None)),
    ("REST.HEAD.OBJECT", 404, 0, None, (404, None, None, 7, None)),
    ("REST.PUT.OBJECT", 200, 0, 1024, (200, None, 1024, 7, 3)),
    ("REST.DELETE.OBJECT", 204, 0, 1024, (204, None, 1024, 7, None)),
    ("REST.DELETE.OBJECT", 204, 0, None, (204, None, None, 7, None)),
    ("REST.COPY.OBJECT", 200, 234, 1024, (200, 234, 1024, 7, 3)),
    ("REST.PUT.PART", 200, 0, 1024, (200, None, 1024, 7, 3)),
    ("REST.DELETE.UPLOAD", 204, 0, None, (204, None, None, 7, 3)),
    ("REST.POST.MULTI_OBJECT_DELETE", 200, 116, None, (200, 116, None, 7, None)),
    ("REST.GET.BUCKET", 200, 434, None, (200, 434, None, 7, 3)),
    ("REST.GET.BUCKET", 200, 434, 99, (200, 434, None, 7, 3)),
    ("REST.GET.UPLOADS", 200, 1169, None, (200, 1169, None, 7, 3)),
    ("REST.GET.ACL", 200, 500, None, (200, 500, None, 7, None)),
    ("REST.GET.BUCKETPOLICY", 404, 297, None, (404, 297, None, 7, None)),
    ("REST.OPTIONS.PREFLIGHT", 200, 0, None, (200, None, None, 7, None)),
]


@pytest.mark.parametrize(("operation", "status", "sent", "size", "numbers"), NUMBERS)
def test_each_kind_of_request_shows_the_numbers_that_amazon_shows(
    operation: str, status: int, sent: int, size: int | None, numbers: tuple[int | None, ...]
) -> None:
    key = "a.jpg" if BY_LOG_NAME[operation].level == "object" else None
    record = only(
        exchange(operation, key, status=status, bytes_sent=sent, facts=Facts(object_size=size))
    )
    assert (
        record.http_status,
        record.bytes_sent,
        record.object_size,
        record.total_time,
        record.turn_around_time,
    ) == numbers


def test_a_failed_signature_leaves_requester_and_authentication_unknown() -> None:
    record = only(
        exchange(
            caller=None, decision=None, status=403, facts=Facts(error_code="SignatureDoesNotMatch")
        )
    )
    assert record.requester is None
    assert record.signature_version is None
    assert record.authentication_type is None
    assert record.error_code == "SignatureDoesNotMatch"


def test_an_anonymous_request_over_plain_http_has_neither_requester_nor_tls() -> None:
    record = only(exchange(caller=ANONYMOUS, tls=None, remote_ip=None))
    assert (record.requester, record.signature_version) == (None, None)
    assert (record.cipher_suite, record.tls_version, record.remote_ip) == (None, None, None)


def test_the_error_that_was_answered_counts_before_the_backends() -> None:
    record = only(exchange(error_code="SlowDown", facts=Facts(error_code="NoSuchKey")))
    assert record.error_code == "SlowDown"


def test_the_version_is_the_one_the_request_named() -> None:
    route = Route(BY_LOG_NAME["REST.GET.OBJECT"], "harbour-photos", "a.jpg", version_id="v9")
    assert only(exchange(route=route)).version_id == "v9"


def test_acl_required_is_yes_only_where_an_acl_decided() -> None:
    assert only(exchange(decision=Decision(True, acl_required=True))).acl_required is True
    assert only(exchange(decision=Decision(True))).acl_required is None


def test_an_intent_shows_what_is_known_before_the_outcome() -> None:
    intent = exchange(
        "REST.PUT.OBJECT",
        status=None,
        bytes_sent=None,
        facts=None,
        timing=Timing(1_773_740_467_500_000_000, MS, 2 * MS),
    )
    record = only(intent)
    assert (record.key, record.requester) == ("a.jpg", CALLER.user_arn)
    unknown = (record.http_status, record.error_code, record.bytes_sent, record.object_size)
    assert unknown == (None,) * 4
    assert (record.total_time, record.turn_around_time) == (None, None)
    decoded = line.decode(compose.lines(intent)[0][1])
    assert decoded.record is not None
    assert decoded.record.http_status is None


@pytest.mark.parametrize(
    ("operation", "source_operation"),
    [
        ("REST.COPY.OBJECT", "REST.COPY.OBJECT_GET"),
        ("REST.COPY.PART", "REST.COPY.PART_GET"),
    ],
)
def test_a_copy_is_recorded_in_both_buckets_under_one_request_id(
    operation: str, source_operation: str
) -> None:
    copy = exchange(
        operation,
        route=Route(
            BY_LOG_NAME[operation],
            "harbour-photos",
            "new.jpg",
            source=Source("old-photos", "old.jpg", "v3"),
        ),
        source_bucket=OTHER,
        source_acl_required=True,
        bytes_sent=234,
        facts=Facts(object_size=11, source_size=22),
    )
    written, read = compose.records(copy)
    assert (written.bucket, written.operation, written.key) == (
        "harbour-photos",
        operation,
        "new.jpg",
    )
    assert (written.object_size, written.version_id, written.acl_required) == (11, None, None)
    assert read == LogRecord(
        bucket_owner=OWNER.canonical_id,
        bucket="old-photos",
        time=written.time,
        remote_ip=written.remote_ip,
        requester=written.requester,
        request_id=written.request_id,
        operation=source_operation,
        key="old.jpg",
        http_status=200,
        object_size=22,
        version_id="v3",
        host_id=written.host_id,
        signature_version="SigV4",
        cipher_suite="TLS_AES_128_GCM_SHA256",
        authentication_type="AuthHeader",
        host_header="s3.example:9000",
        tls_version="TLSv1.3",
        acl_required=True,
    )


def test_a_copy_into_no_known_bucket_is_still_recorded_at_its_source() -> None:
    route = Route(
        BY_LOG_NAME["REST.COPY.OBJECT"], "nowhere", "k", source=Source("old-photos", "old.jpg")
    )
    copy = exchange(route=route, bucket=None, source_bucket=OTHER, facts=None, status=404)
    assert [record.bucket for record in compose.records(copy)] == ["old-photos"]


def test_a_batch_delete_is_one_record_and_one_for_each_key() -> None:
    batch = exchange(
        "REST.POST.MULTI_OBJECT_DELETE",
        None,
        bytes_sent=512,
        facts=Facts(
            deleted=(
                Deleted("a b.jpg", object_size=7),
                Deleted("gone.jpg"),
                Deleted("kept.jpg", "v1", 403, "AccessDenied"),
                Deleted("shared.jpg", acl_required=True),
            )
        ),
    )
    parent, *children = compose.records(batch)
    assert (parent.operation, parent.key, parent.bytes_sent) == (
        "REST.POST.MULTI_OBJECT_DELETE",
        None,
        512,
    )
    assert {child.request_id for child in children} == {parent.request_id}
    assert {child.host_id for child in children} == {parent.host_id}
    assert [
        (child.operation, child.key, child.http_status, child.error_code, child.object_size)
        for child in children
    ] == [
        ("BATCH.DELETE.OBJECT", "a b.jpg", 204, None, 7),
        ("BATCH.DELETE.OBJECT", "gone.jpg", 204, None, None),
        ("BATCH.DELETE.OBJECT", "kept.jpg", 403, "AccessDenied", None),
        ("BATCH.DELETE.OBJECT", "shared.jpg", 204, None, None),
    ]
    assert [child.acl_required for child in children] == [None, None, None, True]
    assert children[2].version_id == "v1"
    for child in children:
        assert (child.total_time, child.turn_around_time, child.bytes_sent) == (None,) * 3
        assert (child.request_uri, child.referer, child.user_agent) == (None,) * 3
    assert b"a+b.jpg - 204 - - 7 - - - - - kR3vZ0mQ= SigV4 " in compose.lines(batch)[1][1]


def test_the_keys_of_a_batch_delete_whose_outcome_is_unknown_have_no_status() -> None:
    batch = exchange(
        "REST.POST.MULTI_OBJECT_DELETE", None, status=None, facts=Facts(deleted=(Deleted("a"),))
    )
    assert [record.http_status for record in compose.records(batch)] == [None, None]


def test_a_request_to_no_known_bucket_is_in_no_log() -> None:
    assert compose.records(exchange(bucket=None)) == []
    assert compose.lines(exchange(bucket=None)) == []
    assert compose.lines(exchange(route=None)) == []


def test_each_line_comes_with_the_bucket_whose_log_it_belongs_to() -> None:
    [(bucket, text)] = compose.lines(exchange())
    assert bucket == "harbour-photos"
    assert text.startswith(b"5d1f0c6b")
    assert text.split()[1] == b"harbour-photos"


# ── the fast lines against the slow ones ────────────────────────────────────────────────────────

words = st.one_of(st.text(max_size=30), st.text(alphabet='a -"\\%\n\xff', max_size=20))
maybe = st.none() | words
sizes = st.none() | st.integers(0, 2**40)
codes = st.sampled_from([None, "AccessDenied", "NoSuchKey"])  # never a client's own text
marks = st.none() | st.integers(1, 10**10)
ids = st.text("0123456789ABCDEFabcxyz+/=", min_size=1, max_size=20)  # the server's own


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    """Any exchange at all: hostile text everywhere, and any part of it missing."""
    copies_or_any = ["REST.COPY.OBJECT", "REST.COPY.PART"], sorted(BY_LOG_NAME)
    operation = BY_LOG_NAME[draw(st.sampled_from(draw(st.sampled_from(copies_or_any))))]
    copies = operation.log_name.startswith("REST.COPY.")
    source = Source(draw(words), draw(words), draw(maybe)) if copies else None
    deleted = st.builds(Deleted, words, maybe, st.integers(200, 599), codes, sizes, st.booleans())
    facts = st.builds(Facts, sizes, sizes, codes, st.lists(deleted, max_size=3).map(tuple))
    owner = Owner(draw(words), draw(words), draw(words))
    bucket = Bucket(draw(words), draw(words), owner, 0, acl.private(OWNER))
    headers = st.fixed_dictionaries(
        {}, optional={"host": words, "referer": words, "user-agent": words}
    )
    signed = st.sampled_from([None, "SigV4"])  # nor is this
    callers = st.builds(Caller, st.none() | st.just(owner), maybe, maybe, maybe, signed, maybe)
    return Exchange(
        request=Request(draw(words), draw(words), draw(words), draw(headers)),
        timing=Timing(draw(st.integers(0, 4 * 10**18)), 1, draw(marks), draw(marks), draw(marks)),
        request_id=draw(ids),
        host_id=draw(st.none() | ids),
        remote_ip=draw(maybe),
        tls=draw(st.none() | st.builds(Tls, words, words)),
        route=draw(st.none())
        if draw(st.integers(0, 9)) == 0
        else Route(operation, draw(maybe), draw(maybe), draw(maybe), source=source),
        bucket=draw(st.sampled_from([bucket, None])),
        source_bucket=draw(st.sampled_from([OTHER, None])) if copies else None,
        caller=draw(st.none() | callers),
        decision=draw(st.none() | st.builds(Decision, st.booleans(), st.booleans())),
        source_acl_required=draw(st.booleans()),
        status=draw(st.none() | st.integers(100, 599)),
        error_code=draw(codes),
        bytes_sent=draw(sizes),
        facts=draw(st.none() | facts),
        source_region=draw(maybe),
    )


@given(exchanges(), st.sampled_from([18, 24, 25, 26, 27]), st.sampled_from(["safe", "amazon"]))
def test_the_fast_lines_are_the_slow_lines(
    given: Exchange, fields: int, quoting: line.Quoting
) -> None:
    expected = [
        (record.bucket, line.encode(record, quoting=quoting, fields=fields))
        for record in compose.records(given)
    ]
    assert compose.lines(given, fields=fields, quoting=quoting) == expected


@pytest.mark.parametrize(
    "odd",
    [
        {"bytes_sent": 2**64},
        {"request": Request("GET", "/a\ud800", "HTTP/1.1", {})},
        {"request": Request("GET", "/a", "HTTP/1.1", {"user-agent": "\udfff"})},
    ],
)
def test_what_the_kernel_cannot_hold_is_written_the_slow_way(odd: dict[str, Any]) -> None:
    given = exchange(**odd)
    [record] = compose.records(given)
    assert compose.lines(given) == [(record.bucket, line.encode(record))]


@given(exchanges())
def test_whatever_a_client_sends_each_record_is_one_line_that_reads_one_way(
    given: Exchange,
) -> None:
    for _, text in compose.lines(given):
        assert text.count(b"\n") == 1
        assert text[:-1].decode("ascii").isprintable()
        assert text.count(b'"') in (0, 6)
        decoded = line.decode(text)
        assert decoded.record is not None
        assert not decoded.ambiguous
        assert len(decoded.texts) + len(decoded.extra_fields) == 27
