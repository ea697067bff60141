"""The tab Permissions: public access, ownership, the ACL, the policy; S3 is scripted."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.support.console import Console, refusal
from tests.support.logged import EVERYONE, GROUP, OWNER, Buckets, grant

from bucketlog.console import grants, policy_text

HERE = "/buckets/logs/permissions"
PUBLIC = {
    "Effect": "Allow",
    "Principal": "*",
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::logs/*",
}
DELIVERY = {
    "Effect": "Allow",
    "Principal": {"Service": "logging.s3.amazonaws.com"},
    "Action": "s3:PutObject",
    "Resource": "arn:aws:s3:::logs/*",
}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def field(text: str, card: str, name: str) -> str:
    """A hidden field of one card."""
    found = re.search(f'id="{card}".*?name="{name}" value="([^"]*)"', text, re.S)
    assert found is not None, name
    return found[1]


@pytest.fixture
def s3(console: Console) -> Buckets:
    """Somebody with a bucket that logs are delivered into, and its source."""
    console.log_in()
    found = Buckets(console, "logs", "photos")
    found.log("photos", "logs", "p/")
    return found


@pytest.fixture
def with_acls(s3: Buckets) -> Buckets:
    """ACLs are on, and delivery goes by the group's grants."""
    s3.ownership["logs"] = "BucketOwnerPreferred"
    s3.acls["logs"] += [grant("WRITE", uri=GROUP), grant("READ_ACP", uri=GROUP)]
    return s3


# ── what is shown ───────────────────────────────────────────────────────────────────────────────


def test_the_log_delivery_group_is_found_by_its_name(console: Console, with_acls: Buckets) -> None:
    text = console.get(HERE).text
    assert text.count("S3 log delivery group") > 1
    assert re.search(r'name="3:WRITE" checked', text)
    assert re.search(r'name="3:READ_ACP" checked', text)
    assert not re.search(r'name="3:READ" checked', text)
    assert "in the ACL" in text


def test_each_card_that_may_not_be_read_says_why(console: Console, s3: Buckets) -> None:
    for operation in (
        "get_bucket_acl",
        "get_bucket_policy",
        "get_bucket_ownership_controls",
        "get_public_access_block",
    ):
        s3.refuse(operation, "logs")
    text = console.get(HERE).text
    assert text.count("Your key may not do this") == 4
    assert "<textarea" not in text
    assert ">Not known to you<" in text
    assert ">Private<" not in text
    s3.refuse("get_bucket_policy", "logs", "InternalError")
    assert console.get(HERE).status_code == 400


@pytest.mark.parametrize(
    ("policy", "acl", "ignored", "word"),
    [
        (None, [], True, ">Private<"),
        (document(DELIVERY), [], True, ">Not public<"),
        (document(PUBLIC), [], True, ">Public<"),
        ("{", [], True, ">Not public<"),
        (None, [grant("READ", uri=EVERYONE)], True, ">Not public<"),
        (None, [grant("READ", uri=EVERYONE)], False, ">Public<"),
    ],
)
def test_whether_it_is_public_takes_all_settings_together(
    console: Console, s3: Buckets, policy: str | None, acl: list[Any], ignored: bool, word: str
) -> None:
    if policy is not None:
        s3.policies["logs"] = policy
    s3.ownership["logs"] = "ObjectWriter"
    s3.acls["logs"] += acl
    s3.blocks["logs"]["IgnorePublicAcls"] = ignored
    assert word in console.get(HERE).text


# ── Block Public Access and ownership ───────────────────────────────────────────────────────────


def test_taking_a_protection_away_must_be_confirmed(console: Console, s3: Buckets) -> None:
    kept = {"BlockPublicAcls": "on", "IgnorePublicAcls": "on", "BlockPublicPolicy": "on"}
    text = console.post(f"{HERE}/block", htmx=True, **kept).text
    assert "This takes away a protection" in text
    assert s3.blocks["logs"]["RestrictPublicBuckets"] is True
    text = console.post(f"{HERE}/block", htmx=True, confirmed="on", **kept).text
    assert "was saved" in text
    assert s3.blocks["logs"]["RestrictPublicBuckets"] is False
    back = console.post(f"{HERE}/block", **kept, RestrictPublicBuckets="on").text
    assert "All permissions of logs" in back
    assert all(s3.blocks["logs"].values())


