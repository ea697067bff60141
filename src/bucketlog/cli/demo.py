"""`bucketlog demo`: the whole story of server access logging, told with real requests.

A real server in a process of its own, real sockets, boto3 as the client, and the same commands a
person would type. Each step checks that what it tells really happened; if not, the demo stops
with a Problem and exit code 1.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from bucketlog.cli.picture import picture
from bucketlog.problems import Problem

REGION = "us-east-1"
PHOTOS, PHOTO_LOGS = "photos", "photos-logs"
REPORTS, REPORT_LOGS = "reports", "reports-logs"
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"


class Stage:
    """What the steps share: a running server, a client, and a voice."""

    def __init__(self, folder: Path, endpoint: str, keys: tuple[str, str]) -> None:
        from rich.console import Console

        self.folder = folder
        self.endpoint = endpoint
        self.access_key, self.secret_key = keys
        self.console = Console(highlight=False, soft_wrap=True)
        self.s3 = _client(endpoint, *keys)
        self.steps = 0

    def step(self, title: str) -> None:
        """A heading."""
        self.steps += 1
        self.console.print(f"\n[bold]{self.steps}. {title}[/bold]")

    def say(self, text: str) -> None:
        """A sentence under the heading."""
        self.console.print(f"   {text}", markup=False)

    def expect(self, holds: object, what: str) -> None:
        """Goes on only if what was just told is true."""
        if not holds:
            raise Problem(
                f"Step {self.steps} did not happen as told: {what}",
                f"The server's own log is in {self.folder / 'stderr.log'}; this is a bug.",
            )

    def command(self, *arguments: str) -> str:
        """Runs a bucketlog command as the person would, shows it, and returns what it printed."""
        from rich.text import Text

        self.console.print(f"   [dim]$ bucketlog {' '.join(arguments)}[/dim]")
        colours = {"FORCE_COLOR": "1"} if self.console.color_system else {"NO_COLOR": "1"}
        text = self.quietly(*arguments, **colours)
        for line in text.rstrip().splitlines():
            self.console.print(Text.from_ansi(f"   {line}"))
        return text

    def request(self, what: str, status: int, note: str = "") -> None:
        """Tells of a request that was made and checked."""
        colour = "green" if status < 300 else "yellow"
        self.console.print(f"   {what:<42}[{colour}]{status}[/{colour}] {note}")

    def quietly(self, *arguments: str, **environment: str) -> str:
        """Runs a bucketlog command without showing it; exit code 0 is expected."""
        done = subprocess.run(
            [sys.executable, "-m", "bucketlog", *arguments],
            env={
                **os.environ,
                "AWS_ENDPOINT_URL": self.endpoint,
                "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "AWS_DEFAULT_REGION": REGION,
                "COLUMNS": str(min(self.console.width - 3, 117)),
                **(environment or {"NO_COLOR": "1"}),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.expect(done.returncode == 0, f"`bucketlog {' '.join(arguments)}`: {done.stderr}")
        return done.stdout


def make_buckets(stage: Stage) -> None:
    """Two buckets and an object; logging is off."""
    stage.step("A source bucket, a target bucket, an image")
    stage.s3.create_bucket(Bucket=PHOTOS)
    stage.s3.create_bucket(Bucket=PHOTO_LOGS, ObjectOwnership="BucketOwnerPreferred")
    image = picture()
    stage.s3.put_object(Bucket=PHOTOS, Key="cat.png", Body=image, ContentType="image/png")
    stage.say(f"made {PHOTOS} and {PHOTO_LOGS}, stored cat.png ({len(image):,} bytes)")
    off = stage.s3.get_bucket_logging(Bucket=PHOTOS)
    stage.expect("LoggingEnabled" not in off, "logging of a new bucket is off")
    stage.say("GetBucketLogging answers an empty BucketLoggingStatus: logging is off by default")


def enable_without_permission(stage: Stage) -> None:
    """The API accepts a rule whose target forbids delivery; status says what is missing."""
    stage.step("Logging is switched on, but the target doesn't allow delivery yet")
    stage.s3.put_bucket_logging(
        Bucket=PHOTOS,
        BucketLoggingStatus={
            "LoggingEnabled": {"TargetBucket": PHOTO_LOGS, "TargetPrefix": "photos/"}
        },
    )
    stage.say("PutBucketLogging answers 200, as Amazon's does; only the status tells:")
    stage.s3.head_object(Bucket=PHOTOS, Key="cat.png")
    stage.command("logging", "status", PHOTOS)
    found = json.loads(stage.quietly("logging", "status", PHOTOS, "--json"))
    stage.expect(_one(found)["permitted"] is False, "status says that delivery isn't permitted")


def grant_by_acl(stage: Stage) -> None:
    """What Amazon's console does by itself and API users must do."""
    stage.step("The log-delivery group is granted WRITE and READ_ACP on the target")
    acl = stage.s3.get_bucket_acl(Bucket=PHOTO_LOGS)
    group = {"Type": "Group", "URI": LOG_DELIVERY}
    acl["Grants"] += [{"Grantee": group, "Permission": p} for p in ("WRITE", "READ_ACP")]
    stage.s3.put_bucket_acl(
        Bucket=PHOTO_LOGS,
        AccessControlPolicy={"Grants": acl["Grants"], "Owner": acl["Owner"]},
    )
    stage.command("logging", "status", PHOTOS)
    found = json.loads(stage.quietly("logging", "status", PHOTOS, "--json"))
    stage.expect(_one(found)["permitted"] is True, "status says that delivery is permitted")


