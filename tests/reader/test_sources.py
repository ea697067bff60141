"""Whatever can be named is read: files, folders, globs, pipes, compressed or not, odd or broken."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.log_lines import ids, line, lines

import bucketlog
from bucketlog.problems import Problem
from bucketlog.reader.account import Account


def read(*given: object, **options: object) -> tuple[list[str], Account]:
    """Request ids in the order of a scan, and its account."""
    with bucketlog.scan(*given, ordered=True, **options) as scan:  # type: ignore[arg-type]
        found = [each for batch in scan for each in batch.column("request_id").to_pylist()]
    assert scan.account.adds_up
    return found, scan.account


def troubles(account: Account) -> dict[str, str]:
    return {Path(each.name).name: each.reason for each in account.objects_in_trouble}


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return bytes(sink.getvalue())


def test_a_file_is_read_by_its_name_or_path(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(lines(0, 3))
    assert read(path)[0] == read(str(path))[0] == read(os.fsencode(path))[0] == ids(0, 3)


def test_a_folder_is_read_to_its_bottom_in_the_order_of_names_as_s3_has_it(tmp_path: Path) -> None:
    for number, name in enumerate(["a-b", "a/x", "a/y/z", "a0", "b", "é"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(line(number))
    found, account = read(tmp_path)
    assert found == ids(0, 6)
    assert account.objects == 6


def test_rows_know_their_object_and_line(tmp_path: Path) -> None:
    for name, first, count in (("a", 0, 2), ("b", 2, 3), ("empty", 0, 0), ("z", 5, 1)):
        (tmp_path / name).write_bytes(lines(first, count).removesuffix(b"\n"))
    table = bucketlog.read(tmp_path, ordered=True)
    places = zip(table["source_object"].to_pylist(), table["line_number"].to_pylist(), strict=True)
    assert [(Path(name).name, number) for name, number in places] == [
        *(("a", 1), ("a", 2), ("b", 1), ("b", 2), ("b", 3), ("z", 1))
    ]


def test_rejects_know_their_object_line_and_offset_when_objects_are_joined(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(line(0) + b"nonsense")
    (tmp_path / "b").write_bytes(b"\n" + line(1) + b"more nonsense\r\n" + line(2))
    kept: list[pa.RecordBatch] = []
    found, account = read(tmp_path, on_reject=kept.append)
    assert found == ids(0, 3)
    assert (account.lines, account.rows, account.rejected) == (6, 3, 3)
    rejects = pa.Table.from_batches(kept).to_pylist()
    assert [
        (Path(each["source_object"]).name, each["line_number"], each["offset"], each["bytes"])
        for each in rejects
    ] == [
        ("a", 2, len(line(0)), b"nonsense"),
        ("b", 1, 0, b""),
        ("b", 3, 1 + len(line(1)), b"more nonsense"),
    ]


@pytest.mark.parametrize("pattern", ["*.log", "2026-0[12].log", "2026-0?.log"])
def test_a_glob_names_the_files_that_match(tmp_path: Path, pattern: str) -> None:
    for number, name in enumerate(["2026-01.log", "2026-02.log", "other.txt"]):
        (tmp_path / name).write_bytes(line(number))
    assert read(str(tmp_path / pattern))[0] == ids(0, 2)


def test_a_glob_with_two_stars_goes_into_folders_and_one_star_takes_whole_folders(
    tmp_path: Path,
) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    (tmp_path / "x" / "y" / "a").write_bytes(line(0))
    (tmp_path / "z").write_bytes(line(1))
    assert read(str(tmp_path / "**"))[0] == read(str(tmp_path / "*"))[0] == ids(0, 2)


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "a[1]").write_bytes(line(0))
    (tmp_path / "a1").write_bytes(line(1))
    assert read(str(tmp_path / "a[1]"))[0] == ids(0, 1)


def test_several_sources_come_one_after_the_other(tmp_path: Path) -> None:
    for number, name in enumerate("ba"):
        (tmp_path / name).write_bytes(line(number))
    assert read(tmp_path / "b", tmp_path / "a")[0] == ids(0, 2)


def test_open_files_and_iterables_of_names_are_sources(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(line(1))
    with (tmp_path / "a").open("rb") as file:
        given = (each for each in [io.BytesIO(line(0)), file, [tmp_path / "a"]])
        assert read(given)[0] == [*ids(0, 2), *ids(1, 1)]
        assert not file.closed


def test_a_file_open_as_text_is_named_in_the_account() -> None:
    _, account = read([io.StringIO("x"), io.BytesIO(line(0))])
    (trouble,) = account.objects_in_trouble
    assert trouble.reason == "it is open as text; open it in binary mode"


@pytest.mark.parametrize("given", [("/no/such/file",), ("/no/such/*.log",), (), (3,)])
def test_a_source_that_names_nothing_is_a_problem(given: tuple[object, ...]) -> None:
    with pytest.raises(Problem):
        read(*given)


def test_an_empty_folder_is_a_problem_and_beside_others_a_trouble(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(Problem, match=r"nothing to read in .*empty"):
        read(tmp_path / "empty")
    (tmp_path / "log").write_bytes(line(0))
    found, account = read(tmp_path / "empty", tmp_path / "log")
    assert found == ids(0, 1)
    assert troubles(account) == {"empty": "it holds no object"}


@pytest.mark.parametrize("compress", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_compression_is_told_by_the_bytes_and_not_by_the_name(
    tmp_path: Path, compress: object
) -> None:
    assert callable(compress)
    (tmp_path / "a.log").write_bytes(compress(lines(0, 2)) + compress(lines(2, 2)))
    (tmp_path / "b.gz").write_bytes(lines(4, 2))
    found, account = read(tmp_path)
    assert found == ids(0, 6)
    assert account.bytes == len(lines(0, 6))
    assert account.stored_bytes == sum(path.stat().st_size for path in tmp_path.iterdir())


@pytest.mark.parametrize("compress", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_whole_lines_before_the_damage_are_read_and_the_trouble_is_named(
    tmp_path: Path, compress: object
) -> None:
    assert callable(compress)
    data = compress(lines(0, 2000))
    (tmp_path / "short").write_bytes(data[: len(data) * 2 // 3])
    (tmp_path / "sound").write_bytes(compress(lines(2000, 1)))
    kept: list[pa.RecordBatch] = []
    found, account = read(tmp_path, on_reject=kept.append)
    rows = len(found) - 1
    assert rows > 200
    assert found == ids(0, rows) + ids(2000, 1)
    assert troubles(account)["short"].startswith("truncated")
    rejects = pa.Table.from_batches(kept).to_pylist() if kept else []
    assert account.rejected == len(rejects) <= 1
    for reject in rejects:  # the line that was cut, which has the form of an older record
        assert reject["reason"] == "the object breaks off within the line"
        assert reject["line_number"] == rows + 1
        assert lines(0, 2000)[reject["offset"] :].startswith(reject["bytes"])
    assert account.bytes == len(lines(0, rows)) + sum(len(each["bytes"]) for each in rejects) + len(
        line(2000)
    )


def test_a_folder_of_other_things_is_named_and_counted_and_does_not_explode(
    tmp_path: Path,
) -> None:
    (tmp_path / "db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 4000)
    (tmp_path / "pixels").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0\n" * 5000)
    (tmp_path / "archive").write_bytes(b"PK\x03\x04" + os.urandom(5000))
    (tmp_path / "noise").write_bytes(b"\0" * 10_000)
    (tmp_path / "nothing").write_bytes(b"")
    (tmp_path / "README").write_bytes(b"These are logs.\nKeep them.\n")
    (tmp_path / "log").write_bytes(lines(0, 2))
    found, account = read(tmp_path)
    assert found == ids(0, 2)
    assert troubles(account) == {
        "db": "not a log: it is a SQLite database",
        "pixels": "not a log: it is a PNG picture",
        "archive": "not a log: it is a zip archive, to be unpacked first",
        "noise": "not a log: it is binary",
    }
    assert account.objects == 7
    assert account.rejected == 2  # the README is text, so its lines count
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert account.bytes == sum(sizes.values())
    assert account.bytes_not_log == sum(sizes[name] for name in troubles(account))


def test_a_big_file_that_is_no_log_is_one_trouble(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(bytes(range(256)) * 80_000)
    found, account = read(path)
    assert (found, account.lines, account.troubles) == ([], 0, 1)
    assert account.stored_bytes == path.stat().st_size
    assert 0 < account.bytes_not_log <= account.bytes


def test_a_log_that_begins_with_zeros_is_still_a_log(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\0" * 5000 + b"\n" + lines(0, 2))
    found, account = read(tmp_path)
    assert (found, account.rejected, account.troubles) == (ids(0, 2), 1, 0)


def test_what_can_not_be_read_is_named_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(line(0))
    (tmp_path / "b").symlink_to(tmp_path / "gone")
    (tmp_path / "c").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "d")
    (tmp_path / "e").write_bytes(line(1))
    found, account = read(tmp_path)
    assert found == ids(0, 2)
    assert troubles(account) == {
        "b": "it is gone",
        "c": "it is a link to a folder, which is not followed",
        "d": "it is no regular file",
    }


def test_a_file_that_vanishes_after_it_was_listed_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(line(0))
    (tmp_path / "b").write_bytes(line(1))

    def names():  # type: ignore[no-untyped-def]
        yield tmp_path / "a"
        (tmp_path / "a").unlink()
        yield tmp_path / "b"

    found, account = read(names())
    assert (found, troubles(account)) in (
        (ids(0, 2), {}),  # it was read in time
        (ids(1, 1), {"a": "it is gone"}),
    )


_AS_NOBODY = """
import io, json, os, sys
import bucketlog
bucketlog.read(io.BytesIO(b"x"))  # so that nothing is left to be imported
os.setuid(65534)
scan = bucketlog.scan(sys.argv[1])
rows = sum(batch.num_rows for batch in scan)
print(json.dumps([rows, [[t.name, t.reason] for t in scan.account.objects_in_trouble]]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="permissions don't bind whoever isn't root here")
def test_files_and_folders_without_permission_are_named(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        folder.chmod(folder.stat().st_mode & 0o7777 | 0o055)
    (tmp_path / "a").write_bytes(line(0))
    (tmp_path / "b").write_bytes(line(1))
    (tmp_path / "b").chmod(0)
    (tmp_path / "c").mkdir(mode=0)
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(tmp_path)], capture_output=True, text=True
    )
    assert done.stderr == ""
    rows, told = json.loads(done.stdout)
    assert rows == 1
    assert sorted((Path(name).name, reason) for name, reason in told) == [
        ("b", "permission denied"),
        ("c", "the folder can't be listed: permission denied"),
    ]


