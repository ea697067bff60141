"""Requests of no proper shape: smuggled, misaddressed, of no known method or resource."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import boto3
import botocore.exceptions
import pytest
from botocore.config import Config
from botocore.session import get_session
from tests.support.log import Log, judged
from tests.support.raw import Sender, replaced, still_serves
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server

from bucketlog.s3.operations import BY_NAME, OPERATIONS, RESOURCES, Operation

# ── smuggling ───────────────────────────────────────────────────────────────────────────────────

# Each is answered once and the connection ended: what stands behind it must never be a request.
# {victim} is a whole, well signed DELETE.
AMBIGUOUS = {
    "length and chunked": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": "Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    "two equal lengths": "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": "Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": "Content-Length: +5\r\n\r\nhello",
    "a negative length": "Content-Length: -5\r\n\r\nhello",
    "a hexadecimal length": "Content-Length: 0x5\r\n\r\nhello",
    "an empty length": "Content-Length: \r\n\r\nhello",
    "another coding": "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked not last": "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "gzip, chunked": "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "identity": "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
    "a blank before the colon": "Content-Length : 5\r\n\r\nhello",
    "coding with a blank before the colon": "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "coding behind a tab": "\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding with a vertical tab": "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a bare line feed": "X-A: 1\nContent-Length: 5\r\n\r\nhello",
    "a bare line feed at the end": "Content-Length: 5\r\n\nhello",
    "a bare carriage return": "X-A: 1\rContent-Length: 5\r\n\r\nhello",
    "a folded line": "X-A: 1\r\n Content-Length: 5\r\n\r\nhello",
    "a NUL": "X-A: \x001\r\n\r\n",
    "no colon": "X-A\r\n\r\n",
    "no name": ": 1\r\n\r\n",
    "a blank in a name": "X A: 1\r\n\r\n",
    "a second Host": "Host: elsewhere\r\n\r\n",
    "the same Host twice": "Host: {host}\r\n\r\n",
    "HTTP/1.0 and chunked": "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}
# And these break off in their bodies.
AMBIGUOUS_CHUNKS = {
    "underscores": "5_0\r\nhello\r\n0\r\n\r\n",
    "a sign": "+5\r\nhello\r\n0\r\n\r\n",
    "0x": "0x5\r\nhello\r\n0\r\n\r\n",
    "a blank before": " 5\r\nhello\r\n0\r\n\r\n",
    "a bare line feed": "5\nhello\n0\n\n",
    "a line feed in an extension": "5;a\nb\r\nhello\r\n0\r\n\r\n",
    "too long a chunk": "5\r\nhello!\r\n0\r\n\r\n",
    "too large": "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "no size": "\r\nhello\r\n0\r\n\r\n",
    "endless extension": "5;" + "a" * 70_000 + "\r\nhello\r\n0\r\n\r\n",
    "a header in the trailer's place": "0\r\nno trailer\r\n\r\n",
}


def _smuggles(server: Server, sender: Sender, log: Log, key: str, request: str) -> None:
    """Sends it with a DELETE behind, and holds it to one refusal."""
    s3 = server.client()
    s3.put_object(Bucket="src", Key="victim")
    victim = sender.signed("DELETE", "/src/victim", [("x-amz-meta-by", key)])
    with sender.connect() as connection:
        connection.send(request.encode("latin-1") + victim)
        answer = connection.answer()
        assert (answer.status, answer.code) in ((400, "BadRequest"), (501, "NotImplemented"))
        assert answer.headers["connection"] == "close"
        assert connection.is_ended()
    record = log.one(answer.request_id)
    assert judged(record) == ("REST.PUT.OBJECT", answer.status, answer.code)
    assert (record.key, record.requester) == (key, None)
    s3.head_object(Bucket="src", Key="victim")


@pytest.mark.parametrize("what", AMBIGUOUS)
def test_an_ambiguous_request_is_refused_and_nothing_behind_it_is_one(
    server: Server, sender: Sender, log: Log, what: str
) -> None:
    version = "HTTP/1.0" if "HTTP/1.0" in what else "HTTP/1.1"
    rest = AMBIGUOUS[what].replace("{host}", sender.host)
    request = f"PUT /src/smuggler {version}\r\nHost: {sender.host}\r\n{rest}"
    _smuggles(server, sender, log, "smuggler", request)


@pytest.mark.parametrize("what", AMBIGUOUS_CHUNKS)
def test_an_ambiguous_chunk_is_refused_and_nothing_behind_it_is_a_request(
    server: Server, sender: Sender, log: Log, root: str, what: str
) -> None:
    """These are signed, so that the body is wanted."""
    server.client().put_object(Bucket="src", Key="victim")
    head = sender.signed(
        "PUT",
        "/src/smuggler",
        [("Transfer-Encoding", "chunked"), ("x-amz-decoded-content-length", "5")],
        payload="UNSIGNED-PAYLOAD",
    )
    body = AMBIGUOUS_CHUNKS[what].encode("latin-1")
    with sender.connect() as connection:
        connection.send(head + body + sender.signed("DELETE", "/src/victim"))
        answer = connection.answer()
        assert (answer.status, answer.code) == (400, "BadRequest")
        assert connection.is_ended()
    record = log.one(answer.request_id)
    assert judged(record) == ("REST.PUT.OBJECT", 400, "BadRequest")
    assert record.requester == root
    found = server.client().list_objects_v2(Bucket="src")["Contents"]
    assert {"victim"} <= {entry["Key"] for entry in found}
    assert "smuggler" not in {entry["Key"] for entry in found}


@pytest.mark.parametrize(
    "line",
    [
        "GET /src/line HTTP/1.2",
        "GET /src/line HTTP/2.0",
        "GET /src/line HTTP/9.9",
        "GET  /src/line HTTP/1.1",
        "GET /src/line  HTTP/1.1",
        "GET /src/li ne HTTP/1.1",
        "GET\t/src/line HTTP/1.1",
        "GET /src/line\tHTTP/1.1",
        "GET /src/line HTTP/1.1 ",
        "GET /src/line http/1.1",
        "GET /src/line HTTP/11",
        "GET /src/line HTTP/1.1x",
        "GET /src/line",
        "GET /src/line FTP/1.1",
        "GET src/line HTTP/1.1",
        "GET \\src\\line HTTP/1.1",
        "GET /src/line\x00 HTTP/1.1",
        "GET /src/line\x01 HTTP/1.1",
        "GET /src/line\x7f HTTP/1.1",
        "GET ftp://h/src/line HTTP/1.1",
        "GET * HTTP/1.1",
        "GET h:80 HTTP/1.1",
        "CONNECT h:80 HTTP/1.1",
        " GET /src/line HTTP/1.1",
        "/src/line",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS where there is none
    ],
)
def test_a_request_line_that_is_none_ends_the_connection(
    server: Server, sender: Sender, log: Log, line: str
) -> None:
    server.client().put_object(Bucket="src", Key="victim")
    with sender.connect() as connection:
        text = f"{line}\r\nHost: {sender.host}\r\n\r\n"
        connection.send(text.encode("latin-1") + sender.signed("DELETE", "/src/victim"))
        answer = connection.answer()
        assert answer.status in (400, 405)
        assert connection.is_ended()
    named = re.fullmatch(r"[A-Z]+ /src/line HTTP/\d\.\d", line) is not None
    if named:
        record = log.one(answer.request_id)
        assert judged(record) == ("REST.GET.OBJECT", 400, "BadRequest")
        assert record.request_uri == line
    server.client().head_object(Bucket="src", Key="victim")


def test_a_head_too_large_is_refused(sender: Sender, log: Log) -> None:
    many = [(f"x-{number}", "1") for number in range(300)]
    for headers in ([("x-large", "a" * 20_000)], many):
        answer = sender.ask(sender.written("GET", "/src/large", headers))
        assert (answer.status, answer.code) == (400, "RequestHeaderSectionTooLarge")
        assert judged(log.one(answer.request_id)) == (
            "REST.GET.OBJECT",
            400,
            "RequestHeaderSectionTooLarge",
        )
    answer = sender.ask(sender.written("GET", "/src/" + "a" * 20_000))
    assert (answer.status, answer.code) == (400, "RequestHeaderSectionTooLarge")
    still_serves(sender)


@pytest.mark.parametrize(
    "host", [None, "a b", "a/b", "a@b", "[::1", "\xe9", "h:port", "h:999999", "a,b", '"', "<h>"]
)
def test_a_missing_or_odd_host_is_refused(sender: Sender, log: Log, host: str | None) -> None:
    answer = sender.ask(replaced(sender.written("GET", "/src/hosted"), "Host", host))
    assert (answer.status, answer.code) == (400, "BadRequest")
    record = log.one(answer.request_id)
    assert judged(record) == ("REST.GET.OBJECT", 400, "BadRequest")
    assert (record.key, record.host_header is None) == ("hosted", host is None)


def test_http_1_0_needs_no_host(sender: Sender, log: Log) -> None:
    answer = sender.ask(b"GET /src/hosted HTTP/1.0\r\n\r\n")
    assert (answer.status, answer.code) == (403, "AccessDenied")
    record = log.one(answer.request_id)
    assert (record.host_header, record.request_uri) == (None, "GET /src/hosted HTTP/1.0")


# ── damage ──────────────────────────────────────────────────────────────────────────────────────

SHARDS = [
    b"\x00",
    b"\r\n",
    b"\n",
    b" ",
    b'"',
    b"%",
    b"%00",
    b"%ff",
    b"\xff",
    b"?",
    b"&",
    b"/",
    b":",
    b"9",
]


def _damaged(request: bytes, chance: Random) -> bytes:
    """The request with bytes put in, or taken out, at one to three places."""
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(request))
        request = request[:at] + chance.choice(SHARDS) + request[at + chance.choice((0, 0, 1, 9)) :]
    return request


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_damaged_is_answered_and_recorded_as_it_was_answered(
    server: Server, sender: Sender, log: Log, upload: str, seed: int
) -> None:
    """No hang, no error of ours, no line that says anything else than the answer."""
    chance = Random(seed)
    whole = [
        sender.signed("GET", "/src/k?versionId=null", [("Range", "bytes=0-5")]),
        sender.signed("PUT", "/src/damaged", [("Content-MD5", "AAAA")], b"content"),
        sender.signed("GET", "/src?list-type=2&prefix=a%20b&encoding-type=url"),
        sender.signed(
            "POST", "/src?delete", body=b"<Delete><Object><Key>a</Key></Object></Delete>"
        ),
        sender.signed("PUT", f"/src/doc?partNumber=1&uploadId={upload}", body=b"part"),
        sender.signed("PUT", "/src/copied", [("x-amz-copy-source", "/src/doc?versionId=null")]),
        sender.signed("GET", "/src/k", expires_s=60),
        sender.written("GET", "/src/k"),
    ]
    answers = []
    for _ in range(100):
        with sender.connect() as connection:
            connection.send(_damaged(chance.choice(whole), chance))
            connection.end()
            try:
                answers.append(connection.answer("HEAD"))  # its head is enough
            except EOFError:
                continue  # there was no whole head
    assert len(answers) > 50
    told = {a.headers["x-amz-request-id"]: a for a in answers if "x-amz-request-id" in a.headers}
    recorded = [record for record in log.complete().records if record.request_id in told]
    assert len(recorded) > 30
    for record in recorded:
        answer = told[record.request_id or ""]
        assert record.host_id == answer.headers["x-amz-id-2"]
        if not (record.operation or "").endswith("_GET"):
            assert record.http_status == answer.status
    for answer in answers:
        assert answer.status < 500 or answer.status == 501
    still_serves(sender)


# ── names ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name",
    [
        *("ab", "a" * 64, "Upper", "under_score", "a..b", "-a", "a-", ".ab", "192.168.0.1"),
        *("xn--a", "a-s3alias", "sthree-a", "b%C3%BCcket", "a%20b", "a%00b", "a%0Ab", "%22"),
    ],
)
def test_an_invalid_bucket_name_is_refused(sender: Sender, log: Log, name: str) -> None:
    answer = sender.ask(sender.signed("PUT", f"/{name}"))
    assert (answer.status, answer.code) == (400, "InvalidBucketName")
    assert log.all(answer.request_id) == []  # it belongs to no bucket
    assert sender.ask(sender.signed("GET", f"/{name}/key")).status in (400, 404)


def test_a_bucket_that_is_not_there_has_no_log(sender: Sender, log: Log) -> None:
    for method, target in [
        ("GET", "/nobucket"),
        ("PUT", "/nobucket/k"),
        ("GET", "//k"),
        ("GET", "//"),
    ]:
        answer = sender.ask(sender.signed(method, target))
        assert answer.status in (400, 404)
        assert log.all(answer.request_id) == []


# ── methods and resources ───────────────────────────────────────────────────────────────────────


def test_an_unknown_subresource_means_nothing(sender: Sender, log: Log) -> None:
    answer = sender.ask(sender.signed("GET", "/src?nothing&x-odd=1&%22=2"))
    assert answer.status == 200
    assert judged(log.one(answer.request_id)) == ("REST.GET.BUCKET", 200, None)


@pytest.mark.parametrize(
    "method", ["PATCH", "TRACE", "PROPFIND", "LINK", "FOO", "get", "M-SEARCH", "A" * 64, "!#$%&'*"]
)
@pytest.mark.parametrize(("target", "resource"), [("/src", "BUCKET"), ("/src/k?acl", "ACL")])
def test_an_unknown_method_is_not_allowed(
    sender: Sender, log: Log, method: str, target: str, resource: str
) -> None:
    answer = sender.ask(sender.signed(method, target))
    assert (answer.status, answer.code) == (405, "MethodNotAllowed")
    record = log.one(answer.request_id)
    assert judged(record)[1:] == (405, "MethodNotAllowed")
    assert record.operation == f"REST.{method}.{resource}"
    still_serves(sender)


def _known(method: str, level: str, name: str | None) -> bool:
    return any(
        (row.method, row.level, row.subresource) == (method, level, name) for row in OPERATIONS
    )


@pytest.mark.parametrize("level", ["bucket", "object"])
def test_what_s3_does_not_have_is_not_allowed_under_its_composed_name(
    sender: Sender, log: Log, level: Any
) -> None:
    """Every sub-resource with every method that it doesn't have."""
    path = "/src" if level == "bucket" else "/src/k"
    expected = {}
    names = RESOURCES[level]
    with sender.connect() as connection:
        for name, resource in names.items():
            for method in ("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH"):
                if _known(method, level, name):
                    continue
                connection.send(sender.signed(method, f"{path}?{name}"))
                answer = connection.answer(method)
                expected[answer.request_id] = (f"REST.{method}.{resource}", answer.status)
                assert (name, method, answer.status) in (
                    (name, method, 405),
                    ("torrent", method, 400),
                    ("logging", method, 400),
                )
    log.update()
    for request_id, (operation, status) in expected.items():
        record = log.one(request_id)
        assert judged(record)[:2] == (operation, status)
    assert len(expected) > 150


