"""Bytes as they come, cut into blocks of whole lines.

A block ends at a line's end. One line longer than a block makes the block grow, up to `LONGEST`;
of a line longer than that only the beginning is kept, and how long it was: an `Unread`, which
counts as one line and becomes one reject. So does a line that damage cuts off.
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
class Unread:
    """A line that is not for the parser, and why: its first bytes, and all of its length."""

    reason: str
    head: bytes
    length: int


TORN = "the object breaks off within the line"
"""A line cut off by damage: what is left of it might pass for a record of another era."""


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
    unread: Unread | None = None
    is_json: bool = False
    stored_bytes: int = 0

    @property
    def end_offset(self) -> int:
        """Where the next block begins; a byte earlier behind an unread line, for its end."""
        length = len(self.data) if self.unread is None else self.unread.length
        return self.first_offset + length


def cut(chunks: Iterable[bytes], size: int = SIZE, longest: int = LONGEST) -> Iterator[Block]:
    """Blocks of about `size` bytes. The last line may lack its end.

    An empty chunk says that no more comes for now: the whole lines that are there are given.
    What the chunks raise is raised when all that came before it has been given.
    """
    line, offset = 1, 0
    held: list[bytes] = []
    held_bytes = ended_bytes = 0  # of what is held, and of its whole lines
    stream = iter(chunks)
    error: Exception | None = None
    while True:
        try:
            chunk = next(stream, None)
        except Exception as raised:
            error, chunk = raised, None
        if chunk is None:
            break
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
            unread, after = _rest_of_line(held, stream)
            yield Block(b"", line, offset, 1, unread)
            line, offset = line + 1, offset + unread.length + 1
            held, held_bytes, ended_bytes = [after], len(after), after.rfind(b"\n") + 1
    yield from ending(b"".join(held), line, offset, is_torn=error is not None)
    if error is not None:
        raise error


def ending(data: bytes, line: int, offset: int, *, is_torn: bool) -> Iterator[Block]:
    """The blocks of what an object ends with; if it is torn, its last line is none."""
    if is_torn:
        end = data.rfind(b"\n") + 1
        data, torn = data[:end], data[end:]
    if data:
        block = Block(data, line, offset, count_lines(data))
        yield block
        line, offset = line + block.lines, block.end_offset
    if is_torn and torn:
        yield Block(b"", line, offset, 1, Unread(TORN, torn[:KEPT], len(torn)))


def after(blocks: Iterable[Block], line: int) -> Iterator[Block]:
    """The blocks without the first `line` lines."""
    for block in blocks:
        passed = line - block.first_line + 1
        if passed <= 0:
            yield block
        elif passed < block.lines:  # so it is no single line, that is unread
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
    if not rest_bytes:
        return b"".join(held), b""  # one alone is not copied
    if rest_bytes <= len(last):
        end = len(last) - rest_bytes
        return b"".join((*held[:-1], memoryview(last)[:end])), last[end:]
    data = b"".join(held)
    return data[:-rest_bytes], data[-rest_bytes:]


def _rest_of_line(held: list[bytes], stream: Iterator[bytes]) -> tuple[Unread, bytes]:
    """Passes over the line that is held, up to its end; what came behind that with it."""
    head = b"".join(held)[:KEPT]
    length = sum(map(len, held))
    held.clear()
    rest = b""
    for chunk in stream:
        end = chunk.find(b"\n")
        if end >= 0:
            length, rest = length + end, chunk[end + 1 :]
            break
        length += len(chunk)
    reason = f"the line is too long: {length} bytes, of which the first {len(head)} are kept"
    return Unread(reason, head, length), rest