def test_a_bucket_without_the_setting_has_all_four_off(console: Console, s3: Buckets) -> None:
    console.s3.script["get_public_access_block"] = refusal(
        "NoSuchPublicAccessBlockConfiguration", 404
    )
    assert ">Off<" in console.get(HERE).text
    s3.refuse("put_public_access_block", "logs")
    text = console.post(f"{HERE}/block", htmx=True, BlockPublicAcls="on").text
    assert "Your key may not do this" in text


def test_disabling_acls_says_whose_logs_would_stop(console: Console, with_acls: Buckets) -> None:
    text = console.get(HERE).text
    assert "Access logs would no longer be delivered" in text
    assert "photos delivers here by the ACL" in re.sub(r"&#39;", "'", text)
    with_acls.refuse("put_bucket_ownership_controls", "logs", "InvalidBucketAclWithObjectOwnership")
    text = console.post(f"{HERE}/ownership", htmx=True, ownership="BucketOwnerEnforced").text
    assert "The ACL grants something to others" in text
    with_acls.refuse("put_bucket_ownership_controls", "logs")
    text = console.post(f"{HERE}/ownership", htmx=True, ownership="BucketOwnerEnforced").text
    assert "Your key may not do this" in text
    with_acls.refused.clear()
    answer = console.post(f"{HERE}/ownership", ownership="ObjectWriter")
    assert answer.headers["location"] == HERE
    assert with_acls.ownership["logs"] == "ObjectWriter"


# ── the ACL ─────────────────────────────────────────────────────────────────────────────────────


def change(console: Console, **switches: str) -> str:
    shown = field(console.get(HERE).text, "acl", "shown")
    told: str = console.post(f"{HERE}/acl", htmx=True, **{"shown": shown, **switches}).text
    return told


WHOLE = {f"0:{permission}": "on" for permission in grants.ALL}
LOGS = {"3:WRITE": "on", "3:READ_ACP": "on"}


def test_grants_are_added_and_full_control_stays_one(console: Console, with_acls: Buckets) -> None:
    other = "b" * 64
    text = change(console, **WHOLE, **LOGS, grantee=f" {other.upper()} ", **{"new:READ": "on"})
    assert "was saved" in text
    assert with_acls.acls["logs"] == [
        grant("FULL_CONTROL"),
        grant("WRITE", uri=GROUP),
        grant("READ_ACP", uri=GROUP),
        grant("READ", who=other),
    ]


def test_what_opens_to_everyone_or_stops_delivery_is_asked_first(
    console: Console, with_acls: Buckets
) -> None:
    before = list(with_acls.acls["logs"])
    everyone = {**WHOLE, **LOGS, "1:READ": "on"}
    assert "This opens the bucket to everyone" in change(console, **everyone)
    assert "This stops delivery of access logs" in change(console, **WHOLE)
    assert with_acls.acls["logs"] == before
    change(console, **everyone, confirmed="public")
    assert grant("READ", uri=EVERYONE) in with_acls.acls["logs"]
    change(console, **WHOLE, confirmed="delivery")
    assert with_acls.acls["logs"] == [grant("FULL_CONTROL")]


def test_a_list_that_changed_meanwhile_is_not_overwritten(
    console: Console, with_acls: Buckets
) -> None:
    before = list(with_acls.acls["logs"])
    assert "It has changed meanwhile" in change(console, shown="another")
    assert with_acls.acls["logs"] == before


def test_a_refused_list_says_what_s3_said(console: Console, with_acls: Buckets) -> None:
    with_acls.refuse("put_bucket_acl", "logs")
    text = change(console, **WHOLE, **LOGS, **{"1:READ": "on"}, confirmed="public")
    assert "A public grant was refused" in text
    with_acls.refuse("put_bucket_acl", "logs", "InvalidArgument")
    assert "InvalidArgument" in change(console, **WHOLE, **LOGS)


def test_owners_and_other_accounts_are_called_by_what_is_known_of_them() -> None:
    named = grants.rows(OWNER, [])
    assert [row.title for row in named] == [
        "Bucket owner",
        "Everyone (public access)",
        "Authenticated users group",
        "S3 log delivery group",
    ]
    assert grants.elements(named) == []


# ── the policy ──────────────────────────────────────────────────────────────────────────────────


def put(console: Console, text: str, *, path: str = "", **more: str) -> str:
    page = console.get(HERE).text
    sent = {
        "policy": text,
        "shown": field(page, "policy", "shown"),
        "has_policy": field(page, "policy", "has_policy"),
    }
    told: str = console.post(f"{HERE}/policy{path}", htmx=True, **{**sent, **more}).text
    return told


