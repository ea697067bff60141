"""Which records a page of insights is about: a stretch of time, and values that were clicked on.

All of it stands in the address, so every view is a link: `?range=24h&status=4xx&key!=a/b`. A name
with "!" excludes. "-" is a value that isn't there, as in the log itself. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from bucketlog.lake import moments
from bucketlog.problems import Problem

NOTHING = "-"
MOST_CHOICES = 24
BARS = 72
"""About how many bars a chart over time has at most."""

MEASURES = {
    "requests": "Requests",
    "errors": "Errors",
    "bytes": "Bytes",
    "time": "Time",
}
"""What the lists are sorted by."""

_SECOND = timedelta(seconds=1)
_WEEK_S = 7 * 86_400
_MONDAY_S = 4 * 86_400
_WIDTHS = (1, 5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 86_400, _WEEK_S)
_FIRST = datetime(2006, 1, 1, tzinfo=UTC)  # S3 itself is from then


@dataclass(frozen=True, slots=True)
class Dimension:
    """Something that records can be told apart by. `column` is of `logs`."""

    name: str
    title: str
    column: str
    nothing: str
    """What a record without a value is called."""


DIMENSIONS = {
    each.name: each
    for each in (
        Dimension("operation", "Operation", "operation", "none"),
        Dimension("status", "Status", "http_status", "none"),
        Dimension("error", "Error code", "error_code", "no error"),
        Dimension("key", "Key", "key_decoded", "no key"),
        Dimension("folder", "Top folder", "top_prefix", "not in a folder"),
        Dimension("requester", "Requester", "requester", "anonymous"),
        Dimension("address", "Address", "remote_ip", "S3 itself"),
        Dimension("client", "Client", "client", "not told"),
        Dimension("tls", "TLS", "tls", "plain HTTP"),
        Dimension("signed", "Authentication", "authentication_type", "not signed"),
        Dimension("bucket", "Bucket", "bucket", "none"),
    )
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that records must have, or with `excludes` must not have."""

    dimension: str
    value: str
    excludes: bool = False

    @property
    def title(self) -> str:
        """Of the dimension."""
        return DIMENSIONS[self.dimension].title

    @property
    def words(self) -> str:
        """The value for people."""
        return DIMENSIONS[self.dimension].nothing if self.value == NOTHING else self.value

    @property
    def condition(self) -> str:
        """That a record has the value, in SQL."""
        column = DIMENSIONS[self.dimension].column
        if self.value == NOTHING:
            return f"{column} IS NULL"
        if self.dimension == "status":
            if self.value.isascii() and self.value.isdigit():
                return f"{column} = {int(self.value)}"
            column = "status_class"
        return f"{column} = {literal(self.value)}"


def literal(text: str) -> str:
    """A text in SQL. Only the quote means something in it."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time, divided: `width_s` seconds a bar. `ends_at` is exclusive."""

    begins_at: datetime
    ends_at: datetime
    width_s: int

    def floor(self, at: datetime) -> datetime:
        """Where the bar of that moment begins."""
        return _floor(at, self.width_s)

    def bars(self) -> Iterator[datetime]:
        """Where each bar begins."""
        at = self.floor(self.begins_at)
        while at < self.ends_at:
            yield at
            at += timedelta(seconds=self.width_s)


