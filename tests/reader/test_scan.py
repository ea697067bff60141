"""Scans: shape, order, resumption, progress, ending early, and what takes their batches."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.support.log_lines import ids, line, lines

import bucketlog
from bucketlog.problems import Problem
from bucketlog.reader import blocks, flow, loading
from bucketlog.reader.objects import Position
from bucketlog.reader.scan import Progress
from bucketlog.reader.schema import REJECTS, SCHEMA


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a few lines, so that a small file is a big one."""
    monkeypatch.setattr(blocks, "SIZE", 2000)
    monkeypatch.setattr(blocks.cut, "__defaults__", (2000, 6000))
    monkeypatch.setattr(loading, "SMALL", 2000)
    monkeypatch.setattr(loading, "_MOST_EXPANDED", 8000)
    monkeypatch.setattr(flow, "_GROUP_BYTES", 2000)


def found_in(scan: bucketlog.Scan) -> list[str]:
    return [each for batch in scan for each in batch.column("request_id").to_pylist()]


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("bucketlog")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Objects of several blocks, of one, and of none, 0 to 199 in their order."""
    cuts = [0, 40, 41, 43, 43, 120, 150, 200]
    for number, (first, end) in enumerate(pairwise(cuts)):
        (tmp_path / f"log-{number}").write_bytes(lines(first, end - first))
    return tmp_path


@pytest.mark.usefixtures("small_blocks")
def test_ordered_rows_come_in_the_order_of_names_and_lines(folder: Path) -> None:
    with bucketlog.scan(folder, ordered=True) as scan:
        assert found_in(scan) == ids(0, 200)
    assert scan.account.objects == 7
    assert scan.account.lines == 200


@pytest.mark.usefixtures("small_blocks")
def test_unordered_lines_of_one_object_stay_in_order(folder: Path) -> None:
    table = bucketlog.read(folder)
    assert sorted(table["request_id"].to_pylist()) == ids(0, 200)
    seen: dict[str, list[int]] = {}
    for name, number in zip(
        table["source_object"].to_pylist(), table["line_number"].to_pylist(), strict=True
    ):
        seen.setdefault(name, []).append(number)
    assert all(numbers == [*range(1, len(numbers) + 1)] for numbers in seen.values())


@pytest.mark.usefixtures("small_blocks")
def test_a_scan_resumes_where_any_batch_left_it(folder: Path) -> None:
    with bucketlog.scan(folder, ordered=True) as whole:
        so_far: list[str] = []
        for batch in whole:
            so_far += batch.column("request_id").to_pylist()
            assert whole.position is not None
            with bucketlog.scan(folder, start_after=whole.position) as rest:
                assert so_far + found_in(rest) == ids(0, 200)
            assert rest.account.adds_up
            assert rest.account.lines == 200 - len(so_far)
    assert whole.position == Position(str(folder / "log-6"))


def test_a_scan_resumes_behind_an_object_that_was_named(folder: Path) -> None:
    with bucketlog.scan(folder, start_after=str(folder / "log-4")) as scan:
        assert found_in(scan) == ids(120, 80)
    with pytest.raises(Problem, match="in none of the sources"):
        bucketlog.read(folder, start_after="/elsewhere")


@pytest.mark.parametrize("behind", [0, 1, 2, 5, 9])
def test_a_parquet_file_resumes_at_a_row(tmp_path: Path, behind: int) -> None:
    path = tmp_path / "records.parquet"
    pq.write_table(bucketlog.read(io.BytesIO(lines(0, 9))), path)
    with bucketlog.scan(path, start_after=Position(str(path), behind)) as scan:
        assert found_in(scan) == ids(behind, 9 - behind)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("end", ["", "\n"])
def test_one_line_too_long_is_one_reject_with_its_length(tmp_path: Path, end: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(lines(0, 3) + b"x" * 1_000_000 + end.encode() + (line(3) if end else b""))
    kept: list[pa.RecordBatch] = []
    # As a stream, whose chunks are not cut to lines by the file's reader.
    with path.open("rb") as file, bucketlog.scan([_Small(file)], on_reject=kept.append) as scan:
        assert found_in(scan) == ids(0, 4 if end else 3)
    (reject,) = pa.Table.from_batches(kept).to_pylist()
    assert reject["line_number"] == 4
    assert reject["offset"] == len(lines(0, 3))
    assert reject["reason"].startswith("the line is too long: 1000000 bytes")
    assert reject["bytes"] == b"x" * len(reject["bytes"])
    assert scan.account.adds_up
    assert scan.account.rejects == {"the line is too long": 1}


class _Small:
    """A file that gives little at a time."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self.read = lambda size: file.read(min(size, 500))


def test_structured_records_and_lines_mix(tmp_path: Path) -> None:
    table = bucketlog.read(io.BytesIO(lines(0, 4)))
    pq.write_table(table.slice(0, 2), tmp_path / "a")
    rows = (json.dumps(row, default=lambda time: time.isoformat()) for row in table.to_pylist()[2:])
    (tmp_path / "b").write_text("".join(f"{row}\n" for row in rows))
    (tmp_path / "c").write_bytes(line(4))
    with bucketlog.scan(tmp_path, ordered=True) as scan:
        assert found_in(scan) == ids(0, 5)
    assert (scan.account.lines, scan.account.rows) == (5, 5)


def test_columns_are_chosen_in_the_order_asked_and_derived_ones_added(folder: Path) -> None:
    scan = bucketlog.scan(folder, columns=["era", "bucket"], derive=["method"])
    assert scan.schema.names == ["era", "bucket"]
    assert scan.reader().read_all().num_rows == 200
    table = bucketlog.read(folder, derive=["method"])
    assert table.schema.names == [*SCHEMA.names, "method"]
    assert pc.unique(table["method"]).to_pylist() == ["GET"]
    with pytest.raises(Problem, match="no column buckets"):
        bucketlog.scan(folder, columns=["buckets"])


