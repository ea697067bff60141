"""The database of accounts, keys, rules and delivery health: SQLite by way of SQLAlchemy Core.

It knows tables, transactions and whose exceptions are whose; not what a row means. A change is
one transaction that also counts the revision up, so that anyone can tell cheaply whether
anything changed. The file holds secret keys in clear (SigV4 can't be verified without them) and
is therefore readable by its owner alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bucketlog.problems import StateProblem

FILE_NAME = "state.db"
SCHEMA = 1
_BUSY_MS = 5_000

metadata = sa.MetaData()

about = sa.Table(
    "about",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("schema", sa.Integer, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account_id", sa.String(12), primary_key=True),
    sa.Column("canonical_id", sa.String(64), nullable=False, unique=True),
    sa.Column("name", sa.String(50), nullable=False, unique=True),
    sa.Column("is_root", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

users = sa.Table(
    "users",
    metadata,
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), primary_key=True),
    sa.Column("folded_name", sa.String(64), primary_key=True),  # names differ in more than case
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("access_key", sa.String(128), primary_key=True),
    sa.Column("secret_key", sa.String(128), nullable=False),
    sa.Column("account_id", sa.ForeignKey("accounts.account_id"), nullable=False, index=True),
    sa.Column("user_name", sa.String(64)),  # null: the account's root
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

rules = sa.Table(
    "rules",
    metadata,
    sa.Column("bucket", sa.String(255), primary_key=True),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
)

health = sa.Table(
    "health",
    metadata,
    sa.Column("bucket", sa.String(255), primary_key=True),
    sa.Column("last_delivered_at", sa.BigInteger),
    sa.Column("last_object", sa.Text),
    sa.Column("delivered_records", sa.BigInteger, nullable=False, default=0),
    sa.Column("delivered_objects", sa.BigInteger, nullable=False, default=0),
    sa.Column("failures", sa.BigInteger, nullable=False, default=0),
    sa.Column("last_failure", sa.Text),
    sa.Column("last_failure_at", sa.BigInteger),
    sa.Column("lost_records", sa.BigInteger, nullable=False, default=0),
)


class Database:
    """The state of one data folder. Each process opens its own; threads may share one."""

    def __init__(self, path: Path) -> None:
        """Opens the file, made with its tables if it isn't there. Raises `StateProblem`."""
        self.path = path
        _protect(path)
        self._engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
        sa.event.listen(self._engine, "connect", _connected)
        sa.event.listen(self._engine, "begin", _begun)
        with self._mapped():
            with self._engine.connect() as connection:
                found = sa.inspect(connection).has_table(about.name)
            if not found:
                self._create()
            with self.read() as connection:
                schema = connection.execute(sa.select(about.c.schema)).scalar_one()
        if schema > SCHEMA:
            self.close()
            raise StateProblem(
                f"{path} was made by a newer bucketlog (schema {schema}; this one knows {SCHEMA}).",
                "Run the newer bucketlog, or choose another data folder.",
            )

    @classmethod
    def open(cls, folder: Path) -> Database:
        """The state in a data folder, which is made if it isn't there."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateProblem(
                f"The data folder {folder} can't be made: {error.strerror}.",
                "Choose another one with --data.",
            ) from error
        return cls(folder / FILE_NAME)

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that sees one moment of the state and never waits for a writer."""
        with self._mapped(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, sync: str = "FULL") -> Iterator[sa.Connection]:
        """A transaction that has the only right to write, from its start to its end.

        With `sync` "NORMAL" its end waits for no disk: a power cut may undo it, never half of it.
        """
        with self._mapped(), self._engine.connect() as connection:
            connection = connection.execution_options(bucketlog_sync=sync)
            with connection.begin():
                yield connection

    @contextmanager
    def change(self) -> Iterator[sa.Connection]:
        """A `write` of something that others hold in memory: counts the revision up."""
        with self.write() as connection:
            yield connection
            connection.execute(about.update().values(revision=about.c.revision + 1))

    def revision(self, connection: sa.Connection) -> int:
        """How often the state was changed."""
        number: int = connection.execute(sa.select(about.c.revision)).scalar_one()
        return number

    def _create(self) -> None:
        # Two processes may start at once: the second waits here and finds all done.
        with self.write() as connection:
            metadata.create_all(connection)
            if connection.execute(sa.select(about.c.id)).first() is None:
                connection.execute(about.insert().values(id=1, schema=SCHEMA, revision=0))

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise StateProblem(f"The state in {self.path} can't be used: {error.orig}.") from error
        except SQLAlchemyError as error:
            raise StateProblem(f"The state in {self.path} can't be used: {error}.") from error


def _protect(path: Path) -> None:
    # SQLite gives its journal files the mode of the database, so this covers them too.
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        if path.stat().st_mode & 0o077:
            with suppress(PermissionError):  # somebody else's, who let us read it
                path.chmod(0o600)
    except OSError as error:
        raise StateProblem(
            f"The state in {path} can't be opened: {error.strerror}.",
            "Check that the data folder exists and that you may write to it.",
        ) from error


def _connected(connection: object, _: object) -> None:
    # The driver's own idea of when to begin is switched off; `_begun` begins.
    connection.isolation_level = None  # type: ignore[attr-defined]
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begun(connection: sa.Connection) -> None:
    sync = connection.get_execution_options().get("bucketlog_sync")
    if sync is None:
        connection.exec_driver_sql("BEGIN")
    else:
        connection.exec_driver_sql(f"PRAGMA synchronous = {sync}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
