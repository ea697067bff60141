"""Log objects, opened: read once, parsed by the kernel, kept while there is room.

What is kept belongs to one ETag and is given only to who has just been allowed to read that object
(its HEAD answered). Compressed ones are expanded; of very long ones the beginning is read.
"""

from __future__ import annotations

import array
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bucketlog.problems import Problem
from bucketlog.reader import compression

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 96 << 20
"""Bytes that are read of one object, once expanded."""
KEPT = 256 << 20
"""Bytes of all that is kept, text and columns together."""

DERIVED = ("client", "client_version", "key_decoded", "status_class", "is_presigned", "tls")
_LONGEST_LINE = 1 << 20
_LINE_END = re.compile(b"\n")


@dataclass(frozen=True, slots=True)
class Name:
    """One content of one object."""

    bucket: str
    key: str
    version_id: str
    etag: str


@dataclass(eq=False)
class LogObject:
    """One, parsed. `batch` has LINE_COLUMNS and DERIVED; rows are in the order of the lines.

    `lines` are all lines of the text, rejects too; None for Parquet. `is_cut`: there is more in the
    object than was read. `damage`: what is wrong with its compression.
    """

    kind: Literal["text", "json", "parquet"]
    batch: pa.RecordBatch
    rejects: pa.RecordBatch
    lines: pa.LargeBinaryArray | None
    length: int
    """Bytes, once expanded."""
    is_cut: bool = False
    damage: str | None = None
    compressed: str | None = None
    found: OrderedDict[Any, Any] = field(default_factory=OrderedDict)
    """What has been looked for lately, `record_table`'s."""

    @property
    def ambiguous(self) -> int:
        import pyarrow.compute as pc

        return pc.sum(self.batch.column("parse_ambiguous")).as_py() or 0

    @property
    def weight(self) -> int:
        """Bytes of memory."""
        return int(self.length + self.batch.nbytes + self.rejects.nbytes)

    def raw(self, line_number: int) -> bytes | None:
        """A line without its end; None where there is none."""
        if self.lines is None or not 1 <= line_number <= len(self.lines):
            return None
        line: bytes = self.lines[line_number - 1].as_py()
        return line.removesuffix(b"\n").removesuffix(b"\r")

    def row_of(self, line_number: int) -> int | None:
        """The row that a line became; None for a reject or no line."""
        import pyarrow.compute as pc

        row: int = pc.index(self.batch.column("line_number"), line_number).as_py()
        return None if row < 0 else row


class LogObjects:
    """Those opened lately. Thread-safe; each is opened once, however many ask at a time."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._open: OrderedDict[Name, LogObject] = OrderedDict()
        self._opening: dict[Name, threading.Lock] = {}

    def find(self, name: Name) -> LogObject | None:
        """It, if it is open."""
        with self._lock:
            found = self._open.get(name)
            if found is not None:
                self._open.move_to_end(name)
            return found

    def open(self, name: Name, fetch: Callable[[], Iterable[bytes]]) -> LogObject:
        """It, opened if need be; `fetch` gives the object's bytes.

        Raises `Problem` for what can't be read at all, and what `fetch` raises.
        """
        with self._lock:
            mine = self._opening.setdefault(name, threading.Lock())
        try:
            with mine:
                found = self.find(name)
                if found is None:
                    found = load(fetch())
                    self._keep(name, found)
                return found
        finally:
            with self._lock:
                self._opening.pop(name, None)

    def _keep(self, name: Name, made: LogObject) -> None:
        with self._lock:
            self._open[name] = made
            total = sum(each.weight for each in self._open.values())
            while total > self._kept and len(self._open) > 1:
                _, gone = self._open.popitem(last=False)
                total -= gone.weight


def load(chunks: Iterable[bytes], most: int = MOST) -> LogObject:
    """Parses the bytes of an object. Raises `Problem` for Parquet that can't be read."""
    from bucketlog.reader import derived, parse

    data, compressed, is_cut, damage = _read(chunks, most)
    kind = parse.kind_of(data[:4096])
    if is_cut and kind == "parquet":
        raise Problem(
            f"This Parquet file is too large to open here: {most >> 20} MiB are the most.",
            "Read it with `bucketlog read` or `bucketlog query`.",
        )
    if is_cut:
        data = data[: data.rfind(b"\n") + 1] or data
    parsed = parse.parse(data)
    return LogObject(
        kind=kind,
        batch=derived.add(parsed.batch, DERIVED),
        rejects=parsed.rejects,
        lines=None if kind == "parquet" else _lines(data),
        length=len(data),
        is_cut=is_cut,
        damage=damage,
        compressed=compressed,
    )


def begins_like_one(data: bytes) -> bool:
    """Whether the first line of an object that begins so is a record."""
    expanded = _read([data], _LONGEST_LINE)[0]
    first, end, _ = expanded.partition(b"\n")
    if not end:
        return False
    from bucketlog.reader import parse

    return parse.kind_of(first) != "parquet" and parse.parse(first).batch.num_rows == 1


def _read(chunks: Iterable[bytes], most: int) -> tuple[bytes, str | None, bool, str | None]:
    """The bytes, expanded; how they were compressed; whether there are more; what is damaged."""
    stream = iter(chunks)
    first = next(stream, b"")
    while 0 < len(first) < 4 and (more := next(stream, b"")):
        first += more
    compressed = compression.kind(first)
    held: list[bytes] = []
    length = 0
    try:
        for piece in compression.expand(_with(first, stream)):
            held.append(piece)
            length += len(piece)
            if length > most:
                return b"".join(held)[:most], compressed, True, None
    except compression.Damaged as damaged:
        return b"".join(held), compressed, False, str(damaged)
    return b"".join(held), compressed, False, None


def _with(first: bytes, rest: Iterable[bytes]) -> Iterable[bytes]:
    yield first
    yield from rest


def _lines(data: bytes) -> pa.LargeBinaryArray:
    """Every line with its end, without copying."""
    import pyarrow as pa

    ends = array.array("q", [0])
    ends.extend(match.end() for match in _LINE_END.finditer(data))
    if ends[-1] != len(data):
        ends.append(len(data))
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(ends) - 1, buffers)
