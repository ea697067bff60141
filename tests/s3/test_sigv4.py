"""Whom a signature proves, with botocore and Amazon's own examples as the judges."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import socket
import subprocess
import threading
import time
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.utils import percent_encode
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.signing import (
    ACCESS_KEY,
    BOB,
    CREDENTIAL,
    HOST,
    NOW,
    REGION,
    REGIONS,
    SCOPE,
    SECRET_KEY,
    STAMP,
    altered,
    by_botocore,
    derived_key,
    find_key,
    seconds_after,
)

from bucketlog.s3 import canonical, sigv4
from bucketlog.s3.canonical import EMPTY_SHA256
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import ANONYMOUS, Request


def identify(request: Request, now: int = NOW) -> sigv4.Identity:
    return sigv4.identify(request, find_key, now, REGIONS)


def refusal(request: Request, now: int = NOW) -> S3Error:
    with pytest.raises(S3Error) as caught:
        identify(request, now)
    return caught.value


def quoted(key: str) -> str:
    """A key in a path, as botocore puts it there."""
    return str(percent_encode(key, safe="-._~/"))


# ------------------------------------------------------------ Amazon's documented examples

EXAMPLES = {
    "get": (
        "GET",
        "/test.txt",
        {"range": "bytes=0-9", "x-amz-date": STAMP},
        EMPTY_SHA256,
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "put": (
        "PUT",
        "/test$file.text",
        {
            "date": "Fri, 24 May 2013 00:00:00 GMT",
            "x-amz-date": STAMP,
            "x-amz-storage-class": "REDUCED_REDUNDANCY",
        },
        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "lifecycle": (
        "GET",
        "/?lifecycle",
        {"x-amz-date": STAMP},
        EMPTY_SHA256,
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "list": (
        "GET",
        "/?max-keys=2&prefix=J",
        {"x-amz-date": STAMP},
        EMPTY_SHA256,
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_amazons_documentation_are_proven(name: str) -> None:
    method, target, headers, payload, signature = EXAMPLES[name]
    headers = {"host": HOST, "x-amz-content-sha256": payload, **headers}
    signed = ";".join(sorted(headers))
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{SCOPE},SignedHeaders={signed},"
        f"Signature={signature}"
    )
    identity = identify(Request(method, target, "HTTP/1.1", headers))
    assert identity.caller.access_key == ACCESS_KEY
    assert identity.payload == sigv4.Payload(payload)


@pytest.mark.parametrize("name", EXAMPLES)
def test_our_own_signature_is_that_of_amazons_documentation(name: str) -> None:
    method, target, headers, payload, signature = EXAMPLES[name]
    headers = {name: value for name, value in headers.items() if name != "x-amz-date"}
    request = Request(method, target, "HTTP/1.1", {"host": HOST, **headers})
    added = sigv4.sign(
        request,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        region=REGION,
        now=NOW,
        payload=payload,
    )
    assert added["authorization"].endswith(f"Signature={signature}")
    assert added["x-amz-date"] == STAMP


PRESIGNED_EXAMPLE = (
    "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524"
    "%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
    "&X-Amz-SignedHeaders=host&X-Amz-Signature="
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
)


def test_the_presigned_url_of_amazons_documentation_is_proven_and_made() -> None:
    request = Request("GET", PRESIGNED_EXAMPLE, "HTTP/1.1", {"host": HOST})
    identity = identify(request)
    assert identity.caller.authentication_type == "QueryString"
    assert identity.payload is sigv4.UNSIGNED
    bare = Request("GET", "/test.txt", "HTTP/1.1", {"host": HOST})
    made = sigv4.presign(
        bare,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        region=REGION,
        now=NOW,
        expires_s=86400,
    )
    assert made == PRESIGNED_EXAMPLE


# ------------------------------------------------------------ who it is


def test_a_root_key_speaks_for_its_account() -> None:
    identity = identify(by_botocore())
    assert identity.region == REGION
    caller = identity.caller
    assert caller.account == CREDENTIAL.account
    assert caller.requester == CREDENTIAL.account.canonical_id
    assert caller.access_key == ACCESS_KEY
    assert (caller.signature_version, caller.authentication_type) == ("SigV4", "AuthHeader")


def test_a_users_key_speaks_for_the_user() -> None:
    request = by_botocore(access_key=BOB.access_key, secret_key=BOB.secret_key)
    assert identify(request).caller.requester == BOB.user_arn


def test_another_region_of_the_server_may_be_signed_for() -> None:
    assert identify(by_botocore(region="eu-west-1")).region == "eu-west-1"


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}])
@pytest.mark.parametrize(
    "target", ["/b/k", "/b?prefix=Signature", "/b?X-Amz-Signature=1", "/b?prefix=X-Amz-Algorithm"]
)
def test_a_request_without_a_signature_is_anonymous(headers: dict[str, str], target: str) -> None:
    identity = identify(Request("GET", target, "HTTP/1.1", {"host": HOST, **headers}))
    assert identity == sigv4.Identity(ANONYMOUS, sigv4.UNSIGNED, None)


# ------------------------------------------------------------ odd keys, queries and headers

ODD_KEYS = [
    "a",
    "a b",
    "a+b",
    "a//b",
    "//",
    "./a",
    "a/../b",
    "..",
    "%2F",
    "a%2Fb%41",
    "a%",
    "~tilde~",
    "quote'\"`",
    "ü/ö/日本/😀",
    "a=b&c=d;e?f#g",
    "$@!*(),:;[]{}|\\^<>",
    "\t\n\x7f\x00",
    "trailing/",
]


@pytest.mark.parametrize("expires", [None, 60])
@pytest.mark.parametrize("key", ODD_KEYS)
def test_every_odd_key_is_proven_as_botocore_signs_it(key: str, expires: int | None) -> None:
    request = by_botocore(path=f"/bucket/{quoted(key)}", expires=expires)
    assert identify(request).caller.access_key == ACCESS_KEY


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
odd_texts = st.one_of(texts, st.text("/.~%+ '\"&=?#2Fü😀", max_size=20))


@settings(max_examples=150, deadline=None)
@given(key=odd_texts, query=st.lists(st.tuples(odd_texts, odd_texts), max_size=4))
def test_any_key_and_query_is_proven_as_botocore_signs_it(
    key: str, query: list[tuple[str, str]]
) -> None:
    path = f"/bucket/{quoted(key)}"
    if query:
        encoded = [f"{percent_encode(n, '-_.~')}={percent_encode(v, '-_.~')}" for n, v in query]
        path += "?" + "&".join(encoded)
    assert identify(by_botocore(path=path)).caller.access_key == ACCESS_KEY
    assert identify(by_botocore("PUT", path)).region == REGION


@settings(max_examples=100, deadline=None)
@given(key=odd_texts, name=odd_texts, value=odd_texts)
def test_what_we_presign_botocore_would_sign_the_same(key: str, name: str, value: str) -> None:
    target = f"/b/{quoted(key)}?{percent_encode('n' + name, '-_.~')}="
    target += percent_encode(value, "-_.~")
    ours = sigv4.presign(
        Request("GET", target, "HTTP/1.1", {"host": HOST}),
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        region=REGION,
        now=NOW,
        expires_s=60,
    )
    theirs = by_botocore(path=target, expires=60).target
    assert ours.rpartition("=")[2] == theirs.rpartition("=")[2]


@settings(max_examples=100, deadline=None)
@given(
    values=st.dictionaries(
        st.from_regex(r"x-amz-meta-[a-z0-9]{1,8}", fullmatch=True),
        # U+0085 and U+00A0 are blanks to Python's str, and bytes of UTF-8 to HTTP.
        st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40),
        max_size=4,
    )
)
def test_any_header_values_are_proven_as_botocore_signs_them(values: dict[str, str]) -> None:
    request = by_botocore("PUT", headers=values.items(), body=b"x")
    assert identify(request).caller.access_key == ACCESS_KEY


def test_a_header_in_utf8_is_proven_sent_as_utf8_or_as_latin1() -> None:
    """botocore signs the text in UTF-8, and Python's http.client sends it in Latin-1."""
    request = by_botocore(headers=[("x-amz-meta-a", "à la carte")])
    assert identify(request).region == REGION
    request.headers["x-amz-meta-a"] = "à la carte".encode().decode("latin-1")
    assert "\xa0" in request.headers["x-amz-meta-a"]
    assert identify(request).region == REGION


