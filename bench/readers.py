"""Readers of S3 server access logs that take one line at a time, each behind one function.

Packages are the published ones, run as they are; patterns and the two home-made ways are applied
here. `Reader.read` gets one line without its end and returns its fields under the names of the
conformance set, or raises, which is a refusal. What the packages call otherwise is renamed, and
hyphens and brackets, and quotes that belong to the line, are taken off; nothing else is repaired.
"""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Any

from bench.patterns import PUBLISHED, Published
from conformance.run import FIELDS, NUMBERS, lines_of

Fields = Mapping[str, Any]
Read = Callable[[str], Fields]


class Refused(ValueError):
    """The reader says that this line is none it can read."""


@dataclass(frozen=True, slots=True)
class Reader:
    """One way to read a line; `kind` is package, pattern, home-made or ours."""

    name: str
    kind: str
    source: str
    licence: str
    how: str
    read: Read

    def answers(self, data: bytes) -> list[dict[str, Any]]:
        """What it says of each line of a file; an exception costs one line, not the file."""
        return [self._answer(text) for text in lines_of(data)]

    def _answer(self, line: bytes) -> dict[str, Any]:
        text = line.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")
        try:
            return answer(self.read(text))
        except Exception as error:  # whatever a published reader fails with, it has refused
            return {"reject": f"{type(error).__name__}: {error}"[:200]}


def answer(values: Fields) -> dict[str, Any]:
    """Fields in the form of the conformance set; the parts of a request line are put together."""
    told = {name: _bare(name, values[name]) for name in FIELDS if name in values}
    if "method" in values or "raw" in values:
        told["request_uri"] = _request_line(values)
    if "extra_fields" in values:
        told["extra_fields"] = list(values["extra_fields"])
    if "ambiguous" in values:
        told["ambiguous"] = values["ambiguous"]
    return told


def _request_line(values: Fields) -> str | None:
    if values.get("method") is None:
        return values.get("raw")
    protocol = values.get("protocol")
    if protocol is None and values.get("version") is not None:
        protocol = f"HTTP/{values['version']}"
    return " ".join(part for part in (values["method"], values["target"], protocol) if part)


