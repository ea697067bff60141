"""Accounts in a real browser, against a real server: keys come into force, and out of it."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Browser, Page, expect
from tests.support import people
from tests.support.browser import log_in, look, visitor
from tests.support.server import Server

pytestmark = pytest.mark.browser


def refused(client: object) -> str:
    with pytest.raises(ClientError) as error:
        client.list_buckets()  # type: ignore[attr-defined]
    return str(error.value.response["Error"]["Code"])


def test_a_key_made_here_signs_at_once_and_removed_it_is_refused_at_once(
    page: Page, served: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.goto("/accounts")
    page.get_by_role("button", name="Add account").click()
    dialog = page.get_by_role("dialog", name="Add account")
    expect(dialog.get_by_label("Name")).to_be_focused()
    dialog.get_by_label("Name").fill("root")
    dialog.get_by_role("button", name="Add account").click()
    expect(dialog.get_by_role("alert")).to_contain_text("already an account with name root")
    look(page, "accounts-add")
    dialog.get_by_label("Name").fill("lab")
    dialog.get_by_label("Name").press("Enter")
    page.wait_for_url("**/accounts/made/*")
    page.goto("/accounts")
    page.get_by_role("button", name="Add user to lab").click()
    dialog = page.get_by_role("dialog", name="Add user")
    dialog.get_by_label("Name").fill("dora")
    look(page, "accounts-add-user")
    dialog.get_by_role("button", name="Add user").click()
    page.wait_for_url("**/accounts/made/*")
    expect(page.get_by_role("heading", name="Access key of dora")).to_be_visible()

    page.get_by_role("button", name="Copy the secret access key").click()
    secret = page.evaluate("navigator.clipboard.readText()")
    key = page.url.rpartition("/")[2]
    expect(page.locator(".toast")).to_contain_text("Copied")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download profile").click()
    assert download.value.suggested_filename == "dora.credentials"
    download.value.save_as(tmp_path / "credentials")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    dora = boto3.Session(profile_name="dora").client("s3")
    assert dora.meta.endpoint_url == served.endpoint
    dora.create_bucket(Bucket="doras")
    look(page, "accounts-secret")
    assert secret in page.content()

    page.reload()
    expect(page.get_by_text("The secret was shown before")).to_be_visible()
    assert secret not in page.content()
    page.goto("/accounts")
    page.go_back()
    expect(page.locator("h1, h2").first).to_be_visible()
    assert secret not in page.content()

    page.goto("/accounts")
    look(page, "accounts")
    page.get_by_role("searchbox").fill(key[:8].lower())
    expect(page.get_by_role("heading", name="dora")).to_be_visible()
    page.get_by_role("button", name=f"Remove the key {key}").click()
    dialog = page.get_by_role("dialog", name="Remove access key")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    look(page, "accounts-remove-key")
    assert [each["Name"] for each in dora.list_buckets()["Buckets"]] == ["doras"]
    dialog.get_by_role("button", name="Remove key").click()
    expect(page.locator(".toast")).to_contain_text(f"{key} was removed")
    assert refused(dora) == "InvalidAccessKeyId"


def test_a_secret_is_gone_when_the_page_is_left_by_the_back_button(page: Page) -> None:
    page.goto("/accounts")
    page.get_by_role("button", name="Add key to root of root").click()
    page.wait_for_url("**/accounts/made/*")
    secret = page.locator("dd code").nth(1).inner_text()
    page.get_by_role("link", name="I have it, go on").click()
    page.wait_for_url("**/accounts")
    page.go_back()
    expect(page.locator("#main")).to_be_visible()
    assert secret not in page.content()


def test_a_user_goes_with_all_keys_when_the_name_is_typed(page: Page, served: Server) -> None:
    who = people.user(served, f"bob-{secrets.token_hex(3)}")
    client = who.client(served)
    client.list_buckets()
    page.goto("/accounts")
    page.get_by_role("button", name=f"Remove user {who.name}").click()
    dialog = page.get_by_role("dialog", name="Remove user")
    remove = dialog.get_by_role("button", name="Remove user")
    expect(dialog).to_contain_text(who.access_key)
    expect(remove).to_be_disabled()
    look(page, "accounts-remove-user")
    dialog.get_by_label("Type the user's name").fill(who.name)
    remove.click()
    expect(page.locator(".toast")).to_contain_text(f"{who.name} and 1 key were removed")
    assert refused(client) == "InvalidAccessKeyId"


def test_removing_the_key_of_this_login_logs_out(browser: Browser, served: Server) -> None:
    told = json.loads(served.run("key", "add", "--data", str(served.data), "--json").stdout)
    with visitor(browser, served, log_in=False) as page:
        log_in(page, told["access_key"], told["secret_key"])
        page.goto("/accounts")
        expect(page.get_by_text("This login")).to_have_count(1)
        page.get_by_role("button", name=f"Remove the key {told['access_key']}").click()
        dialog = page.get_by_role("dialog", name="Remove access key")
        expect(dialog).to_contain_text("You are logged in with this key")
        look(page, "accounts-remove-own")
        dialog.get_by_role("button", name="Remove it and log out").click()
        page.wait_for_url("**/login?ended=1")
        page.goto("/accounts")
        page.wait_for_url("**/login?next=/accounts")


def test_others_see_themselves(browser: Browser, served: Server) -> None:
    who = people.user(served, f"eve-{secrets.token_hex(3)}")
    with visitor(browser, served, log_in=False) as page:
        log_in(page, who.access_key, who.secret_key)
        page.get_by_role("link", name="Accounts").click()
        expect(page.get_by_role("heading", name="Who you are")).to_be_visible()
        expect(page.locator("#main")).to_contain_text(who.arn)
        look(page, "accounts-own")
        page.goto(f"/accounts/keys/remove?key={who.access_key}")
        expect(page.get_by_role("heading", name="This is for the operator")).to_be_visible()