def test_repeated_headers_are_proven_joined_by_commas() -> None:
    request = by_botocore(headers=[("x-amz-meta-a", "1"), ("x-amz-meta-a", "  2   3 ")])
    request.headers["x-amz-meta-a"] = "1,2   3"
    assert identify(request).region == REGION


def test_blanks_in_header_values_count_once() -> None:
    request = by_botocore(headers=[("x-amz-meta-a", "b  c"), ("x-amz-meta-b", " x ")])
    for value in ("b c", "b \t c", "  b c", "b c  "):
        assert identify(altered(request, x_amz_meta_a=value)).region == REGION
    assert refusal(altered(request, x_amz_meta_a="bc")).code == "SignatureDoesNotMatch"


def test_a_signed_header_that_is_not_sent_is_signed_as_empty() -> None:
    request = by_botocore(headers=[("range", "")])
    assert identify(altered(request, range=None)).region == REGION


@pytest.mark.parametrize(
    ("sent", "signed"),
    [
        ("/b/a%7Eb", "/b/a~b"),  # sent escaped without need
        ("/b/a%7eb", "/b/a~b"),
        ("/b/a b", "/b/a%20b"),  # sent unescaped: signed escaped
        ("/b/(x)!", "/b/%28x%29%21"),
        ("/b/ü", "/b/%C3%BC"),
        ("/b/a%2Fb", "/b/a/b"),
    ],
)
def test_a_path_may_be_signed_as_sent_or_with_the_usual_escapes(sent: str, signed: str) -> None:
    """They name the same key, so either proves the same request."""
    sent = sent.encode().decode("latin-1")
    for written in (sent, signed):
        request = by_botocore(path="/placeholder")
        request.target = sent
        assert identify(resigned(request, path=written)).region == REGION


