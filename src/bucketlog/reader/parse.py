"""Log bytes to Arrow columns: the face of the native kernel.

What the bytes are is told by how they begin: `PAR1` is Parquet, `{` is JSON lines, all else is
text. What can't be read is a reject, never an exception; lines = rows + rejects, always. Pure:
bytes in, columns out.

Source: `accesslog/line.py` for text, `reader/structured.py` for structured records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from bucketlog.problems import Problem
from bucketlog.reader import structured
from bucketlog.reader.schema import LINE_COLUMNS, LINE_REJECTS

MOST_BYTES = 1 << 29
"""As much as is parsed at once, as offsets of Arrow's strings have 31 bits."""

Kind = Literal["text", "json", "parquet"]

_NO_ROWS = pa.RecordBatch.from_pylist([], LINE_COLUMNS)
_NO_REJECTS = pa.RecordBatch.from_pylist([], LINE_REJECTS)
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Parsed:
    """Rows and rejects of some bytes.

    `batch` has the columns `schema.LINE_COLUMNS`, `rejects` has `schema.LINE_REJECTS`; each line,
    or each row of Parquet, is in one of the two.
    """

    batch: pa.RecordBatch
    rejects: pa.RecordBatch

    @property
    def lines(self) -> int:
        """How many lines, or rows of Parquet, there were."""
        return int(self.batch.num_rows + self.rejects.num_rows)

    @property
    def ambiguous(self) -> int:
        """How many rows can be read in more than one way, so that somebody may have forged them."""
        return pc.sum(self.batch.column("parse_ambiguous")).as_py() or 0


def parse(
    data: bytes | bytearray | memoryview | str, *, first_line: int = 1, first_offset: int = 0
) -> Parsed:
    r"""The records in `data`: lines of any era, Amazon's structured records, or bucketlog's own.

    A line ends at "\n"; bytes behind the last one are a line too. `first_line` is the number that
    the first line gets, `first_offset` the offset of its first byte. Text is taken as UTF-8; bytes
    that aren't are replaced, and the line is kept in `raw`.

    For Parquet `first_line` is the number of the first row. Raises `Problem` for more than
    `MOST_BYTES` bytes, for Parquet that can't be read or is no access log, and where the kernel
    isn't built.
    """
    if not isinstance(data, bytes):
        data = data.encode(errors="surrogatepass") if isinstance(data, str) else bytes(data)
    if len(data) > MOST_BYTES:
        raise Problem(
            f"{len(data)} bytes are too many to parse at once; {MOST_BYTES} are the most.",
            "Use bucketlog.scan, which reads inputs of any size piece by piece.",
        )
    kind = kind_of(data)
    if kind == "parquet":
        rows = structured.joined(structured.parse_parquet(data, first_line))
        return Parsed(rows, structured.NO_REJECTS)
    if kind == "json":
        return Parsed(*structured.parse_json(data, first_line, first_offset))
    return Parsed(*parse_lines(data, first_line, first_offset))


def kind_of(start: bytes) -> Kind:
    """What bytes are that begin so; the first few KB of a source are enough."""
    if start.startswith(b"PAR1"):
        return "parquet"
    return "json" if start.removeprefix(_BOM).lstrip(_BLANK).startswith(b"{") else "text"


def parse_lines(
    data: bytes, first_line: int = 1, first_offset: int = 0
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Text lines to a batch of `LINE_COLUMNS` and one of `LINE_REJECTS`; gives up the GIL.

    `data` holds whole lines; the last may lack its end. Raises `ValueError` for more than
    `MOST_BYTES` bytes, `Problem` where the kernel isn't built.
    """
    try:
        from bucketlog import _native
    except ImportError as error:
        raise Problem(
            f"The native module that parses log lines can't be loaded: {error}.",
            "Install a wheel of bucketlog for this platform, or build it: `make native` "
            "(needs Rust 1.89 or newer).",
        ) from error
    return _native.parse_lines(data, first_line, first_offset)