def _bare(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if not isinstance(value, str):
        return value
    if value == "-":
        return None
    if name == "time":
        return moment(value)
    if name == "acl_required":
        return {"Yes": True}.get(value, value)
    return int(value) if name in NUMBERS and value.isdecimal() else value


def unquoted(values: Fields) -> dict[str, Any]:
    """The fields without the quotes around the three that stand in quotes."""
    told = dict(values)
    for name in ("request_uri", "referer", "user_agent"):
        value = told.get(name)
        if value and len(value) > 1 and value[0] == value[-1] == '"':
            told[name] = value[1:-1]
    return told


def moment(text: str) -> str:
    """A time of a line as ISO 8601; as it is, if it is no such time."""
    try:
        return datetime.strptime(text.strip("[]"), "%d/%b/%Y:%H:%M:%S %z").isoformat()
    except ValueError:
        return text


# ── published patterns ──────────────────────────────────────────────────────────────────────────


def by_pattern(published: Published) -> Read:
    """A reader that matches the pattern's alternatives in turn."""
    compiled = published.compiled()
    bare = unquoted if published.keeps_quotes else dict

    def read(line: str) -> Fields:
        for pattern in compiled:
            how = pattern.match if published.anchored else pattern.search
            found = pattern.fullmatch(line) if published.whole else how(line)
            if found is not None:
                return bare(found.groupdict())
        raise Refused("no match")

    return read


# ── home-made ───────────────────────────────────────────────────────────────────────────────────


def by_csv(line: str) -> Fields:
    """Python's csv with a blank and the quote, as home-made readers do."""
    return _from_tokens(next(csv.reader([line], delimiter=" ", quotechar='"')))


def by_shlex(line: str) -> Fields:
    """Python's shlex, as a shell would divide the line."""
    return _from_tokens(shlex.split(line))


def _from_tokens(tokens: list[str]) -> Fields:
    if len(tokens) < 18:
        raise Refused(f"{len(tokens)} tokens")
    values = [*tokens[:2], f"{tokens[2]} {tokens[3]}", *tokens[4:]]
    datetime.strptime(values[2], "[%d/%b/%Y:%H:%M:%S %z]")
    told: dict[str, Any] = dict.fromkeys(FIELDS) | dict(zip(FIELDS, values, strict=False))
    for name in NUMBERS:
        told[name] = None if told[name] == "-" else int(told[name])
    return told | {"extra_fields": values[len(FIELDS) :]}


# ── OpenTelemetry's scanner, as its source describes it ─────────────────────────────────────────

_OTEL_FIELDS = 26
_OTEL_COUNTS = ("http_status", "bytes_sent", "object_size", "total_time", "turn_around_time")


def _otel_values(line: str) -> Iterator[str]:
    rest = line
    while rest:
        if rest.startswith('"'):
            value, closing, rest = rest[1:].partition('"')
            if not closing:
                raise Refused("value has no end quote")
            rest = rest.removeprefix(" ")
        else:
            value, _, rest = rest.partition(" ")
        if value.startswith("[") and not value.endswith("]"):
            zone, _, rest = rest.partition(" ")
            value = f"{value} {zone}"
        yield value


def by_otel(line: str) -> Fields:
    """A blank ends a value, a quote begins and ends one; exactly 26 values, each checked."""
    values = list(_otel_values(line))
    if len(values) != _OTEL_FIELDS:
        raise Refused(f"{len(values)} values")
    told = dict(zip(FIELDS, values, strict=False))
    if told["time"] != "-":
        datetime.strptime(told["time"], "[%d/%b/%Y:%H:%M:%S %z]")
    for name in _OTEL_COUNTS:
        if told[name] != "-":
            int(told[name])
    if told["acl_required"] not in ("Yes", "-"):
        raise Refused("unknown value for aclRequired")
    if told["tls_version"] != "-" and "1" not in told["tls_version"]:
        raise Refused("missing TLS version")
    if told["request_uri"] != "-":
        parts = told["request_uri"].split(" ")
        path = parts[1].partition("?")[0] if len(parts) == 3 else ""
        if not path.startswith("/") or re.search(r"%(?![0-9A-Fa-f]{2})|[\x00-\x1f\x7f]", path):
            raise Refused("request uri is invalid")
    return told


# ── packages ────────────────────────────────────────────────────────────────────────────────────


def _s3_log_parse() -> Read:
    from s3logparse import s3logparse  # type: ignore[import-not-found]

    names = {"timestamp": "time", "s3_key": "key", "status_code": "http_status"}
    names["referrer"] = "referer"

    def read(line: str) -> Fields:
        (row,) = s3logparse.parse_log_lines([line])
        told = {names.get(name, name): value for name, value in row._asdict().items()}
        # It says 0 where the line has a hyphen, by its documentation.
        return told | {name: told[name] or None for name in NUMBERS}

    return read


def _s3_log_parser() -> Read:
    import s3_log_parser  # type: ignore[import-not-found]

    parse = s3_log_parser.make_parser(
        '%BO %B %t %a %r %si %o %k "%R" %s %e %b %y %m %n "%{Referer}i" "%{User-Agent}i" %v'
    )
    names = {
        **{"time_received": "time", "requester_id": "requester", "s3_request_id": "request_id"},
        **{"request_first_line": "request_uri", "status": "http_status", "error": "error_code"},
        **{"bytes": "bytes_sent", "total_bytes": "object_size"},
        **{"turnaround_time": "turn_around_time", "request_header_referer": "referer"},
        "request_header_user_agent": "user_agent",
    }

    def read(line: str) -> Fields:
        return {names.get(name, name): value for name, value in parse(line).items()}

    return read


def _ls_s3_logs() -> Read:
    from lss3logs.log_file import LogFileEntry  # type: ignore[import-not-found]

    file = SimpleNamespace(log_id="0")  # what an entry asks of its file
    names = {
        **{"datetime": "time", "ip": "remote_ip", "requestor_id": "requester"},
        **{"http_method_uri_proto": "request_uri", "s3_error": "error_code"},
    }

    def read(line: str) -> Fields:
        entry = LogFileEntry(line, file)
        return {names.get(name, name): getattr(entry, name) for name in entry.FIELD_NAMES}

    return read


def _ours() -> Read:
    from bucketlog.accesslog import line as lines

    def read(line: str) -> Fields:
        decoded = lines.decode(line)
        if decoded.record is None:
            raise Refused(decoded.reason)
        told: dict[str, Any] = dict.fromkeys(FIELDS)
        told |= dict(zip(FIELDS, decoded.texts, strict=False))
        told["time"] = datetime.fromtimestamp((decoded.record.time or 0) // 10**9, UTC)
        return told | {"extra_fields": decoded.extra_fields, "ambiguous": decoded.ambiguous}

    return read


_PACKAGES: tuple[tuple[str, str, Callable[[], Read]], ...] = (
    ("s3-log-parse", "none stated", _s3_log_parse),
    ("s3-log-parser", "GPL-3.0-or-later", _s3_log_parser),
    ("ls-s3-logs", "BSD", _ls_s3_logs),
)
_OTEL_SOURCE = (
    "[opentelemetry-collector-contrib]"
    "(https://github.com/open-telemetry/opentelemetry-collector-contrib), "
    "awslogsencodingextension, s3-access-log/unmarshaler.go at 785c91bd"
)


def packages() -> list[Reader]:
    """The readers on PyPI that are installed here."""
    found = []
    for name, licence, made in _PACKAGES:
        try:
            source = f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
        found.append(
            Reader(name, "package", source, licence, "its own parser, line by line", made())
        )
    return found


def line_readers() -> list[Reader]:
    """Every reader of lines that can be run here."""
    home = "Python's standard library"
    return [
        Reader("bucketlog, Python", "ours", "accesslog/line.py", "Apache-2.0", "decode", _ours()),
        *packages(),
        *(
            Reader(
                each.name,
                "pattern",
                each.source,
                each.licence,
                "whole line" if each.whole else "from its start" if each.anchored else "anywhere",
                by_pattern(each),
            )
            for each in PUBLISHED
        ),
        Reader("OpenTelemetry", "pattern", _OTEL_SOURCE, "Apache-2.0", "re-expressed", by_otel),
        Reader("Python csv", "home-made", home, "PSF-2.0", "a blank and the quote", by_csv),
        Reader("Python shlex", "home-made", home, "PSF-2.0", "shlex.split", by_shlex),
    ]
