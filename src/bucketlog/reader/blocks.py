"""Bytes as they come, cut into blocks of whole lines.

A block ends at a line's end. One line longer than a block makes the block grow, up to `LONGEST`;
of a line longer than that only the beginning is kept, and how long it was: an `Overlong`, which
counts as one line and becomes one reject.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

try:
    from bucketlog._native import count_lines as count_lines
except ImportError:  # the parser says what to do about it

    def count_lines(data: bytes) -> int:
        """How many lines the bytes hold; a last one without its end counts."""
        return data.count(b"\n") + (not data.endswith(b"\n") and bool(data))


SIZE = 8 * 1024 * 1024
LONGEST = 64 * 1024 * 1024
KEPT = 64 * 1024
"""Bytes kept of a line longer than `LONGEST`."""


@dataclass(frozen=True, slots=True)
class Overlong:
    """A line too long to be read: its first bytes, and its length without its end."""

    head: bytes
    length: int


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of one object, in its order.

    `first_line` counts from 1, `first_offset` from 0, both within the object once decompressed.
    `lines` is counted from the bytes alone: it is what rows and rejects have to add up to.
    """

    data: bytes
    first_line: int
    first_offset: int
    lines: int
    overlong: Overlong | None = None
    is_json: bool = False
    stored_bytes: int = 0

    @property
    def end_offset(self) -> int:
        """Where the next block begins."""
        return self.first_offset + len(self.data)


def cut(chunks: Iterable[bytes], size: int = SIZE, longest: int = LONGEST) -> Iterator[Block]:
    """Blocks of about `size` bytes. The last line may lack its end.

    An empty chunk says that no more comes for now: the whole lines that are there are given.
    """
    line, offset = 1, 0
    held: list[bytes] = []
    held_bytes = ended_bytes = 0  # of what is held, and of its whole lines
    stream = iter(chunks)
    for chunk in stream:
        if (end := chunk.rfind(b"\n")) >= 0:
            ended_bytes = held_bytes + end + 1
        held.append(chunk)
        held_bytes += len(chunk)
        if ended_bytes and (held_bytes >= size or not chunk):
            data, rest = _split(held, held_bytes - ended_bytes)
            block = Block(data, line, offset, count_lines(data))
            yield block
            line, offset = line + block.lines, block.end_offset
            held, held_bytes, ended_bytes = [rest] if rest else [], len(rest), 0
        elif held_bytes > longest and not ended_bytes:
            overlong, after = _rest_of_line(held, stream)
            yield Block(b"", line, offset, 1, overlong)
            line, offset = line + 1, offset + overlong.length + 1
            held, held_bytes, ended_bytes = [after], len(after), after.rfind(b"\n") + 1
    if held_bytes:
        data = b"".join(held)
        yield Block(data, line, offset, count_lines(data))


def after(blocks: Iterable[Block], line: int) -> Iterator[Block]:
    """The blocks without the first `line` lines."""
    for block in blocks:
        passed = line - block.first_line + 1
        if passed <= 0:
            yield block
        elif passed < block.lines:
            start = 0
            for _ in range(passed):
                start = block.data.index(b"\n", start) + 1
            yield Block(
                block.data[start:],
                block.first_line + passed,
                block.first_offset + start,
                block.lines - passed,
            )


def _split(held: list[bytes], rest_bytes: int) -> tuple[bytes, bytes]:
    """What is held, less its last bytes; and these."""
    last = held[-1]
    if rest_bytes <= len(last):
        end = len(last) - rest_bytes
        return b"".join((*held[:-1], memoryview(last)[:end])), last[end:]
    data = b"".join(held)
    return data[:-rest_bytes], data[-rest_bytes:]


def _rest_of_line(held: list[bytes], stream: Iterator[bytes]) -> tuple[Overlong, bytes]:
    """Passes over the line that is held, up to its end; what came behind that with it."""
    head = b"".join(held)[:KEPT]
    length = sum(map(len, held))
    held.clear()
    for chunk in stream:
        end = chunk.find(b"\n")
        if end >= 0:
            return Overlong(head, length + end), chunk[end + 1 :]
        length += len(chunk)
    return Overlong(head, length), b""
