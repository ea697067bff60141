"""Text with `*`, `?` and policy variables, compiled to be matched many times.

`*` stands for any run of characters, `?` for one. In policies of version 2012-10-17 `${key}` and
`${key, 'default'}` stand for a value of the request, and `${*}`, `${?}`, `${$}` for the character
itself. Matching never backtracks further than one `*`, so a hostile pattern costs no more than
pattern length times text length. AWS page: "IAM policy elements: Variables and tags".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final

Value = str | tuple[str, ...] | None
Lookup = Callable[[str], Value]  # lower-case condition key → its value in the request

_VARIABLE: Final = re.compile(r"\$\{\s*([^${},\s]+)\s*(?:,\s*'([^']*)'\s*)?\}")


class Wild(Enum):
    """The two characters that stand for others."""

    ANY = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Variable:
    """`${key}`: a value of the request, by its lower-case key; `default` where it has none."""

    key: str
    default: str | None = None


Part = str | Wild | Variable


def split(text: str, *, wild: bool = True, variables: bool = False) -> tuple[Part, ...]:
    """The text as literal strings, wildcards and variables, in order.

    Without `wild`, `*` and `?` mean themselves; without `variables`, so does `${`. A `${` that
    begins no variable means itself.
    """
    parts: list[Part] = []
    literal: list[str] = []

    def close() -> None:
        if literal:
            parts.append("".join(literal))
            literal.clear()

    position = 0
    while position < len(text):
        character = text[position]
        if variables and character == "$":
            found = _VARIABLE.match(text, position)
            if found is not None:
                position = found.end()
                if found[1] in ("*", "?"):
                    literal.append(found[1])
                else:
                    close()
                    parts.append(Variable(found[1].lower(), found[2]))
                continue
            if text.startswith("${$}", position):
                literal.append("$")
                position += 4
                continue
        position += 1
        if wild and character in "*?":
            close()
            parts.append(Wild(character))
        else:
            literal.append(character)
    close()
    return tuple(parts)


def escape(text: str) -> str:
    """The pattern (version 2012-10-17) that matches exactly this text."""
    return re.sub(r"[*?]|\$(?=\{)", lambda found: f"${{{found[0]}}}", text)


def has_variables(parts: Sequence[Part]) -> bool:
    """Whether the parts can only be matched with values of a request at hand."""
    return any(isinstance(part, Variable) for part in parts)


def filled(parts: Sequence[Part], lookup: Lookup) -> tuple[Part, ...] | None:
    """The parts with each variable replaced by its value, taken literally.

    None when one has neither a value nor a default: then nothing equals or is like it. A
    variable with several values has none ("multivalued keys can't be used as variables").
    """
    out: list[Part] = []
    for part in parts:
        if isinstance(part, Variable):
            value = lookup(part.key)
            if not isinstance(value, str):
                value = part.default
            if value is None:
                return None
            out.append(value)
        else:
            out.append(part)
    return tuple(out)


def source(parts: Sequence[Part], character: str = ".") -> str:
    """A regular expression for the parts, to be used with DOTALL and `fullmatch`.

    `character` is what a wildcard may stand for. Each run between two `*` is matched leftmost and
    atomically, which for such patterns is always right and never needs to be reconsidered.
    """
    runs = [""]
    for part in parts:
        if part is Wild.ANY:
            runs.append("")
        elif part is Wild.ONE:
            runs[-1] += character
        else:
            assert isinstance(part, str)
            runs[-1] += re.escape(part)
    if len(runs) == 1:
        return runs[0]
    middle = "".join(f"(?>{character}*?{run})" for run in runs[1:-1] if run)
    return f"{runs[0]}{middle}{character}*{runs[-1]}"


def arn_source(parts: Sequence[Part]) -> str:
    """As `source`, but the wildcards of the first five of an ARN's six fields stay within them."""
    fields: list[list[Part]] = [[]]
    for part in parts:
        if isinstance(part, str):
            first, *rest = part.split(":", 6 - len(fields))
            fields[-1].append(first)
            fields += [[piece] for piece in rest]
        else:
            fields[-1].append(part)
    if len(fields) < 6:
        return source(parts)
    return ":".join([source(field, "[^:]") for field in fields[:5]] + [source(fields[5])])


@lru_cache(maxsize=2048)
def compiled(expression: str) -> re.Pattern[str]:
    """A regular expression made by `source`, ready to `fullmatch`; made once for each text."""
    return re.compile(expression, re.DOTALL)
