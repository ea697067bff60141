"""How a server stops: what runs is finished, what is idle is closed, all of it is recorded.

The servers here run in Python's development mode, which tells of what is left open.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tests.support.log import Log
from tests.support.raw import Connection, Sender
from tests.support.server import Server, allow_delivery, enable_logging

MIB = 1 << 20
DEVELOPMENT = {"PYTHONDEVMODE": "1"}


def prepare(server: Server) -> Sender:
    """Bucket `src`, logged to `logs`, with a large object."""
    s3 = server.client()
    for bucket in ("src", "logs"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="src", Key="big", Body=os.urandom(8 * MIB))
    allow_delivery(s3, "logs")
    enable_logging(s3, "src", "logs", "l/")
    return Sender(server.endpoint)


def delivered(server: Server) -> Log:
    """All records, delivered."""
    server.deliver()
    return Log(server).complete()


def complaints(server: Server) -> list[str]:
    """Lines of stderr that tell of something wrong."""
    bad = ("Warning", "Traceback", "never retrieved", "Exception", "error ")
    return [text for text in server.errors().splitlines() if any(word in text for word in bad)]


def is_open(endpoint: str) -> bool:
    """Whether somebody listens there."""
    host, port = endpoint.removeprefix("http://").rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 1).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:  # it is being closed this moment
        return True
    return True


def wait_until_closed(endpoint: str) -> None:
    deadline = time.monotonic() + 10
    while is_open(endpoint):
        assert time.monotonic() < deadline, f"{endpoint} is still open"


@pytest.mark.parametrize(("workers", "sig"), [("1", signal.SIGTERM), ("2", signal.SIGINT)])
def test_a_server_told_to_stop_finishes_what_runs(
    tmp_path: Path, workers: str, sig: signal.Signals
) -> None:
    with Server(tmp_path / "data", "--workers", workers, env=DEVELOPMENT) as server:
        sender = prepare(server)
        assert server.process is not None
        with (
            Connection(server.endpoint) as idle,
            Connection(server.endpoint, receive_bytes=65536) as slow,
            Connection(server.endpoint) as sending,
        ):
            idle.send(sender.signed("GET", "/src/small"))
            assert idle.answer().status == 404
            slow.send(sender.signed("GET", "/src/big"))
            status, headers = slow.head()
            put = sender.signed("PUT", "/src/put", body=b"x" * 1000)
            sending.send(put[:-500])
            wait_for_bytes(server, 3)
            server.process.send_signal(sig)
            wait_until_closed(server.endpoint)
            assert idle.is_ended()
            sending.send(put[-500:])
            answer = sending.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert server.process.poll() is None
            assert len(slow.read(8 * MIB)) == 8 * MIB
            assert slow.is_ended()
        assert server.process.wait(15) == 0
        server.process = None
        assert not (server.data / "run" / "server.json").exists()
        assert list((server.data / "run").glob("*.sock")) == []
        server.start()
        download = delivered(server).one(headers["x-amz-request-id"])
        assert (status, download.http_status, download.bytes_sent) == (200, 200, 8 * MIB)
        assert delivered(server).one(answer.request_id).key == "put"
        assert server.stop() == 0
        assert complaints(server) == []


def wait_for_bytes(server: Server, connections: int) -> None:
    """Returns when the server has so many connections open."""
    deadline = time.monotonic() + 10
    while f"bucketlog_connections {connections}.0" not in server.metrics():
        assert time.monotonic() < deadline


def test_what_does_not_end_in_time_is_broken_off_and_recorded(tmp_path: Path) -> None:
    env = {**DEVELOPMENT, "BUCKETLOG_SERVER_DRAIN": "300ms"}
    with Server(tmp_path / "data", env=env) as server:
        sender = prepare(server)
        with (
            Connection(server.endpoint, receive_bytes=65536) as stuck,
            Connection(server.endpoint) as sending,
        ):
            stuck.send(sender.signed("GET", "/src/big"))
            _, headers = stuck.head()
            put = sender.signed("PUT", "/src/put", body=b"x" * 1000)
            sending.send(put[:-500])
            wait_for_bytes(server, 2)
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 8
        server.start()
        log = delivered(server)
        broken = log.one(headers["x-amz-request-id"])
        assert broken.http_status == 200
        assert 0 < (broken.bytes_sent or 0) < 8 * MIB
        (put_record,) = log.of_key("put")
        assert put_record.error_code == "IncompleteBody"
        assert server.stop() == 0
        assert complaints(server) == []


def test_records_wait_for_the_next_start_or_for_the_command_that_delivers(tmp_path: Path) -> None:
    """`bucketlog deliver` asks a running server, and does it itself where there is none."""
    with Server(tmp_path / "data", env=DEVELOPMENT) as server:
        sender = prepare(server)
        deliver = ("deliver", "--wait", "--json", "--data", str(server.data))
        assert sender.ask(sender.signed("GET", "/src/none")).status == 404
        told = json.loads(server.run(*deliver).stdout)
        assert [(one["source"], one["target"], one["records"]) for one in told["delivered"]] == [
            ("src", "logs", 1)
        ]
        assert json.loads(server.run(*deliver).stdout) == {
            "delivered": [],
            "waiting": 0,
            "failures": {},
        }
        for _ in range(3):
            sender.ask(sender.signed("GET", "/src/none"))
        server.client().delete_bucket_policy(Bucket="logs")
        assert server.stop() == 0
        refused = server.run(*deliver, check=False)
        assert refused.returncode == 1
        assert "3 records still wait. src: AccessDenied" in refused.stderr
        assert json.loads(refused.stdout)["waiting"] == 3
        server.start()
        allow_delivery(server.client(), "logs")
        server.client().put_bucket_logging(Bucket="src", BucketLoggingStatus={})
        assert server.stop() == 0
        text = server.run("deliver", "--wait", "--data", str(server.data)).stdout
        # How many: the running server may have delivered what was held before it stopped.
        assert re.search(r"\d records? +of src to logs/l/", text)
        assert server.run("deliver", "--data", str(server.data)).stdout == "nothing was waiting\n"
        server.start()
        operations = [record.operation for record in delivered(server).records]
        # Switching logging off is the last that is recorded.
        assert operations == ["REST.GET.OBJECT"] * 4 + ["REST.PUT.LOGGING_STATUS"]
        assert server.stop() == 0
        assert complaints(server) == []


def test_records_of_a_bucket_whose_rule_is_gone_are_not_forgotten(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        sender = prepare(server)
        server.client().delete_bucket_policy(Bucket="logs")
        sender.ask(sender.signed("GET", "/src/none"))
        server.client().put_bucket_logging(Bucket="src", BucketLoggingStatus={})
        refused = server.run("deliver", "--wait", "--data", str(server.data), check=False)
        assert refused.returncode == 1
        assert "2 records still wait. src: AccessDenied" in refused.stderr


def test_deliver_without_a_data_folder_is_a_problem(tmp_path: Path) -> None:
    nowhere = Server(tmp_path)
    refused = nowhere.run("deliver", "--data", str(tmp_path / "none"), check=False)
    assert refused.returncode == 1
    assert f"There is no data folder {tmp_path / 'none'}" in refused.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_delivering_while_a_server_starts_and_stops_delivers_each_record_once(
    tmp_path: Path,
) -> None:
    with Server(tmp_path / "data") as server:
        sender = prepare(server)
        ids = []
        failed: list[subprocess.CompletedProcess[str]] = []
        stopped = threading.Event()

        def keep_delivering() -> None:
            while not stopped.is_set():
                done = server.run("deliver", "--data", str(server.data), check=False)
                if done.returncode:
                    failed.append(done)

        thread = threading.Thread(target=keep_delivering)
        thread.start()
        try:
            for _ in range(2):
                for _ in range(10):
                    ids.append(sender.ask(sender.signed("GET", "/src/none")).request_id)
                assert server.stop() == 0
                server.start()
                sender = Sender(server.endpoint)
        finally:
            stopped.set()
            thread.join()
        assert [done.stderr for done in failed] == []
        found = [record.request_id for record in delivered(server).records]
        assert sorted(found) == sorted(ids)
        assert "Traceback" not in server.errors()
