"""The console: without a browser (`console`), and with one (`served`, `browser`, `page`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.console import Console
from tests.support.server import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """A console in this process, nobody logged in; its S3 is scripted."""
    with Console(tmp_path / "data") as console:
        yield console


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server with its console, in processes of their own."""
    with Server(tmp_path_factory.mktemp("served") / "data", console=True) as server:
        yield server
        assert "Traceback" not in server.errors()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. For a module only: while Playwright runs, no other event loop can."""
    from tests.support.browser import chromium

    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, served: Server) -> Iterator[Page]:
    """A page of a fresh browser profile, logged in as root by the printed link."""
    from tests.support.browser import visitor

    with visitor(browser, served) as page:
        yield page
