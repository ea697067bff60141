"""What is read from: a source object, the store that holds it, and what may be wrong with it.

A trouble is a value: it is named, counted, and stops nothing. `Unreadable` is how a store says
that one object can't be had; it becomes a `Trouble` where the object is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Protocol


class Unreadable(Exception):
    """One object can't be read; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """An object, folder or listing that could not be read, or not wholly, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Position:
    """Where reading is: behind that line of that object, or behind all of it."""

    source_object: str
    line_number: int | None = None


@dataclass(frozen=True, slots=True)
class SourceObject:
    """One file, object or stream of bytes.

    `name` is what the column `source_object` says; `key` is what its store knows it by. `size` is
    in bytes as stored, None where only reading will tell. `modified_at` is None where it says
    nothing about delivery.
    """

    name: str
    key: str
    store: Store
    size: int | None = None
    modified_at: datetime | None = None


class Store(Protocol):
    """Where source objects are. Every call may come from any thread, and raise `Unreadable`."""

    readers: int
    """How many threads may read from it at once."""

    def whole(self, found: SourceObject, limit: int) -> bytes | None:
        """All its bytes as stored; None if these are more than `limit`."""

    def chunks(self, found: SourceObject) -> Iterator[bytes]:
        """Its bytes as stored, some MiB at a time. Closing the iterator ends the reading."""

    def can_repeat(self, found: SourceObject) -> bool:
        """Whether `chunks` may be called again, and gives the same."""

    def seekable(self, found: SourceObject) -> BinaryIO:
        """It as a file that can seek; the caller closes it."""


# Amazon S3 User Guide, "Log object key format": [Prefix]YYYY-MM-DD-hh-mm-ss-UniqueString
_DELIVERED = re.compile(r"(\d{4})-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-[0-9A-Za-z]{8,}[^/]*$")


def delivered_at(found: SourceObject) -> datetime | None:
    """When a log object was delivered, by its name, or else by when it was stored in S3.

    A name whose time is midnight tells the day of the events, not the delivery: it is from a
    bucket that partitions by event time.
    """
    match = _DELIVERED.search(found.name)
    if match is not None:
        try:
            told = datetime(*map(int, match.groups()), tzinfo=UTC)  # type: ignore[misc, arg-type]
        except ValueError:
            return found.modified_at
        if told.hour or told.minute or told.second:
            return told
    return found.modified_at
