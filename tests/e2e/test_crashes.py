"""`kill -9` at random moments under load from several real clients: nothing seen is lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import botocore.exceptions
import pytest
from tests.support.server import (
    ACCESS_KEY,
    SECRET_KEY,
    Server,
    allow_delivery,
    enable_logging,
)

from bucketlog.accesslog import line

BIG = os.urandom(1 << 20)


class Witness:
    """What clients saw answered completely: request ids, and keys put by tools that hide the id."""

    def __init__(self) -> None:
        self.request_ids: list[str] = []
        self.keys: list[str] = []
        self.stopped = threading.Event()

    def loop(self, act: Callable[[], None]) -> None:
        while not self.stopped.is_set():
            act()


def _boto(server: Server, witness: Witness, seed: int) -> Callable[[], None]:
    chance = random.Random(seed)
    broken = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError)

    def act() -> None:
        # A fresh client each time: the port changes when the server comes back.
        s3 = server.client(retries={"max_attempts": 0}, connect_timeout=2, read_timeout=5)
        key = f"boto-{seed}-{chance.randrange(40)}"
        calls = [
            lambda: s3.put_object(Bucket="src", Key=key, Body=os.urandom(chance.randrange(3000))),
            lambda: s3.get_object(Bucket="src", Key="big"),
            lambda: s3.get_object(Bucket="src", Key="small"),
            lambda: s3.head_object(Bucket="src", Key="small"),
            lambda: s3.delete_object(Bucket="src", Key=key),
            lambda: s3.list_objects_v2(Bucket="src"),
            lambda: s3.copy_object(
                Bucket="src", Key=key, CopySource={"Bucket": "src", "Key": "small"}
            ),
        ]
        for _ in range(20):
            if witness.stopped.is_set():
                return
            try:
                answer = chance.choice(calls)()
                if "Body" in answer:
                    answer["Body"].read()
            except broken:
                return
            witness.request_ids.append(answer["ResponseMetadata"]["RequestId"])

    return act


def _curl(server: Server, witness: Witness) -> Callable[[], None]:
    def act() -> None:
        url = server.client().generate_presigned_url(
            "get_object", Params={"Bucket": "src", "Key": "big"}
        )
        done = subprocess.run(
            ["curl", "-sS", "-f", "-m", "10", "-o", os.devnull, "-w", "%{header_json}", url],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            witness.request_ids.append(json.loads(done.stdout)["x-amz-request-id"][0])

    return act


def _tool(server: Server, witness: Witness, file: Path, which: str) -> Callable[[], None]:
    """aws-cli or s3cmd, putting a file under a key of its own."""

    def act() -> None:
        key = f"{which}-{uuid.uuid4().hex}"
        host = server.endpoint.removeprefix("http://")
        command = {
            "aws": ["-m", "awscli", "s3", "cp", str(file), f"s3://src/{key}"],
            "s3cmd": [
                shutil.which("s3cmd", path=str(Path(sys.executable).parent)) or "s3cmd",
                *("--config", os.devnull, "--no-ssl", "--host", host, "--host-bucket", host),
                *("--access_key", ACCESS_KEY, "--secret_key", SECRET_KEY, "--max-retries", "0"),
                *("put", str(file), f"s3://src/{key}"),
            ],
        }[which]
        done = subprocess.run(
            [sys.executable, *command],
            env={
                **os.environ,
                "AWS_ENDPOINT_URL": server.endpoint,
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_MAX_ATTEMPTS": "1",
            },
            capture_output=True,
            check=False,
            timeout=60,
        )
        if done.returncode == 0:
            witness.keys.append(key)

    return act


def _under_load(server: Server, file: Path, kills: int, seed: int) -> Witness:
    witness = Witness()
    acts = [_boto(server, witness, seed + n) for n in range(3)]
    acts += [_curl(server, witness)]
    acts += [_tool(server, witness, file, which) for which in ("aws", "s3cmd")]
    threads = [threading.Thread(target=witness.loop, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    chance = random.Random(seed)
    for _ in range(kills):
        time.sleep(chance.uniform(0.5, 3.0))  # the random moment is the test
        server.kill()
        server.start()
    time.sleep(2)
    witness.stopped.set()
    for thread in threads:
        thread.join()
    return witness


def _crash_test(tmp_path: Path, options: tuple[str, ...], kills: int, seed: int) -> None:
    file = tmp_path / "file.bin"
    file.write_bytes(os.urandom(20_000))
    with Server(tmp_path / "data", *options) as server:
        s3 = server.client()
        for bucket in ("src", "logs"):
            s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket="src", Key="small", Body=b"small")
        s3.put_object(Bucket="src", Key="big", Body=BIG)
        allow_delivery(s3, "logs")
        enable_logging(s3, "src", "logs", "l/")
        witness = _under_load(server, file, kills, seed)
        server.deliver()
        lines = server.lines("logs")
    records = [line.decode(one).record for one in lines]
    assert None not in records
    seen = Counter((r.request_id, r.operation, r.key) for r in records if r is not None)
    assert [key for key, count in seen.items() if count > 1] == []
    recorded = {r.request_id for r in records if r is not None}
    assert [i for i in witness.request_ids if i not in recorded] == []
    put = {r.key for r in records if r is not None and r.operation == "REST.PUT.OBJECT"}
    assert [key for key in witness.keys if key not in put] == []
    assert len(witness.request_ids) > 50 * kills / 3
    assert witness.keys


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--deliver-every", "1s"), id="one-process"),
        pytest.param(("--deliver-every", "1s", "--workers", "2"), id="two-workers"),
    ],
)
def test_no_answered_request_is_missing_and_none_is_recorded_twice(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    _crash_test(tmp_path, options, kills=6, seed=20261122)
