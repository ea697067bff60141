"""Moments as people write them: a date, a time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from bucketlog.problems import Problem

_AGO = re.compile(r"(\d{1,6})\s*(s|m|min|h|d|w)")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def parse(text: str, now: datetime) -> datetime:
    """The moment that the text names, in UTC.

    ISO 8601, as in 2026-03-01, 2026-03-01T12:30, 2026-03-01 12:30:05+01:00: a date is its first
    moment, and without an offset it is UTC. Or a number and one of s, m, h, d, w: that long before
    `now`; or "now". Raises Problem for anything else.
    """
    word = text.strip().lower()
    if word == "now":
        return now
    try:
        if found := _AGO.fullmatch(word):
            return now - int(found[1]) * _UNITS[found[2]]
        at = datetime.fromisoformat(text.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Problem(
            f"{text!r} is no time.",
            "Write 2026-03-01, 2026-03-01T12:30:00Z, or 7d for seven days ago (s, m, h, d, w).",
        ) from None
