"""A part of the state held in memory, loaded again when it may have changed.

It asks the generation each time, and the database's revision once a second in case somebody
died between commit and bump. Both are read before the state is, so what is loaded is never
older than what it is filed under.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

from sqlalchemy import Connection

from bucketlog.state.database import Database
from bucketlog.state.generation import Generation

MAX_AGE_S = 1.0

T = TypeVar("T")


class Snapshot(Generic[T]):
    """What `load` made of the state, current to the last change anywhere.

    Threads may share it; at worst two load the same at once. What it gives is shared: don't
    change it.
    """

    def __init__(
        self,
        database: Database,
        generation: Generation,
        load: Callable[[Connection], T],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._database = database
        self._read = generation.read
        self._load = load
        self._clock = clock
        # One tuple, replaced as a whole, so that a thread never sees half of a change.
        self._held: tuple[int, float, int, T] | None = None

    def current(self) -> T:
        """The state now. Raises `StateProblem` when it must be loaded and can't be."""
        held = self._held
        if held is not None and held[0] == self._read() and self._clock() < held[1]:
            return held[3]
        return self._refresh(held)

    def _refresh(self, held: tuple[int, float, int, T] | None) -> T:
        generation, until = self._read(), self._clock() + MAX_AGE_S
        with self._database.read() as connection:
            revision = self._database.revision(connection)
            unchanged = held is not None and held[2] == revision
            value = held[3] if held and unchanged else self._load(connection)
        self._held = (generation, until, revision, value)
        return value
