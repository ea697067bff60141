"""What each report answers: lines with known answers."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.records import ALICE, BATCH, BOB, COPY, LIFECYCLE, ROLE, ask, pick, row

from bucketlog.lake import reports
from bucketlog.lake.reports import Filters

# ── who-changed ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("operation", "change"),
    [
        ("REST.PUT.OBJECT", "written"),
        ("REST.POST.OBJECT", "written"),
        ("SOAP.PUT.OBJECT", "written"),
        ("REST.POST.UPLOAD", "written in parts"),
        ("REST.COPY.OBJECT", "written by a copy"),
        ("REST.DELETE.OBJECT", "deleted"),
        ("BATCH.DELETE.OBJECT", "deleted, in a batch"),
        ("S3.EXPIRE.OBJECT", "expired by lifecycle"),
        ("S3.CREATE.DELETEMARKER", "delete marker by lifecycle"),
        ("S3.TRANSITION.OBJECT", "moved by lifecycle"),
        ("S3.TRANSITION_GDA.OBJECT", "moved by lifecycle"),
        ("REST.PUT.ACL", "ACL"),
        ("REST.PUT.OBJECT_TAGGING", "tags"),
        ("REST.DELETE.OBJECT_TAGGING", "tags"),
        ("REST.PUT.OBJECT_LOCK_RETENTION", "retention"),
        ("REST.PUT.OBJECT_LOCK_LEGALHOLD", "legal hold"),
        ("REST.PUT.LEGAL_HOLD", "legal hold"),
        ("REST.POST.RESTORE", "restored"),
        ("REST.PUT.SOMETHING_NEW", "rest.put.something_new"),
    ],
)
def test_what_changes_a_key_is_told(operation: str, change: str) -> None:
    assert pick(ask("who-changed", [row(operation)]), "change", "key") == [(change, "cat.jpg")]


@pytest.mark.parametrize(
    "operation",
    [
        "REST.GET.OBJECT",
        "REST.HEAD.OBJECT",
        "REST.GET.ACL",
        "WEBSITE.GET.OBJECT",
        "REST.OPTIONS.PREFLIGHT",
        "REST.COPY.OBJECT_GET",
        "REST.COPY.PART_GET",
        "REST.COPY.PART",
        "REST.PUT.PART",
        "REST.POST.UPLOADS",
        "REST.DELETE.UPLOAD",
        "REST.POST.SELECT",
        "S3.DELETE.UPLOAD",
        "S3.COMPUTE.OBJECT.CHECKSUM",
        "REST.POST.MULTI_OBJECT_DELETE",
    ],
)
def test_what_changes_no_key_is_left_out(operation: str) -> None:
    assert ask("who-changed", [row(operation)]) == []


def test_a_change_of_a_buckets_configuration_is_none_of_a_key() -> None:
    assert ask("who-changed", [row("REST.PUT.ACL", None), row("REST.PUT.BUCKET", None)]) == []


def test_each_key_of_a_batch_has_an_outcome_of_its_own() -> None:
    rows = ask("who-changed", BATCH)
    assert sorted(pick(rows, "key", "outcome", "http_status", "object_size")) == [
        ("a b.jpg", "done", 204, 5),
        ("gone.jpg", "done", 204, None),
        ("kept.jpg", "refused", 403, None),
    ]
    assert {each["request_id"] for each in rows} == {"B1"}


def test_a_batch_that_was_refused_whole_is_told_itself() -> None:
    rows = ask("who-changed", [row("REST.POST.MULTI_OBJECT_DELETE", None, http_status=403)])
    assert pick(rows, "change", "key", "outcome") == [("batch delete", None, "refused")]


def test_lifecycle_changes_are_by_amazon_and_done_without_status() -> None:
    rows = ask("who-changed", LIFECYCLE)
    assert pick(rows, "key", "who", "remote_ip", "outcome", "http_status") == [
        ("big.log", "AmazonS3", None, "done", None),
        ("older.log", "AmazonS3", None, "done", None),
        ("old.log", "AmazonS3", None, "done", None),
    ]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "done"),
        (204, "done"),
        (307, "failed"),
        (401, "refused"),
        (403, "refused"),
        (404, "failed"),
        (503, "failed"),
        (None, "unknown"),
    ],
)
def test_the_outcome_follows_from_the_status(status: int | None, outcome: str) -> None:
    rows = ask("who-changed", [row("REST.DELETE.OBJECT", http_status=status)])
    assert pick(rows, "outcome") == [(outcome,)]


def test_the_newest_change_comes_first_and_later_lines_before_earlier() -> None:
    lines = [
        row("REST.PUT.OBJECT", "1", "2026-03-01T12:00:00"),
        row("REST.DELETE.OBJECT", "2", "2026-03-01T12:00:01", requester=None),
        row("REST.PUT.OBJECT", "3", "2026-03-01T12:00:00", requester=BOB),
    ]
    rows = ask("who-changed", lines)
    assert pick(rows, "key", "who") == [("2", "anonymous"), ("3", BOB), ("1", ALICE)]


# ── principal-activity ──────────────────────────────────────────────────────────────────────────


def test_all_that_a_principal_did_counts_every_record() -> None:
    rows = ask("principal-activity", [*BATCH, *COPY, *LIFECYCLE[:1]])
    assert pick(rows, "who", "bucket", "operation", "records", "refused", "keys") == [
        (ALICE, "photos", "BATCH.DELETE.OBJECT", 3, 1, 3),
        ("AmazonS3", "photos", "S3.EXPIRE.OBJECT", 1, 0, 1),
        (ALICE, "attic", "REST.COPY.OBJECT_GET", 1, 0, 1),
        (ALICE, "photos", "REST.COPY.OBJECT", 1, 0, 1),
        (ALICE, "photos", "REST.POST.MULTI_OBJECT_DELETE", 1, 0, 0),
    ]


def test_refused_and_failed_are_apart_and_no_head_sends_bytes() -> None:
    lines = [
        row("REST.HEAD.OBJECT", http_status=404, bytes_sent=311),
        row("REST.HEAD.OBJECT", http_status=403, bytes_sent=243, remote_ip="192.0.2.2"),
        row("REST.HEAD.OBJECT", http_status=200, object_size=10**9),
    ]
    rows = ask("principal-activity", lines)
    assert pick(rows, "records", "refused", "failed", "addresses", "bytes_sent") == [
        (3, 1, 1, 2, 0)
    ]


# ── anonymous-access ────────────────────────────────────────────────────────────────────────────


def test_anonymous_is_who_sent_no_signature() -> None:
    bad = {"requester": None, "http_status": 403}
    lines = [
        row(requester=None, bytes_sent=100),
        row(requester=None, bytes_sent=50, http_status=206, key="dog.jpg"),
        row(requester=None, http_status=403, error_code="AccessDenied", bytes_sent=243),
        row(requester=None, http_status=404, bytes_sent=300, remote_ip="192.0.2.9"),
        row("WEBSITE.GET.OBJECT", "index.html", requester=None, bytes_sent=7),
        row("REST.HEAD.OBJECT", requester=None, http_status=403, bytes_sent=243),
        # Not anonymous:
        row(),
        row("S3.EXPIRE.OBJECT"),
        row(requester="svc:delivery.logs.amazonaws.com", remote_ip=None),
        row(**bad, error_code="SignatureDoesNotMatch", signature_version="SigV4"),
        row(**bad, error_code="InvalidAccessKeyId", fields=18),
        row(**bad, request_uri="GET /cat.jpg?X-Amz-Signature=00 HTTP/1.1"),
    ]
    names = ("operation", "answered", "refused", "failed", "keys", "addresses", "bytes_sent")
    assert pick(ask("anonymous-access", lines), *names) == [
        ("REST.GET.OBJECT", 2, 1, 1, 2, 2, 693),
        ("WEBSITE.GET.OBJECT", 1, 0, 0, 1, 1, 7),
        ("REST.HEAD.OBJECT", 0, 1, 0, 1, 1, 0),
    ]


# ── failed-access ───────────────────────────────────────────────────────────────────────────────


def test_failed_access_is_by_principal_and_address_and_tells_refusal_from_absence() -> None:
    lines = [
        row(http_status=403, error_code="AccessDenied"),
        row(http_status=403, error_code="AccessDenied", key="secret"),
        row(http_status=404, error_code="NoSuchKey", bucket="attic"),
        row(http_status=405, error_code="MethodNotAllowed"),
        row(http_status=404, remote_ip="192.0.2.2"),
        row(requester=None, http_status=403, error_code="InvalidAccessKeyId"),
        row(http_status=304),
        row(http_status=503),
        row(http_status=None),
        BATCH[3],
        *LIFECYCLE,
    ]
    names = ("who", "remote_ip", "refused", "not_found", "other", "keys", "buckets", "error_codes")
    assert pick(ask("failed-access", lines), *names) == [
        (ALICE, "192.0.2.1", 3, 1, 1, 3, 2, "AccessDenied, MethodNotAllowed, NoSuchKey"),
        ("not authenticated", "192.0.2.1", 1, 0, 0, 1, 1, "InvalidAccessKeyId"),
        (ALICE, "192.0.2.2", 0, 1, 0, 1, 1, None),
    ]


# ── top-keys ────────────────────────────────────────────────────────────────────────────────────


def test_downloads_are_whole_or_ranges_and_those_cut_short_are_told() -> None:
    lines = [
        row(bytes_sent=10, object_size=10),
        row(bytes_sent=4, object_size=10),
        row(bytes_sent=None, object_size=10),
        row(http_status=206, bytes_sent=3, object_size=10),
        row(bytes_sent=None, object_size=0),
        row(http_status=304, object_size=10),
        row(http_status=404, bytes_sent=300),
        row("REST.HEAD.OBJECT", object_size=10, bytes_sent=None),
        row("REST.HEAD.OBJECT", http_status=404, bytes_sent=311),
        row("WEBSITE.GET.OBJECT", bytes_sent=10, object_size=10, requester=None),
    ]
    names = ("key", "requests", "downloads", "cut_short", "errors", "bytes_sent")
    assert pick(ask("top-keys", lines), *names) == [("cat.jpg", 10, 6, 2, 2, 327)]


def test_writes_deletes_and_copies_count_for_their_own_key() -> None:
    lines = [
        *COPY,
        *BATCH,
        *LIFECYCLE,
        row("REST.PUT.OBJECT", "new.jpg"),
        row("REST.PUT.OBJECT", "new.jpg", http_status=403),
        row("REST.POST.UPLOAD", "new.jpg"),
        row("REST.PUT.PART", "new.jpg"),
        row("REST.DELETE.OBJECT", "new.jpg", http_status=204),
    ]
    names = ("bucket", "key", "requests", "copied_from", "writes", "deletes", "errors")
    assert sorted(pick(ask("top-keys", lines), *names)) == [
        ("attic", "old.jpg", 1, 1, 0, 0, 0),
        ("photos", "a b.jpg", 1, 0, 0, 1, 0),
        ("photos", "gone.jpg", 1, 0, 0, 1, 0),
        ("photos", "kept.jpg", 1, 0, 0, 0, 1),
        ("photos", "new.jpg", 6, 0, 3, 1, 1),
    ]


# ── bytes-by-requester ──────────────────────────────────────────────────────────────────────────


def test_bytes_are_what_was_sent_and_a_head_sends_none() -> None:
    lines = [
        row(bytes_sent=60, object_size=100),
        row(http_status=206, bytes_sent=15, object_size=100),
        row("REST.GET.BUCKET", None, bytes_sent=25),
        row("REST.HEAD.OBJECT", http_status=404, bytes_sent=311),
        row("REST.PUT.OBJECT", object_size=40, remote_ip="192.0.2.5"),
        row("REST.PUT.OBJECT", object_size=40, http_status=403),
        row("REST.PUT.PART", object_size=40),
        row("REST.POST.UPLOAD", object_size=80, bytes_sent=0),
        row(requester=None, bytes_sent=300, object_size=300),
        *BATCH[1:],
        COPY[1],
        *LIFECYCLE,
    ]
    names = ("who", "requests", "bytes_sent", "share_percent", "object_bytes", "downloads")
    more = ("partial", "cut_short", "bytes_stored", "addresses")
    assert pick(ask("bytes-by-requester", lines), *names, *more) == [
        ("anonymous", 1, 300, 75.0, 300, 1, 0, 0, 0, 1),
        (ALICE, 8, 100, 25.0, 75, 2, 1, 1, 120, 2),
    ]


def test_the_share_is_of_all_requesters_not_only_those_shown() -> None:
    lines = [row(bytes_sent=75), row(requester=BOB, bytes_sent=25)]
    assert pick(ask("bytes-by-requester", lines, top=1), "who", "share_percent") == [(ALICE, 75.0)]
    assert pick(ask("bytes-by-requester", [row()]), "share_percent") == [(None,)]


# ── requests-over-time ──────────────────────────────────────────────────────────────────────────


def test_stretches_without_requests_have_zeros_and_only_requests_count() -> None:
    lines = [
        row(at="2026-03-01T12:00:59", bytes_sent=5),
        row(at="2026-03-01T12:03:00", http_status=404, bytes_sent=300),
        row(at="2026-03-01T12:03:30", http_status=503),
        row(at="2026-03-01T12:03:31", http_status=500),
        row("REST.HEAD.OBJECT", at="2026-03-01T12:03:32", http_status=404, bytes_sent=311),
        row("BATCH.DELETE.OBJECT", at="2026-03-01T12:09:00"),
        row("REST.COPY.OBJECT_GET", at="2026-03-01T12:09:00"),
        row("S3.EXPIRE.OBJECT", at="2026-03-01T12:09:00"),
    ]
    rows = ask("requests-over-time", lines)
    names = ("requests", "client_errors", "server_errors", "throttled", "bytes_sent")
    assert [str(each["time"])[11:16] for each in rows] == ["12:00", "12:01", "12:02", "12:03"]
    assert {each["seconds"] for each in rows} == {60}
    assert pick(rows, *names) == [
        (1, 0, 0, 0, 5),
        (0, 0, 0, 0, 0),
        (0, 0, 0, 0, 0),
        (4, 2, 2, 1, 300),
    ]


@pytest.mark.parametrize(
    ("last", "seconds", "begins", "count"),
    [
        ("2026-03-04T12:34:56", 60, "2026-03-04 12:34", 1),
        ("2026-03-04T15:34:00", 60, "2026-03-04 12:34", 181),
        ("2026-03-04T15:35:00", 600, "2026-03-04 12:30", 19),
        ("2026-03-05T12:34:00", 600, "2026-03-04 12:30", 145),
        ("2026-03-05T12:35:00", 3600, "2026-03-04 12:00", 25),
        ("2026-03-20T00:00:00", 6 * 3600, "2026-03-04 12:00", 63),
        ("2026-06-01T00:00:00", 86400, "2026-03-04 00:00", 90),
        ("2029-03-04T00:00:00", 7 * 86400, "2026-03-02 00:00", 157),
    ],
)
def test_stretches_are_as_long_as_fits_the_range(
    last: str, seconds: int, begins: str, count: int
) -> None:
    rows = ask("requests-over-time", [row(at="2026-03-04T12:34:00"), row(at=last)])
    assert (len(rows), rows[0]["seconds"]) == (count, seconds)
    assert str(rows[0]["time"]).startswith(begins)
    assert sum(each["requests"] for each in rows) == 2
    assert rows[0]["requests"]
    assert rows[-1]["requests"]


# ── latency-by-operation ────────────────────────────────────────────────────────────────────────


def test_percentiles_are_exact_by_nearest_rank() -> None:
    lines = [
        row(total_time=ms, turn_around_time=None if ms > 50 else ms // 2) for ms in range(1, 101)
    ]
    lines += [row("REST.HEAD.OBJECT", total_time=7), *BATCH[1:], COPY[1], *LIFECYCLE]
    names = ("operation", "requests", "total_p50", "total_p90", "total_p99", "total_max")
    rows = ask("latency-by-operation", lines)
    assert pick(rows, *names) == [
        ("REST.GET.OBJECT", 100, 50, 90, 99, 100),
        ("REST.HEAD.OBJECT", 1, 7, 7, 7, 7),
    ]
    turns = tuple(f"turn_around_{part}" for part in ("p50", "p90", "p99", "max"))
    assert pick(rows, *turns) == [(12, 22, 25, 25), (None, None, None, None)]


def test_the_speed_is_that_of_large_answers() -> None:
    lines = [
        row(total_time=1000, bytes_sent=2_000_000),
        row(total_time=3000, bytes_sent=2_000_000),
        row(total_time=5000, bytes_sent=10),
        row(total_time=0, bytes_sent=5_000_000),
    ]
    assert pick(ask("latency-by-operation", lines), "bytes_per_second") == [(1_000_000,)]


# ── old-tls ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "connection"),
    [
        ({"tls_version": "TLSv1"}, "TLSv1"),
        ({"tls_version": "TLSv1.0"}, "TLSv1.0"),
        ({"tls_version": "TLSV1.1"}, "TLSv1.1"),
        ({"tls_version": None, "cipher_suite": None}, "plain HTTP"),
        ({"tls_version": "TLSv1.2"}, None),
        ({"tls_version": "TLSV1.2"}, None),
        ({"tls_version": "TLSv1.3"}, None),
        ({"tls_version": "TLSv1.10"}, None),
        ({"tls_version": None}, None),  # a cipher suite, so there was TLS
        ({"tls_version": None, "cipher_suite": None, "fields": 18}, None),
        ({"tls_version": None, "cipher_suite": None, "fields": 23}, None),
        ({"tls_version": None, "cipher_suite": None, "fields": 24}, "plain HTTP"),
        ({"tls_version": None, "cipher_suite": None, "remote_ip": None}, None),
        ({"tls_version": None, "cipher_suite": None, "operation": "REST.COPY.OBJECT_GET"}, None),
        ({"tls_version": "TLSv1", "operation": "BATCH.DELETE.OBJECT"}, None),
        ({"operation": "S3.EXPIRE.OBJECT"}, None),
    ],
)
def test_old_tls_is_below_1_2_or_none_at_all(given: dict[str, Any], connection: str | None) -> None:
    rows = ask("old-tls", [row(**given)])
    assert pick(rows, "connection") == ([] if connection is None else [(connection,)])


def test_old_tls_is_by_connection_requester_and_client() -> None:
    lines = [
        row(tls_version="TLSv1"),
        row(tls_version="TLSv1", http_status=403, remote_ip="192.0.2.2", bucket="attic"),
        row(tls_version="TLSv1", user_agent=None, requester=None),
    ]
    names = ("who", "user_agent", "requests", "answered", "addresses", "buckets", "host")
    host = "s3.us-east-1.amazonaws.com"
    assert pick(ask("old-tls", lines), *names) == [
        (ALICE, "aws-cli/2.30.0", 2, 1, 2, 2, host),
        ("anonymous", None, 1, 1, 1, 1, host),
    ]


# ── acl-dependent ───────────────────────────────────────────────────────────────────────────────


def test_what_depends_on_acls_is_what_s3_says_does() -> None:
    lines = [
        row(requester=BOB, acl_required=True),
        row(requester=BOB, acl_required=True, key="dog.jpg", http_status=404),
        row("REST.PUT.ACL", acl_required=True),
        row(requester=BOB),
        row(requester=BOB, fields=25),
    ]
    names = ("bucket", "who", "operation", "requests", "answered", "keys", "example_key")
    assert pick(ask("acl-dependent", lines), *names) == [
        ("photos", BOB, "REST.GET.OBJECT", 2, 1, 2, "cat.jpg"),
        ("photos", ALICE, "REST.PUT.ACL", 1, 1, 1, "cat.jpg"),
    ]


# ── presigned-use ───────────────────────────────────────────────────────────────────────────────


def test_presigned_use_is_by_signer_and_tells_how_long_urls_are_valid() -> None:
    url = (
        "GET /cat.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires={}&X-Amz-Signature=0 HTTP/1.1"
    )
    query = {"authentication_type": "QueryString"}
    lines = [
        row(**query, request_uri=url.format(3600), bytes_sent=5),
        row(**query, request_uri=url.format(604800), remote_ip="192.0.2.2"),
        row(**query, request_uri=url.format("9" * 30), key="dog.jpg", http_status=403),
        row(**query, signature_version="SigV2", requester=ROLE),
        row(requester=None, http_status=403, request_uri=url.format(60)),
        row(),
    ]
    names = ("who", "requests", "answered", "refused", "keys", "addresses", "bytes_sent")
    rows = ask("presigned-use", lines)
    assert pick(rows, *names, "longest_valid_s", "sigv2") == [
        (ALICE, 3, 2, 1, 2, 2, 5, 604800, 0),
        (ROLE, 1, 1, 0, 1, 1, 0, None, 1),
        ("not authenticated", 1, 0, 1, 1, 1, 0, 60, 0),
    ]


# ── clients ─────────────────────────────────────────────────────────────────────────────────────


def test_clients_are_families_and_records_without_a_client_are_left_out() -> None:
    lines = [
        row(user_agent="aws-cli/2.30.0 md/awscrt#0.27", bytes_sent=5),
        row(user_agent="aws-cli/2.31.0", requester=BOB, http_status=403, remote_ip="192.0.2.2"),
        row(user_agent="rclone/v1.75.2", signature_version="SigV2"),
        row(user_agent=None),
        *BATCH[1:],
        COPY[1],
        *LIFECYCLE,
    ]
    names = ("client", "requests", "errors", "requesters", "addresses", "versions", "sigv2")
    assert pick(ask("clients", lines), *names, "bytes_sent", "user_agent") == [
        ("aws-cli", 2, 1, 2, 2, 2, 0, 5, "aws-cli/2.31.0"),
        ("none", 1, 0, 1, 1, 0, 0, 0, None),
        ("rclone", 1, 0, 1, 1, 1, 1, 0, "rclone/v1.75.2"),
    ]


def test_a_filter_by_time_takes_the_beginning_and_leaves_the_end() -> None:
    lines = [row(at=f"2026-03-01T12:00:0{second}") for second in range(4)]
    filters = Filters(
        from_time=datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC),
        to_time=datetime(2026, 3, 1, 12, 0, 3, tzinfo=UTC),
    )
    assert pick(ask("clients", lines, filters), "requests") == [(2,)]
    assert "time < $to_time" in reports.statement(reports.named("clients"), filters)
