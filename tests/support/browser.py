"""A real browser: Debian's Chromium, driven by Playwright. Screenshots, and axe's judgement.

Tests that use it are marked `browser` and run by `make test-browser`. Fixtures are in
tests/console/conftest.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright
from tests.support.server import Server

ARTEFACTS = Path(__file__).parents[2] / "artefacts"
CHROMIUM = "/usr/bin/chromium"
WIDE = {"width": 1280, "height": 832}
NARROW = {"width": 390, "height": 844}


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. In a container there is nothing for its own sandbox to protect."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def link(server: Server) -> str:
    """The link that `bucketlog serve` prints."""
    told: str = json.loads((server.data / "run" / "server.json").read_text())["link"]
    return told


@contextmanager
def visitor(browser: Browser, server: Server, *, log_in: bool = True) -> Iterator[Page]:
    """A page of a browser that has never been here, logged in by the link unless told otherwise.

    Nothing may be wrong in it: a script's error, or anything the Content-Security-Policy stops,
    fails the test at the end.
    """
    context = browser.new_context(
        base_url=server.console, viewport=WIDE, permissions=["clipboard-read", "clipboard-write"]
    )
    page = context.new_page()
    page.set_default_timeout(10_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: _note(message, wrong))
    if log_in:
        page.goto(link(server))
        page.wait_for_url("**/buckets")
    try:
        yield page
        assert wrong == []
    finally:
        context.close()


def log_in(page: Page, access_key: str, secret_key: str) -> None:
    """Logs in by the form; the list of buckets is open then."""
    page.goto("/login")
    page.get_by_label("Access key ID").fill(access_key)
    page.get_by_label("Secret access key").fill(secret_key)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url("**/buckets")


def _note(message: ConsoleMessage, wrong: list[str]) -> None:
    # An answer of 4xx or 5xx is told here too; what it means is for the test to say.
    expected = re.match(r"Failed to load resource|Response Status Error Code", message.text)
    if message.type == "error" and not expected:
        wrong.append(message.text)


def settle(page: Page) -> None:
    """Waits until nothing loads and nothing moves."""
    page.wait_for_load_state("networkidle")
    # Not wait_for_function: when it must wait, it evaluates again in the page, against the CSP.
    under_way = page.locator(".htmx-request, .htmx-swapping, .waits")
    expect(under_way).to_have_count(0, timeout=10_000)
    # Two frames: a change of colours is painted with the second.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.evaluate("Promise.all(document.getAnimations().map((a) => a.finished.catch(() => {})))")


def look(page: Page, name: str) -> None:
    """Keeps a screenshot of the page light, dark and narrow, and lets axe judge each.

    No violation that axe calls serious or critical may be found, and nothing may be wider than
    the screen.
    """
    ARTEFACTS.mkdir(exist_ok=True)
    found: list[str] = []
    for kind, scheme, size in (
        ("light", "light", WIDE),
        ("dark", "dark", WIDE),
        ("narrow", "light", NARROW),
        ("narrow-dark", "dark", NARROW),
    ):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size(size)  # type: ignore[arg-type]
        settle(page)
        height = page.evaluate("document.documentElement.scrollHeight")
        # As high as the page: what stays at the bottom of the screen would stand in its middle.
        page.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})
        # Hiding the caret would leave style attributes, which the next swap would copy.
        page.screenshot(path=ARTEFACTS / f"{name}-{kind}.png", caret="initial")
        found += [f"{kind}: {violation}" for violation in violations(page)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
            found.append(f"{kind}: the page is wider than the screen")
    page.emulate_media(color_scheme="light", reduced_motion="no-preference")
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    assert found == []


def violations(page: Page) -> list[str]:
    """What axe finds serious or critical, each with the element."""
    page.evaluate(_axe())
    result: dict[str, Any] = page.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then((r) => r)"
    )
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:200]} {node.get('failureSummary', '')}"
        for each in result["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


@cache
def _axe() -> str:
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