@pytest.mark.parametrize(
    ("sent", "signed"),
    [
        ("b=2&a=1", "a=1&b=2"),
        ("a=2&a=1&a", "a=&a=1&a=2"),
        ("a-b=1&a=2", "a=2&a-b=1"),  # by name first: "-" comes before "="
        ("acl", "acl="),
        ("prefix=a b", "prefix=a%20b"),
        ("prefix=a+b", "prefix=a%20b"),
        ("prefix=a/b", "prefix=a%2Fb"),
        ("prefix=a/b", "prefix=a/b"),
        ("a=b=c", "a=b%3Dc"),
        ("a=b=c", "a=b=c"),
        ("x=1&a=b=c", "a=b=c&x=1"),
        ("%7Eb=%2f", "~b=%2F"),
        ("", ""),
    ],
)
def test_a_query_is_proven_in_canonical_form(sent: str, signed: str) -> None:
    request = by_botocore(path="/placeholder")
    request.target = f"/b?{sent}"
    assert identify(resigned(request, path="/b", query=signed)).region == REGION


def resigned(request: Request, *, path: str, query: str = "") -> Request:
    """The request with a signature over exactly this path and query."""
    names = ["host", "x-amz-content-sha256", "x-amz-date"]
    lines = "".join(f"{name}:{request.headers[name]}\n" for name in names)
    form = f"{request.method}\n{path}\n{query}\n{lines}\n{';'.join(names)}\n{EMPTY_SHA256}"
    hashed = hashlib.sha256(form.encode("latin-1")).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{STAMP}\n{SCOPE}\n{hashed}"
    signature = hmac.new(derived_key(), text.encode(), "sha256").hexdigest()
    value = (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{SCOPE}, SignedHeaders={';'.join(names)}, "
        f"Signature={signature}"
    )
    return altered(request, authorization=value)


def test_a_date_header_stands_in_for_x_amz_date() -> None:
    request = by_botocore(headers=[("Date", "whenever")])
    assert "x-amz-date" not in request.headers
    assert identify(request).region == REGION
    assert refusal(request, seconds_after(901)).code == "RequestTimeTooSkewed"


