"""The cheap way to small objects: usual answers are taken, all others left to the full client."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from bucketlog.reader.plain_http import PlainHttp

KEYS = SimpleNamespace(access_key="AK", secret_key="SK", token=None)


@contextmanager
def endpoint(*connections: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """A server: each connection answers its requests with these bytes, then ends."""
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answers in connections:
            peer, _ = listener.accept()
            with peer:
                for answer in answers:
                    request = b""
                    while b"\r\n\r\n" not in request:
                        if not (more := peer.recv(65536)):
                            break
                        request += more
                    asked.append(request)
                    peer.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        thread.join(10)
        listener.close()


def ok(body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in (f"Content-Length: {len(body)}", *headers))
    return f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode() + body


@contextmanager
def client(address: str, *, is_signed: bool = False) -> Iterator[PlainHttp]:
    made = PlainHttp(address, "/bucket", "eu-west-1", (lambda: KEYS) if is_signed else None)
    try:
        yield made
    finally:
        made.close()


def test_objects_come_over_one_connection_and_names_are_encoded() -> None:
    with endpoint([ok(b"first"), ok(b"")]) as (address, asked), client(address) as plain:
        assert plain.get("a b/ü+%", 100) == b"first"
        assert plain.get("c", 100) == b""
    assert asked[0].startswith(b"GET /bucket/a%20b/%C3%BC%2B%25 HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"authorization" not in asked[0].lower()


def test_a_request_is_signed_if_there_are_credentials() -> None:
    with endpoint([ok(b"x")]) as (address, asked), client(address, is_signed=True) as plain:
        assert plain.get("k", 100) == b"x"
    assert b"AWS4-HMAC-SHA256 Credential=AK/" in asked[0]
    assert b"/eu-west-1/s3/aws4_request" in asked[0]


def test_a_connection_that_ended_meanwhile_is_made_anew() -> None:
    with endpoint([ok(b"1")], [ok(b"2")]) as (address, _), client(address) as plain:
        assert plain.get("k", 100) == b"1"
        assert plain.get("k", 100) == b"2"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        ok(b"x", "Content-Encoding: gzip"),
        ok(b"x", "Connection: close"),
        ok(b"x" * 101),
        ok(b"x") + b"more than was announced",
        ok(b"xyz")[:-1],
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
        b"nonsense\r\n\r\n",
        b"",
    ],
)
def test_any_other_answer_is_left_to_the_full_client(answer: bytes) -> None:
    with endpoint([answer]) as (address, _), client(address) as plain:
        assert plain.get("k", 100) is None


def test_nobody_there_is_left_to_the_full_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with client(f"http://127.0.0.1:{port}") as plain:
        assert plain.get("k", 100) is None


@pytest.mark.parametrize(
    ("address", "env", "serves"),
    [
        ("http://127.0.0.1:9000", {}, True),
        ("http://minio.example:9000/", {}, True),
        ("https://s3.eu-west-1.amazonaws.com", {}, False),
        ("http://store.example/s3", {}, False),
        ("http://user@store.example", {}, False),
        ("http://store.example", {"http_proxy": "http://proxy.example:3128"}, False),
        (
            "http://store.example",
            {"http_proxy": "http://proxy.example:3128", "no_proxy": "store.example"},
            True,
        ),
    ],
)
def test_only_endpoints_without_tls_proxy_or_path_are_asked(
    address: str, env: dict[str, str], serves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert PlainHttp.serves(address) is serves
