"""The embedded store as a folder that processes open, share, fill up and close."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.support.calls import ALICE, BOB, Client, account
from tests.support.faulty_disk import FaultyDisk

from bucketlog.backends.files import index
from bucketlog.backends.files.store import Store
from bucketlog.disk import DiskFull, DiskProblem, RealDisk
from bucketlog.problems import Problem
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import FileSlice
from bucketlog.s3.operations import OPERATIONS


class Counter:
    """The counter that the workers of a server share."""

    def __init__(self) -> None:
        self.value = 0

    def read(self) -> int:
        return self.value

    def bump(self) -> None:
        self.value += 1


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[tuple[Client, Client]]:
    """Two processes' views of one store, each with connections and a lock of its own."""
    counter = Counter()
    stores = [
        Store(tmp_path / "store", generation=counter.read, bump=counter.bump) for _ in range(2)
    ]
    yield Client(stores[0], account(ALICE)), Client(stores[1], account(ALICE))
    for store in stores:
        store.close()


def files_of(folder: Path) -> int:
    """How many content files there are, unfinished ones included."""
    found = [*folder.glob("objects/*/*"), *folder.glob("incoming/*")]
    return sum(path.is_file() for path in found)


async def test_a_store_keeps_everything_from_one_opening_to_the_next(tmp_path: Path) -> None:
    for number in range(3):
        store = Store(tmp_path / "store")
        client = Client(store, account(ALICE))
        if number == 0:
            await client.bucket("bucket")
        await client.put("bucket", f"k{number}", b"x" * number)
        store.close()
    store = Store(tmp_path / "store")
    listed = await Client(store, account(ALICE)).list("bucket")
    store.close()
    assert listed.texts("Contents/Key") == ["k0", "k1", "k2"]
    assert files_of(tmp_path / "store") == 2  # nothing is kept for zero bytes


async def test_a_change_answered_by_one_worker_is_seen_by_the_other(
    workers: tuple[Client, Client],
) -> None:
    one, other = workers
    assert other.backend.bucket("bucket") is None
    await one.bucket("bucket")
    bucket = other.backend.bucket("bucket")
    assert bucket is not None
    assert other.backend.bucket("bucket") is bucket
    await one.send("DELETE", "/bucket?publicAccessBlock")
    changed = other.backend.bucket("bucket")
    assert changed is not None
    assert changed.public_access is None
    await one.put("bucket", "k", b"x")
    assert (await other.get("bucket", "k")).body == b"x"
    await other.send("DELETE", "/bucket/k")
    assert (await one.refused("GET", "/bucket/k")).code == "NoSuchKey"
    await other.send("DELETE", "/bucket")
    assert one.backend.bucket("bucket") is None


async def test_readers_see_one_version_or_another_while_writers_replace_it(
    workers: tuple[Client, Client],
) -> None:
    one, other = workers
    await one.bucket("bucket")
    await one.put("bucket", "k", b"0" * 10)
    done = False

    async def write(client: Client, letter: bytes) -> None:
        for number in range(25):
            await client.put("bucket", "k", letter * (10 if number % 2 else 100_000))

    async def read(client: Client) -> int:
        count = 0
        while not done:
            got = await client.get("bucket", "k")
            assert len(set(got.body)) == 1
            assert len(got.body) in (10, 100_000)
            count += 1
            await asyncio.sleep(0)
        return count

    readers = [asyncio.create_task(read(client)) for client in workers]
    await asyncio.gather(write(one, b"1"), write(other, b"2"), write(one, b"3"))
    done = True
    assert all([await reader for reader in readers])


async def test_of_many_first_writers_one_wins(workers: tuple[Client, Client]) -> None:
    await workers[0].bucket("bucket")

    async def first(number: int) -> str | None:
        try:
            await workers[number % 2].send(
                "PUT", "/bucket/k", {"if-none-match": "*"}, str(number).encode()
            )
        except S3Error as error:
            return error.code
        return None

    won = await asyncio.gather(*[first(number) for number in range(12)])
    assert sorted(won, key=str) == [None, *["PreconditionFailed"] * 11]
    assert (await workers[0].get("bucket", "k")).body == str(won.index(None)).encode()


async def test_a_bucket_deleted_while_it_is_written_to_is_empty_or_stays(
    workers: tuple[Client, Client],
) -> None:
    one, other = workers
    for _ in range(10):
        await one.bucket("bucket")
        put, delete = await asyncio.gather(
            one.put("bucket", "k", b"x"), other.send("DELETE", "/bucket"), return_exceptions=True
        )
        if isinstance(put, S3Error):
            assert put.code == "NoSuchBucket"
            assert one.backend.bucket("bucket") is None
        else:
            assert isinstance(delete, S3Error)
            assert delete.code == "BucketNotEmpty"
            await one.send("DELETE", "/bucket/k")
            await one.send("DELETE", "/bucket")


