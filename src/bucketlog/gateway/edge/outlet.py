"""The sending side of one connection: what was written, whether it has left, who waits for that.

It knows of bytes, not of requests. The write buffer's high mark is 0, so the transport counts as
paused from a write that the kernel didn't take whole until the last byte of it has left: a write
that didn't pause is in the kernel, with both event loops, and nothing needs to be asked. (Under
TLS up to 64 KiB may still wait in the transport below, which nobody can reach.)
"""

from __future__ import annotations

import asyncio
import socket

from bucketlog.gateway.edge import kernel


class Outlet:
    """Writes to one transport."""

    __slots__ = (
        "_acknowledged",
        "_blocked",
        "_duplicate",
        "_loop",
        "_pause_waiter",
        "_transport",
        "_write_waiter",
        "encrypted",
        "lost",
        "written",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._blocked = False
        self._write_waiter: asyncio.Future[None] | None = None
        self._pause_waiter: asyncio.Future[None] | None = None
        self._duplicate: socket.socket | None = None
        self._acknowledged: int | None = None
        self.encrypted = transport.get_extra_info("ssl_object") is not None
        self.lost = False  # the connection is gone
        self.written = 0  # bytes handed on since the beginning (before encryption)

    def open(self) -> None:
        """Makes the transport tell from now on, by `block` and `unblock`, what has left."""
        # The TLS transports count as paused from the mark on, the others above it.
        self._transport.set_write_buffer_limits(high=1 if self.encrypted else 0, low=0)

    def write(self, data: bytes | memoryview) -> bool:
        """Whether the kernel has taken all of it at once. If not: `flushed`."""
        transport = self._transport
        if self.lost or transport.is_closing():  # uvloop raises there, asyncio warns
            return False
        transport.write(data)
        self.written += len(data)
        return not self._blocked and not transport.is_closing()

    async def flushed(self) -> bool:
        """Waits until all that was written has left; False when it never will."""
        while self._blocked and not self.lost:
            self._write_waiter = self._loop.create_future()
            try:
                await self._write_waiter
            finally:
                self._write_waiter = None
        return not self.lost and not self._transport.is_closing()

    async def writable(self, descriptor: int) -> bool:
        """Waits until the duplicate takes more; False when it never will."""
        if self.lost:
            return False
        waiter = self._write_waiter = self._loop.create_future()
        self._loop.add_writer(descriptor, _wake, waiter)
        try:
            await waiter
        finally:
            self._loop.remove_writer(descriptor)
            self._write_waiter = None
        return not self.lost

    async def pause(self, seconds: float) -> None:
        """Waits that long, or until something happens on the connection."""
        if self.lost:
            return
        waiter = self._pause_waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, _wake, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._pause_waiter = None

    def duplicate(self) -> socket.socket | None:
        """A descriptor that outlives the transport's, until `release`; None if it is too late."""
        if self._duplicate is None and not self.lost:
            self._duplicate = kernel.duplicate(self._transport)
            if self._duplicate is not None:
                self._acknowledged, _ = kernel.acknowledged(self._duplicate)
        return self._duplicate

    def release(self) -> None:
        """Closes the duplicate."""
        if self._duplicate is not None:
            self._duplicate.close()
            self._duplicate = None

    @property
    def is_measured(self) -> bool:
        """Whether a reply is on its way that the client takes its time to read."""
        return self._duplicate is not None

    def progressed(self) -> bool:
        """Whether the client has acknowledged anything since this was last asked."""
        if self._duplicate is None:
            return False
        before = self._acknowledged
        self._acknowledged, stands = kernel.acknowledged(self._duplicate)
        return stands and self._acknowledged is not None and self._acknowledged != before

    def abort(self) -> None:
        """Ends the connection at once."""
        if not self.lost:
            self._transport.abort()

    # -- what the connection tells

    def block(self) -> None:
        """The kernel didn't take all."""
        self._blocked = True

    def unblock(self) -> None:
        """All has left."""
        self._blocked = False
        if self._write_waiter is not None:
            _wake(self._write_waiter)

    def stir(self) -> None:
        """The client has sent something: perhaps because it has what it waited for."""
        if self._pause_waiter is not None:
            _wake(self._pause_waiter)

    def lose(self, *, sending: bool) -> None:
        """The connection is gone. While `sending`, the one who sends will `release`."""
        self.lost = True
        for waiter in (self._write_waiter, self._pause_waiter):
            if waiter is not None:
                _wake(waiter)
        if not sending:
            self.release()


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