@pytest.mark.parametrize(
    "spacing",
    [
        "AWS4-HMAC-SHA256 {c},{h},{s}",
        "AWS4-HMAC-SHA256  {c}, {h},  {s}",
        "AWS4-HMAC-SHA256 {h}, {c}, {s}",
        "AWS4-HMAC-SHA256 {s},{h} ,{c}",
        "aws4-hmac-sha256 {c}, {h}, {s}",
    ],
)
def test_the_authorization_header_may_be_spaced_and_ordered_in_any_way(spacing: str) -> None:
    request = by_botocore()
    parts = request.headers["authorization"].split(" ", 1)[1].split(", ")
    value = spacing.format(c=parts[0], h=parts[1], s=parts[2])
    assert identify(altered(request, authorization=value)).region == REGION


def test_very_many_signed_headers_are_proven_too() -> None:
    headers = [(f"x-amz-meta-{number:03}", "v") for number in range(120)]
    request = by_botocore(headers=headers)
    assert len(request.headers["authorization"]) > 1500
    assert identify(request).region == REGION


# ------------------------------------------------------------ nothing that is signed can change


def alterations(request: Request) -> list[Request]:
    """The request with each signed part changed, one at a time."""
    path, _, query = request.target.partition("?")
    changed = [
        Request("PUT", request.target, "HTTP/1.1", dict(request.headers)),
        Request(request.method, request.target + "&x=1", "HTTP/1.1", dict(request.headers)),
        Request(request.method, path + "x?" + query, "HTTP/1.1", dict(request.headers)),
        Request(request.method, "/" + request.target, "HTTP/1.1", dict(request.headers)),
    ]
    for at, pair in enumerate(query.split("&")):
        pairs = query.split("&")
        pairs[at] = pair[:-1] + ("0" if pair[-1:] != "0" else "1")
        target = f"{path}?{'&'.join(pairs)}"
        changed.append(Request(request.method, target, "HTTP/1.1", dict(request.headers)))
        del pairs[at]
        target = f"{path}?{'&'.join(pairs)}"
        changed.append(Request(request.method, target, "HTTP/1.1", dict(request.headers)))
    for name, value in request.headers.items():
        if name in ("authorization", "accept"):
            continue
        other = value[:-1] + ("0" if value[-1:] != "0" else "1")
        changed.append(altered(request, **{name: other}))
        changed.append(altered(request, **{name: None}))
    authorization = request.headers.get("authorization", "")
    for at in range(len("AWS4-HMAC-SHA256 Credential="), len(authorization)):
        # Blanks between the components are no part of what is signed.
        if authorization[at] in ", " or authorization[at - 1] in ", ":
            continue
        other = authorization[:at] + "!" + authorization[at + 1 :]
        changed.append(altered(request, authorization=other))
    return changed


@pytest.mark.parametrize("expires", [None, 60])
def test_altering_any_signed_part_is_refused(expires: int | None) -> None:
    request = by_botocore(
        path="/b/key?versionId=3&x-id=GetObject",
        headers=[("range", "bytes=0-9"), ("x-amz-meta-a", "b"), ("content-md5", "abc")],
        expires=expires,
    )
    assert identify(request).region == REGION
    cases = alterations(request)
    assert len(cases) > 20
    proven = [case for case in cases if is_proven(case)]
    assert proven == []


def is_proven(request: Request) -> bool:
    try:
        return bool(identify(request).caller != ANONYMOUS)
    except S3Error:
        return False


def test_a_mismatch_shows_what_should_have_been_signed() -> None:
    request = by_botocore(path="/b/k?a=1", secret_key="another")
    error = refusal(request)
    assert error.code == "SignatureDoesNotMatch"
    assert list(error.detail) == [
        "AWSAccessKeyId",
        "StringToSign",
        "SignatureProvided",
        "StringToSignBytes",
        "CanonicalRequest",
        "CanonicalRequestBytes",
    ]
    form = error.detail["CanonicalRequest"]
    assert form == (
        f"GET\n/b/k\na=1\nhost:{HOST}\nx-amz-content-sha256:{EMPTY_SHA256}\nx-amz-date:{STAMP}\n\n"
        f"host;x-amz-content-sha256;x-amz-date\n{EMPTY_SHA256}"
    )
    assert error.detail["StringToSign"].startswith(f"AWS4-HMAC-SHA256\n{STAMP}\n{SCOPE}\n")
    assert error.detail["StringToSignBytes"].startswith("41 57 53 34 2d 48 4d 41 43")
    assert bytes.fromhex(error.detail["CanonicalRequestBytes"]) == form.encode()
    assert error.detail["AWSAccessKeyId"] == ACCESS_KEY
    assert request.headers["authorization"].endswith(error.detail["SignatureProvided"])


