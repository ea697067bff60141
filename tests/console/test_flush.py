"""FlushBucketLogging, signed by the console, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server, allow_delivery, enable_logging

from bucketlog.console import flush
from bucketlog.console.s3 import Failure
from bucketlog.console.sessions import Identity

ROOT = Identity(ACCESS_KEY, SECRET_KEY)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A source and its target."""
    with Server(Path(tmp_path_factory.mktemp("flush")) / "data") as server:
        s3 = server.client()
        for name in ("photos", "logs", "quiet"):
            s3.create_bucket(Bucket=name)
        allow_delivery(s3, "logs")
        enable_logging(s3, "photos", "logs", "p&/")
        yield server


def test_the_objects_that_were_stored_are_named(server: Server) -> None:
    server.client().put_object(Bucket="photos", Key="cat.png", Body=b"x")
    (key,) = flush.deliver(ROOT, server.endpoint, "photos", "us-east-1")
    assert key.startswith("p&/")
    log = server.client().get_object(Bucket="logs", Key=key)["Body"].read()
    assert b" REST.PUT.OBJECT cat.png " in log


@pytest.mark.parametrize(
    ("identity", "bucket", "code"),
    [
        (ROOT, "quiet", "InvalidRequest"),
        (ROOT, "nowhere", "NoSuchBucket"),
        (Identity(ACCESS_KEY, "wrong"), "photos", "SignatureDoesNotMatch"),
    ],
)
def test_what_is_refused_is_refused_in_words(
    server: Server, identity: Identity, bucket: str, code: str
) -> None:
    with pytest.raises(Failure) as raised:
        flush.deliver(identity, server.endpoint, bucket, "us-east-1")
    assert raised.value.code == code
    assert raised.value.request_id
    assert raised.value.operation == "FlushBucketLogging"


def test_a_server_that_is_gone_is_no_answer() -> None:
    with pytest.raises(Failure) as raised:
        flush.deliver(ROOT, "http://127.0.0.1:1", "photos", "us-east-1")
    assert raised.value.status == 0
