"""Requests to a running server, byte by byte, signed by botocore where wanted."""

from __future__ import annotations

import ctypes
import fcntl
import re
import select
import socket
import ssl
import struct
import termios
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.support.server import ACCESS_KEY, SECRET_KEY

_SO_ATTACH_FILTER = 26  # of Linux

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Answer:
    """One response. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str | None:
        """The error code of an error document."""
        found = re.search(rb"<Error><Code>([^<]*)</Code>", self.body)
        return None if found is None else found[1].decode()

    @property
    def request_id(self) -> str:
        return self.headers["x-amz-request-id"]


class Connection:
    """A TCP or TLS connection to a server: what is sent and read is exactly what is asked for."""

    def __init__(
        self, endpoint: str, *, trusted: ssl.SSLContext | None = None, receive_bytes: int = 0
    ) -> None:
        parts = urlsplit(endpoint)
        self.host = parts.netloc
        plain = socket.socket()
        if receive_bytes:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        plain.settimeout(10)
        plain.connect((parts.hostname, parts.port))
        self.socket: socket.socket = (
            plain if trusted is None else trusted.wrap_socket(plain, server_hostname="localhost")
        )
        self._rest = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Sends bytes; a server that has had enough of them may close, which is no failure."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def end(self) -> None:
        """Ends the client's side; the answer can still be read."""
        self.socket.shutdown(socket.SHUT_WR)

    def deafen(self) -> int:
        """Lets the kernel drop all that still comes, and acknowledge what has come; how many bytes
        of that were not read yet (of TLS: encrypted).
        """
        drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # BPF: return 0
        program = struct.pack("HP", 1, ctypes.addressof(drop_all))
        self.socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        # An acknowledgement may be put off for 40 ms, and no event tells that it was sent.
        select.select((), (), (), 0.25)
        answer = fcntl.ioctl(self.socket, termios.FIONREAD, bytes(4))
        count: int = struct.unpack("i", answer)[0]
        return count

    def reset(self) -> None:
        """Vanishes at once."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read(self, size: int) -> bytes:
        """Exactly so many bytes, fewer only at the end."""
        pieces, left = [self._rest], size - len(self._rest)
        while left > 0 and (more := self._receive()):
            pieces.append(more)
            left -= len(more)
        data = b"".join(pieces)
        self._rest = data[size:]
        return data[:size]

    @property
    def buffered(self) -> int:
        """Bytes received and not asked for yet."""
        return len(self._rest)

    def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next response. EOFError when there is none."""
        while b"\r\n\r\n" not in self._rest:
            more = self._receive()
            if not more:
                raise EOFError(self._rest)
            self._rest += more
        text, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = text.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value
        return int(first.split(" ")[1]), headers

    def answer(self, method: str = "GET") -> Answer:
        """The next response to a request of that method, behind any 100 Continue."""
        status, headers = self.head()
        if status == 100:
            status, headers = self.head()
        bodyless = method == "HEAD" or status in (204, 304)
        body = b"" if bodyless else self.read(int(headers["content-length"]))
        return Answer(status, headers, body)

    def is_ended(self) -> bool:
        """Whether the server ends the connection now (it waits for that) without a word more."""
        return self._rest == b"" and self._receive() == b""

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(1 << 16)
        except ConnectionResetError:
            return b""


class _Clock:
    def __init__(self, seconds_from_now: float) -> None:
        self._shift = timedelta(seconds=seconds_from_now)

    def __call__(self, remove_tzinfo: bool = True) -> datetime:
        now = datetime.now(UTC) + self._shift
        return now.replace(tzinfo=None) if remove_tzinfo else now


@contextmanager
def _clock_off_by(seconds: float) -> Iterator[None]:
    real = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = _Clock(seconds)
    try:
        yield
    finally:
        botocore.auth.get_current_datetime = real


class Sender:
    """Writes requests to one server, as a signer of one access key."""

    def __init__(
        self,
        endpoint: str,
        access_key: str = ACCESS_KEY,
        secret_key: str = SECRET_KEY,
        region: str = "us-east-1",
    ) -> None:
        self.endpoint = endpoint
        self.host = urlsplit(endpoint).netloc
        self._credentials = Credentials(access_key, secret_key)
        self._region = region

    def signed(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        body: bytes = b"",
        *,
        clock_s: float = 0,
        expires_s: int | None = None,
        payload: str | None = None,
        **changes: Any,
    ) -> bytes:
        """A request signed by botocore: in its headers or, given `expires_s`, in its query.

        `clock_s`: how far the signer's clock is ahead. `payload` stands in the place of the body's
        hash. `changes` as for `written`.
        """
        # botocore would take the body of a presigned request for a form's fields.
        request = AWSRequest(
            method, f"{self.endpoint}{target}", data=body if expires_s is None else b""
        )
        for name, value in headers:
            request.headers[name] = value
        signer: Any = botocore.auth.S3SigV4Auth(self._credentials, "s3", self._region)
        if expires_s is not None:
            signer = botocore.auth.S3SigV4QueryAuth(
                self._credentials, "s3", self._region, expires=expires_s
            )
        if payload is not None:
            signer.payload = lambda _: payload
        with _clock_off_by(clock_s):
            signer.add_auth(request)
        parts = urlsplit(request.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {name: _text(value) for name, value in request.headers.items()}
        return self.written(method, target, sent.items(), body, **changes)

    def written(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        body: bytes = b"",
        *,
        replace: Mapping[str, str | None] | None = None,
        send_body: bytes | None = None,
        retarget: str | None = None,
    ) -> bytes:
        """A request as it stands on the wire; Host and Content-Length are added where missing.

        After signing: `replace` sets headers or, given None, takes them out; `send_body` is sent
        in place of the body, with its length, `retarget` in place of the target.
        """
        body = body if send_body is None else send_body
        all_headers = {"Host": self.host, **dict(headers)}
        names = {name.lower() for name in all_headers}
        has_body = body or method in ("PUT", "POST")
        if has_body and names.isdisjoint(("transfer-encoding", "content-length")):
            all_headers["Content-Length"] = str(len(body))
        for name, value in (replace or {}).items():
            for known in [known for known in all_headers if known.lower() == name.lower()]:
                del all_headers[known]
            if value is not None:
                all_headers[name] = value
        lines = [f"{method} {target if retarget is None else retarget} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in all_headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body

    def connect(self) -> Connection:
        return Connection(self.endpoint)

    def ask(self, request: bytes) -> Answer:
        """The answer to one request, on a connection of its own."""
        with self.connect() as connection:
            connection.send(request)
            return connection.answer(request.partition(b" ")[0].decode("latin-1"))


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def header(request: bytes, name: str) -> str:
    """The value of a header of a written request."""
    found = re.search(rf"^{name}: (.*)\r$".encode(), request, re.MULTILINE | re.IGNORECASE)
    assert found is not None
    return found[1].decode("latin-1")


def replaced(request: bytes, name: str, value: str | None) -> bytes:
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


def still_serves(sender: Sender) -> None:
    """The server answers as if nothing had happened."""
    assert sender.ask(sender.signed("HEAD", "/src")).status == 200
