"""Requests as they happen: the workers tell of what they record, and who may hear of it.

Whoever may read a bucket's log objects may watch it live: `rule` asks S3 with their key. A watcher
who is too slow loses lines, at the worker, and is told how many.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec

from bucketlog.console import s3
from bucketlog.console.insights import sources
from bucketlog.console.insights.sources import Rule, Source
from bucketlog.console.s3 import Failure
from bucketlog.console.workers import Workers
from bucketlog.problems import Problem

MOST_STREAMS = 32
MOST_OF_ONE = 8

_AHEAD = 4
_LOOKS_EVERY_S = 2.0
_LOOKED_AT = 100


class Watched(msgspec.Struct):
    r"""What a worker tells at once: whole lines, each with its "\n", by source bucket."""

    lines: dict[str, bytes] = {}
    lost: int = 0
    """Lines that there was no room for."""
    error: str | None = None


def rule(client: Any, bucket: str) -> Rule:
    """The bucket's logging rule, for a key that may watch the bucket; blocks.

    It must be allowed to read the rule (GetBucketLogging), to list the log objects, and to read
    one of them; while there is none, the buckets must be its account's. Raises `Failure` otherwise.
    """
    found = sources.of_bucket(client, bucket)
    if found.source is None:
        return found
    key = _log_object(client, found.source)
    if key is not None:
        with s3.translated("HeadObject"):
            client.head_object(Bucket=found.source.target, Key=key)
    elif len(_own(client, bucket, found.source.target)) < len({bucket, found.source.target}):
        raise Failure(
            "AccessDenied",
            f"Whether you may read the log objects of {bucket} shows once there are some.",
            status=403,
            request_id="",
            operation="HeadObject",
        )
    return found


def _log_object(client: Any, source: Source) -> str | None:
    with s3.translated("ListObjectsV2"):
        page = client.list_objects_v2(
            Bucket=source.target, Prefix=source.prefix, MaxKeys=_LOOKED_AT
        )
    keys = [each["Key"] for each in page.get("Contents", ()) if source.is_log(each["Key"])]
    return keys[-1] if keys else None


def _own(client: Any, *names: str) -> set[str]:
    """Those of the buckets that are the account's own."""
    found: set[str] = set()
    for name in names:
        with s3.translated("ListBuckets"):
            answer = client.list_buckets(Prefix=name, MaxBuckets=1)
        found.update(each["Name"] for each in answer.get("Buckets", ()))
    return found


class Streams:
    """The live tails that are open in browsers: not too many, and not all of one login."""

    def __init__(self) -> None:
        self._sessions: list[str] = []

    def begin(self, session: str) -> None:
        """One more. Raises `Problem` when there are too many."""
        own = self._sessions.count(session)
        if len(self._sessions) >= MOST_STREAMS or own >= MOST_OF_ONE:
            raise Problem("Too many live tails are open.", "Close some of them.")
        self._sessions.append(session)

    def end(self, session: str) -> None:
        """One less."""
        self._sessions.remove(session)


async def watch(workers: Workers, buckets: list[str]) -> AsyncGenerator[Watched, None]:
    """What the workers record of these buckets, without end; workers that come join in."""
    told: asyncio.Queue[Watched] = asyncio.Queue(_AHEAD)
    following: dict[Path, asyncio.Task[None]] = {}

    async def look_for_more() -> None:
        while True:
            for path in workers.sockets():
                if path not in following or following[path].done():
                    following[path] = asyncio.create_task(_follow(workers, path, buckets, told))
            await asyncio.sleep(_LOOKS_EVERY_S)

    looking = asyncio.create_task(look_for_more())
    try:
        while True:
            yield await told.get()
    finally:
        for task in (looking, *following.values()):
            task.cancel()
        await asyncio.gather(looking, *following.values(), return_exceptions=True)


async def _follow(
    workers: Workers, path: Path, buckets: list[str], told: asyncio.Queue[Watched]
) -> None:
    try:
        reader, writer = await workers.connect(path)
    except OSError:
        return  # its process is gone, or only comes
    try:
        writer.write(msgspec.json.encode({"do": "watch", "buckets": buckets}) + b"\n")
        while line := await reader.readline():
            await told.put(msgspec.json.decode(line, type=Watched))
    except OSError:
        return
    finally:
        writer.close()
