"""The embedded store: a folder with an index and content files; a `Handler` and a `Catalog`.

Layout of the folder: `index.db` (index), `objects/` and `incoming/` (blobs), `store.lock`, and
`store.open` while a process has it open. Several processes may have one store open at once; each
makes its own `Store`, after any fork. What a crash left is swept by the first to open it alone.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from bucketlog.backends.files.blobs import Blobs
from bucketlog.backends.files.buckets import Buckets
from bucketlog.backends.files.catalog import KnownBuckets
from bucketlog.backends.files.deletions import Deletions
from bucketlog.backends.files.depot import Depot, Run
from bucketlog.backends.files.documents import Documents
from bucketlog.backends.files.index import Index
from bucketlog.backends.files.listing import Listing
from bucketlog.backends.files.multipart import Multipart
from bucketlog.backends.files.objects import Objects, check_version
from bucketlog.backends.files.puts import Puts
from bucketlog.disk import Disk, DiskProblem, FileExists, RealDisk, problem_of
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Bucket, Call, Handler, ObjectAccess, Reply

log = logging.getLogger("bucketlog.store")

Durability = Literal["always", "normal"]
"""What a power cut may take: with "always" nothing that was answered; with "normal" perhaps the
last moments' changes. Neither leaves anything half there, and the death of the process costs
nothing either way.
"""


_MARK = "store.open"


class _Local:
    """The counter of a store that only one process has open."""

    def __init__(self) -> None:
        self.value = 0

    def read(self) -> int:
        return self.value

    def bump(self) -> None:
        self.value += 1


class Store:
    """One process's view of a store. Calls are made on the event loop's thread.

    `regions`: those served, the default first. `run` calls blocking functions on threads.
    `generation` reads, and `bump` raises, a counter that all processes of the store share; both
    may be left out when there is one process. `name_of` gives the name of a canonical id, None
    where it is nobody's; `is_principal` says whether an account id, canonical id or ARN exists:
    ACLs and policies that name others are refused. Without them, whoever is named is taken to
    exist.
    """

    def __init__(
        self,
        folder: Path,
        *,
        regions: Sequence[str] = ("us-east-1",),
        disk: Disk | None = None,
        run: Run = asyncio.to_thread,
        generation: Callable[[], int] | None = None,
        bump: Callable[[], object] | None = None,
        durability: Durability = "always",
        name_of: Callable[[str], str | None] | None = None,
        is_principal: Callable[[str], bool] | None = None,
    ) -> None:
        """Opens the folder, making what is missing. Raises `Problem`."""
        disk = RealDisk() if disk is None else disk
        counter = _Local()
        self._disk = disk
        self._folder = folder
        disk.make_folder(folder)
        disk.sync_folder(folder.parent)
        self._lock, alone = _lock(folder / "store.lock")
        try:
            blobs = self._blobs = Blobs(folder, disk)
            self._index = Index(folder / "index.db", full_sync=durability == "always")
            try:
                if alone:
                    self._sweep(blobs)
                    fcntl.flock(self._lock, fcntl.LOCK_SH)
                self._mark()
            except BaseException:
                self._index.close()
                raise
        except BaseException:
            os.close(self._lock)
            raise
        self._known = KnownBuckets(self._index, generation or counter.read)
        depot = Depot(
            index=self._index,
            blobs=blobs,
            known=self._known,
            run=run,
            bump=bump or counter.bump,
            regions=tuple(regions),
            name_of=name_of,
            is_principal=is_principal,
        )
        self._run = run
        self._operations = _operations(depot)

    async def __call__(self, call: Call) -> Reply:
        """Answers a call. Raises `S3Error`; an unknown operation is NotImplemented."""
        handler = self._operations.get(call.route.operation.name)
        if handler is None:
            raise S3Error("NotImplemented")
        try:
            return await handler(call)
        except (DiskProblem, sqlite3.OperationalError) as error:
            # A full disk, or an index that others hold too long: what was begun is undone, and
            # the client may try again.
            log.error("%s failed: %s", call.route.operation.name, error)
            raise S3Error("SlowDown") from error

    @property
    def operations(self) -> frozenset[str]:
        """The API names of the operations that are answered."""
        return frozenset(self._operations)

    async def usage(self) -> dict[str, tuple[int, int]]:
        """Objects and bytes by bucket name; an empty bucket is not among them."""
        counted: dict[str, tuple[int, int]] = await self._run(self._index.usage)
        return counted

    def bucket(self, name: str) -> Bucket | None:
        """The bucket as it is now; None when there is none of that name."""
        known = self._known.find(name)
        return None if known is None else known.bucket

    def object_access(self, bucket: str, key: str, version_id: str | None) -> ObjectAccess | None:
        """Owner and ACL of an object; None when there is no such object or version."""
        access = self._known.object_access(bucket, key)
        try:
            check_version(version_id, key, access is not None)
        except S3Error:
            return None
        return access

    def close(self) -> None:
        """Closes the store; no call may be under way. The last process leaves it marked clean."""
        self._index.close()
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self._blobs.left_behind:
                self._disk.unlink(self._folder / _MARK)
        except BlockingIOError:
            pass
        finally:
            os.close(self._lock)

    def _sweep(self, blobs: Blobs) -> None:
        """Removes what a crash left behind. Only while no other process has the store open."""
        crashed = _MARK in self._disk.names(self._folder)
        removed = blobs.sweep(_Unnamed(self._index) if crashed else None)
        if removed:
            log.info("removed %d files that an unfinished write left", removed)

    def _mark(self) -> None:
        """Marks the store as open, so that a crash is noticed at the next start."""
        with suppress(FileExists):
            self._disk.close(self._disk.create(self._folder / _MARK))
            self._disk.sync_folder(self._folder)


class _Unnamed:
    """Tells which content files no row of the index names.

    The names in use are gathered once, in a temporary table, so that memory stays small however
    many objects there are.
    """

    def __init__(self, index: Index) -> None:
        self._connection = index.reader
        self._connection.execute("DROP TABLE IF EXISTS temp.named")
        self._connection.execute("CREATE TEMP TABLE named (blob TEXT PRIMARY KEY) WITHOUT ROWID")
        for table in ("objects", "parts"):
            self._connection.execute(
                f"INSERT OR IGNORE INTO temp.named SELECT blob FROM {table} WHERE blob IS NOT NULL"
            )

    def __call__(self, shard: str, blobs: Iterable[str]) -> Iterable[str]:
        named = {
            blob
            for (blob,) in self._connection.execute(
                "SELECT blob FROM temp.named WHERE blob >= ? AND blob < ?", (shard, shard + "g")
            )
        }
        return [blob for blob in blobs if blob not in named]


def _lock(path: Path) -> tuple[int, bool]:
    """Locks the store: for itself alone if nobody has it, else shared with who has.

    Waits while another process is alone with it, which is as long as sweeping takes.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise problem_of(error, f"open {path}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor, True
        except BlockingIOError:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            return descriptor, False
    except OSError as error:
        os.close(descriptor)
        raise problem_of(error, f"lock {path}") from error


def _operations(depot: Depot) -> dict[str, Handler]:
    """What answers each operation."""
    buckets, documents, listing = Buckets(depot), Documents(depot), Listing(depot)
    objects, puts, deletions = Objects(depot), Puts(depot), Deletions(depot)
    multipart = Multipart(depot)
    return {
        "ListBuckets": buckets.list,
        "CreateBucket": buckets.create,
        "HeadBucket": buckets.head,
        "DeleteBucket": buckets.delete,
        "GetBucketLocation": buckets.location,
        "ListObjects": listing.objects,
        "ListObjectsV2": listing.objects_v2,
        "ListObjectVersions": listing.versions,
        "GetObject": objects.get,
        "HeadObject": objects.head,
        "PutObject": puts.put,
        "CopyObject": puts.copy,
        "DeleteObject": deletions.delete,
        "DeleteObjects": deletions.delete_many,
        "CreateMultipartUpload": multipart.create,
        "UploadPart": multipart.put_part,
        "UploadPartCopy": multipart.copy_part,
        "CompleteMultipartUpload": multipart.complete,
        "AbortMultipartUpload": multipart.abort,
        "ListParts": multipart.parts,
        "ListMultipartUploads": listing.uploads,
        "GetBucketAcl": documents.bucket_acl,
        "PutBucketAcl": documents.put_bucket_acl,
        "GetObjectAcl": documents.object_acl,
        "PutObjectAcl": documents.put_object_acl,
        "GetBucketPolicy": documents.policy,
        "GetBucketPolicyStatus": documents.policy_status,
        "PutBucketPolicy": documents.put_policy,
        "DeleteBucketPolicy": documents.delete_policy,
        "GetBucketOwnershipControls": documents.ownership,
        "PutBucketOwnershipControls": documents.put_ownership,
        "DeleteBucketOwnershipControls": documents.delete_ownership,
        "GetPublicAccessBlock": documents.public_access,
        "PutPublicAccessBlock": documents.put_public_access,
        "DeletePublicAccessBlock": documents.delete_public_access,
    }
