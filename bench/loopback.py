"""Many small objects from an S3 endpoint on loopback: reading them, against fetching them barely.

The endpoint is our own server, pinned to one core. The bare client has every GET signed before the
clock starts, keeps its connections busy and looks at nothing but the length of the answers, so its
rate is the endpoint's own. Reading lists, signs, fetches, parses and counts on the other core.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.load import Load, cpu_s, head
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server

from bucketlog.accesslog import generate

SIZE = 20 << 10
_BUCKET = "logs"

# What reads, in a process of its own: prints seconds, CPU seconds, objects, rows.
_READ = """
import json, sys, time
import bucketlog
began = time.perf_counter()
with bucketlog.scan("s3://logs/2026/", endpoint_url=sys.argv[1], region="us-east-1") as scan:
    rows = sum(batch.num_rows for batch in scan)
wall = time.perf_counter() - began
account = scan.account
assert account.adds_up and not account.troubles, account
told = {"wall_s": wall, "cpu_s": time.process_time(), "objects": account.objects, "rows": rows}
print(json.dumps(told))
"""


@contextmanager
def _endpoint() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder) / "data") as server:
        assert server.process is not None
        for task in Path(f"/proc/{server.process.pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {0})
        yield server


def _fill(server: Server, objects: int) -> list[str]:
    """That many objects of about `SIZE` bytes; their keys."""
    bodies = []
    per_object = int(SIZE / generate.average_bytes(era=27))
    for number in range(16):
        bodies.append(b"".join(generate.lines(per_object, number, era=27)))
    s3 = server.client()
    s3.create_bucket(Bucket=_BUCKET)
    keys = [f"2026/{number // 1000:05}/{number:08}" for number in range(objects)]

    def put(number: int) -> None:
        s3.put_object(Bucket=_BUCKET, Key=keys[number], Body=bodies[number % 16])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(objects)))
    return keys


def _signed(endpoint: str, key: str) -> bytes:
    request = AWSRequest("GET", f"{endpoint}/{_BUCKET}/{key}")
    S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1").add_auth(request)
    headers = {"Host": endpoint.removeprefix("http://"), **dict(request.headers.items())}
    return head("GET", f"/{_BUCKET}/{key}", headers)


def _bare(server: Server, keys: list[str]) -> float:
    """Seconds for all the GETs by the bare client, in rounds of sixteen sizes alike."""
    groups = [keys[number::16] for number in range(16)]  # answers of one length each
    signed = [[_signed(server.endpoint, key) for key in group] for group in groups]
    spent = 0.0
    with Load(server.endpoint) as load:
        for group in signed:
            began = time.perf_counter()
            load.run_all(group)
            spent += time.perf_counter() - began
    return spent


def measure(objects: int) -> dict[str, Any]:
    """Rates of the endpoint and of reading, and what the server's CPU says of both."""
    os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {0} or {0})
    with _endpoint() as server:
        assert server.process is not None
        keys = _fill(server, objects)
        used = cpu_s(server.process.pid)
        bare_s = _bare(server, keys)
        bare_cpu_s = cpu_s(server.process.pid) - used
        env = {
            **os.environ,
            **{"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY},
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        done = subprocess.run(
            [sys.executable, "-c", _READ, server.endpoint], env=env, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        told: dict[str, Any] = json.loads(done.stdout)
        read_cpu_s = cpu_s(server.process.pid) - used - bare_cpu_s
    assert told["objects"] == objects
    return {
        "objects": objects,
        "object_bytes": SIZE,
        "bare_per_s": objects / bare_s,
        "read_per_s": objects / told["wall_s"],
        "ratio": bare_s / told["wall_s"],
        "reader_cpu_us": told["cpu_s"] / objects * 1e6,
        "server_cpu_us_bare": bare_cpu_s / objects * 1e6,
        "server_cpu_us_read": read_cpu_s / objects * 1e6,
        "server_busy_while_read": read_cpu_s / told["wall_s"],
        "rows": told["rows"],
    }
