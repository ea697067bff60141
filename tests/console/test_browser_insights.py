"""Insights and the live tail in a real browser, over real requests and 100,000 records."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Browser, Page, expect
from tests.support import people
from tests.support.browser import ARTEFACTS, log_in, look, settle, visitor
from tests.support.server import Server, allow_delivery, enable_logging

from bucketlog.accesslog import generate

pytestmark = pytest.mark.browser

RECORDS = 100_000
EACH = 500


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers; `big` has 100,000 records of a day, `photos` is new, `plain` isn't logged."""
    data = tmp_path_factory.mktemp("insights") / "data"
    with Server(data, "--workers", "2", console=True) as server:
        s3 = server.client()
        for name in ("big", "photos", "plain", "logs"):
            s3.create_bucket(Bucket=name)
        allow_delivery(s3, "logs")
        enable_logging(s3, "big", "logs", "big/")
        enable_logging(s3, "photos", "logs", "photos/")
        put_day(s3)
        yield server
        assert "Traceback" not in server.errors()


def put_day(s3: Any) -> None:
    """A day's log objects of `big`, as if they had been delivered."""
    start = int(time.time()) - 86_400
    made = b"".join(generate.lines(RECORDS, 1, start_s=start, days=1)).splitlines(keepends=True)
    for first in range(0, RECORDS, EACH):
        at = datetime.fromtimestamp(start + (first + EACH) * 86_400 / RECORDS, UTC)
        lines = (
            each.replace(b" " + each.split(b" ", 2)[1] + b" [", b" big [", 1)
            for each in made[first : first + EACH]
        )
        key = f"big/{at:%Y-%m-%d-%H-%M-%S}-{first:016X}"
        s3.put_object(Bucket="logs", Key=key, Body=b"".join(lines))


def use(s3: Any) -> None:
    """A few requests to photos, one of which fails."""
    for number in range(3):
        s3.put_object(Bucket="photos", Key=f"cats/{number}.png", Body=b"x" * 1000)
        s3.get_object(Bucket="photos", Key=f"cats/{number}.png")["Body"].read()
    with pytest.raises(ClientError):
        s3.get_object(Bucket="photos", Key="gone")


def tile(page: Page, name: str) -> Any:
    return page.locator(".tiles > div", has=page.get_by_text(name, exact=True)).locator("dd")


def opened(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator(".tiles")).to_be_visible(timeout=30_000)
    settle(page)


def test_from_nothing_delivered_to_the_first_chart(page: Page, served: Server) -> None:
    page.goto("/insights")
    look(page, "insights-index")
    page.get_by_role("link", name="photos", exact=True).click()
    expect(page.get_by_role("heading", name="Nothing was delivered in this time")).to_be_visible()
    use(served.client())
    page.reload()
    expect(page.locator(".empty")).to_contain_text("wait to be delivered")
    look(page, "insights-nothing")
    page.get_by_role("button", name="Deliver now").click()
    expect(page.locator(".toast")).to_contain_text("delivered")
    expect(tile(page, "Requests")).to_be_visible()
    keys = page.get_by_role("region", name="Keys")
    expect(keys.get_by_role("link", name="cats/0.png")).to_be_visible()
    page.locator(".records-latest a.open").last.click()
    expect(page.get_by_role("heading", name=re.compile("Record on line"))).to_be_visible()
    page.goto("/insights/plain")
    look(page, "insights-off")
    page.get_by_role("link", name="Switch access logging on").click()
    page.wait_for_url("**/buckets/plain/properties/logging?enabled=on")


def test_a_day_of_100_000_records_is_looked_into_by_clicking(page: Page) -> None:
    opened(page, "/insights/big")
    look(page, "insights")
    whole = tile(page, "Requests").inner_text()
    page.get_by_role("region", name="Statuses").get_by_role("link", name="404").click()
    chips = page.get_by_role("list", name="Filters")
    expect(chips).to_contain_text("Status is 404")
    expect(page).to_have_url(re.compile(r"/insights/big\?status=404$"))
    assert tile(page, "Requests").inner_text() != whole
    page.get_by_role("region", name="Clients").get_by_role("link").first.click()
    expect(chips.get_by_role("listitem")).to_have_count(3)  # and Clear all
    settle(page)
    look(page, "insights-filtered")
    both = tile(page, "Requests").inner_text()
    page.reload()
    expect(tile(page, "Requests")).to_have_text(both)
    chips.get_by_title("All but these instead").first.click()
    expect(chips).to_contain_text("Status is not 404")
    page.get_by_role("link", name="Clear all").click()
    expect(chips).to_have_count(0)
    expect(tile(page, "Requests")).to_have_text(whole)
    page.go_back()
    expect(chips).to_contain_text("Status is not 404")


