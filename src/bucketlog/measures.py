"""Durations and sizes as people write them: "60s", "1.5h", "5MiB"; to numbers and back.

Plain computing, for settings and for what commands print. A number without a unit is seconds or
bytes. 1 MB is 10^6 bytes, 1 MiB is 2^20 (IEC 80000-13).
"""

from __future__ import annotations

import re

_DURATIONS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SIZES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
}
_FOLDED_SIZES = {unit.lower(): size for unit, size in _SIZES.items()}
_MEASURE = re.compile(r"([0-9]+(?:\.[0-9]+)?) *([A-Za-z]*)", re.ASCII)


def duration(text: str) -> float:
    """Seconds. Raises `ValueError` for what isn't a number and one of ms, s, m, h, d."""
    number, unit = _split(text)
    factor = _DURATIONS.get(unit or "s")
    if factor is None:
        raise ValueError(f"{text!r} is no duration; write it like 60s, 500ms, 1.5h, 7d")
    return float(number) * factor


def size(text: str) -> int:
    """Bytes. Raises `ValueError` for what isn't a number and a unit such as KB or MiB."""
    number, unit = _split(text)
    factor = _FOLDED_SIZES.get(unit.lower() or "b")
    if factor is None:
        raise ValueError(f"{text!r} is no size; write it like 5MiB, 1.5GB, 4096")
    return int(number) * factor if number.isdigit() else round(float(number) * factor)


def render_duration(seconds: float) -> str:
    """The shortest text that `duration` reads back exactly: "60s", "36h", "7d"."""
    if seconds and seconds % 86400 == 0:
        return f"{seconds / 86400:.0f}d"
    if seconds and seconds % 3600 == 0 and seconds > 3600:
        return f"{seconds / 3600:.0f}h"
    text = repr(float(seconds)).removesuffix(".0")
    return f"{text}s" if "e" not in text else f"{seconds:f}s"


def render_size(count: int) -> str:
    """The text with the largest binary unit that `size` reads back exactly: "16KiB", "1000B"."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if count and count % _SIZES[unit] == 0:
            return f"{count // _SIZES[unit]}{unit}"
    return f"{count}B"


def about(seconds: float) -> str:
    """A duration for people: one unit, rounded: "3 s", "12 min", "5 h", "2 d"."""
    for unit, factor in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * factor:
            return f"{seconds / factor:.0f} {unit}"
    return f"{seconds:.0f} s"


def _split(text: str) -> tuple[str, str]:
    found = _MEASURE.fullmatch(text.strip())
    if found is None:
        return "0", "?"
    return found[1], found[2]
