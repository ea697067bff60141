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
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from bucketlog.gateway.metrics import Snapshot
from bucketlog.problems import Problem

_LIMIT = 64 * 1024 * 1024
# How long an answer may take, by question. Only delivering is work.
_PATIENCE_S = {"deliver": 600.0}
_PATIENCE_ELSE_S = 3.0


class Question(msgspec.Struct):
    """What is asked: "snapshot", "waiting" (of one source bucket) or "deliver" (one or all)."""

    do: str
    bucket: str | None = None


class Delivery(msgspec.Struct):
    """One log object stored on request."""

    source: str
    target: str
    key: str
    records: int


class Answer(msgspec.Struct):
    """What a worker answers; only what the question asked for is filled in."""

    pid: int = 0
    snapshot: Snapshot | None = None
    waiting: int = 0
    oldest_at: int | None = None
    delivered: list[Delivery] = msgspec.field(default_factory=list)
    failures: dict[str, str] = msgspec.field(default_factory=dict)  # source bucket -> reason
    error: str | None = None


Answerer = Callable[[Question], Awaitable[Answer]]


def socket_path(folder: Path, name: str) -> Path:
    """Where the worker called `name` listens."""
    return folder / f"{name}.sock"


def sweep(folder: Path, exists: Callable[[str], bool]) -> None:
    """Removes the sockets of workers whose name nobody will have again."""
    for path in folder.glob("*.sock"):
        if not exists(path.stem):
            path.unlink(missing_ok=True)


async def listen(folder: Path, name: str, answer: Answerer) -> asyncio.Server:
    """Answers questions on this worker's socket until the returned server is closed."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = socket_path(folder, name)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # ValueError: more came than a line may be.
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
            line = await reader.readline()
            try:
                reply = await answer(msgspec.json.decode(line, type=Question))
            except msgspec.DecodeError as error:
                reply = Answer(error=f"not a question: {error}")
            except Exception as error:
                reply = Answer(error=f"{type(error).__name__}: {error}")
            writer.write(msgspec.json.encode(reply) + b"\n")
            await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    # A relative path keeps within the 108 bytes a socket address may have, however deep the
    # data folder is.
    return await asyncio.start_unix_server(connected, _short(path), limit=_LIMIT)


async def ask(path: Path, question: Question, timeout_s: float | None = None) -> Answer | None:
    """The answer of one worker, or None when nobody listens there any more.

    One that takes longer than it may is an `Answer` with `error`.
    """
    if timeout_s is None:
        timeout_s = _PATIENCE_S.get(question.do, _PATIENCE_ELSE_S)
    try:
        reader, writer = await asyncio.open_unix_connection(_short(path), limit=_LIMIT)
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


def _short(path: Path) -> str:
    absolute = os.path.abspath(path)
    candidates: list[Any] = [absolute, os.path.relpath(path)]
    shortest: str = min(candidates, key=len)
    if len(os.fsencode(shortest)) > 107:
        raise Problem(
            f"The path {absolute} is too long for a unix socket.",
            "Choose a data folder with a shorter path, or start from inside it.",
        )
    return shortest
