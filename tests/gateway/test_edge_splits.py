"""The same bytes in any pieces give the same requests and the same replies."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.wire import request

from bucketlog.gateway.edge.connection import Connection
from bucketlog.gateway.edge.limits import Limits
from bucketlog.gateway.edge.listen import Server
from bucketlog.gateway.edge.wire import Wire
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Reply, Request

CASES = [
    request("GET /1 HTTP/1.1\nHost: h\nA: 1"),
    request("HEAD /2 HTTP/1.1\nHost: h"),
    request("PUT /3 HTTP/1.1\nHost: h\nContent-Length: 5", b"hello"),
    request(
        "PUT /4 HTTP/1.1\nHost: h\nTransfer-Encoding: chunked", b"3;x\r\nabc\r\n0\r\nT: 1\r\n\r\n"
    ),
    request("PUT /unread HTTP/1.1\nHost: h\nContent-Length: 4", b"GET "),
    b"\r\n\r\n" + request("GET /5 HTTP/1.1\nHost: h"),
    request("PUT /6 HTTP/1.1\nHost: h\nContent-Length: 0"),
    request("GET /7 HTTP/1.0\nConnection: keep-alive"),
    request("PUT /bad HTTP/1.1\nHost: h\nTransfer-Encoding: chunked", b"zz\r\n"),
    request("GET /last HTTP/1.1\nHost: h\nConnection: close"),
    request("GET /bad HTTP/1.1\nHost: h\nHost: h"),
    request("FOO /bad HTTP/1.1\nHost: h"),
    b"noise\r\n\r\n",
    b"GET /bad HTTP/1.1\nHost: h\n\n",
]


class Pipe(asyncio.Transport):
    """A transport that keeps what is written and notes whether it may be fed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = False
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.3", 1) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert (high, low) == (0, 0)

    def write(self, data: Any) -> None:
        assert not self.ended, "a write behind the end"
        self.written += data

    def is_closing(self) -> bool:
        return self.ended

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def close(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        assert not self.paused
        self.paused = True

    def resume_reading(self) -> None:
        assert self.paused
        self.paused = False


async def exchange(pieces: list[bytes], eager: bool) -> tuple[list[Any], bytes, bool]:
    """What an application saw, what was written, and whether the connection was ended."""
    seen: list[Any] = []

    async def application(head: Request, wire: Wire) -> None:
        if not eager:
            await asyncio.sleep(0)
        body: bytes | str = b""
        try:
            if wire.refusal is not None:
                raise wire.refusal
            while head.target != "/unread" and (piece := await wire.body.chunk()):
                body += piece  # type: ignore[operator]
        except S3Error as error:
            body = error.code
        seen.append((head.method, head.target, head.version, head.headers, body))
        await wire.send(Reply(200, {}, head.target.encode()), head=head.method == "HEAD")

    server = Server(application, Limits(skip_bytes=4), ())
    server.heads._second = 0
    pipe = Pipe()
    connection = Connection(server)
    connection.connection_made(pipe)
    for piece in pieces:
        for _ in range(200):
            if not pipe.paused:
                break
            await asyncio.sleep(0)
        assert not pipe.paused, "input is never taken up again"
        connection.data_received(piece)
    for _ in range(200):
        await asyncio.sleep(0)
    server._sweeper.cancel()
    lines = pipe.written.split(b"\r\n")
    written = b"\r\n".join(line for line in lines if not line.startswith(b"Date:"))
    return seen, written, cast(bool, pipe.ended)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(CASES), min_size=1, max_size=6),
    st.lists(st.integers(0, 700), max_size=8),
    st.booleans(),
)
def test_any_split_of_the_input_gives_the_same(
    parts: list[bytes], at: list[int], eager: bool
) -> None:
    data = b"".join(parts)
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    pieces = [data[one:two] for one, two in itertools.pairwise(edges)]
    whole = asyncio.run(exchange([data], eager))
    assert asyncio.run(exchange(pieces, eager)) == whole
    seen, _, ended = whole
    final = [entry for entry in seen if entry[1] in ("/bad", "/last")]
    assert len(final) <= 1, "something was served behind a request that ends the connection"
    assert not final or (seen[-1] is final[0] and ended)


def test_one_byte_at_a_time_gives_the_same() -> None:
    data = b"".join(CASES[:10])
    whole = asyncio.run(exchange([data], True))
    assert asyncio.run(exchange([data[i : i + 1] for i in range(len(data))], True)) == whole
    assert [entry[1] for entry in whole[0]][-1] == "/bad"