@pytest.mark.parametrize(
    ("text", "said", "place"),
    [
        ("", "Policies must be valid JSON and the first byte must be", "line 1, column 1"),
        ('{"Version": ', "This policy contains invalid Json", "line 1, column"),
        (document({**PUBLIC, "Action": "s3:Fly"}), "Policy has invalid action", None),
        (
            document({**PUBLIC, "Principal": {"AWS": "arn:aws:iam::000000000001:root"}}),
            "Invalid principal in policy",
            None,
        ),
    ],
)
def test_what_s3_would_refuse_is_told_in_its_words_and_not_sent(
    console: Console, s3: Buckets, text: str, said: str, place: str | None
) -> None:
    for path in ("", "/check"):
        told = put(console, text, path=path)
        assert "MalformedPolicy" in told
        assert said in told
        assert (place is None) == ("breaks off at" not in told)
        assert place is None or place in told
    assert s3.policies == {}


def test_a_valid_policy_is_formatted_and_saved(console: Console, s3: Buckets) -> None:
    text = document(DELIVERY)
    told = put(console, text, path="/check")
    assert "The policy is valid" in told
    assert "&#34;Version&#34;: &#34;2012-10-17&#34;,\n  &#34;Statement&#34;" in told
    assert s3.policies == {}
    assert "The bucket policy was saved" in put(console, text)
    assert s3.policies["logs"] == text


def test_a_public_policy_is_saved_only_when_that_is_confirmed(
    console: Console, s3: Buckets
) -> None:
    text = document(PUBLIC)
    told = put(console, text)
    assert "This policy is public" in told
    assert s3.policies == {}
    confirmed = re.search('name="confirmed" value="([^"]+)"', told)
    assert confirmed is not None
    assert "saved" not in put(console, document(PUBLIC, DELIVERY), confirmed=confirmed[1])
    s3.refused["put_bucket_policy", "logs"] = refusal(
        "AccessDenied", 403, "prevented by the BlockPublicPolicy setting"
    )
    assert "such policies are blocked" in put(console, text, confirmed=confirmed[1])
    s3.refuse("put_bucket_policy", "logs")
    assert "Your key may not do this" in put(console, text, confirmed=confirmed[1])
    s3.refused.clear()
    put(console, text, confirmed=confirmed[1])
    assert s3.policies["logs"] == text


def test_a_policy_that_stops_a_delivery_names_its_source(console: Console, s3: Buckets) -> None:
    s3.policies["logs"] = document(DELIVERY)
    deny = {**PUBLIC, "Effect": "Deny", "Action": "s3:PutObject"}
    told = put(console, document(DELIVERY, deny))
    assert "It would stop delivery of access logs" in told
    assert "photos could no longer deliver here" in told
    assert "Delivery of access logs would stop" in console.get(HERE).text


def test_a_policy_put_by_somebody_else_is_not_overwritten_unseen(
    console: Console, s3: Buckets
) -> None:
    assert "It has changed meanwhile" in put(console, document(DELIVERY), shown="another")
    assert s3.policies == {}


def test_deleting_must_be_confirmed(console: Console, s3: Buckets) -> None:
    s3.policies["logs"] = document(DELIVERY)
    assert console.post(f"{HERE}/policy/delete", htmx=True).status_code == 400
    assert "logs" in s3.policies
    answer = console.post(f"{HERE}/policy/delete", confirmed="on")
    assert answer.headers["location"] == HERE
    assert s3.policies == {}


@pytest.mark.parametrize("name", sorted(policy_text.BY_NAME))
def test_each_example_joins_what_is_there_and_is_valid_but_for_its_placeholder(
    console: Console, s3: Buckets, name: str
) -> None:
    mine = {**DELIVERY, "Sid": "Mine"}
    told = put(console, document(mine), path="/insert", example=name)
    assert told.count("&#34;Sid&#34;") == 2
    assert "&#34;Mine&#34;" in told
    assert ("MalformedPolicy" in told) == (name == "other-account")
    assert "MalformedPolicy" in put(console, "[", path="/insert", example=name)
    assert "MalformedPolicy" in put(console, '{"Statement": 1}', path="/insert", example=name)


def test_an_example_can_be_the_beginning(console: Console, s3: Buckets) -> None:
    assert "123456789012" in put(console, "", path="/insert", example="log-delivery")
    s3.refuse("get_bucket_logging", "logs")
    assert "ACCOUNT-ID" in put(console, "", path="/insert", example="log-delivery")
    assert "MalformedPolicy" in put(console, "", path="/insert", example="no such")
