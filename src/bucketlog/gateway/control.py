"""How the processes of one server talk to each other: a unix socket each, one JSON line a question.

A worker listens in the `run` folder of the data directory. Anyone who may read that folder (the
supervisor, another worker, `bucketlog deliver`) may ask. A socket whose process is gone is
skipped; the next worker of that name replaces it. One that doesn't answer in time is told of as
an error, never passed over.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from pathlib import Path

import msgspec

from bucketlog.gateway.metrics import Snapshot
from bucketlog.problems import Problem

_LIMIT = 64 * 1024 * 1024
_ADDRESS_BYTES = 107
_DESCRIPTORS = Path("/proc/self/fd")  # paths through an open folder
# How long an answer may take, by question. Only delivering is work.
_PATIENCE_S = {"deliver": 600.0}
_PATIENCE_ELSE_S = 3.0


class Question(msgspec.Struct):
    """What is asked: "snapshot", "waiting" (of one source bucket), "deliver" (one or all), "usage".

    The process that keeps the console is asked for its pages: "healthz" or "metrics". "watch" has
    no end: a JSON line comes whenever requests to these buckets were recorded.
    """

    do: str
    bucket: str | None = None
    buckets: list[str] = msgspec.field(default_factory=list)


class Delivery(msgspec.Struct):
    """One log object stored on request."""

    source: str
    target: str
    key: str
    records: int


class Page(msgspec.Struct):
    """A page of the operator's port."""

    status: int
    type: str
    text: str


class Answer(msgspec.Struct):
    """What a worker answers; only what the question asked for is filled in."""

    pid: int = 0
    snapshot: Snapshot | None = None
    waiting: int = 0
    oldest_at: int | None = None
    delivered: list[Delivery] = msgspec.field(default_factory=list)
    failures: dict[str, str] = msgspec.field(default_factory=dict)  # source bucket -> reason
    usage: dict[str, tuple[int, int]] | None = None  # bucket -> objects and bytes, of the store
    page: Page | None = None
    error: str | None = None


Answerer = Callable[[Question], Awaitable[Answer]]
Watch = Callable[[list[str]], AsyncGenerator[msgspec.Struct, None]]
"""Tells of these buckets without end; is closed when nobody listens any more."""


def socket_path(folder: Path, name: str) -> Path:
    """Where the worker called `name` listens."""
    return folder / f"{name}.sock"


def sweep(folder: Path, exists: Callable[[str], bool]) -> None:
    """Removes the sockets of workers whose name nobody will have again."""
    for path in folder.glob("*.sock"):
        if not exists(path.stem):
            path.unlink(missing_ok=True)


class Listener:
    """A worker's socket, open for questions until it is closed."""

    def __init__(self, path: Path, answer: Answerer, watch: Watch | None = None) -> None:
        """Use `listen`."""
        self._path = path
        self._answer = answer
        self._watch = watch
        self._under_way: set[asyncio.Task[None]] = set()
        self._reach = contextlib.ExitStack()

    async def open(self) -> None:
        """Begins to listen."""
        self._path.unlink(missing_ok=True)
        with contextlib.ExitStack() as reach:
            short = reach.enter_context(_short(self._path))
            self._server = await asyncio.start_unix_server(self._connected, short, limit=_LIMIT)
            self._reach = reach.pop_all()

    async def close(self) -> None:
        """Takes no more questions, and breaks off what is being answered; the socket is gone."""
        self._server.close()
        self._path.unlink(missing_ok=True)
        self._reach.close()
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            # ValueError: more came than a line may be.
            with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
                line = await reader.readline()
                buckets = self._to_watch(line)
                if buckets is not None:
                    await self._tell(buckets, reader, writer)
                    return
                writer.write(msgspec.json.encode(await self._reply(line)))
                writer.write(b"\n")
                await writer.drain()
        except asyncio.CancelledError:
            pass  # by `close`; asyncio would complain of a task that ends so
        finally:
            self._under_way.discard(task)
            writer.close()

    def _to_watch(self, line: bytes) -> list[str] | None:
        """The buckets that somebody asks to watch; None when something else is asked."""
        try:
            question = msgspec.json.decode(line, type=Question)
        except msgspec.DecodeError:
            return None
        return question.buckets if question.do == "watch" and self._watch is not None else None

    async def _tell(
        self, buckets: list[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Passes on what is seen until the watcher closes its end, which says nothing more."""
        assert self._watch is not None
        watch = self._watch

        async def pass_on() -> None:
            async with contextlib.aclosing(watch(buckets)) as seen:
                async for each in seen:
                    writer.write(msgspec.json.encode(each) + b"\n")
                    await writer.drain()

        telling = asyncio.ensure_future(pass_on())
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            telling.cancel()
            leaving.cancel()
            await asyncio.gather(telling, leaving, return_exceptions=True)

    async def _reply(self, line: bytes) -> Answer:
        try:
            return await self._answer(msgspec.json.decode(line, type=Question))
        except msgspec.DecodeError as error:
            return Answer(error=f"not a question: {error}")
        except Exception as error:
            return Answer(error=f"{type(error).__name__}: {error}")


async def listen(folder: Path, name: str, answer: Answerer, watch: Watch | None = None) -> Listener:
    """Answers questions on this worker's socket. Raises `Problem` when it can't be made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    listener = Listener(socket_path(folder, name), answer, watch)
    await listener.open()
    return listener


async def ask(path: Path, question: Question, timeout_s: float | None = None) -> Answer | None:
    """The answer of one worker, or None when nobody listens there any more.

    One that takes longer than it may is an `Answer` with `error`.
    """
    if timeout_s is None:
        timeout_s = _PATIENCE_S.get(question.do, _PATIENCE_ELSE_S)
    try:
        with _short(path) as short:
            reader, writer = await asyncio.open_unix_connection(short, limit=_LIMIT)
    except (ConnectionRefusedError, FileNotFoundError):
        return None
    except BlockingIOError:  # so many have asked that one more can't even be queued
        return Answer(error=f"worker {path.stem} is not answering")
    try:
        writer.write(msgspec.json.encode(question) + b"\n")
        line = await asyncio.wait_for(reader.readline(), timeout_s)
        return msgspec.json.decode(line, type=Answer) if line else None
    except TimeoutError:
        return Answer(error=f"worker {path.stem} has not answered within {timeout_s:g} s")
    except OSError:
        return None
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def ask_all(folder: Path, question: Question, *, but: str | None = None) -> list[Answer]:
    """The answers of all workers that listen in `folder`, except the one called `but`."""
    paths = [p for p in sorted(folder.glob("*.sock")) if but is None or p.stem != but]
    answers = await asyncio.gather(*(ask(path, question) for path in paths))
    return [answer for answer in answers if answer is not None]


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of a socket, of the 107 bytes that one may have, however deep its folder is.

    Good as long as the context is entered.
    """
    absolute = os.path.abspath(path)
    if len(os.fsencode(absolute)) <= _ADDRESS_BYTES:
        yield absolute
        return
    if not _DESCRIPTORS.is_dir():  # not Linux
        shorter = os.path.relpath(path)
        if len(os.fsencode(shorter)) > _ADDRESS_BYTES:
            raise Problem(
                f"The path {absolute} is too long for a unix socket.",
                "Choose a data folder with a shorter path, or start from inside it.",
            )
        yield shorter
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield str(_DESCRIPTORS / str(folder) / path.name)
    finally:
        os.close(folder)
