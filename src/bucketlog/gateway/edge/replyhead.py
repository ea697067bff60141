"""Status line and headers of a reply, as bytes.

No header value can end its line or start another: control characters are dropped, what latin-1
can't hold is percent-encoded. The headers that frame the message are the edge's own and dropped
from what it is given: Content-Length, Connection, Date, Server and the hop-by-hop ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import quote

_OURS = {
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "proxy-connection",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_REMEMBERED = 1024  # sets of header names, each with its template
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")
_WIDE = re.compile(r"[^\x00-\xff]+")
_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class ReplyHeads:
    """Composes reply heads; remembers a template per set of header names, and the date."""

    def __init__(self) -> None:
        self._templates: dict[tuple[str, ...], str] = {}
        self._second = -1
        self._date = ""

    def compose(
        self,
        status: int,
        headers: Mapping[str, str],
        length: int | None,
        connection: str | None,
        now_s: int,
    ) -> bytes:
        """The head of a reply: its Content-Length is `length`, left out when None.

        `connection` is the Connection header ("close", "keep-alive" or None for none).
        """
        names = tuple(headers)
        values = tuple(headers.values())
        template = self._templates.get(names)
        if template is None:
            template = self._template(names)
        text = "".join(values)
        if not (text.isascii() and text.isprintable()):
            values = tuple([clean(value) for value in values])
        if now_s != self._second:
            self._second = now_s
            self._date = f"Date: {formatdate(now_s, usegmt=True)}\r\nServer: bucketlog\r\n"
        line = _STATUS.get(status) or f"HTTP/1.1 {status} \r\n"
        size = "" if length is None else f"Content-Length: {length}\r\n"
        ending = "\r\n" if connection is None else f"Connection: {connection}\r\n\r\n"
        return f"{line}{self._date}{template % values}{size}{ending}".encode("latin-1")

    def _template(self, names: tuple[str, ...]) -> str:
        parts = []
        for name in names:
            proper = _TOKEN.fullmatch(name) and name.lower() not in _OURS
            # "%.0s" takes a value and prints nothing of it.
            parts.append(f"{name.replace('%', '%%')}: %s\r\n" if proper else "%.0s")
        if len(self._templates) >= _REMEMBERED:
            self._templates.clear()
        template = self._templates[names] = "".join(parts)
        return template


def clean(value: str) -> str:
    """A header value that can be sent: one line of latin-1."""
    value = _CONTROL.sub("", value)
    return _WIDE.sub(lambda match: quote(match[0], errors="replace"), value)
