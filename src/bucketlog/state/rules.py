"""Each bucket's logging rule, and how delivery of its records is doing.

A rule is asked for with each request and changed once in a while, so it is read from a snapshot
in memory. Health is the other way round: the courier writes it with each log object and people
ask for it now and then. It stays when a rule goes, because records may still be waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from bucketlog.accesslog import targets
from bucketlog.accesslog.targets import Target
from bucketlog.state.database import Database, health, rules
from bucketlog.state.generation import Generation
from bucketlog.state.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Health:
    """How delivery of one source bucket's records has been doing. Instants are in ns."""

    bucket: str
    last_delivered_at: int | None = None
    last_object: str | None = None
    delivered_records: int = 0
    delivered_objects: int = 0
    failures: int = 0
    last_failure: str | None = None
    last_failure_at: int | None = None
    lost_records: int = 0

    @property
    def failure(self) -> str | None:
        """Why delivery fails now; None when nothing failed since the last log object."""
        if self.last_failure_at is None:
            return None
        if self.last_delivered_at is not None and self.last_delivered_at >= self.last_failure_at:
            return None
        return self.last_failure


class Rules:
    """The logging rules of all buckets. Any number of processes may share one data folder.

    Every method may raise `StateProblem` when the database can't be used.
    """

    def __init__(
        self,
        database: Database,
        generation: Generation,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._database = database
        self._generation = generation
        self._now = now
        self._snapshot = Snapshot(database, generation, _load)

    def get(self, bucket: str) -> Target | None:
        """The rule of a bucket, None where logging is off; about 0.3 us."""
        return self._snapshot.current().get(bucket)

    def all(self) -> dict[str, Target]:
        """All rules by source bucket. Shared: don't change it."""
        return self._snapshot.current()

    def put(self, bucket: str, target: Target | None) -> None:
        """Sets or removes a bucket's rule; in force everywhere when it returns."""
        with self._database.change() as connection:
            connection.execute(rules.delete().where(rules.c.bucket == bucket))
            if target is not None:
                connection.execute(
                    rules.insert().values(
                        bucket=bucket, target=targets.encode(target), changed_at=self._now()
                    )
                )
        self._generation.bump()

    # Health

    def delivered(self, bucket: str, key: str, records: int, at: int) -> None:
        """A log object of the bucket was stored under `key`."""
        self._note(
            bucket,
            last_delivered_at=at,
            last_object=key,
            delivered_records=health.c.delivered_records + records,
            delivered_objects=health.c.delivered_objects + 1,
        )

    def failed(self, bucket: str, reason: str, at: int) -> None:
        """A log object was refused or couldn't be sent; its records are kept."""
        self._note(bucket, last_failure=reason, last_failure_at=at, failures=health.c.failures + 1)

    def lost(self, bucket: str, records: int, reason: str, at: int) -> None:
        """Records of the bucket were given up."""
        self._note(
            bucket,
            last_failure=f"{records} records lost: {reason}",
            last_failure_at=at,
            lost_records=health.c.lost_records + records,
        )

    def health(self, bucket: str) -> Health:
        """How delivery of the bucket's records has been doing; all zeros where there was none."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(health).where(health.c.bucket == bucket)).first()
        return Health(bucket) if row is None else Health(**row._mapping)

    def all_health(self) -> list[Health]:
        """How delivery has been doing for each bucket of which anything was ever told, by name."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(health).order_by(health.c.bucket))
            return [Health(**row._mapping) for row in rows]

    def _note(self, bucket: str, **changes: object) -> None:
        # Not worth waiting for the disk: what is delivered is told by the target bucket.
        with self._database.write(sync="NORMAL") as connection:
            update = health.update().where(health.c.bucket == bucket).values(**changes)
            if connection.execute(update).rowcount == 0:
                connection.execute(health.insert().values(bucket=bucket))
                connection.execute(update)


def _load(connection: sa.Connection) -> dict[str, Target]:
    rows = connection.execute(sa.select(rules.c.bucket, rules.c.target))
    return {row.bucket: targets.decode(row.target) for row in rows}