def make_requests(stage: Stage) -> None:
    """Signed, presigned, anonymous; found, missing, copied, deleted."""
    s3 = stage.s3
    stage.step("Requests of every kind")
    body = s3.get_object(Bucket=PHOTOS, Key="cat.png")["Body"].read()
    stage.expect(body == picture(), "the image comes back as it was stored")
    stage.request("GET cat.png, signed", 200)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": PHOTOS, "Key": "cat.png"})
    stage.expect(_status(url) == 200, "a presigned URL works")
    stage.request("GET cat.png, by presigned URL", 200)
    status = _status(f"{stage.endpoint}/{PHOTOS}/cat.png?x-campaign=spring")
    stage.expect(status == 403, "an anonymous request is refused")
    stage.request("GET cat.png, anonymous", status, "AccessDenied")
    stage.expect(
        _status(
            s3.generate_presigned_url("get_object", Params={"Bucket": PHOTOS, "Key": "dog.png"})
        )
        == 404,
        "a missing key is not found",
    )
    stage.request("GET dog.png, which is not there", 404, "NoSuchKey")
    s3.copy_object(Bucket=PHOTOS, Key="copy.png", CopySource={"Bucket": PHOTOS, "Key": "cat.png"})
    stage.request("COPY cat.png to copy.png", 200, "(two records)")
    gone = s3.delete_objects(
        Bucket=PHOTOS, Delete={"Objects": [{"Key": "copy.png"}, {"Key": "never-was.png"}]}
    )
    stage.expect(len(gone["Deleted"]) == 2, "both keys are deleted")
    stage.request("DELETE two keys in one batch", 200, "(one record, and one for each key)")


def deliver_photos(stage: Stage) -> None:
    """Delivery on demand, the log objects, one record in plain words."""
    stage.step("The records are delivered")
    stage.command("deliver", "--wait", "--data", str(stage.folder))
    lines = _records(stage, PHOTO_LOGS, show=True)
    _expect_operations(
        stage,
        lines,
        {
            "REST.HEAD.OBJECT": 1,
            "REST.GET.OBJECT": 4,
            "REST.COPY.OBJECT": 1,
            "REST.COPY.OBJECT_GET": 1,
            "REST.POST.MULTI_OBJECT_DELETE": 1,
            "BATCH.DELETE.OBJECT": 2,
        },
    )
    stage.step("One record, field by field")
    anonymous = [line for line in lines if "x-campaign=spring" in line]
    stage.expect(len(anonymous) == 1, "the anonymous request has one record")
    path = stage.folder / "record.txt"
    path.write_text(anonymous[0] + "\n")
    stage.say("the anonymous request, as it was delivered:")
    stage.say(anonymous[0])
    stage.say("")
    told = stage.command("explain", str(path))
    stage.expect("AccessDenied" in told, "the record is explained")


def grant_by_policy(stage: Stage) -> None:
    """The same again with ACLs disabled, as new buckets are since April 2023."""
    stage.step("The second way: a bucket policy, for buckets without ACLs (the default today)")
    stage.s3.create_bucket(Bucket=REPORTS)
    stage.s3.create_bucket(Bucket=REPORT_LOGS)
    stage.command("logging", "enable", REPORTS, REPORT_LOGS, "--prefix", "r/", "--grant", "policy")
    policy = json.loads(stage.s3.get_bucket_policy(Bucket=REPORT_LOGS)["Policy"])
    service = policy["Statement"][0]["Principal"]["Service"]
    stage.expect(service == "logging.s3.amazonaws.com", "the policy names the service")
    for line in json.dumps(policy["Statement"][0], indent=2).splitlines():
        stage.say(f"  {line}")
    stage.s3.put_object(Bucket=REPORTS, Key="2026/q4.csv", Body=b"region,sales\nnorth,7\n")
    stage.command("deliver", "--wait", "--data", str(stage.folder))
    lines = _records(stage, REPORT_LOGS, show=True)
    _expect_operations(stage, lines, {"REST.PUT.OBJECT": 1})


