"""What log delivery lacks, said in words, and that the remedy named is enough."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.parties import ALICE, NOON, bucket, document

from bucketlog.s3 import acl, delivery_permission, policy
from bucketlog.s3.model import Bucket, Ownership

SOURCE = bucket("source")
WRITER = Ownership.WRITER
SERVICE = {"Service": "logging.s3.amazonaws.com"}


def target(*statements: dict[str, Any], **changes: Any) -> Bucket:
    return bucket("logs", ALICE, *statements, **changes)


def put(where: Bucket, text: str) -> Bucket:
    """The bucket as PutBucketPolicy would leave it."""
    return replace(where, policy=policy.parse(text, where.name), policy_text=text)


def statement(**changes: Any) -> dict[str, Any]:
    return {
        "Sid": "Logs",
        "Effect": "Allow",
        "Principal": SERVICE,
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::logs/p/*",
        **changes,
    }


def missing(where: Bucket, prefix: str = "p/") -> str:
    found = delivery_permission.gap(SOURCE, where, prefix, NOON)
    assert found is not None
    return found.missing


def test_nothing_is_missing_where_the_policy_or_the_acl_allows_delivery() -> None:
    assert delivery_permission.gap(SOURCE, target(statement()), "p/", NOON) is None
    ready = target(bucket_acl=acl.canned("log-delivery-write", ALICE), ownership=WRITER)
    assert delivery_permission.gap(SOURCE, ready, "p/", NOON) is None


@given(
    st.text("ab/*?${}é ", max_size=8),
    st.sampled_from([None, "2008-10-17", "2012-10-17"]),
    st.booleans(),
)
def test_the_statement_named_is_enough_whatever_the_prefix_and_version(
    prefix: str, version: str | None, has_policy: bool
) -> None:
    where = target()
    if has_policy:
        where = put(where, document(statement(Action="s3:GetObject"), version=version))
    found = delivery_permission.gap(SOURCE, where, prefix, NOON)
    assert found is not None
    assert found.policy_text is not None
    assert found.target_acl is None
    mended = put(where, found.policy_text)
    assert delivery_permission.gap(SOURCE, mended, prefix, NOON) is None
    assert not policy.is_public(mended.policy or pytest.fail("no policy"))


def test_the_statement_named_lets_logs_of_that_source_alone_in() -> None:
    found = delivery_permission.gap(SOURCE, target(), "p/", NOON)
    assert found is not None
    assert found.policy_text is not None
    mended = put(target(), found.policy_text)
    assert delivery_permission.decide(SOURCE, mended, "p/x", NOON).allowed
    assert not delivery_permission.decide(bucket("other"), mended, "p/x", NOON).allowed
    assert not delivery_permission.decide(SOURCE, mended, "q/x", NOON).allowed
    elsewhere = bucket("source", replace(ALICE, account_id="999999999999"))
    assert not delivery_permission.decide(elsewhere, mended, "p/x", NOON).allowed


def test_the_grants_named_are_enough_where_acls_are_on() -> None:
    where = target(ownership=WRITER)
    found = delivery_permission.gap(SOURCE, where, "p/", NOON)
    assert found is not None
    assert found.target_acl == acl.canned("log-delivery-write", ALICE)
    mended = replace(where, acl=found.target_acl)
    decision = delivery_permission.decide(SOURCE, mended, "p/x", NOON)
    assert decision.allowed
    assert decision.acl_required


def test_a_policy_keeps_its_other_statements_and_their_order() -> None:
    others = [statement(Sid="One", Action="s3:GetObject"), statement(Sid="Two", Effect="Deny")]
    text = json.dumps({"Version": "2012-10-17", "Id": "mine", "Statement": others})
    added = delivery_permission.statement(SOURCE, "logs", "q/")
    merged = json.loads(delivery_permission.merged(text, added))
    assert merged == {"Version": "2012-10-17", "Id": "mine", "Statement": [*others, added]}
    assert added == {
        "Sid": "S3ServerAccessLogsPolicy",
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": ["s3:PutObject"],
        "Resource": "arn:aws:s3:::logs/q/*",
        "Condition": {
            "ArnLike": {"aws:SourceArn": "arn:aws:s3:::source"},
            "StringEquals": {"aws:SourceAccount": "111111111111"},
        },
    }


def test_a_bare_statement_becomes_the_first_of_a_list() -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": statement()})
    added = delivery_permission.statement(SOURCE, "logs", "")
    assert json.loads(delivery_permission.merged(text, added))["Statement"] == [statement(), added]


def test_a_statement_is_not_added_twice_and_gets_a_sid_of_its_own() -> None:
    first = delivery_permission.statement(SOURCE, "logs", "a/")
    once = delivery_permission.merged(None, first)
    assert delivery_permission.merged(once, first) == once
    for number, prefix in ((2, "b/"), (3, "c/")):
        more = delivery_permission.statement(SOURCE, "logs", prefix)
        once = delivery_permission.merged(once, more)
        assert json.loads(once)["Statement"][-1] == {
            **more,
            "Sid": f"S3ServerAccessLogsPolicy{number}",
        }


def test_a_policy_near_its_size_limit_is_written_without_blanks() -> None:
    text = document(statement(Sid="x" * 19_900)).replace(" ", "")
    merged = delivery_permission.merged(text, delivery_permission.statement(SOURCE, "logs", ""))
    assert len(merged.encode()) <= policy.MAX_BYTES
    assert policy.parse(merged, "logs")


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (target(), "ACLs are disabled on it, so only the policy can"),
        (
            target(bucket_acl=acl.canned("log-delivery-write", ALICE)),
            "its ACL grants have no effect, because ACLs are disabled on it",
        ),
        (
            target(ownership=WRITER),
            "nor does its ACL grant the log-delivery group WRITE and READ_ACP",
        ),
        (
            target(
                ownership=None,
                bucket_acl=replace(
                    acl.private(ALICE), grants=acl.canned("log-delivery-write", ALICE).grants[:2]
                ),
            ),
            "nor does its ACL grant the log-delivery group READ_ACP",
        ),
        (
            target(statement(Action="s3:GetObject")),
            'statement "Logs" names it, but for other actions',
        ),
        (
            target(statement(Resource="arn:aws:s3:::logs/q/*")),
            'statement "Logs" names it, but for another resource',
        ),
        (
            target(statement(Condition={"ArnLike": {"aws:SourceArn": "arn:aws:s3:::other"}})),
            'statement "Logs" names it, but its conditions do not hold for this source bucket',
        ),
        (
            target(statement(Effect="Deny", Principal="*", Action="s3:Put*")),
            'statement "Logs" of the policy of bucket logs denies s3:PutObject',
        ),
    ],
)
def test_what_is_missing_is_said_in_words(where: Bucket, words: str) -> None:
    assert words in missing(where)


def test_a_statement_that_spares_or_names_others_is_no_near_miss() -> None:
    others = target(
        statement(Principal={"AWS": "222222222222"}),
        {
            **{name: value for name, value in statement().items() if name != "Principal"},
            "NotPrincipal": SERVICE,
        },
    )
    assert "names it" not in missing(others)


def test_where_a_statement_denies_no_addition_is_offered() -> None:
    denied = target(statement(), statement(Effect="Deny", Principal="*", Sid=""), ownership=WRITER)
    found = delivery_permission.gap(SOURCE, denied, "p/", NOON)
    assert found is not None
    assert "statement number 2" in found.missing
    assert found.policy_text is None
    assert found.target_acl is None


@pytest.mark.parametrize(
    ("condition", "hurts"),
    [
        ({"Bool": {"aws:SecureTransport": "false"}}, False),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, True),
        ({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}, True),
        ({"StringNotEquals": {"aws:PrincipalAccount": "111111111111"}}, True),
        (
            {
                "NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"},
                "Bool": {"aws:PrincipalIsAWSService": "false"},
            },
            False,
        ),
    ],
)
def test_denies_by_address_or_account_hurt_delivery_and_denies_of_plain_http_do_not(
    condition: dict[str, Any], hurts: bool
) -> None:
    where = target(statement(), statement(Effect="Deny", Principal="*", Condition=condition))
    assert (delivery_permission.gap(SOURCE, where, "p/", NOON) is not None) is hurts


def test_a_known_key_is_judged_instead_of_a_made_up_one() -> None:
    where = target(statement(Resource="arn:aws:s3:::logs/p/111111111111/*"))
    assert delivery_permission.gap(SOURCE, where, "p/", NOON) is not None
    assert delivery_permission.gap(SOURCE, where, "p/", NOON, "p/111111111111/x") is None
