"""Listening sockets, the server over them, and its end.

One `Server` per process holds what its connections share: the application, limits, the head
parser, counters, and the clock: one sweep per tick looks for connections whose deadline has
passed, so no request makes a timer. Worker processes share a port by SO_REUSEPORT.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bucketlog.gateway.edge.connection import Connection
from bucketlog.gateway.edge.heads import HeadParser
from bucketlog.gateway.edge.limits import Limits
from bucketlog.gateway.edge.proxies import Network, TrustedProxies
from bucketlog.gateway.edge.replyhead import ReplyHeads
from bucketlog.gateway.edge.wire import Wire
from bucketlog.problems import Problem
from bucketlog.s3.model import Request

BACKLOG = 1024

Application = Callable[[Request, Wire], Coroutine[Any, Any, None]]
"""Answers one request: calls `wire.send` once, and raises nothing.

It is called for every request that has a request line, a refused one (`wire.refusal`) included,
and run at once, outside any Task until it first waits (see `eager`).
"""


@dataclass(frozen=True, slots=True)
class Ticks:
    """The times of `Limits`, in ticks of the server's clock; 0 for none."""

    head: int
    idle: int
    body: int
    request: int
    stall: int
    linger: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What a server has seen so far; `open` is now."""

    accepted: int
    open: int
    requests: int
    refused: dict[str, int] = field(default_factory=dict)  # by reason or error code


class Server:
    """A running edge. Made by `serve`."""

    def __init__(
        self, application: Application, limits: Limits, trusted_proxies: Iterable[Network]
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.application = application
        self.limits = limits
        self.proxies = TrustedProxies(trusted_proxies)
        self.parser = HeadParser(limits)
        self.heads = ReplyHeads()
        request_s = limits.request_s
        self.ticks = Ticks(
            head=limits.ticks(limits.head_s),
            idle=limits.ticks(limits.idle_s),
            body=limits.ticks(limits.body_s),
            request=0 if request_s is None else limits.ticks(request_s),
            stall=limits.ticks(limits.stall_s),
            linger=limits.ticks(limits.linger_s),
        )
        self.tick = 0
        self.draining = False
        self.accepted = 0
        self.requests = 0
        self._refused: Counter[str] = Counter()
        self._open: set[Connection] = set()
        self._listeners: list[asyncio.Server] = []
        self._emptied = asyncio.Event()
        self._sweeper = self.loop.call_later(limits.tick_s, self._sweep)

    async def listen(self, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        """Accepts connections on a bound socket."""
        listener = await self.loop.create_server(
            lambda: Connection(self),
            sock=sock,
            backlog=BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=self.limits.head_s if tls else None,
            # An idle client doesn't answer the end of TLS; it isn't waited for.
            ssl_shutdown_timeout=self.limits.linger_s if tls else None,
        )
        self._listeners.append(listener)

    @property
    def port(self) -> int:
        """The port of the first socket."""
        port: int = self._listeners[0].sockets[0].getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        """Connections that are open now."""
        return len(self._open)

    def counts(self) -> Counts:
        """A snapshot of the counters."""
        return Counts(self.accepted, len(self._open), self.requests, dict(self._refused))

    async def drain(self, grace_s: float) -> None:
        """Ends the server: accepts no more, closes idle connections, lets requests finish.

        What runs gets `grace_s` seconds; then its connection is aborted, and what still doesn't
        end is cancelled.
        """
        self.draining = True
        for listener in self._listeners:
            listener.close()
        for connection in tuple(self._open):
            if connection.is_idle:
                connection.close()
        await self._wait_empty(grace_s)
        tasks = [connection.task for connection in self._open if connection.task is not None]
        for connection in tuple(self._open):
            connection.outlet.abort()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=1.0)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=1.0)
        await self._wait_empty(1.0)
        self._sweeper.cancel()

    async def _wait_empty(self, seconds: float) -> None:
        if self._open:
            self._emptied.clear()
            try:
                await asyncio.wait_for(self._emptied.wait(), seconds)
            except TimeoutError:
                return

    def _sweep(self) -> None:
        self._sweeper = self.loop.call_later(self.limits.tick_s, self._sweep)
        self.tick = tick = self.tick + 1
        for connection in [one for one in self._open if one.deadline <= tick]:
            connection.expire()

    # -- for connections

    def admit(self, connection: Connection) -> bool:
        """Takes a new connection in; False when there are too many."""
        self.accepted += 1
        self._open.add(connection)
        if len(self._open) <= self.limits.connections:
            return True
        self.count_refusal("connections")
        return False

    def forget(self, connection: Connection) -> None:
        """The connection is closed."""
        self._open.discard(connection)
        if not self._open:
            self._emptied.set()

    def count_refusal(self, reason: str) -> None:
        """Counts a request or connection refused or broken off by the edge itself."""
        self._refused[reason] += 1


def bind(host: str, port: int, *, share: bool = False) -> socket.socket:
    """A listening-to-be TCP socket; port 0 takes a free one. `share`: with other processes.

    Raises `Problem` when the address can't be had.
    """
    # Without a host: all addresses, IPv4 and IPv6 where one socket can have both.
    any_host = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"
    try:
        found = socket.getaddrinfo(
            host or any_host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise Problem(
            f"can't listen on {host}: {error}", "use an address of this machine"
        ) from None
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # Only then do IPv4 and IPv6 sockets of one port go together.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1 if host else 0)
        sock.bind(address)
    except OSError as error:
        sock.close()
        reason = error.strerror or str(error)
        raise Problem(
            f"can't listen on {host or '*'} port {port}: {reason}",
            "stop what uses the port, or choose another",
        ) from None
    sock.setblocking(False)
    return sock


async def serve(
    application: Application,
    sockets: Sequence[socket.socket],
    *,
    limits: Limits | None = None,
    tls: ssl.SSLContext | None = None,
    trusted_proxies: Iterable[Network] = (),
) -> Server:
    """Serves the application on these bound sockets (see `bind`), in the running loop."""
    server = Server(application, limits or Limits(), trusted_proxies)
    for sock in sockets:
        await server.listen(sock, tls)
    return server
