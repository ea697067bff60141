"""One TCP or TLS connection: bytes to requests, one at a time, and the state between them.

The state is in `_phase`. Input is read ahead only as far as a bound: what can't be used yet
stops the reading, so the client waits. After anything that isn't proper HTTP the connection
ends, with the reply, and not a byte behind it is looked at.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from enum import IntEnum
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, cast

from bucketlog.gateway.edge import eager, heads, kernel
from bucketlog.gateway.edge.body import RawBody
from bucketlog.gateway.edge.framing import Chunked, FramingError, Sized
from bucketlog.gateway.edge.wire import Tls, Wire
from bucketlog.s3.errors import S3Error

if TYPE_CHECKING:
    from bucketlog.gateway.edge.listen import Server
    from bucketlog.gateway.edge.replyhead import ReplyHeads

NEVER = 1 << 62
"""The tick at which nothing expires."""

_TURN = 16  # pipelined requests answered at a stretch before other connections get a turn
_NO_BODY = RawBody(None)

_log = logging.getLogger(__name__)


class _Phase(IntEnum):
    HEAD = 0  # idle, or a head has begun to arrive
    BODY = 1  # a request is being answered while its body arrives
    BUSY = 2  # a request that has arrived is being answered
    SKIP = 3  # it is answered, the rest of its body is read away
    LINGER = 4  # the last reply is sent; input is dropped until the client ends too


_HEAD, _BODY, _BUSY, _SKIP, _LINGER = _Phase


class Connection(asyncio.Protocol):
    """The server's end of one connection."""

    __slots__ = (
        "_advancing",
        "_body",
        "_duplicate",
        "_eof",
        "_framing",
        "_input",
        "_loop",
        "_pause_waiter",
        "_phase",
        "_progress",
        "_reading_paused",
        "_request_deadline",
        "_server",
        "_task",
        "_transport",
        "_trusted",
        "_wire",
        "_write_waiter",
        "_writing_paused",
        "began",
        "deadline",
        "heads",
        "lost",
        "peer",
        "received_at",
        "tls",
        "written",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = server.loop
        self.heads: ReplyHeads = server.heads
        self._phase = _HEAD
        self._input = b""
        self.began = 0  # as `Wire` has it, of the request that arrives
        self.received_at = 0
        self._advancing = False
        self._eof = False
        self._reading_paused = False
        self._writing_paused = False
        self._body = _NO_BODY
        self._framing: Sized | Chunked | None = None
        self._wire: Wire | None = None
        self._task: asyncio.Task[None] | None = None
        self._write_waiter: asyncio.Future[None] | None = None
        self._pause_waiter: asyncio.Future[None] | None = None
        self._duplicate: socket.socket | None = None
        self._progress: int | None = None
        self._request_deadline = NEVER
        self.deadline = NEVER  # the tick of the server at which `expire` is called
        self.lost = False
        self.written = 0  # bytes handed to the transport or the kernel since the beginning
        self.peer = ""
        self.tls: Tls | None = None
        self._trusted = False

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # High mark 0: writing counts as paused until the kernel has taken everything.
        self._transport.set_write_buffer_limits(high=0)
        name = transport.get_extra_info("peername")
        self.peer = _address(name)
        self._trusted = self._server.proxies.trusts(self.peer)
        ssl_object = transport.get_extra_info("ssl_object")
        if ssl_object is not None:
            cipher = ssl_object.cipher()
            self.tls = Tls(ssl_object.version() or "", cipher[0] if cipher else "")
        self.deadline = self._server.tick + self._server.ticks.idle
        if not self._server.admit(self):
            self._refuse_alone(503, "SlowDown", "Please reduce your request rate.")

    def data_received(self, data: bytes) -> None:
        phase = self._phase
        if phase is _HEAD:
            if self._input:
                self._input += data
            else:
                self._input = data
                self.began = monotonic_ns()
                self.received_at = time_ns()
            self._advance()
        elif phase is _BODY or phase is _SKIP:
            self._feed(data)
            if phase is _SKIP and self._phase is _HEAD:
                self._advance()
        elif phase is _BUSY:
            self._keep(data)
            if self._pause_waiter is not None:
                self._wake(self._pause_waiter)

    def eof_received(self) -> bool:
        self._eof = True
        if self._phase is _BODY:
            self._body.fail(S3Error("IncompleteBody"))
        # A client may end its side and still read; TLS has no such half.
        return self.tls is None and (self._phase is _BODY or self._phase is _BUSY)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._write_waiter is not None:
            self._wake(self._write_waiter)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.deadline = NEVER
        self._server.forget(self)
        if self._phase is _BODY:
            self._body.fail(S3Error("IncompleteBody"))
        for waiter in (self._write_waiter, self._pause_waiter):
            if waiter is not None:
                self._wake(waiter)
        if self._wire is None:
            self.release()

    # -- requests

    def _advance(self) -> None:
        """Starts what requests the input holds, one after the other."""
        if self._advancing:
            return
        self._advancing = True
        turns = _TURN
        try:
            while self._phase is _HEAD and self._input and not self.lost:
                data = self._input
                if data[0] in b"\r\n":  # RFC 9112 section 2.2: empty lines before a request
                    self._input = data = data.lstrip(b"\r\n")
                end = data.find(b"\r\n\r\n") + 4
                if end < 4:
                    self._await_head(data)
                    break
                if not turns:
                    self._loop.call_soon(self._advance)
                    break
                turns -= 1
                if end == len(data):
                    self._input = b""
                    self._start(data)
                else:
                    self._input = data[end:]
                    self._start(data[:end])
        finally:
            self._advancing = False

    def _await_head(self, partial: bytes) -> None:
        """Waits for the rest of a head, unless it is hopeless."""
        if len(partial) > self._server.limits.head_bytes:
            self._refuse(partial, S3Error("RequestHeaderSectionTooLarge"))
        elif heads.hopeless(partial):
            self._refuse(partial, heads.malformed())
        else:
            if self._reading_paused:
                self._resume_reading()
            if partial and self._request_deadline == NEVER:
                self._request_deadline = self._server.tick + self._server.ticks.head
                self.deadline = self._request_deadline
            if self._eof:
                self._transport.close()

    def _start(self, data: bytes) -> None:
        """Hands the request of this head to the application."""
        server = self._server
        if len(data) > server.limits.head_bytes:
            return self._refuse(data, S3Error("RequestHeaderSectionTooLarge"))
        head = server.parser.parse(data)
        if head is None:
            return self._refuse(data, heads.malformed())
        return self._run(head)

    def _refuse(self, data: bytes, refusal: S3Error) -> None:
        """Hands on a request that is refused; answers it here if it can't even be named."""
        head = heads.refuse(data, refusal)
        self._input = b""
        if head is None:
            self._server.count_refusal("unparsable")
            self._refuse_alone(400, refusal.code, refusal.message or "")
        else:
            self._run(head)

    def _run(self, head: heads.Head) -> None:
        request, length, closes, expects, refusal = head
        server = self._server
        server.requests += 1
        if refusal is not None:
            server.count_refusal(refusal.code)
            self._input = b""
            length = 0
        if length == 0:
            body = _NO_BODY
            self._phase = _BUSY
        else:
            limit = server.limits.body_bytes
            body = self._body = RawBody(self, expects=expects, limit=limit)
            self._framing = Chunked() if length == heads.CHUNKED else Sized(length)
            self._phase = _BODY
            if length > limit:
                body.fail(S3Error("EntityTooLarge"))
        peer = self.peer
        if self._trusted and "x-forwarded-for" in request.headers:
            peer = server.proxies.client(peer, request.headers["x-forwarded-for"])
        wire = self._wire = Wire(self, body, peer, closes, refusal)
        if length >= 0 and "content-length" in request.headers:
            wire.content_length = length
        if request.version != "HTTP/1.1":
            wire.is_old = True
        if length == 0:
            wire.body_received = monotonic_ns()
        elif self._input:
            rest, self._input = self._input, b""
            self._feed(rest)
        self._request_deadline = NEVER
        if server.ticks.request:
            self._request_deadline = server.tick + server.ticks.request
        self.deadline = self._request_deadline
        coroutine = cast(Any, server.application(request, wire))
        try:
            ended, waits_for = eager.start(coroutine)
        except Exception:
            _log.exception("a request broke off")
            ended = True
        if ended:
            self._finish()
        else:
            self._task = self._loop.create_task(self._see_through(eager.rest(coroutine, waits_for)))

    async def _see_through(self, remainder: Any) -> None:
        try:
            await remainder
        except Exception:
            _log.exception("a request broke off")
        finally:
            self._task = None
            self._finish()
        if not self.lost:
            if self._phase is _HEAD and self._input:
                self._advance()
            elif self._reading_paused and self._phase is not _BUSY:
                self._resume_reading()

    def _finish(self) -> None:
        """The application is through with the request."""
        wire, self._wire = self._wire, None
        assert wire is not None
        body, self._body = self._body, _NO_BODY
        if self.lost:
            return self.release()
        if not wire.replied:
            return self._refuse_alone(500, "InternalError", "We encountered an internal error.")
        if wire.closes:
            unread = self._phase is _BODY or self._input or wire.refusal is not None
            return self.close(linger=bool(unread))
        if self._phase is _BODY:
            body.discard()
            self._phase = _SKIP
            self.deadline = self._server.tick + self._server.ticks.body
            return None
        self._idle()
        return None

    def _idle(self) -> None:
        self._phase = _HEAD
        self._request_deadline = NEVER
        self.deadline = self._server.tick + self._server.ticks.idle
        if not self._input and (self._server.draining or self._eof):
            self._transport.close()

    # -- input

    def _keep(self, data: bytes) -> None:
        """Keeps what belongs to a later request, and reads no more until it is its turn."""
        if not self._input:
            self.began = monotonic_ns()
            self.received_at = time_ns()
        self._input += data
        if not self._reading_paused and not self.lost:
            self._reading_paused = True
            self._transport.pause_reading()

    def _feed(self, data: bytes) -> None:
        """Gives bytes to the body that is arriving."""
        framing, body, wire = self._framing, self._body, self._wire
        assert framing is not None
        try:
            payload, rest = framing.feed(data)
        except FramingError:
            self._server.count_refusal("chunked")
            body.fail(heads.malformed())
            if self._phase is _SKIP:
                self.close(linger=True)
            return
        if self._phase is _BODY:
            if payload:
                body.deliver(payload)
            if rest is None:
                if body.buffered_bytes >= self._server.limits.read_ahead_bytes:
                    self._reading_paused = True
                    self._transport.pause_reading()
                return
            assert wire is not None
            wire.body_received = monotonic_ns()
            self._phase = _BUSY
            self.deadline = self._request_deadline
            body.end()
            if rest:
                self._keep(rest)
        elif rest is not None:
            self._input = rest
            if rest:
                self.began = monotonic_ns()
                self.received_at = time_ns()
            self._idle()

    def _resume_reading(self) -> None:
        self._reading_paused = False
        if not self.lost:
            self._transport.resume_reading()

    def want_body(self, expects: bool) -> None:
        """As `body.Source` says."""
        if expects and not self.lost:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.deadline = min(self._request_deadline, self._server.tick + self._server.ticks.body)

    def body_taken(self) -> None:
        """As `body.Source` says."""
        if self._reading_paused and self._phase is _BODY:
            self._resume_reading()

    # -- output

    def ending(self, wire: Wire) -> str | None:
        """The Connection header of the reply; settles whether the connection ends with it."""
        if self._phase is _BODY and not wire.closes:
            remaining = self._framing.remaining if self._framing is not None else None
            skippable = remaining is not None and remaining <= self._server.limits.skip_bytes
            wire.closes = not skippable or wire.body.awaits_continue or wire.body.failed
        if wire.closes or self._server.draining:
            wire.closes = True
            return "close"
        return "keep-alive" if wire.is_old else None

    def write(self, data: bytes | memoryview) -> bool:
        """Whether the kernel has taken it at once. If not: `flushed`."""
        transport = self._transport
        if self.lost or transport.is_closing():
            return False
        transport.write(data)
        self.written += len(data)
        return not self._writing_paused and not transport.is_closing()

    async def flushed(self) -> bool:
        """Waits until all that was written has left; False when it never will."""
        while self._writing_paused and not self.lost:
            self._write_waiter = self._loop.create_future()
            try:
                await self._write_waiter
            finally:
                self._write_waiter = None
        return not self.lost and not self._transport.is_closing()

    async def writable(self, descriptor: int) -> bool:
        """Waits until the (duplicated) descriptor takes more; False when it never will."""
        waiter = self._write_waiter = self._loop.create_future()
        self._loop.add_writer(descriptor, self._wake, waiter)
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
        timer = self._loop.call_later(seconds, self._wake, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            self._pause_waiter = None

    @staticmethod
    def _wake(waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_result(None)

    def duplicate(self) -> socket.socket | None:
        """A descriptor that outlives the transport's, until `release`; None if it is too late."""
        if self._duplicate is None and not self.lost:
            self._duplicate = kernel.duplicate(self._transport)
        return self._duplicate

    def release(self) -> None:
        """Closes the duplicate."""
        if self._duplicate is not None:
            self._duplicate.close()
            self._duplicate = None
            self.deadline = self._request_deadline

    # -- time and the end

    def expect_progress(self) -> None:
        """From now on the client must acknowledge a byte every `stall_s`."""
        if self._duplicate is not None:
            self._progress, _ = kernel.acknowledged(self._duplicate)
        self.deadline = min(self._request_deadline, self._server.tick + self._server.ticks.stall)

    def expire(self) -> None:
        """The deadline has passed."""
        server, wire = self._server, self._wire
        late = server.tick >= self._request_deadline
        self.deadline = NEVER if late else self._request_deadline
        if wire is None:
            self._expire_between(server)
        elif self._duplicate is not None:  # a reply that takes its time is being sent
            acked, stands = kernel.acknowledged(self._duplicate)
            if stands and acked is not None and acked != self._progress and not late:
                self.expect_progress()
            else:
                server.count_refusal("stalled")
                self.abort()
        elif late or self._body.is_awaited:
            server.count_refusal("RequestTimeout")
            self._body.fail(S3Error("RequestTimeout"))

    def _expire_between(self, server: Server) -> None:
        if self._phase is not _HEAD:
            self.abort()
        elif self._input:
            server.count_refusal("RequestTimeout")
            self._refuse_alone(400, "RequestTimeout", "The head of the request came too slowly.")
        else:
            self._transport.close()

    @property
    def idle(self) -> bool:
        """Whether no request is under way, nor has begun to arrive."""
        return self._phase is _HEAD and not self._input

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task that answers the current request, if it had to wait for something."""
        return self._task

    def _refuse_alone(self, status: int, code: str, message: str) -> None:
        """Answers without the application, and ends the connection."""
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
            f"<Message>{message}</Message></Error>"
        ).encode()
        headers = {"Content-Type": "application/xml"}
        now = time_ns() // 1_000_000_000
        self.write(self.heads.compose(status, headers, len(body), "close", now) + body)
        self.close(linger=True)

    def close(self, *, linger: bool = False) -> None:
        """Ends the connection once all that was written has left.

        Where input may still come, closing at once would reset the connection, and the client
        might lose the reply: `linger` ends the sending side only, and drops input for a moment.
        """
        if self.lost:
            return
        if self._eof or not linger:
            self._transport.close()
            return
        self._phase = _LINGER
        self._input = b""
        self.deadline = self._server.tick + self._server.ticks.linger
        if self.tls is None and self._transport.can_write_eof():
            self._transport.write_eof()
        if self._reading_paused:
            self._resume_reading()

    def abort(self) -> None:
        """Ends the connection at once."""
        if not self.lost:
            self._transport.abort()


def _address(name: Any) -> str:
    """The IP address of a socket name, an IPv4 one written so even on an IPv6 socket."""
    if not isinstance(name, tuple):
        return ""
    address = str(name[0]).partition("%")[0]
    return address[7:] if address.startswith("::ffff:") and "." in address else address
