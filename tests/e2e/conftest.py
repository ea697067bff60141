"""One server for the module, with a logged bucket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
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
        running.stop()
        assert "Traceback" not in running.errors()