STORY: tuple[Callable[[Stage], None], ...] = (
    make_buckets,
    enable_without_permission,
    grant_by_acl,
    make_requests,
    deliver_photos,
    grant_by_policy,
)


@click.command()
@click.option("--keep", is_flag=True, help="Leave the server running, and say how to use it.")
def demo(keep: bool) -> None:
    """Tell the whole story of S3 server access logging, with real requests.

    A temporary store is served on a free port of this machine; nothing is left behind unless
    --keep is given.

    Example: bucketlog demo
    """
    started = time.monotonic()
    with _server(keep) as stage:
        stage.console.print("[bold]bucketlog demo[/bold]: S3 server access logging, start to end")
        stage.say(f"serving S3 on {stage.endpoint}, store in {stage.folder}")
        for tell in STORY:
            tell(stage)
        stage.console.print(f"\n[bold]Done[/bold] in {time.monotonic() - started:.1f} s.", end=" ")
        stage.console.print("Everything told above was checked.")
        if keep:
            _invite(stage)


@contextlib.contextmanager
def _server(keep: bool) -> Iterator[Stage]:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left behind then, too
    folder = Path(tempfile.mkdtemp(prefix="bucketlog-demo-"))
    keys = ("AKIA" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30))
    with (folder / "stderr.log").open("wb") as errors:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "bucketlog", "serve", "--data", str(folder)),
                *("--listen", "127.0.0.1:0", "--console", "127.0.0.1:0", "--region", REGION),
            ],
            env={
                **os.environ,
                "BUCKETLOG_ROOT_ACCESS_KEY": keys[0],
                "BUCKETLOG_ROOT_SECRET_KEY": keys[1],
                "BUCKETLOG_CONSOLE_ENABLED": str(keep).lower(),
            },
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        yield Stage(folder, _endpoint(folder, process), keys)
        if keep:
            process.wait()
    except KeyboardInterrupt:
        if not keep:
            raise
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _endpoint(folder: Path, process: subprocess.Popen[bytes]) -> str:
    about = folder / "run" / "server.json"
    deadline = time.monotonic() + 30
    while not about.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Problem(
                "The server did not start: " + (folder / "stderr.log").read_text()[-2000:]
            )
        time.sleep(0.02)
    endpoint: str = json.loads(about.read_text())["endpoint"]
    return endpoint


def _client(endpoint: str, access_key: str, secret_key: str) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise Problem(
            "The demo speaks to the server with boto3, which is not installed.",
            "pip install 'bucketlog[demo]'",
        ) from error
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )


def _status(url: str) -> int:
    request = urllib.request.Request(url, headers={"User-Agent": "bucketlog-demo/1.0"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            answer.read()
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        error.read()
        return error.code


def _one(found: Any) -> Any:
    return found[0] if isinstance(found, list) else found


def _records(stage: Stage, target: str, *, show: bool) -> list[str]:
    lines: list[str] = []
    for entry in stage.s3.list_objects_v2(Bucket=target).get("Contents", []):
        text = stage.s3.get_object(Bucket=target, Key=entry["Key"])["Body"].read().decode()
        lines += text.splitlines()
        if show:
            stage.say(
                f"{target}/{entry['Key']}  {entry['Size']:,} bytes, {text.count(chr(10))} records"
            )
    return lines


def _expect_operations(stage: Stage, lines: list[str], expected: dict[str, int]) -> None:
    found: dict[str, int] = {}
    for line in lines:
        operation = line.split("] ", 1)[1].split(" ")[3]
        found[operation] = found.get(operation, 0) + 1
    for operation, count in expected.items():
        stage.expect(
            found.get(operation) == count,
            f"{count} x {operation} in the log; there are {found.get(operation, 0)}",
        )


def _invite(stage: Stage) -> None:
    link = json.loads((stage.folder / "run" / "server.json").read_text()).get("link")
    stage.console.print("\nThe server keeps running; Ctrl-C ends it.")
    if link is not None:
        stage.console.print(f"Its console, in a browser: {link}", markup=False)
    stage.console.print("In another terminal:\n")
    for line in (
        f"export AWS_ENDPOINT_URL={stage.endpoint} AWS_DEFAULT_REGION={REGION}",
        f"export AWS_ACCESS_KEY_ID={stage.access_key} AWS_SECRET_ACCESS_KEY={stage.secret_key}",
        f"aws s3 ls s3://{PHOTOS}",
        f"aws s3 cp README.md s3://{PHOTOS}/",
        f"{Path(sys.executable).parent / 'bucketlog'} deliver --wait --data {stage.folder}",
        f"aws s3 ls --recursive s3://{PHOTO_LOGS}",
    ):
        stage.console.print(f"  {line}", markup=False)
