"""Logging rules and delivery health."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bucketlog.accesslog.targets import Target
from bucketlog.state.database import Database
from bucketlog.state.generation import Generation
from bucketlog.state.rules import Health, Rules

LOGS = Target("logs", "photos/")
OTHER = Target("elsewhere", "")


@pytest.fixture
def opener(tmp_path: Path) -> Iterator[Callable[[], Rules]]:
    """Opens the same state as another process would."""
    opened: list[tuple[Database, Generation]] = []

    def open_() -> Rules:
        opened.append((Database.open(tmp_path), Generation.open(tmp_path)))
        return Rules(*opened[-1], now=lambda: 1_000)

    yield open_
    for database, generation in opened:
        database.close()
        generation.close()


def test_a_bucket_has_no_rule_until_one_is_put(opener: Callable[[], Rules]) -> None:
    rules = opener()
    assert rules.get("photos") is None
    rules.put("photos", LOGS)
    assert rules.get("photos") == LOGS
    assert rules.get("other") is None
    assert rules.all() == {"photos": LOGS}


def test_a_rule_is_replaced_as_a_whole_and_removed_by_none(opener: Callable[[], Rules]) -> None:
    rules = opener()
    rules.put("photos", LOGS)
    rules.put("photos", OTHER)
    assert rules.get("photos") == OTHER
    rules.put("photos", None)
    rules.put("never-had-one", None)
    assert rules.all() == {}


def test_a_rule_survives_and_is_in_force_everywhere_at_once(opener: Callable[[], Rules]) -> None:
    one, other = opener(), opener()
    assert other.get("photos") is None
    one.put("photos", LOGS)
    assert other.get("photos") == LOGS
    assert opener().get("photos") == LOGS


def test_health_begins_at_nothing(opener: Callable[[], Rules]) -> None:
    assert opener().health("photos") == Health("photos")
    assert Health("photos").failure is None


def test_health_adds_up_what_the_courier_tells(opener: Callable[[], Rules]) -> None:
    rules = opener()
    rules.failed("photos", "AccessDenied: Access Denied", 10)
    rules.failed("photos", "NoSuchBucket", 20)
    rules.delivered("photos", "photos/a", 3, 30)
    rules.delivered("photos", "photos/b", 4, 40)
    rules.lost("photos", 5, "too old", 50)
    rules.delivered("other", "x", 1, 60)
    assert opener().health("photos") == Health(
        bucket="photos",
        last_delivered_at=40,
        last_object="photos/b",
        delivered_records=7,
        delivered_objects=2,
        failures=2,
        last_failure="5 records lost: too old",
        last_failure_at=50,
        lost_records=5,
    )


def test_a_failure_is_over_when_something_is_delivered_after_it(
    opener: Callable[[], Rules],
) -> None:
    rules = opener()
    rules.failed("photos", "AccessDenied", 10)
    assert rules.health("photos").failure == "AccessDenied"
    rules.delivered("photos", "photos/a", 1, 20)
    assert rules.health("photos").failure is None
    assert rules.health("photos").last_failure == "AccessDenied"
    rules.failed("photos", "NoSuchBucket", 30)
    assert rules.health("photos").failure == "NoSuchBucket"


def test_health_stays_when_the_rule_goes(opener: Callable[[], Rules]) -> None:
    rules = opener()
    rules.put("photos", LOGS)
    rules.delivered("photos", "photos/a", 1, 20)
    rules.put("photos", None)
    assert rules.health("photos").delivered_records == 1


def test_the_health_of_all_buckets_is_listed_by_name(opener: Callable[[], Rules]) -> None:
    rules = opener()
    assert rules.all_health() == []
    rules.failed("photos", "AccessDenied", 10)
    rules.delivered("archive", "k", 1, 20)
    rules.put("quiet", LOGS)
    found = opener().all_health()
    assert found == [rules.health("archive"), rules.health("photos")]
