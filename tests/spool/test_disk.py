"""The disk: the real one and its faulty double keep the same contract."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from tests.support.faulty_disk import Died, FaultyDisk

from bucketlog import disk as disks
from bucketlog.disk import Disk, DiskFull, DiskProblem, FileExists, FileMissing, RealDisk


@pytest.fixture(params=["real", "faulty"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    return RealDisk() if request.param == "real" else FaultyDisk(tmp_path / "shadow")


def test_what_is_appended_is_read_back(disk: Disk, tmp_path: Path) -> None:
    path = tmp_path / "file"
    descriptor = disk.create(path)
    assert disk.write(descriptor, b"one ") == 4
    assert disk.write(descriptor, b"two") == 3
    disk.sync(descriptor)
    disk.truncate(descriptor, 4)
    disk.close(descriptor)
    descriptor = disk.open(path)
    disk.write(descriptor, b"three")
    disk.close(descriptor)
    assert disk.read(path) == b"one three"
    assert disk.size(path) == 9


def test_a_name_is_created_once(disk: Disk, tmp_path: Path) -> None:
    disk.close(disk.create(tmp_path / "file"))
    with pytest.raises(FileExists, match=r"Can't create .*file: File exists"):
        disk.create(tmp_path / "file")


def test_what_is_not_there_is_missing(disk: Disk, tmp_path: Path) -> None:
    for call in (disk.open, disk.read, disk.size, disk.sync_folder):
        if call == disk.sync_folder and isinstance(disk, FaultyDisk):
            continue
        with pytest.raises(FileMissing):
            call(tmp_path / "nothing")
    assert list(disk.names(tmp_path / "nothing")) == []
    disk.unlink(tmp_path / "nothing")
    disk.remove_folder(tmp_path / "nothing")


def test_folders_are_made_listed_and_removed(disk: Disk, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    disk.make_folder(folder)
    disk.make_folder(folder)
    disk.sync_folder(folder)
    for name in ("x", "y"):
        disk.close(disk.create(folder / name))
    assert sorted(disk.names(folder)) == ["x", "y"]
    with pytest.raises(DiskProblem):
        disk.remove_folder(folder)
    disk.unlink(folder / "x")
    disk.rename(folder / "y", folder / "z")
    assert list(disk.names(folder)) == ["z"]
    disk.unlink(folder / "z")
    disk.remove_folder(folder)
    assert list(disk.names(tmp_path / "a")) == []


def test_publishing_replaces_what_had_the_name(disk: Disk, tmp_path: Path) -> None:
    for text in (b"old", b"new"):
        descriptor = disk.create(tmp_path / "temporary")
        disk.write(descriptor, text)
        disk.close(descriptor)
        disk.publish(tmp_path / "temporary", tmp_path / "final")
    assert disk.read(tmp_path / "final") == b"new"
    assert "temporary" not in disk.names(tmp_path)


def test_a_lock_has_one_holder_until_it_is_closed(disk: Disk, tmp_path: Path) -> None:
    holder = disk.lock(tmp_path / "lock")
    assert holder is not None
    assert disk.lock(tmp_path / "lock") is None
    disk.close(holder)
    again = disk.lock(tmp_path / "lock")
    assert again is not None
    disk.close(again)


def test_a_lock_on_a_file_that_was_removed_meanwhile_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    flock = disks.fcntl.flock

    def removed_just_before(descriptor: int, operation: int) -> None:
        path.unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(disks.fcntl, "flock", removed_just_before)
    assert RealDisk().lock(path) is None


def test_a_lock_is_free_when_its_process_was_killed(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from bucketlog.disk import RealDisk\n"
        "print(RealDisk().lock(pathlib.Path(sys.argv[1])) is not None, flush=True)\n"
        "sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"True\n"
        assert RealDisk().lock(tmp_path / "lock") is None
        child.kill()
    descriptor = RealDisk().lock(tmp_path / "lock")
    assert descriptor is not None
    RealDisk().close(descriptor)


def test_a_write_beyond_the_file_size_limit_is_a_full_disk(tmp_path: Path) -> None:
    program = (
        "import resource, signal, sys, pathlib; from bucketlog.disk import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "disk = RealDisk(); file = disk.create(pathlib.Path(sys.argv[1]))\n"
        "print(disk.write(file, bytes(150)))\n"
        "try: disk.write(file, b'x')\n"
        "except DiskFull as problem: print(problem.message, problem.hint)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "file")], capture_output=True, text=True
    )
    assert done.stdout == (
        "100\nCan't write: File too large. Raise the file-size limit of this process (ulimit -f).\n"
    )


@pytest.mark.parametrize(
    ("number", "family"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.ENOENT, FileMissing),
        (errno.EEXIST, FileExists),
        (errno.EACCES, DiskProblem),
        (errno.EIO, DiskProblem),
    ],
)
def test_each_error_of_the_system_has_a_family_and_a_hint(
    number: int, family: type[DiskProblem]
) -> None:
    problem = disks.problem_of(OSError(number, os.strerror(number)), "write /x")
    assert type(problem) is family
    assert problem.message == f"Can't write /x: {os.strerror(number)}."
    assert problem.hint


def test_an_error_nobody_foresaw_is_a_disk_problem_without_a_hint() -> None:
    problem = disks.problem_of(OSError("strange"), "sync")
    assert (type(problem), problem.message, problem.hint) == (
        DiskProblem,
        "Can't sync: strange.",
        None,
    )


def test_every_call_on_a_bad_descriptor_is_a_disk_problem() -> None:
    disk = RealDisk()
    for call in (
        lambda: disk.write(99_999, b""),
        lambda: disk.sync(99_999),
        lambda: disk.truncate(99_999, 0),
    ):
        with pytest.raises(DiskProblem):
            call()
    disk.close(99_999)


# The double: what it takes away, and what it leaves


def test_a_power_cut_takes_what_was_not_synced_and_nothing_else(tmp_path: Path) -> None:
    lengths, names = set(), set()
    for seed in range(60):
        root = tmp_path / str(seed)
        root.mkdir()
        disk = FaultyDisk(tmp_path / "shadow" / str(seed))
        safe = disk.create(root / "safe")
        disk.write(safe, b"synced")
        disk.sync(safe)
        disk.sync_folder(root)
        disk.write(safe, b" not")
        disk.create(root / "new")
        disk.rename(root / "safe", root / "renamed")
        disk.lose_power(root, Random(seed))
        left = sorted(path.name for path in root.iterdir())
        names.add(tuple(left))
        (kept,) = [path for path in root.iterdir() if path.name in ("safe", "renamed")]
        assert kept.read_bytes().startswith(b"synced")
        lengths.add(len(kept.read_bytes()))
    assert names == {("safe",), ("new", "safe"), ("new", "renamed")}
    assert lengths == {6, 7, 8, 9, 10}


def test_the_dead_do_nothing_more(tmp_path: Path) -> None:
    disk = FaultyDisk(tmp_path / "shadow", die_at=2)
    descriptor = disk.create(tmp_path / "file")
    with pytest.raises(Died):
        disk.write(descriptor, b"abcd")
    for call in (lambda: disk.write(descriptor, b"x"), lambda: disk.unlink(tmp_path / "file")):
        with pytest.raises(Died):
            call()
    disk.die()
    assert (tmp_path / "file").read_bytes() == b"ab"
