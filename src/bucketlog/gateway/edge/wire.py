"""One request's end of a connection: who asked, when, how much came and went; sends the reply.

Clock marks are monotonic nanoseconds (`began`, `body_received`, `first_sent`, `last_sent`);
`received_at` alone is wall-clock nanoseconds since 1970 UTC. A mark is 0 until its moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic_ns, time
from typing import TYPE_CHECKING, NamedTuple

from bucketlog.gateway.edge import transfer
from bucketlog.gateway.edge.body import RawBody
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Reply

if TYPE_CHECKING:
    from bucketlog.gateway.edge.connection import Connection


class Tls(NamedTuple):
    """What a TLS connection negotiated: "TLSv1.3", and OpenSSL's name of the cipher suite."""

    version: str
    cipher: str


class Wire:
    """What the edge observes of one request, and the way to answer it.

    `refusal` is set when the request isn't proper HTTP, or beyond a limit: it has no body then,
    and is to be answered with that error. `body_received` is when the last byte of the request
    came (of its head, when it has no body); 0 when it never came.
    """

    __slots__ = (
        "_connection",
        "began",
        "body",
        "body_received",
        "bytes_sent",
        "closes",
        "complete",
        "content_length",
        "first_sent",
        "is_old",
        "last_sent",
        "peer",
        "received_at",
        "refusal",
        "replied",
        "tls",
    )

    def __init__(
        self,
        connection: Connection,
        body: RawBody,
        peer: str,
        closes: bool,
        refusal: S3Error | None,
    ) -> None:
        self._connection = connection
        self.body = body
        self.peer = peer
        self.tls = connection.tls
        self.received_at = connection.received_at
        self.began = connection.began
        self.closes = closes  # the connection ends after the reply
        self.refusal = refusal
        self.content_length: int | None = None  # as announced
        self.is_old = False  # HTTP/1.0
        self.body_received = 0
        self.first_sent = 0
        self.last_sent = 0
        self.bytes_sent = 0  # body bytes of the reply
        self.complete = False  # the whole reply is out
        self.replied = False

    async def send(
        self, reply: Reply, *, head: bool = False, extra: Mapping[str, str] | None = None
    ) -> None:
        """Sends the reply, once per request; `head` when the request's method was HEAD.

        `extra` headers go behind the reply's own. Never raises because the client went away:
        `complete` and `bytes_sent` then say how far it came. A body of more than
        `transfer.SMALL` bytes is complete when the client's kernel has acknowledged it, a
        smaller one when ours has taken it. Descriptors of FileSlices are closed in any case.
        """
        connection = self._connection
        body: bytes | transfer.Files = reply.body
        status = reply.status
        headers = reply.headers if extra is None else {**reply.headers, **extra}
        bodyless = head or status == 304 or status == 204 or status < 200
        if not bodyless and not isinstance(body, bytes):
            body = transfer.small(body)
        length = len(body) if isinstance(body, bytes) else transfer.size(body)
        announced: int | None = length
        if bodyless:
            transfer.close(body)
            body = b""
            announced = announced_length(headers, length) if head else None
            if status == 304 or status == 204 or status < 200:
                announced = None  # RFC 9110 section 8.6
            length = 0
        ending = connection.ending(self)
        text = connection.heads.compose(status, headers, announced, ending, int(time()))
        self.replied = True
        self.first_sent = monotonic_ns()
        if isinstance(body, bytes) and length <= transfer.SMALL:
            if connection.outlet.write(text + body):
                self.bytes_sent = length
                self.complete = True
            else:
                connection.watch_progress(True)
                await transfer.settle(connection.outlet, self, length)
                connection.watch_progress(False)
        else:
            connection.watch_progress(True)
            await transfer.large(connection.outlet, self, text, body)
            connection.watch_progress(False)
        self.last_sent = monotonic_ns()


def announced_length(headers: Mapping[str, str], length: int) -> int:
    """The Content-Length of a reply to HEAD: the header given, or the size of the body."""
    for name, value in headers.items():
        if name.lower() == "content-length" and value.isascii() and value.isdigit():
            return int(value)
    return length
