"""What the readers are measured on: lines of every era from `bucketlog generate`, and a sample.

The same seed gives the same bytes. The corpus is clean, so that every reader has a fair chance;
the sample that their rows are judged by has hostile lines in it too.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Any

from conformance.run import Answer, judge

from bucketlog.accesslog import generate, line
from bucketlog.accesslog.record import FIELDS

PARTS = 16
"""Files in the folder; one more holds the same bytes as one."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """`whole` is one file, `parts` a folder with the same bytes; how many, and how many lines."""

    whole: Path
    parts: Path
    size: int
    records: int


def make(folder: Path, size: int, seed: int = 1) -> Corpus:
    """Writes about `size` bytes, twice: as one file and as `PARTS`."""
    parts = folder / "parts"
    parts.mkdir()
    each = max(6, int(size / PARTS / generate.average_bytes(seed, era="all")))
    paths = [parts / f"{number:02}.log" for number in range(PARTS)]
    with ProcessPoolExecutor() as pool:
        list(pool.map(_write, paths, repeat(each), range(seed, seed + PARTS)))
    whole = folder / "whole.log"
    with whole.open("wb") as all_of_them:
        for path in paths:
            with path.open("rb") as file:
                shutil.copyfileobj(file, all_of_them, 1 << 20)
    return Corpus(whole, parts, whole.stat().st_size, each * PARTS)


def _write(path: Path, records: int, seed: int) -> None:
    with path.open("wb") as file:
        file.writelines(generate.lines(records, seed, era="all"))


def head(corpus: Corpus, path: Path, size: int) -> int:
    """The first lines of each part, about `size` bytes of them all; returns how many bytes."""
    with path.open("wb") as file:
        for part in sorted(corpus.parts.iterdir()):
            data = part.read_bytes()
            # Evenly over the part, as its eras come one after the other.
            lines = data.splitlines(keepends=True)
            step = max(1, len(data) * PARTS // size)
            file.writelines(lines[::step])
    return path.stat().st_size


def sample(corpus: Corpus, path: Path, clean: int = 2900, hostile: int = 100) -> list[bytes]:
    """Clean lines, evenly from the corpus, with hostile ones among them."""
    found: list[bytes] = []
    for part in sorted(corpus.parts.iterdir()):
        lines = part.read_bytes().splitlines(keepends=True)
        found += lines[:: max(1, len(lines) * PARTS // clean)]
    spoiled = b"".join(generate.lines(hostile * 30, 7, era="all", mix="hostile"))
    odd = [
        each
        for each in spoiled.split(b"\n")
        if each and (line.decode(each).record is None or line.decode(each).ambiguous)
    ][:hostile]
    for number, each in enumerate(odd):
        found.insert(number * len(found) // hostile, each + b"\n")
    path.write_bytes(b"".join(found))
    return found


def expectation(text: bytes) -> dict[str, Any]:
    """What the slow, obvious parser says of a line, in the form of the conformance set."""
    decoded = line.decode(text)
    if decoded.record is None:
        return {"reject": decoded.reason}
    record: dict[str, Any] = {}
    for field, value in zip(FIELDS, decoded.texts, strict=False):
        known = getattr(decoded.record, field.name)
        if known is not None:
            record[field.name] = value if field.name == "key" else known
    at = datetime.fromtimestamp((decoded.record.time or 0) // 10**9, UTC)
    record["time"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "record": record,
        "extra_fields": list(decoded.extra_fields),
        "ambiguous": decoded.ambiguous,
        "lossy": decoded.lossy,
    }


def score(lines: Sequence[bytes], answers: Sequence[Answer | None]) -> Mapping[str, int]:
    """How many lines came out right, doubted, refused or silently wrong.

    Where rows are fewer than lines, each row is taken for the next line that has its request id;
    lines that are passed over were left out.
    """
    expected = [expectation(each) for each in lines]
    told = list(answers) if len(answers) == len(lines) else _aligned(expected, answers)
    known = {name for answer in told for name in answer or ()}
    counts = dict.fromkeys(("right", "doubted", "refused", "silent"), 0)
    for one, answer in zip(expected, told, strict=True):
        counts[judge(one, answer, known)[0]] += 1
    return counts


def _aligned(
    expected: Sequence[Mapping[str, Any]], answers: Sequence[Answer | None]
) -> list[Answer | None]:
    told: list[Answer | None] = [None] * len(expected)
    ids = [one.get("record", {}).get("request_id") for one in expected]
    at = 0
    refused: list[Answer] = []
    for answer in answers:
        if answer is None or "reject" in answer:
            refused.append(answer or {"reject": ""})
            continue
        wanted = answer.get("request_id")
        place = next((n for n in range(at, min(at + 400, len(ids))) if ids[n] == wanted), None)
        if wanted and place is not None:
            for passed, refusal in zip(range(at, place), refused, strict=False):
                told[passed] = refusal
            told[place] = answer
            at, refused = place + 1, []
    return told
