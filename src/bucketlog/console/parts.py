"""What every page uses: made once by `app.create`, found from a request by `of`."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from starlette.requests import Request

from bucketlog.console.assets import Assets
from bucketlog.console.config import Config
from bucketlog.console.sessions import Patience, Session, Sessions
from bucketlog.console.usage import Usage
from bucketlog.console.vitals import Vitals
from bucketlog.console.workers import Workers
from bucketlog.state.accounts import Accounts
from bucketlog.state.rules import Rules

if TYPE_CHECKING:
    from bucketlog.console.insights.shelf import Shelf
    from bucketlog.console.log_objects import LogObjects
    from bucketlog.console.render import Renderer
    from bucketlog.console.s3 import Store
    from bucketlog.console.watching import Streams

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """The console, apart from its pages."""

    config: Config
    sessions: Sessions
    patience: Patience
    assets: Assets
    renderer: Renderer
    store: Store
    """S3, as whoever is logged in."""
    workers: Workers
    """The server's processes."""
    usage: Usage
    """What buckets hold."""
    shelf: Shelf
    """Records that are looked into."""
    streams: Streams
    """Live tails."""
    vitals: Vitals
    """How the server does, over the last minutes."""
    accounts: Accounts
    rules: Rules
    threads: ThreadPoolExecutor
    log_objects: LogObjects
    """Log objects that are open as records."""

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls a blocking function off the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self.threads, functools.partial(function, *args, **kwargs)
        )


def of(request: Request) -> Parts:
    """The parts of the console that answers this request."""
    parts: Parts = request.app.state.parts
    return parts


def session(request: Request) -> Session:
    """Who asks. Every page but the login has one: `security.Guard` sees to it."""
    found: Session = request.state.session
    return found
