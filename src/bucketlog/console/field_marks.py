"""Where each field of a record stands in its raw line, so that both can be marked alike. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bucketlog.accesslog.record import FIELDS

_CLOSING = {'"': '"', "[": "]"}


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of a line. `number` is its field's, from 1; None for what is between fields."""

    text: str
    number: int | None = None


def pieces(line: str, texts: Sequence[str]) -> list[Piece]:
    """The line cut into fields, quotes and brackets with them, and what is between them.

    `texts` are the fields in order, as `line.decode` gives them, extra ones included. The pieces
    joined are the line, whatever it is.
    """
    found: list[Piece] = []
    end = 0
    for number, (start, stop) in enumerate(_places(line, texts), 1):
        if start > end:
            found.append(Piece(line[end:start]))
        found.append(Piece(line[start:stop], number))
        end = stop
    if end < len(line):
        found.append(Piece(line[end:]))
    return found


def _places(line: str, texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    at = 0
    for number, text in enumerate(texts):
        start = _next(line, at)
        is_quoted = number < len(FIELDS) and FIELDS[number].is_quoted
        opening = line[start : start + 1]
        is_wrapped = opening == "[" if number == 2 else is_quoted and opening == '"'
        inner = start + is_wrapped
        if not line.startswith(text, inner):
            # A stray hyphen of early 2019 before the host id, which no field is.
            start = inner = _next(line, start + 1)
            if not line.startswith(text, inner):
                return
        at = inner + len(text)
        if is_wrapped and line.startswith(_CLOSING[opening], at):
            at += 1
        yield start, at


def _next(line: str, at: int) -> int:
    """Where the next token begins."""
    while line.startswith(" ", at):
        at += 1
    return at
