"""Permissions and Delivery in a real browser: what is missing is mended, rings are warned of."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.support import people
from tests.support.browser import look, settle, visitor
from tests.support.server import Server, allow_delivery, enable_logging

pytestmark = pytest.mark.browser


def test_a_refused_delivery_is_explained_mended_and_caught_up_with(
    page: Page, served: Server
) -> None:
    s3 = served.client()
    s3.create_bucket(Bucket="shut-source")
    s3.create_bucket(Bucket="shut-logs")
    enable_logging(s3, "shut-source", "shut-logs", "s/")
    s3.put_object(Bucket="shut-source", Key="a", Body=b"x")
    page.goto("/buckets/shut-source/delivery")
    page.get_by_role("button", name="Deliver now").click()
    expect(page.locator("#delivered")).to_contain_text("Nothing could be delivered")
    expect(page.locator("#standing")).to_contain_text("AccessDenied")
    look(page, "delivery-refused")
    page.get_by_role("link", name="Permit delivery").click()
    expect(page.get_by_role("heading", name="The rule of shut-source stays")).to_be_visible()
    page.get_by_role("button", name="Save changes").click()
    expect(page.locator(".steps .done")).to_have_count(2)
    page.get_by_role("button", name="Deliver what waits now").click()
    expect(page.locator("#delivered")).to_contain_text("delivered just now")
    assert any(b" REST.PUT.OBJECT a " in line for line in served.lines("shut-logs"))


def test_loops_and_rings_are_drawn(page: Page, served: Server) -> None:
    s3 = served.client()
    for name in ("ring-a", "ring-b", "loop"):
        s3.create_bucket(Bucket=name)
        allow_delivery(s3, name)
    enable_logging(s3, "ring-a", "ring-b")
    enable_logging(s3, "ring-b", "ring-a")
    enable_logging(s3, "loop", "loop", "logs/")
    page.goto("/buckets/ring-a/delivery")
    expect(page.locator(".ring")).to_have_text("ring-a → ring-b → ring-a")
    expect(page.get_by_role("region", name="Delivered into this bucket")).to_contain_text("ring-b")
    look(page, "delivery-ring")
    page.goto("/buckets/loop/delivery")
    expect(page.get_by_text("The bucket logs to itself").first).to_be_visible()


def test_a_policy_is_written_with_examples_checked_saved_and_deleted(
    page: Page, served: Server
) -> None:
    s3 = served.client()
    s3.create_bucket(Bucket="ruled")
    page.goto("/buckets/ruled/permissions")
    text = page.get_by_label("Policy document")
    text.fill('{"Version": "2012-10-17", "Statement": [')
    page.get_by_role("button", name="Check and format").click()
    expect(page.locator("#policy-verdict")).to_contain_text("This policy contains invalid Json")
    expect(text).to_be_focused()
    look(page, "permissions-policy-wrong")
    text.fill("")
    page.get_by_text("Insert an example").click()
    page.get_by_role("button", name="Let access logs in").click()
    expect(page.locator("#policy-verdict")).to_contain_text("The policy is valid")
    page.get_by_text("Insert an example").click()
    page.get_by_role("button", name="Only over TLS").click()
    expect(text).to_have_value(re.compile("RequireTLS"))
    page.get_by_text("Insert an example").click()
    page.get_by_role("button", name="Let everyone read").click()
    expect(page.locator("#policy-verdict")).to_contain_text("This policy is public")
    page.get_by_role("button", name="Save policy").click()
    page.get_by_label("Save it all the same").check()
    look(page, "permissions-policy-public")
    page.get_by_role("button", name="Save policy").click()
    expect(page.locator("#policy-verdict")).to_contain_text("such policies are blocked")

    page.get_by_role("checkbox", name="through new bucket policies").uncheck()
    page.get_by_role("button", name="Save public access").click()
    page.get_by_label("I want that").check()
    page.get_by_role("button", name="Save public access").click()
    expect(page.locator("#block")).to_contain_text("Partly blocked")
    page.get_by_role("button", name="Save policy").click()
    page.get_by_label("Save it all the same").check()
    page.get_by_role("button", name="Save policy").click()
    expect(page.locator(".toast", has_text="The bucket policy was saved")).to_be_visible()
    document = json.loads(s3.get_bucket_policy(Bucket="ruled")["Policy"])
    assert len(document["Statement"]) == 3
    page.goto("/buckets/ruled/permissions")
    expect(page.get_by_text("Public", exact=True)).to_be_visible()
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog", name="Delete the bucket policy")
    look(page, "permissions-policy-delete")
    dialog.get_by_label("Delete the policy of ruled").check()
    dialog.get_by_role("button", name="Delete policy").click()
    expect(page.locator(".toast")).to_contain_text("was deleted")
    expect(page.get_by_text("Private", exact=True)).to_be_visible()


def test_ownership_and_grants_are_changed_by_hand(page: Page, served: Server) -> None:
    s3 = served.client()
    s3.create_bucket(Bucket="listed")
    page.goto("/buckets/listed/permissions")
    page.get_by_role("radio", name="Bucket owner preferred").check()
    page.get_by_role("button", name="Save ownership").click()
    group = page.get_by_label("S3 log delivery group may write and delete objects")
    expect(group).to_be_visible()
    group.check()
    page.get_by_label("S3 log delivery group may read the ACL").check()
    page.get_by_role("button", name="Save the list").click()
    expect(page.locator(".toast", has_text="access control list was saved")).to_be_visible()
    grants = s3.get_bucket_acl(Bucket="listed")["Grants"]
    assert [g["Permission"] for g in grants] == ["FULL_CONTROL", "WRITE", "READ_ACP"]
    page.get_by_label("Everyone (public access) may list the objects").check()
    page.get_by_role("button", name="Save the list").click()
    page.get_by_label("I want that").check()
    look(page, "permissions-acl-public")
    page.get_by_role("button", name="Save the list").click()
    expect(page.locator("#acl")).to_contain_text("A public grant was refused")
    page.goto("/buckets/listed/permissions")
    page.get_by_role("radio", name="Bucket owner enforced").check()
    page.get_by_role("button", name="Save ownership").click()
    expect(page.locator("#ownership")).to_contain_text("The ACL grants something to others")


def test_who_has_no_access_is_told_so_on_each_tab(browser: Browser, served: Server) -> None:
    s3 = served.client()
    s3.create_bucket(Bucket="private")
    stranger = people.account(served, "stranger")
    with visitor(browser, served, log_in=False) as page:
        page.goto("/login")
        page.get_by_label("Access key ID").fill(stranger.access_key)
        page.get_by_label("Secret access key").fill(stranger.secret_key)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/buckets")
        for tab in ("properties", "permissions", "delivery"):
            page.goto(f"/buckets/private/{tab}")
            settle(page)
            expect(page.locator(".notice").first).to_be_visible()
            look(page, f"refused-{tab}")
