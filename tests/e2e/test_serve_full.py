"""No room: a disk that is really full, and a spool at its limit whose target refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.raw import Answer, Sender
from tests.support.server import Server, allow_delivery, enable_logging

from bucketlog.accesslog import line


def healthz(server: Server) -> tuple[int, str]:
    """Status and text of /healthz."""
    try:
        with urllib.request.urlopen(f"{server.console}/healthz") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metric(server: Server, name: str) -> float:
    """The value of one line of /metrics."""
    for text in server.metrics().splitlines():
        if text.startswith(f"{name} "):
            return float(text.split(" ")[1])
    return 0.0


class Asking:
    """Asks a server and keeps the ids of the requests that were answered with success."""

    def __init__(self, server: Server) -> None:
        self.sender = Sender(server.endpoint)
        self.done: list[str] = []

    def __call__(self, method: str, target: str, body: bytes = b"") -> Answer:
        answer = self.sender.ask(self.sender.signed(method, target, body=body))
        if answer.status < 300 and target.startswith("/src"):
            self.done.append(answer.request_id)
        return answer

    def until_refused(self, method: str, target: str, most: int) -> Answer:
        """The first refusal."""
        for _ in range(most):
            answer = self(method, target)
            if answer.status != 200:
                return answer
        raise AssertionError("never refused")


def recorded(server: Server) -> list[str]:
    """The request ids of all records of the bucket `src`."""
    server.deliver()
    records = [line.decode(text).record for text in server.lines("logs", "l/")]
    assert None not in records
    return [record.request_id or "" for record in records if record is not None]


def prepare(server: Server, *, permitted: bool = True) -> Asking:
    """Buckets `src` (logged to `logs`), `plain` (not logged), an object in each."""
    s3 = server.client()
    for bucket in ("src", "logs", "plain"):
        s3.create_bucket(Bucket=bucket)
    for bucket in ("src", "plain"):
        s3.put_object(Bucket=bucket, Key="a", Body=b"content")
    if permitted:
        allow_delivery(s3, "logs")
    enable_logging(s3, "src", "logs", "l/")
    return Asking(server)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Takes all the room there is."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    return filler


def test_a_full_disk_refuses_and_loses_nothing(small_disk: Path, tmp_path: Path) -> None:
    server = Server(small_disk / "data", log=tmp_path / "stderr.log")
    with server:
        ask = prepare(server)
        assert ask("GET", "/src/a").status == 200
        filler = fill(small_disk)
        refused = ask("PUT", "/src/b", b"x" * 20_000)
        assert (refused.status, refused.code) == (503, "SlowDown")
        refused = ask("PUT", "/plain/b", b"x" * 20_000)
        assert (refused.status, refused.code) == (503, "SlowDown")
        refused = ask.until_refused("GET", "/src/a", 50)
        assert (refused.status, refused.code) == (503, "SlowDown")
        assert ask("GET", "/plain/a").body == b"content"
        assert healthz(server)[0] == 503
        assert metric(server, "bucketlog_spool_full") == 1
        assert metric(server, 'bucketlog_requests_refused_total{reason="spool_full"}') >= 1
        rule = ask("PUT", "/plain?logging", _rule())
        assert (rule.status, rule.code) == (503, "ServiceUnavailable")
        server.run("deliver", "--data", str(server.data), check=False)
        assert ask("GET", "/plain/a").body == b"content"
        filler.unlink()
        assert ask("PUT", "/src/b", b"x" * 20_000).status == 200
        assert ask("GET", "/src/b").status == 200
        assert ask("PUT", "/plain?logging", _rule()).status == 200
        assert healthz(server) == (200, "ok\n")
        assert metric(server, "bucketlog_spool_full") == 0
        found = recorded(server)
        assert len(found) == len(set(found))
        assert set(ask.done) <= set(found)
        assert metric(server, "bucketlog_errors_internal_total") == 0
        assert server.stop() == 0
        assert "Traceback" not in server.errors()


@pytest.mark.slow
def test_a_server_stops_and_starts_on_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    """Or says why it doesn't start; with room again it starts, and has all records."""
    server = Server(small_disk / "data", log=tmp_path / "stderr.log")
    with server:
        ask = prepare(server)
        for _ in range(5):
            assert ask("GET", "/src/a").status == 200
        filler = fill(small_disk)
        assert server.stop() == 0
        assert filler.stat().st_size > 1 << 20
        fill(small_disk)
        with pytest.raises(AssertionError, match="did not start"):
            server.start()
        assert "bucketlog: " in server.errors()
        filler.unlink()
        server.start()
        found = recorded(server)
        assert sorted(found) == sorted(ask.done)
        assert server.stop() == 0
        assert "Traceback" not in server.errors()
        fresh = small_disk / "fresh"
        fill(small_disk)
        done = subprocess.run(
            [sys.executable, "-m", "bucketlog", "serve", "--data", str(fresh)],
            env={**server.env, "BUCKETLOG_SERVER_LISTEN": "127.0.0.1:0"},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert "bucketlog: " in done.stderr


def _rule() -> bytes:
    return (
        b"<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket>"
        b"<TargetPrefix>p/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>"
    )


def test_a_spool_at_its_limit_refuses_until_its_target_lets_records_in(tmp_path: Path) -> None:
    limit = {"BUCKETLOG_SPOOL_MAX_BYTES": "20KB"}
    with Server(tmp_path / "data", env=limit) as server:
        ask = prepare(server, permitted=False)
        refused = ask.until_refused("GET", "/src/a", 100)
        assert (refused.status, refused.code) == (503, "SlowDown")
        assert refused.headers["retry-after"] == "1"
        assert ask("GET", "/plain/a").status == 200
        assert ask("PUT", "/plain/b", b"x").status == 200
        waiting = server.run("deliver", "--wait", "--data", str(server.data), check=False)
        assert waiting.returncode == 1
        assert "src: AccessDenied" in waiting.stderr
        assert ask.until_refused("GET", "/src/a", 100).code == "SlowDown"  # held, they are fewer
        assert healthz(server)[0] == 503
        assert "full" in healthz(server)[1]
        assert metric(server, "bucketlog_spool_full") == 1
        assert metric(server, "bucketlog_batches_held") == 1
        assert metric(server, "bucketlog_records_waiting") == len(ask.done)
        assert metric(server, 'bucketlog_requests_refused_total{reason="spool_full"}') == 2
        status = json.loads(server.run("logging", "status", "src", "--json").stdout)
        status = status[0] if isinstance(status, list) else status
        assert status["waiting"] == len(ask.done)
        assert status["failure"].startswith("AccessDenied")
        server.run("logging", "enable", "src", "logs", "--prefix", "l/", "--grant", "policy")
        found = recorded(server)
        # The call that set the rule again is one of them.
        assert set(ask.done) <= set(found)
        assert len(found) == len(set(found))
        assert ask("GET", "/src/a").status == 200
        assert healthz(server) == (200, "ok\n")
        assert metric(server, "bucketlog_records_lost_total") == 0
        assert server.stop() == 0
        assert "Traceback" not in server.errors()
