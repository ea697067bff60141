"""Generated access logs as files, for what reads them."""

from __future__ import annotations

import gzip
from pathlib import Path

from bucketlog.accesslog import generate, mixes


def data(records: int = 300, seed: int = 5, mix: mixes.Mix = "default") -> bytes:
    """Lines, with nothing between or behind them."""
    return b"".join(generate.lines(records, seed, mix=mix))


def folder(place: Path) -> Path:
    """A folder of three logs, 100 records each: plain, gzip, and plain in a folder."""
    lines = data().split(b"\n")
    (place / "logs" / "deep").mkdir(parents=True)
    parts = [b"\n".join(lines[at : at + 100]) + b"\n" for at in (0, 100, 200)]
    (place / "logs" / "a.log").write_bytes(parts[0])
    (place / "logs" / "b.log.gz").write_bytes(gzip.compress(parts[1]))
    (place / "logs" / "deep" / "c.log").write_bytes(parts[2])
    return place / "logs"
