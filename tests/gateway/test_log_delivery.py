"""A batch becomes a PutObject by the log-delivery service, judged like any request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import parties
from tests.support.gate import Gate, told

from bucketlog.accesslog.targets import Target
from bucketlog.delivery import batches
from bucketlog.delivery.batches import Batch
from bucketlog.delivery.tags import tag_of
from bucketlog.gateway.log_delivery import Mailbox
from bucketlog.s3 import acl
from bucketlog.s3.access import LOG_DELIVERY_SERVICE
from bucketlog.s3.acl import Grant
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Call, Ownership, Reply
from bucketlog.spool.frame import RECORD, Frame, Part

DAY = 20_000
DATA = b"one\ntwo\n"


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path)
    gate.put_bucket(_logs())
    yield gate
    gate.close()


def _logs(ownership: Ownership = Ownership.ENFORCED, source: str = "box") -> object:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": LOG_DELIVERY_SERVICE},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::logs/*",
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source}"},
            "StringEquals": {"aws:SourceAccount": parties.ALICE.account_id},
        },
    }
    return parties.bucket("logs", parties.ALICE, statement, ownership=ownership)


def batch(target: Target | None = None) -> Batch:
    """Two records of the bucket `box`."""
    tag = tag_of(target or Target("logs", "p/"), parties.bucket("box"), DAY)
    frames = [Frame(RECORD, 5, 0, (Part(tag, 2, DATA),))]
    (made,) = batches.split(frames, "0123456789abcdef", 3, DAY * 86400 * 10**9)
    return made


async def test_a_batch_is_stored_as_an_object(gate: Gate) -> None:
    bodies = []

    async def put(call: Call) -> Reply:
        bodies.append(await call.body.read(1000))
        return Reply(200)

    gate.handler.answers = [put]
    item = batch()
    await Mailbox(gate.pipeline, gate.catalog).put(item)
    (call,) = gate.handler.calls
    assert (call.route.operation.name, call.route.bucket) == ("PutObject", "logs")
    assert call.route.key == item.key
    assert bodies == [DATA]
    assert call.caller.service == LOG_DELIVERY_SERVICE
    assert call.object_owner is None
    headers = call.request.headers
    assert (headers["content-type"], headers["content-length"]) == ("text/plain", "8")
    assert headers["x-amz-meta-bucketlog-records"] == "2"
    assert headers["x-amz-meta-bucketlog-first"] == "5"
    assert not any(name.startswith("x-amz-grant") for name in headers)


@pytest.mark.parametrize("prefix", ["\u00fc b/", "a%2Fb?x=1&y#z/", "//..//", "+"])
async def test_any_prefix_makes_the_key_it_says(gate: Gate, prefix: str) -> None:
    item = batch(Target("logs", prefix))
    await Mailbox(gate.pipeline, gate.catalog).put(item)
    assert gate.handler.calls[0].route.key == item.key
    assert item.key.startswith(prefix)


async def test_with_acls_it_grants_the_owner_everything_and_others_what_the_rule_says(
    gate: Gate,
) -> None:
    gate.put_bucket(_logs(Ownership.WRITER))
    grants = (
        Grant(acl.Grantee("CanonicalUser", parties.BOB.canonical_id, "bob"), "READ"),
        Grant(acl.group(acl.ALL_USERS), "READ"),
    )
    await Mailbox(gate.pipeline, gate.catalog).put(batch(Target("logs", "", grants)))
    (call,) = gate.handler.calls
    assert call.object_owner == acl.LOG_DELIVERY_OWNER
    headers = call.request.headers
    assert headers["x-amz-grant-full-control"] == f'id="{parties.ALICE.canonical_id}"'
    assert headers["x-amz-grant-read"] == (
        f'id="{parties.BOB.canonical_id}", uri="{acl.ALL_USERS}"'
    )


async def test_a_target_that_does_not_permit_it_refuses(gate: Gate) -> None:
    gate.put_bucket(_logs(source="another"))
    with pytest.raises(S3Error) as caught:
        await Mailbox(gate.pipeline, gate.catalog).put(batch())
    assert caught.value.code == "AccessDenied"
    assert gate.handler.calls == []


async def test_a_target_that_is_gone_is_no_such_bucket(gate: Gate) -> None:
    del gate.catalog.buckets["logs"]
    with pytest.raises(S3Error) as caught:
        await Mailbox(gate.pipeline, gate.catalog).put(batch())
    assert caught.value.code == "NoSuchBucket"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (S3Error("SlowDown"), "SlowDown"),
        (RuntimeError("bug"), "InternalError"),
        (S3Error("NotInTheTable"), "InternalError"),
    ],
)
async def test_a_backend_that_fails_is_an_error_of_its_code(
    gate: Gate, error: Exception, code: str
) -> None:
    gate.handler.answers = [error]
    with pytest.raises(S3Error) as caught:
        await Mailbox(gate.pipeline, gate.catalog).put(batch())
    assert caught.value.code == code


async def test_a_target_that_is_logged_itself_records_the_delivery(gate: Gate) -> None:
    gate.rules["logs"] = Target("other", "")
    item = batch()
    await Mailbox(gate.pipeline, gate.catalog).put(item)
    (record,) = gate.after_a_crash()
    assert told([record]) == [("logs", "REST.PUT.OBJECT", item.key, 200)]
    assert record.requester == f"svc:{LOG_DELIVERY_SERVICE}"
    assert (record.remote_ip, record.cipher_suite, record.host_header) == (None, None, None)
