"""Bodies that are not what was announced or signed: nothing is stored, and it is recorded."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator

import pytest
from tests.support import signing
from tests.support.log import Log, judged
from tests.support.raw import Sender, header, replaced, still_serves
from tests.support.server import SECRET_KEY, Server

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
    stamp = header(request, "x-amz-date")
    seed = header(request, "authorization")[-64:]
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
    return replaced(head, "Content-Length", str(len(body))) + body


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
    request = sender.signed("PUT", f"/src/{key}", [("Expect", "100-continue")], bytes(size))
    head, _, body = request.partition(b"\r\n\r\n")
    with sender.connect() as connection:
        connection.send(head + b"\r\n\r\n")
        assert connection.head()[0] == 100  # so the server knows of the request
        connection.send(body[: size // 2])
        if vanish == "ends":
            connection.end()
            answer = connection.answer()
            assert (answer.status, answer.code) == (400, "IncompleteBody")
            assert connection.is_ended()
        else:
            connection.reset()
    record = log.await_key(key)
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
        answer = sender.ask(replaced(head, "Content-Length", number))
        assert answer.status == 400
    still_serves(sender)
