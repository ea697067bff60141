"""Logging rules by S3 calls, in front of any Handler."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import parties
from tests.support.calls import Client, account
from tests.support.parties import ALICE, NOON
from tests.support.scripted import Scripted, Shelf

from bucketlog.accesslog.targets import Target
from bucketlog.gateway.bucket_logging import BucketLogging
from bucketlog.gateway.control import Answer, Delivery, Question
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Bucket, Call, ObjectAccess, Reply
from bucketlog.state.accounts import Accounts
from bucketlog.state.database import Database
from bucketlog.state.generation import Generation
from bucketlog.state.rules import Rules

SECOND = 1_000_000_000


class Front:
    """A BucketLogging before a scripted Handler, with real rules; `answers` are the workers'."""

    def __init__(self, folder: Path) -> None:
        self.database, self.generation = Database.open(folder), Generation.open(folder)
        self.rules = Rules(self.database, self.generation, lambda: NOON)
        self.behind = Scripted()
        self.shelf = Shelf(parties.bucket(name) for name in ("box", "logs"))
        self.asked: list[Question] = []
        self.answers: list[Answer] = []
        self.logging = BucketLogging(
            self.behind,
            self.shelf,
            self.rules,
            Accounts(self.database, self.generation, lambda: NOON),
            self._ask_all,
            _at_once,
            lambda: NOON,
        )

    async def _ask_all(self, question: Question) -> list[Answer]:
        self.asked.append(question)
        return self.answers

    async def __call__(self, call: Call) -> Reply:
        return await self.logging(call)

    def bucket(self, name: str) -> Bucket | None:
        return self.shelf.bucket(name)

    def object_access(self, bucket: str, key: str, version_id: str | None) -> ObjectAccess | None:
        return None