def test_the_first_trouble_is_a_problem_if_strict(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(line(0))
    (tmp_path / "b").symlink_to(tmp_path / "gone")
    with pytest.raises(Problem, match="b: it is gone"):
        read(tmp_path, strict=True)
    with pytest.raises(Problem, match="can't be read"):
        read(io.BytesIO(b"nonsense\n"), strict=True)


def test_a_fifo_is_read_as_it_is_written(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    first_seen = threading.Event()

    def write() -> None:
        with fifo.open("wb", buffering=0) as file:
            file.write(lines(0, 2) + line(2)[:50])
            assert first_seen.wait(20)
            file.write(line(2)[50:] + line(3))

    writer = threading.Thread(target=write)
    writer.start()
    with bucketlog.scan(fifo) as scan:
        first = next(scan).column("request_id").to_pylist()
        first_seen.set()
        rest = [each for batch in scan for each in batch.column("request_id").to_pylist()]
    writer.join()
    assert (first, rest) == (ids(0, 2), ids(2, 2))


def test_standard_input_is_a_dash() -> None:
    code = (
        "import bucketlog; t = bucketlog.read('-');"
        "print(t.num_rows, t['source_object'][0], t.schema.metadata[b'bucketlog.lines'].decode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=gzip.compress(lines(0, 3)), capture_output=True
    )
    assert (done.stdout, done.stderr) == (b"3 - 3\n", b"")
