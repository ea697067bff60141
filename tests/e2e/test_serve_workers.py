"""`serve --workers 2`: processes that share a port and obey one state, and replace each other."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support import people
from tests.support.log import Log
from tests.support.raw import Answer, Sender
from tests.support.server import Server, allow_delivery, enable_logging

from bucketlog.gateway import control
from bucketlog.gateway.control import Question

# With two workers, as many connections as this all going to one is less likely than 1 in 10^9.
MANY = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two workers; bucket `src` is logged to `logs`."""
    with Server(tmp_path_factory.mktemp("server") / "data", "--workers", "2") as running:
        s3 = running.client()
        for bucket in ("src", "logs"):
            s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket="src", Key="a", Body=b"content")
        allow_delivery(s3, "logs")
        enable_logging(s3, "src", "logs", "l/")
        yield running
        assert running.stop() == 0
        assert "Traceback" not in running.errors()


def workers(server: Server) -> dict[int, float]:
    """Connections accepted so far by each worker that answers, by process id."""
    answers = asyncio.run(control.ask_all(server.data / "run", Question("snapshot")))
    return {
        one.pid: one.snapshot.counters["connections_accepted"]
        for one in answers
        if one.snapshot is not None
    }


def many(sender: Sender, method: str = "GET", target: str = "/src/a") -> list[Answer]:
    """The answers to the same request on many connections."""
    return [sender.ask(sender.signed(method, target)) for _ in range(MANY)]


def wait(until: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def healthz(server: Server) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"{server.console}/healthz") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def got(server: Server) -> float:
    """GetObject requests answered 200, by /metrics."""
    name = 'bucketlog_requests_total{operation="GetObject",status="200"} '
    for text in server.metrics().splitlines():
        if text.startswith(name):
            return float(text.removeprefix(name))
    return 0.0


def test_both_serve_and_metrics_tell_of_both(server: Server) -> None:
    before, counted = workers(server), got(server)
    assert len(before) == 2
    answers = many(Sender(server.endpoint))
    assert {answer.status for answer in answers} == {200}
    after = workers(server)
    assert all(after[pid] > before[pid] for pid in before)
    assert sum(after.values()) - sum(before.values()) == MANY
    assert got(server) - counted == MANY
    found = Log(server, "src").complete()
    assert all(found.one(answer.request_id).key == "a" for answer in answers)


def test_a_key_counts_with_both_from_the_moment_it_is_made_to_that_it_is_removed(
    server: Server,
) -> None:
    user = people.user(server, "worker-test")
    sender = user.sender(server)
    assert {answer.status for answer in many(sender)} == {200}
    server.run("key", "remove", user.access_key, "--data", str(server.data))
    assert {answer.code for answer in many(sender)} == {"InvalidAccessKeyId"}


def test_a_policy_counts_with_both_at_once(server: Server) -> None:
    stranger = people.account(server, "stranger").sender(server)
    s3 = server.client()
    for _ in range(2):
        assert {answer.status for answer in many(stranger)} == {403}
        s3.put_bucket_policy(
            Bucket="src",
            Policy='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},'
            '"Action":"s3:GetObject","Resource":"arn:aws:s3:::src/*",'
            '"Condition":{"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}}}]}',
        )
        assert {answer.status for answer in many(stranger)} == {200}
        s3.delete_bucket_policy(Bucket="src")


def test_a_rule_counts_with_both_at_once(server: Server) -> None:
    sender = Sender(server.endpoint)
    s3 = server.client()
    s3.create_bucket(Bucket="switched")
    off = many(sender, target="/switched/x")
    enable_logging(s3, "switched", "logs", "switched/")
    on = many(sender, target="/switched/x")
    s3.put_bucket_logging(Bucket="switched", BucketLoggingStatus={})
    off += many(sender, target="/switched/x")
    server.deliver()
    found = Log(server, prefix="switched/").complete()
    gets = {one.request_id for one in found.records if one.operation == "REST.GET.OBJECT"}
    assert gets == {answer.request_id for answer in on}
    assert not gets & {answer.request_id for answer in off}


def test_a_worker_that_hangs_is_told_of(server: Server) -> None:
    assert healthz(server) == (200, "ok\n")
    pid = min(workers(server))
    os.kill(pid, signal.SIGSTOP)
    try:
        assert healthz(server) == (503, "1 of 2 workers don't answer\n")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait(lambda: healthz(server) == (200, "ok\n"))


def test_a_worker_that_is_killed_is_replaced_and_its_records_are_delivered(server: Server) -> None:
    sender = Sender(server.endpoint)
    answers = many(sender)
    before = workers(server)
    victim = max(before)
    os.kill(victim, signal.SIGKILL)
    wait(lambda: len(workers(server)) == 2 and victim not in workers(server))
    assert healthz(server) == (200, "ok\n")
    assert len(set(workers(server)) & set(before)) == 1
    answers += many(sender)
    ids = [answer.request_id for answer in answers]

    def complete() -> bool:
        # The spool of the dead is taken over within a second, or by the worker in its place.
        found = Log(server, "src").complete()
        return {one.request_id for one in found.records} >= set(ids)

    wait(complete)
    found = Log(server).complete()
    assert all(len(found.all(request_id)) == 1 for request_id in ids)
    sockets = {path.stem for path in (server.data / "run").glob("*.sock")}
    assert sockets <= {path.name for path in (server.data / "spool").iterdir()}


def test_workers_do_not_outlive_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--workers", "2") as server:
        pids = list(workers(server))
        endpoint = server.endpoint
        assert server.client().list_buckets()["Buckets"] == []
        server.stop(signal.SIGKILL)
        wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
        again = Server(tmp_path / "data", "--workers", "2", "--listen", endpoint[7:])
        with again:
            assert again.endpoint == endpoint
            assert again.client().list_buckets()["Buckets"] == []
