"""Accounts, their users, and the access keys that speak for them.

Shapes as on AWS: 12-digit account ids, 64-hex canonical ids, user ARNs, "AKIA" and 16 more. The
three look-ups a request needs (`find_key`, `owner`, `account`) read a snapshot in memory that is
current to the last change by any process. Secret keys are kept in clear, because the key of a
SigV4 signature is derived from them.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bucketlog.problems import StateProblem
from bucketlog.s3.model import Credential, Owner
from bucketlog.state import names
from bucketlog.state.database import Database, accounts, keys, users
from bucketlog.state.generation import Generation
from bucketlog.state.snapshot import Snapshot

ROOT = "root"


@dataclass(frozen=True, slots=True)
class Account:
    """An account. `is_root` marks the one made at the first start. `created_at` is in ns."""

    owner: Owner
    is_root: bool
    created_at: int

    @property
    def arn(self) -> str:
        """The ARN of the account's root."""
        return arn_of(self.owner.account_id, None)


@dataclass(frozen=True, slots=True)
class User:
    """An IAM user of an account. `created_at` is in ns."""

    name: str
    account: Owner
    created_at: int

    @property
    def arn(self) -> str:
        """The user's ARN, as it stands in the Requester field."""
        return arn_of(self.account.account_id, self.name)


@dataclass(frozen=True, slots=True)
class Key:
    """An access key without its secret. `user_name` is None for a key of the account's root."""

    access_key: str
    account: Owner
    user_name: str | None
    created_at: int

    @property
    def arn(self) -> str:
        """The ARN of whom it speaks for."""
        return arn_of(self.account.account_id, self.user_name)


@dataclass(frozen=True, slots=True)
class _Known:
    credentials: dict[str, Credential]
    by_canonical_id: dict[str, Owner]
    by_account_id: dict[str, Owner]
    user_arns: frozenset[str]


def arn_of(account_id: str, user: str | None) -> str:
    """The ARN of a user, or of the account's root."""
    return f"arn:aws:iam::{account_id}:" + ("root" if user is None else f"user/{user}")


