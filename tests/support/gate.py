"""A pipeline between a Wire in memory, a scripted Handler and a real spool.

`Gate.send` passes one request through. `Gate.after_a_crash` tells, at any moment, which records
would be delivered if the process died then; `Gate.frames` which frames the spool's files hold.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import parties
from tests.support.faulty_disk import FaultyDisk
from tests.support.scripted import Answer, Scripted, Shelf
from tests.support.wire import SECOND, MemoryWire

from bucketlog.accesslog import line
from bucketlog.accesslog.record import LogRecord
from bucketlog.accesslog.targets import Target
from bucketlog.delivery import batches
from bucketlog.disk import Disk, RealDisk
from bucketlog.gateway.metrics import Metrics
from bucketlog.gateway.pipeline import Courier, Pipeline
from bucketlog.gateway.recorder import Recorder
from bucketlog.s3 import sigv4
from bucketlog.s3.model import Bucket, Credential, Reply, Request
from bucketlog.spool import frame
from bucketlog.spool.folder import claim
from bucketlog.spool.writer import Spool, SpoolSettings

ALICE = Credential("AKIAALICE00000000001", "alice/secret", parties.ALICE)
BOB = Credential("AKIABOB0000000000001", "bob/secret", parties.BOB)
KEYS = {credential.access_key: credential for credential in (ALICE, BOB)}
HOST = "s3.test:9000"
NOW = 1_700_000_000 * SECOND


class Watched(MemoryWire):
    """A wire that calls `before_send` when the reply is handed to it."""

    def __init__(
        self, *pieces: bytes, before_send: Callable[[], object] = lambda: None, **options: Any
    ) -> None:
        super().__init__(*pieces, **options)
        self.before_send = before_send

    async def send(
        self, reply: Reply, *, head: bool = False, extra: Mapping[str, str] | None = None
    ) -> None:
        self.before_send()
        await super().send(reply, head=head, extra=extra)


@dataclass
class Gate:
    """Buckets `box` and `other` of Alice are logged to `logs`, `plain` is not logged."""

    root: Path
    answers: tuple[Answer, ...] = ()
    settings: SpoolSettings = field(default_factory=SpoolSettings)
    drop_when_full: bool = False
    disk: Disk | None = None
    sleep: Callable[[float], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        self.faults = FaultyDisk(self.root / "shadow")
        self.spool = Spool.open(
            claim(self.disk or self.faults, self.root / "spool", lambda: "0123456789abcdef"),
            self.settings,
            lambda: NOW,
        )
        self.rules: dict[str, Target] = {
            "box": Target("logs", "box/"),
            "other": Target("logs", "other/"),
        }
        self.asked_rules: list[str] = []
        self.handler = Scripted(*self.answers)
        self.catalog = Shelf(parties.bucket(name) for name in ("box", "other", "plain", "logs"))
        self.metrics = Metrics()
        self.pauses: list[float] = []
        self.copies = 0
        self.pipeline = Pipeline(
            handler=self.handler,
            catalog=self.catalog,
            find_key=KEYS.get,
            recorder=Recorder(
                self.spool,
                self._rule,
                self.metrics,
                drop_when_full=self.drop_when_full,
                sleep=self.sleep or self._pause,
            ),
            metrics=self.metrics,
            run=asyncio.to_thread,
            regions=("us-east-1", "eu-west-1"),
        )

    def _rule(self, bucket: str) -> Target | None:
        self.asked_rules.append(bucket)
        return self.rules.get(bucket)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def put_bucket(self, bucket: Bucket) -> None:
        """Replaces a bucket in the catalog."""
        self.catalog.buckets[bucket.name] = bucket

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        signer: Credential | None = ALICE,
        region: str = "us-east-1",
    ) -> Request:
        """A request, signed unless `signer` is None."""
        request = Request(method, target, "HTTP/1.1", {"host": HOST, **(headers or {})})
        if signer is not None:
            request.headers |= sigv4.sign(
                request,
                access_key=signer.access_key,
                secret_key=signer.secret_key,
                region=region,
                now=NOW,
            )
        return request

    async def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        *,
        wire: MemoryWire | None = None,
        courier: Courier | None = None,
        **options: Any,
    ) -> MemoryWire:
        """Passes a request through; the wire it was answered on."""
        wire = MemoryWire() if wire is None else wire
        request = self.request(method, target, headers, **options)
        await self.pipeline(request, wire, courier)  # type: ignore[arg-type]
        return wire

    # What the spool holds

    def frames(self) -> list[frame.Frame]:
        """The frames in the spool's files, as they are on disk now."""
        found = []
        for path in sorted((self.root / "spool").glob("*/*.open")):
            data = path.read_bytes()
            scan = frame.scan(data, frame.seed_of(data))
            assert not scan.damage
            found += scan.frames
        return found

    def after_a_crash(self) -> list[LogRecord]:
        """The records that the next process would deliver, had this one died now."""
        self.copies += 1
        copy = self.root / f"copy{self.copies}"
        shutil.copytree(self.root / "spool", copy)
        spool = Spool.open(claim(RealDisk(), copy, lambda: "f" * 16), SpoolSettings(), lambda: NOW)
        spool.seal()
        texts = []
        for sealed in spool.folder.sealed():
            contents = spool.folder.read(sealed)
            assert contents.scan is not None
            for batch in batches.split(contents.scan.frames, "0" * 16, sealed.number, NOW):
                texts += batch.data.splitlines(keepends=True)
        spool.close()
        records = [line.decode(text).record for text in texts]
        assert None not in records
        return [record for record in records if record is not None]

    def count(self, name: str) -> float:
        """A counter, all its labels together."""
        return sum(
            value for key, value in self.metrics.counters.items() if key.partition("|")[0] == name
        )

    def close(self) -> None:
        """Gives the spool up."""
        self.faults.fail_no_more()
        self.spool.close()


def code_of(wire: MemoryWire) -> str | None:
    """The error code that was answered."""
    assert wire.reply is not None
    return wire.reply.facts.error_code


def told(records: list[LogRecord]) -> list[tuple[str | None, str | None, str | None, int | None]]:
    """Bucket, operation, key and status of each record."""
    return [(one.bucket, one.operation, one.key, one.http_status) for one in records]
