"""A request body as it comes off the wire: framing removed, one reader, bounded.

`RawBody` holds what has arrived until the application asks for it. It holds about
`Limits.read_ahead_bytes`: beyond that the connection reads no more from its socket, and the
client waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from bucketlog.s3.errors import S3Error

PIECE = 256 * 1024
"""No piece that `RawBody.chunk` gives is longer, bytes."""


class Source(Protocol):
    """What a body asks of the connection it arrives on."""

    def want_body(self, expects: bool) -> None:
        """The reader waits: say 100 Continue if the client expects it, and watch the clock."""

    def body_taken(self) -> None:
        """The reader has taken all that had arrived."""


class RawBody:
    """The body of one request, unchecked: exactly the bytes that the framing encloses."""

    __slots__ = (
        "_error",
        "_expects",
        "_limit",
        "_pieces",
        "_source",
        "_waiter",
        "buffered_bytes",
        "ended",
        "received",
    )

    def __init__(
        self, source: Source | None, *, expects: bool = False, limit: int = 1 << 62
    ) -> None:
        self._source = source
        self._expects = expects
        self._limit = limit
        self._pieces: deque[bytes] = deque()
        self._error: S3Error | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.buffered_bytes = 0
        self.received = 0  # bytes that have arrived, taken or not
        self.ended = source is None  # all of it has arrived

    @classmethod
    def holding(cls, *pieces: bytes) -> RawBody:
        """A body that has arrived already, in these pieces."""
        body = cls(None)
        for piece in filter(None, pieces):
            body._pieces.append(piece)
            body.buffered_bytes += len(piece)
            body.received += len(piece)
        return body

    @property
    def awaits_continue(self) -> bool:
        """Whether the client expects 100 Continue and hasn't been told."""
        return self._expects and not self.received

    @property
    def failed(self) -> bool:
        """Whether no more of it will arrive, though it hasn't ended."""
        return self._error is not None

    @property
    def is_awaited(self) -> bool:
        """Whether the application waits for more of it."""
        return self._waiter is not None

    def buffered(self) -> bytes | None:
        """The rest of the body if all of it has arrived, else None. Never waits."""
        if not self.ended or self._error is not None:
            return None
        data = self._pieces.popleft() if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self.buffered_bytes = 0
        return data

    async def chunk(self) -> bytes:
        """The next piece, of at most `PIECE` bytes; b"" at the end.

        Raises `S3Error`: IncompleteBody when the client goes away before the end,
        RequestTimeout when it sends nothing for too long, EntityTooLarge over the limit,
        BadRequest for broken chunked coding. What came before that is given out first.
        """
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self.ended:
                return b""
            assert self._source is not None  # without a source it has ended
            self._source.want_body(self.awaits_continue)
            self._expects = False
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._take()

    def _take(self) -> bytes:
        pieces = self._pieces
        piece = pieces.popleft()
        if pieces and len(piece) + len(pieces[0]) <= PIECE:
            joined, size = [piece], len(piece)
            while pieces and size + len(pieces[0]) <= PIECE:
                size += len(pieces[0])
                joined.append(pieces.popleft())
            piece = b"".join(joined)
        elif len(piece) > PIECE:
            pieces.appendleft(piece[PIECE:])
            piece = piece[:PIECE]
        self.buffered_bytes -= len(piece)
        if not pieces and self._source is not None:
            self._source.body_taken()
        return piece

    def deliver(self, data: bytes) -> None:
        """More of the body has arrived."""
        self.received += len(data)
        if self.received > self._limit:
            self.fail(S3Error("EntityTooLarge"))
        elif self._error is None and data:
            self._pieces.append(data)
            self.buffered_bytes += len(data)
            self._wake()

    def end(self) -> None:
        """The last of it has arrived."""
        self.ended = True
        self._wake()

    def fail(self, error: S3Error) -> None:
        """No more of it will arrive. The first reason given stands."""
        if self._error is None and not self.ended:
            self._error = error
        self._wake()

    def discard(self) -> None:
        """Nobody will read it."""
        self._pieces.clear()
        self.buffered_bytes = 0

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
