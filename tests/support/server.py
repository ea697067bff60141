"""The real server in a process of its own, on free ports, for tests that need the whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ACCESS_KEY = "AKIATESTROOT00000001"
SECRET_KEY = "test/secret+key/0123456789abcdefghijklmn"


class Server:
    """`bucketlog serve` over a data folder; may be killed and started again."""

    def __init__(
        self,
        data: Path,
        *options: str,
        env: dict[str, str] | None = None,
        log: Path | None = None,
        console: bool = False,
    ) -> None:
        """`console`: with the web pages, which are a process more; /metrics is there anyway."""
        self.data = data
        self.log = log or data / "stderr.log"
        self.options = options
        self.env = {
            **os.environ,
            "BUCKETLOG_ROOT_ACCESS_KEY": ACCESS_KEY,
            "BUCKETLOG_ROOT_SECRET_KEY": SECRET_KEY,
            "BUCKETLOG_CONSOLE_ENABLED": "true" if console else "false",
            **(env or {}),
        }
        self.has_console = console
        self.process: subprocess.Popen[bytes] | None = None
        self.endpoint = ""
        self.console = ""

    def start(self) -> Server:
        """Starts it and waits until it serves."""
        about = self.data / "run" / "server.json"
        about.unlink(missing_ok=True)
        self.data.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as errors:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "bucketlog", "serve", "--data", str(self.data)),
                    *("--listen", "127.0.0.1:0", "--console", "127.0.0.1:0", *self.options),
                ],
                env=self.env,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        deadline = time.monotonic() + 30
        while not about.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("the server did not start:\n" + self.errors())
            time.sleep(0.02)
        told = json.loads(about.read_text())
        self.endpoint, self.console = told["endpoint"], told["console"]
        while self.has_console and not self._console_answers():
            assert time.monotonic() < deadline, "the console did not start:\n" + self.errors()
            time.sleep(0.05)
        return self

    def _console_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.console}/login") as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError:
            return False

    def errors(self) -> str:
        """What it wrote on stderr so far, over all its lives."""
        return self.log.read_text()

    def stop(self, sig: int = signal.SIGTERM) -> int:
        """Ends it and waits; SIGKILL is the crash."""
        assert self.process is not None
        self.process.send_signal(sig)
        code = self.process.wait(30)
        self.process = None
        return code

    def kill(self) -> None:
        """`kill -9`, workers included."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids = [int(pid) for pid in children.read_text().split()]
        self.stop(signal.SIGKILL)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.stop()

    def client(
        self, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY, **config: Any
    ) -> Any:
        """A boto3 S3 client that signs as root unless other keys are given."""
        region = config.pop("region", "us-east-1")
        options: dict[str, Any] = {
            "retries": {"max_attempts": 1},
            "s3": {"addressing_style": "path"},
        }
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(**{**options, **config}),
        )

    def run(
        self, *arguments: str, check: bool = True, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """A `bucketlog` command with this server's endpoint and keys in its environment."""
        return subprocess.run(
            [sys.executable, "-m", "bucketlog", *arguments],
            env={
                **os.environ,
                "AWS_ENDPOINT_URL": self.endpoint,
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                "AWS_DEFAULT_REGION": "us-east-1",
                "NO_COLOR": "1",
                **env,
            },
            text=True,
            capture_output=True,
            check=check,
            timeout=60,
        )

    def deliver(self) -> None:
        """Delivers everything that waits, now."""
        self.run("deliver", "--wait", "--data", str(self.data))

    def lines(self, target: str, prefix: str = "") -> list[bytes]:
        """All records in a target bucket, in the order of the log objects' names."""
        s3 = self.client()
        found: list[bytes] = []
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=target, Prefix=prefix):
            for entry in page.get("Contents", []):
                body = s3.get_object(Bucket=target, Key=entry["Key"])["Body"].read()
                found += body.splitlines(keepends=True)
        return found

    def metrics(self) -> str:
        """The exposition text of /metrics."""
        with urllib.request.urlopen(f"{self.console}/metrics") as answer:
            text: str = answer.read().decode()
        return text


def allow_delivery(s3: Any, target: str, prefix: str = "") -> None:
    """Permits log delivery into a bucket by policy."""
    s3.put_bucket_policy(
        Bucket=target,
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "logging.s3.amazonaws.com"},
                        "Action": "s3:PutObject",
                        "Resource": f"arn:aws:s3:::{target}/{prefix}*",
                    }
                ],
            }
        ),
    )


def enable_logging(s3: Any, source: str, target: str, prefix: str = "", **more: Any) -> None:
    """Switches logging on by the plain S3 call."""
    s3.put_bucket_logging(
        Bucket=source,
        BucketLoggingStatus={
            "LoggingEnabled": {"TargetBucket": target, "TargetPrefix": prefix, **more}
        },
    )