async def _at_once(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    made = Front(tmp_path)
    yield made
    made.database.close()
    made.generation.close()


@pytest.fixture
def client(front: Front) -> Client:
    return Client(front, account(ALICE))


def status(target: str = "logs", prefix: str = "p/") -> bytes:
    return (
        "<BucketLoggingStatus><LoggingEnabled>"
        f"<TargetBucket>{target}</TargetBucket><TargetPrefix>{prefix}</TargetPrefix>"
        "</LoggingEnabled></BucketLoggingStatus>"
    ).encode()


async def test_logging_is_off_at_first(front: Front, client: Client) -> None:
    answer = await client.send("GET", "/box?logging")
    assert answer.status == 200
    assert answer.xml.tag == "BucketLoggingStatus"
    assert list(answer.xml) == []
    assert answer.headers["x-bucketlog-account"] == ALICE.account_id
    assert not any(name.startswith("x-bucketlog-w") for name in answer.headers)
    assert front.asked == []


async def test_a_rule_is_given_back_as_it_was_set_and_removed_by_an_empty_one(
    front: Front, client: Client
) -> None:
    await client.send("PUT", "/box?logging", body=status())
    assert front.rules.get("box") == Target("logs", "p/")
    answer = await client.send("GET", "/box?logging")
    assert answer.text("LoggingEnabled/TargetBucket") == "logs"
    assert answer.text("LoggingEnabled/TargetPrefix") == "p/"
    await client.send("PUT", "/box?logging", body=b"<BucketLoggingStatus/>")
    assert front.rules.get("box") is None
    assert front.behind.calls == []


async def test_a_target_is_checked_before_the_rule_counts(front: Front, client: Client) -> None:
    front.shelf.buckets["bobs"] = parties.bucket("bobs", parties.BOB)
    for target in ("none", "bobs"):
        error = await client.refused("PUT", "/box?logging", body=status(target))
        assert error.code == "InvalidTargetBucketForLogging"
    error = await client.refused("PUT", "/box?logging", body=b"<BucketLoggingStatus>")
    assert error.code == "MalformedXML"
    assert front.rules.all() == {}


async def test_an_oversized_rule_is_refused(front: Front, client: Client) -> None:
    error = await client.refused("PUT", "/box?logging", body=status(prefix="p" * 70_000))
    assert error.code == "MaxMessageLengthExceeded"


async def test_how_delivery_is_doing_comes_in_headers(front: Front, client: Client) -> None:
    front.rules.put("box", Target("logs"))
    front.answers = [
        Answer(waiting=2, oldest_at=NOON - 90 * SECOND),
        Answer(waiting=3, oldest_at=NOON - 10 * SECOND),
        Answer(),
        Answer(error="worker x has not answered within 3 s"),
    ]
    front.rules.delivered("box", "a b/\u00fc", 4, NOON - 2 * SECOND)
    front.rules.failed("box", "AccessDenied: \u00fc\n", NOON - SECOND)
    front.rules.lost("box", 7, "too old", NOON - SECOND)
    answer = await client.send("GET", "/box?logging")
    told = {name: value for name, value in answer.headers.items() if "-bucketlog-" in name}
    assert told == {
        "x-bucketlog-account": ALICE.account_id,
        "x-bucketlog-waiting": "5",
        "x-bucketlog-lag-seconds": "90",
        "x-bucketlog-lost": "7",
        "x-bucketlog-last-object": "a%20b/%C3%BC",
        "x-bucketlog-last-delivered": "2026-01-01T11:59:58Z",
        "x-bucketlog-failure": "7%20records%20lost%3A%20too%20old",
    }
    assert front.asked == [Question("waiting", "box")]


async def test_a_clock_set_back_is_no_negative_lag(front: Front, client: Client) -> None:
    front.rules.put("box", Target("logs"))
    front.answers = [Answer(waiting=1, oldest_at=NOON + SECOND)]
    answer = await client.send("GET", "/box?logging")
    assert answer.headers["x-bucketlog-lag-seconds"] == "0"


async def test_a_flush_names_what_every_worker_stored(front: Front, client: Client) -> None:
    error = await client.refused("POST", "/box?logging")
    assert error.code == "InvalidRequest"
    front.rules.put("box", Target("logs"))
    front.answers = [
        Answer(delivered=[Delivery("box", "logs", "<&>", 1), Delivery("box", "logs", "b", 2)]),
        Answer(),
        Answer(delivered=[Delivery("box", "logs", "c", 1)]),
    ]
    answer = await client.send("POST", "/box?logging")
    assert answer.xml.tag == "FlushLoggingOutput"
    assert answer.texts("FlushedLoggingObject") == ["<&>", "b", "c"]
    assert front.asked == [Question("deliver", "box")]


async def test_a_rule_goes_with_its_bucket(front: Front, client: Client) -> None:
    front.rules.put("box", Target("logs"))
    front.behind.answers = [S3Error("BucketNotEmpty"), Reply(204)]
    assert (await client.refused("DELETE", "/box")).code == "BucketNotEmpty"
    assert front.rules.get("box") is not None
    await client.send("DELETE", "/box")
    assert front.rules.get("box") is None
    await client.send("DELETE", "/logs")
    assert len(front.behind.calls) == 3


async def test_a_new_bucket_starts_without_a_rule(front: Front, client: Client) -> None:
    """One may be left by a process that died between deleting the bucket and its rule."""
    front.rules.put("new", Target("logs"))
    at_creation: list[object] = []

    async def create(call: Call) -> Reply:
        at_creation.append(front.rules.get("new"))
        front.rules.put("new", Target("logs", "by another worker"))
        return Reply(200)

    front.behind.answers = [create]
    await client.send("PUT", "/new")
    assert at_creation == [None]
    assert front.rules.get("new") == Target("logs", "by another worker")


async def test_creating_a_bucket_again_leaves_its_rule(front: Front, client: Client) -> None:
    front.rules.put("box", Target("logs"))
    await client.send("PUT", "/box")
    assert front.rules.get("box") == Target("logs")


async def test_everything_else_passes_through(front: Front, client: Client) -> None:
    front.behind.answers = [Reply(418)]
    assert (await client.send("GET", "/box/key")).status == 418
    assert front.behind.calls[0].route.operation.name == "GetObject"
