"""A bucket's logging rule: its XML both ways, its checks, the names of log objects."""

from __future__ import annotations

import dataclasses
from typing import Any

import botocore.parsers
import botocore.serialize
import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.accesslog import targets
from bucketlog.accesslog.targets import Target
from bucketlog.s3 import acl
from bucketlog.s3.acl import ALL_USERS, LOG_DELIVERY, Grant, Grantee
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Bucket, Owner, Ownership

OWNER = Owner("210987654321", "5d1f0c6b" * 8, "harbour")
STRANGER = Owner("109876543210", "1c2d3e4f" * 8, "pier")
SDK = "http://s3.amazonaws.com/doc/2006-03-01/"
GUIDE = "http://doc.s3.amazonaws.com/2006-03-01"
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
AT = 1_773_740_467_999_999_999  # 2026-03-17 09:41:07 UTC

GROUP = Grant(Grantee("Group", ALL_USERS), "READ")
USER = Grant(Grantee("CanonicalUser", STRANGER.canonical_id, "pier"), "FULL_CONTROL")

# Each rule and the inside of its document as GetBucketLogging gives it back.
RULES: list[tuple[Target | None, str]] = [
    (None, ""),
    (Target("logs"), "<TargetBucket>logs</TargetBucket><TargetPrefix></TargetPrefix>"),
    (
        Target("logs", "a & b/", key_format="simple"),
        "<TargetBucket>logs</TargetBucket><TargetPrefix>a &amp; b/</TargetPrefix>"
        "<TargetObjectKeyFormat><SimplePrefix/></TargetObjectKeyFormat>",
    ),
    (
        Target("logs", "p", key_format="partitioned"),
        "<TargetBucket>logs</TargetBucket><TargetPrefix>p</TargetPrefix>"
        "<TargetObjectKeyFormat><PartitionedPrefix></PartitionedPrefix></TargetObjectKeyFormat>",
    ),
    *(
        (
            Target("logs", "p", key_format="partitioned", date_source=source),
            "<TargetBucket>logs</TargetBucket><TargetPrefix>p</TargetPrefix>"
            "<TargetObjectKeyFormat><PartitionedPrefix>"
            f"<PartitionDateSource>{source}</PartitionDateSource>"
            "</PartitionedPrefix></TargetObjectKeyFormat>",
        )
        for source in ("EventTime", "DeliveryTime")
    ),
    (
        Target("logs", "p", (GROUP, USER)),
        "<TargetBucket>logs</TargetBucket><TargetPrefix>p</TargetPrefix><TargetGrants>"
        f'<Grant><Grantee {XSI} xsi:type="Group"><URI>{ALL_USERS}</URI></Grantee>'
        "<Permission>READ</Permission></Grant>"
        f'<Grant><Grantee {XSI} xsi:type="CanonicalUser"><ID>{STRANGER.canonical_id}</ID>'
        "<DisplayName>pier</DisplayName></Grantee><Permission>FULL_CONTROL</Permission></Grant>"
        "</TargetGrants>",
    ),
]


def document(inside: str, namespace: str = SDK) -> bytes:
    """A request's document with the given elements; without any, the one that disables."""
    body = f"<LoggingEnabled>{inside}</LoggingEnabled>" if inside else ""
    xmlns = f' xmlns="{namespace}"' if namespace else ""
    return f"<BucketLoggingStatus{xmlns}>{body}</BucketLoggingStatus>".encode()


def known(canonical_id: str) -> str | None:
    """The accounts there are."""
    return {OWNER.canonical_id: "harbour", STRANGER.canonical_id: "pier"}.get(canonical_id)


def parsed(data: bytes) -> Target | None:
    return targets.parse(data, OWNER, known=known)


def refused(data: bytes) -> str:
    """The code that a document is refused with."""
    with pytest.raises(S3Error) as caught:
        parsed(data)
    return caught.value.code


def without_declaration(data: bytes) -> str:
    return data.decode().partition("?>")[2].strip()


# ── documents ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("rule", "inside"), RULES)
@pytest.mark.parametrize("namespace", [SDK, GUIDE, ""])
def test_a_rule_is_read_in_every_namespace(
    rule: Target | None, inside: str, namespace: str
) -> None:
    assert parsed(document(inside, namespace)) == rule