def test_a_signature_that_is_no_ascii_is_a_mismatch() -> None:
    request = by_botocore()
    value = request.headers["authorization"][:-1] + "\xe9"
    assert refusal(altered(request, authorization=value)).code == "SignatureDoesNotMatch"


# ------------------------------------------------------------ the payload


@pytest.mark.parametrize("word", ["UNSIGNED-PAYLOAD", EMPTY_SHA256.upper(), "0" * 64])
def test_a_signed_payload_is_told_as_announced(word: str) -> None:
    bare = Request("PUT", "/b/k", "HTTP/1.1", {"host": HOST})
    payload = identify(ours(bare, payload=word)).payload
    assert payload.sha256 == (None if word == "UNSIGNED-PAYLOAD" else word)
    assert not payload.is_chunked


def ours(request: Request, **options: Any) -> Request:
    added = sigv4.sign(
        request,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        region=REGION,
        now=NOW,
        **options,
    )
    return altered(request, **added)


def test_chunked_payloads_carry_what_their_signatures_need() -> None:
    bare = Request("PUT", "/b/k", "HTTP/1.1", {"host": HOST})
    for word, has_trailers in (
        (sigv4.SIGNED_CHUNKS, False),
        (sigv4.SIGNED_CHUNKS_TRAILER, True),
    ):
        request = ours(bare, payload=word)
        payload = identify(request).payload
        assert payload.is_chunked
        assert payload.has_trailers is has_trailers
        assert payload.chain is not None
        assert payload.chain.key == derived_key()
        assert request.headers["authorization"].endswith(payload.chain.signature)
        assert (payload.chain.stamp, payload.chain.scope) == (STAMP, SCOPE)
        assert SECRET_KEY not in repr(payload)
        assert repr(payload.chain.key) not in repr(payload)
    payload = identify(ours(bare, payload=sigv4.UNSIGNED_CHUNKS_TRAILER)).payload
    assert (payload.is_chunked, payload.has_trailers, payload.chain) == (True, True, None)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, sigv4.Payload()),
        ({"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, sigv4.Payload()),
        ({"x-amz-content-sha256": "garbage"}, sigv4.Payload("garbage")),
        ({"x-amz-content-sha256": sigv4.SIGNED_CHUNKS}, sigv4.Payload(sigv4.SIGNED_CHUNKS)),
        (
            {"x-amz-content-sha256": sigv4.UNSIGNED_CHUNKS_TRAILER},
            sigv4.Payload(None, True, True),
        ),
        (
            {"content-encoding": "gzip,aws-chunked", "x-amz-decoded-content-length": "3"},
            sigv4.Payload(None, True, True),
        ),
        ({"content-encoding": "aws-chunked"}, sigv4.Payload()),
        ({"x-amz-decoded-content-length": "3"}, sigv4.Payload()),
    ],
)
def test_an_anonymous_payload_is_what_its_headers_announce(
    headers: dict[str, str], expected: sigv4.Payload
) -> None:
    request = Request("PUT", "/b/k", "HTTP/1.1", {"host": HOST, **headers})
    assert identify(request).payload == expected


@pytest.mark.parametrize(
    "word", [sigv4.UNSIGNED_CHUNKS_TRAILER, sigv4.SIGNED_CHUNKS, "garbage", "UNSIGNED-PAYLOAD"]
)
def test_a_presigned_payload_is_hashed_as_it_comes(word: str) -> None:
    """Whatever x-amz-content-sha256 says then, it is taken for a hash; it won't match."""
    request = by_botocore("PUT", expires=60)
    request = altered(request, x_amz_content_sha256=word)
    if word == "UNSIGNED-PAYLOAD":
        assert identify(request).payload == sigv4.UNSIGNED
        return
    assert refusal(request).code == "SignatureDoesNotMatch"  # it is in the canonical form
    path, _, query = request.target.rpartition("&X-Amz-Signature=")[0].partition("?")
    form = canonical.request("PUT", path, canonical.query(query), f"host:{HOST}\n", "host", word)
    text = canonical.string_to_sign(STAMP, SCOPE, form.encode())
    target = f"{path}?{query}&X-Amz-Signature={canonical.signature(derived_key(), text)}"
    assert identify(Request("PUT", target, "HTTP/1.1", request.headers)).payload == (
        sigv4.Payload(word)
    )


