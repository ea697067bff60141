"""Backends for tests, each made by a factory: an async context manager that gives one.

A backend is finished when the contract suite passes with its factory in `FACTORIES`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from tests.support.calls import Backend

from bucketlog.backends.files.store import Store

REGIONS = ("us-east-1", "eu-west-1")

Factory = Callable[[Path], AbstractAsyncContextManager[Backend]]


@asynccontextmanager
async def files(folder: Path) -> AsyncIterator[Backend]:
    """The embedded store, in a fresh folder."""
    store = Store(folder / "store", regions=REGIONS)
    try:
        yield store
    finally:
        store.close()


FACTORIES: dict[str, Factory] = {"files": files}
