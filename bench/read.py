"""What reading costs: the kernel, files to Arrow, small objects; beside all other known ways.

Everything reads the same lines in one run, each way in a process of its own on two cores, the
kernel on one. Times are the least of several runs; ratios are of CPU seconds, which other load on
the machine disturbs less. Run by `make bench-read`; prints a table and writes JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import corpus, engines, readers
from bench.patterns import PUBLISHED

ROOT = Path(__file__).parents[1]
Tell = Callable[[str], None]
MEASURE = Path(__file__).parent / "measure.py"
PATTERNS = frozenset(each.name for each in PUBLISHED)
HEADINGS = ("GB/s", "CPU s/GB", "x CPU", "right", "refused", "silent", "peak MB")


def measured(way: str, path: Path, warm: Path, runs: int, name: str) -> dict[str, Any]:
    """One way, in a process of its own; what it says where it fails."""
    command = [sys.executable, str(MEASURE), way, str(path), str(warm), name, "--runs", str(runs)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        return {"error": next((one for one in lines if "Error" in one), lines[-1])[:160]}
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def judged(lines: Sequence[bytes], path: Path, name: str) -> Mapping[str, int]:
    """How an engine's rows of the sample are: all at once, or one by one where a line spoils it."""
    (found,) = [each for each in engines.ENGINES if each.name == name]
    path.write_bytes(b"".join(lines))
    try:
        with engines.quiet():
            return corpus.score(lines, found.answers(found.load(path)))
    except Exception:  # one odd line is enough to make some engines fail
        few = lines[::8]
        with tempfile.TemporaryDirectory() as folder:
            told = found.answers_one_by_one(b"".join(few), Path(folder))
        return dict(corpus.score(few, told)) | {"one_by_one": 1}


def row(name: str, told: Mapping[str, Any], size: int, ours: float, lines: int) -> str:
    """One row of the table."""
    if "error" in told:
        return f"{name:<44}  {told['error']}"
    per_gb = told["cpu_s"] / size * 1e9
    score = told.get("score", {})
    checked = sum(score.get(key, 0) for key in ("right", "doubted", "refused", "silent"))
    cells = [
        f"{size / told['wall_s'] / 1e9:.3f}",
        f"{per_gb:.2f}",
        f"{per_gb / ours:.1f}" if ours < float("inf") else "",
        *(
            f"{score.get(key, 0) / checked:.1%}" if checked else ""
            for key in ("right", "refused", "silent")
        ),
        f"{told['peak_bytes'] / 1e6:.0f}",
    ]
    mark = "*" * (size < lines) + "+" * score.get("one_by_one", 0)
    return f"{name + mark:<44}" + "".join(f"{cell:>10}" for cell in cells)


