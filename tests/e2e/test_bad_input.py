"""What clients get wrong, by accident or on purpose: Amazon's code, a record, a server that goes on.

Every request here names the logged bucket `src`, so it is found in the log again by the request
id of its answer, or by its key where there is no answer. The log is held to be unambiguous: every
line that is delivered is decoded by `tests.support.log`.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import signing
from tests.support.log import Log
from tests.support.raw import Answer, Connection, Sender
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server

from bucketlog.accesslog.record import LogRecord
from bucketlog.s3.operations import RESOURCES

KIB = 1024


@pytest.fixture(scope="module")
def log(server: Server) -> Log:
    return Log(server, "src", prefix="l/")


@pytest.fixture(scope="module")
def sender(server: Server) -> Sender:
    return Sender(server.endpoint)


@pytest.fixture(scope="module")
def root(server: Server) -> str:
    """The canonical id of whom requests are signed by."""
    owner: str = server.client().list_buckets()["Owner"]["ID"]
    return owner


@pytest.fixture(scope="module", autouse=True)
def _unharmed(server: Server, log: Log) -> Iterator[None]:
    """After all of this: no error of ours, and every line delivered is sound."""
    yield
    log.update()
    assert log.records
    assert "unexpected error" not in server.errors()
    assert "Traceback" not in server.errors()
    assert (
        re.search(r"^bucketlog_errors_internal_total(?:\{[^}]*\})? [1-9]", server.metrics(), re.M)
        is None
    )


def judged(record: LogRecord) -> tuple[str | None, int | None, str | None]:
    return record.operation, record.http_status, record.error_code


def still_serves(sender: Sender) -> None:
    assert sender.ask(sender.signed("HEAD", "/src")).status == 200


# ── documents ───────────────────────────────────────────────────────────────────────────────────

BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (96 + n, b"&%c;" % (95 + n) * 10) for n in range(2, 11))
    + b"]>"
)
# What is wrong with each, around the root element that is expected.
BAD_XML = {
    "not XML": b"hello",
    "cut off": b"<%(root)s",
    "not closed": b"<%(root)s><A></%(root)s>",
    "another root": b"<Other/>",
    "two roots": b"<%(root)s/><%(root)s/>",
    "an entity bomb": BOMB + b"<%(root)s>&j;</%(root)s>",
    "a DTD": b"<!DOCTYPE %(root)s><%(root)s/>",
    "an outer entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><%(root)s>&e;</%(root)s>',
    "an outer DTD": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><%(root)s/>',
    "a parameter entity": b'<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///dev/zero"> %p;]><%(root)s/>',
    "an unknown entity": b"<%(root)s>&nope;</%(root)s>",
    "invalid UTF-8": b"<%(root)s>\xff\xfe\xfd</%(root)s>",
    "a NUL": b"<%(root)s>\x00</%(root)s>",
    "an unknown encoding": b'<?xml version="1.0" encoding="martian"?><%(root)s/>',
    "deep": b"<%(root)s>" + b"<a>" * 8_000 + b"</a>" * 8_000 + b"</%(root)s>",
}
# Sub-resource, method, root element, log name, code.
DOCUMENTS = [
    ("/src?logging", "PUT", b"BucketLoggingStatus", "REST.PUT.LOGGING_STATUS", "MalformedXML"),
    ("/src?acl", "PUT", b"AccessControlPolicy", "REST.PUT.ACL", "MalformedACLError"),
    ("/src/doc?acl", "PUT", b"AccessControlPolicy", "REST.PUT.ACL", "MalformedACLError"),
    ("/src?delete", "POST", b"Delete", "REST.POST.MULTI_OBJECT_DELETE", "MalformedXML"),
    (
        "/src?ownershipControls",
        "PUT",
        b"OwnershipControls",
        "REST.PUT.OWNERSHIP_CONTROLS",
        "MalformedXML",
    ),
    (
        "/src?publicAccessBlock",
        "PUT",
        b"PublicAccessBlockConfiguration",
        "REST.PUT.PUBLIC_ACCESS_BLOCK",
        "MalformedXML",
    ),
    ("/src", "PUT", b"CreateBucketConfiguration", "REST.PUT.BUCKET", "MalformedXML"),
    (
        "/src/doc?uploadId=UPLOAD",
        "POST",
        b"CompleteMultipartUpload",
        "REST.POST.UPLOAD",
        "MalformedXML",
    ),
    ("/src?policy", "PUT", b"Policy", "REST.PUT.BUCKETPOLICY", "MalformedPolicy"),
]
named_document = pytest.mark.parametrize(
    ("target", "method", "element", "operation", "code"),
    DOCUMENTS,
    ids=[row[0].replace("/", "") + row[1] for row in DOCUMENTS],
)


@pytest.fixture(scope="module")
def upload(server: Server) -> str:
    """An upload under way of the object `doc`, which is there already."""
    s3 = server.client()
    s3.put_object(Bucket="src", Key="doc")
    upload_id: str = s3.create_multipart_upload(Bucket="src", Key="doc")["UploadId"]
    return upload_id


@named_document
def test_a_document_that_is_none_is_refused(
    sender: Sender,
    log: Log,
    root: str,
    upload: str,
    target: str,
    method: str,
    element: bytes,
    operation: str,
    code: str,
) -> None:
    target = target.replace("UPLOAD", upload)
    ids = {}
    with sender.connect() as connection:  # one for all: none of them breaks it
        for what, text in BAD_XML.items():
            body = text.replace(b"%(root)s", element)
            connection.send(sender.signed(method, target, body=body))
            answer = connection.answer()
            assert (what, answer.status, answer.code) == (what, 400, code)
            ids[what] = answer.request_id
    for what, request_id in ids.items():
        record = log.one(request_id)
        assert judged(record) == (operation, 400, code), what
        assert record.requester == root


@named_document
def test_a_document_that_is_too_large_is_refused_unread(
    sender: Sender,
    log: Log,
    upload: str,
    target: str,
    method: str,
    element: bytes,
    operation: str,
    code: str,
) -> None:
    target = target.replace("UPLOAD", upload)
    body = b"<%s>%s</%s>" % (element, b" " * (9 << 20), element)
    answer = sender.ask(sender.signed(method, target, body=body))
    assert (answer.status, answer.code) == (400, "MaxMessageLengthExceeded")
    assert judged(log.one(answer.request_id)) == (operation, 400, "MaxMessageLengthExceeded")
    # And without a length that would tell it beforehand.
    request = sender.signed(
        method,
        target,
        [("Transfer-Encoding", "chunked"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")],
    )
    with sender.connect() as connection:
        connection.send(request + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        answer = connection.answer()
    assert (answer.status, answer.code) == (400, "MaxMessageLengthExceeded")
    still_serves(sender)


def test_an_empty_document_is_refused(sender: Sender, log: Log, upload: str) -> None:
    codes = {}
    for target, method, _, operation, _ in DOCUMENTS:
        if target == "/src":
            continue  # there it means the default
        answer = sender.ask(sender.signed(method, target.replace("UPLOAD", upload)))
        codes[target] = answer.code
        assert judged(log.one(answer.request_id)) == (operation, 400, answer.code)
    assert codes == {
        "/src?logging": "MalformedXML",
        "/src?acl": "MissingSecurityHeader",
        "/src/doc?acl": "MissingSecurityHeader",
        "/src?delete": "MalformedXML",
        "/src?ownershipControls": "MalformedXML",
        "/src?publicAccessBlock": "MalformedXML",
        "/src/doc?uploadId=UPLOAD": "MalformedXML",
        "/src?policy": "MalformedPolicy",
    }


# ── signatures ──────────────────────────────────────────────────────────────────────────────────


def _other(text: str) -> str:
    """The text with its last character changed."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def _header(request: bytes, name: str) -> str:
    found = re.search(rf"^{name}: (.*)\r$".encode(), request, re.MULTILINE | re.IGNORECASE)
    assert found is not None
    return found[1].decode("latin-1")


