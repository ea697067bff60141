"""One server for the module, with a logged bucket; its log; and who writes requests to it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.support.log import Log
from tests.support.raw import Sender
from tests.support.server import Server, allow_delivery, enable_logging


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running server with buckets `src` (logged) and `logs` (its target)."""
    with Server(tmp_path_factory.mktemp("server") / "data") as running:
        s3 = running.client()
        for bucket in ("src", "logs"):
            s3.create_bucket(Bucket=bucket)
        allow_delivery(s3, "logs")
        enable_logging(s3, "src", "logs", "l/")
        yield running
        assert not re.search(r"^bucketlog_errors_internal\S* [1-9]", running.metrics(), re.M)
        running.stop()
        assert "Traceback" not in running.errors()


@pytest.fixture(scope="module")
def log(server: Server) -> Iterator[Log]:
    """The log of `src`. At the end all of it has been read, so every line of it is sound."""
    log = Log(server, "src", prefix="l/")
    yield log
    log.complete()
    assert log.records


@pytest.fixture(scope="module")
def sender(server: Server) -> Sender:
    """Writes requests as root."""
    return Sender(server.endpoint)


@pytest.fixture(scope="module")
def root(server: Server) -> str:
    """The canonical id of root."""
    owner: str = server.client().list_buckets()["Owner"]["ID"]
    return owner


@pytest.fixture(scope="module")
def upload(server: Server) -> str:
    """An upload under way of the object `doc`, which is there already."""
    s3 = server.client()
    s3.put_object(Bucket="src", Key="doc")
    upload_id: str = s3.create_multipart_upload(Bucket="src", Key="doc")["UploadId"]
    return upload_id