@pytest.mark.parametrize(("rule", "inside"), RULES)
def test_a_rule_is_given_back_exactly_as_it_was_set(rule: Target | None, inside: str) -> None:
    given_back = without_declaration(targets.render(rule))
    spelled_out = given_back.replace("<SimplePrefix />", "<SimplePrefix/>")
    assert spelled_out == document(inside, GUIDE).decode()
    assert parsed(targets.render(rule)) == rule


def test_a_blank_document_switches_logging_off_however_it_is_written() -> None:
    for data in (
        b"<BucketLoggingStatus/>",
        f'<BucketLoggingStatus xmlns="{SDK}" />'.encode(),
        b'<?xml version="1.0" encoding="UTF-8"?>\n<BucketLoggingStatus>\n </BucketLoggingStatus>',
    ):
        assert parsed(data) is None


def test_the_order_of_elements_and_the_blanks_between_them_do_not_matter() -> None:
    data = document(
        "\n  <TargetObjectKeyFormat>\n <SimplePrefix>\n</SimplePrefix> </TargetObjectKeyFormat>"
        "\n <TargetPrefix>a/</TargetPrefix>\n<TargetBucket>logs</TargetBucket>\n"
    )
    assert parsed(data) == Target("logs", "a/", key_format="simple")


BOTH = "<TargetBucket>b</TargetBucket><TargetPrefix>p</TargetPrefix>"
PARTITIONED = (
    "<TargetObjectKeyFormat><PartitionedPrefix>{}</PartitionedPrefix></TargetObjectKeyFormat>"
)


def grant(grantee: str, permission: str = "READ") -> str:
    return (
        f"{BOTH}<TargetGrants><Grant>{grantee}<Permission>{permission}</Permission></Grant>"
        "</TargetGrants>"
    )


def grantee(kind: str, inside: str) -> str:
    return f'<Grantee {XSI} xsi:type="{kind}">{inside}</Grantee>'


@pytest.mark.parametrize(
    "inside",
    [
        "<TargetPrefix>p</TargetPrefix>",
        "<TargetBucket>b</TargetBucket>",
        f"{BOTH}<TargetBucket>b</TargetBucket>",
        f"{BOTH}<Unknown/>",
        f"{BOTH}text",
        f"text{BOTH}",
        "<TargetBucket><a/></TargetBucket><TargetPrefix>p</TargetPrefix>",
        f"{BOTH}<TargetObjectKeyFormat/>",
        f"{BOTH}<TargetObjectKeyFormat><SimplePrefix/><PartitionedPrefix/></TargetObjectKeyFormat>",
        f"{BOTH}<TargetObjectKeyFormat><SimplePrefix><a/></SimplePrefix></TargetObjectKeyFormat>",
        f"{BOTH}<TargetObjectKeyFormat><FlatPrefix/></TargetObjectKeyFormat>",
        BOTH + PARTITIONED.format("<PartitionDateSource>Tide</PartitionDateSource>"),
        BOTH + PARTITIONED.format("<PartitionDateSource/>"),
        BOTH + PARTITIONED.format("<DateSource>EventTime</DateSource>"),
        grant(grantee("Group", f"<URI>{ALL_USERS}</URI>"), "SWIM"),
        grant(grantee("Crew", f"<URI>{ALL_USERS}</URI>")),
        grant(grantee("Group", "")),
        grant(f"<Grantee><URI>{ALL_USERS}</URI></Grantee>"),
        grant(""),
        grant(grantee("Group", f"<URI>{ALL_USERS}</URI><Boat/>")),
        grant(grantee("Group", f"<URI>{ALL_USERS}</URI>") * 2),
        f"{BOTH}<TargetGrants>text</TargetGrants>",
        f"{BOTH}<TargetGrants><Gift/></TargetGrants>",
    ],
)
def test_what_does_not_fit_the_schema_is_malformed(inside: str) -> None:
    assert refused(document(inside)) == "MalformedXML"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"logs",
        b"<BucketLoggingStatus>",
        b"<LoggingEnabled/>",
        document(BOTH, "http://example.com/"),
        document(BOTH).replace(b"</BucketLoggingStatus>", b"<x/></BucketLoggingStatus>"),
        document(BOTH).replace(
            b"</BucketLoggingStatus>", b"<LoggingEnabled/></BucketLoggingStatus>"
        ),
        b'<!DOCTYPE a [<!ENTITY e "e">]>' + document(BOTH),
    ],
)
def test_what_is_no_logging_document_is_malformed(data: bytes) -> None:
    assert refused(data) == "MalformedXML"


