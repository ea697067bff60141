"""The collections of records that pages ask: one for each session and source, not too many.

Used in the event loop; reading goes on on threads while pages show how far it is.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from starlette.requests import Request

from bucketlog.console import parts
from bucketlog.console.insights.sources import Source
from bucketlog.console.s3 import Failure
from bucketlog.console.sessions import Session
from bucketlog.problems import Problem

if TYPE_CHECKING:
    from bucketlog.console.insights.collection import Collection

AT_MOST = 8
FOR_ONE = 3
"""Collections of one session."""

IDLE_S = 900.0
_FRESH_S = 2.0
_TIMES_ITS_COST = 20
_PATIENCE_S = 0.25
_PATIENCE_FOR_NEWS_S = 0.02


@dataclass(eq=False)
class Place:
    """A collection on the shelf, and how its reading goes."""

    session: Session
    source: Source
    used_at: float = 0.0
    collection: Collection | None = None
    since: datetime | None = None
    is_read: bool = False
    """Whether all from `since` on was read at least once."""
    reading: asyncio.Task[None] | None = None
    failure: Failure | Problem | None = None
    fresh_until: float = 0.0
    asking: int = 0
    is_over: bool = False

    @property
    def is_reading(self) -> bool:
        """Whether log objects are being read now."""
        return self.reading is not None and not self.reading.done()

    def covers(self, since: datetime | None) -> bool:
        """Whether all from then on was read."""
        if not self.is_read or self.collection is None:
            return False
        return self.since is None or (since is not None and since >= self.since)


class Shelf:
    """All of them. `now` is monotonic seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._places: OrderedDict[tuple[str, Source], Place] = OrderedDict()

    async def open(
        self, request: Request, source: Source, since: datetime | None, *, anew: bool = False
    ) -> Place:
        """The place of that source; what is missing there begins to be read, and a moment is
        waited for it. With `anew` what is new is looked for even if that was just done. What goes
        wrong is in `failure`.
        """
        session = parts.session(request)
        self._tidy(request)
        key = (session.id, source)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = Place(session, source)
            self._make_room(session)
        self._places.move_to_end(key)
        now = self._now()
        place.used_at = now
        if not place.is_reading and (anew or not place.covers(since) or now >= place.fresh_until):
            wanted = since
            if place.is_read and since is not None:
                wanted = None if place.since is None else min(since, place.since)
            place.reading = asyncio.create_task(self._read(request, place, wanted))
        if place.reading is not None:
            patience_s = _PATIENCE_FOR_NEWS_S if place.covers(since) and not anew else _PATIENCE_S
            done, _ = await asyncio.wait([place.reading], timeout=patience_s)
            if done:
                place.reading = None
                done.pop().result()  # raises what is a bug
        return place

    async def _read(self, request: Request, place: Place, since: datetime | None) -> None:
        console = parts.of(request)
        began_at = self._now()

        def read() -> None:
            from bucketlog.console.insights.collection import Collection

            if place.collection is None:
                place.collection = Collection(place.source)
            place.collection.update(console.store.client(place.session), since)

        place.asking += 1
        try:
            await console.run(read)
            place.since, place.is_read, place.failure = since, True, None
        except (Failure, Problem) as failure:
            place.failure = failure
            place.is_read = False
        finally:
            ended_at = self._now()
            place.fresh_until = ended_at + max(_FRESH_S, _TIMES_ITS_COST * (ended_at - began_at))
            self._done(place)

    async def ask(
        self, request: Request, place: Place, statements: list[str]
    ) -> list[list[dict[str, object]]]:
        """The answers of its collection, which isn't taken away meanwhile."""
        assert place.collection is not None
        place.asking += 1
        try:
            return await parts.of(request).run(place.collection.ask, statements)
        finally:
            self._done(place)

    def _done(self, place: Place) -> None:
        place.asking -= 1
        if place.is_over and not place.asking:
            self._close(place)

    def _tidy(self, request: Request) -> None:
        """Takes away what nobody has looked at for long, or who did is gone."""
        idle_since = self._now() - IDLE_S
        sessions = parts.of(request).sessions
        for key, place in list(self._places.items()):
            if place.used_at < idle_since or sessions.find(place.session.id, is_used=False) is None:
                self._take_away(key)

    def _make_room(self, session: Session) -> None:
        own = [key for key in self._places if key[0] == session.id]
        for key in own[:-FOR_ONE]:
            self._take_away(key)
        while len(self._places) > AT_MOST:
            self._take_away(next(iter(self._places)))

    def _take_away(self, key: tuple[str, Source]) -> None:
        place = self._places.pop(key)
        place.is_over = True
        if not place.asking:
            self._close(place)

    def _close(self, place: Place) -> None:
        if place.collection is not None:
            place.collection.close()
            place.collection = None

    def close(self) -> None:
        """Takes all of them away, whoever still asks."""
        for place in self._places.values():
            place.is_over = True
            self._close(place)
        self._places.clear()
