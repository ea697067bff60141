"""How long the console's pages take on a bucket of 100,000 objects and a log of 100,000 records.

    python -m bench.console [FOLDER]

Starts `bucketlog serve` on a data folder (filled on the first run, which takes minutes; kept if a
folder is named), logs in, and asks for each page 20 times in turn over one connection. Prints the
median and the slowest, in milliseconds, of the whole answer.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import obstore
from obstore.store import S3Store
from tests.support.browser import link
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server

from bucketlog.accesslog import generate

OBJECTS = RECORDS = 100_000
LOG = "app/2026-11-22-19-40-14-0123456789ABCDEF"
ROUNDS = 20


def fill(server: Server) -> None:
    """The bucket `many`, a tenth of it in folders; the bucket `logs` with one log object."""
    s3 = server.client()
    s3.create_bucket(Bucket="many")
    store = S3Store(
        "many",
        endpoint=server.endpoint,
        region="us-east-1",
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        client_options={"allow_http": True},
    )

    def put(number: int) -> None:
        folder = f"folder-{number % 1000:04}/" if number % 10 == 0 else ""
        obstore.put(store, f"{folder}object-{number:06}.txt", b"x")

    with ThreadPoolExecutor(16) as pool:
        for _ in pool.map(put, range(OBJECTS)):
            pass
    s3.create_bucket(Bucket="logs")
    s3.put_object(Bucket="logs", Key=LOG, Body=b"".join(generate.lines(RECORDS)))


def measure(server: Server) -> None:
    """Prints a line a page."""
    records = f"/buckets/logs/records?key={LOG}"
    with httpx2.Client(base_url=server.console, timeout=120) as client:
        token = link(server).partition("#")[2]
        client.post("/login", data={"token": token}, headers={"Origin": server.console})
        last = _last_page(client)
        began = time.perf_counter()
        client.get(records, headers={"HX-Request": "true"})
        print(f"{'the log opened, once':34}{(time.perf_counter() - began) * 1000:8.0f}")
        for name, path in (
            ("objects, first page", "/buckets/many"),
            ("objects, page 100", last),
            ("objects, in a folder", "/buckets/many?prefix=folder-0500/"),
            ("objects, found by prefix", "/buckets/many?q=object-0987"),
            ("objects, all versions", "/buckets/many?versions=1"),
            ("object", "/buckets/many/objects/details?key=object-000001.txt"),
            ("records, first page", records),
            ("records, page 500", f"{records}&page=500"),
            ("records, slowest first", f"{records}&order=slowest"),
            ("records, one operation", f"{records}&operation=REST.PUT.OBJECT&status=2xx"),
            ("record 50,000", f"{records}&line=50000"),
        ):
            _report(name, [_time(client, path) for _ in range(ROUNDS)])
        texts = [f"{records}&text=7{number:02}" for number in range(ROUNDS)]
        _report("records, text never asked before", [_time(client, path) for path in texts])


def _last_page(client: httpx2.Client) -> str:
    """The address of page 100, as somebody comes to it."""
    path = "/buckets/many"
    for _ in range(99):
        text = client.get(path, headers={"HX-Request": "true"}).text
        path = text.partition("Next")[0].rpartition('href="')[2].partition('"')[0]
        path = path.replace("&amp;", "&")
    return path


def _time(client: httpx2.Client, path: str) -> float:
    began = time.perf_counter()
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    return (time.perf_counter() - began) * 1000


def _report(name: str, times: list[float]) -> None:
    print(f"{name:34}{statistics.median(times):8.0f}{max(times):8.0f}", flush=True)


def main() -> None:
    """Fills if need be, measures, stops."""
    with tempfile.TemporaryDirectory() as temporary:
        data = Path(sys.argv[1] if len(sys.argv) > 1 else temporary) / "data"
        is_new = not data.exists()
        with Server(data, console=True, env={"BUCKETLOG_STORE_SYNC": "false"}) as server:
            if is_new:
                fill(server)
            measure(server)


if __name__ == "__main__":
    main()
