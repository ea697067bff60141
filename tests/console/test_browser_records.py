"""Log objects and records in a real browser: delivered, opened, filtered, explained."""

from __future__ import annotations

import itertools
import re

import pytest
from playwright.sync_api import Page, expect
from tests.support.browser import look, settle
from tests.support.records import row
from tests.support.server import Server, allow_delivery, enable_logging

from bucketlog.accesslog import generate

pytestmark = pytest.mark.browser

FORGED = row(user_agent="x").replace(b'"x"', b'"x" "y" - forged SigV4 "z"')


def test_a_delivered_log_object_is_opened_and_a_record_of_it_read(
    page: Page, served: Server
) -> None:
    s3 = served.client()
    for name in ("films", "films-logs"):
        s3.create_bucket(Bucket=name)
    allow_delivery(s3, "films-logs")
    enable_logging(s3, "films", "films-logs", "films/")
    s3.put_object(Bucket="films", Key="cat & dog.mp4", Body=b"x" * 1000)
    s3.get_object(Bucket="films", Key="cat & dog.mp4")
    served.deliver()
    page.goto("/buckets/films-logs?prefix=films/")
    page.get_by_role("link", name=re.compile("^Open .* as records$")).first.click()
    expect(page.locator("#record-list")).to_be_visible()
    expect(page.locator(".records tbody")).to_contain_text("cat & dog.mp4")
    page.get_by_role("link", name=re.compile("REST.PUT.OBJECT")).first.click()
    expect(page.get_by_role("heading", name=re.compile("Record on line"))).to_be_visible()
    expect(page.locator(".story")).to_contain_text("stored the object")
    expect(page.locator("#field-8")).to_contain_text("cat & dog.mp4")
    assert page.locator("[data-raw-line] [data-field]").count() == 27


@pytest.fixture(scope="module")
def log(served: Server) -> str:
    """The address of a log object with all kinds of records, doubtful ones and rejects."""
    s3 = served.client()
    s3.create_bucket(Bucket="kept-logs")
    key = "app/2026-11-22-19-40-14-0123456789ABCDEF"
    data = b"".join(generate.lines(400)) + FORGED + row(requester=None) + b"<b>no record</b>\n"
    s3.put_object(Bucket="kept-logs", Key=key, Body=data)
    return f"/buckets/kept-logs/records?key={key}"


def test_records_are_filtered_as_one_chooses_and_the_address_keeps_it(page: Page, log: str) -> None:
    page.goto(log)
    expect(page.locator("#record-list")).to_be_visible()
    look(page, "records")
    expect(page.locator(".tally")).to_contain_text("402")
    page.get_by_label("Operation").select_option("REST.PUT.OBJECT")
    expect(page.locator(".records .operation").first).to_have_text("REST.PUT.OBJECT")
    page.wait_for_url("**operation=REST.PUT.OBJECT**")
    page.get_by_label("Operation").select_option("")
    page.get_by_label("Find in the raw text").fill("FORGED")
    expect(page.locator(".records tbody tr")).to_have_count(1)
    expect(page.get_by_text("Doubtful", exact=True)).to_be_visible()
    page.reload()
    expect(page.locator(".records tbody tr")).to_have_count(1)
    page.get_by_label("The key has").fill("nothing like this")
    expect(page.get_by_text("No record fits")).to_be_visible()
    look(page, "records-none-fit")
    page.get_by_role("link", name="Show all records").click()
    expect(page.locator(".records tbody tr")).to_have_count(100)


def test_a_row_and_its_raw_line_light_up_together(page: Page, log: str) -> None:
    page.goto(log)
    page.locator(".records tbody tr").nth(4).hover()
    expect(page.locator(".raw-text li").nth(4)).to_have_class(re.compile("lit"))
    page.locator(".raw-text li").nth(2).hover()
    expect(page.locator(".records tbody tr").nth(2)).to_have_class(re.compile("lit"))
    expect(page.locator(".lit")).to_have_count(2)
    page.locator(".raw-text li").nth(2).click()
    page.wait_for_url("**line=3**")


def test_a_field_and_its_explanation_light_up_together_by_pointer_and_by_key(
    page: Page, log: str
) -> None:
    page.goto(f"{log}&line=402")
    look(page, "record")
    expect(page.locator("#field-5")).to_contain_text("the caller was not authenticated")
    page.locator("[data-raw-line] [data-field='5']").hover()
    expect(page.locator("#field-5")).to_have_class(re.compile("lit"))
    page.locator("#field-7").hover()
    expect(page.locator("[data-raw-line] [data-field='7']")).to_have_class(re.compile("lit"))
    expect(page.locator("#field-5")).not_to_have_class(re.compile("lit"))
    page.mouse.move(0, 0)
    page.locator("[data-raw-line] [data-field='1']").focus()
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#field-10")).to_have_class(re.compile("lit"))
    page.keyboard.press("Home")
    expect(page.locator("#field-1")).to_have_class(re.compile("lit"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#field-1$"))


def test_the_marks_of_all_fields_differ_and_not_by_colour_alone(page: Page, log: str) -> None:
    page.goto(f"{log}&line=402")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        looks = page.evaluate(
            """[...document.querySelectorAll("[data-raw-line] [data-field]")].map((mark) => {
              const style = getComputedStyle(mark.querySelector("span"));
              return [getComputedStyle(mark).color, style.textDecorationStyle];
            })"""
        )
        assert len({colour for colour, _ in looks}) == 27
        assert {kind for _, kind in looks} == {"solid", "dashed", "dotted", "double", "wavy"}
        beside = itertools.pairwise(looks)
        assert all(this[1] != that[1] for this, that in beside)


def test_records_are_walked_through_by_the_arrow_keys(page: Page, log: str) -> None:
    page.goto(f"{log}&line=1")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**line=2")
    settle(page)
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**line=1")
    page.get_by_role("link", name="All records").click()
    expect(page.locator("#record-list")).to_be_visible()


def test_a_forged_record_shows_the_other_reading(page: Page, log: str) -> None:
    page.goto(f"{log}&doubted=1")
    page.locator(".records a.open").first.click()
    expect(page.get_by_text("Doubtful: this may be forged")).to_be_visible()
    expect(page.get_by_role("heading", name="The other reading")).to_be_visible()
    expect(page.locator(".others")).to_contain_text("User-Agent")
    look(page, "record-doubtful")


def test_what_is_no_log_says_what_one_is(page: Page, served: Server, log: str) -> None:
    s3 = served.client()
    s3.put_object(Bucket="kept-logs", Key="x.html", Body=b"<script>alert(1)</script>\n")
    page.goto("/buckets/kept-logs/objects/details?key=x.html")
    page.get_by_role("link", name="Open as records").click()
    expect(page.get_by_text("No line of this object is a record")).to_be_visible()
    look(page, "records-no-log")
