"""The walk that a lecture on access logs makes through the console, in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.support.browser import look, settle
from tests.support.server import Server

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two Regions with a source, possible targets, and one that is none."""
    regions = ("--region", "us-east-1", "--region", "eu-central-1")
    data = tmp_path_factory.mktemp("walk") / "data"
    with Server(data, *regions, console=True) as server:
        s3 = server.client()
        for name in ("photos", "photos-logs", "reports"):
            s3.create_bucket(Bucket=name)
        s3.create_bucket(Bucket="acl-logs", ObjectOwnership="BucketOwnerPreferred")
        s3.create_bucket(
            Bucket="frankfurt-logs",
            CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
        )
        yield server
        assert "Traceback" not in server.errors()


def edit(page: Page, source: str, target: str, prefix: str) -> None:
    """From the list of buckets to the filled form."""
    page.goto("/buckets")
    page.get_by_role("link", name=source, exact=True).first.click()
    page.get_by_role("link", name="Properties").click()
    card = page.get_by_role("region", name="Server access logging")
    card.get_by_role("link", name="Edit").click()
    page.get_by_role("radio", name="Enable").check()
    page.get_by_role("radio", name=re.compile(f"^{target}")).check()
    page.get_by_label("Prefix", exact=True).fill(prefix)


def tab_to(page: Page, selector: str) -> None:
    """Presses Tab until such an element has the focus."""
    for _ in range(6):
        page.keyboard.press("Tab")
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"{selector} is not reached by Tab")


def test_the_walk_from_the_bucket_to_the_record_by_way_of_the_targets_policy(
    page: Page, served: Server
) -> None:
    page.goto("/buckets/photos/properties")
    card = page.get_by_role("region", name="Server access logging")
    expect(card.locator(".badge")).to_have_text("Off")
    look(page, "properties-logging-off")

    edit(page, "photos", "photos-logs", "photos")
    shut = page.get_by_role("radio", name=re.compile("^frankfurt-logs"))
    expect(shut).to_be_disabled()
    expect(page.locator("[data-name=frankfurt-logs]")).to_contain_text("in another Region")
    expect(page.locator("[data-name=photos]")).to_contain_text("the bucket itself")
    preview = page.locator("#preview")
    expect(preview).to_contain_text(re.compile(r"photos-logs/photos20\d\d-\d\d-\d\d-"))
    expect(preview).to_contain_text("No slash is put behind the prefix")
    page.get_by_role("radio", name=re.compile("^Partitioned")).check()
    page.get_by_role("radio", name=re.compile("^S3 event time")).check()
    page.get_by_label("Prefix", exact=True).fill("photos/")
    expect(preview).to_contain_text(
        re.compile(r"photos/\d{12}/us-east-1/photos/20\d\d/\d\d/\d\d/[\d-]{10}-00-00-00-")
    )
    look(page, "logging-edit")

    page.get_by_role("button", name="Review changes").click()
    expect(page.locator(".compare")).to_contain_text("Partitioned, by event time")
    diff = page.locator(".diff")
    expect(diff).to_contain_text('"aws:SourceArn": "arn:aws:s3:::photos"')
    expect(diff).to_contain_text('"Resource": "arn:aws:s3:::photos-logs/photos/*"')
    look(page, "logging-review")
    shown = json.loads("".join(diff.locator("ins").all_inner_texts()))

    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("heading", name="Access logging is on")).to_be_focused()
    expect(page.locator(".steps .done")).to_have_count(3)
    look(page, "logging-saved")
    s3 = served.client()
    assert json.loads(s3.get_bucket_policy(Bucket="photos-logs")["Policy"]) == shown

    page.get_by_role("link", name="See the target's permissions").click()
    settle(page)
    expect(page.get_by_role("heading", name="photos-logs")).to_be_visible()
    expect(page.get_by_role("row", name="photos photos/")).to_contain_text(
        "statement of the policy for logging.s3.amazonaws.com"
    )
    expect(page.get_by_label("Policy document")).to_have_value(
        re.compile('"Service": "logging.s3.amazonaws.com"')
    )
    look(page, "permissions-by-policy")

    s3.put_object(Bucket="photos", Key="cat.png", Body=b"meow")
    page.goto("/buckets/photos/delivery")
    page.get_by_role("button", name="Deliver now").click()
    delivered = page.locator("#delivered")
    expect(delivered).to_contain_text("1 log object delivered just now")
    name = delivered.get_by_role("link").inner_text()
    assert re.fullmatch(r"photos/\d{12}/us-east-1/photos(/\d+){3}/[\d-]{19}-[0-9A-F]{16}", name)
    log = s3.get_object(Bucket="photos-logs", Key=name)["Body"].read()
    assert b" REST.PUT.OBJECT cat.png " in log
    expect(page.locator("#standing")).to_contain_text("Last record delivered")
    look(page, "delivery")
    page.goto("/buckets/photos/properties")
    expect(card.locator(".badge")).to_have_text("Delivering")
    look(page, "properties")


