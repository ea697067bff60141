"""When a part of the state that is held in memory is loaded again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from bucketlog.state.database import Database, rules
from bucketlog.state.generation import Generation
from bucketlog.state.snapshot import MAX_AGE_S, Snapshot


class Watched:
    """A snapshot of the buckets that have rules, which counts its loads and whose clock stands."""

    def __init__(self, folder: Path) -> None:
        self.database = Database.open(folder)
        self.generation = Generation.open(folder)
        self.loads = 0
        self.time = 100.0
        self.snapshot = Snapshot(self.database, self.generation, self._load, lambda: self.time)

    def _load(self, connection: sa.Connection) -> list[str]:
        self.loads += 1
        return list(connection.execute(sa.select(rules.c.bucket)).scalars())

    def commit(self, bucket: str) -> None:
        """A change whose author dies before the bump."""
        with self.database.change() as connection:
            connection.execute(rules.insert().values(bucket=bucket, target="{}", changed_at=1))


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    watched.database.close()
    watched.generation.close()


def test_it_is_loaded_once_while_nothing_changes(watched: Watched) -> None:
    first = watched.snapshot.current()
    watched.time += MAX_AGE_S / 2
    assert watched.snapshot.current() is first
    assert watched.loads == 1


def test_a_bump_makes_a_change_seen_at_once(watched: Watched) -> None:
    assert watched.snapshot.current() == []
    watched.commit("one")
    watched.generation.bump()
    assert watched.snapshot.current() == ["one"]


def test_a_change_without_a_bump_is_seen_within_a_second(watched: Watched) -> None:
    assert watched.snapshot.current() == []
    watched.commit("one")
    assert watched.snapshot.current() == []
    watched.time += MAX_AGE_S
    assert watched.snapshot.current() == ["one"]


def test_age_alone_loads_nothing(watched: Watched) -> None:
    first = watched.snapshot.current()
    watched.time += 10 * MAX_AGE_S
    assert watched.snapshot.current() is first
    watched.generation.bump()
    assert watched.snapshot.current() is first
    assert watched.loads == 1


def test_a_change_during_the_load_is_not_missed(watched: Watched) -> None:
    def load(connection: sa.Connection) -> list[str]:
        found = watched._load(connection)
        if watched.loads == 1:  # between the reading and the keeping of what was read
            watched.commit("late")
            watched.generation.bump()
        return found

    snapshot = Snapshot(watched.database, watched.generation, load, lambda: watched.time)
    assert snapshot.current() == []
    assert snapshot.current() == ["late"]
