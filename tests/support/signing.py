"""botocore as an independent signer, and what a server would see of the requests it signs."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bucketlog.s3.model import Credential, Owner, Request

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
REGION = "us-east-1"
REGIONS = (REGION, "eu-west-1")
HOST = "examplebucket.s3.amazonaws.com"
# 2013-05-24T00:00:00Z, the day of the examples in Amazon's documentation.
EPOCH = 1369353600
NOW = EPOCH * 1_000_000_000
STAMP = "20130524T000000Z"
SCOPE = f"20130524/{REGION}/s3/aws4_request"

ROOT = Owner("111122223333", "c" * 64, "root")
CREDENTIAL = Credential(ACCESS_KEY, SECRET_KEY, ROOT)
BOB = Credential("AKIABOB0000000000001", "bob+secret/", ROOT, "arn:aws:iam::111122223333:user/bob")
KEYS = {credential.access_key: credential for credential in (CREDENTIAL, BOB)}


def find_key(access_key: str) -> Credential | None:
    return KEYS.get(access_key)


def seconds_after(seconds: float) -> int:
    """`NOW` and so many seconds, in nanoseconds."""
    return NOW + round(seconds * 1_000_000_000)


class _Clock:
    """botocore's clock, standing at an instant while a request is signed."""

    def __init__(self, now: int) -> None:
        self._moment = datetime.fromtimestamp(now / 1_000_000_000, UTC)

    def __call__(self, *_: object, **__: object) -> datetime:
        return self._moment


def _at(now: int, sign: botocore.auth.BaseSigner, request: AWSRequest) -> None:
    real = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = _Clock(now)
    try:
        sign.add_auth(request)
    finally:
        botocore.auth.get_current_datetime = real


def seen(request: AWSRequest) -> Request:
    """The head a server reads when this request is sent: values are bytes as Latin-1."""
    parts = urlsplit(request.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"host": parts.netloc}
    for name, value in request.headers.items():
        name = name.lower()
        value = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        headers[name] = f"{headers[name]},{value}" if name in headers and name != "host" else value
    return Request(request.method, target, "HTTP/1.1", headers)


def by_botocore(
    method: str = "GET",
    path: str = "/test.txt",
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    now: int = NOW,
    region: str = REGION,
    service: str = "s3",
    access_key: str = ACCESS_KEY,
    secret_key: str = SECRET_KEY,
    token: str | None = None,
    scheme: str = "http",
    expires: int | None = None,
) -> Request:
    """A request signed by botocore in the header, or, given `expires`, in the query."""
    request = AWSRequest(method, f"{scheme}://{HOST}{path}", data=body)
    for name, value in headers:
        request.headers[name] = value
    credentials = Credentials(access_key, secret_key, token)
    if expires is None:
        signer = botocore.auth.S3SigV4Auth(credentials, service, region)
    else:
        signer = botocore.auth.S3SigV4QueryAuth(credentials, service, region, expires=expires)
    _at(now, signer, request)
    return seen(request)


def altered(request: Request, **headers: str | None) -> Request:
    """A copy with headers replaced or, given None, removed; "_" stands for "-"."""
    changed = dict(request.headers)
    for name, value in headers.items():
        changed.pop(name.replace("_", "-"), None)
        if value is not None:
            changed[name.replace("_", "-")] = value
    return Request(request.method, request.target, request.version, changed)


# An encoder of aws-chunked bodies, written from the documentation alone.


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def derived_key(secret_key: str = SECRET_KEY, scope: str = SCOPE) -> bytes:
    key = b"AWS4" + secret_key.encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    return key


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def signed_chunks(
    chunks: Iterable[bytes],
    seed: str,
    *,
    trailers: Iterable[tuple[str, str]] | None = None,
    stamp: str = STAMP,
    scope: str = SCOPE,
    key: bytes | None = None,
) -> bytes:
    """The body of the signed forms: with trailers given, each of them and their signature."""
    key = key or derived_key(scope=scope)
    body = b""
    before = seed
    for chunk in (*chunks, b""):
        text = "\n".join(
            ("AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, before, _sha256(b""), _sha256(chunk))
        )
        before = _hmac(key, text).hex()
        body += b"%x;chunk-signature=%s\r\n" % (len(chunk), before.encode())
        if chunk:
            body += chunk + b"\r\n"
    if trailers is not None:
        lines = b"".join(f"{name}:{value}\n".encode() for name, value in trailers)
        text = "\n".join(("AWS4-HMAC-SHA256-TRAILER", stamp, scope, before, _sha256(lines)))
        body += lines.replace(b"\n", b"\r\n")
        body += b"x-amz-trailer-signature:" + _hmac(key, text).hex().encode() + b"\r\n"
    return body + b"\r\n"


def unsigned_chunks(chunks: Iterable[bytes], *, trailers: Iterable[tuple[str, str]] = ()) -> bytes:
    """The body of the unsigned form."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    lines = b"".join(f"{name}:{value}\r\n".encode() for name, value in trailers)
    return body + b"0\r\n" + lines + b"\r\n"


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()
