"""The tab Properties, and the change of a bucket's access logging; S3 is scripted."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.support.console import Console, refusal
from tests.support.logged import GROUP, Buckets, grant

REVIEW = "/buckets/photos/properties/logging/review"
SAVE = "/buckets/photos/properties/logging"
ON = {"enabled": "on", "target": "photos-logs", "prefix": "p/"}


@pytest.fixture
def s3(console: Console) -> Buckets:
    """Somebody with a source, a target, and a bucket of another Region."""
    console.log_in()
    found = Buckets(console, "photos", "photos-logs", "far-logs")
    found.regions["far-logs"] = "eu-central-1"
    return found


def query(fields: dict[str, str]) -> str:
    return "&".join(f"{name}={value}" for name, value in fields.items())


def field(text: str, name: str) -> str:
    found = re.search(f'name="{name}" value="([^"]*)"', text)
    assert found is not None, name
    return found[1]


def save(console: Console, fields: dict[str, str], *, htmx: bool = True) -> Any:
    """Reviews, and saves what was shown."""
    shown = console.get(f"{REVIEW}?{query(fields)}").text
    how = {"how": field(shown, "how")} if 'name="how"' in shown else {}
    return console.post(SAVE, htmx=htmx, **fields, **how, shown=field(shown, "shown"))


# ── the tab ─────────────────────────────────────────────────────────────────────────────────────


def test_the_overview_tells_what_the_bucket_is_and_what_the_store_lacks(
    console: Console, s3: Buckets
) -> None:
    text = console.get("/buckets/photos/properties").text
    assert "22 Nov 2026, 19:40:14 UTC" in text
    assert "arn:aws:s3:::photos" in text
    assert "doesn't implement versioning" in text
    assert "Requests made to this bucket are not written down" in text


def test_versioning_is_told_where_a_store_has_it(console: Console, s3: Buckets) -> None:
    console.s3.script["get_bucket_versioning"] = {"Status": "Enabled"}
    assert ">Enabled<" in console.get("/buckets/photos/properties").text
    console.s3.script["get_bucket_versioning"] = refusal("AccessDenied")
    assert "Your key may not read this" in console.get("/buckets/photos/properties").text
    console.s3.script["get_bucket_versioning"] = refusal("InternalError", 500)
    assert console.get("/buckets/photos/properties").status_code == 500


def test_who_may_not_read_the_rule_is_told_so_and_shown_no_edit(
    console: Console, s3: Buckets
) -> None:
    s3.refuse("get_bucket_logging", "photos")
    s3.refuse("get_bucket_acl", "photos")
    text = console.get("/buckets/photos/properties").text
    assert "You may not see this" in text
    assert "/properties/logging" not in text
    assert "not known to you" in text


def test_a_target_without_permission_shows_what_is_missing_and_a_way_to_mend_it(
    console: Console, s3: Buckets
) -> None:
    s3.log("photos", "photos-logs", "p/")
    text = console.get("/buckets/photos/properties").text
    assert "Not permitted" in text
    assert "does not let logging.s3.amazonaws.com do s3:PutObject" in text
    assert f"{REVIEW}?enabled=on&amp;target=photos-logs&amp;prefix=p%2F" in text


def test_a_target_that_is_gone_and_one_that_may_not_be_looked_at(
    console: Console, s3: Buckets
) -> None:
    s3.log("photos", "nowhere")
    assert "The target bucket is gone" in console.get("/buckets/photos/properties").text
    s3.log("photos", "photos-logs")
    s3.refuse("get_bucket_acl", "photos-logs")
    text = console.get("/buckets/photos/properties").text
    assert "Your key may not read the permissions of photos-logs" in text
    s3.refused.clear()
    s3.policies["photos-logs"] = "{}"
    assert "can&#39;t be judged" in console.get("/buckets/photos/properties").text


def test_a_partitioned_rule_is_shown_with_an_example_of_its_names(
    console: Console, s3: Buckets
) -> None:
    form = {"PartitionedPrefix": {"PartitionDateSource": "DeliveryTime"}}
    s3.log("photos", "photos-logs", "p/", TargetObjectKeyFormat=form)
    text = console.get("/buckets/photos/properties").text
    assert "Partitioned, by delivery time" in text
    assert re.search(r"p/123456789012/us-east-1/photos/\d{4}/\d\d/\d\d/", text)


# ── the form ────────────────────────────────────────────────────────────────────────────────────


def test_targets_that_cannot_be_are_shut_with_the_reason(console: Console, s3: Buckets) -> None:
    text = console.get(SAVE).text
    assert "Can't be chosen: in another Region, eu-central-1" in text
    assert re.search(r'value="far-logs"[^>]* disabled', text)
    assert not re.search(r'value="photos-logs"[^>]* disabled', text)
    assert "the bucket itself" in text


def test_a_bucket_of_another_owner_has_only_targets_that_are_shut(
    console: Console, s3: Buckets
) -> None:
    answer = s3.get_bucket_acl("photos") | {"Owner": {"ID": "b" * 64}}
    console.s3.script["get_bucket_acl"] = answer
    text = console.get(SAVE).text
    assert text.count("Can't be chosen: has another owner") == 3


def test_a_ring_is_warned_of_before_it_is_chosen_and_in_the_review(
    console: Console, s3: Buckets
) -> None:
    s3.log("photos-logs", "photos")
    assert "would close a ring: photos → photos-logs → photos" in console.get(SAVE).text
    assert "This closes a ring" in console.get(f"{REVIEW}?{query(ON)}").text
    s3.refuse("get_bucket_logging", "photos-logs")
    assert "would close a ring" not in console.get(SAVE).text


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"prefix": "a/"}, r"a/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-E568B2907131C0C0"),
        (
            {"prefix": "a/", "format": "partitioned"},
            r"a/123456789012/eu-west-9/photos/\d{4}/\d\d/\d\d/[\d-]{10}-00-00-00-E568",
        ),
        (
            {"prefix": "", "format": "partitioned", "date_source": "DeliveryTime"},
            r">123456789012/eu-west-9/photos/\d{4}/\d\d/\d\d/[\d-]{19}-E568",
        ),
    ],
)
def test_the_preview_names_a_log_object_as_the_server_would(
    console: Console, s3: Buckets, fields: dict[str, str], expected: str
) -> None:
    sent = {"account": "123456789012", "region": "eu-west-9", **fields}
    text = console.get(f"{SAVE}/preview?{query(sent)}", htmx=True).text
    assert re.search(expected, text)
    assert "<html" not in text


def test_a_prefix_that_another_bucket_uses_is_told_only_to_who_may_know(
    console: Console, s3: Buckets
) -> None:
    s3.regions["others"] = "us-east-1"
    s3.log("others", "photos-logs", "p/")
    asked = f"{SAVE}/preview?target=photos-logs&prefix=p/"
    assert "others delivers under the same prefix" in console.get(asked, htmx=True).text
    s3.refuse("get_bucket_logging", "others")
    assert "others" not in console.get(asked, htmx=True).text


def test_enabling_without_a_target_leads_back(console: Console, s3: Buckets) -> None:
    answer = console.get(f"{REVIEW}?enabled=on&prefix=p/")
    assert answer.headers["location"] == f"{SAVE}?enabled=on"
    assert "Choose the bucket" in console.get(f"{SAVE}?enabled=on").text


# ── the review and the saving ───────────────────────────────────────────────────────────────────


def test_the_review_changes_nothing(console: Console, s3: Buckets) -> None:
    text = console.get(f"{REVIEW}?{query(ON)}").text
    assert "aws:SourceArn" in text
    assert not [name for name, _ in console.s3.asked if name.startswith("put_")]


def test_saving_sets_the_rule_then_adds_the_statement_and_keeps_the_others(
    console: Console, s3: Buckets
) -> None:
    other = {
        "Sid": "Mine",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:DeleteObject",
        "Resource": "arn:aws:s3:::photos-logs/*",
    }
    s3.policies["photos-logs"] = json.dumps({"Version": "2012-10-17", "Statement": [other]})
    text = save(console, {**ON, "format": "partitioned"}).text
    assert text.count('class="done"') == 3
    changes = [name for name, _ in console.s3.asked if name.startswith("put_")]
    assert changes == ["put_bucket_logging", "put_bucket_policy"]
    first, second = json.loads(s3.policies["photos-logs"])["Statement"]
    assert first == other
    assert second["Condition"] == {
        "ArnLike": {"aws:SourceArn": "arn:aws:s3:::photos"},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }
    assert s3.rules["photos"]["LoggingEnabled"]["TargetObjectKeyFormat"] == {
        "PartitionedPrefix": {"PartitionDateSource": "EventTime"}
    }


def test_where_acls_are_on_grants_are_added_unless_the_policy_is_asked_for(
    console: Console, s3: Buckets
) -> None:
    s3.ownership["photos-logs"] = "ObjectWriter"
    before = list(s3.acls["photos-logs"])
    by_policy = console.get(f"{REVIEW}?{query(ON)}&how=policy").text
    assert field(by_policy, "how") == "policy"
    save(console, ON, htmx=False)
    assert s3.acls["photos-logs"] == [
        *before,
        grant("WRITE", uri=GROUP),
        grant("READ_ACP", uri=GROUP),
    ]
    assert "photos-logs" not in s3.policies


def test_nothing_is_done_when_something_else_was_shown(console: Console, s3: Buckets) -> None:
    answer = console.post(SAVE, htmx=True, **ON, shown="of another day")
    assert "Something has changed meanwhile" in answer.text
    assert s3.rules == {}


def test_a_rule_that_s3_refuses_lets_nobody_in(console: Console, s3: Buckets) -> None:
    s3.refuse("put_bucket_logging", "photos", "InvalidTargetBucketForLogging")
    text = save(console, ON).text
    assert "Not everything could be done" in text
    assert "That bucket can&#39;t be a target for logs" in text
    assert "REQ0123456789" in text
    assert 'class="skipped"' in text
    assert s3.policies == {}


def test_a_permission_that_is_refused_is_told_while_the_rule_stays(
    console: Console, s3: Buckets
) -> None:
    s3.refuse("put_bucket_policy", "photos-logs")
    text = save(console, ON).text
    assert "Your key may not do this" in text
    assert s3.rules["photos"]["LoggingEnabled"]["TargetBucket"] == "photos-logs"


def test_target_grants_stay_with_their_target(console: Console, s3: Buckets) -> None:
    grants = [grant("READ", uri="http://acs.amazonaws.com/groups/global/AuthenticatedUsers")]
    s3.log("photos", "photos-logs", "old/", TargetGrants=grants)
    save(console, ON)
    assert s3.rules["photos"]["LoggingEnabled"]["TargetGrants"] == grants


def test_what_is_so_already_needs_no_saving(console: Console, s3: Buckets) -> None:
    save(console, ON)
    s3.console.s3.asked.clear()
    text = console.get(f"{REVIEW}?{query(ON)}").text
    assert "It is already so" in text
    assert "Permitted already" in text


def test_a_denying_statement_is_named_and_nothing_is_added(console: Console, s3: Buckets) -> None:
    deny = {
        "Sid": "Shut",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "arn:aws:s3:::photos-logs/*",
    }
    s3.policies["photos-logs"] = json.dumps({"Version": "2012-10-17", "Statement": deny})
    text = console.get(f"{REVIEW}?{query(ON)}").text
    assert "Delivery will not work yet" in text
    assert "Shut" in text
    assert "delivery doesn't work yet" in save(console, ON).text
    assert "policy denies log delivery" in console.get("/buckets/photos/properties").text


def test_switching_off_leaves_the_permission(console: Console, s3: Buckets) -> None:
    save(console, ON)
    policy = s3.policies["photos-logs"]
    text = save(console, {"enabled": "off"}).text
    assert "Access logging is off" in text
    assert s3.rules["photos"] == {}
    assert s3.policies["photos-logs"] == policy


def test_a_rule_may_not_be_read_again_after_saving(console: Console, s3: Buckets) -> None:
    shown = console.get(f"{REVIEW}?{query(ON)}").text
    calls = iter(range(9))
    whole = s3.console.s3.script["get_bucket_logging"]
    assert callable(whole)

    def once(**parameters: Any) -> Any:
        if next(calls):
            raise refusal("AccessDenied")
        return whole(**parameters)

    s3.console.s3.script["get_bucket_logging"] = once
    text = console.post(SAVE, htmx=True, **ON, how="policy", shown=field(shown, "shown")).text
    assert text.count('class="done"') == 2
