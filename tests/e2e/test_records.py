"""What a record says of each kind of request, in all of its 27 fields."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from tests.support import people
from tests.support.log import Log, judged
from tests.support.people import Person
from tests.support.raw import Answer, Sender, header
from tests.support.server import Server, allow_delivery, enable_logging

from bucketlog.accesslog import line
from bucketlog.accesslog.record import LogRecord

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def bob(server: Server) -> Person:
    """A user of the account that owns the buckets."""
    return people.user(server, "bob")


@pytest.fixture(scope="module")
def lab(server: Server) -> Person:
    """Another account."""
    return people.account(server, "lab")


@pytest.fixture(scope="module")
def content(server: Server) -> bytes:
    """What is in the object `k`."""
    s3 = server.client()
    data = bytes(range(250)) * 4
    s3.put_object(Bucket="src", Key="k", Body=data)
    s3.put_object(Bucket="src", Key="gone", Body=data[:10])
    upload_id = s3.create_multipart_upload(Bucket="src", Key="parts")["UploadId"]
    part = s3.upload_part(Bucket="src", Key="parts", UploadId=upload_id, PartNumber=1, Body=data)
    s3.complete_multipart_upload(
        Bucket="src",
        Key="parts",
        UploadId=upload_id,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    return data


# Who asks for what, with which headers; status, error code, operation, key, object size, and
# whether a turn-around time is shown. Who "url" is root, by a presigned URL.
REQUESTS = """
root   GET     /src/k                   -              200 - REST.GET.OBJECT k 1000 yes
bob    GET     /src/k                   -              200 - REST.GET.OBJECT k 1000 yes
url    GET     /src/k                   -              200 - REST.GET.OBJECT k 1000 yes
lab    GET     /src/k                   -              403 AccessDenied REST.GET.OBJECT k - -
nobody GET     /src/k                   -              403 AccessDenied REST.GET.OBJECT k - -
nobody GET     /src/no                  -              403 AccessDenied REST.GET.OBJECT no - -
root   GET     /src/no                  -              404 NoSuchKey REST.GET.OBJECT no - -
root   GET     /src/k                   Range=bytes=1-10    206 - REST.GET.OBJECT k 1000 yes
root   GET     /src/k                   Range=bytes=5000-   416 InvalidRange REST.GET.OBJECT k - -
root   GET     /src/k                   If-None-Match=*     304 - REST.GET.OBJECT k 1000 -
root   GET     /src/k                   If-Match="x"   412 PreconditionFailed REST.GET.OBJECT k - -
root   GET     /src/parts?partNumber=1  -              206 - REST.GET.PART parts 1000 yes
root   GET     /src/k?x-user=johndoe&x-b  -            200 - REST.GET.OBJECT k 1000 yes
url    GET     /src/k?x-user=johndoe    -              200 - REST.GET.OBJECT k 1000 yes
root   GET     /src/k?versionId=null    -              200 - REST.GET.OBJECT k 1000 yes
root   HEAD    /src/k                   -              200 - REST.HEAD.OBJECT k 1000 -
root   HEAD    /src/no                  -              404 NoSuchKey REST.HEAD.OBJECT no - -
lab    HEAD    /src/k                   -              403 AccessDenied REST.HEAD.OBJECT k - -
root   HEAD    /src/k                   If-Match="x"   412 PreconditionFailed REST.HEAD.OBJECT k - -
root   HEAD    /src/parts?partNumber=1  -              206 - REST.HEAD.PART parts 1000 -
bob    PUT     /src/new                 -              200 - REST.PUT.OBJECT new 5 yes
root   PUT     /src/empty               -              200 - REST.PUT.OBJECT empty 0 yes
url    PUT     /src/new                 -              200 - REST.PUT.OBJECT new 5 yes
lab    PUT     /src/new                 -              403 AccessDenied REST.PUT.OBJECT new - -
root   PUT     /src/new           If-None-Match=*     412 PreconditionFailed REST.PUT.OBJECT new - -
root   DELETE  /src/gone                -              204 - REST.DELETE.OBJECT gone 10 -
root   DELETE  /src/gone                -              204 - REST.DELETE.OBJECT gone - -
nobody DELETE  /src/k                   -              403 AccessDenied REST.DELETE.OBJECT k - -
root   GET     /src                     -              200 - REST.GET.BUCKET - - yes
root   GET     /src?list-type=2&prefix=k  -            200 - REST.GET.BUCKET - - yes
nobody GET     /src/                    -              403 AccessDenied REST.GET.BUCKET - - -
root   GET     /src?versions            -              200 - REST.GET.BUCKETVERSIONS - - yes
root   GET     /src?uploads             -              200 - REST.GET.UPLOADS - - yes
root   HEAD    /src                     -              200 - REST.HEAD.BUCKET - - -
root   GET     /src?location            -              200 - REST.GET.LOCATION - - -
root   GET     /src?acl                 -              200 - REST.GET.ACL - - -
root   GET     /src/k?acl               -              200 - REST.GET.ACL k 1000 -
root   GET     /src?logging             -              200 - REST.GET.LOGGING_STATUS - - -
root   GET     /src?policy              -  404 NoSuchBucketPolicy REST.GET.BUCKETPOLICY - - -
root   GET     /src?ownershipControls   -              200 - REST.GET.OWNERSHIP_CONTROLS - - -
root   GET     /src?publicAccessBlock   -              200 - REST.GET.PUBLIC_ACCESS_BLOCK - - -
root   GET     /src?versioning          -              501 NotImplemented REST.GET.VERSIONING - - -
root   GET     /src/k?tagging           -    501 NotImplemented REST.GET.OBJECT_TAGGING k - -
root   PUT     /src                     -              200 - REST.PUT.BUCKET - - -
root   DELETE  /src                     -              409 BucketNotEmpty REST.DELETE.BUCKET - - -
root   POST    /src/k?uploads           -              200 - REST.POST.UPLOADS k - yes
root   GET     /src/k  x-amz-expected-bucket-owner=1   403 AccessDenied REST.GET.OBJECT k - -
nobody OPTIONS /src/k  Origin=http://a;Access-Control-Request-Method=GET \
    403 AccessForbidden REST.OPTIONS.PREFLIGHT k - -
