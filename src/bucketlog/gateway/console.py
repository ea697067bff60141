"""The operator's port: the console's process answers on it, or this one while there is none.

Both hold the same listening socket. The console says that it is ready by a line on its standard
output, and from then on this process accepts nothing there; when the console ends it accepts
again, so /healthz and /metrics are always answered. What the console must know comes by its
standard input, because arguments and environment are seen by others; when that input ends, the
console ends too, whatever this process died of. It forwards /healthz and /metrics here, by a
socket in `run/console`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import ipaddress
import json
import logging
import os
import secrets
import socket
import sys
import time
from pathlib import Path
from typing import Any

from bucketlog import measures
from bucketlog import settings as configuration
from bucketlog.gateway import control
from bucketlog.gateway.admin import Admin
from bucketlog.gateway.control import Answer, Page, Question
from bucketlog.gateway.edge import listen
from bucketlog.gateway.edge.limits import Limits
from bucketlog.settings import Settings

log = logging.getLogger("bucketlog.console")

SOCKET_FOLDER = "console"
"""In `run`; not `run` itself, where every socket is a worker's."""

SECRETS = frozenset(("console.password",))
"""Settings whose value is told to nobody but where it counts."""

_NEEDS = ("boto3", "jinja2", "python_multipart", "starlette", "uvicorn")
_LIMITS = Limits(connections=256, body_bytes=0)
_READY_WITHIN_S = 60.0
_RESTART_AFTER_S = 0.5
_RESTART_AT_MOST_S = 60.0
_STABLE_AFTER_S = 60.0
_PATIENCE_S = 5.0
# A shell's settings for S3 clients would point the console's own client elsewhere.
_FOREIGN = ("AWS_", "BUCKETLOG_")
_FOREIGN_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def is_installed() -> bool:
    """Whether everything the console needs is there (`pip install 'bucketlog[console]'`)."""
    return all(importlib.util.find_spec(name) is not None for name in _NEEDS)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Front:
    """Who answers on the operator's port. `link` logs in as the root account, None without one."""

    def __init__(self, settings: Settings, sock: socket.socket, admin: Admin, run: Path) -> None:
        self._settings = settings
        self._started_at = time.time_ns()
        self._socket = sock
        self._admin = admin
        self._run = run
        self._own: listen.Server | None = None
        self._listener: control.Listener | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._draining: set[asyncio.Task[None]] = set()
        host = sock.getsockname()[0]
        self.is_used = settings.console.enabled and is_installed()
        by_link = self.is_used and is_loopback(host)
        self._token = secrets.token_urlsafe(24) if by_link else None

    def link(self, console: str) -> str | None:
        """The address that logs in, made of the operator's address; None where there is none.

        The token stands in the fragment, which no browser sends or passes on.
        """
        return None if self._token is None else f"{console}/login#{self._token}"

    async def start(self) -> None:
        """Answers from now on."""
        self._listener = await control.listen(
            self._run / SOCKET_FOLDER, "admin", self._answer_console
        )
        self._admin.console_comes = self.is_used
        await self._step_in()

    def begin(self, endpoint: str) -> None:
        """Starts the console, if there is one; it takes over when it is ready.

        `endpoint` is where it reaches S3.
        """
        if self.is_used:
            self._keeper = asyncio.create_task(self._keep(endpoint), name="console")

    async def stop(self) -> None:
        """Ends the console and everything else on the port."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._process is not None:
            await _end(self._process)
        await self._stand_back()
        if self._draining:
            await asyncio.wait(self._draining)
        if self._listener is not None:
            await self._listener.close()

    async def _answer_console(self, question: Question) -> Answer:
        reply = await self._admin.page(f"/{question.do}")
        if reply is None:
            return Answer(error=f"unknown question {question.do!r}")
        assert isinstance(reply.body, bytes)
        kind = reply.headers["Content-Type"]
        return Answer(pid=os.getpid(), page=Page(reply.status, kind, reply.body.decode()))

    async def _step_in(self) -> None:
        """Accepts on the port."""
        if self._own is None:
            self._own = await listen.serve(self._admin, [self._socket.dup()], limits=_LIMITS)

    async def _stand_back(self) -> None:
        """Accepts no more; what is being answered is finished."""
        if self._own is not None:
            task = asyncio.create_task(self._own.drain(_PATIENCE_S))
            self._draining.add(task)
            task.add_done_callback(self._draining.discard)
            self._own = None

    async def _keep(self, endpoint: str) -> None:
        """Starts the console, and again whenever it has ended, ever less eagerly."""
        pause_s = _RESTART_AFTER_S
        while True:
            began_at = time.monotonic()
            self._process = await self._spawn(endpoint)
            if await _is_ready(self._process):
                await self._stand_back()
            else:
                await _end(self._process)
            code = await self._process.wait()
            await self._step_in()
            if time.monotonic() - began_at > _STABLE_AFTER_S:
                pause_s = _RESTART_AFTER_S
            log.error("the console ended with code %s; the next starts in %g s", code, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _RESTART_AT_MOST_S)

    async def _spawn(self, endpoint: str) -> asyncio.subprocess.Process:
        number = self._socket.fileno()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bucketlog.console"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=[number],
            env=_environment(),
            start_new_session=True,  # Ctrl-C is meant for this process, which ends the other
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(self._told(endpoint, number)).encode() + b"\n")
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()
        return process

    def _told(self, endpoint: str, number: int) -> dict[str, Any]:
        """What the console is told; `bucketlog.console.config.Config` reads it."""
        settings = self._settings
        host, port = self._socket.getsockname()[:2]
        return {
            "socket": number,
            "host": host,
            "port": port,
            "endpoint": endpoint,
            "regions": settings.server.regions,
            "data": str(settings.store.folder.absolute()),
            "run": str(self._run.absolute()),
            "token": self._token,
            "password": settings.console.password,
            "names": settings.console.names,
            "idle_s": settings.console.idle_timeout,
            "trusted_proxies": settings.server.trusted_proxies,
            "log_format": settings.log.format,
            "log_level": settings.log.level,
            "server": {
                "pid": os.getpid(),
                "started_at": self._started_at,
                "workers": settings.server.workers,
                "spool_max_bytes": settings.spool.max_bytes,
                "hold_bytes": settings.delivery.hold_bytes,
                "deliver_every_s": settings.delivery.every,
                "settings": in_force(settings),
            },
        }


def in_force(settings: Settings) -> list[dict[str, str | None]]:
    """Every setting as text, with where it was set; of a secret only whether it is set."""
    shown = []
    for row in configuration.table():
        section, _, key = row.name.partition(".")
        value = getattr(getattr(settings, section), key)
        if value is None or value == ():
            text = "not set"
        elif row.name in SECRETS:
            text = "set"
        elif row.type == "duration":
            text = measures.render_duration(value)
        elif row.type == "size":
            text = measures.render_size(value)
        elif isinstance(value, bool):
            text = "true" if value else "false"
        else:
            text = ", ".join(value) if isinstance(value, tuple) else str(value)
        shown.append({"name": row.name, "value": text, "source": settings.sources.get(row.name)})
    return shown


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and name.lower() not in _FOREIGN_PROXIES
    }
    nothing = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
    return {**kept, **nothing, "AWS_EC2_METADATA_DISABLED": "true"}


async def _is_ready(process: asyncio.subprocess.Process) -> bool:
    assert process.stdout is not None
    try:
        return await asyncio.wait_for(process.stdout.readline(), _READY_WITHIN_S) == b"ready\n"
    except TimeoutError:
        log.error("the console was not ready within %g s", _READY_WITHIN_S)
        return False


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ends it: kindly, by the end of its input, then not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _PATIENCE_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
