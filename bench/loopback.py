"""Many small objects from an S3 endpoint on loopback: reading them, against fetching them barely.

The endpoint is our own server, pinned to one core. The bare client has every GET signed before the
clock starts, keeps its connections busy and looks at nothing but the length of the answers, so its
rate is the endpoint's own. Reading lists, signs, fetches, parses and counts on the other core.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.load import Load, cpu_s, head
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from obstore.store import S3Store
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server

from bucketlog.accesslog import generate

SIZE = 20 << 10
_BUCKET = "logs"

# What reads, in a process of its own; one object first, as loading the clients takes a second.
_READ = """
import json, sys, time
import bucketlog
def read(prefix):
    source = f"s3://logs/{prefix}/"
    with bucketlog.scan(source, endpoint_url=sys.argv[1], region="us-east-1") as scan:
        rows = sum(batch.num_rows for batch in scan)
    assert scan.account.adds_up and not scan.account.troubles, scan.account
    return scan.account.objects, rows
read("first")
wall, cpu = time.perf_counter(), time.process_time()
objects, rows = read("2026")
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({"wall_s": wall, "cpu_s": cpu, "objects": objects, "rows": rows}))
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
    per_object = int(SIZE / generate.average_bytes(era=27))
    bodies = [b"".join(generate.lines(per_object, seed, era=27)) for seed in range(16)]
    server.client().create_bucket(Bucket=_BUCKET)
    store = S3Store(
        _BUCKET,
        endpoint=server.endpoint,
        region="us-east-1",
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    keys = [f"2026/{number // 1000:05}/{number:08}" for number in range(objects)]

    async def fill() -> None:
        await store.put_async("first/0", bodies[0])
        for first in range(0, objects, 64):
            some = range(first, min(first + 64, objects))
            await asyncio.gather(*(store.put_async(keys[at], bodies[at % 16]) for at in some))

    asyncio.run(fill())
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


def _read(server: Server, objects: int) -> dict[str, Any]:
    """Seconds, CPU seconds and rows of reading them all."""
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
    assert told["objects"] == objects
    return told


def measure(objects: int, rounds: int = 3) -> dict[str, Any]:
    """Rates of the endpoint and of reading, taking turns, the best of each; CPU of both."""
    os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {0} or {0})
    bare, read, cpu, server_bare, server_read = [], [], [], [], []
    with _endpoint() as server:
        assert server.process is not None
        pid = server.process.pid
        keys = _fill(server, objects)
        for _ in range(rounds):
            used = cpu_s(pid)
            bare.append(_bare(server, keys))
            server_bare.append(cpu_s(pid) - used)
            used = cpu_s(pid)
            told = _read(server, objects)
            server_read.append(cpu_s(pid) - used)
            read.append(told["wall_s"])
            cpu.append(told["cpu_s"])
    return {
        "objects": objects,
        "object_bytes": SIZE,
        "rows": told["rows"],
        "bare_per_s": objects / min(bare),
        "read_per_s": objects / min(read),
        "ratio": min(bare) / min(read),
        "reader_cpu_us": min(cpu) / objects * 1e6,
        "server_cpu_us_bare": min(server_bare) / objects * 1e6,
        "server_cpu_us_read": min(server_read) / objects * 1e6,
    }