async def test_a_slice_is_read_whole_though_the_object_is_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    client = Client(store, account(ALICE))
    await client.bucket("bucket")
    await client.put("bucket", "k", b"1" * 100_000)
    reply = await store(client.call("GET", "/bucket/k"))
    await client.put("bucket", "k", b"2")
    await client.send("DELETE", "/bucket/k")
    assert isinstance(reply.body, FileSlice)
    assert os.pread(reply.body.descriptor, 200_000, 0) == b"1" * 100_000
    os.close(reply.body.descriptor)
    store.close()


async def test_an_abandoned_file_is_swept_only_after_a_crash_and_only_alone(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "store"
    first = Store(folder)
    client = Client(first, account(ALICE))
    await client.bucket("bucket")
    await client.put("bucket", "k", b"x")
    (kept,) = (folder / "objects").glob("*/*")
    stray = kept.with_name(kept.name[:2] + "0" * 30)
    unfinished = folder / "incoming" / "half"
    stray.write_bytes(b"left by a crash")
    unfinished.write_bytes(b"left by a crash")
    second = Store(folder)
    assert stray.exists()
    assert unfinished.exists()
    second.close()
    assert (folder / "store.open").exists()  # the first has it open still
    first.close()
    assert not (folder / "store.open").exists()
    (folder / "store.open").touch()  # as a crash leaves it
    third = Store(folder)
    assert not stray.exists()
    assert not unfinished.exists()
    assert (await Client(third, account(ALICE)).get("bucket", "k")).body == b"x"
    third.close()


@pytest.mark.parametrize("size", [5, 600_000])
async def test_a_full_disk_refuses_the_write_and_keeps_what_was_there(
    tmp_path: Path, size: int
) -> None:
    async def attempt(fails_at: int | None) -> tuple[int, S3Error | None]:
        """Replaces an object; gives the disk's steps before that, and what it was refused with."""
        folder = tmp_path / f"{fails_at}"
        failures = {} if fails_at is None else {fails_at: DiskFull("No room.")}
        disk = FaultyDisk(tmp_path / f"shadow{fails_at}", failures=failures)
        store = Store(folder, disk=disk)
        client = Client(store, account(ALICE))
        await client.bucket("bucket")
        await client.put("bucket", "k", b"before")
        steps, refusal = disk.steps, None
        try:
            await client.put("bucket", "k", b"x" * size)
        except S3Error as error:
            refusal = error
        left = (await client.get("bucket", "k")).body
        assert left == (b"before" if refusal else b"x" * size)
        assert files_of(folder) == 1
        store.close()
        return steps, refusal

    before, refusal = await attempt(None)
    assert refusal is None
    # create, write, sync: the first three steps of any write; more where content is in pieces.
    for step in (1, 2, 3):
        _, refusal = await attempt(before + step)
        assert refusal is not None
        assert (refusal.code, refusal.status) == ("SlowDown", 503)


def test_an_index_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "index.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Problem, match="is of version 99") as caught:
        Store(tmp_path)
    assert caught.value.hint is not None
    with pytest.raises(Problem):  # and the lock was given back
        Store(tmp_path)


def test_a_file_that_is_no_index_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "index.db").write_bytes(b"something else" * 1000)
    with pytest.raises(Problem, match="can't be opened"):
        Store(tmp_path)


def test_a_folder_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"")
    with pytest.raises(Problem):
        Store(tmp_path / "store")


async def test_a_hundred_thousand_keys_under_one_prefix_are_listed_in_milliseconds(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "store")
    client = Client(store, account(ALICE))
    await client.bucket("bucket")
    await client.put("bucket", "z", b"x")
    columns = "blob, size, etag, modified_at, owner, headers, storage_class"
    with store._index.write() as connection:
        bucket = index.bucket_id(connection, "bucket")
        connection.executemany(
            f"INSERT INTO objects (bucket, key, {columns}) "
            f"SELECT bucket, ?, {columns} FROM objects WHERE bucket = ? AND key = ?",
            ((f"p/{number:06}".encode(), bucket, b"z") for number in range(100_000)),
        )
    began = time.process_time()
    listed = await client.list("bucket", delimiter="/")
    took = time.process_time() - began
    assert listed.texts("CommonPrefixes/Prefix") == ["p/"]
    assert listed.texts("Contents/Key") == ["z"]
    assert took < 0.02
    page = await client.list("bucket", prefix="p/", start_after="p/099998", max_keys=1)
    assert page.texts("Contents/Key") == ["p/099999"]
    assert page.text("IsTruncated") == "false"
    store.close()