def test_a_stretch_of_time_is_chosen_by_dragging_and_by_keys(page: Page) -> None:
    opened(page, "/insights/big")
    plot = page.get_by_role("group", name="Requests over time")
    bars = plot.locator(".bar")
    count = bars.count()
    first, last = bars.nth(10).bounding_box(), bars.nth(14).bounding_box()
    assert first is not None
    assert last is not None
    y = first["y"] + first["height"] / 2
    page.mouse.move(first["x"] + 2, y)
    expect(page.locator(".tip")).to_contain_text("Answered")
    page.mouse.down()
    page.mouse.move(last["x"] + 2, y, steps=5)
    expect(plot.locator(".brush")).to_be_visible()
    page.screenshot(path=ARTEFACTS / "insights-dragging.png", caret="initial")
    page.mouse.up()
    expect(page.locator(".custom summary.on")).to_be_visible()
    expect(page).to_have_url(re.compile(r"from=.*&to="))
    settle(page)
    bars.last.focus()
    page.keyboard.press("Home")
    expect(bars.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(bars.nth(1)).to_be_focused()
    expect(page.locator(".tip")).to_be_visible()
    before = page.url
    page.keyboard.press("Enter")
    page.wait_for_function("before => location.href !== before", arg=before)
    page.get_by_role("link", name="24 hours").click()
    expect(bars).to_have_count(count)


def test_the_sql_of_a_chart_is_shown_and_runs_by_itself(page: Page, served: Server) -> None:
    opened(page, "/insights/big?status=5xx&range=all")
    section = page.get_by_role("region", name="Operations")
    section.locator("summary").click()
    look(page, "insights-sql")
    section.get_by_role("button", name="Copy SQL").click()
    sql = page.evaluate("navigator.clipboard.readText()")
    told = served.run("query", sql, "--from", "s3://logs/big/", "--format", "json").stdout
    row = section.get_by_role("row").nth(1)
    assert f'"{row.get_by_role("link").inner_text()}"' in told


def test_pages_answer_at_once_when_the_records_are_read(page: Page) -> None:
    opened(page, "/insights/big")
    times: list[float] = []
    for query in ("status=4xx", "operation=REST.GET.OBJECT", "range=all", "client=boto3&by=time"):
        for part in ("", "&part=lists"):
            began = time.perf_counter()
            answer = page.request.get(f"/insights/big?{query}{part}", headers={"HX-Request": "1"})
            times.append((time.perf_counter() - began) * 1000)
            assert answer.status == 200
    # 100 ms where nothing else runs; a busy machine takes a few times as long.
    assert sorted(times)[len(times) // 2] < 500, times


def test_requests_are_seen_as_they_happen_from_any_worker(page: Page, served: Server) -> None:
    page.goto("/insights/photos/tail")
    expect(page.locator("[data-state]")).to_have_text("Live")
    look(page, "tail-waiting")
    use(served.client())
    rows = page.locator(".tail-table tbody tr")
    expect(rows.filter(has_text="cats/2.png")).to_have_count(2)
    expect(rows.filter(has_text="NoSuchKey")).to_have_count(1)
    look(page, "tail")
    rows.filter(has_text="NoSuchKey").get_by_role("button").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="A record, explained")
    expect(dialog).to_contain_text("It was answered 404 (NoSuchKey)")
    expect(dialog.get_by_role("row")).to_have_count(28)
    settle(page)
    page.screenshot(path=ARTEFACTS / "tail-explained.png", caret="initial")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Pause").click()
    served.client().head_object(Bucket="photos", Key="cats/1.png")
    expect(page.get_by_role("button", name="Go on (1 new)")).to_be_visible()
    expect(rows.filter(has_text="REST.HEAD.OBJECT")).to_have_count(0)
    page.get_by_role("button", name=re.compile("Go on")).click()
    expect(rows.filter(has_text="REST.HEAD.OBJECT")).to_have_count(1)


def test_the_live_tail_is_filtered(page: Page, served: Server) -> None:
    page.goto("/insights/-/tail?status=4xx")
    expect(page.locator("[data-state]")).to_have_text("Live")
    use(served.client())
    rows = page.locator(".tail-table tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("photos")
    page.get_by_label("Status").select_option("")
    page.get_by_label("Key has").fill("cats/1")
    expect(page).to_have_url(re.compile(r"/insights/-/tail\?key=cats%2F1$"))
    expect(page.locator("[data-state]")).to_have_text("Live")
    page.wait_for_timeout(300)  # the stream with the new filter takes the place of the old one
    use(served.client())
    expect(rows).to_have_count(2)


def test_another_account_sees_neither_charts_nor_tail(browser: Browser, served: Server) -> None:
    who = people.account(served, "stranger")
    with visitor(browser, served, log_in=False) as page:
        log_in(page, who.access_key, who.secret_key)
        for path in ("/insights/photos", "/insights/photos/tail", "/insights/-/in/logs"):
            page.goto(path)
            expect(page.get_by_text("Your key may not do this").first).to_be_visible()
        assert "rows" not in page.request.get("/insights/photos/events").text()
        page.goto("/insights/-/tail")
        expect(page.get_by_role("heading", name="There is nothing to watch")).to_be_visible()