def test_where_acls_are_on_the_log_delivery_group_is_found_in_the_targets_list(
    page: Page, served: Server
) -> None:
    edit(page, "reports", "acl-logs", "reports/")
    page.get_by_role("button", name="Review changes").click()
    expect(page.locator(".added tbody tr")).to_have_count(2)
    expect(page.locator(".added")).to_contain_text("S3 log delivery group")
    look(page, "logging-review-acl")
    page.get_by_role("link", name="By bucket policy").click()
    expect(page.locator(".diff")).to_be_visible()
    page.get_by_role("link", name="By ACL grant").click()
    page.get_by_role("button", name="Save changes").click()
    expect(page.locator(".steps .done")).to_have_count(3)
    page.get_by_role("link", name="See the target's permissions").click()
    group = "S3 log delivery group may "
    expect(page.get_by_label(group + "write and delete objects")).to_be_checked()
    expect(page.get_by_label(group + "read the ACL")).to_be_checked()
    expect(page.get_by_label(group + "list the objects")).not_to_be_checked()
    look(page, "permissions-by-acl")
    grants = served.client().get_bucket_acl(Bucket="acl-logs")["Grants"]
    assert {g["Permission"] for g in grants if g["Grantee"]["Type"] == "Group"} == {
        "WRITE",
        "READ_ACP",
    }


def test_what_has_changed_since_the_review_is_shown_again_and_not_done(
    page: Page, served: Server
) -> None:
    s3 = served.client()
    s3.create_bucket(Bucket="slow")
    s3.create_bucket(Bucket="slow-logs")
    edit(page, "slow", "slow-logs", "slow/")
    page.get_by_role("button", name="Review changes").click()
    expect(page.locator(".diff")).to_be_visible()
    deny = {
        "Sid": "Others",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteObject",
        "Resource": "arn:aws:s3:::slow-logs/*",
    }
    text = json.dumps({"Version": "2012-10-17", "Statement": deny})
    s3.put_bucket_policy(Bucket="slow-logs", Policy=text)
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Something has changed meanwhile")).to_be_visible()
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="slow")
    expect(page.locator(".diff")).to_contain_text("Others")
    page.get_by_role("button", name="Save changes").click()
    expect(page.locator(".steps .done")).to_have_count(3)
    sids = [
        each["Sid"]
        for each in json.loads(s3.get_bucket_policy(Bucket="slow-logs")["Policy"])["Statement"]
    ]
    assert sids == ["Others", "S3ServerAccessLogsPolicy"]


def test_logging_is_switched_off_again_and_says_what_stays(page: Page, served: Server) -> None:
    s3 = served.client()
    s3.create_bucket(Bucket="ending")
    s3.put_bucket_logging(
        Bucket="ending",
        BucketLoggingStatus={
            "LoggingEnabled": {"TargetBucket": "photos-logs", "TargetPrefix": "ending/"}
        },
    )
    page.goto("/buckets/ending/properties/logging")
    page.get_by_role("radio", name="Disable").check()
    expect(page.get_by_label("Prefix", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Review changes").click()
    expect(page.locator("#plan")).to_contain_text("What is waiting is still delivered")
    look(page, "logging-review-off")
    page.get_by_role("button", name="Switch logging off").click()
    expect(page.get_by_role("heading", name="Access logging is off")).to_be_visible()
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="ending")


def test_the_walk_can_be_made_by_keyboard_alone(page: Page, served: Server) -> None:
    s3 = served.client()
    s3.create_bucket(Bucket="typed")
    page.goto("/buckets/typed/properties")
    page.get_by_role("link", name="Edit").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/properties/logging")
    page.get_by_role("radio", name="Disable").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Enable")).to_be_checked()
    tab_to(page, "[name=target]")
    page.keyboard.press("Space")
    chosen = page.locator("[name=target]:checked")
    expect(chosen).to_have_value("acl-logs")
    tab_to(page, "#prefix")
    settle(page)
    page.keyboard.press("Enter")
    page.wait_for_url("**/review?**")
    expect(page.get_by_role("button", name="Save changes")).to_be_visible()
