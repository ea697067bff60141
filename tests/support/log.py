"""The log of a running server, delivered on demand and read back with the decoder."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from xml.sax.saxutils import unescape

from tests.support.raw import Sender
from tests.support.server import Server

from bucketlog.accesslog import line
from bucketlog.accesslog.record import LogRecord


class Log:
    """All records that have arrived under a prefix of a target bucket, for some source buckets.

    Every line must be a record that can be read in one way only.
    """

    def __init__(
        self,
        server: Server,
        *sources: str,
        target: str = "logs",
        prefix: str = "",
        fields: int = 27,
    ) -> None:
        self._server = server
        self._sources = sources
        self._target = target
        self._prefix = prefix
        self._fields = fields
        self._s3 = server.client()
        self._seen: set[str] = set()
        self.objects: list[str] = []  # their keys
        self.records: list[LogRecord] = []
        self.lines: dict[str, list[bytes]] = defaultdict(list)  # by request id

    def update(self) -> Log:
        """Delivers what waits and reads what is new."""
        for source in self._sources:
            for key in re.findall("<FlushedLoggingObject>(.*?)<", flush(self._server, source)):
                self._read(unescape(key))
        return self

    def complete(self) -> Log:
        """Delivers what waits, and reads also what was delivered without being asked for."""
        self.update()
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._target, Prefix=self._prefix
        )
        for page in pages:
            for entry in page.get("Contents", []):
                self._read(entry["Key"])
        return self

    def _read(self, key: str) -> None:
        if key in self._seen or not key.startswith(self._prefix):
            return
        self._seen.add(key)
        self.objects.append(key)
        body = self._s3.get_object(Bucket=self._target, Key=key)["Body"].read()
        for text in body.splitlines(keepends=True):
            self._take(text)

    def _take(self, text: bytes) -> None:
        decoded = line.decode(text)
        assert decoded.record is not None, (text, decoded.reason)
        assert not decoded.ambiguous, text
        assert not decoded.extra_fields, text
        assert len(decoded.texts) == self._fields, text
        assert text.endswith(b"\n"), text
        self.records.append(decoded.record)
        self.lines[decoded.record.request_id or ""].append(text)

    def all(self, request_id: str) -> list[LogRecord]:
        """The records of one request, in the order they were written."""
        if request_id not in self.lines:
            self.update()
        if request_id not in self.lines:
            self.complete()
        return [record for record in self.records if record.request_id == request_id]

    def one(self, request_id: str) -> LogRecord:
        """The one record of a request."""
        found = self.all(request_id)
        assert len(found) == 1, found
        return found[0]

    def of_key(self, key: str) -> list[LogRecord]:
        """The records of one key that have arrived by now."""
        return [record for record in self.complete().records if record.key == key]

    def await_key(self, key: str) -> LogRecord:
        """The one record of a key, as soon as there is one: of a client that didn't wait."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if found := self.of_key(key):
                assert len(found) == 1, found
                return found[0]
        raise AssertionError(f"no record of {key}")


def flush(server: Server, bucket: str) -> str:
    """Delivers what waits of a bucket; the answer's document."""
    sender = Sender(server.endpoint)
    answer = sender.ask(sender.signed("POST", f"/{bucket}?logging"))
    assert answer.status == 200, answer.body
    return answer.body.decode()


def judged(record: LogRecord) -> tuple[str | None, int | None, str | None]:
    """What a record says came of a request."""
    return record.operation, record.http_status, record.error_code
