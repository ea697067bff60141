"""LogRecord to one line and back: quoting, key encoding, and the slow, obvious parser.

`encode` writes lines that no client can forge and every reader can parse ("safe"), or as raw as
Amazon does ("amazon"). `decode` reads any line of any era; it is written for clarity and is the
twin that faster parsers are held against: its docstring is the rule. The hyphen for "not known"
is added and taken off here and nowhere else.

Source: Amazon S3 User Guide, "Amazon S3 server access log format", and lines met in the wild.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, Literal
from urllib.parse import quote, quote_plus, unquote_to_bytes

from bucketlog.accesslog.record import FIELDS, LogRecord

Quoting = Literal["safe", "amazon"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_NS = 1_000_000_000
_MAX_INTEGER = 2**63 - 1  # what a column of a table can hold

# Printable ASCII but the quote, and but the backslash that some readers take for an escape.
_SAFE_QUOTED = re.compile(r"[ !#-\[\]-~]*")
_SAFE_PLAIN = re.compile(r"[!#-\[\]-~]*")
_UNSAFE_QUOTED = re.compile(r"[^ !#-\[\]-~]+")
_UNSAFE_PLAIN = re.compile(r"[^!#-\[\]-~]+")
_LINE_BREAK = re.compile(r"[\r\n]")
_BEYOND_LATIN_1 = re.compile(r"[^\x00-\xff]+")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./~-]*")


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


def encode(record: LogRecord, *, quoting: Quoting = "safe", fields: int = len(FIELDS)) -> bytes:
    r"""The record as one line with its "\n"; only the first `fields` fields are written.

    With "safe" quoting the line is printable ASCII. In the three quoted fields `"`, `\` and all
    but printable ASCII are percent-encoded; in the others blanks too. A value that is just a
    hyphen becomes `%2D`, so a hyphen always means "not known". With "amazon" quoting the three
    quoted fields are written as they came, line breaks excepted, and so can be forged.
    Never raises for odd values.
    """
    dash = "-" if has_bare_dashes(record.operation) else '"-"'
    values: list[str] = []
    for field in FIELDS[:fields]:
        value = getattr(record, field.name)
        if field.is_quoted:
            values.append(quoted(value, quoting=quoting, dash=dash))
        elif field.name == "key":
            values.append(encode_key(record.operation, value))
        elif field.type == "time":
            values.append(timestamp(value))
        elif field.type == "int":
            values.append(number(value))
        elif field.type == "bool":
            values.append("Yes" if value else "-")
        else:
            values.append(plain(value))
    return f"{' '.join(values)}\n".encode("latin-1")


def has_bare_dashes(operation: str | None) -> bool:
    """Whether absent quoted fields of this operation's records are `-` instead of `"-"`.

    Amazon writes them bare for the children of a batch delete and for the source half of a copy.
    """
    return operation is not None and (
        operation.startswith("BATCH.")
        or (operation.startswith("REST.COPY.") and operation.endswith("_GET"))
    )


@lru_cache(maxsize=64)
def _stamp(second: int) -> str:
    try:
        at = _EPOCH + timedelta(seconds=second)
    except OverflowError:
        return "-"
    month = _MONTHS[at.month - 1]
    return f"[{at.day:02}/{month}/{at.year:04}:{at.hour:02}:{at.minute:02}:{at.second:02} +0000]"


def timestamp(at: int | None) -> str:
    """An instant as `[06/Feb/2019:00:00:38 +0000]`; English months whatever the locale."""
    return "-" if at is None else _stamp(at // _SECOND_NS)


def number(value: int | None) -> str:
    """A count; "-" where it is not known or could not be one."""
    return "-" if value is None or not 0 <= value <= _MAX_INTEGER else str(value)


def plain(text: str | None) -> str:
    """A field outside quotes: no blank, quote, backslash, control or non-ASCII character."""
    if text is None or text == "":
        return "-"
    if text == "-":
        return "%2D"
    if _SAFE_PLAIN.fullmatch(text) is not None:
        return text
    return _UNSAFE_PLAIN.sub(_percent, text)


def quoted(text: str | None, *, quoting: Quoting = "safe", dash: str = '"-"') -> str:
    """A field in quotes, the quotes included; `dash` stands for None."""
    if text is None:
        return dash
    if quoting == "amazon":
        return f'"{_LINE_BREAK.sub(_percent, _BEYOND_LATIN_1.sub(_utf_8, text))}"'
    if text == "-":
        return '"%2D"'
    if _SAFE_QUOTED.fullmatch(text) is not None:
        return f'"{text}"'
    return f'"{_UNSAFE_QUOTED.sub(_percent, text)}"'


def _wire_bytes(text: str) -> bytes:
    """The bytes that latin-1 text stands for; UTF-8 for what can't have come from the wire."""
    return _BEYOND_LATIN_1.sub(_utf_8, text).encode("latin-1")


def _utf_8(match: re.Match[str]) -> str:
    return match[0].encode("utf-8", "surrogatepass").decode("latin-1")


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in _wire_bytes(match[0]))


def encode_key(operation: str | None, key: str | None) -> str:
    """A key as the Key field shows it: percent-encoded UTF-8, "/" kept, a lone "-" as if odd.

    Records of requests show it encoded twice; children of a batch delete once, with "+" for a
    blank; lifecycle records once.
    """
    if key is None or key == "":
        return "-"
    if operation is not None and operation.startswith(("BATCH.", "S3.")):
        once = quote_plus if operation.startswith("BATCH.") else quote
        return "%2D" if key == "-" else once(key, safe="/~", errors="surrogatepass")
    return encode_twice(key)


@lru_cache(maxsize=4096)  # a key is at most 1024 bytes
def encode_twice(key: str) -> str:
    """A key, not empty, as the records of requests show it."""
    if _PLAIN_KEY.fullmatch(key) is not None:
        return key
    if key == "-":
        return "%252D"
    return quote(key, safe="/~", errors="surrogatepass").replace("%", "%25")


# ── reading ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a line turned out to be.

    `record` is None and `reason` says why when the line is no record. `texts` are the fields as
    they stand in the line, without quotes or brackets, as many as the line has of the known ones;
    `extra_fields` are the tokens behind them. `ambiguous`: the line can be read in more than one
    way, so somebody may have forged it. `lossy`: bytes that aren't UTF-8 were replaced.
    """

    record: LogRecord | None = None
    texts: tuple[str, ...] = ()
    extra_fields: tuple[str, ...] = ()
    ambiguous: bool = False
    lossy: bool = False
    reason: str | None = None


# A reading of what follows the key: request_uri, the six of the block, referer, user_agent; tail.
_Reading = tuple[tuple[str, ...], list[str]]

_HEAD = re.compile(
    r" *(?P<bucket_owner>[^ ]+) +(?P<bucket>[^ ]+) +\[(?P<time>[^\]]*)\] +(?P<remote_ip>[^ ]+) +"
    r"""(?P<requester>[^ "][^"]*?) +(?P<request_id>[^ ]+) +"""
    r"(?P<operation>(?:REST|SOAP|WEBSITE|BATCH|S3)\.[^ ]+) +(?P<key>[^ ]+) +"
)
_HEAD_NAMES = tuple(field.name for field in FIELDS[:8])
_TIME = re.compile(
    r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)", re.ASCII
)
_COUNT = r" +(-|[0-9]{1,18})"
_BLOCK = re.compile(rf" +(-|[0-9]{{3}}) +(-|[A-Za-z][A-Za-z0-9._]*){_COUNT * 4}(?: +|$)")
_REQUEST_LINE = re.compile(r"[^ ]+ [^ ]+ HTTP/[0-9](?:\.[0-9])?")
_SEPARATOR = re.compile(r'"(?= +")')

# What a token of the tail must look like to be taken for its field; others may be anything.
_TAIL_SHAPES: dict[str, re.Pattern[str]] = {
    "signature_version": re.compile(r"-|SigV[0-9A-Za-z]+"),
    "tls_version": re.compile(r"-|TLS[0-9A-Za-z.]+", re.IGNORECASE),
    "access_point_arn": re.compile(r"-|arn:.*"),
    "acl_required": re.compile(r"-|Yes|No", re.IGNORECASE),
    "source_region": re.compile(r"-|[a-z0-9-]+"),
}
_TAIL_NAMES = tuple(field.name for field in FIELDS[17:])


def decode(line: bytes | str) -> Decoded:
    r"""Reads one line, with or without its "\n" or "\r\n", of any era.

    Tokens are separated by one blank or more. The line is read from both ends:

    1. Head: bucket owner, bucket, time in brackets, remote IP, requester, request id, operation,
       key. The operation is the first token from the seventh on that begins with REST., SOAP.,
       WEBSITE., BATCH. or S3.; whatever stands between remote IP and request id is the requester,
       blanks included, quotes not.
    2. Middle: the status (three digits), the error code (a word) and four counters, each of them
       or a hyphen. It follows the request line's closing quote, or a bare hyphen.
    3. Tail: the unquoted tokens behind the last quote of the line. What stands between middle and
       tail is the Referer and the User-Agent, each `"text"` or a bare hyphen, divided by a quote,
       blanks and a quote; without any quote, two bare hyphens.

    Every place where the middle fits and every place where Referer and User-Agent can be divided
    is a reading. None: the line is refused. Several: the line is ambiguous; the first one whose
    request line is `METHOD target HTTP/n` is taken, or else the first.

    In the tail, a hyphen between version id and host id (early 2019) is skipped. A token that
    doesn't look like its field (signature version, TLS version, ARN, aclRequired, Region), and all
    behind it, are extra fields; if it is the signature version, the host id is one too.
    Amazon quotes all three or none, so a bare hyphen beside quoted text is taken for one of the
    three only where nothing else fits. A hyphen or `"-"` is None. Keys are decoded by
    `decode_key`. Times are moved to UTC.
    """
    text, lossy = _text(line)
    head = _HEAD.match(text)
    if not text.strip(" "):
        return Decoded(reason="the line is empty", lossy=lossy)
    if "\n" in text:
        return Decoded(reason="a line break inside the record", lossy=lossy)
    if head is None:
        return Decoded(reason="no owner, bucket, time and operation at its start", lossy=lossy)
    at = _instant(head["time"])
    if at is None:
        return Decoded(reason="its time can't be read", lossy=lossy)
    chosen: _Reading | None = None
    count = 0
    for reading in _readings(text[head.end() :]):
        count += 1
        proper = _REQUEST_LINE.fullmatch(reading[0][0]) is not None
        if chosen is None or (proper and _REQUEST_LINE.fullmatch(chosen[0][0]) is None):
            chosen = reading
        if count > 1 and _REQUEST_LINE.fullmatch(chosen[0][0]) is not None:
            break
    if chosen is None:
        return Decoded(reason="no status, error code and counters behind its key", lossy=lossy)
    return _decoded(head, at, chosen, count > 1, lossy)


def readings(line: bytes | str, most: int = 8) -> tuple[Decoded, ...]:
    """The ways to read a line, up to so many, in the order of where their request lines end.

    `decode` takes one of them. A line that is no record has none, one that is unambiguous has one.
    """
    text, lossy = _text(line)
    head = _HEAD.match(text)
    at = None if head is None or "\n" in text else _instant(head["time"])
    if head is None or at is None:
        return ()
    found = tuple(islice(_readings(text[head.end() :]), most))
    return tuple(_decoded(head, at, reading, len(found) > 1, lossy) for reading in found)


def _decoded(
    head: re.Match[str], at: int, reading: _Reading, is_ambiguous: bool, lossy: bool
) -> Decoded:
    known, extra = _known_tail(reading[1])
    texts = (*(head[name] for name in _HEAD_NAMES), *reading[0], *known)
    return Decoded(
        record=_record(texts, at),
        texts=texts,
        extra_fields=tuple(extra),
        ambiguous=is_ambiguous,
        lossy=lossy,
    )


def _text(line: bytes | str) -> tuple[str, bool]:
    """The line without its end, and whether bytes had to be replaced."""
    text = line if isinstance(line, str) else line.decode(errors="replace")
    lossy = isinstance(line, bytes) and text.encode() != line
    return text.removesuffix("\n").removesuffix("\r"), lossy


def _instant(text: str) -> int | None:
    match = _TIME.fullmatch(text)
    if match is None or match[2] not in _MONTHS:
        return None
    try:
        at = datetime(
            int(match[3]),
            _MONTHS.index(match[2]) + 1,
            int(match[1]),
            int(match[4]),
            int(match[5]),
            int(match[6]),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    offset = (int(match[8]) * 60 + int(match[9])) * (60 if match[7] == "+" else -60)
    return (int((at - _EPOCH).total_seconds()) - offset) * _SECOND_NS


def _readings(rest: str) -> Iterator[_Reading]:
    """Every way to read what follows the key, in order of where the request line ends."""
    found = False
    if rest.startswith("-"):
        closings = [0]
    elif rest.startswith('"'):
        closings = [place.start() for place in re.finditer('"', rest)][1:]
    else:
        return
    last = closings[-1] if closings else 0
    for closing in closings:
        block = _BLOCK.match(rest, closing + 1)
        if block is None or (closing == last and found):
            continue
        uri = rest[1:closing] if closing else "-"
        for referer, user_agent, tail in _endings(rest[block.end() :]):
            found = True
            yield (uri, *block.groups(), referer, user_agent), tail


def _endings(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Every way to read Referer, User-Agent and the tail out of what follows the counters."""
    last = text.rfind('"')
    tail = [token for token in text[last + 1 :].split(" ") if token]
    if last < 0:
        if tail[:2] == ["-", "-"]:
            yield "-", "-", tail[2:]
        return
    if not text.startswith(" ", last + 1) and len(text) > last + 1:
        return  # something is glued to the last quote
    both = text[: last + 1]
    if bare := re.match('- +"', both):
        if bare.end() <= last:
            yield "-", both[bare.end() : last], tail
        return
    if not both.startswith('"') or last == 0:
        return
    divided = False
    for closing in _SEPARATOR.finditer(both, 1):
        opening = both.index('"', closing.end())
        if opening < last:
            divided = True
            yield both[1 : closing.start()], both[opening + 1 : last], tail
    if not divided and tail[:1] == ["-"]:
        yield both[1:last], "-", tail[1:]


def _known_tail(tokens: list[str]) -> tuple[list[str], list[str]]:
    """The tail's tokens that are known fields, and those that are not."""
    signature = _TAIL_SHAPES["signature_version"]
    if (
        len(tokens) > 3
        and tokens[1] == "-"
        and signature.fullmatch(tokens[3])
        and not signature.fullmatch(tokens[2])
    ):
        tokens = [tokens[0], *tokens[2:]]
    for index, (name, token) in enumerate(zip(_TAIL_NAMES, tokens, strict=False)):
        shape = _TAIL_SHAPES.get(name)
        if shape is not None and not shape.fullmatch(token):
            cut = index - 1 if name == "signature_version" else index
            return tokens[:cut], tokens[cut:]
    return tokens[: len(_TAIL_NAMES)], tokens[len(_TAIL_NAMES) :]


_CONVERT: dict[str, Callable[[str], Any]] = {
    "text": str,
    "int": int,
    "bool": lambda text: text.lower() == "yes",
}


def _record(texts: tuple[str, ...], at: int) -> LogRecord:
    values: dict[str, Any] = {"time": at}
    for field, text in zip(FIELDS, texts, strict=False):
        if field.type != "time" and text != "-":
            values[field.name] = _CONVERT[field.type](text)
    if "key" in values:
        values["key"] = decode_key(values["operation"], values["key"])
    return LogRecord(**values)


def decode_key(operation: str, text: str) -> str:
    """The key that a Key field shows.

    Decoded once for BATCH and S3 operations and twice for all others; "+" is a blank, as a key's
    own plus sign is always encoded. A round that wouldn't give UTF-8 is not made. A "%" that no
    two hex digits follow stays as it is.
    """
    for _ in range(1 if operation.startswith(("BATCH.", "S3.")) else 2):
        try:
            text = unquote_to_bytes(text.replace("+", " ")).decode()
        except UnicodeDecodeError:
            break
    return text
