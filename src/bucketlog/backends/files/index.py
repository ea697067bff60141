"""The store's index: which buckets, objects, uploads and parts there are, in one SQLite file.

It knows rows and transactions, nothing of S3 or of file content. Several processes and threads
use the same file: each thread writes through a connection of its own, inside `write()`, and
reads made on the event loop share `reader`. The journal is a write-ahead log, so readers never
wait. Keys are stored as UTF-8 bytes: SQLite compares them with memcmp, which is the order S3
lists in. Tables: `_SCHEMA` below.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bucketlog.problems import Problem
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Owner

Connection = sqlite3.Connection

VERSION = 1
"""Of the schema, kept in `PRAGMA user_version`."""

BUSY_MS = 20_000
"""How long a writer waits for another process's transaction before it gives up (SlowDown)."""

_SCHEMA = """
CREATE TABLE owners (
  id INTEGER PRIMARY KEY,
  account_id TEXT NOT NULL,              -- not unique: the log-delivery owner has nobody's
  canonical_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL
);
CREATE TABLE buckets (
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice, so a stale id finds nothing
  name TEXT NOT NULL UNIQUE,
  region TEXT NOT NULL,
  owner INTEGER NOT NULL,
  created_at INTEGER NOT NULL,           -- ns since 1970
  acl TEXT NOT NULL,                     -- JSON of s3.acl
  policy TEXT,                           -- as it was put
  ownership TEXT,                        -- value of model.Ownership
  public_access INTEGER                  -- four bits in the order of model.PublicAccessBlock
);
CREATE TABLE objects (
  bucket INTEGER NOT NULL,
  key BLOB NOT NULL,                     -- UTF-8
  blob TEXT,                             -- name of the content file; NULL: zero bytes
  size INTEGER NOT NULL,
  etag TEXT NOT NULL,                    -- without quotes
  modified_at INTEGER NOT NULL,          -- ns since 1970
  owner INTEGER NOT NULL,
  headers TEXT NOT NULL,                 -- JSON object: what a GET sends back
  storage_class TEXT NOT NULL,
  checksum TEXT,                         -- "CRC32 FULL_OBJECT base64"
  parts TEXT,                            -- JSON [[number, size, checksum or null], ...]
  acl TEXT,                              -- JSON of s3.acl; NULL: all to the owner
  PRIMARY KEY (bucket, key)
) WITHOUT ROWID;
CREATE TABLE uploads (
  bucket INTEGER NOT NULL,
  key BLOB NOT NULL,
  id TEXT NOT NULL,                      -- sorts by time of initiation
  initiated_at INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  initiator TEXT NOT NULL,               -- JSON [id, display name]
  headers TEXT NOT NULL,
  storage_class TEXT NOT NULL,
  checksum_algorithm TEXT,
  checksum_type TEXT,
  acl TEXT,
  finished TEXT,                         -- JSON of the answer, once completed
  finished_at INTEGER,
  PRIMARY KEY (bucket, key, id)
) WITHOUT ROWID;
CREATE INDEX finished_uploads ON uploads (finished_at) WHERE finished_at IS NOT NULL;
CREATE TABLE parts (
  upload TEXT NOT NULL,
  number INTEGER NOT NULL,
  blob TEXT,
  size INTEGER NOT NULL,
  etag TEXT NOT NULL,
  checksum TEXT,                         -- "CRC32 base64"
  modified_at INTEGER NOT NULL,
  PRIMARY KEY (upload, number)
) WITHOUT ROWID;
"""


class Entry(NamedTuple):
    """One row of `objects`, without its key.

    A tuple because SQLite hands out tuples: wrapping one costs a third of building a dataclass,
    and every GET does it.
    """

    blob: str | None
    size: int
    etag: str
    modified_at: int
    owner: int
    headers: str
    storage_class: str
    checksum: str | None
    parts: str | None
    acl: str | None


COLUMNS = ", ".join(Entry._fields)
_SELECT = f"SELECT {COLUMNS} FROM objects WHERE bucket = ? AND key = ?"
_REPLACE = (
    f"INSERT OR REPLACE INTO objects (bucket, key, {COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
)


