"""Objects listed ahead of their reading, by a thread of its own, some tens of thousands at most."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from bucketlog.reader.objects import SourceObject, Trouble

AHEAD = 20_000

Found = SourceObject | Trouble


class Listing:
    """A queue of objects, filled as it is emptied. `news` is called when there is more, or an end.

    `objects` and `bytes` are of all objects listed so far; `is_complete` once these are all.
    """

    def __init__(
        self, found: Iterable[Found], news: Callable[[], None], ahead: int = AHEAD
    ) -> None:
        self.objects = 0
        self.bytes = 0
        self.is_complete = False
        self._error: BaseException | None = None
        self._found = found
        self._news = news
        self._ahead = ahead
        self._queue: deque[Found] = deque()
        self._room = threading.Event()
        self._is_closed = False
        self._thread = threading.Thread(target=self._fill, name="bucketlog-listing", daemon=True)
        self._thread.start()

    def __bool__(self) -> bool:
        """Whether an object is there to be taken now."""
        return bool(self._queue)

    @property
    def is_exhausted(self) -> bool:
        """Whether all objects were taken. Raises what went wrong with listing them."""
        if not self.is_complete or self._queue:
            return False
        if self._error is not None:
            raise self._error
        return True

    def peek(self) -> Found:
        """The next object."""
        return self._queue[0]

    def take(self) -> Found:
        """The next object, which is then gone from here."""
        found = self._queue.popleft()
        if len(self._queue) < self._ahead // 2:
            self._room.set()
        return found

    def close(self) -> None:
        """Ends the thread as soon as the store answers."""
        self._is_closed = True
        self._room.set()
        self._thread.join(2.0)

    def _fill(self) -> None:
        try:
            for found in self._found:
                if self._is_closed:
                    return
                if isinstance(found, SourceObject):
                    self.objects += 1
                    self.bytes += found.size or 0
                self._queue.append(found)
                if len(self._queue) == 1:
                    self._news()
                if len(self._queue) >= self._ahead:
                    self._room.clear()
                    if len(self._queue) >= self._ahead and not self._is_closed:
                        self._room.wait()
        except BaseException as error:
            self._error = error
        finally:
            self.is_complete = True
            self._news()
