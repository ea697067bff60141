"""Every contract test runs once for each backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.calls import ALICE, Client, account
from tests.support.stores import FACTORIES


@pytest.fixture(params=sorted(FACTORIES))
async def alice(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Client]:
    """The root of an account, on an empty backend."""
    async with FACTORIES[request.param](tmp_path) as backend:
        yield Client(backend, account(ALICE))


@pytest.fixture
async def owner(alice: Client) -> Client:
    """The same, with a bucket named "bucket"."""
    await alice.bucket("bucket")
    return alice
