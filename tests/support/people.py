"""Accounts and users of a running server, made by command line as an operator makes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.support.raw import Sender
from tests.support.server import Server


@dataclass(frozen=True)
class Person:
    """Somebody who may sign: an account's root, or a user of it."""

    name: str
    account_id: str
    canonical_id: str
    arn: str
    access_key: str
    secret_key: str

    @property
    def requester(self) -> str:
        """What a record calls them."""
        return self.canonical_id if self.arn.endswith(":root") else self.arn

    def sender(self, server: Server) -> Sender:
        return Sender(server.endpoint, self.access_key, self.secret_key)

    def client(self, server: Server, **config: Any) -> Any:
        return server.client(self.access_key, self.secret_key, **config)


def account(server: Server, name: str) -> Person:
    """A new account, and a key of its root."""
    return _made(server, "account", "add", name)


def user(server: Server, name: str) -> Person:
    """A new user of the root account."""
    return _made(server, "user", "add", name)


def _made(server: Server, *command: str) -> Person:
    told = json.loads(server.run(*command, "--data", str(server.data), "--json").stdout)
    return Person(**{name: told[name] for name in Person.__dataclass_fields__})
