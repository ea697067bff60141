"""The list of buckets in a real browser."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support import people
from tests.support.browser import link, log_in, look, settle, visitor
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server, allow_delivery, enable_logging

pytestmark = pytest.mark.browser


def test_logging_in_by_the_link_leaves_no_token_behind(browser: Browser, served: Server) -> None:
    with visitor(browser, served) as page:
        expect(page).to_have_title("Buckets · bucketlog")
        assert "#" not in page.url
        token = link(served).partition("#")[2]
        assert token not in page.content()
        page.go_back()
        assert token not in page.url
        page.goto("/login?next=/health")
        page.wait_for_url("**/health")
        page.goto(link(served))
        page.wait_for_url("**/buckets")
        assert token not in page.url


def test_logging_in_by_key_and_out_again(browser: Browser, served: Server) -> None:
    with visitor(browser, served, log_in=False) as page:
        page.goto("/buckets?q=x")
        look(page, "login")
        page.get_by_label("Access key ID").fill(ACCESS_KEY)
        page.get_by_label("Secret access key").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("The secret is wrong")
        look(page, "login-wrong")
        page.get_by_label("Secret access key").fill(SECRET_KEY)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/buckets?q=x")
        page.locator(".menu summary").click()
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.goto("/buckets")
        page.wait_for_url("**/login?next=/buckets")


@pytest.fixture
def newcomer(browser: Browser, served: Server) -> Iterator[tuple[Page, people.Person]]:
    """A page of somebody whose account has nothing yet."""
    who = people.account(served, f"newcomer-{secrets.token_hex(4)}")
    with visitor(browser, served, log_in=False) as page:
        log_in(page, who.access_key, who.secret_key)
        yield page, who


def test_the_first_bucket_is_made_found_and_deleted(
    newcomer: tuple[Page, people.Person],
) -> None:
    page, _ = newcomer
    expect(page.get_by_text("There are no buckets yet")).to_be_visible()
    look(page, "buckets-none")
    page.get_by_role("button", name="Create bucket").first.click()
    dialog = page.get_by_role("dialog", name="Create bucket")
    name = dialog.get_by_label("Name", exact=True)
    expect(name).to_be_focused()
    make = dialog.get_by_role("button", name="Create bucket")
    expect(make).to_be_disabled()
    name.fill("Not-OK-")
    expect(dialog.locator(".broken")).to_have_count(2)
    expect(make).to_be_disabled()
    look(page, "buckets-create")
    name.fill("first-bucket")
    make.click()
    page.wait_for_url("**/buckets/first-bucket")
    expect(page.locator(".toast")).to_contain_text("first-bucket was made")
    page.goto("/buckets")
    page.get_by_role("button", name="Create bucket").click()
    name.fill("first-bucket")
    make.click()
    expect(dialog.get_by_role("alert")).to_contain_text("You already have a bucket of that name")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Create bucket")).to_be_focused()
    page.get_by_role("button", name="Delete first-bucket").click()
    dialog = page.get_by_role("dialog", name="Delete bucket")
    delete = dialog.get_by_role("button", name="Delete bucket")
    expect(delete).to_be_disabled()
    look(page, "buckets-delete")
    dialog.get_by_label("Type the bucket's name").fill("first-bucket")
    delete.click()
    expect(page.locator(".toast")).to_contain_text("first-bucket was deleted")
    expect(page.get_by_text("There are no buckets yet")).to_be_visible()


def test_the_list_tells_of_logging_and_delivery_and_is_searched_as_one_types(
    newcomer: tuple[Page, people.Person], served: Server
) -> None:
    page, who = newcomer
    s3 = who.client(served)
    for name in ("photos", "photos-logs", "reports", "refused-logs"):
        s3.create_bucket(Bucket=name)
    allow_delivery(s3, "photos-logs")
    enable_logging(s3, "photos", "photos-logs", "photos/")
    enable_logging(s3, "reports", "refused-logs")
    for name in ("photos", "reports"):
        s3.put_object(Bucket=name, Key="cat.png", Body=b"x" * 123_456)
    served.run("deliver", "--data", str(served.data))
    page.goto("/buckets")
    settle(page)
    expect(page.locator("tr", has_text="photos/")).to_contain_text("Delivering")
    expect(page.locator("tr", has=page.get_by_role("link", name="reports"))).to_contain_text(
        "Failing"
    )
    expect(page.locator("tr", has_text="photos/")).to_contain_text("123 KB")
    look(page, "buckets")
    page.keyboard.press("/")
    page.keyboard.type("phot")
    expect(page.get_by_role("row")).to_have_count(3)
    expect(page).to_have_url(f"{served.console}/buckets?q=phot")
    page.keyboard.type("zzz")
    expect(page.get_by_text("No bucket has")).to_be_visible()
    page.goto("/buckets")
    page.get_by_role("button", name="Delete photos", exact=True).click()
    dialog = page.get_by_role("dialog", name="Delete bucket")
    expect(dialog).to_contain_text("it holds objects")


def test_failures_are_pages_with_a_way_out(page: Page) -> None:
    page.goto("/buckets/there-is-no-such")
    expect(page.get_by_role("heading", name="There is no such bucket")).to_be_visible()
    expect(page.get_by_text("NoSuchBucket")).to_be_visible()
    look(page, "failure")
    page.goto("/nowhere")
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()


def test_light_and_dark_are_chosen_at_once_and_remembered(page: Page) -> None:
    page.locator(".menu summary").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.wait_for_load_state("networkidle")
    page.goto("/buckets")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator(".menu summary").click()
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Dark")).to_be_hidden()


def test_the_pages_can_be_walked_by_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