"""


@dataclass(frozen=True)
class Case:
    """One row."""

    who: str
    method: str
    target: str
    headers: list[tuple[str, str]]
    status: int
    code: str | None
    operation: str
    key: str | None
    size: int | None
    shows_turn_around: bool

    @property
    def body(self) -> bytes:
        return b"hello" if self.target == "/src/new" else b""


def _cases() -> list[Case]:
    found = []
    for row in REQUESTS.replace("\\\n", " ").strip().splitlines():
        who, method, target, headers, status, *rest = row.split()
        code, operation, key, size, turn_around = (None if one == "-" else one for one in rest)
        pairs = [] if headers == "-" else [one.partition("=") for one in headers.split(";")]
        found.append(
            Case(
                who,
                method,
                target,
                [(name, value) for name, _, value in pairs],
                int(status),
                code,
                operation or "",
                key,
                None if size is None else int(size),
                turn_around == "yes",
            )
        )
    return found


def _written(sender: Sender | None, server: Server, case: Case) -> bytes:
    method, target, body = case.method, case.target, case.body
    headers = [
        *case.headers,
        ("Referer", "http://example.com/a b"),
        ("User-Agent", "tests/1 (a; b)"),
    ]
    if sender is None:
        return Sender(server.endpoint).written(method, target, headers, body)
    return sender.signed(method, target, headers, body, expires_s=60 if case.who == "url" else None)


def test_every_field_of_every_kind_of_request(
    server: Server, log: Log, root: str, sender: Sender, bob: Person, lab: Person, content: bytes
) -> None:
    senders = {"root": sender, "url": sender, "bob": bob.sender(server), "lab": lab.sender(server)}
    names = {"root": root, "url": root, "bob": bob.arn, "lab": lab.canonical_id}
    done: list[tuple[Case, bytes, Answer, int, int]] = []
    with sender.connect() as connection:
        for case in _cases():
            request = _written(senders.get(case.who), server, case)
            before = time.time_ns()
            connection.send(request)
            answer = connection.answer(case.method)
            done.append((case, request, answer, before, time.time_ns()))
    for case, request, answer, before, after in done:
        record = log.one(answer.request_id)
        took_ms = (after - before) // 1_000_000 + 1
        times = (record.total_time, record.turn_around_time)
        assert 1 <= (times[0] or 0) <= took_ms
        assert (times[1] is not None) is case.shows_turn_around, case
        assert 1 <= (times[1] or 1) <= times[0]
        assert before // SECOND * SECOND <= (record.time or 0) <= after
        expected = LogRecord(
            bucket_owner=root,
            bucket="src",
            time=record.time,
            remote_ip="127.0.0.1",
            requester=names.get(case.who),
            request_id=answer.headers["x-amz-request-id"],
            operation=case.operation,
            key=case.key,
            request_uri=request.partition(b"\r\n")[0].decode(),
            http_status=case.status,
            error_code=case.code,
            bytes_sent=len(answer.body) or None,
            object_size=case.size,
            total_time=record.total_time,
            turn_around_time=record.turn_around_time,
            referer="http://example.com/a b",
            user_agent="tests/1 (a; b)",
            version_id="null" if "versionId=null" in case.target else None,
            host_id=answer.headers["x-amz-id-2"],
            signature_version=None if case.who == "nobody" else "SigV4",
            cipher_suite=None,
            authentication_type={"nobody": None, "url": "QueryString"}.get(case.who, "AuthHeader"),
            host_header=sender.host,
            tls_version=None,
            access_point_arn=None,
            acl_required=None,
            source_region=None,
        )
        assert asdict(record) == asdict(expected), case
        assert answer.status == case.status
        if case.method != "HEAD":
            assert answer.code == case.code


# ── copies ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def others(server: Server) -> Log:
    """The log of a second logged bucket, `dst`; there is also `plain`, without one."""
    s3 = server.client()
    for bucket in ("dst", "plain"):
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="k", Body=b"12345")
    enable_logging(s3, "dst", "logs", "d/")
    return Log(server, "dst", prefix="d/")


def _copy(sender: Sender, bucket: str, source: str, target: str = "copy") -> Answer:
    return sender.ask(sender.signed("PUT", f"/{bucket}/{target}", [("x-amz-copy-source", source)]))


def _half(record: LogRecord, *, operation: str, key: str, size: int | None) -> None:
    """A source half has no request line, times, or client."""
    assert (record.operation, record.key, record.object_size) == (operation, key, size)
    for name in ("request_uri", "referer", "user_agent", "total_time", "turn_around_time"):
        assert getattr(record, name) is None
    assert record.bytes_sent is None


def test_a_copy_within_a_bucket_is_two_records(
    server: Server, log: Log, sender: Sender, root: str, content: bytes
) -> None:
    answer = _copy(sender, "src", "/src/k?versionId=null")
    assert answer.status == 200
    copy, source = log.all(answer.request_id)
    assert judged(copy) == ("REST.COPY.OBJECT", 200, None)
    assert (copy.key, copy.object_size, copy.bytes_sent) == ("copy", 1000, len(answer.body))
    assert copy.turn_around_time is not None
    _half(source, operation="REST.COPY.OBJECT_GET", key="k", size=1000)
    assert (copy.version_id, source.version_id) == (None, "null")
    for name in (
        "bucket_owner",
        "bucket",
        "time",
        "remote_ip",
        "requester",
        "request_id",
        "host_id",
    ):
        assert getattr(copy, name) == getattr(source, name) is not None
    for name in ("signature_version", "authentication_type", "host_header"):
        assert getattr(copy, name) == getattr(source, name) is not None
    assert copy.requester == root
    text = log.lines[answer.request_id][1].decode()
    assert text.count('"') == 0


def test_each_half_of_a_copy_is_in_the_log_of_its_bucket(
    server: Server, log: Log, others: Log, sender: Sender, content: bytes
) -> None:
    across = _copy(sender, "dst", "src/k")
    (copy,), (source,) = others.all(across.request_id), log.all(across.request_id)
    assert (copy.bucket, copy.operation) == ("dst", "REST.COPY.OBJECT")
    assert source.bucket == "src"
    _half(source, operation="REST.COPY.OBJECT_GET", key="k", size=1000)
    out = _copy(sender, "plain", "src/k")
    _half(log.one(out.request_id), operation="REST.COPY.OBJECT_GET", key="k", size=1000)
    into = _copy(sender, "src", "plain/k")
    assert log.one(into.request_id).operation == "REST.COPY.OBJECT"
    assert log.one(into.request_id).object_size == 5
    for answer in (out, into):
        assert others.all(answer.request_id) == []


def test_a_part_that_is_copied_is_two_records(
    server: Server, log: Log, others: Log, sender: Sender, content: bytes
) -> None:
    s3 = server.client()
    upload_id = s3.create_multipart_upload(Bucket="dst", Key="copied")["UploadId"]
    target = f"/dst/copied?partNumber=1&uploadId={upload_id}"
    headers = [("x-amz-copy-source", "/src/k"), ("x-amz-copy-source-range", "bytes=10-19")]
    answer = sender.ask(sender.signed("PUT", target, headers))
    assert answer.status == 200
    copy = others.one(answer.request_id)
    assert judged(copy) == ("REST.COPY.PART", 200, None)
    assert (copy.key, copy.bytes_sent) == ("copied", len(answer.body))
    _half(log.one(answer.request_id), operation="REST.COPY.PART_GET", key="k", size=1000)


def test_a_copy_that_fails_is_recorded_where_it_was_tried(
    server: Server, log: Log, others: Log, sender: Sender, lab: Person, content: bytes
) -> None:
    missing = _copy(sender, "dst", "src/missing")
    assert (missing.status, missing.code) == (404, "NoSuchKey")
    assert judged(others.one(missing.request_id)) == ("REST.COPY.OBJECT", 404, "NoSuchKey")
    assert judged(log.one(missing.request_id)) == ("REST.COPY.OBJECT_GET", 404, "NoSuchKey")
    nowhere = _copy(sender, "dst", "nobucket/k")
    assert (nowhere.status, nowhere.code) == (404, "NoSuchBucket")
    assert judged(others.one(nowhere.request_id)) == ("REST.COPY.OBJECT", 404, "NoSuchBucket")
    assert log.all(nowhere.request_id) == []
    # Refused at the target: the source was never touched.
    refused = _copy(lab.sender(server), "dst", "src/k")
    assert (refused.status, refused.code) == (403, "AccessDenied")
    assert others.one(refused.request_id).requester == lab.canonical_id
    assert log.all(refused.request_id) == []
    # Refused at the source: it is recorded there.
    lab.client(server).create_bucket(Bucket="labs")
    refused = _copy(lab.sender(server), "labs", "src/k")
    assert (refused.status, refused.code) == (403, "AccessDenied")
    record = log.one(refused.request_id)
    assert judged(record) == ("REST.COPY.OBJECT_GET", 403, "AccessDenied")
    assert record.requester == lab.canonical_id


# ── batch delete ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def keeping(server: Server, bob: Person) -> Iterator[None]:
    """While used, bob may not delete what begins with `keep`, nor any version."""
    s3 = server.client()
    deny = {"Effect": "Deny", "Principal": {"AWS": bob.arn}}
    statements = [
        {**deny, "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::src/keep*"},
        {**deny, "Action": "s3:DeleteObjectVersion", "Resource": "arn:aws:s3:::src/*"},
    ]
    policy = {"Version": "2012-10-17", "Statement": statements}
    s3.put_bucket_policy(Bucket="src", Policy=json.dumps(policy))
    yield
    s3.delete_bucket_policy(Bucket="src")


@pytest.mark.parametrize("quiet", [False, True])
def test_a_batch_delete_is_a_parent_and_a_child_for_each_key(
    server: Server, log: Log, bob: Person, keeping: None, quiet: bool
) -> None:
    s3 = server.client()
    for key in ("batch/a b", "keep", "batch/c"):
        s3.put_object(Bucket="src", Key=key, Body=b"123")
    listed = [
        {"Key": "batch/a b"},
        {"Key": "keep"},
        {"Key": "missing"},
        {"Key": "batch/c", "VersionId": "null"},
        {"Key": "batch/a b"},
    ]
    answer = bob.client(server).delete_objects(
        Bucket="src", Delete={"Objects": listed, "Quiet": quiet}
    )
    assert [error["Key"] for error in answer["Errors"]] == ["keep", "batch/c"]
    assert ("Deleted" in answer) is not quiet
    parent, *children = log.all(answer["ResponseMetadata"]["RequestId"])
    assert judged(parent) == ("REST.POST.MULTI_OBJECT_DELETE", 200, None)
    assert (parent.key, parent.object_size, parent.requester) == (None, None, bob.arn)
    length = int(answer["ResponseMetadata"]["HTTPHeaders"]["content-length"])
    assert parent.bytes_sent == length
    assert [(c.key, c.http_status, c.error_code, c.object_size) for c in children] == [
        ("batch/a b", 204, None, 3),
        ("keep", 403, "AccessDenied", None),
        ("missing", 204, None, None),
        ("batch/c", 403, "AccessDenied", None),
        ("batch/a b", 204, None, None),
    ]
    assert [c.version_id for c in children] == [None, None, None, "null", None]
    for child in children:
        assert child.operation == "BATCH.DELETE.OBJECT"
        assert (child.request_id, child.host_id) == (parent.request_id, parent.host_id)
        assert child.requester == bob.arn
        for name in ("request_uri", "referer", "user_agent", "total_time", "turn_around_time"):
            assert getattr(child, name) is None
    text = log.lines[parent.request_id or ""][1].decode()
    assert " BATCH.DELETE.OBJECT batch/a+b - 204 - - 3 - - - - - " in text


def test_a_batch_of_another_account_is_refused_key_by_key(
    server: Server, log: Log, lab: Person, content: bytes
) -> None:
    answer = lab.client(server).delete_objects(
        Bucket="src", Delete={"Objects": [{"Key": "k"}, {"Key": "no"}]}
    )
    assert [error["Code"] for error in answer["Errors"]] == ["AccessDenied"] * 2
    parent, *children = log.all(answer["ResponseMetadata"]["RequestId"])
    assert judged(parent) == ("REST.POST.MULTI_OBJECT_DELETE", 200, None)
    assert {judged(child) for child in children} == {("BATCH.DELETE.OBJECT", 403, "AccessDenied")}


def test_a_thousand_keys_are_a_thousand_and_one_records(server: Server, log: Log) -> None:
    keys = [f"{number:04} {'k' * 1000}" for number in range(1000)]
    answer = server.client().delete_objects(
        Bucket="src", Delete={"Objects": [{"Key": key} for key in keys]}
    )
    parent, *children = log.all(answer["ResponseMetadata"]["RequestId"])
    length = int(answer["ResponseMetadata"]["HTTPHeaders"]["content-length"])
    assert (parent.bytes_sent, parent.http_status) == (length, 200)
    assert length > 1_000_000  # longer than what is recorded before it is sent
    assert [child.key for child in children] == keys


def test_an_account_has_its_own_logs(server: Server, root: str, lab: Person) -> None:
    """Another account's bucket is logged to another account's bucket, root's failures included."""
    theirs = lab.client(server)
    for bucket in ("lab-src", "lab-logs"):
        theirs.create_bucket(Bucket=bucket)
    allow_delivery(theirs, "lab-logs")
    more = {"TargetObjectKeyFormat": {"PartitionedPrefix": {}}}
    enable_logging(theirs, "lab-src", "lab-logs", **more)
    sender, signed = Sender(server.endpoint), lab.sender(server)
    answer = sender.ask(sender.signed("GET", "/lab-src"))
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert signed.ask(signed.signed("POST", "/lab-src?logging")).status == 200
    (entry,) = theirs.list_objects_v2(Bucket="lab-logs")["Contents"]
    assert entry["Key"].startswith(f"{lab.account_id}/us-east-1/lab-src/")
    body = theirs.get_object(Bucket="lab-logs", Key=entry["Key"])["Body"].read()
    record = line.decode(body).record
    assert record is not None
    assert (record.bucket_owner, record.requester) == (lab.canonical_id, root)
    assert (record.http_status, record.request_id) == (403, answer.request_id)


