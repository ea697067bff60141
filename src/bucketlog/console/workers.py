"""Asks the server's processes: counts, what waits, deliver now, the pages for monitoring.

One JSON line to a unix socket, one back (`gateway/control.py` has the other end). Nothing asked
here is S3, so nobody's permission is checked on the way: the page that asks must have done so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path

import msgspec

_LIMIT = 64 * 1024 * 1024
_ADDRESS_BYTES = 107
_PATIENCE_S = {"deliver": 600.0, "usage": 60.0}
_PATIENCE_ELSE_S = 5.0


class Page(msgspec.Struct):
    """/healthz or /metrics."""

    status: int
    type: str
    text: str


class Cell(msgspec.Struct):
    """Counts of the requests with one operation and status. `within`: how many took at most each
    of `vitals.LATENCY_BOUNDS`, and how many longer.
    """

    count: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    seconds: float = 0.0
    within: list[int] = msgspec.field(default_factory=list)


class Snapshot(msgspec.Struct):
    """A worker's counts.

    `requests` is keyed "Operation status". Names are those of /metrics without prefix;
    "name|label" where one has labels.
    """

    requests: dict[str, Cell] = msgspec.field(default_factory=dict)
    counters: dict[str, float] = msgspec.field(default_factory=dict)
    gauges: dict[str, float] = msgspec.field(default_factory=dict)
    peaks: dict[str, float] = msgspec.field(default_factory=dict)


class Delivery(msgspec.Struct):
    """One log object stored on request."""

    source: str
    target: str
    key: str
    records: int


class Answer(msgspec.Struct):
    """What a process answers; only what was asked for is filled in. Instants are in ns."""

    pid: int = 0
    snapshot: Snapshot | None = None
    waiting: int = 0
    oldest_at: int | None = None
    delivered: list[Delivery] = msgspec.field(default_factory=list)
    failures: dict[str, str] = msgspec.field(default_factory=dict)
    usage: dict[str, tuple[int, int]] | None = None
    page: Page | None = None
    error: str | None = None


class Workers:
    """The processes of one server, found by their sockets in its `run` folder."""

    def __init__(self, run: Path) -> None:
        self._run = run

    async def page(self, name: str) -> Page:
        """ "healthz" or "metrics"; status 503 when nobody answers."""
        answer = await self._ask(self._run / "console" / "admin.sock", name, None)
        if answer is None or answer.page is None:
            text = "the server does not answer" if answer is None else f"{answer.error}"
            return Page(503, "text/plain; charset=utf-8", text + "\n")
        return answer.page

    async def ask(self, do: str, bucket: str | None = None) -> list[Answer]:
        """The answers of all workers: "snapshot", "waiting" or "deliver" (of a bucket, or all)."""
        paths = self.sockets()
        answers = await asyncio.gather(*(self._ask(path, do, bucket) for path in paths))
        return [answer for answer in answers if answer is not None]

    async def ask_any(self, do: str) -> Answer | None:
        """The answer of one worker, whichever; None when none answers."""
        for path in self.sockets():
            answer = await self._ask(path, do, None)
            if answer is not None and answer.error is None:
                return answer
        return None

    async def _ask(self, path: Path, do: str, bucket: str | None) -> Answer | None:
        try:
            reader, writer = await self.connect(path)
        except OSError:
            return None
        try:
            writer.write(msgspec.json.encode({"do": do, "bucket": bucket}) + b"\n")
            patience_s = _PATIENCE_S.get(do, _PATIENCE_ELSE_S)
            line = await asyncio.wait_for(reader.readline(), patience_s)
            return msgspec.json.decode(line, type=Answer) if line else None
        except TimeoutError:
            return Answer(error=f"worker {path.stem} has not answered in time")
        except OSError:
            return None
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def sockets(self) -> list[Path]:
        """Of the workers there are now."""
        return sorted(self._run.glob("*.sock"))

    async def connect(self, path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to one of them. Raises OSError when its process is gone."""
        return await asyncio.open_unix_connection(self._name(path), limit=_LIMIT)

    def _name(self, path: Path) -> str:
        """The console's process is in the `run` folder, for when the whole path is too long."""
        whole = str(path)
        if len(os.fsencode(whole)) <= _ADDRESS_BYTES:
            return whole
        return str(path.relative_to(self._run))