async def test_every_operation_named_exists_and_the_rest_is_not_implemented(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "store")
    known = {operation.name for operation in OPERATIONS}
    implemented = {operation.name for operation in OPERATIONS if operation.implemented}
    assert store.operations <= known
    # The gateway answers these itself.
    elsewhere = {"GetBucketLogging", "PutBucketLogging", "FlushBucketLogging", "CORSPreflight"}
    assert implemented - store.operations <= elsewhere
    client = Client(store, account(ALICE))
    await client.bucket("bucket")
    for target in ("?website", "?lifecycle", "?cors", "?tagging", "/k?tagging"):
        assert (await client.refused("GET", f"/bucket{target}")).code == "NotImplemented"
    store.close()


async def test_the_name_of_an_account_is_the_one_it_has_now(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    client = Client(store, account(BOB))
    await client.bucket("bucket")
    store.close()
    renamed = type(BOB)(BOB.account_id, BOB.canonical_id, "robert")
    store = Store(tmp_path / "store")
    await Client(store, account(renamed)).bucket("second")
    bucket = store.bucket("bucket")
    assert bucket is not None
    assert bucket.owner.name == "robert"
    store.close()


async def test_a_cancelled_upload_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    client = Client(store, account(ALICE))
    await client.bucket("bucket")
    call = client.call("PUT", "/bucket/k", body=os.urandom(2_000_000))
    started = asyncio.Event()
    into = call.body.into

    async def slow(write: Any) -> Any:
        def noticed(piece: bytes) -> None:
            write(piece)
            loop.call_soon_threadsafe(started.set)

        return await into(noticed)

    loop = asyncio.get_running_loop()
    call.body.into = slow  # type: ignore[method-assign]
    task = asyncio.ensure_future(store(call))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await client.refused("GET", "/bucket/k")).code == "NoSuchKey"
    await asyncio.to_thread(Random)  # a worker thread that was still writing is done by now
    store.close()
    assert files_of(tmp_path / "store") == 0


class StubbornDisk(RealDisk):
    """A disk that removes no content file."""

    def unlink(self, path: Path) -> None:
        if path.parent.parent.name == "objects":
            raise DiskProblem("Can't remove it.")
        super().unlink(path)


async def test_an_old_file_that_cannot_be_removed_is_swept_at_a_later_start(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "store"
    store = Store(folder, disk=StubbornDisk())
    client = Client(store, account(ALICE))
    await client.bucket("bucket")
    await client.put("bucket", "k", b"before")
    assert (await client.put("bucket", "k", b"after")).status == 200
    store.close()
    assert files_of(folder) == 2
    store = Store(folder)
    assert files_of(folder) == 1
    assert (await Client(store, account(ALICE)).get("bucket", "k")).body == b"after"
    store.close()


async def test_acls_and_policies_may_only_name_those_who_exist(tmp_path: Path) -> None:
    names = {ALICE.canonical_id: ALICE.name, BOB.canonical_id: BOB.name}
    principals = {ALICE.account_id, BOB.account_id}
    store = Store(tmp_path / "store", name_of=names.get, is_principal=principals.__contains__)
    client = Client(store, account(ALICE))
    await client.send("PUT", "/bucket", {"x-amz-object-ownership": "ObjectWriter"})
    for target in ("/bucket/k", "/bucket?acl", "/bucket/k?acl", "/bucket/k?uploads"):
        method = "POST" if "uploads" in target else "PUT"
        await client.send(method, target, {"x-amz-grant-read": f"id={BOB.canonical_id}"})
        error = await client.refused(method, target, {"x-amz-grant-read": f"id={'0' * 64}"})
        assert (error.code, error.text) == ("InvalidArgument", "Invalid id")
    for principal, code in ((BOB.account_id, None), ("999999999999", "MalformedPolicy")):
        policy = {
            "Statement": {
                "Effect": "Allow",
                "Principal": {"AWS": principal},
                "Action": "s3:ListBucket",
                "Resource": "arn:aws:s3:::bucket",
            }
        }
        body = json.dumps(policy).encode()
        if code is None:
            await client.send("PUT", "/bucket?policy", body=body)
        else:
            assert (await client.refused("PUT", "/bucket?policy", body=body)).code == code
    store.close()
