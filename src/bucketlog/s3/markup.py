"""Elements and text: what every document is read and written with.

Reading is strict and safe: no document type, no entities, no deep nesting; the caller bounds the
length. Elements are known by their local names, in Amazon's namespaces or in none. Writing is
plain text, because a listing of a thousand keys must be cheap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.ElementTree import DefusedXMLParser

from bucketlog.s3.errors import S3Error

NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
# The SDKs send the first, examples in the User Guide have the second, some clients none.
_NAMESPACES: Final = frozenset({NAMESPACE, "http://doc.s3.amazonaws.com/2006-03-01", ""})
MAX_DEPTH: Final = 32


# --- Reading ---


class _Tree:
    """Builds elements with local names, and refuses to go deep."""

    def __init__(self) -> None:
        self._builder = TreeBuilder()
        self._depth = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError("too deep")
        if self._depth == 1:
            namespace = tag[1:].partition("}")[0] if tag[0] == "{" else ""
            if namespace not in _NAMESPACES:
                raise ValueError(namespace)
        self._builder.start(tag.rpartition("}")[2], attributes)

    def end(self, tag: str) -> None:
        self._depth -= 1
        self._builder.end(tag.rpartition("}")[2])

    def data(self, text: str) -> None:
        self._builder.data(text)

    def close(self) -> Element:
        return self._builder.close()


def parse(data: bytes, root: str) -> Element:
    """The root element of a document, which must be called `root`.

    Tags are local names, without namespaces; attributes keep theirs. Raises `S3Error`
    (MalformedXML) for anything that isn't such a document.
    """
    parser = DefusedXMLParser(target=_Tree(), forbid_dtd=True)
    try:
        parser.feed(data)
        found: Element = parser.close()
    except (ParseError, ValueError, LookupError):  # LookupError: an encoding nobody knows
        raise S3Error("MalformedXML") from None
    if found.tag != root:
        raise S3Error("MalformedXML")
    return found


def children(parent: Element, *names: str) -> Iterator[Element]:
    """The child elements in order. Raises `S3Error` at one that is called anything else."""
    for element in parent:
        if element.tag not in names:
            raise S3Error("MalformedXML")
        yield element


def child(parent: Element, name: str) -> Element | None:
    """The one child called `name`, or None. Raises `S3Error` when there are several."""
    found = parent.findall(name)
    if len(found) > 1:
        raise S3Error("MalformedXML")
    return found[0] if found else None


def text(parent: Element, name: str) -> str | None:
    """The text of the one child called `name`, "" if it is empty, None if there is none.

    It is exact: blanks around a key belong to the key. Raises `S3Error` (MalformedXML).
    """
    element = child(parent, name)
    if element is None:
        return None
    if len(element):
        raise S3Error("MalformedXML")
    return element.text or ""


def required(parent: Element, name: str) -> str:
    """As `text`, but the child must be there."""
    found = text(parent, name)
    if found is None:
        raise S3Error("MalformedXML")
    return found


def boolean(parent: Element, name: str) -> bool | None:
    """A child that says true or false; None where there is none."""
    found = text(parent, name)
    if found is None:
        return None
    try:
        return {"true": True, "false": False}[found.strip().lower()]
    except KeyError:
        raise S3Error("MalformedXML") from None


# --- Writing ---

_SPECIAL: Final = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}


def _reference(match: re.Match[str]) -> str:
    character = match.group()
    return _ENTITIES.get(character) or f"&#x{ord(character):x};"


def escape(value: str) -> str:
    """Text or an attribute's value as it is written.

    A character that XML 1.0 can't hold becomes a numeric reference, as S3 writes it; many
    parsers refuse the document, and encoding-type=url is the way around it for a client.
    """
    return value if _SPECIAL.search(value) is None else _SPECIAL.sub(_reference, value)


def leaf(name: str, value: str | int | bool | None) -> str:
    """An element that holds one value, as text; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"<{name}>{escape(value)}</{name}>"
    return f"<{name}>{str(value).lower()}</{name}>"


def document(root: str, content: str, namespace: str = NAMESPACE) -> bytes:
    """A whole document around the content given as text."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f'{head}<{root} xmlns="{namespace}">{content}</{root}>'.encode()


def element(name: str, *content: Element | str | None, **attributes: str) -> Element:
    """An element with children, or text, or both; None is left out."""
    made = Element(name, attributes)
    for part in content:
        if isinstance(part, str):
            made.text = (made.text or "") + part
        elif part is not None:
            made.append(part)
    return made


def render(root: Element, namespace: str = NAMESPACE) -> bytes:
    """A whole document. Tags and attribute names are written as they are ("xsi:type")."""
    return document(root.tag, _inner(root), namespace)


def _inner(parent: Element) -> str:
    pieces = [escape(parent.text)] if parent.text else []
    for one in parent:
        attributes = "".join(f' {name}="{escape(value)}"' for name, value in one.items())
        pieces.append(f"<{one.tag}{attributes}>{_inner(one)}</{one.tag}>")
    return "".join(pieces)


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def instant(at: int) -> str:
    """Nanoseconds as ISO 8601 with milliseconds, which S3 always writes as 000."""
    return _second(at // 1_000_000_000)
