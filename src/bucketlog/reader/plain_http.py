"""Small objects over plain HTTP, for a third of what a full client's work costs for each.

Stores on one's own premises are often spoken to without TLS, and then answer faster than a full
client can ask. This sends one signed GET and takes one answer of the usual form. Anything else is
None, and the full client asks again: it knows errors, retries, redirects and proxies.

Source: RFC 9112, sections 3 and 6; only answers with a Content-Length are taken.
"""

from __future__ import annotations

import re
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from bucketlog import __version__
from bucketlog.s3 import sigv4
from bucketlog.s3.model import Request

_CONNECT_S, _READ_S = 5.0, 30.0
_BUFFER = 64 * 1024
_OK = re.compile(rb"HTTP/1\.1 200 ")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*(?:\r\n|$)", re.IGNORECASE)
# Framing or content that is not for here: chunks, encodings, an end of the connection.
_OTHERWISE = re.compile(
    rb"\r\n(?:transfer-encoding:|content-encoding:|connection:[ \t]*close)", re.IGNORECASE
)


class PlainHttp:
    """Objects under one address. `get` may be called from any thread; it keeps connections."""

    def __init__(
        self, endpoint: str, path: str, region: str, credentials: Callable[[], Any] | None
    ) -> None:
        """`path` stands before keys. `credentials` gives botocore's frozen ones; None: unsigned."""
        parts = urlsplit(endpoint)
        self._address = (parts.hostname or "", parts.port or 80)
        self._host = parts.netloc
        self._path = path
        self._region = region
        self._credentials = credentials
        self._idle: deque[socket.socket] = deque()
        self._is_closed = False

    @staticmethod
    def serves(endpoint: str) -> bool:
        """Whether an endpoint can be asked this way: without TLS, proxy, user or path."""
        parts = urlsplit(endpoint)
        if parts.scheme != "http" or parts.path.strip("/") or "@" in parts.netloc:
            return False
        proxies = getproxies()
        has_proxy = "http" in proxies or "all" in proxies
        return not has_proxy or bool(proxy_bypass(parts.hostname or ""))

    def get(self, key: str, limit: int) -> bytes | None:
        """All of an object; None if there is anything to it, or it is more than `limit` bytes."""
        message = self._message(key)
        while True:
            try:
                connection, is_kept = self._idle.pop(), True
            except IndexError:
                connection, is_kept = None, False
            try:
                if connection is None:
                    connection = socket.create_connection(self._address, _CONNECT_S)
                    connection.settimeout(_READ_S)
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.sendall(message)
                data = _answer(connection, limit)
            except OSError:
                data = None
            if data is not None and connection is not None:
                self._keep(connection)
                return data
            if connection is not None:
                connection.close()
            if not is_kept:  # one that was kept may have been closed meanwhile
                return None

    def close(self) -> None:
        """Ends the connections that are kept."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()

    def _keep(self, connection: socket.socket) -> None:
        self._idle.append(connection)
        if self._is_closed:
            self.close()

    def _message(self, key: str) -> bytes:
        target = f"{self._path}/{quote(key, safe='/-_.~')}"
        headers = {"host": self._host, "user-agent": f"bucketlog/{__version__}"}
        if self._credentials is not None:
            known = self._credentials()
            if known.token:
                headers["x-amz-security-token"] = known.token
            headers |= sigv4.sign(
                Request("GET", target, "HTTP/1.1", headers),
                access_key=known.access_key,
                secret_key=known.secret_key,
                region=self._region,
                now=time.time_ns(),
            )
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode()


def _answer(connection: socket.socket, limit: int) -> bytes | None:
    """The body of a usual answer. Raises OSError, also when it breaks off."""
    start = b""
    while (end := start.find(b"\r\n\r\n")) < 0:
        more = connection.recv(_BUFFER)
        if not more or len(start) > _BUFFER:
            return None
        start += more
    head = start[:end]
    length = _LENGTH.search(head)
    if _OK.match(head) is None or length is None or _OTHERWISE.search(head) is not None:
        return None
    left = int(length[1]) - (len(start) - end - 4)
    if left < 0 or int(length[1]) > limit:
        return None
    parts = [start[end + 4 :]]
    while left:
        part = connection.recv(min(left, 1 << 20))
        if not part:
            return None
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