def _with(request: bytes, name: str, value: str | None) -> bytes:
    """The request with a header set anew or, given None, taken out."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [
        line
        for line in head.split(b"\r\n")
        if not line.lower().startswith(name.lower().encode() + b":")
    ]
    if value is not None:
        lines.append(f"{name}: {value}".encode("latin-1"))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


# What is done to a signed `GET /src/sig?x-a=1` with the header x-amz-meta-a, and what comes of it.
def _bad_headers(sender: Sender, server: Server) -> Iterator[tuple[str, bytes, int, str]]:
    def signed(**options: Any) -> bytes:
        who = options.pop("by", sender)
        assert isinstance(who, Sender)
        request: bytes = who.signed("GET", "/src/sig?x-a=1", [("x-amz-meta-a", "1")], **options)
        return request

    good = signed()
    credentials = _header(good, "authorization")
    yield (
        "other signature",
        _with(good, "Authorization", _other(credentials)),
        403,
        ("SignatureDoesNotMatch"),
    )
    for what, request in {
        "other header": _with(good, "x-amz-meta-a", "2"),
        "other parameter": good.replace(b"x-a=1", b"x-a=2"),
        "further parameter": good.replace(b"x-a=1", b"x-a=1&x-b=1"),
        "other key": good.replace(b"/src/sig", b"/src/gis"),
        "other method": good.replace(b"GET ", b"DELETE ", 1),
        "other host": _with(good, "Host", "localhost"),
        "other hash": _with(good, "x-amz-content-sha256", "0" * 64),
        "twice the header": good.replace(b"x-amz-meta-a: 1", b"x-amz-meta-a: 1\r\nx-amz-meta-a: 2"),
        "other secret": signed(by=Sender(server.endpoint, ACCESS_KEY, "x" + SECRET_KEY)),
        "no signature": _with(good, "Authorization", credentials[:-64] + "0"),
        "odd signature": _with(good, "Authorization", credentials[:-64] + "\xe9\xff" * 32),
    }.items():
        yield what, request, 403, "SignatureDoesNotMatch"
    yield (
        "unknown key",
        signed(by=Sender(server.endpoint, "AKIANOBODY0000000000")),
        403,
        ("InvalidAccessKeyId"),
    )
    yield (
        "odd key",
        _with(good, "Authorization", credentials.replace(ACCESS_KEY, "<&\"'\xff>")),
        403,
        "InvalidAccessKeyId",
    )
    yield "unsigned header", _with(good, "x-amz-acl", "private"), 403, "AccessDenied"
    yield (
        "host unsigned",
        _with(good, "Authorization", credentials.replace("SignedHeaders=host;", "SignedHeaders=")),
        403,
        "AccessDenied",
    )
    for clock_s in (-16 * 60, 16 * 60, -86400 * 365):
        yield f"clock {clock_s}", signed(clock_s=clock_s), 403, "RequestTimeTooSkewed"
    yield "no date", _with(good, "X-Amz-Date", None), 403, "AccessDenied"
    yield "odd date", _with(good, "X-Amz-Date", "yesterday"), 403, "AccessDenied"
    yield "no hash", _with(good, "x-amz-content-sha256", None), 400, "InvalidRequest"
    yield "odd hash", _with(good, "x-amz-content-sha256", "hash"), 400, "InvalidArgument"
    yield (
        "other region",
        signed(by=Sender(server.endpoint, region="mars-1")),
        400,
        ("AuthorizationHeaderMalformed"),
    )
    yield (
        "session token",
        signed(replace={"x-amz-security-token": "t", "Authorization": None}),
        403,
        "AccessDenied",
    )
    for what, value in {
        "cut off": credentials[:60],
        "no components": "AWS4-HMAC-SHA256 x",
        "scope of four": credentials.replace("/s3/", "/"),
        "another service": credentials.replace("/s3/", "/ec2/"),
        "another end": credentials.replace("aws4_request", "aws5_request"),
        "odd day": re.sub(r"/\d{8}/", "/2026-1-1/", credentials),
        "another day": re.sub(r"/\d{8}/", "/20200101/", credentials),
    }.items():
        yield what, _with(good, "Authorization", value), 400, "AuthorizationHeaderMalformed"
    for value in ("Bearer token", "Basic dXNlcjpwYXNz", "AWS4-HMAC-SHA256"):
        yield value, _with(good, "Authorization", value), 400, "InvalidArgument"
    yield (
        "two ways",
        _with(sender.signed("GET", "/src/sig", expires_s=60), "Authorization", credentials),
        400,
        "InvalidArgument",
    )


def _bad_queries(sender: Sender, server: Server) -> Iterator[tuple[str, bytes, int, str]]:
    def signed(expires_s: int = 60, **options: Any) -> bytes:
        return sender.signed("GET", "/src/sig?x-a=1", expires_s=expires_s, **options)

    good = signed()
    found = re.search(rb"X-Amz-Signature=([0-9a-f]{64})", good)
    assert found is not None
    for what, request in {
        "other signature": good.replace(found[1], _other(found[1].decode()).encode()),
        "other key": good.replace(b"/src/sig", b"/src/gis"),
        "other method": good.replace(b"GET ", b"PUT ", 1),
        "other parameter": good.replace(b"x-a=1", b"x-a=2"),
        "longer life": good.replace(b"X-Amz-Expires=60", b"X-Amz-Expires=61"),
        "further parameter": good.replace(b"x-a=1", b"x-a=1&response-content-type=a"),
        "other host": _with(good, "Host", "localhost"),
    }.items():
        yield what, request, 403, "SignatureDoesNotMatch"
    yield "expired", signed(clock_s=-120), 403, "AccessDenied"
    yield "not yet valid", signed(clock_s=16 * 60), 403, "AccessDenied"
    yield "unsigned header", _with(good, "x-amz-meta-a", "1"), 403, "AccessDenied"
    yield (
        "unknown key",
        good.replace(ACCESS_KEY.encode(), b"AKIANOBODY0000000000"),
        403,
        ("InvalidAccessKeyId"),
    )
    for what, (old, new) in {
        "a week and more": ("X-Amz-Expires=60", "X-Amz-Expires=604801"),
        "less than none": ("X-Amz-Expires=60", "X-Amz-Expires=-1"),
        "odd life": ("X-Amz-Expires=60", "X-Amz-Expires=x"),
        "huge life": ("X-Amz-Expires=60", "X-Amz-Expires=" + "9" * 400),
        "no life": ("X-Amz-Expires=60", "x-b=1"),
        "no signature": ("X-Amz-Signature=", "x-c="),
        "odd algorithm": ("AWS4-HMAC-SHA256", "AWS4-HMAC-MD5"),
        "odd date": ("X-Amz-Date=2", "X-Amz-Date=x"),
        "odd scope": ("%2Faws4_request", ""),
        "other region": ("us-east-1", "mars-1"),
    }.items():
        yield (
            what,
            good.replace(old.encode(), new.encode()),
            400,
            ("AuthorizationQueryParametersError"),
        )


@pytest.mark.parametrize("cases", [_bad_headers, _bad_queries])
def test_a_bad_signature_is_refused_and_recorded_without_requester(
    server: Server, sender: Sender, log: Log, cases: Any
) -> None:
    ids = {}
    with sender.connect() as connection:
        for what, request, status, code in cases(sender, server):
            connection.send(request)
            answer = connection.answer()
            assert (what, answer.status, answer.code) == (what, status, code)
            ids[what] = (answer.request_id, request.partition(b" ")[0].decode(), status, code)
    for what, (request_id, method, status, code) in ids.items():
        record = log.one(request_id)
        assert judged(record) == (f"REST.{method}.OBJECT", status, code), what
        assert record.requester is None
        assert record.signature_version is None
        assert record.bytes_sent
    still_serves(sender)


# ── bodies: chunk signatures, checksums, lengths ────────────────────────────────────────────────

CONTENT = b"the content of an object"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
ALGORITHMS = (
    *("crc32", "crc32c", "crc64nvme", "sha1", "sha256"),
    *("md5", "sha512", "xxhash64", "xxhash3", "xxhash128"),
)
SIZES = {
    **{"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32},
    **{"md5": 16, "sha512": 64, "xxhash64": 8, "xxhash3": 8, "xxhash128": 16},
}


def _in_chunks(
    sender: Sender,
    key: str,
    chunks: list[bytes],
    *,
    trailers: list[tuple[str, str]] | None = None,
    announced: int | None = None,
) -> tuple[bytes, bytes]:
    """Head and body of an upload in signed chunks, well made."""
    length = sum(map(len, chunks)) if announced is None else announced
    form = SIGNED if trailers is None else f"{SIGNED}-TRAILER"
    headers = [("x-amz-content-sha256", form), ("x-amz-decoded-content-length", str(length))]
    if trailers is not None:
        headers.append(("x-amz-trailer", ",".join(name for name, _ in trailers)))
    # botocore hashes the body itself; it signs the header only when told to leave it.
    request = _signed_as(sender, key, headers, form)
    stamp = _header(request, "x-amz-date")
    seed = _header(request, "authorization")[-64:]
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    body = signing.signed_chunks(
        chunks,
        seed,
        trailers=trailers,
        stamp=stamp,
        scope=scope,
        key=signing.derived_key(SECRET_KEY, scope),
    )
    return request, body


def _signed_as(sender: Sender, key: str, headers: list[tuple[str, str]], form: str) -> bytes:
    return sender.signed("PUT", f"/src/{key}", headers, payload=form)


def _put(head: bytes, body: bytes) -> bytes:
    return _with(head, "Content-Length", str(len(body))) + body


def test_chunks_well_signed_are_taken(sender: Sender) -> None:
    """What the next test spoils is good to begin with."""
    chunks = [b"a" * 8192, b"b" * 9000, b"c"]
    digest = base64.b64encode(hashlib.sha256(b"".join(chunks)).digest()).decode()
    for trailers in (None, [("x-amz-checksum-sha256", digest)]):
        answer = sender.ask(_put(*_in_chunks(sender, "chunks", chunks, trailers=trailers)))
        assert (answer.status, answer.code) == (200, None)


def _bad_chunks(sender: Sender) -> Iterator[tuple[str, bytes, int, str]]:
    key = "chunks-bad"
    head, body = _in_chunks(sender, key, [b"a" * 8192, b"b"])
    first, second, last = re.findall(rb"chunk-signature=([0-9a-f]{64})", body)
    for what, signature in {"first": first, "second": second, "last": last}.items():
        spoilt = body.replace(signature, b"0" * 64)
        yield f"{what} signature", _put(head, spoilt), 403, "SignatureDoesNotMatch"
    yield "altered", _put(head, body.replace(b"aaa", b"aab", 1)), 403, "SignatureDoesNotMatch"
    swapped = body.replace(first, b"x").replace(second, first).replace(b"x", second)
    yield "swapped", _put(head, swapped), 403, "SignatureDoesNotMatch"
    trailer = [("x-amz-checksum-crc32", "AAAAAA==")]
    for what, old, new, status, code in (
        ("trailer signature", b"signature:", b"signature:0", 403, "SignatureDoesNotMatch"),
        ("altered trailer", b"AAAAAA", b"AAAAAB", 403, "SignatureDoesNotMatch"),
        ("wrong trailer", b"", b"", 400, "BadDigest"),
    ):
        head, body = _in_chunks(sender, key, [b"a"], trailers=trailer)
        yield what, _put(head, body.replace(old, new)), status, code
    head, body = _in_chunks(sender, key, [b"a" * 100, b"b" * 100])
    yield "small chunk", _put(head, body), 403, "InvalidChunkSizeError"
    for what, announced in {"too few": 3, "too many": 500}.items():
        head, body = _in_chunks(sender, key, [b"a" * 100], announced=announced)
        yield what, _put(head, body), 400, "IncompleteBody"
    head, body = _in_chunks(sender, key, [b"a" * 100])
    broken = {
        "no last chunk": body[: body.rindex(b"0;chunk")],
        "no signature": re.sub(rb";chunk-signature=[0-9a-f]+", b"", body),
        "no size": b"x" + body,
        "huge size": b"f" * 30 + body,
        "endless line": b"1;chunk-signature=" + b"a" * 100_000,
        "not chunked": CONTENT,
        "empty": b"",
    }
    for what, data in broken.items():
        yield what, _put(head, data), 400, "IncompleteBody"


def test_a_badly_chunked_body_stores_nothing(
    server: Server, sender: Sender, log: Log, root: str
) -> None:
    ids = {}
    for what, request, status, code in _bad_chunks(sender):
        answer = sender.ask(request)
        assert (what, answer.status, answer.code) == (what, status, code)
        ids[answer.request_id] = (status, code)
    for request_id, (status, code) in ids.items():
        record = log.one(request_id)
        assert judged(record) == ("REST.PUT.OBJECT", status, code)
        assert (record.requester, record.object_size) == (root, None)
    assert server.client().list_objects_v2(Bucket="src", Prefix="chunks-bad")["KeyCount"] == 0
    still_serves(sender)


def _bad_digests() -> Iterator[tuple[list[tuple[str, str]], str]]:
    yield [("Content-MD5", base64.b64encode(bytes(16)).decode())], "BadDigest"
    for odd in ("x", "", "AAAA", "A" * 24, "\xff"):
        yield [("Content-MD5", odd)], "InvalidDigest"
    for name in ALGORITHMS:
        header = f"x-amz-checksum-{name}"
        wrong = base64.b64encode(bytes(SIZES[name])).decode()
        yield [(header, wrong)], "BadDigest"
        for odd in ("x", wrong + "AAAA", base64.b64encode(bytes(SIZES[name] - 1)).decode()):
            yield [(header, odd)], "InvalidRequest"
        yield [(header, wrong), ("x-amz-sdk-checksum-algorithm", "OTHER")], "InvalidRequest"
        yield [("x-amz-sdk-checksum-algorithm", name.upper())], "InvalidRequest"
    yield [("x-amz-checksum-adler", "AAAA")], "InvalidRequest"
    two = [("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-crc32c", "AAAAAA==")]
    yield two, "InvalidRequest"
    yield [("x-amz-trailer", "x-amz-checksum-crc32")], "MalformedTrailerError"
    yield [("x-amz-trailer", "x-odd")], "InvalidRequest"


def test_a_wrong_digest_stores_nothing(server: Server, sender: Sender, log: Log) -> None:
    ids = {}
    with sender.connect() as connection:
        for headers, code in _bad_digests():
            connection.send(sender.signed("PUT", "/src/digest-bad", headers, CONTENT))
            answer = connection.answer()
            assert (headers, answer.status, answer.code) == (headers, 400, code)
            ids[answer.request_id] = code
        wrong = sender.signed("PUT", "/src/digest-bad", body=CONTENT, send_body=CONTENT[::-1])
        connection.send(wrong)
        answer = connection.answer()
        assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
        ids[answer.request_id] = "XAmzContentSHA256Mismatch"
    for request_id, code in ids.items():
        assert judged(log.one(request_id)) == ("REST.PUT.OBJECT", 400, code)
    assert server.client().list_objects_v2(Bucket="src", Prefix="digest-bad")["KeyCount"] == 0


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_wrong_trailer_stores_nothing(
    server: Server, sender: Sender, log: Log, name: str
) -> None:
    header = f"x-amz-checksum-{name}"
    wrong = base64.b64encode(bytes(SIZES[name])).decode()
    cases = [
        ([(header, wrong)], header, "BadDigest"),
        ([(header, "x")], header, "InvalidRequest"),
        ([], header, "MalformedTrailerError"),
        ([("x-amz-checksum-odd", "AAAA")], header, "MalformedTrailerError"),
        ([(header, wrong), ("x-more", "1")], header, "MalformedTrailerError"),
    ]
    for trailers, announced, code in cases:
        body = signing.unsigned_chunks([CONTENT], trailers=trailers)
        form = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
        headers = [
            ("x-amz-decoded-content-length", str(len(CONTENT))),
            ("x-amz-trailer", announced),
            ("content-encoding", "aws-chunked"),
        ]
        head = sender.signed("PUT", "/src/trailer-bad", headers, payload=form)
        answer = sender.ask(_put(head, body))
        assert (trailers, answer.status, answer.code) == (trailers, 400, code)
        assert judged(log.one(answer.request_id)) == ("REST.PUT.OBJECT", 400, code)
    assert server.client().list_objects_v2(Bucket="src", Prefix="trailer-bad")["KeyCount"] == 0


@pytest.mark.parametrize(
    ("target", "method", "operation"),
    [
        ("/src?logging", "PUT", "REST.PUT.LOGGING_STATUS"),
        ("/src?delete", "POST", "REST.POST.MULTI_OBJECT_DELETE"),
        ("/src?policy", "PUT", "REST.PUT.BUCKETPOLICY"),
    ],
)
def test_a_document_with_a_wrong_digest_does_nothing(
    sender: Sender, log: Log, target: str, method: str, operation: str
) -> None:
    zeros = base64.b64encode(bytes(32)).decode()
    for headers, change, code in (
        ([("Content-MD5", zeros[:22] + "==")], None, "BadDigest"),
        ([("x-amz-checksum-sha256", zeros)], None, "BadDigest"),
        ([], b"<BucketLoggingStatuss/>", "XAmzContentSHA256Mismatch"),
    ):
        request = sender.signed(
            method, target, headers, b"<BucketLoggingStatus/>", send_body=change
        )
        answer = sender.ask(request)
        assert (answer.status, answer.code) == (400, code)
        assert judged(log.one(answer.request_id)) == (operation, 400, code)
    assert b"LoggingEnabled" in sender.ask(sender.signed("GET", "/src?logging")).body


@pytest.mark.parametrize("vanish", ["ends", "resets"])
@pytest.mark.parametrize("size", [1000, 3 << 20])
def test_a_body_cut_short_stores_nothing_and_is_recorded(
    server: Server, sender: Sender, log: Log, root: str, vanish: str, size: int
) -> None:
    key = f"cut-{vanish}-{size}"
    request = sender.signed("PUT", f"/src/{key}", body=bytes(size))
    with sender.connect() as connection:
        connection.send(request[: -size // 2])
        if vanish == "ends":
            connection.end()
            answer = connection.answer()
            assert (answer.status, answer.code) == (400, "IncompleteBody")
            assert connection.is_ended()
        else:
            connection.reset()
    while not (found := log.of_key(key)):
        pass  # the server finds out when its kernel does
    (record,) = found
    assert judged(record) == ("REST.PUT.OBJECT", 400, "IncompleteBody")
    assert (record.requester, record.object_size) == (root, None)
    assert server.client().list_objects_v2(Bucket="src", Prefix=key)["KeyCount"] == 0
    still_serves(sender)


def test_a_document_cut_short_does_nothing(sender: Sender, log: Log) -> None:
    request = sender.signed("PUT", "/src?logging", body=b"<BucketLoggingStatus/>")
    with sender.connect() as connection:
        connection.send(request[:-5])
        connection.end()
        answer = connection.answer()
    assert (answer.status, answer.code) == (400, "IncompleteBody")
    assert judged(log.one(answer.request_id))[2] == "IncompleteBody"
    assert b"LoggingEnabled" in sender.ask(sender.signed("GET", "/src?logging")).body


def test_what_comes_behind_a_body_is_the_next_request_or_none(sender: Sender, log: Log) -> None:
    request = sender.signed("PUT", "/src/long", body=b"12345")
    with sender.connect() as connection:
        connection.send(request + b"67890 more than was announced\r\n\r\n")
        first, second = connection.answer(), connection.answer()
        assert (first.status, second.status) == (200, 400)
        assert connection.is_ended()
    assert log.one(first.request_id).object_size == 5
    with sender.connect() as connection:
        connection.send(request + sender.signed("GET", "/src/long"))
        first, second = connection.answer("PUT"), connection.answer()
        assert (first.status, second.body) == (200, b"12345")


def test_a_put_without_a_length_is_refused(sender: Sender, log: Log) -> None:
    request = sender.signed("PUT", "/src/k", replace={"Content-Length": None})
    chunked = sender.signed(
        "PUT", "/src/k", [("Transfer-Encoding", "chunked")], payload="UNSIGNED-PAYLOAD"
    )
    for data in (request, chunked + b"1\r\na\r\n0\r\n\r\n"):
        answer = sender.ask(data)
        assert (answer.status, answer.code) == (411, "MissingContentLength")
        assert judged(log.one(answer.request_id)) == (
            "REST.PUT.OBJECT",
            411,
            "MissingContentLength",
        )


def test_a_body_over_five_gibibytes_is_refused_unread(sender: Sender, log: Log) -> None:
    """With `Expect: 100-continue` nothing of it is asked for."""
    size = (5 << 30) + 1
    head = sender.signed(
        "PUT",
        "/src/k",
        [("Expect", "100-continue")],
        payload="UNSIGNED-PAYLOAD",
        replace={"Content-Length": str(size)},
    )
    with sender.connect() as connection:
        connection.send(head)
        status, _ = connection.head()
        assert status == 400
    for number in (str(1 << 70), "9" * 400):
        answer = sender.ask(_with(head, "Content-Length", number))
        assert answer.status == 400
    still_serves(sender)


NUMBER = "000000001" + "0" * 5000  # begins like a one, and Python refuses to read it


def test_numbers_of_five_thousand_digits_are_just_wrong(
    sender: Sender, log: Log, upload: str
) -> None:
    part = f"<Part><PartNumber>{NUMBER}</PartNumber><ETag>a</ETag></Part>"
    complete = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()
    requests = {
        "partNumber": sender.signed(
            "PUT", f"/src/doc?partNumber={NUMBER}&uploadId={upload}", body=CONTENT
        ),
        "partNumber of a GET": sender.signed("GET", f"/src/doc?partNumber={NUMBER}"),
        "Complete": sender.signed("POST", f"/src/doc?uploadId={upload}", body=complete),
        "decoded length": sender.signed(
            "PUT", "/src/k", [("x-amz-decoded-content-length", NUMBER)], CONTENT
        ),
        "max-keys": sender.signed("GET", f"/src?max-keys={NUMBER}"),
        "max-uploads": sender.signed("GET", f"/src?uploads&max-uploads={NUMBER}"),
        "max-parts": sender.signed("GET", f"/src/doc?uploadId={upload}&max-parts={NUMBER}"),
        "part marker": sender.signed(
            "GET", f"/src/doc?uploadId={upload}&part-number-marker={NUMBER}"
        ),
        "size": sender.signed("DELETE", "/src/doc", [("x-amz-if-match-size", NUMBER)]),
        "copied range": sender.signed(
            "PUT",
            f"/src/doc?partNumber=1&uploadId={upload}",
            [("x-amz-copy-source", "/src/doc"), ("x-amz-copy-source-range", f"bytes=0-{NUMBER}")],
        ),
        "length": sender.signed("PUT", "/src/k", replace={"Content-Length": NUMBER}),
        "length with zeros": sender.signed("PUT", "/src/k", replace={"Content-Length": "0" * 5000}),
    }
    ids = {}
    for what, request in requests.items():
        answer = sender.ask(request)
        assert (what, answer.status) == (what, 400), answer.body
        ids[answer.request_id] = answer.code
    range_ = [("Range", f"bytes={NUMBER}-"), ("If-Modified-Since", NUMBER)]
    for header in range_:  # an unreadable condition is none
        assert sender.ask(sender.signed("GET", "/src/doc", [header])).status in (200, 416)
    for request_id, code in ids.items():
        assert judged(log.all(request_id)[0])[1:] == (400, code)
