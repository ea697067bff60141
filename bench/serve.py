"""What serving costs: CPU per request, logging on against off, and streaming.

The server is pinned to one core and this client to another; the figure is CPU time of the server
process, so other load on the machine disturbs it less than a rate would be. Logged and unlogged
rounds take turns. Run by `make bench`; results go to docs/performance.md by hand, with date and
machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.load import Load, cpu_s, head
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.support.log import flush
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server, allow_delivery, enable_logging

# What boto3 sends with a GET, so that parsing and signing cost what they really cost.
BOTO_HEADERS = {
    "User-Agent": "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.1 md/arch#x86_64 "
    "lang/python#3.11.7 md/pyimpl#CPython m/b,Z,D cfg/retry-mode#legacy Botocore/1.44.5",
    "Accept-Encoding": "identity",
    "amz-sdk-invocation-id": "b2a1b6a3-6a53-4f1f-9d0b-8ea5f7f8f6f1",
    "amz-sdk-request": "attempt=1",
}


def signed(endpoint: str, target: str) -> bytes:
    """A GET of `target` as boto3 sends it, signed now."""
    request = AWSRequest("GET", endpoint + target, headers=dict(BOTO_HEADERS))
    S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(request)
    headers = {"Host": endpoint.removeprefix("http://"), **dict(request.headers.items())}
    return head("GET", target, headers)


def rounds(
    server: Server, requests: dict[str, bytes], count: int, repeats: int
) -> dict[str, list[float]]:
    """CPU microseconds per request for each of the requests, `repeats` rounds taking turns.

    A round ends when what it recorded is delivered, so that no round pays for another.
    """
    assert server.process is not None
    pid = server.process.pid
    found: dict[str, list[float]] = {name: [] for name in requests}
    with Load(server.endpoint) as load:
        for request in requests.values():  # warm up
            load.run(request, count // 5)
        for _ in range(repeats):
            for name, request in requests.items():
                before = cpu_s(pid)
                load.run(request, count)
                flush(server, "logged")
                found[name].append((cpu_s(pid) - before) / count * 1e6)
    return found


def _pin(pid: int, core: int) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=12_000)
    parser.add_argument("--repeats", type=int, default=31)
    given = parser.parse_args()
    tell: Callable[[str], None] = print
    tell(f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {_machine()}")
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "data") as server:
        assert server.process is not None
        os.sched_setaffinity(0, {1})
        _pin(server.process.pid, 0)
        s3 = server.client()
        for bucket in ("logged", "plain", "logs"):
            s3.create_bucket(Bucket=bucket)
        allow_delivery(s3, "logs")
        enable_logging(s3, "logged", "logs")
        for bucket in ("logged", "plain"):
            s3.put_object(Bucket=bucket, Key="small", Body=b"x" * 1024)
            s3.put_object(Bucket=bucket, Key="big", Body=os.urandom(1 << 20))
        small = {name: signed(server.endpoint, f"/{name}/small") for name in ("plain", "logged")}
        found = rounds(server, small, given.count, given.repeats)
        plain, logged = (statistics.median(found[name]) for name in ("plain", "logged"))
        tell(f"GET 1 KiB, signed, no rule   {plain:7.1f} us CPU a request")
        tell(f"GET 1 KiB, signed, logged    {logged:7.1f} us CPU a request")
        # Each logged round against the plain one beside it: what else runs on the machine, and
        # the clock of its cores, change slower than that.
        pairs = list(zip(found["plain"], found["logged"], strict=True))
        extra = statistics.median(after - before for before, after in pairs)
        share = statistics.median(1 - before / after for before, after in pairs)
        tell(
            f"of that, logging is          {extra:7.1f} us, {share:.1%}, "
            f"median of {len(pairs)} pairs"
        )
        big = {name: signed(server.endpoint, f"/{name}/big") for name in ("plain", "logged")}
        found = rounds(server, big, given.count // 24, 9)
        for name in big:
            us = statistics.median(found[name])
            tell(f"GET 1 MiB, signed, {name:<9}{us:9.1f} us CPU, {1.048576e3 / us:.2f} GB/s a core")


def _machine() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{line.split(':')[1].strip()}, {os.cpu_count()} cores"
    return platform.machine()


if __name__ == "__main__":
    main()
