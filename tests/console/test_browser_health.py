"""Health in a real browser, against a real server that is asked things and can't deliver some."""

from __future__ import annotations

import re
import secrets

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support import people
from tests.support.browser import log_in, look, settle, visitor
from tests.support.server import Server, allow_delivery, enable_logging

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def busy(served: Server) -> Server:
    """A server with one bucket whose logs arrive and one whose don't."""
    s3 = served.client()
    for name in ("photos", "photos-logs", "reports", "refused-logs"):
        s3.create_bucket(Bucket=name)
    allow_delivery(s3, "photos-logs")
    enable_logging(s3, "photos", "photos-logs", "photos/")
    enable_logging(s3, "reports", "refused-logs")
    ask(served)
    served.run("deliver", "--data", str(served.data))
    return served


def ask(served: Server) -> None:
    s3 = served.client()
    for name in ("photos", "reports"):
        s3.put_object(Bucket=name, Key="cat.png", Body=b"x" * 200_000)
        for _ in range(20):
            s3.get_object(Bucket=name, Key="cat.png")["Body"].read()
        for key in ("a", "b", "c"):
            with pytest.raises(s3.exceptions.NoSuchKey):
                s3.get_object(Bucket=name, Key=key)


def refreshed(page: Page) -> None:
    with page.expect_response("**/health/now") as answer:
        pass
    assert answer.value.status == 200
    settle(page)


def test_the_pulse_is_shown_and_what_fails_is_led_to(page: Page, busy: Server) -> None:
    page.goto("/health")
    refreshed(page)
    ask(busy)
    refreshed(page)
    ask(busy)
    refreshed(page)
    expect(page.locator("#chart-requests")).to_contain_text("4xx")
    expect(page.locator("#chart-requests svg")).to_have_attribute(
        "aria-label", re.compile(r"Requests per second: now [1-9]")
    )
    expect(page.get_by_role("heading", name="Delivery by bucket")).to_be_visible()
    expect(page.locator("#buckets tr", has_text="photos-logs")).to_contain_text("Delivering")
    expect(page.locator("#server")).to_contain_text("1 of 1 answers")
    alarm = page.locator(".alarms li", has_text="The logs of reports")
    expect(alarm).to_contain_text("may not write")
    look(page, "health")
    alarm.get_by_role("link", name="Delivery of reports").click()
    page.wait_for_url("**/buckets/reports/delivery")


def test_asking_again_keeps_the_focus_and_can_be_paused(page: Page, busy: Server) -> None:
    page.goto("/health")
    link = page.locator("#mend-failing-reports")
    link.focus()
    link.evaluate("(one) => { one.dataset.old = '' }")
    refreshed(page)
    expect(page.locator("[data-old]")).to_have_count(0)
    expect(link).to_be_focused()
    pause = page.locator("[data-pause]")
    pause.click()
    expect(pause).to_have_attribute("aria-pressed", "true")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("htmx.trigger('#now', 'refresh')")
    page.evaluate("htmx.ajax('GET', '/health/now', {source: '#now', target: '#now'})")
    assert not any("health/now" in each for each in asked)
    pause.click()
    refreshed(page)


def test_when_nothing_answers_one_line_says_so(page: Page, busy: Server) -> None:
    page.goto("/health")
    page.route("**/health/now", lambda route: route.fulfill(status=503))
    expect(page.locator("[data-stale]")).to_be_visible(timeout=10_000)
    expect(page.locator(".toast")).to_have_count(0)
    page.unroute("**/health/now")
    refreshed(page)
    expect(page.locator("[data-stale]")).to_be_hidden()


def test_the_settings_in_force_are_shown(page: Page, busy: Server) -> None:
    page.goto("/health")
    page.locator("#settings summary").click()
    row = page.locator("#settings tr", has_text="server.listen")
    expect(row).to_contain_text("--listen")
    refreshed(page)
    expect(row).to_be_visible()  # stays open
    look(page, "health-settings")


def test_others_see_how_their_own_logs_are_delivered(browser: Browser, busy: Server) -> None:
    who = people.account(busy, f"lab-{secrets.token_hex(3)}")
    with visitor(browser, busy, log_in=False) as page:
        log_in(page, who.access_key, who.secret_key)
        page.goto("/health")
        expect(page.get_by_text("Access logging is off for every bucket")).to_be_visible()
        look(page, "health-own-none")
        s3 = who.client(busy)
        source, target = f"{who.name}-data", f"{who.name}-logs"
        for name in (source, target):
            s3.create_bucket(Bucket=name)
        enable_logging(s3, source, target)
        s3.list_objects_v2(Bucket=source)
        busy.run("deliver", "--data", str(busy.data))
        page.goto("/health")
        expect(page.locator(".alarms")).to_contain_text(f"The logs of {source} aren't delivered")
        expect(page.locator("#main")).not_to_contain_text("reports")
        look(page, "health-own")
