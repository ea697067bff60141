"""Realistic access log lines, made up from a seed: for trying, testing and measuring.

The same arguments give the same bytes on every machine and Python: all chance comes from
SHAKE128, read as little-endian words, and all arithmetic is in whole numbers. A line is one
f-string over what `scenery` prepared, so a process makes some hundred thousand in a second.

What each kind of record looks like follows "Amazon S3 server access log format" in the User Guide
and records met in the wild; `mixes` says how often each occurs.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from hashlib import shake_128
from typing import Literal, NamedTuple

from bucketlog.accesslog import hostile, mixes, scenery
from bucketlog.accesslog.line import timestamp

BLOCK = 4096
"""How many lines a block has."""

DAY_S = 86_400
ERAS: dict[int, int] = {
    17: 1_160_092_800,  # 6 October 2006
    18: 1_393_891_200,  # 4 March 2014
    24: 1_571_443_200,  # 19 October 2019
    25: 1_646_006_400,  # 28 February 2022
    26: 1_718_236_800,  # 13 June 2024
    27: 1_773_705_600,  # 17 March 2026
}
"""The field counts that records have had, and when a log of each begins, in seconds since 1970."""

Era = Literal[17, 18, 24, 25, 26, 27, "all"]

_WORDS = 5  # of chance, for each record
_ID, _HOST_ID = 16, 75  # characters of a request id, and of a host id before its "="

_HEX = bytes(b"0123456789ABCDEF"[byte & 15] for byte in range(256))
_UPPER = bytes(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[byte & 31] for byte in range(256))
_BASE64 = bytes(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[byte & 63]
    for byte in range(256)
)

# How busy each hour of the day is, UTC; and the sum of the hours before it, in seconds of work.
_BUSY = (3, 2, 2, 2, 3, 5, 8, 12, 16, 18, 18, 17, 16, 17, 18, 18, 17, 15, 13, 11, 9, 7, 5, 4)
_UNTIL = [0]
for _hour in _BUSY:
    _UNTIL.append(_UNTIL[-1] + 3600 * _hour)


def lines(
    records: int,
    seed: int = 1,
    *,
    era: Era = 27,
    mix: mixes.Mix = "default",
    start_s: int | None = None,
    days: float = 1,
) -> Iterator[bytes]:
    r"""Blocks of up to `BLOCK` lines, each with its "\n", `records` lines altogether.

    `era` is the number of fields; "all" divides the records among all eras, in their order. Times
    rise from `start_s` (seconds since 1970; the era's own start if None) over so many days, with
    the rhythm of day and night. A mix but "hostile" is of clean lines: printable ASCII, one
    reading, as many fields as the era has.
    """
    eras = tuple(ERAS) if era == "all" else (era,)
    done = 0
    for number, fields in enumerate(eras, 1):
        share = records * number // len(eras) - done
        begin = ERAS[fields] if start_s is None else start_s
        yield from _era(share, f"{seed}/{fields}/{mix}", seed, fields, mix, begin, days)
        done += share


def average_bytes(seed: int = 1, *, era: Era = 27, mix: mixes.Mix = "default") -> float:
    """How long a line is, its end included, by the first thousands of them."""
    sample = b"".join(lines(BLOCK, seed, era=era, mix=mix))
    return len(sample) / BLOCK


def _era(
    records: int, label: str, seed: int, fields: int, mix: mixes.Mix, start_s: int, days: float
) -> Iterator[bytes]:
    world = scenery.build(seed, fields)
    kinds = mixes.table(mix)
    clock = _Clock(start_s, max(1, int(days * DAY_S)), records)
    alphabet = _UPPER if fields >= 23 else _HEX
    for first in range(0, records, BLOCK):
        count = min(BLOCK, records - first)
        chance = _Chance.of(f"{label}/{first // BLOCK}", alphabet, has_host_id=fields >= 19)
        made = _block(world, kinds, chance, clock, first, count)
        if mix == "hostile":
            made = hostile.spoil(made, scenery.Draw(f"{label}/{first // BLOCK}/hostile"))
        yield "".join(made).encode("latin-1")


class _Chance(NamedTuple):
    """What is left to chance in a block: words, request ids, host ids with a blank before."""

    words: tuple[int, ...]
    ids: str
    host_ids: str

    @classmethod
    def of(cls, label: str, alphabet: bytes, *, has_host_id: bool) -> _Chance:
        words, ids = 4 * _WORDS * BLOCK, _ID * BLOCK
        data = shake_128(label.encode()).digest(words + ids + _HOST_ID * BLOCK * has_host_id)
        return cls(
            struct.unpack(f"<{_WORDS * BLOCK}I", data[:words]),
            data[words : words + ids].translate(alphabet).decode(),
            data[words + ids :].translate(_BASE64).decode(),
        )


class _Clock:
    """When each record's request came, by its number; records are asked for in their order."""

    def __init__(self, start_s: int, seconds: int, records: int) -> None:
        self._origin = start_s - start_s % DAY_S
        self._from = _work(start_s % DAY_S)
        self._work = _work(start_s % DAY_S + seconds) - self._from
        self._records = records
        self.until = 0  # the first record that isn't of this second
        self.second = start_s

    def advance(self, record: int) -> None:
        """Goes to the second of that record."""
        passed = self._from + record * self._work // self._records
        day, rest = divmod(passed, _UNTIL[-1])
        hour = bisect_right(_UNTIL, rest) - 1
        into = (rest - _UNTIL[hour]) // _BUSY[hour]
        self.second = self._origin + day * DAY_S + hour * 3600 + into
        end = day * _UNTIL[-1] + _UNTIL[hour] + (into + 1) * _BUSY[hour] - self._from
        self.until = -(-end * self._records // self._work)


def _work(second: int) -> int:
    day, rest = divmod(second, DAY_S)
    hour, into = divmod(rest, 3600)
    return day * _UNTIL[-1] + _UNTIL[hour] + into * _BUSY[hour]


def _block(
    world: scenery.World,
    kinds: tuple[mixes.Kind, ...],
    chance: _Chance,
    clock: _Clock,
    first: int,
    count: int,
) -> list[str]:
    made: list[str] = []
    words, ids, host_ids = chance
    buckets = world.buckets
    choice = len(buckets)
    host_id = ""
    stamp = timestamp(clock.second * 1_000_000_000)
    while (at := len(made)) < count:
        if first + at >= clock.until:
            clock.advance(first + at)
            stamp = timestamp(clock.second * 1_000_000_000)
        word = words[at]
        if host_ids:
            host_id = f" {host_ids[_HOST_ID * at : _HOST_ID * at + _HOST_ID]}="
        line = kinds[word & mixes.LAST](
            world,
            buckets[(word >> 12) * choice >> 20],
            words[at + BLOCK],
            words[at + 2 * BLOCK],
            words[at + 3 * BLOCK],
            words[at + 4 * BLOCK],
            stamp,
            ids[_ID * at : _ID * at + _ID],
            host_id,
        )
        if isinstance(line, str):
            made.append(line)
        else:
            made += line
    del made[count:]
    return made
