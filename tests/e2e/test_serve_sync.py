"""`spool.sync = "always"`: safe from a power cut before the answer, at a price shared by all."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.support.log import Log
from tests.support.raw import Sender
from tests.support.server import Server, allow_delivery, enable_logging

CLIENTS, EACH = 16, 25


def total(server: Server, name: str) -> float:
    """The value of a counter without labels."""
    name = f"bucketlog_{name}_total "
    (text,) = [text for text in server.metrics().splitlines() if text.startswith(name)]
    return float(text.removeprefix(name))


def test_one_fsync_serves_many_connections(tmp_path: Path) -> None:
    with Server(tmp_path / "data", env={"BUCKETLOG_SPOOL_SYNC": "always"}) as server:
        s3 = server.client()
        for bucket in ("src", "logs", "plain"):
            s3.create_bucket(Bucket=bucket)
        allow_delivery(s3, "logs")
        enable_logging(s3, "src", "logs", "l/")
        sender = Sender(server.endpoint)
        asking = sender.signed("GET", "/src/none") * EACH
        records, syncs = total(server, "records_appended"), total(server, "spool_syncs")
        ids = []
        with ExitStack() as open_connections:
            clients = [open_connections.enter_context(sender.connect()) for _ in range(CLIENTS)]
            for client in clients:
                client.send(asking)
            for client in clients:
                ids += [client.answer().request_id for _ in range(EACH)]
        # A client's requests come one after the other, so there is one sync for each of them at
        # least; some more where clients are not in step.
        assert total(server, "records_appended") - records == CLIENTS * EACH
        synced = total(server, "spool_syncs") - syncs
        assert EACH <= synced <= CLIENTS * EACH / 3
        # What isn't recorded waits for no sync.
        for _ in range(20):
            sender.ask(sender.signed("GET", "/plain/none"))
        assert total(server, "spool_syncs") - syncs - synced <= 5  # by the clock
        found = Log(server, "src").complete()
        assert sorted(record.request_id or "" for record in found.records) == sorted(ids)
        assert server.stop() == 0
        assert "Traceback" not in server.errors()