class Bench:
    """One run: the corpus, what was measured, and where it is told."""

    def __init__(self, folder: Path, given: argparse.Namespace, tell: Tell) -> None:
        self.given, self.tell, self.folder = given, tell, folder
        self.corpus = corpus.make(folder, given.bytes, given.seed)
        self.sample = corpus.sample(self.corpus, folder / "sample.log")
        self.slice = folder / "slice.log"
        self.slice_size = corpus.head(self.corpus, self.slice, given.slice)
        self.warm = folder / "warm.log"
        corpus.head(self.corpus, self.warm, 200_000)
        self.told: dict[str, Any] = {}
        self.per_gb = float("inf")

    def one(
        self,
        name: str,
        path: Path,
        size: int,
        way: str,
        score: Callable[[], Mapping[str, int]],
    ) -> None:
        """Measures one way, keeps and prints it."""
        if self.given.only and not any(word in name for word in self.given.only):
            return
        told = measured(way, path, self.warm, self.given.runs, name)
        if "error" not in told:
            told["score"] = score()
        told["bytes"] = size
        self.told[name] = told
        if way == "read" and "error" not in told:
            self.per_gb = min(self.per_gb, told["cpu_s"] / size * 1e9)
        shown = f"Python re: {name}" if name in PATTERNS else name
        self.tell(row(shown, told, size, self.per_gb, self.corpus.size))

    def all(self) -> None:
        """Every way, ours first."""
        from bench import ours

        self.tell(f"{'':<44}" + "".join(f"{heading:>10}" for heading in HEADINGS))
        whole, size = self.corpus.whole, self.corpus.size

        def own() -> Mapping[str, int]:
            return corpus.score(self.sample, ours.answers(b"".join(self.sample)))

        self.one("read: files to a table", self.corpus.parts, size, "read", own)
        self.one("read: one file to a table", whole, size, "read", own)
        self.one("scan: files to batches", self.corpus.parts, size, "scan", own)
        self.one("scan: one file to batches", whole, size, "scan", own)
        self.one("the kernel, one core", whole, size, "kernel", own)
        for engine in engines.ENGINES:
            score = partial(judged, self.sample, self.folder / "judged.log", engine.name)
            self.one(engine.name, whole, size, "engine", score)
        for reader in readers.line_readers():
            score = partial(self._line_score, reader)
            self.one(reader.name, self.slice, self.slice_size, "reader", score)

    def _line_score(self, reader: readers.Reader) -> Mapping[str, int]:
        return corpus.score(self.sample, reader.answers(b"".join(self.sample)))

    def summary(self) -> None:
        """What the kernel does in records, and how to read the marks."""
        kernel = self.told.get("the kernel, one core")
        if kernel and "error" not in kernel:
            seconds = kernel["cpu_s"]
            self.tell(
                f"the kernel: {self.corpus.size / seconds / 1e9:.2f} GB/s and "
                f"{kernel['rows'] / seconds / 1e6:.2f} M records/s of a core's CPU time"
            )
        self.tell(
            f"* on {self.slice_size / 1e6:.0f} MB, one core; + its sample line by line, as one odd "
            f"line makes it fail. Rows are judged by {len(self.sample)} lines, of which 100 are "
            "hostile."
        )


def machine() -> str:
    """The processor and how many cores there are."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return f"{line.split(':')[1].strip()}, {os.cpu_count()} cores"
    return platform.machine()


def loopback(objects: int, tell: Tell) -> dict[str, Any]:
    """Small objects from an S3 endpoint."""
    from bench.loopback import measure

    told = measure(objects)
    tell(
        f"{objects} objects of 20 KiB from S3 on loopback, server and client on a core each: the "
        f"endpoint gives a bare client {told['bare_per_s']:.0f}/s, reading takes "
        f"{told['read_per_s']:.0f}/s: {told['ratio']:.0%}. CPU an object: the server "
        f"{told['server_cpu_us_bare']:.0f} us for the bare client and "
        f"{told['server_cpu_us_read']:.0f} us for reading, which itself takes "
        f"{told['reader_cpu_us']:.0f} us"
    )
    return told


def main(tell: Tell = print) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--bytes", type=int, default=1_000_000_000, help="of lines")
    parser.add_argument("--slice", type=int, default=16_000_000, help="for readers of one line")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--objects", type=int, default=20_000, help="from S3; 0: none")
    parser.add_argument("--only", nargs="*", help="only ways whose name has one of these words")
    parser.add_argument("--json", type=Path, default=ROOT / "artefacts" / "bench-read.json")
    given = parser.parse_args()
    about = f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {machine()}"
    tell(about)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), given, tell)
        tell(f"{bench.corpus.size / 1e9:.2f} GB, {bench.corpus.records} lines of 17 to 27 fields")
        bench.all()
        bench.summary()
    told = {"about": about, "lines": bench.corpus.records, "ways": bench.told}
    if given.objects:
        told["loopback"] = loopback(given.objects, tell)
    given.json.parent.mkdir(exist_ok=True)
    given.json.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
