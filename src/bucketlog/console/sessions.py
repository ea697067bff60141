"""Who is logged in: sessions, kept in this process's memory only.

A session holds the access key pair that everything is signed with, so what somebody may do is
what their key may do. The cookie carries a random name of the session, nothing else.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bucketlog.s3.model import Credential

AT_MOST = 1000
LASTS_S = 12 * 3600.0
"""How long a login lasts, however busy."""

_FAILURES = 10
_WITHIN_S = 60.0
_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an access key speaks for. `user_name` is None for the root of an account."""

    access_key: str
    secret_key: str
    account_id: str | None = None
    account_name: str | None = None
    canonical_id: str | None = None
    user_name: str | None = None
    is_operator: bool = False
    """The root of the root account: who set the server up."""

    @property
    def name(self) -> str:
        """What to call them."""
        if self.account_name is None:
            return self.access_key
        return self.account_name if self.user_name is None else self.user_name


@dataclass(slots=True)
class Toast:
    """A message for the next page. `kind` is "good", "bad" or "plain"."""

    kind: str
    text: str
    detail: str | None = None


@dataclass(slots=True, eq=False)
class Session:
    """One login."""

    id: str
    identity: Identity
    csrf: str
    began_at: float
    seen_at: float
    toasts: list[Toast] = field(default_factory=list)
    clients: dict[str, Any] = field(default_factory=dict)
    """boto3 clients by Region."""
    fresh: dict[str, Credential] = field(default_factory=dict)
    """Keys just made, by access key, until the page that shows their secrets has been shown."""


class Sessions:
    """All of them. `now` is monotonic seconds."""

    def __init__(self, idle_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self._idle_s = idle_s
        self._now = now
        self._open: OrderedDict[str, Session] = OrderedDict()

    def begin(self, identity: Identity) -> Session:
        """A new login; the one longest unused goes when there are too many."""
        now = self._now()
        session = Session(secrets.token_urlsafe(32), identity, secrets.token_urlsafe(32), now, now)
        self._open[session.id] = session
        while len(self._open) > AT_MOST:
            self._open.popitem(last=False)
        return session

    def find(self, name: str | None, *, is_used: bool = True) -> Session | None:
        """The session of that name, if it still lasts; it is used now, unless a page asks again
        by itself.
        """
        session = self._open.get(name) if name else None
        if session is None:
            return None
        now = self._now()
        if now - session.seen_at > self._idle_s or now - session.began_at > LASTS_S:
            self.end(session)
            return None
        if is_used:
            session.seen_at = now
            self._open.move_to_end(session.id)
        return session

    def end(self, session: Session) -> None:
        """Logs out."""
        self._open.pop(session.id, None)


class Patience:
    """How often a login may fail: ten times a minute from one address."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until that address may try again; 0 now."""
        failures = self._failures.get(address)
        if failures is None or len(failures) < _FAILURES:
            return 0.0
        return max(0.0, failures[0] + _WITHIN_S - self._now())

    def failed(self, address: str) -> None:
        """A login from there has failed."""
        failures = self._failures.setdefault(address, deque(maxlen=_FAILURES))
        failures.append(self._now())
        self._failures.move_to_end(address)
        while len(self._failures) > _ADDRESSES:
            self._failures.popitem(last=False)
