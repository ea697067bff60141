"""Where records go, judged when they are delivered; and that none is ever re-routed or dropped."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from tests.support import people
from tests.support.log import Log, flush
from tests.support.raw import Sender
from tests.support.server import Server, allow_delivery, enable_logging

from bucketlog.accesslog import line
from bucketlog.s3 import acl

OTHERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
EUROPE = "eu-west-1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two Regions, without any bucket."""
    data = tmp_path_factory.mktemp("server") / "data"
    with Server(data, "--region", "us-east-1", "--region", EUROPE) as running:
        yield running
        running.stop()
        assert "Traceback" not in running.errors()


@pytest.fixture(scope="module")
def s3(server: Server) -> Any:
    return server.client()


def _made(s3: Any, name: str, *, permitted: bool = True) -> tuple[str, str]:
    """A source and a target bucket named after `name`, logging switched on with prefix "l/"."""
    source, target = f"{name}-src", f"{name}-logs"
    s3.create_bucket(Bucket=source)
    s3.create_bucket(Bucket=target)
    if permitted:
        allow_delivery(s3, target)
    enable_logging(s3, source, target, "l/")
    return source, target


def _asked(s3: Any, bucket: str) -> str:
    """Makes a request to a bucket; its id."""
    request_id: str = s3.list_objects_v2(Bucket=bucket)["ResponseMetadata"]["RequestId"]
    return request_id


def _arrived(server: Server, target: str, prefix: str = "") -> list[str]:
    """The request ids in a target bucket, of listings only, sorted: log objects have no order."""
    decoded = [line.decode(text).record for text in server.lines(target, prefix)]
    return sorted(
        record.request_id or ""
        for record in decoded
        if record is not None and record.operation == "REST.GET.BUCKET"
    )


def _deliver_all(server: Server) -> None:
    """Delivers what can be; the command fails, as other tests leave records that can't."""
    server.run("deliver", "--wait", "--data", str(server.data), check=False)


def _status(s3: Any, bucket: str) -> dict[str, str]:
    """The x-bucketlog-* headers of GetBucketLogging."""
    answer = s3.get_bucket_logging(Bucket=bucket)
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    return {
        name.removeprefix("x-bucketlog-"): urllib.parse.unquote(value)
        for name, value in headers.items()
        if name.startswith("x-bucketlog-")
    }


# ── permission ──────────────────────────────────────────────────────────────────────────────────


def test_without_permission_records_wait_and_are_seen_to(server: Server, s3: Any) -> None:
    """Amazon's store would lose them in silence."""
    source, target = _made(s3, "held", permitted=False)
    first = _asked(s3, source)
    assert "FlushedLoggingObject" not in flush(server, source)
    status = _status(s3, source)
    assert int(status["waiting"]) >= 1
    assert status["lost"] == "0"
    assert "AccessDenied" in status["failure"]
    assert s3.list_objects_v2(Bucket=target)["KeyCount"] == 0
    second = _asked(s3, source)
    allow_delivery(s3, target)
    flush(server, source)
    assert _arrived(server, target, "l/") == sorted([first, second])
    status = _status(s3, source)
    assert "failure" not in status
    assert status["last-object"].startswith("l/")
    # What is taken away again holds the next.
    s3.delete_bucket_policy(Bucket=target)
    third = _asked(s3, source)
    flush(server, source)
    assert _arrived(server, target, "l/") == sorted([first, second])
    assert "AccessDenied" in _status(s3, source)["failure"]
    allow_delivery(s3, target)
    flush(server, source)
    assert _arrived(server, target, "l/") == sorted([first, second, third])


