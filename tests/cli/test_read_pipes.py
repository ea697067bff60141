"""`read`, `check` and `generate` as filters: real processes, real pipes, real signals."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import logs

BUCKETLOG = (sys.executable, "-m", "bucketlog")


def _run(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run((*BUCKETLOG, *arguments), input=data, capture_output=True, timeout=60)


def test_stdin_is_read_packed_or_not() -> None:
    plain = _run("read", "-", "--format", "json", data=logs.data())
    packed = _run("read", "-", "--format", "json", data=gzip.compress(logs.data()))
    assert plain.returncode == packed.returncode == 0
    assert plain.stdout == packed.stdout
    assert len(plain.stdout.splitlines()) == 300
    assert b"300 lines: 300 rows" in plain.stderr


def test_what_generate_writes_check_reads() -> None:
    made = _run("generate", "--records", "5000", "--mix", "hostile")
    checked = _run("check", "-", "--json", data=made.stdout)
    assert made.returncode == checked.returncode == 0
    told = json.loads(checked.stdout)
    assert told["lines"] == told["rows"] + told["rejects"] == 5000


def test_nothing_on_stdin_is_no_rows() -> None:
    done = _run("read", "-")
    assert (done.returncode, done.stdout) == (0, b"")


def test_junk_on_stdin_is_trouble() -> None:
    done = _run("read", "-", data=bytes(range(256)) * 100)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"not a log" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("form", ["json", "parquet", "table"])
def test_a_reader_that_goes_away_ends_it_without_a_word(
    tmp_path: Path, form: str, unbuffered: str
) -> None:
    file = tmp_path / "access.log"
    file.write_bytes(logs.data(20_000))
    columns = ("--limit", "1000") if form == "table" else ()
    process = subprocess.Popen(
        (*BUCKETLOG, "read", str(file), "-q", "--format", form, *columns),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "4000", "PYTHONUNBUFFERED": unbuffered},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        assert process.stdout.read(1)
        process.stdout.close()
        told = process.stderr.read()
        assert process.wait(30) == 141
    assert told == b""


def test_ctrl_c_ends_it_without_a_word_and_leaves_nothing(tmp_path: Path) -> None:
    for name in ("rows.json", "rows.parquet"):
        arguments = ("read", "-", "-o", str(tmp_path / name), "--rejects", str(tmp_path / "bad"))
        process = subprocess.Popen(
            (*BUCKETLOG, *arguments), stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stderr is not None
        with process:
            process.stdin.write(logs.data(20_000))
            process.stdin.flush()  # more than a pipe holds: it is reading by now
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 130
            assert process.stderr.read().strip() == b""  # but the end of the line with ^C
        assert list(tmp_path.iterdir()) == []


def test_a_full_stdout_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    file.write_bytes(logs.data())
    for arguments in (("read", str(file)), ("generate",)):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                (*BUCKETLOG, *arguments), stdout=full, stderr=subprocess.PIPE, timeout=60
            )
        assert done.returncode == 1
        assert done.stderr.startswith(b"bucketlog: stdout can't be written: No space left")
        assert b"Traceback" not in done.stderr


def test_the_help_of_read_imports_nothing_that_reads() -> None:
    code = "import sys; from bucketlog.cli.main import run; run(['read', '-h']); print(sys.modules)"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, timeout=60)
    assert b"'pyarrow'" not in done.stdout
    assert b"'duckdb'" not in done.stdout
    assert b"'bucketlog.cli.reading'" in done.stdout
