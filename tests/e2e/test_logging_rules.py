"""Switching logging on and off: Amazon's answers to it, word for word, in two Regions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from tests.support import people
from tests.support.log import Log, flush, judged
from tests.support.people import Person
from tests.support.raw import Sender
from tests.support.server import Server, allow_delivery, enable_logging

EUROPE = "eu-west-1"
OTHERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two Regions: `src` and `logs` in the first, `eu-src`, `eu-logs` in the other."""
    data: Path = tmp_path_factory.mktemp("server") / "data"
    with Server(data, "--region", "us-east-1", "--region", EUROPE) as running:
        s3, europe = running.client(), running.client(region=EUROPE)
        for bucket in ("src", "logs", "open-logs"):
            s3.create_bucket(Bucket=bucket)
        for bucket in ("eu-src", "eu-logs"):
            where = {"LocationConstraint": EUROPE}
            europe.create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
        allow_delivery(s3, "logs")
        allow_delivery(europe, "eu-logs")
        _opened(s3, "open-logs")
        yield running
        running.stop()
        assert "Traceback" not in running.errors()


@pytest.fixture(scope="module")
def s3(server: Server) -> Any:
    return server.client()


@pytest.fixture(scope="module")
def europe(server: Server) -> Any:
    return server.client(region=EUROPE)


@pytest.fixture(scope="module")
def lab(server: Server) -> Person:
    """Another account, with a bucket `labs`."""
    made = people.account(server, "lab")
    made.client(server).create_bucket(Bucket="labs")
    return made


def _opened(s3: Any, bucket: str) -> None:
    """Makes ACLs count in a bucket, and lets log delivery in by ACL."""
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rules)
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_acl(Bucket=bucket, ACL="log-delivery-write")