PRESETS = {
    "15m": ("15 min", 900, 15),
    "1h": ("1 hour", 3600, 60),
    "6h": ("6 hours", 6 * 3600, 300),
    "24h": ("24 hours", 86_400, 1800),
    "7d": ("7 days", 7 * 86_400, 3 * 3600),
    "30d": ("30 days", 30 * 86_400, 86_400 // 2),
    "all": ("All", None, None),
}
"""Ranges by name: their words, seconds, and seconds a bar."""

USUAL = "24h"


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at. `path` and `fixed` lead to the page, the rest is what was chosen there.

    With `begins_at` and `ends_at` (aware, the end exclusive) the range is theirs.
    """

    path: str
    fixed: tuple[tuple[str, str], ...] = ()
    range: str = USUAL
    begins_at: datetime | None = None
    ends_at: datetime | None = None
    choices: tuple[Choice, ...] = ()
    by: str = "requests"
    more: str = ""
    """The dimension whose list is shown at length."""

    # ── addresses ───────────────────────────────────────────────────────────────────────────────

    def pairs(self, *, with_time: bool = True) -> list[tuple[str, str]]:
        """The query of its address."""
        found = list(self.fixed)
        if with_time:
            if self.is_custom:
                found += [("from", stamp(self.begins_at))] if self.begins_at else []
                found += [("to", stamp(self.ends_at))] if self.ends_at else []
            elif self.range != USUAL:
                found.append(("range", self.range))
        found += [(f"{c.dimension}{'!' if c.excludes else ''}", c.value) for c in self.choices]
        found += [("by", self.by)] if self.by != "requests" else []
        found += [("more", self.more)] if self.more else []
        return found

    @property
    def address(self) -> str:
        """Of this view."""
        pairs = self.pairs()
        return f"{self.path}?{urlencode(pairs)}" if pairs else self.path

    @property
    def is_custom(self) -> bool:
        """Whether the range is one that somebody set, none of the usual ones."""
        return self.begins_at is not None or self.ends_at is not None

    def ranged(self, name: str) -> View:
        """The same over one of the usual ranges."""
        return replace(self, range=name, begins_at=None, ends_at=None)

    def between(self, begins_at: datetime, ends_at: datetime) -> View:
        """The same in that time."""
        return replace(self, begins_at=begins_at, ends_at=ends_at)

    def by_measure(self, name: str) -> View:
        """The same with the lists sorted by another measure."""
        return replace(self, by=name)

    def longer(self, dimension: str) -> View:
        """The same with that list at length, or no list when it was."""
        return replace(self, more="" if self.more == dimension else dimension)

    def chosen(self, dimension: str, value: object) -> Choice | None:
        """The choice of that value, if it was made."""
        text = NOTHING if value is None else str(value)
        for each in self.choices:
            if (each.dimension, each.value) == (dimension, text):
                return each
        return None

    def toggled(self, dimension: str, value: object) -> View:
        """With that value chosen, or not any more."""
        found = self.chosen(dimension, value)
        if found is not None:
            return self.without(found)
        made = Choice(dimension, NOTHING if value is None else str(value))
        return replace(self, choices=(*self.choices, made))

    def without(self, choice: Choice) -> View:
        """With one choice less."""
        return replace(self, choices=tuple(each for each in self.choices if each != choice))

    def flipped(self, choice: Choice) -> View:
        """Excludes where it required, and the other way round."""
        turned = replace(choice, excludes=not choice.excludes)
        return replace(
            self, choices=tuple(turned if each == choice else each for each in self.choices)
        )

    def cleared(self) -> View:
        """Without any choice."""
        return replace(self, choices=())

    # ── meaning ─────────────────────────────────────────────────────────────────────────────────

    def since(self, now: datetime) -> datetime | None:
        """No record before then is wanted; None: all are."""
        if self.is_custom:
            return self.begins_at
        seconds, width = PRESETS[self.range][1:]
        if seconds is None or width is None:
            return None
        return _floor(now - timedelta(seconds=seconds), width)

    def stretch(self, now: datetime, first: datetime | None, last: datetime | None) -> Stretch:
        """The time that charts show; `first` and `last` are those of the records there are."""
        if not self.is_custom and self.range != "all":
            seconds, width = PRESETS[self.range][1:]
            assert seconds is not None
            assert width is not None
            end = _floor(now, width) + timedelta(seconds=width)
            return Stretch(end - timedelta(seconds=seconds), end, width)
        ends_at = self.ends_at or (last + _SECOND if last else now)
        begins_at = self.begins_at or min(first or ends_at - timedelta(hours=1), ends_at - _SECOND)
        seconds = max(1, int((ends_at - begins_at).total_seconds()))
        width = next((each for each in _WIDTHS if seconds / each <= BARS), 0)
        if not width:
            width = -(-seconds // BARS // _WEEK_S) * _WEEK_S
        return Stretch(begins_at, ends_at, width)

    def conditions(self, stretch: Stretch) -> list[str]:
        """What must hold for a record, in SQL, each a line."""
        found = [f"time >= {moment(stretch.begins_at)}"]
        if self.is_custom:
            found.append(f"time < {moment(stretch.ends_at)}")
        if self.range == "all" and not self.is_custom:
            found = []
        for name in DIMENSIONS:
            wanted = [c.condition for c in self.choices if c.dimension == name and not c.excludes]
            if wanted:
                found.append(wanted[0] if len(wanted) == 1 else f"({' OR '.join(wanted)})")
            found += [
                f"({c.condition}) IS NOT TRUE"
                for c in self.choices
                if c.dimension == name and c.excludes
            ]
        return found


def moment(at: datetime) -> str:
    """A moment in SQL."""
    return f"TIMESTAMPTZ '{at.astimezone(UTC):%Y-%m-%d %H:%M:%S+00}'"


def stamp(at: datetime | None) -> str:
    """A moment in an address."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _floor(at: datetime, width_s: int) -> datetime:
    shift = _MONDAY_S if width_s % _WEEK_S == 0 else 0
    seconds = int(at.timestamp()) - shift
    return datetime.fromtimestamp(seconds - seconds % width_s + shift, UTC)


def parse(
    path: str,
    given: Iterable[tuple[str, str]],
    now: datetime,
    fixed: tuple[tuple[str, str], ...] = (),
) -> View:
    """The view of an address. What is unknown is passed over; raises `Problem` for a time that is
    none, and for more choices than there may be.
    """
    view = View(path, fixed)
    choices: list[Choice] = []
    times: dict[str, datetime] = {}
    for name, value in given:
        dimension = name.removesuffix("!")
        if name in ("from", "to") and value.strip():
            times[name] = _time(value, now)
        elif name == "range" and value in PRESETS:
            view = replace(view, range=value)
        elif name == "by" and value in MEASURES:
            view = replace(view, by=value)
        elif name == "more" and value in DIMENSIONS:
            view = replace(view, more=value)
        elif dimension in DIMENSIONS and value and "\0" not in value:
            choice = Choice(dimension, value, name.endswith("!"))
            if choice not in choices:
                choices.append(choice)
    if len(choices) > MOST_CHOICES:
        raise Problem(f"More than {MOST_CHOICES} filters are too many.", "Remove some.")
    begins_at, ends_at = times.get("from"), times.get("to")
    if begins_at and ends_at and begins_at >= ends_at:
        raise Problem("The time ends before it begins.", "Set an end behind the beginning.")
    return replace(view, choices=tuple(choices), begins_at=begins_at, ends_at=ends_at)


def _time(text: str, now: datetime) -> datetime:
    at = moments.parse(text, now)
    if at < _FIRST:
        raise Problem(f"{text} is before there was any log.", "Set a later beginning.")
    return at.replace(microsecond=0)