class Index:
    """The open index. Made once a process, after any fork; closed by `close`."""

    def __init__(self, path: Path, *, full_sync: bool) -> None:
        """Opens or creates the file. Raises `Problem` when that can't be, or the file is of a
        newer version.
        """
        self._path = path
        self._full_sync = full_sync
        self._local = threading.local()
        self._writing = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        self._owners: dict[int, Owner] = {}
        try:
            self.reader = self._local.connection = self._connect()
            self._prepare()
        except sqlite3.Error as error:
            self.close()
            raise Problem(
                f"The store's index {path} can't be opened: {error}.",
                "Check that the folder is on a local disk, and that this user may write to it.",
            ) from error
        except Problem:
            self.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000
        )
        with self._writing:
            self._connections.append(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._full_sync else 'NORMAL'}")
        connection.execute("PRAGMA cache_size = -8000")
        return connection

    def _prepare(self) -> None:
        """Creates the tables in a new file. One process does, the others wait and find them."""
        (version,) = self.reader.execute("PRAGMA user_version").fetchone()
        if version == 0:
            with self.write() as connection:
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version == 0:
                    for statement in _SCHEMA.split(";\n"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {VERSION}")
                    version = VERSION
        if version > VERSION:
            raise Problem(
                f"The store's index {self._path} is of version {version}; this bucketlog knows "
                f"{VERSION}.",
                "Start the newer bucketlog that wrote it, or give another --data folder.",
            )

    @property
    def connection(self) -> sqlite3.Connection:
        """This thread's own connection, for reads off the event loop and inside `write`."""
        try:
            return self._local.connection  # type: ignore[no-any-return]
        except AttributeError:
            self._local.connection = self._connect()
            return self._local.connection  # type: ignore[no-any-return]

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction: committed when the block ends, undone when it raises.

        The threads of one process queue on a lock, since SQLite itself would poll; the
        processes wait for each other in SQLite, up to `BUSY_MS`.
        """
        connection = self.connection
        with self._writing:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def entry(self, bucket_id: int, key: str) -> Entry | None:
        """An object's row as it is now, read on the event loop."""
        row = self.reader.execute(_SELECT, (bucket_id, key.encode())).fetchone()
        return None if row is None else Entry._make(row)

    def owner(self, owner_id: int) -> Owner:
        """The account a row names by number."""
        found = self._owners.get(owner_id)
        if found is None:
            row = self.connection.execute(
                "SELECT account_id, canonical_id, name FROM owners WHERE id = ?", (owner_id,)
            ).fetchone()
            found = self._owners[owner_id] = Owner(*row)
        return found

    def usage(self) -> dict[str, tuple[int, int]]:
        """Objects and bytes by bucket name, counted now, off the event loop; each takes 0.3 us."""
        rows = self.connection.execute(
            "SELECT name, objects, bytes FROM buckets JOIN (SELECT bucket, count(*) AS objects, "
            "sum(size) AS bytes FROM objects GROUP BY bucket) ON bucket = id"
        )
        return {name: (objects, held) for name, objects, held in rows}

    def close(self) -> None:
        """Closes every connection. No call may be under way."""
        with self._writing:
            for connection in self._connections:
                connection.close()
            self._connections.clear()


def bucket_id(connection: sqlite3.Connection, name: str) -> int:
    """The number of a bucket; raises `S3Error` NoSuchBucket."""
    row = connection.execute("SELECT id FROM buckets WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise S3Error("NoSuchBucket", BucketName=name)
    return int(row[0])


def owner_id(connection: sqlite3.Connection, owner: Owner) -> int:
    """The number of an account, noting it (or its new name) when need be. Inside `write`."""
    row = connection.execute(
        "SELECT id, account_id, name FROM owners WHERE canonical_id = ?", (owner.canonical_id,)
    ).fetchone()
    if row is not None and row[1] == owner.account_id and row[2] == owner.name:
        return int(row[0])
    row = connection.execute(
        "INSERT INTO owners (account_id, canonical_id, name) VALUES (?, ?, ?) "
        "ON CONFLICT (canonical_id) DO UPDATE SET "
        "account_id = excluded.account_id, name = excluded.name RETURNING id",
        (owner.account_id, owner.canonical_id, owner.name),
    ).fetchone()
    return int(row[0])


def find(connection: sqlite3.Connection, bucket: int, key: str) -> Entry | None:
    """An object's row, seen from inside a transaction."""
    row = connection.execute(_SELECT, (bucket, key.encode())).fetchone()
    return None if row is None else Entry._make(row)


def put(connection: sqlite3.Connection, bucket: int, key: str, entry: Entry) -> None:
    """Adds or replaces an object's row. Inside `write`."""
    connection.execute(_REPLACE, (bucket, key.encode(), *entry))


def remove(connection: sqlite3.Connection, bucket: int, key: str) -> None:
    """Takes an object's row away. Inside `write`."""
    connection.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key.encode()))