def _refused(s3: Any, source: str, target: str, prefix: str = "", **more: Any) -> dict[str, Any]:
    """The error document of a PutBucketLogging, with the status in it."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        enable_logging(s3, source, target, prefix, **more)
    answer: dict[str, Any] = caught.value.response
    status = answer["ResponseMetadata"]["HTTPStatusCode"]
    ours = ("RequestId", "HostId", "Resource")
    return {"Status": status, **{k: v for k, v in answer["Error"].items() if k not in ours}}


# ── refusals ────────────────────────────────────────────────────────────────────────────────────


def test_a_target_must_exist(s3: Any) -> None:
    assert _refused(s3, "src", "no-such-bucket") == {
        "Status": 400,
        "Code": "InvalidTargetBucketForLogging",
        "Message": "The target bucket for logging does not exist",
        "TargetBucket": "no-such-bucket",
    }


def test_a_target_must_be_of_the_same_account(s3: Any, lab: Person) -> None:
    assert _refused(s3, "src", "labs") == {
        "Status": 400,
        "Code": "InvalidTargetBucketForLogging",
        "Message": "The owner for the bucket to be logged and the target bucket must be the same.",
        "TargetBucket": "labs",
    }


def test_a_target_must_be_in_the_same_region(s3: Any, europe: Any) -> None:
    refusal = {
        "Status": 403,
        "Code": "CrossLocationLoggingProhibitted",
        "Message": "Cross S3 location logging not allowed. ",
    }
    assert _refused(s3, "src", "eu-logs") == {**refusal, "TargetBucketLocation": EUROPE}
    assert _refused(europe, "eu-src", "logs") == {
        **refusal,
        "SourceBucketLocation": EUROPE,
        "TargetBucketLocation": "us-east-1",
    }


def test_target_grants_need_a_target_where_acls_count(s3: Any) -> None:
    grants = [{"Grantee": {"Type": "Group", "URI": OTHERS}, "Permission": "READ"}]
    assert _refused(s3, "src", "logs", TargetGrants=grants) == {
        "Status": 400,
        "Code": "AccessControlListNotSupported",
        "Message": "Target grants not allowed for bucket owner enforced buckets",
    }


def test_email_grantees_are_no_longer_allowed(s3: Any) -> None:
    who = {"Type": "AmazonCustomerByEmail", "EmailAddress": "a@example.com"}
    refusal = _refused(
        s3, "src", "open-logs", TargetGrants=[{"Grantee": who, "Permission": "READ"}]
    )
    assert (refusal["Status"], refusal["Code"]) == (405, "MethodNotAllowed")


def test_a_grantee_must_exist(s3: Any) -> None:
    who = {"Type": "CanonicalUser", "ID": "0" * 64}
    refusal = _refused(
        s3, "src", "open-logs", TargetGrants=[{"Grantee": who, "Permission": "READ"}]
    )
    assert (refusal["Status"], refusal["Code"]) == (400, "InvalidArgument")


RULE = "<TargetBucket>logs</TargetBucket><TargetPrefix>p</TargetPrefix>"
GRANTEE = (
    '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="{}">{}</Grantee>'
)


def _grant(kind: str, inner: str, permission: str) -> str:
    who = GRANTEE.format(kind, inner)
    return f"<TargetGrants><Grant>{who}<Permission>{permission}</Permission></Grant></TargetGrants>"


def _format(inner: str) -> str:
    return f"<TargetObjectKeyFormat>{inner}</TargetObjectKeyFormat>"


def _document(inner: str, namespace: str = "") -> bytes:
    xmlns = f' xmlns="{namespace}"' if namespace else ""
    rule = f"<LoggingEnabled>{inner}</LoggingEnabled>"
    return f"<BucketLoggingStatus{xmlns}>{rule}</BucketLoggingStatus>".encode()


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<TargetBucket>logs</TargetBucket>",
        "<TargetPrefix>p</TargetPrefix>",
        RULE + "<TargetBucket>logs</TargetBucket>",
        RULE + "<Unknown/>",
        RULE + "text",
        RULE
        + _format(
            "<PartitionedPrefix><PartitionDateSource>Never</PartitionDateSource></PartitionedPrefix>"
        ),
        RULE + _format("<SimplePrefix/><PartitionedPrefix/>"),
        RULE + _format(""),
        RULE + _format("<SimplePrefix>x</SimplePrefix>"),
        RULE + _grant("Group", f"<URI>{OTHERS}</URI>", "ALL"),
        RULE + _grant("Robot", f"<URI>{OTHERS}</URI>", "READ"),
        RULE + _grant("Group", "", "READ"),
        RULE + _grant("CanonicalUser", "", "READ"),
    ],
)
def test_a_rule_that_does_not_fit_the_schema_is_malformed(server: Server, inner: str) -> None:
    sender = Sender(server.endpoint)
    answer = sender.ask(sender.signed("PUT", "/src?logging", body=_document(inner)))
    assert (answer.status, answer.code) == (400, "MalformedXML")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([("Content-MD5", "A" * 22 + "==")], "BadDigest"),
        ([("Content-MD5", "x")], "InvalidDigest"),
        ([("x-amz-sdk-checksum-algorithm", "SHA256")], "InvalidRequest"),
    ],
)
def test_a_rule_must_arrive_as_it_was_sent(server: Server, headers: Any, code: str) -> None:
    sender = Sender(server.endpoint)
    answer = sender.ask(sender.signed("PUT", "/src?logging", headers, _document(RULE)))
    assert (answer.status, answer.code) == (400, code)


def test_a_key_has_no_logging_status(server: Server) -> None:
    sender = Sender(server.endpoint)
    for method in ("GET", "PUT"):
        answer = sender.ask(sender.signed(method, "/src/key?logging"))
        assert (answer.status, answer.code) == (400, "NoLoggingStatusForKey")


def test_only_the_owners_account_may(server: Server, s3: Any, lab: Person) -> None:
    """Even a policy that allows it to others doesn't."""
    allow = {
        "Effect": "Allow",
        "Principal": {"AWS": lab.account_id},
        "Action": ["s3:GetBucketLogging", "s3:PutBucketLogging", "s3:ListBucket"],
        "Resource": "arn:aws:s3:::src",
    }
    s3.put_bucket_policy(Bucket="src", Policy=json.dumps({"Statement": allow}))
    theirs = lab.client(server)
    theirs.list_objects_v2(Bucket="src")
    assert _refused(theirs, "src", "labs")["Code"] == "AccessDenied"
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        theirs.get_bucket_logging(Bucket="src")
    signed = lab.sender(server)
    assert signed.ask(signed.signed("POST", "/src?logging")).status == 403
    assert signed.ask(signed.written("POST", "/src?logging")).status == 403
    s3.delete_bucket_policy(Bucket="src")
    for call in (s3.get_bucket_logging, lambda **more: enable_logging(s3, "no-bucket", "logs")):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            call(Bucket="no-bucket")
        assert caught.value.response["Error"]["Code"] == "NoSuchBucket"
        assert caught.value.response["Error"]["BucketName"] == "no-bucket"