def test_a_grantee_named_by_email_is_not_allowed_any_more() -> None:
    email = grantee("AmazonCustomerByEmail", "<EmailAddress>mira@pier.example</EmailAddress>")
    assert refused(document(grant(email))) == "MethodNotAllowed"


def test_a_grantee_that_does_not_exist_is_an_invalid_argument() -> None:
    nobody = grantee("CanonicalUser", f"<ID>{'0' * 64}</ID>")
    assert refused(document(grant(nobody))) == "InvalidArgument"


@pytest.mark.parametrize("permission", ["FULL_CONTROL", "READ", "WRITE", "READ_ACP"])
def test_every_permission_that_s3_takes_is_taken(permission: str) -> None:
    rule = parsed(document(grant(grantee("Group", f"<URI>{LOG_DELIVERY}</URI>"), permission)))
    assert rule is not None
    assert rule.grants == (Grant(Grantee("Group", LOG_DELIVERY), permission),)  # type: ignore[arg-type]


def test_a_display_name_is_what_the_account_is_called_not_what_the_client_says() -> None:
    named = grantee(
        "CanonicalUser", f"<ID>{STRANGER.canonical_id}</ID><DisplayName>x</DisplayName>"
    )
    rule = parsed(document(grant(named, "FULL_CONTROL")))
    assert rule is not None
    assert rule.grants == (USER,)


@pytest.mark.parametrize(
    "logging_enabled",
    [
        None,
        {"TargetBucket": "logs", "TargetPrefix": ""},
        {
            "TargetBucket": "logs",
            "TargetPrefix": "a/",
            "TargetGrants": [
                {"Grantee": {"Type": "Group", "URI": ALL_USERS}, "Permission": "READ"}
            ],
            "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}},
        },
        {
            "TargetBucket": "logs",
            "TargetPrefix": " a\t",
            "TargetObjectKeyFormat": {"SimplePrefix": {}},
        },
    ],
)
def test_what_an_sdk_sets_is_what_it_gets_back(logging_enabled: dict[str, Any] | None) -> None:
    model = botocore.session.get_session().get_service_model("s3")
    status = {"LoggingEnabled": logging_enabled} if logging_enabled else {}
    sent = botocore.serialize.create_serializer("rest-xml").serialize_to_request(
        {"Bucket": "b", "BucketLoggingStatus": status}, model.operation_model("PutBucketLogging")
    )
    answer = {"status_code": 200, "headers": {}, "body": targets.render(parsed(sent["body"]))}
    got = botocore.parsers.create_parser("rest-xml").parse(
        answer, model.operation_model("GetBucketLogging").output_shape
    )
    assert got.get("LoggingEnabled") == logging_enabled


# ── checks ──────────────────────────────────────────────────────────────────────────────────────


def bucket(name: str, region: str = "us-east-1", owner: Owner = OWNER, **over: Any) -> Bucket:
    return dataclasses.replace(Bucket(name, region, owner, 0, acl.private(owner)), **over)


