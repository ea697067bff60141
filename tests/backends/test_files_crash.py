"""What is left of a store whose process, or whose power, went away in the middle of a write."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.support.busy_store import KEYS, content, step, upload
from tests.support.calls import ALICE, Client, account
from tests.support.faulty_disk import Died, FaultyDisk

from bucketlog.backends.files.store import Store
from bucketlog.s3.errors import S3Error

ROOT = Path(__file__).parents[2]


async def inline(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


async def contents(client: Client) -> dict[str, bytes]:
    """Everything in the bucket, each object read whole."""
    found = {}
    for key in KEYS:
        with suppress(S3Error):
            found[key] = (await client.get("bucket", key)).body
    listed = await client.list("bucket")
    assert listed.texts("Contents/Key") == sorted(found)
    assert listed.texts("Contents/Size") == [str(len(found[key])) for key in sorted(found)]
    return found


def files_of(folder: Path) -> set[str]:
    """The content files there are, unfinished ones included."""
    return {
        path.name
        for part in ("objects", "incoming")
        for path in (folder / part).rglob("*")
        if path.is_file()
    }


def named(store: Store) -> set[str]:
    """The content files that the index names."""
    select = "SELECT blob FROM objects UNION SELECT blob FROM parts"
    return {blob for (blob,) in store._index.reader.execute(select) if blob is not None}


class Model:
    """What the bucket must hold, by what was told of each step; `possible` while in doubt."""

    def __init__(self) -> None:
        self.state: dict[str, bytes] = {}
        self.wanted: dict[str, bytes] = {}

    def tell(self, line: str) -> None:
        word, *rest = line.split()
        if word == "done":
            self.state = self.wanted
        elif word == "try":
            kind, key, number, other = rest
            self.wanted = dict(self.state)
            if kind == "delete":
                self.wanted.pop(key, None)
            elif kind == "copy":
                if other in self.state:
                    self.wanted[key] = self.state[other]
            else:
                self.wanted[key] = content(int(number))


@pytest.mark.parametrize("seed", range(4))
async def test_a_killed_process_loses_nothing_acknowledged_and_leaves_nothing_half(
    tmp_path: Path, seed: int
) -> None:
    folder = tmp_path / "store"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.busy_store", str(folder), str(seed)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    model = Model()
    assert process.stdout is not None
    with process.stdout as lines:
        for _ in range(Random(seed).randint(40, 120)):
            model.tell(lines.readline())
        process.send_signal(signal.SIGKILL)
        for line in lines:  # what it had said before it died
            if line.endswith("\n"):
                model.tell(line)
    assert process.wait() == -signal.SIGKILL
    store = Store(folder)
    try:
        found = await contents(Client(store, account(ALICE)))
        assert found in (model.state, model.wanted)
        assert files_of(folder) == named(store)
    finally:
        store.close()


async def history(client: Client, model: Model, seed: int) -> None:
    """A few changes of every kind; `model` follows them as far as they come."""
    chance = Random(seed)
    await client.bucket("bucket")
    for number in range(6):
        kind, key = chance.choice(("put", "delete", "parts", "copy")), chance.choice(KEYS[:2])
        model.tell(f"try {kind} {key} {number} {KEYS[0]}")
        if kind == "put":
            await client.put("bucket", key, content(number))
        elif kind == "delete":
            await client.send("DELETE", f"/bucket/{key}")
        elif kind == "parts":
            await upload(client, key, content(number))
        else:
            headers = {
                "x-amz-copy-source": f"/bucket/{KEYS[0]}",
                "x-amz-metadata-directive": "REPLACE",
            }
            with suppress(S3Error):
                await client.send("PUT", f"/bucket/{key}", headers)
        model.tell("done")


@pytest.mark.parametrize("seed", range(3))
async def test_a_power_cut_at_any_step_loses_nothing_acknowledged(
    tmp_path: Path, seed: int
) -> None:
    die_at = 0
    survived = False
    while not survived:
        die_at += 1
        folder = tmp_path / f"{die_at}" / "store"
        folder.parent.mkdir()
        disk = FaultyDisk(tmp_path / f"shadow{die_at}", die_at=die_at)
        model = Model()
        store = None
        try:
            store = Store(folder, disk=disk, run=inline)
            await history(Client(store, account(ALICE)), model, seed)
            survived = True
        except Died:
            pass
        finally:
            if store is not None:
                with suppress(Died):
                    store.close()
        disk.lose_power(folder.parent, Random(die_at))
        store = Store(folder)
        try:
            client = Client(store, account(ALICE))
            if store.bucket("bucket") is None:
                assert model.state == {}
                continue
            assert await contents(client) in (model.state, model.wanted)
            assert files_of(folder) == named(store)
        finally:
            store.close()
    assert die_at > 20


async def test_the_history_of_a_busy_store_is_what_its_model_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path / "store")
    try:
        client = Client(store, account(ALICE))
        await client.bucket("bucket")
        chance = Random(1)
        model = Model()
        for number in range(40):
            await step(client, chance, number)
        for line in capsys.readouterr().out.splitlines():
            model.tell(line)
        assert await contents(client) == model.state
        assert files_of(tmp_path / "store") == named(store)
    finally:
        store.close()
