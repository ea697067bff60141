"""A load generator that costs little: signed requests over kept connections.

One signed head is good for 15 minutes, so nothing is signed while the clock runs. The length of
the reply is learned once per round; a reply of another length or status stops the run, so that
only right answers are counted.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterable, Mapping
from itertools import repeat
from pathlib import Path
from urllib.parse import urlsplit


class Load:
    """`connections` kept connections to an endpoint, one request each under way."""

    def __init__(self, endpoint: str, connections: int = 16) -> None:
        parts = urlsplit(endpoint)
        self.address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.sockets = [socket.create_connection(self.address) for _ in range(connections)]
        for one in self.sockets:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.sockets:
            one.close()

    def run(self, request: bytes, count: int) -> None:
        """`count` times the same request; returns when all are answered as the first one was."""
        self.run_all(repeat(request, count))

    def run_all(self, requests: Iterable[bytes]) -> None:
        """These requests, whose answers are of one length; returns when all are answered."""
        left_over = iter(requests)
        first = next(left_over, None)
        if first is None:
            return
        expected = self._first(first)
        buffer = bytearray(1 << 20)
        left: dict[socket.socket, int] = {}
        with selectors.DefaultSelector() as selector:
            one: socket.socket
            for one, request in zip(self.sockets, left_over, strict=False):
                one.setblocking(False)
                selector.register(one, selectors.EVENT_READ)
                one.send(request)
                left[one] = expected
            while left:
                # Polled without sleeping: on a virtual machine, waking a sleeping client costs the
                # server's send(2) tens of microseconds, which no distant client would.
                for key, _ in selector.select(0):
                    assert isinstance(key.fileobj, socket.socket)
                    one = key.fileobj
                    got = one.recv_into(buffer)
                    if left[one] == expected and bytes(buffer[:12]) != b"HTTP/1.1 200":
                        raise SystemExit(f"unexpected answer: {bytes(buffer[:got])!r}")
                    left[one] -= got
                    if got == 0 or left[one] < 0:
                        raise SystemExit("an answer of another length")
                    if left[one] == 0:
                        following = next(left_over, None)
                        if following is None:
                            del left[one]
                            selector.unregister(one)
                        else:
                            left[one] = expected
                            one.send(following)

    def _first(self, request: bytes) -> int:
        one = self.sockets[0]
        one.setblocking(True)
        one.sendall(request)
        reply = b""
        while b"\r\n\r\n" not in reply:
            reply += one.recv(65536)
        head, _, rest = reply.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        got = len(rest)
        while got < length:
            got += len(one.recv(1 << 20))
        return len(head) + 4 + length


def head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    """The bytes of a request without a body."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def cpu_s(pid: int) -> float:
    """CPU seconds a process and its threads have used, in nanosecond steps."""
    return (
        sum(
            int((task / "schedstat").read_text().split()[0])
            for task in Path(f"/proc/{pid}/task").iterdir()
        )
        / 1e9
    )
