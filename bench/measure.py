"""One way of reading, measured in a process of its own: `python bench/measure.py WAY PATH WARM`.

Prints one JSON object: the least CPU and wall seconds of several runs, rows, and the peak of
resident memory. `bench/read.py` runs it, so that no way pays for another's memory or threads.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

BLOCK = 8 << 20
_LONG_ENOUGH_S = 20.0


def peak_bytes() -> int:
    """The most memory this process has had at once."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def least(run: Callable[[Path], int], path: Path, warm: Path, runs: int) -> dict[str, Any]:
    """The least of several runs, after one over a small file that loads what loads late.

    There are no more runs once they have taken long enough.
    """
    run(warm)
    walls: list[float] = []
    cpus: list[float] = []
    rows, began = 0, time.perf_counter()
    while len(walls) < runs and (not walls or time.perf_counter() - began < _LONG_ENOUGH_S):
        wall, cpu = time.perf_counter(), time.process_time()
        rows = run(path)
        cpus.append(time.process_time() - cpu)
        walls.append(time.perf_counter() - wall)
    return {
        "wall_s": min(walls),
        "cpu_s": min(cpus),
        "runs": len(walls),
        "rows": rows,
        "peak_bytes": peak_bytes(),
    }


def kernel() -> Callable[[Path], int]:
    """The kernel alone, over blocks of whole lines that are in memory before the clock starts."""
    from bucketlog import _native

    def run(path: Path) -> int:
        rows = 0
        for block in _blocks(path):
            batch, rejects = _native.parse_lines(block, rows + 1, 0)
            rows += batch.num_rows + rejects.num_rows
        return rows

    return run


@cache
def _blocks(path: Path) -> list[bytes]:
    blocks = []
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            blocks.append(block + file.readline())
    return blocks


def scan() -> Callable[[Path], int]:
    """Files to record batches, none of them kept."""
    import bucketlog

    def run(path: Path) -> int:
        with bucketlog.scan(str(path)) as batches:
            rows = int(sum(batch.num_rows for batch in batches))
        assert batches.account.adds_up
        return rows

    return run


def read() -> Callable[[Path], int]:
    """Files to one table, as the other engines give it."""
    import bucketlog

    return lambda path: int(bucketlog.read(str(path)).num_rows)


def engine(name: str) -> Callable[[Path], int]:
    """Another engine's table."""
    from bench.engines import ENGINES

    (found,) = [each for each in ENGINES if each.name == name]
    return lambda path: int(found.load(path).num_rows)


def reader(name: str) -> Callable[[Path], int]:
    """A reader of lines: its own function, called for each; what it can't read counts as a row."""
    from bench.readers import line_readers

    (found,) = [each for each in line_readers() if each.name == name]
    parse = found.read

    def run(path: Path) -> int:
        rows = 0
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for line in file:
                rows += 1
                try:
                    parse(line[:-1])
                except Exception:  # it has refused the line
                    continue
        return rows

    return run


def main() -> None:
    """Measures what it is told to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("way", choices=["kernel", "scan", "read", "engine", "reader"])
    parser.add_argument("path", type=Path)
    parser.add_argument("warm", type=Path)
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    os.sched_setaffinity(0, set(cores[-1:] if given.way == "kernel" else cores))
    if given.way in ("engine", "reader"):
        run = {"engine": engine, "reader": reader}[given.way](given.name)
    else:
        run = {"kernel": kernel, "scan": scan, "read": read}[given.way]()
    if given.way == "kernel":
        _blocks(given.path)
    json.dump(least(run, given.path, given.warm, given.runs), sys.stdout)


if __name__ == "__main__":
    main()