@pytest.mark.parametrize(
    ("condition", "fits"),
    [
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::SOURCE"}}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::other"}}, False),
        ({"StringEquals": {"aws:SourceAccount": "ACCOUNT"}}, True),
        ({"StringEquals": {"aws:SourceAccount": "999999999999"}}, False),
    ],
    ids=["arn", "other-arn", "account", "other-account"],
)
def test_amazons_recommended_policy_permits_its_source_only(
    server: Server, s3: Any, request: pytest.FixtureRequest, condition: Any, fits: bool
) -> None:
    name = f"cond-{request.node.callspec.id}"
    source, target = _made(s3, name, permitted=False)
    account = _status(s3, source)["account"]
    text = json.dumps(condition).replace("SOURCE", source).replace("ACCOUNT", account)
    statement = {
        "Sid": "S3ServerAccessLogsPolicy",
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": ["s3:PutObject"],
        "Resource": f"arn:aws:s3:::{target}/l/*",
        "Condition": json.loads(text),
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    s3.put_bucket_policy(Bucket=target, Policy=json.dumps(policy))
    asked = _asked(s3, source)
    flush(server, source)
    assert (_arrived(server, target, "l/") == [asked]) is fits


def test_a_deny_beats_the_permission(server: Server, s3: Any) -> None:
    source, target = _made(s3, "deny", permitted=False)
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/*",
    }
    deny = {**allow, "Effect": "Deny", "Principal": "*"}
    s3.put_bucket_policy(Bucket=target, Policy=json.dumps({"Statement": [allow, deny]}))
    _asked(s3, source)
    flush(server, source)
    assert _arrived(server, target) == []
    assert "AccessDenied" in _status(s3, source)["failure"]


def test_the_log_delivery_group_may_come_in_by_acl(server: Server, s3: Any) -> None:
    source, target = "acl-src", "acl-logs"
    s3.create_bucket(Bucket=source)
    s3.create_bucket(Bucket=target, ObjectOwnership="ObjectWriter", ACL="log-delivery-write")
    enable_logging(s3, source, target, "l/")
    asked = _asked(s3, source)
    flush(server, source)
    assert _arrived(server, target, "l/") == [asked]
    s3.put_bucket_acl(Bucket=target, ACL="private")
    _asked(s3, source)
    flush(server, source)
    assert _arrived(server, target, "l/") == [asked]
    assert "AccessDenied" in _status(s3, source)["failure"]


def test_target_grants_are_on_each_delivered_object(server: Server, s3: Any) -> None:
    lab = people.account(server, "lab")
    source, target = "grants-src", "grants-logs"
    s3.create_bucket(Bucket=source)
    s3.create_bucket(Bucket=target, ObjectOwnership="ObjectWriter", ACL="log-delivery-write")
    s3.delete_public_access_block(Bucket=target)
    grants = [
        {"Grantee": {"Type": "Group", "URI": OTHERS}, "Permission": "READ"},
        {"Grantee": {"Type": "CanonicalUser", "ID": lab.canonical_id}, "Permission": "READ_ACP"},
    ]
    enable_logging(s3, source, target, "l/", TargetGrants=grants)
    _asked(s3, source)
    flush(server, source)
    (entry,) = s3.list_objects_v2(Bucket=target, FetchOwner=True)["Contents"]
    assert entry["Owner"]["ID"] == acl.LOG_DELIVERY_OWNER.canonical_id
    told = s3.get_object_acl(Bucket=target, Key=entry["Key"])
    assert told["Owner"]["ID"] == acl.LOG_DELIVERY_OWNER.canonical_id
    root = s3.list_buckets()["Owner"]["ID"]
    shown = {
        (grant["Grantee"].get("URI") or grant["Grantee"]["ID"], grant["Permission"])
        for grant in told["Grants"]
    }
    assert shown == {(root, "FULL_CONTROL"), (OTHERS, "READ"), (lab.canonical_id, "READ_ACP")}
    theirs = lab.client(server)
    assert theirs.get_object(Bucket=target, Key=entry["Key"])["Body"].read()
    assert theirs.get_object_acl(Bucket=target, Key=entry["Key"])["Grants"]


# ── names ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key_format", "pattern"),
    [
        (None, r"l/{day}-\d\d-\d\d-\d\d-[0-9A-F]{{16}}"),
        ({"SimplePrefix": {}}, r"l/{day}-\d\d-\d\d-\d\d-[0-9A-F]{{16}}"),
        (
            {"PartitionedPrefix": {"PartitionDateSource": "DeliveryTime"}},
            r"l/{account}/{region}/{source}/{path}/{day}-\d\d-\d\d-\d\d-[0-9A-F]{{16}}",
        ),
        (
            {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}},
            r"l/{account}/{region}/{source}/{path}/{day}-00-00-00-[0-9A-F]{{16}}",
        ),
        (
            {"PartitionedPrefix": {}},
            r"l/{account}/{region}/{source}/{path}/{day}-00-00-00-[0-9A-F]{{16}}",
        ),
    ],
    ids=["none", "simple", "delivery-time", "event-time", "partitioned"],
)
@pytest.mark.parametrize("region", ["us-east-1", EUROPE])
def test_log_objects_are_named_by_the_format(
    server: Server, request: pytest.FixtureRequest, key_format: Any, pattern: str, region: str
) -> None:
    s3 = server.client(region=region)
    name = f"name-{request.node.callspec.id}"
    source, target = f"{name}-src", f"{name}-logs"
    where = (
        {}
        if region == "us-east-1"
        else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )
    for bucket in (source, target):
        s3.create_bucket(Bucket=bucket, **where)
    allow_delivery(s3, target)
    more = {} if key_format is None else {"TargetObjectKeyFormat": key_format}
    enable_logging(s3, source, target, "l/", **more)
    asked = _asked(s3, source)
    sender = Sender(server.endpoint, region=region)
    before = datetime.now(UTC)
    assert sender.ask(sender.signed("POST", f"/{source}?logging")).status == 200
    (entry,) = s3.list_objects_v2(Bucket=target)["Contents"]
    days = {before.strftime("%Y-%m-%d"), datetime.now(UTC).strftime("%Y-%m-%d")}
    account = _status(s3, source)["account"]
    assert any(
        re.fullmatch(
            pattern.format(
                day=day, path=day.replace("-", "/"), account=account, region=region, source=source
            ),
            entry["Key"],
        )
        for day in days
    ), entry["Key"]
    read = s3.get_object(Bucket=target, Key=entry["Key"])
    assert asked in read["Body"].read().decode()
    assert read["ContentType"] == "text/plain"
    assert int(read["Metadata"]["bucketlog-records"]) == 1


# ── changes while records wait ──────────────────────────────────────────────────────────────────


def test_a_changed_rule_is_for_the_records_after_it(server: Server, s3: Any) -> None:
    source, target = _made(s3, "change")
    s3.create_bucket(Bucket="change-more")
    allow_delivery(s3, "change-more")
    first = _asked(s3, source)
    enable_logging(s3, source, target, "other/")
    second = _asked(s3, source)
    enable_logging(s3, source, "change-more")
    third = _asked(s3, source)
    flush(server, source)
    assert _arrived(server, target, "l/") == [first]
    assert _arrived(server, target, "other/") == [second]
    assert _arrived(server, "change-more") == [third]


def test_the_call_that_ends_logging_is_the_last_recorded(server: Server, s3: Any) -> None:
    source, target = _made(s3, "ends")
    asked = _asked(s3, source)
    off = s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={})
    _asked(s3, source)
    _deliver_all(server)
    decoded = [line.decode(text).record for text in server.lines(target)]
    told = [(record.operation, record.request_id) for record in decoded if record is not None]
    assert told == [
        ("REST.GET.BUCKET", asked),
        ("REST.PUT.LOGGING_STATUS", off["ResponseMetadata"]["RequestId"]),
    ]


def test_a_deleted_bucket_leaves_its_records_and_takes_its_rule(server: Server, s3: Any) -> None:
    source, target = _made(s3, "gone")
    asked = _asked(s3, source)
    deleted = s3.delete_bucket(Bucket=source)["ResponseMetadata"]["RequestId"]
    s3.create_bucket(Bucket=source)
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=source)
    _asked(s3, source)
    _deliver_all(server)
    text = b"".join(server.lines(target)).decode()
    assert {row.split(" ")[6] for row in text.splitlines()} == {asked, deleted}


def test_a_deleted_target_holds_the_records_until_it_is_back(server: Server, s3: Any) -> None:
    source, target = _made(s3, "target")
    s3.delete_bucket(Bucket=target)
    asked = _asked(s3, source)
    flush(server, source)
    status = _status(s3, source)
    assert "NoSuchBucket" in status["failure"]
    assert int(status["waiting"]) >= 1
    s3.create_bucket(Bucket=target)
    allow_delivery(s3, target)
    flush(server, source)
    assert _arrived(server, target, "l/") == [asked]
    assert "failure" not in _status(s3, source)


def test_what_waits_outlives_the_server(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        source, target = _made(server.client(), "restart", permitted=False)
        held = _asked(server.client(), source)
        flush(server, source)
        waiting = _asked(server.client(), source)
        assert server.stop() == 0
        server.start()
        allow_delivery(server.client(), target)
        flush(server, source)
        assert _arrived(server, target, "l/") == sorted([held, waiting])


def test_a_flush_gathers_what_waits_in_every_worker(tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--workers", "2") as server:
        source, target = _made(server.client(), "workers")
        sender = Sender(server.endpoint)
        request = sender.signed("GET", f"/{source}")
        asked = [sender.ask(request).request_id for _ in range(40)]  # 40 connections
        document = flush(server, source)
        assert _arrived(server, target, "l/") == sorted(asked)
        assert document.count("<FlushedLoggingObject>") == 2  # one of each worker


# ── delivery is itself recorded ─────────────────────────────────────────────────────────────────


def test_a_bucket_that_delivers_to_itself_comes_to_an_end(server: Server) -> None:
    s3 = server.client()
    s3.create_bucket(Bucket="self")
    allow_delivery(s3, "self", "l/")
    enable_logging(s3, "self", "self", "l/")
    log = Log(server, "self", target="self", prefix="l/")
    asked = _asked(s3, "self")
    assert log.one(asked).operation == "REST.GET.BUCKET"
    for _ in range(3):
        log.update()
    _deliver_all(server)
    before = s3.list_objects_v2(Bucket="self")["KeyCount"]
    _deliver_all(server)  # of the listing above
    _deliver_all(server)
    assert s3.list_objects_v2(Bucket="self")["KeyCount"] == before + 1
    assert all((record.requester or "")[:4] != "svc:" for record in log.complete().records)


def test_deliveries_into_a_logged_bucket_are_recorded_there(server: Server) -> None:
    s3 = server.client()
    source, target = _made(s3, "chain")
    s3.create_bucket(Bucket="chain-more")
    allow_delivery(s3, "chain-more")
    enable_logging(s3, target, "chain-more", "m/")
    _asked(s3, source)
    flush(server, source)
    log = Log(server, target, target="chain-more", prefix="m/").update()
    (put,) = [record for record in log.records if record.operation == "REST.PUT.OBJECT"]
    assert put.requester == "svc:logging.s3.amazonaws.com"
    assert (put.key or "").startswith("l/")
    assert (put.http_status, put.remote_ip, put.signature_version) == (200, None, None)
    assert put.object_size == s3.head_object(Bucket=target, Key=put.key)["ContentLength"]


def test_delivered_log_objects_are_like_any_other(server: Server) -> None:
    """They can be read, listed, copied and deleted by the owner."""
    s3 = server.client()
    source, target = _made(s3, "plain")
    _asked(s3, source)
    flush(server, source)
    (entry,) = s3.list_objects_v2(Bucket=target)["Contents"]
    s3.copy_object(Bucket=source, Key="copy", CopySource={"Bucket": target, "Key": entry["Key"]})
    s3.delete_object(Bucket=target, Key=entry["Key"])
    with pytest.raises(botocore.exceptions.ClientError, match="404"):
        s3.head_object(Bucket=target, Key=entry["Key"])
