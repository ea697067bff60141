"""Turns settings into a running server: one process, or a supervisor and its workers.

The only place that starts and ends processes. With one worker everything runs in this process;
with more, each worker is a process of its own that shares the port (SO_REUSEPORT), and this one
keeps them alive, answers /healthz and /metrics for all, and passes on the order to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import multiprocessing
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from bucketlog import journal
from bucketlog import settings as configuration
from bucketlog.disk import RealDisk
from bucketlog.gateway import control
from bucketlog.gateway.admin import Admin
from bucketlog.gateway.console import Front
from bucketlog.gateway.control import Answer, Question
from bucketlog.gateway.edge import listen
from bucketlog.gateway.metrics import Snapshot
from bucketlog.gateway.worker import Layout, Worker
from bucketlog.problems import Problem, SettingsProblem
from bucketlog.s3.model import Credential
from bucketlog.settings import Settings, root_key
from bucketlog.state.accounts import Accounts
from bucketlog.state.database import Database
from bucketlog.state.generation import Generation

log = logging.getLogger("bucketlog.server")

_RESTART_AFTER_S = 1.0


@dataclass(frozen=True, slots=True)
class Address:
    """A host and port to listen on; the port is never 0 once bound."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """As a URL's authority."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def local(self) -> Address:
        """What a process of this machine reaches it by, where it is every address."""
        every = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        return Address(every.get(self.host, self.host), self.port)


Ready = Callable[[str, str, str | None], None]
"""Told once the server serves: the S3 endpoint, the operator's address, and the link that logs in
to the console there (None where there is none), as URLs.
"""


def run(settings: Settings, made_root: Callable[[str, str], None], ready: Ready) -> None:
    """Serves until SIGTERM or SIGINT. Raises `Problem` when it can't start.

    `made_root` is told the root's access key and secret if they are new.
    """
    layout = Layout(settings.store.folder)
    _make_folder(layout.data)
    tls = _tls(settings)
    with _sole_server(layout):
        made = ensure_root(layout)
        if made is not None and root_key(os.environ) is None:
            made_root(made.access_key, made.secret_key)
        if settings.server.workers == 1:
            _loop()(_alone(settings, layout, tls, ready))
        else:
            asyncio.run(_supervise(settings, layout, tls is not None, ready))


@contextlib.contextmanager
def _sole_server(layout: Layout) -> Iterator[None]:
    """Keeps other servers off the data folder while this one runs, however it ends.

    Everything in the folder may be shared by processes, but two servers would speak to each
    other's workers and each would tell of both.
    """
    disk = RealDisk()
    disk.make_folder(layout.run)
    lock = disk.lock(layout.run / "server.lock")
    if lock is None:
        raise Problem(
            f"Another server runs on the data folder {layout.data}{_where(layout)}.",
            "Stop that one, or choose another folder with --data. For more processes on one "
            "folder there is --workers.",
        )
    try:
        yield
    finally:
        disk.close(lock)


def _where(layout: Layout) -> str:
    try:
        about = json.loads((layout.run / "server.json").read_text())
        return f", at {about['endpoint']} (process {about['pid']})"
    except (OSError, ValueError, KeyError):
        return ""


def ensure_root(layout: Layout) -> Credential | None:
    """Sees to the root account; its credential if that is new. See `Accounts.ensure_root`."""
    access_key, secret_key = root_key(os.environ) or (None, None)
    generation = Generation.open(layout.data)
    database = Database.open(layout.data)
    try:
        return Accounts(database, generation).ensure_root(access_key, secret_key)
    finally:
        database.close()
        generation.close()


async def deliver_alone(settings: Settings, layout: Layout, question: Question) -> Answer:
    """Delivers what waits in a data folder that no server runs on."""
    worker = Worker(settings, layout)
    try:
        await worker.courier.adopt_leftovers(layout.spool)
        return await worker.answer(question)
    finally:
        await worker.close()


def _loop() -> Callable[[Coroutine[Any, Any, None]], None]:
    """uvloop where it is installed, else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    run: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run
    return run


async def _alone(
    settings: Settings, layout: Layout, tls: ssl.SSLContext | None, ready: Ready
) -> None:
    stop = _stop_signal()
    with (
        _bound(settings.server.listen, share=False) as sock,
        _bound(settings.server.console, share=False) as console,
    ):
        worker = Worker(settings, layout)
        await worker.start([sock], tls)
        served = _Served(layout, _address(sock), _address(console), tls is not None)

        async def snapshots() -> list[Snapshot]:
            return [worker.snapshot()]

        front = Front(settings, console, Admin(snapshots, 1), layout.run)
        await front.start()
        served.announce(ready, front.link(served.console))
        front.begin(served.local_endpoint)
        await stop.wait()
        log.info("stopping")
        await worker.stop()
        await front.stop()
        served.withdraw()


async def _supervise(settings: Settings, layout: Layout, secure: bool, ready: Ready) -> None:
    stop = _stop_signal()
    with contextlib.ExitStack() as open_sockets:
        if configuration.address(settings.server.listen)[1]:
            # Whoever shares a port shares it with anybody's processes: only a socket that
            # doesn't share tells that the port is free.
            with _bound(settings.server.listen, share=False):
                pass
        # Never listened on: it keeps the port for the workers, whoever of them dies.
        held = open_sockets.enter_context(_bound(settings.server.listen, share=True))
        console = open_sockets.enter_context(_bound(settings.server.console, share=False))
        served = _Served(layout, _address(held), _address(console), secure)
        crew = _Crew(settings, layout, served.s3.port)
        admin = Admin(crew.snapshots, settings.server.workers)
        front = Front(settings, console, admin, layout.run)
        try:
            await front.start()
            await crew.start()
            served.announce(ready, front.link(served.console))
            front.begin(served.local_endpoint)
            await _first(crew.keep(), stop.wait())
            log.info("stopping")
        finally:
            await crew.stop(settings.server.drain + 5)
            await front.stop()
            served.withdraw()


async def _first(*coroutines: Coroutine[Any, Any, object]) -> None:
    """Returns when one has ended, and raises what it raised; the others are cancelled."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()


