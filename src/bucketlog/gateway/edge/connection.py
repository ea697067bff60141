"""One TCP or TLS connection: bytes to requests, one at a time, and the state between them.

The state is in `_phase`. Input is read ahead only as far as a bound: what can't be used yet
stops the reading, so the client waits. After anything that isn't proper HTTP the connection
ends, with the reply, and not a byte behind it is looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from enum import IntEnum
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, cast

from bucketlog.gateway.edge import eager, heads
from bucketlog.gateway.edge.body import RawBody
from bucketlog.gateway.edge.framing import Chunked, FramingError, Sized
from bucketlog.gateway.edge.outlet import Outlet
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
        "_eof",
        "_framing",
        "_input",
        "_phase",
        "_read_ahead",
        "_reading_paused",
        "_request_deadline",
        "_server",
        "_transport",
        "_trusted",
        "_wire",
        "began",
        "deadline",
        "heads",
        "outlet",
        "peer",
        "received_at",
        "task",
        "tls",
    )

    outlet: Outlet
    _transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self._server = server
        self._phase = _HEAD
        self._input = b""  # what came and isn't used yet: of the next requests
        self._advancing = False
        self._eof = False
        self._reading_paused = False
        self._read_ahead = server.limits.read_ahead_bytes
        self._body = _NO_BODY
        self._framing: Sized | Chunked | None = None
        self._wire: Wire | None = None  # of the request under way
        self._trusted = False
        self._request_deadline = NEVER  # of the whole request, or of its head
        self.deadline = NEVER  # the server's tick at which `expire` is called
        self.heads: ReplyHeads = server.heads
        self.task: asyncio.Task[None] | None = None  # that answers, if it had to wait
        self.peer = ""
        self.tls: Tls | None = None
        self.began = 0  # as `Wire` has it, of the request that arrives
        self.received_at = 0

    # -- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        server = self._server
        self._transport = cast(asyncio.Transport, transport)
        self.outlet = Outlet(server.loop, self._transport)
        self.outlet.open()
        self.peer = _address(transport.get_extra_info("peername"))
        self._trusted = server.proxies.trusts(self.peer)
        ssl_object = transport.get_extra_info("ssl_object")
        if ssl_object is not None:
            cipher = ssl_object.cipher()
            self.tls = Tls(ssl_object.version() or "", cipher[0] if cipher else "")
        self.deadline = server.tick + server.ticks.idle
        if not server.admit(self):
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
        elif phase is _BODY:
            self._feed(data)
        elif phase is _BUSY:
            self._keep(data)
            self.outlet.stir()
        elif phase is _SKIP:
            self._skip(data)

    def eof_received(self) -> bool:
        self._eof = True
        if self._phase is _BODY:
            self._body.fail(S3Error("IncompleteBody"))
        # A client may end its side and still read; TLS has no such half.
        return self.tls is None and (self._phase is _BODY or self._phase is _BUSY)

    def pause_writing(self) -> None:
        self.outlet.block()

    def resume_writing(self) -> None:
        self.outlet.unblock()

    def connection_lost(self, exc: Exception | None) -> None:
        self.deadline = NEVER
        self._server.forget(self)
        self.outlet.lose(sending=self._wire is not None)
        if self._phase is _BODY:
            self._body.fail(S3Error("IncompleteBody"))

    # -- requests

    def _advance(self) -> None:
        """Starts what requests the input holds, one after the other."""
        if self._advancing:  # the request that just ended was started by the loop below
            return
        self._advancing = True
        turns = _TURN
        try:
            while self._phase is _HEAD and self._input:
                data = self._input
                if data[0] < 14 and data[0] in b"\r\n":  # RFC 9112 section 2.2: empty lines first
                    self._input = data = data.lstrip(b"\r\n")
                end = data.find(b"\r\n\r\n") + 4
                if end < 4:
                    self._await_head(data)
                    break
                if not turns:
                    self._server.loop.call_soon(self._advance)
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
        if self._reading_paused:
            self._reconsider_reading()

    def _await_head(self, partial: bytes) -> None:
        """Waits for the rest of a head, unless it is hopeless."""
        if len(partial) > self._server.limits.head_bytes:
            self._refuse(partial, S3Error("RequestHeaderSectionTooLarge"))
        elif heads.hopeless(partial):
            self._refuse(partial, heads.malformed())
        elif self._eof:
            self._transport.close()
        else:
            if partial and self._request_deadline == NEVER:
                self._request_deadline = self._server.tick + self._server.ticks.head
                self.deadline = self._request_deadline

    def _start(self, data: bytes) -> None:
        """Hands the request of this head to the application."""
        if len(data) > self._server.limits.head_bytes:
            self._refuse(data, S3Error("RequestHeaderSectionTooLarge"))
            return
        head = self._server.parser.parse(data)
        if head is None:
            self._refuse(data, heads.malformed())
        else:
            self._run(head)

    def _refuse(self, data: bytes, refusal: S3Error) -> None:
        """Hands on a request that is refused; answers it here if it can't even be named."""
        head = heads.refuse(data, refusal)
        if head is None:
            self._server.count_refusal("unparsable")
            self._refuse_alone(400, refusal.code, refusal.message or "")
        else:
            self._run(head)

    def _run(self, head: heads.Head) -> None:
        request, length, closes, expects, refusal = head
        server = self._server
        server.requests += 1
        peer = self.peer
        if self._trusted and "x-forwarded-for" in request.headers:
            peer = server.proxies.client(peer, request.headers["x-forwarded-for"])
        wire = self._wire = Wire(self, _NO_BODY, peer, closes, refusal)
        if request.version != "HTTP/1.1":
            wire.is_old = True
        self._request_deadline = self.deadline = (
            server.tick + server.ticks.request if server.ticks.request else NEVER
        )
        if refusal is not None:
            server.count_refusal(refusal.code)
            self._input = b""
        if length == 0 or refusal is not None:
            self._phase = _BUSY
            wire.body_received = monotonic_ns()
        else:
            self._expect_body(wire, length, expects)
        self._step(server.application(request, wire))

    def _step(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Runs the application until it ends or waits; see `eager`."""
        try:
            waits_for = coroutine.send(None)
        except StopIteration:
            self._finish()
        except Exception:
            _log.exception("a request broke off")
            self._finish()
        else:
            if isinstance(waits_for, eager.Pause):
                waits_for.coroutine, waits_for.resumed = coroutine, self._resume
            else:
                self.task = self._server.loop.create_task(self._see_through(coroutine, waits_for))

    def _resume(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Goes on after a pause, and with what came meanwhile."""
        self._step(coroutine)
        if self._phase is _HEAD and self._input:
            self._advance()
        elif self._reading_paused:
            self._reconsider_reading()

    def _expect_body(self, wire: Wire, length: int, expects: bool) -> None:
        """Prepares for the request's body, and takes what of it has come with the head."""
        limit = self._server.limits.body_bytes
        wire.body = self._body = RawBody(self, expects=expects, limit=limit)
        self._phase = _BODY
        if length == heads.CHUNKED:
            self._framing = Chunked()
        else:
            self._framing = Sized(length)
            wire.content_length = length
            if length > limit:
                self._body.fail(S3Error("EntityTooLarge"))
        if self._input:
            rest, self._input = self._input, b""
            self._feed(rest)

    async def _see_through(
        self, coroutine: Coroutine[Any, Any, None], waits_for: eager.Yielded
    ) -> None:
        """The rest of a request that had to wait."""
        try:
            await eager.rest(coroutine, waits_for)
        except Exception:
            _log.exception("a request broke off")
        finally:
            self.task = None
            self._finish()
        if self._phase is _HEAD and self._input:
            self._advance()
        elif self._reading_paused:
            self._reconsider_reading()

    def _finish(self) -> None:
        """The application is through with the request."""
        wire, self._wire = self._wire, None
        assert wire is not None
        body, self._body = self._body, _NO_BODY
        if self.outlet.lost:
            self.outlet.release()
            self._phase = _LINGER
        elif not wire.replied:
            self._refuse_alone(500, "InternalError", "We encountered an internal error.")
        elif wire.closes:
            self.close(linger=self._phase is _BODY or bool(self._input) or bool(wire.refusal))
        elif self._phase is _BODY:
            body.discard()
            self._phase = _SKIP
            self.deadline = self._server.tick + self._server.ticks.body
        else:
            self._idle()

    def _idle(self) -> None:
        self._phase = _HEAD
        self._request_deadline = NEVER
        self.deadline = self._server.tick + self._server.ticks.idle
        if (self._server.draining or self._eof) and not self._input:
            self._transport.close()

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

    # -- input

    def _keep(self, data: bytes) -> None:
        """Keeps what belongs to later requests, and reads no more until it is their turn."""
        if not self._input:
            self.began = monotonic_ns()
            self.received_at = time_ns()
        self._input += data
        self._pause_reading()

    def _feed(self, data: bytes) -> None:
        """Gives bytes to the body that is arriving."""
        framing, body, wire = self._framing, self._body, self._wire
        assert framing is not None
        assert wire is not None
        if body.failed:
            return
        try:
            payload, rest = framing.feed(data)
        except FramingError:
            self._server.count_refusal("chunked")
            body.fail(heads.malformed())
            return
        if payload:
            body.deliver(payload)
        if rest is not None:
            wire.body_received = monotonic_ns()
            self._phase = _BUSY
            self.deadline = self._request_deadline
            body.end()
            if rest:
                self._keep(rest)
        elif body.buffered_bytes >= self._read_ahead:
            self._pause_reading()

    def _skip(self, data: bytes) -> None:
        """Drops the rest of a body that nobody wanted."""
        framing = self._framing
        assert framing is not None
        try:
            _, rest = framing.feed(data)
        except FramingError:
            self.close(linger=True)
            return
        if rest is None:
            return
        if rest:
            self._input = rest
            self.began = monotonic_ns()
            self.received_at = time_ns()
        self._idle()
        self._advance()

    def _pause_reading(self) -> None:
        if not self._reading_paused and not self.outlet.lost:
            self._reading_paused = True
            self._transport.pause_reading()

    def _reconsider_reading(self) -> None:
        """Reads on, if what comes can be used or dropped."""
        if self._phase is _BUSY or self.outlet.lost:
            return
        if self._phase is _BODY and self._body.buffered_bytes >= self._read_ahead:
            return
        self._reading_paused = False
        self._transport.resume_reading()

    def want_body(self, expects: bool) -> None:
        """As `body.Source` says."""
        if expects:
            self.outlet.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.deadline = min(self._request_deadline, self._server.tick + self._server.ticks.body)

    def body_taken(self) -> None:
        """As `body.Source` says."""
        if self._reading_paused and self._phase is _BODY:
            self._reconsider_reading()

    # -- time and the end

    def watch_progress(self, on: bool) -> None:
        """While on, the client must acknowledge a byte of the reply every `stall_s`."""
        stall = self._server.tick + self._server.ticks.stall
        self.deadline = min(self._request_deadline, stall) if on else self._request_deadline

    def expire(self) -> None:
        """The deadline has passed."""
        server = self._server
        late = server.tick >= self._request_deadline
        self.deadline = NEVER if late else self._request_deadline
        if self._wire is None:
            self._expire_between()
        elif self.outlet.is_measured:
            if not late and self.outlet.progressed():
                self.watch_progress(True)
            else:
                server.count_refusal("stalled")
                self.outlet.abort()
        elif late or self._body.is_awaited:
            server.count_refusal("RequestTimeout")
            self._body.fail(S3Error("RequestTimeout"))

    def _expire_between(self) -> None:
        """The deadline has passed, and no request is under way."""
        if self._phase is not _HEAD:
            self.outlet.abort()
        elif self._input:
            self._server.count_refusal("RequestTimeout")
            self._refuse_alone(400, "RequestTimeout", "The head of the request came too slowly.")
        else:
            self._transport.close()

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way, nor has begun to arrive."""
        return self._phase is _HEAD and not self._input

    def _refuse_alone(self, status: int, code: str, message: str) -> None:
        """Answers without the application, and ends the connection."""
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code>'
            f"<Message>{message}</Message></Error>"
        ).encode()
        headers = {"Content-Type": "application/xml"}
        now_s = time_ns() // 1_000_000_000
        self.outlet.write(self.heads.compose(status, headers, len(body), "close", now_s) + body)
        self.close(linger=True)

    def close(self, *, linger: bool = False) -> None:
        """Ends the connection once all that was written has left.

        Where input may still come, closing at once would reset the connection, and the client
        might lose the reply: `linger` ends the sending side only, and drops input for a moment.
        """
        self._phase = _LINGER
        self._input = b""
        if self._eof or not linger or self.outlet.lost:
            self._transport.close()
            return
        self.deadline = self._server.tick + self._server.ticks.linger
        if self.tls is None and self._transport.can_write_eof():
            self._transport.write_eof()
        if self._reading_paused:
            self._reconsider_reading()


def _address(name: Any) -> str:
    """The IP address of a socket name, an IPv4 one written so even on an IPv6 socket."""
    if not isinstance(name, tuple):
        return ""
    address = str(name[0]).partition("%")[0]
    return address[7:] if address.startswith("::ffff:") and "." in address else address