class Accounts:
    """Who may sign requests. Any number of processes may share one data folder.

    Every method may raise `StateProblem`: something is unknown, taken, or malformed, or the
    database can't be used. What a method changed is in force everywhere when it returns.
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

    # Looking up: for each request

    def credentials(self) -> dict[str, Credential]:
        """All keys by access key. Shared: don't change it."""
        return self._snapshot.current().credentials

    def find_key(self, access_key: str) -> Credential | None:
        """The credential of an access key, None when there is no such key; about 0.3 us."""
        return self._snapshot.current().credentials.get(access_key)

    def owner(self, canonical_id: str) -> Owner | None:
        """The account with that canonical id."""
        return self._snapshot.current().by_canonical_id.get(canonical_id)

    def name_of(self, canonical_id: str) -> str | None:
        """The name of the account with that canonical id."""
        owner = self.owner(canonical_id)
        return None if owner is None else owner.name

    def is_principal(self, name: str) -> bool:
        """Whether it is the 12-digit or canonical id of an account, or the ARN of a user."""
        known = self._snapshot.current()
        return (
            name in known.by_account_id or name in known.by_canonical_id or name in known.user_arns
        )

    def account(self, account_id: str) -> Owner | None:
        """The account with that 12-digit id."""
        return self._snapshot.current().by_account_id.get(account_id)

    # Accounts

    def accounts(self) -> list[Account]:
        """All accounts, by name."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(accounts).order_by(accounts.c.name))
            return [_account(row) for row in rows]

    def add_account(
        self, name: str, *, account_id: str | None = None, canonical_id: str | None = None
    ) -> Account:
        """Makes an account; ids that aren't given are drawn at random."""
        with self._changing() as connection:
            return self._insert_account(connection, name, account_id, canonical_id)

    def add_account_with_key(
        self,
        name: str,
        *,
        account_id: str | None = None,
        canonical_id: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> Credential:
        """Makes an account and an access key of its root, or neither."""
        with self._changing() as connection:
            made = self._insert_account(connection, name, account_id, canonical_id)
            return self._insert_key(connection, made.owner, None, access_key, secret_key)

    # Users

    def users(self, account: str | None = None) -> list[User]:
        """All users, by account name and name; or those of one account (name or id)."""
        statement = sa.select(users, accounts.c.canonical_id, accounts.c.name.label("account"))
        statement = statement.join(accounts).order_by(accounts.c.name, users.c.folded_name)
        with self._database.read() as connection:
            if account is not None:
                owner = _find_account(connection, account)
                statement = statement.where(users.c.account_id == owner.account_id)
            return [
                User(row.name, Owner(row.account_id, row.canonical_id, row.account), row.created_at)
                for row in connection.execute(statement)
            ]

    def add_user(self, name: str, account: str | None = None) -> User:
        """Makes a user of an account (name or id; the root account unless given)."""
        with self._changing() as connection:
            return self._insert_user(connection, name, account)

    def add_user_with_key(
        self,
        name: str,
        account: str | None = None,
        *,
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> Credential:
        """Makes a user and an access key, or neither."""
        with self._changing() as connection:
            made = self._insert_user(connection, name, account)
            return self._insert_key(connection, made.account, name, access_key, secret_key)

    def remove_user(self, name: str, account: str | None = None) -> list[str]:
        """Removes a user with all access keys, and says which these were."""
        with self._changing() as connection:
            owner = _find_account(connection, account)
            user = _find_user(connection, owner, name)
            theirs = sa.and_(keys.c.account_id == owner.account_id, keys.c.user_name == user)
            statement = sa.select(keys.c.access_key).where(theirs).order_by(keys.c.access_key)
            gone = list(connection.execute(statement).scalars())
            connection.execute(keys.delete().where(theirs))
            connection.execute(
                users.delete().where(
                    users.c.account_id == owner.account_id, users.c.folded_name == user.lower()
                )
            )
        return gone

    # Keys

    def keys(self, account: str | None = None, user: str | None = None) -> list[Key]:
        """All access keys by account, user and age; or those of one account, or one user."""
        statement = sa.select(keys, accounts.c.canonical_id, accounts.c.name.label("account"))
        statement = statement.join(accounts).order_by(
            accounts.c.name, keys.c.user_name, keys.c.created_at, keys.c.access_key
        )
        with self._database.read() as connection:
            if account is not None or user is not None:
                owner = _find_account(connection, account)
                statement = statement.where(keys.c.account_id == owner.account_id)
                if user is not None:
                    name = _find_user(connection, owner, user)
                    statement = statement.where(keys.c.user_name == name)
            return [
                Key(
                    row.access_key,
                    Owner(row.account_id, row.canonical_id, row.account),
                    row.user_name,
                    row.created_at,
                )
                for row in connection.execute(statement)
            ]

    def add_key(
        self,
        account: str | None = None,
        user: str | None = None,
        *,
        access_key: str | None = None,
        secret_key: str | None = None,
    ) -> Credential:
        """Makes an access key for a user, or for the account's root; what isn't given is drawn at
        random. The only time the secret is told.
        """
        with self._changing() as connection:
            owner = _find_account(connection, account)
            name = None if user is None else _find_user(connection, owner, user)
            return self._insert_key(connection, owner, name, access_key, secret_key)

    def remove_key(self, access_key: str) -> None:
        """Removes an access key: requests signed with it are refused from now on."""
        with self._changing() as connection:
            gone = connection.execute(keys.delete().where(keys.c.access_key == access_key))
            if gone.rowcount == 0:
                raise StateProblem(
                    f"There is no access key {access_key}.", "bucketlog key list shows all."
                )

    # The root account

    def ensure_root(
        self, access_key: str | None = None, secret_key: str | None = None
    ) -> Credential | None:
        """Makes the root account at the first start, and sees to it that the given key is its.

        Returns the credential if it is new: drawn at random when none is given, or the given one
        where it wasn't known with this secret. Earlier keys of the root stay valid until they
        are removed. Call it at each start.
        """
        if (access_key is None) != (secret_key is None):
            raise StateProblem(
                "Only one half of the root key is given.",
                "Set both BUCKETLOG_ROOT_ACCESS_KEY and BUCKETLOG_ROOT_SECRET_KEY, or neither.",
            )
        with self._database.read() as connection:
            if _root_is_right(connection, access_key, secret_key):
                return None
        with self._changing() as connection:
            # Asked again: another process may have made it meanwhile.
            if _root_is_right(connection, access_key, secret_key):
                return None
            root = connection.execute(sa.select(accounts).where(accounts.c.is_root)).first()
            if root is None:
                made = self._insert_account(connection, ROOT, None, None, is_root=True)
                owner = made.owner
            else:
                owner = _account(root).owner
            if access_key is not None:
                _release_root_key(connection, owner, access_key)
            return self._insert_key(connection, owner, None, access_key, secret_key)

    @contextmanager
    def _changing(self) -> Iterator[sa.Connection]:
        """A change that everybody sees when it is over. Without one (nothing written, or an
        exception) the bump costs each process a look at the revision.
        """
        try:
            with self._database.change() as connection:
                yield connection
        finally:
            self._generation.bump()

    def _insert_account(
        self,
        connection: sa.Connection,
        name: str,
        account_id: str | None,
        canonical_id: str | None,
        *,
        is_root: bool = False,
    ) -> Account:
        names.check_account(name, account_id, canonical_id)
        owner = Owner(
            account_id or f"{secrets.randbelow(9 * 10**11) + 10**11}",
            canonical_id or secrets.token_hex(32),
            name,
        )
        for column, value in (
            (accounts.c.name, owner.name),
            (accounts.c.account_id, owner.account_id),
            (accounts.c.canonical_id, owner.canonical_id),
        ):
            if connection.execute(sa.select(accounts.c.name).where(column == value)).first():
                raise StateProblem(
                    f"There is already an account with {column.name.replace('_', ' ')} {value}.",
                    "bucketlog account list shows all.",
                )
        made = Account(owner, is_root, self._now())
        connection.execute(
            accounts.insert().values(
                account_id=owner.account_id,
                canonical_id=owner.canonical_id,
                name=owner.name,
                is_root=is_root,
                created_at=made.created_at,
            )
        )
        return made

    def _insert_user(self, connection: sa.Connection, name: str, account: str | None) -> User:
        names.check_user(name)
        owner = _find_account(connection, account)
        taken = connection.execute(_user_named(owner, name)).first()
        if taken is not None:
            raise StateProblem(
                f"Account {owner.name} already has a user {taken.name}.",
                "Names of users must differ in more than upper and lower case.",
            )
        made = User(name, owner, self._now())
        connection.execute(
            users.insert().values(
                account_id=owner.account_id,
                folded_name=name.lower(),
                name=name,
                created_at=made.created_at,
            )
        )
        return made

    def _insert_key(
        self,
        connection: sa.Connection,
        owner: Owner,
        user: str | None,
        access_key: str | None,
        secret_key: str | None,
    ) -> Credential:
        access_key = names.new_access_key() if access_key is None else access_key
        secret_key = names.new_secret_key() if secret_key is None else secret_key
        names.check_key(access_key, secret_key)
        if connection.execute(sa.select(keys).where(keys.c.access_key == access_key)).first():
            raise StateProblem(
                f"The access key {access_key} is taken.", "bucketlog key list shows whose it is."
            )
        connection.execute(
            keys.insert().values(
                access_key=access_key,
                secret_key=secret_key,
                account_id=owner.account_id,
                user_name=user,
                created_at=self._now(),
            )
        )
        arn = None if user is None else arn_of(owner.account_id, user)
        return Credential(access_key, secret_key, owner, arn)


def _load(connection: sa.Connection) -> _Known:
    owners = {
        row.account_id: Owner(row.account_id, row.canonical_id, row.name)
        for row in connection.execute(sa.select(accounts))
    }
    found = {}
    for row in connection.execute(sa.select(keys)):
        arn = None if row.user_name is None else arn_of(row.account_id, row.user_name)
        owner = owners[row.account_id]
        found[row.access_key] = Credential(row.access_key, row.secret_key, owner, arn)
    return _Known(
        found,
        {owner.canonical_id: owner for owner in owners.values()},
        owners,
        frozenset(arn_of(row.account_id, row.name) for row in connection.execute(sa.select(users))),
    )


def _account(row: sa.Row[Any]) -> Account:
    owner = Owner(row.account_id, row.canonical_id, row.name)
    return Account(owner, row.is_root, row.created_at)


def _find_account(connection: sa.Connection, account: str | None) -> Owner:
    """The account of that name or 12-digit id; the root account for None."""
    if account is None:
        which: sa.ColumnElement[bool] = accounts.c.is_root.is_(True)
    else:
        which = sa.or_(accounts.c.name == account, accounts.c.account_id == account)
    rows = [_account(row) for row in connection.execute(sa.select(accounts).where(which))]
    if not rows and account is None:
        raise StateProblem(
            "There is no root account yet.",
            "It is made by the first start of `bucketlog serve`; or name one with --account.",
        )
    if not rows:
        raise StateProblem(f"There is no account {account}.", "bucketlog account list shows all.")
    # A name may look like another's id; the id counts.
    return next((each.owner for each in rows if each.owner.account_id == account), rows[0].owner)


def _user_named(owner: Owner, name: str) -> sa.Select[Any]:
    return sa.select(users.c.name).where(
        users.c.account_id == owner.account_id, users.c.folded_name == name.lower()
    )


def _find_user(connection: sa.Connection, owner: Owner, name: str) -> str:
    found: str | None = connection.execute(_user_named(owner, name)).scalar()
    if found is None:
        raise StateProblem(
            f"Account {owner.name} has no user {name}.", "bucketlog user list shows all."
        )
    return found


def _root_is_right(
    connection: sa.Connection, access_key: str | None, secret_key: str | None
) -> bool:
    statement = sa.select(accounts.c.account_id).where(accounts.c.is_root)
    if access_key is not None:
        statement = statement.join(keys).where(
            keys.c.access_key == access_key,
            keys.c.secret_key == secret_key,
            keys.c.user_name.is_(None),
        )
    return connection.execute(statement).first() is not None


def _release_root_key(connection: sa.Connection, owner: Owner, access_key: str) -> None:
    """Makes room for a root key that has a new secret; refuses to take over anyone else's key."""
    row = connection.execute(sa.select(keys).where(keys.c.access_key == access_key)).first()
    if row is None:
        return
    if row.account_id != owner.account_id or row.user_name is not None:
        raise StateProblem(
            f"The root access key {access_key} already belongs to somebody else.",
            "Choose another BUCKETLOG_ROOT_ACCESS_KEY; `bucketlog key list` shows whose it is.",
        )
    connection.execute(keys.delete().where(keys.c.access_key == access_key))