class _Crew:
    """The worker processes."""

    def __init__(self, settings: Settings, layout: Layout, port: int) -> None:
        self._settings = settings
        self._layout = layout
        self._port = port
        self._context = multiprocessing.get_context("spawn")
        self._processes: list[SpawnProcess] = []

    async def start(self) -> None:
        """Starts all and waits until each serves."""
        self._processes = [self._spawn() for _ in range(self._settings.server.workers)]
        while True:
            if len(await self.snapshots()) == len(self._processes):
                return
            if any(not process.is_alive() for process in self._processes):
                raise Problem("A worker process ended while starting.", "Its own message is above.")
            await asyncio.sleep(0.05)

    async def snapshots(self) -> list[Snapshot]:
        """The counts of each of them that answers."""
        answers = await control.ask_all(self._layout.run, Question("snapshot"))
        # Those of a supervisor that was killed may still be ending.
        own = {process.pid for process in self._processes}
        return [one.snapshot for one in answers if one.snapshot is not None and one.pid in own]

    async def keep(self) -> None:
        """Starts a worker again when one has died."""
        while True:
            await asyncio.sleep(_RESTART_AFTER_S)
            for place, process in enumerate(self._processes):
                if not process.is_alive():
                    log.error("worker %s ended with code %s", process.pid, process.exitcode)
                    self._processes[place] = self._spawn()
                    process.close()

    async def stop(self, patience_s: float) -> None:
        """Tells all to stop, and kills those that don't."""
        for process in self._processes:
            if process.is_alive():
                process.terminate()
        deadline = time.monotonic() + patience_s
        for process in self._processes:
            await asyncio.to_thread(process.join, max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                await asyncio.to_thread(process.join)

    def _spawn(self) -> SpawnProcess:
        process = self._context.Process(
            target=work, args=(self._settings, self._layout, self._port, os.getpid()), daemon=False
        )
        process.start()
        return process


def work(settings: Settings, layout: Layout, port: int, parent: int) -> None:
    """A worker process's whole life."""
    journal.start(settings.log)
    try:
        _loop()(_work(settings, layout, port, parent))
    except Problem as problem:
        log.error("%s %s", problem.message, problem.hint or "")
        raise SystemExit(1) from None


async def _work(settings: Settings, layout: Layout, port: int, parent: int) -> None:
    stop = _stop_signal()
    with _bound(settings.server.listen, share=True, port=port) as sock:
        worker = Worker(settings, layout)
        await worker.start([sock], _tls(settings))
        await _first(_until_orphaned(parent), stop.wait())
        await worker.stop()


async def _until_orphaned(parent: int) -> None:
    """A worker whose supervisor was killed ends too: nobody would keep or stop it."""
    while os.getppid() == parent:
        await asyncio.sleep(0.5)


class _Served:
    """Where the server is reached, told to other commands by `run/server.json`."""

    def __init__(self, layout: Layout, s3: Address, console: Address, secure: bool) -> None:
        self._file = layout.run / "server.json"
        self.s3 = s3
        scheme = "https" if secure else "http"
        self.endpoint = f"{scheme}://{s3.url}"
        self.local_endpoint = f"{scheme}://{s3.local.url}"
        self.console = f"http://{console.url}"

    def announce(self, ready: Ready, link: str | None) -> None:
        """Says that it serves."""
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = {"endpoint": self.endpoint, "console": self.console, "pid": os.getpid()}
        temporary = self._file.with_suffix(".tmp")
        temporary.touch(mode=0o600)  # the link is a secret
        temporary.write_text(json.dumps({**about, "link": link}))
        temporary.rename(self._file)
        ready(self.endpoint, self.console, link)

    def withdraw(self) -> None:
        """Takes that back."""
        with contextlib.suppress(OSError):
            self._file.unlink()


@contextlib.contextmanager
def _bound(address: str, *, share: bool, port: int | None = None) -> Iterator[socket.socket]:
    """A socket bound to the address of a setting, or to another port of it."""
    host, given = configuration.address(address)
    sock = listen.bind(host, given if port is None else port, share=share)
    try:
        yield sock
    finally:
        sock.close()


def _address(sock: socket.socket) -> Address:
    host, port = sock.getsockname()[:2]
    return Address(host, port)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _tls(settings: Settings) -> ssl.SSLContext | None:
    certificate, key = settings.server.tls_cert, settings.server.tls_key
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsProblem(
            f"The TLS certificate {certificate} can't be used: {error}.",
            "Give a PEM file with the certificate chain by --tls-cert, its key by --tls-key.",
        ) from error
    return context


def _make_folder(data: Path) -> None:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(
            f"The data folder {data} can't be made: {error.strerror}.",
            "Choose another with --data, or make it yourself.",
        ) from error
