"""Raw requests as text against a real listening edge, and a `Wire` in memory.

`edge` runs a server; `Client` speaks to it in bytes, so a test says exactly what is on the wire.
`MemoryWire` stands where a `Wire` does, for what lies above the edge.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from bucketlog.gateway.edge import listen, transfer
from bucketlog.gateway.edge.body import RawBody
from bucketlog.gateway.edge.limits import Limits
from bucketlog.gateway.edge.proxies import Network
from bucketlog.gateway.edge.wire import Tls, Wire
from bucketlog.s3 import errors
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Reply, Request

SECOND = 1_000_000_000


class MemoryWire:
    """A Wire without a connection: the body is given, the reply is kept.

    `accepts`: body bytes of the reply that the client takes before it goes away; None: all.
    Clock marks are whole seconds after `began`, so times in records can be told apart:
    the body ends 1 s after, the reply starts 3 s after and ends 6 s after.
    """

    def __init__(
        self,
        *pieces: bytes,
        peer: str = "192.0.2.3",
        tls: Tls | None = None,
        received_at: int = 1_700_000_000 * SECOND,
        refusal: S3Error | None = None,
        accepts: int | None = None,
        body_error: S3Error | None = None,
    ) -> None:
        self.peer = peer
        self.tls = tls
        self.received_at = received_at
        self.began = 100 * SECOND
        self.body_received = self.began + SECOND
        self.first_sent = 0
        self.last_sent = 0
        self.body = RawBody.holding(*pieces)
        if body_error is not None:
            self.body.ended = False
            self.body.fail(body_error)
            self.body_received = 0
        self.content_length: int | None = sum(map(len, pieces)) if pieces else None
        self.refusal = refusal
        self.closes = False
        self.replied = False
        self.complete = False
        self.bytes_sent = 0
        self.reply: Reply | None = None
        self.headers: dict[str, str] = {}  # of the reply, the extra ones included
        self.sent = b""  # the body as the client got it
        self._accepts = accepts

    async def send(
        self, reply: Reply, *, head: bool = False, extra: Mapping[str, str] | None = None
    ) -> None:
        assert not self.replied, "a request is answered once"
        self.replied = True
        self.reply = reply
        self.headers = {**reply.headers, **(extra or {})}
        self.first_sent = self.began + 3 * SECOND
        if isinstance(reply.body, bytes):
            body = reply.body
        else:
            slices = transfer.slices(reply.body)
            body = b"".join([os.pread(one.descriptor, one.length, one.offset) for one in slices])
            transfer.close(reply.body)
        if head or reply.status in (204, 304):
            body = b""
        self.sent = body if self._accepts is None else body[: self._accepts]
        self.bytes_sent = len(self.sent)
        self.complete = self.sent == body
        self.last_sent = self.began + 6 * SECOND


Answering = Callable[[Request, Wire, bytes], Reply]


class Desk:
    """An application: reads the body, answers by a function, keeps what became of each request.

    Without a function it answers with the body it got. An S3Error, of the wire or the body, is
    answered as `errors.reply` words it.
    """

    def __init__(self, answering: Answering | None = None, *, reads: bool = True) -> None:
        self._answering = answering or (lambda request, wire, body: Reply(200, {}, body))
        self._reads = reads
        self._served: asyncio.Queue[tuple[Request, Wire]] = asyncio.Queue()
        self.bodies: list[bytes] = []

    async def __call__(self, request: Request, wire: Wire) -> None:
        try:
            if wire.refusal is not None:
                raise wire.refusal
            pieces = []
            while self._reads and (piece := await wire.body.chunk()):
                pieces.append(piece)
            self.bodies.append(b"".join(pieces))
            reply = self._answering(request, wire, self.bodies[-1])
        except S3Error as error:
            reply = errors.reply(error, resource=request.target, request_id="R", host_id="H")
        await wire.send(reply, head=request.method == "HEAD")
        self._served.put_nowait((request, wire))

    async def served(self) -> tuple[Request, Wire]:
        """The next request that is through, in the order of their ends."""
        return await asyncio.wait_for(self._served.get(), 20)

    @property
    def waiting(self) -> int:
        """Requests that are through and were not asked for with `served`."""
        return self._served.qsize()


@asynccontextmanager
async def edge(
    application: listen.Application,
    *,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    trusted_proxies: Iterable[Network] = (),
    host: str = "127.0.0.1",
) -> AsyncIterator[listen.Server]:
    """A server for the application on a free port, drained at the end."""
    server = await listen.serve(
        application,
        [listen.bind(host, 0)],
        limits=limits,
        tls=tls,
        trusted_proxies=trusted_proxies,
    )
    try:
        yield server
    finally:
        await server.drain(0)


@dataclass
class Answer:
    """One response as it came: header names lower-case."""

    status: int
    headers: dict[str, str]
    body: bytes
    reason: str = ""


class Client:
    """One connection, spoken in bytes. Text is sent with CRLF for each line end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(
        cls,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        local: str | None = None,
    ) -> Client:
        """A connection to this port; `local` is the client's own address."""
        reader, writer = await asyncio.open_connection(
            host,
            port,
            ssl=tls,
            server_hostname="localhost" if tls else None,
            local_addr=(local, 0) if local else None,
        )
        return cls(reader, writer)

    async def send(self, data: bytes | str) -> None:
        """Writes bytes as they are, text with its line ends made CRLF."""
        self.writer.write(data if isinstance(data, bytes) else request(data))
        await self.writer.drain()

    async def answer(self, *, head: bool = False) -> Answer:
        """The next response; `head`: to a HEAD request, so without a body."""
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = text[:-4].split("\r\n")
        _, status, reason = line.split(" ", 2)
        headers: dict[str, str] = {}
        for name, _, value in (each.partition(": ") for each in lines):
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value
        length = int(headers.get("content-length", 0))
        body = b"" if head else await self.reader.readexactly(length)
        return Answer(int(status), headers, body, reason)

    async def ask(self, data: bytes | str, *, head: bool = False) -> Answer:
        """Sends and awaits one response."""
        await self.send(data)
        return await self.answer(head=head)

    async def rest(self) -> bytes:
        """All that comes until the server ends its side."""
        return await self.reader.read()

    def reset(self) -> None:
        """Ends the connection with RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        """Ends the connection."""
        self.writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


def request(text: str, body: bytes = b"") -> bytes:
    """A request head written as indented lines, and its body."""
    lines = [line.strip(" ") for line in text.strip("\n ").split("\n")]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
