"""Wraps a Handler: answers Get- and PutBucketLogging, and the flush that delivers now.

The rules live with the gateway, not with the store, so that any store can be logged: no
S3-compatible one keeps the whole of a rule. A rule goes with its bucket: a new bucket of the same
name starts without one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import quote
from xml.sax.saxutils import escape

from bucketlog.accesslog import targets
from bucketlog.gateway.control import Answer, Question
from bucketlog.gateway.received import Run
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Call, Catalog, Handler, Reply
from bucketlog.state.accounts import Accounts
from bucketlog.state.rules import Rules

# A BucketLoggingStatus with 100 grants stays far below.
_MOST_BYTES = 64 * 1024
_XML = "application/xml"

AskAll = Callable[[Question], Awaitable[list[Answer]]]


class BucketLogging:
    """A Handler in front of another. `ask_all` puts a question to every worker, this one too."""

    def __init__(
        self,
        handler: Handler,
        catalog: Catalog,
        rules: Rules,
        accounts: Accounts,
        ask_all: AskAll,
        run: Run,
        now: Callable[[], int],
    ) -> None:
        self._handler = handler
        self._catalog = catalog
        self._rules = rules
        self._accounts = accounts
        self._ask_all = ask_all
        self._run = run
        self._now = now
        self._own = {
            "GetBucketLogging": self._get,
            "PutBucketLogging": self._put,
            "FlushBucketLogging": self._flush,
            "CreateBucket": self._create,
            "DeleteBucket": self._delete,
        }

    async def __call__(self, call: Call) -> Reply:
        """Answers a call, by itself or by the Handler behind."""
        own = self._own.get(call.route.operation.name)
        return await (self._handler(call) if own is None else own(call))

    async def _get(self, call: Call) -> Reply:
        name = _bucket(call)
        rule = self._rules.get(name)
        headers = {"Content-Type": _XML}
        if call.bucket is not None:
            # Only the owning account gets here. `logging enable` needs it for aws:SourceAccount,
            # and no S3 answer tells it.
            headers["x-bucketlog-account"] = call.bucket.owner.account_id
        if rule is not None:
            headers |= await self._status(name)
        return Reply(200, headers, targets.render(rule))

    async def _put(self, call: Call) -> Reply:
        assert call.bucket is not None
        rule = targets.parse(
            await call.body.read(_MOST_BYTES), call.bucket.owner, known=self._accounts.name_of
        )
        if rule is not None:
            targets.check(call.bucket, rule, self._catalog.bucket(rule.bucket))
        await self._run(self._rules.put, call.bucket.name, rule)
        return Reply(200)

    async def _flush(self, call: Call) -> Reply:
        """Delivers what waits of this bucket. Not Amazon's: Ceph's `POST /BUCKET?logging`."""
        name = _bucket(call)
        if self._rules.get(name) is None:
            raise S3Error("InvalidRequest", "Logging is not enabled for this bucket.")
        answers = await self._ask_all(Question("deliver", name))
        listed = "".join(
            f"<FlushedLoggingObject>{escape(item.key)}</FlushedLoggingObject>"
            for answer in answers
            for item in answer.delivered
        )
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<FlushLoggingOutput xmlns="{targets.NAMESPACE}">{listed}</FlushLoggingOutput>'
        )
        return Reply(200, {"Content-Type": _XML}, body.encode())

    async def _create(self, call: Call) -> Reply:
        name = _bucket(call)
        if self._catalog.bucket(name) is None and self._rules.get(name) is not None:
            # Left by a process that died between deleting the bucket and its rule. Removed
            # first: whoever may use the new bucket may also have given it a rule.
            await self._run(self._rules.put, name, None)
        return await self._handler(call)

    async def _delete(self, call: Call) -> Reply:
        reply = await self._handler(call)
        if self._rules.get(_bucket(call)) is not None:
            await self._run(self._rules.put, _bucket(call), None)
        return reply

    async def _status(self, name: str) -> dict[str, str]:
        """How delivery is doing, as headers that other clients ignore."""
        answers = await self._ask_all(Question("waiting", name))
        health = self._rules.health(name)
        oldest = min((a.oldest_at for a in answers if a.oldest_at is not None), default=None)
        lag_s = 0.0 if oldest is None else max(0.0, (self._now() - oldest) / 1e9)
        headers = {
            "x-bucketlog-waiting": str(sum(answer.waiting for answer in answers)),
            "x-bucketlog-lag-seconds": f"{lag_s:.0f}",
            "x-bucketlog-lost": str(health.lost_records),
        }
        if health.last_object is not None and health.last_delivered_at is not None:
            headers["x-bucketlog-last-object"] = quote(health.last_object)
            headers["x-bucketlog-last-delivered"] = _iso(health.last_delivered_at)
        if health.failure is not None:
            headers["x-bucketlog-failure"] = quote(health.failure)
        return headers


def _bucket(call: Call) -> str:
    return call.route.bucket or ""


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
