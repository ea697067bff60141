"""The log of a running server, delivered on demand and read back with the decoder."""

from __future__ import annotations

from collections import defaultdict

from bucketlog.accesslog import line
from bucketlog.accesslog.record import LogRecord
from tests.support.server import Server


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
        self._seen: set[str] = set()
        self.records: list[LogRecord] = []
        self.lines: dict[str, list[bytes]] = defaultdict(list)  # by request id

    def update(self) -> Log:
        """Delivers what waits and reads what is new."""
        s3 = self._server.client()
        if self._sources:
            for source in self._sources:
                flush(self._server, source)
        else:
            self._server.deliver()
        for page in s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._target, Prefix=self._prefix
        ):
            for entry in page.get("Contents", []):
                if entry["Key"] not in self._seen:
                    self._seen.add(entry["Key"])
                    body = s3.get_object(Bucket=self._target, Key=entry["Key"])["Body"].read()
                    for text in body.splitlines(keepends=True):
                        self._take(text)
        return self

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
        return [record for record in self.records if record.request_id == request_id]

    def one(self, request_id: str) -> LogRecord:
        """The one record of a request."""
        found = self.all(request_id)
        assert len(found) == 1, found
        return found[0]

    def of_key(self, key: str) -> list[LogRecord]:
        """The records of one key that have arrived by now."""
        self.update()
        return [record for record in self.records if record.key == key]


def flush(server: Server, bucket: str) -> bytes:
    """Delivers what waits of a bucket; the answer's document."""
    from tests.support.raw import Sender

    sender = Sender(server.endpoint)
    answer = sender.ask(sender.signed("POST", f"/{bucket}?logging"))
    assert answer.status == 200, answer.body
    return answer.body