# ------------------------------------------------------------ real clients


class Recorder:
    """A listener that keeps the heads of requests and answers 200 to each."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer:
                head = b""
                while b"\r\n\r\n" not in head:
                    data = peer.recv(65536)
                    if not data:
                        break
                    head += data
                self.heads.append(head.partition(b"\r\n\r\n")[0])
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def request(self) -> Request:
        """The last request, as the edge would hand it on."""
        line, *lines = self.heads[-1].decode("latin-1").split("\r\n")
        method, target, version = line.split(" ")
        headers: dict[str, str] = {}
        for text in lines:
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip(" \t")
        return Request(method, target, version, headers)


@pytest.fixture
def recorder() -> Any:
    listener = Recorder()
    yield listener
    listener.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl isn't installed")
@pytest.mark.parametrize(
    "target",
    ["/b/k", "/b/a%20b", "/b/a~b(c)", "/b?list-type=2&prefix=a%2Fb", "/b?delimiter=/&prefix=a+b"],
)
def test_what_curl_signs_is_proven(recorder: Recorder, target: str) -> None:
    subprocess.run(
        [
            *("curl", "-sS", "--aws-sigv4", f"aws:amz:{REGION}:s3"),
            *("--user", f"{ACCESS_KEY}:{SECRET_KEY}"),
            *("-H", f"x-amz-content-sha256: {EMPTY_SHA256}"),
            f"http://127.0.0.1:{recorder.port}{target}",
        ],
        check=True,
    )
    request = recorder.request()
    assert request.target == target
    assert identify(request, time.time_ns()).caller.access_key == ACCESS_KEY


def test_what_boto3_sends_is_proven(recorder: Recorder) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{recorder.port}",
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )
    try:
        for key in ODD_KEYS:
            client.put_object(
                Bucket="bucket", Key=key, Body=b"x", Metadata={"a": "b  c"}, ContentType="a/b"
            )
            identity = identify(recorder.request(), time.time_ns())
            assert identity.caller.access_key == ACCESS_KEY
        client.list_objects_v2(Bucket="bucket", Prefix="ü +/", Delimiter="/")
        assert identify(recorder.request(), time.time_ns()).region == REGION
    finally:
        client.close()


def test_boto3s_presigned_urls_are_proven() -> None:
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{HOST}",
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    for key in ODD_KEYS:
        url = client.generate_presigned_url(
            "get_object",
            Params={"Bucket": "b", "Key": key, "ResponseContentType": "text/plain; charset=x"},
        )
        target = url.removeprefix(f"http://{HOST}")
        request = Request("GET", target, "HTTP/1.1", {"host": HOST})
        identity = identify(request, time.time_ns())
        assert identity.caller.authentication_type == "QueryString"
    client.close()


def _presigned_with(extra: str) -> Request:
    request = Request("PUT", f"/b/k?{extra}", "HTTP/1.1", {"host": "h"})
    target = sigv4.presign(
        request,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        region="us-east-1",
        now=NOW,
        expires_s=60,
    )
    return Request("PUT", target, "HTTP/1.1", {"host": "h"})


def test_amz_parameters_of_a_presigned_url_count_as_headers() -> None:
    """As S3 does: some SDKs put ACL and metadata into the URL."""
    request = _presigned_with("x-amz-acl=private&x-amz-meta-colour=blue%20green&x-other=1")
    identify(request)
    assert request.headers == {
        "host": "h",
        "x-amz-acl": "private",
        "x-amz-meta-colour": "blue green",
    }


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ("x-amz-copy-source=%2Fb%2Fother", "NotImplemented"),
        ("x-amz-meta-a=line%0Abreak", "InvalidArgument"),
        ("x-amz-meta%0A=1", "InvalidArgument"),
    ],
)
def test_amz_parameters_that_could_be_no_header_are_refused(extra: str, code: str) -> None:
    assert refusal(_presigned_with(extra)).code == code