def test_a_bucket_has_no_post_but_of_forms(sender: Sender, log: Log) -> None:
    answer = sender.ask(sender.signed("POST", "/src"))
    assert (answer.status, answer.code) == (412, "PreconditionFailed")
    assert judged(log.one(answer.request_id))[0] == "REST.POST.BUCKET"


def test_two_subresources_are_one_too_many(sender: Sender, log: Log) -> None:
    answer = sender.ask(sender.signed("GET", "/src?acl&policy"))
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    assert judged(log.one(answer.request_id)) == ("REST.GET.ACL", 400, "InvalidArgument")


MODEL = get_session().get_service_model("s3")
# Sent to other hosts than a bucket's, or answered by another operation of the same shape.
ELSEWHERE = {"WriteGetObjectResponse", "ListDirectoryBuckets"}


def _dummy(shape: Any) -> Any:
    """The least value of a shape that botocore takes."""
    kind = shape.type_name
    if kind == "structure":
        return {name: _dummy(shape.members[name]) for name in shape.required_members}
    if kind == "list":
        return [_dummy(shape.member)]
    if kind == "map":
        return {}
    if kind in ("integer", "long"):
        return 1
    if kind == "boolean":
        return True
    if kind == "timestamp":
        return 0
    if kind == "blob":
        return b"x"
    return shape.enum[0] if getattr(shape, "enum", None) else "x"


def _unimplemented() -> list[str]:
    def row(name: str) -> Operation:
        found = BY_NAME[name]
        return found if found.routed_as is None else BY_NAME[found.routed_as]

    return [
        name
        for name in MODEL.operation_names
        if not row(name).implemented and name not in ELSEWHERE
    ]


def test_every_operation_that_is_not_implemented_says_so_under_its_name(
    server: Server, log: Log
) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(
            retries={"max_attempts": 0},
            s3={"addressing_style": "path"},
            inject_host_prefix=False,
            parameter_validation=False,
        ),
    )
    ids = {}
    for name in _unimplemented():
        parameters = _dummy(MODEL.operation_model(name).input_shape)
        parameters["Bucket"] = "src"
        if "Key" in parameters:
            parameters["Key"] = "k"
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            client._make_api_call(name, parameters)
        answer = caught.value.response
        told = (name, answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"])
        assert told == (name, 501, "NotImplemented")
        ids[name] = answer["ResponseMetadata"]["RequestId"]
    assert len(ids) > 50
    for name, request_id in ids.items():
        assert judged(log.one(request_id)) == (BY_NAME[name].log_name, 501, "NotImplemented")