ENFORCED = {"ownership": Ownership.ENFORCED}
REFUSALS: list[tuple[Bucket, Bucket | None, tuple[str, str, dict[str, str]]]] = [
    (
        bucket("source"),
        None,
        (
            "InvalidTargetBucketForLogging",
            "The target bucket for logging does not exist",
            {"TargetBucket": "logs"},
        ),
    ),
    (
        bucket("source"),
        bucket("logs", "eu-north-1", STRANGER, **ENFORCED),
        (
            "InvalidTargetBucketForLogging",
            "The owner for the bucket to be logged and the target bucket must be the same.",
            {"TargetBucket": "logs"},
        ),
    ),
    (
        bucket("source"),
        bucket("logs", "eu-north-1", **ENFORCED),
        (
            "CrossLocationLoggingProhibitted",
            "Cross S3 location logging not allowed. ",
            {"TargetBucketLocation": "eu-north-1"},
        ),
    ),
    (
        bucket("source", "eu-north-1"),
        bucket("logs"),
        (
            "CrossLocationLoggingProhibitted",
            "Cross S3 location logging not allowed. ",
            {"SourceBucketLocation": "eu-north-1", "TargetBucketLocation": "us-east-1"},
        ),
    ),
    (
        bucket("source"),
        bucket("logs", **ENFORCED),
        (
            "AccessControlListNotSupported",
            "Target grants not allowed for bucket owner enforced buckets",
            {},
        ),
    ),
]


@pytest.mark.parametrize(("source", "target_bucket", "refusal"), REFUSALS)
def test_a_rule_is_refused_in_amazons_order_and_words(
    source: Bucket, target_bucket: Bucket | None, refusal: tuple[str, str, dict[str, str]]
) -> None:
    with pytest.raises(S3Error) as caught:
        targets.check(source, Target("logs", "", (GROUP,)), target_bucket)
    assert (caught.value.code, caught.value.message, caught.value.detail) == refusal


def test_grants_pass_where_the_target_has_acls() -> None:
    target = bucket("logs", ownership=Ownership.WRITER)
    targets.check(bucket("source"), Target("logs", "", (GROUP,)), target)


def test_a_target_without_permission_for_delivery_passes_and_so_does_the_source_itself() -> None:
    source = bucket("source", **ENFORCED)
    targets.check(source, Target("logs"), bucket("logs", **ENFORCED))
    targets.check(source, Target("source"), source)


# ── names ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (Target("logs", "logs"), "logs2026-03-17-09-41-07-E568B2907131C0C0"),
        (Target("logs", "a/", key_format="simple"), "a/2026-03-17-09-41-07-E568B2907131C0C0"),
        (
            Target("logs", "a/", key_format="partitioned", date_source="DeliveryTime"),
            "a/210987654321/eu-north-1/source/2026/03/17/2026-03-17-09-41-07-E568B2907131C0C0",
        ),
        (
            Target("logs", "a/", key_format="partitioned", date_source="EventTime"),
            "a/210987654321/eu-north-1/source/2026/03/17/2026-03-17-00-00-00-E568B2907131C0C0",
        ),
        (
            Target("logs", "", key_format="partitioned"),
            "210987654321/eu-north-1/source/2026/03/17/2026-03-17-00-00-00-E568B2907131C0C0",
        ),
    ],
)
def test_a_log_object_is_named_by_its_rules_format(target: Target, name: str) -> None:
    assert name == targets.object_name(
        target,
        bucket="source",
        account_id="210987654321",
        region="eu-north-1",
        at=AT,
        unique="E568B2907131C0C0",
    )


def test_only_a_partitioned_rule_by_event_time_splits_by_day() -> None:
    assert Target("logs", key_format="partitioned").splits_by_day
    assert Target("logs", key_format="partitioned", date_source="EventTime").splits_by_day
    assert not Target("logs", key_format="partitioned", date_source="DeliveryTime").splits_by_day
    assert not Target("logs", key_format="simple").splits_by_day
    assert not Target("logs").splits_by_day


# ── storage ─────────────────────────────────────────────────────────────────────────────────────


@given(
    st.builds(
        Target,
        st.text(),
        st.text(),
        st.lists(st.sampled_from([GROUP, USER])).map(tuple),
        st.sampled_from([None, "simple", "partitioned"]),
        st.sampled_from([None, "EventTime", "DeliveryTime"]),
    )
)
def test_a_rule_is_stored_and_found_again(target: Target) -> None:
    assert targets.decode(targets.encode(target)) == target
    assert hash(target) == hash(targets.decode(targets.encode(target)))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bucket": "b"}', "null"])
def test_text_that_is_no_stored_rule_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        targets.decode(text)