def test_the_expected_owner_must_be_the_owner(s3: Any) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        s3.get_bucket_logging(Bucket="src", ExpectedBucketOwner="1" * 12)
    account = s3.get_bucket_logging(Bucket="src")["ResponseMetadata"]["HTTPHeaders"][
        "x-bucketlog-account"
    ]
    s3.get_bucket_logging(Bucket="src", ExpectedBucketOwner=account)


def test_a_user_may_be_denied_it(server: Server, s3: Any) -> None:
    user = people.user(server, "ann")
    enable_logging(user.client(server), "src", "logs", "ann/")
    deny = {
        "Effect": "Deny",
        "Principal": {"AWS": user.arn},
        "Action": "s3:PutBucketLogging",
        "Resource": "arn:aws:s3:::src",
    }
    s3.put_bucket_policy(Bucket="src", Policy=json.dumps({"Statement": deny}))
    assert _refused(user.client(server), "src", "logs")["Code"] == "AccessDenied"
    signed = user.sender(server)
    assert signed.ask(signed.signed("POST", "/src?logging")).code == "AccessDenied"
    assert user.client(server).get_bucket_logging(Bucket="src")["LoggingEnabled"]
    s3.delete_bucket_policy(Bucket="src")


# ── what is kept and told ───────────────────────────────────────────────────────────────────────

HEADER = '<?xml version="1.0" encoding="UTF-8"?>\n'
TOLD = "http://doc.s3.amazonaws.com/2006-03-01"


@pytest.mark.parametrize(
    "namespace",
    ["", "http://s3.amazonaws.com/doc/2006-03-01/", "http://doc.s3.amazonaws.com/2006-03-01"],
)
@pytest.mark.parametrize(
    "inner",
    [
        RULE,
        "<TargetBucket>logs</TargetBucket><TargetPrefix></TargetPrefix>",
        RULE + _format("<SimplePrefix/>"),
        RULE + _format("<PartitionedPrefix></PartitionedPrefix>"),
        RULE
        + _format(
            "<PartitionedPrefix><PartitionDateSource>DeliveryTime</PartitionDateSource>"
            "</PartitionedPrefix>"
        ),
        RULE.replace("logs", "open-logs") + _grant("Group", f"<URI>{OTHERS}</URI>", "READ_ACP"),
    ],
)
def test_a_rule_is_told_as_it_was_set(server: Server, namespace: str, inner: str) -> None:
    sender = Sender(server.endpoint)
    answer = sender.ask(sender.signed("PUT", "/src?logging", body=_document(inner, namespace)))
    assert (answer.status, answer.body) == (200, b"")
    told = sender.ask(sender.signed("GET", "/src?logging")).body.decode()
    short = re.sub(r"<(\w+)></\1>", r"<\1/>", told)
    wanted = re.sub(r"<(\w+)></\1>", r"<\1/>", _document(inner, TOLD).decode())
    assert short == HEADER + wanted


def test_an_empty_status_switches_it_off(server: Server) -> None:
    sender = Sender(server.endpoint)
    for body in (b"<BucketLoggingStatus/>", b"<BucketLoggingStatus xmlns='%s' />" % TOLD.encode()):
        assert sender.ask(sender.signed("PUT", "/src?logging", body=_document(RULE))).status == 200
        answer = sender.ask(sender.signed("PUT", "/src?logging", body=body))
        assert (answer.status, answer.body) == (200, b"")
        told = sender.ask(sender.signed("GET", "/src?logging"))
        assert re.sub(r"></BucketLoggingStatus>| />", "/>", told.body.decode()) == (
            f'{HEADER}<BucketLoggingStatus xmlns="{TOLD}"/>'
        )


