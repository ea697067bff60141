"""Object keys where people and forms meet them: shown whole, sent unharmed, named as files.

A key may hold anything: line breaks, characters that turn the direction of text, blanks at its
ends. `visible` lets nothing hide. Forms make CR LF of every line break, so in a form a key travels
percent-encoded (`in_form`); in an address it is a query parameter, as browsers shorten ".." in
paths.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote

from starlette.requests import Request

LONGEST = 1024
"""Bytes of UTF-8 that a key may have."""

_LOG_NAME = re.compile(r"\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-Z]{16}(\.gz|\.zst)?")
_PLAIN = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_PLAIN_INSIDE = re.compile(r"[ -~]*")
_DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|$)")
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def visible(text: str, ends: bool = True) -> list[tuple[str, bool]]:
    """The text in pieces, with True for each that stands for what wouldn't be seen.

    Line breaks and tabs become what programmers write for them, blanks at either end an open box
    (unless `ends` is False), anything else that has no shape its code point.
    """
    if (_PLAIN if ends else _PLAIN_INSIDE).fullmatch(text) is not None:
        return [(text, False)]
    body = text.strip(" ")
    first = len(text) - len(text.lstrip(" "))
    last = first + len(body)
    pieces: list[tuple[str, bool]] = []
    plain: list[str] = []
    for at, character in enumerate(text):
        picture = _picture(character, ends and not first <= at < last)
        if picture is None:
            plain.append(character)
            continue
        if plain:
            pieces.append(("".join(plain), False))
            plain = []
        pieces.append((picture, True))
    if plain:
        pieces.append(("".join(plain), False))
    return pieces


def _picture(character: str, is_at_end: bool) -> str | None:
    if character == " ":
        return "\N{OPEN BOX}" if is_at_end else None
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    kind = unicodedata.category(character)
    if kind in _HIDDEN or kind == "Zs":
        return f"U+{code:04X}"
    return None


def shown(text: str) -> str:
    """The same as one string, for titles and labels."""
    return "".join(piece for piece, _ in visible(text))


def shown_line(text: str) -> str:
    """The same for text in which blanks at the ends mean nothing, such as a part of a line."""
    return "".join(piece for piece, _ in visible(text, ends=False))


def in_form(text: str) -> str:
    """As the value of a form's field; `from_form` undoes it."""
    return quote(text, safe="/")


def from_form(text: str) -> str:
    """What `in_form` was given."""
    return unquote(text)


def wanted(request: Request, name: str = "key") -> str:
    """The key that a request's address names: `key`, or as forms send it `encoded_key`."""
    encoded = request.query_params.get(f"encoded_{name}")
    return request.query_params.get(name, "") if encoded is None else from_form(encoded)


def last_part(key: str) -> str:
    """What follows the last slash but one at the end: the name in its folder."""
    return key[key.rstrip("/").rfind("/") + 1 :] if key.strip("/") else key


def folder_of(key: str) -> str:
    """The prefix up to and with the last slash."""
    return key[: key.rfind("/") + 1]


def crumbs(prefix: str) -> list[tuple[str, str]]:
    """The folders down to a prefix that ends in a slash: name and prefix of each."""
    found = []
    start = 0
    while (slash := prefix.find("/", start)) >= 0:
        found.append((prefix[start:slash], prefix[: slash + 1]))
        start = slash + 1
    return found


def file_name(key: str) -> str:
    """What a downloaded object's file is called."""
    name = "".join(c for c in last_part(key).strip("/") if unicodedata.category(c) not in _HIDDEN)
    name = name.replace("\\", "_").strip(" ")
    return name if name.strip(".") else "object"


def attachment(key: str) -> str:
    """A Content-Disposition by which browsers keep a file and never show it (RFC 6266)."""
    name = file_name(key)
    plain = re.sub(r"[^ !#-$&-\[\]-~]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def is_log_name(key: str) -> bool:
    """Whether it ends like the name of a log object: a date, a time and a unique string.

    Source: "Amazon S3 server access log format", S3 User Guide.
    """
    return _LOG_NAME.fullmatch(last_part(key)) is not None


def has_dots(key: str) -> bool:
    """Whether browsers and other clients shorten a path made of it."""
    return _DOTS.search(key) is not None


def fault(key: str) -> str | None:
    """Why nothing can be stored under a key; None when it can."""
    if not key:
        return "It has no name."
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        return "The name isn't Unicode text."
    if length > LONGEST:
        return f"The key would have {length:,} bytes; {LONGEST:,} are the most."
    return None


FILTERS = {"visible": visible, "shown": shown, "shown_line": shown_line, "in_form": in_form}
"""For templates."""