def test_a_filter_sees_derived_columns_and_all_rows_are_still_counted(folder: Path) -> None:
    where = (pc.field("method") == "GET") & (pc.field("bytes_sent") < 10)
    with bucketlog.scan(folder, where=where, derive=["method"], ordered=True) as scan:
        assert found_in(scan) == ids(0, 10)
    assert (scan.account.rows, scan.account.selected, scan.account.adds_up) == (200, 10, True)
    with pytest.raises(Problem, match="can't be applied"):
        bucketlog.scan(folder, where=pc.field("no_such") == 1)


def test_privacy_holds_for_rows_filters_and_rejects() -> None:
    kept: list[pa.RecordBatch] = []
    data = line(7) + b"nonsense of 192.0.2.7\n"
    table = bucketlog.read(
        io.BytesIO(data),
        privacy=bucketlog.Privacy(remote_ip="truncate"),
        on_reject=kept.append,
    )
    (row,) = table.to_pylist()
    assert row["remote_ip"].startswith("192.0.2.0")
    assert "192.0.2.7" not in str(row)
    assert b"192.0.2.7" not in b"".join(pa.Table.from_batches(kept)["bytes"].to_pylist())


def test_the_schema_is_the_one_that_was_told(folder: Path) -> None:
    with bucketlog.scan(folder) as scan:
        assert scan.schema == SCHEMA
        assert all(batch.schema == SCHEMA for batch in scan)
    table = bucketlog.read(folder)
    assert table.schema.remove_metadata() == SCHEMA
    assert table.schema.metadata == {
        b"bucketlog.objects": b"7",
        b"bucketlog.troubles": b"0",
        b"bucketlog.lines": b"200",
        b"bucketlog.rows": b"200",
        b"bucketlog.rejects": b"0",
        b"bucketlog.ambiguous": b"0",
    }


def test_rejects_have_their_schema() -> None:
    kept: list[pa.RecordBatch] = []
    bucketlog.read(io.BytesIO(b"x\n"), on_reject=kept.append)
    assert [batch.schema for batch in kept] == [REJECTS]


@pytest.mark.usefixtures("small_blocks")
def test_progress_ends_at_the_total(folder: Path) -> None:
    told: list[Progress] = []
    bucketlog.read(folder, on_progress=told.append)
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert told[-1] == Progress(7, size, 200, 7, size)
    assert [each.bytes for each in told] == sorted(each.bytes for each in told)


@pytest.mark.usefixtures("small_blocks")
def test_ending_early_ends_all_threads(folder: Path) -> None:
    for _ in bucketlog.scan(folder):
        break
    assert threads() == []
    scan = bucketlog.scan(folder)
    next(scan)
    assert threads()
    scan.close()
    assert threads() == []
    assert next(scan, None) is None


def test_what_a_callback_raises_reaches_the_caller_and_ends_all_threads(folder: Path) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bucketlog.read(folder, on_progress=stop)
    assert threads() == []


def test_a_silent_pipe_does_not_hold_up_the_end() -> None:
    code = (
        "import bucketlog\n"
        "for batch in bucketlog.scan('-'):\n"
        "    print(batch.num_rows, flush=True)\n"
        "    break\n"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(line(0))
        process.stdin.flush()
        assert process.wait(30) == 0  # with its input still open
        assert process.stdout is not None
        assert process.stderr is not None
        assert (process.stdout.read(), process.stderr.read()) == (b"1\n", b"")


def test_polars_pandas_and_duckdb_take_a_scan_as_it_is(folder: Path) -> None:
    import duckdb
    import polars

    frame = polars.DataFrame(bucketlog.scan(folder, columns=["bytes_sent", "bucket"]))
    assert frame["bytes_sent"].sum() == sum(range(200))
    scan = bucketlog.scan(folder)
    connection = duckdb.connect()
    assert connection.sql("select count(*), sum(bytes_sent) from scan").fetchall() == [
        (200, sum(range(200)))
    ]
    assert scan.account.rows == 200
    pandas = bucketlog.read(folder).to_pandas()
    assert pandas["bytes_sent"].sum() == sum(range(200))
    assert pa.table(bucketlog.scan(folder)).num_rows == 200


def test_importing_bucketlog_imports_nothing_of_it() -> None:
    code = (
        "import sys; before = set(sys.modules); import bucketlog; "
        "print([m for m in set(sys.modules) - before if m.startswith(('bucketlog.', 'pyarrow'))]);"
        "print(sorted(set(dir(bucketlog)) & {'read', 'scan', 'parse', 'explain'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n['explain', 'parse', 'read', 'scan']\n"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = bucketlog.nothing  # type: ignore[attr-defined]


# ru_maxrss would be that of the process that started this one, if it was larger then.
_MEMORY = """
import re, sys, bucketlog
rows = sum(batch.num_rows for batch in bucketlog.scan(sys.argv[1]))
print(rows, int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024)
"""


def _rows_and_mib(path: Path) -> tuple[int, int]:
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(path)], capture_output=True, text=True, check=True
    )
    rows, mib = map(int, done.stdout.split())
    return rows, mib


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells")
def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    data = lines(0, 10_000)
    for name, times in (("small", 10), ("big", 60)):
        with (tmp_path / name).open("wb") as file:
            for _ in range(times):
                file.write(data)
    assert (tmp_path / "big").stat().st_size > 300_000_000 * 0.7
    small, big = _rows_and_mib(tmp_path / "small"), _rows_and_mib(tmp_path / "big")
    assert (small[0], big[0]) == (100_000, 600_000)
    assert big[1] < 450
    assert big[1] - small[1] < 120