# ── multipart ───────────────────────────────────────────────────────────────────────────────────


def test_each_step_of_a_multipart_upload_has_its_name(
    server: Server, log: Log, sender: Sender
) -> None:
    s3 = server.client()
    steps: list[tuple[str, Any]] = []

    def did(operation: str, answer: Any) -> Any:
        steps.append((operation, answer["ResponseMetadata"]["RequestId"]))
        return answer

    where = {"Bucket": "src", "Key": "big one"}
    upload = {
        **where,
        "UploadId": did("REST.POST.UPLOADS", s3.create_multipart_upload(**where))["UploadId"],
    }
    sizes = [5 << 20, 1000]
    parts = [
        {
            "PartNumber": number,
            "ETag": did(
                "REST.PUT.PART", s3.upload_part(**upload, PartNumber=number, Body=bytes(size))
            )["ETag"],
        }
        for number, size in enumerate(sizes, 1)
    ]
    did("REST.GET.UPLOAD", s3.list_parts(**upload))
    did("REST.GET.UPLOADS", s3.list_multipart_uploads(Bucket="src"))
    did(
        "REST.POST.UPLOAD",
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}),
    )
    other = {
        **where,
        "UploadId": did("REST.POST.UPLOADS", s3.create_multipart_upload(**where))["UploadId"],
    }
    did("REST.DELETE.UPLOAD", s3.abort_multipart_upload(**other))
    found = [log.one(request_id) for _, request_id in steps]
    assert [record.operation for record in found] == [operation for operation, _ in steps]
    assert {record.http_status for record in found} == {200, 204}
    by_name = {record.operation: record for record in found}
    part_sizes = [record.object_size for record in found if record.operation == "REST.PUT.PART"]
    assert part_sizes == sizes
    assert by_name["REST.POST.UPLOAD"].object_size == sum(sizes)
    assert by_name["REST.DELETE.UPLOAD"].object_size is None
    assert {record.key for record in found} == {"big one", None}
    for record in found:
        assert record.turn_around_time is not None, record.operation


def test_a_bad_complete_is_recorded_with_its_code(server: Server, log: Log, sender: Sender) -> None:
    request = sender.signed("POST", "/src/k?uploadId=none", body=b"<CompleteMultipartUpload/>")
    answer = sender.ask(request)
    assert judged(log.one(answer.request_id)) == ("REST.POST.UPLOAD", answer.status, answer.code)
    assert header(request, "host") == log.one(answer.request_id).host_header