def test_boto3_reads_back_what_it_wrote(s3: Any, lab: Person) -> None:
    grants = [
        {"Grantee": {"Type": "Group", "URI": OTHERS}, "Permission": "READ"},
        {
            "Grantee": {"Type": "CanonicalUser", "ID": lab.canonical_id},
            "Permission": "FULL_CONTROL",
        },
    ]
    wanted = {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}
    enable_logging(
        s3, "src", "open-logs", "é/&<", TargetGrants=grants, TargetObjectKeyFormat=wanted
    )
    rule = s3.get_bucket_logging(Bucket="src")["LoggingEnabled"]
    assert rule.pop("TargetGrants")[1]["Grantee"].items() >= grants[1]["Grantee"].items()  # type: ignore[attr-defined]
    assert rule == {
        "TargetBucket": "open-logs",
        "TargetPrefix": "é/&<",
        "TargetObjectKeyFormat": wanted,
    }


# ── Regions ─────────────────────────────────────────────────────────────────────────────────────


def test_a_bucket_is_in_the_region_it_was_made_in(s3: Any, europe: Any) -> None:
    assert s3.get_bucket_location(Bucket="src")["LocationConstraint"] is None
    assert europe.get_bucket_location(Bucket="eu-src")["LocationConstraint"] == EUROPE
    # From us-east-1 any Region may be named, from another one only itself, and it must be.
    s3.create_bucket(Bucket="far", CreateBucketConfiguration={"LocationConstraint": EUROPE})
    assert europe.get_bucket_location(Bucket="far")["LocationConstraint"] == EUROPE
    illegal = "IllegalLocationConstraintException"
    for client, constraint, code in (
        (s3, "mars", "InvalidLocationConstraint"),
        (s3, "ap-south-1", illegal),
        (europe, None, illegal),
        (europe, "us-east-1", illegal),
    ):
        where = {} if constraint is None else {"LocationConstraint": constraint}
        more = {"CreateBucketConfiguration": where} if where else {}
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            client.create_bucket(Bucket="nowhere", **more)
        assert caught.value.response["Error"]["Code"] == code


def test_boto3_finds_the_right_region_by_itself(server: Server) -> None:
    """It learns it from the error document, or from a header where there is none."""
    for ask in ("head_bucket", "list_objects_v2", "get_bucket_logging"):
        strange = server.client()  # a fresh one has learnt nothing yet
        answer = getattr(strange, ask)(Bucket="eu-src")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_request_signed_for_another_region_is_told_the_right_one(
    server: Server, europe: Any
) -> None:
    enable_logging(europe, "eu-src", "eu-logs", "r/")
    sender = Sender(server.endpoint)
    answer = sender.ask(sender.signed("GET", "/eu-src/k"))
    assert (answer.status, answer.code) == (400, "AuthorizationHeaderMalformed")
    assert f"<Region>{EUROPE}</Region>".encode() in answer.body
    right = Sender(server.endpoint, region=EUROPE)
    assert right.ask(right.signed("POST", "/eu-src?logging")).status == 200
    texts = []
    for entry in europe.list_objects_v2(Bucket="eu-logs", Prefix="r/")["Contents"]:
        texts.append(europe.get_object(Bucket="eu-logs", Key=entry["Key"])["Body"].read())
    (found,) = [text for text in b"".join(texts).splitlines() if answer.request_id.encode() in text]
    assert b" AuthorizationHeaderMalformed " in found


# ── flushing ────────────────────────────────────────────────────────────────────────────────────


def test_a_flush_delivers_now_and_is_recorded_itself(server: Server, s3: Any) -> None:
    enable_logging(s3, "src", "logs", "f/")
    request_id = s3.list_objects_v2(Bucket="src")["ResponseMetadata"]["RequestId"]
    document = flush(server, "src")
    assert f'<FlushLoggingOutput xmlns="{TOLD}">' in document
    (key,) = re.findall("<FlushedLoggingObject>(f/.*?)</FlushedLoggingObject>", document)
    assert request_id in s3.get_object(Bucket="logs", Key=key)["Body"].read().decode()
    log = Log(server, "src", prefix="f/").complete()
    flushes = [record for record in log.records if record.operation == "REST.POST.LOGGING_STATUS"]
    assert [judged(record)[1:] for record in flushes] == [(200, None)]


def test_there_is_nothing_to_flush_without_a_rule(server: Server, s3: Any) -> None:
    s3.create_bucket(Bucket="quiet")
    sender = Sender(server.endpoint)
    answer = sender.ask(sender.signed("POST", "/quiet?logging"))
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    answer = sender.ask(sender.signed("POST", "/quiet/key?logging"))
    assert (answer.status, answer.code) == (400, "NoLoggingStatusForKey")
