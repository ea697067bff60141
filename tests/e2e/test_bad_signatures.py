"""Signatures that prove nothing: refused in Amazon's order, recorded without a requester."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.log import Log, judged
from tests.support.raw import Sender, header, replaced, still_serves
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server


def _other(text: str) -> str:
    """The text with its last character changed."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


# What is done to a signed `GET /src/sig?x-a=1` with the header x-amz-meta-a, and what comes of it.
def _bad_headers(sender: Sender, server: Server) -> Iterator[tuple[str, bytes, int, str]]:
    def signed(**options: Any) -> bytes:
        who = options.pop("by", sender)
        assert isinstance(who, Sender)
        request: bytes = who.signed("GET", "/src/sig?x-a=1", [("x-amz-meta-a", "1")], **options)
        return request

    good = signed()
    credentials = header(good, "authorization")
    yield (
        "other signature",
        replaced(good, "Authorization", _other(credentials)),
        403,
        ("SignatureDoesNotMatch"),
    )
    for what, request in {
        "other header": replaced(good, "x-amz-meta-a", "2"),
        "other parameter": good.replace(b"x-a=1", b"x-a=2"),
        "further parameter": good.replace(b"x-a=1", b"x-a=1&x-b=1"),
        "other key": good.replace(b"/src/sig", b"/src/gis"),
        "other method": good.replace(b"GET ", b"DELETE ", 1),
        "other host": replaced(good, "Host", "localhost"),
        "other hash": replaced(good, "x-amz-content-sha256", "0" * 64),
        "twice the header": good.replace(b"x-amz-meta-a: 1", b"x-amz-meta-a: 1\r\nx-amz-meta-a: 2"),
        "other secret": signed(by=Sender(server.endpoint, ACCESS_KEY, "x" + SECRET_KEY)),
        "no signature": replaced(good, "Authorization", credentials[:-64] + "0"),
        "odd signature": replaced(good, "Authorization", credentials[:-64] + "\xe9\xff" * 32),
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
        replaced(good, "Authorization", credentials.replace(ACCESS_KEY, "<&\"'\xff>")),
        403,
        "InvalidAccessKeyId",
    )
    yield "unsigned header", replaced(good, "x-amz-acl", "private"), 403, "AccessDenied"
    yield (
        "host unsigned",
        replaced(
            good, "Authorization", credentials.replace("SignedHeaders=host;", "SignedHeaders=")
        ),
        403,
        "AccessDenied",
    )
    for clock_s in (-16 * 60, 16 * 60, -86400 * 365):
        yield f"clock {clock_s}", signed(clock_s=clock_s), 403, "RequestTimeTooSkewed"
    yield "no date", replaced(good, "X-Amz-Date", None), 403, "AccessDenied"
    yield "odd date", replaced(good, "X-Amz-Date", "yesterday"), 403, "AccessDenied"
    yield "no hash", replaced(good, "x-amz-content-sha256", None), 400, "InvalidRequest"
    yield "odd hash", replaced(good, "x-amz-content-sha256", "hash"), 400, "InvalidArgument"
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
        yield what, replaced(good, "Authorization", value), 400, "AuthorizationHeaderMalformed"
    for value in ("Bearer token", "Basic dXNlcjpwYXNz", "AWS4-HMAC-SHA256"):
        yield value, replaced(good, "Authorization", value), 400, "InvalidArgument"
    yield (
        "two ways",
        replaced(sender.signed("GET", "/src/sig", expires_s=60), "Authorization", credentials),
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
        "other host": replaced(good, "Host", "localhost"),
    }.items():
        yield what, request, 403, "SignatureDoesNotMatch"
    yield "expired", signed(clock_s=-120), 403, "AccessDenied"
    yield "not yet valid", signed(clock_s=16 * 60), 403, "AccessDenied"
    yield "unsigned header", replaced(good, "x-amz-meta-a", "1"), 403, "AccessDenied"
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
