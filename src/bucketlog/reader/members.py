"""Which column a member of a structured record is, and what its value must look like.

Amazon delivers records as JSON and Parquet too, through CloudWatch Logs, under other names than
those of the text form. Every name is from the API Reference's list of record fields of the log
type S3_SERVER_ACCESS_LOGS, as the AWS CDK enumerates it; most are also on the page "Log format in
CloudWatch Logs" of the Amazon S3 User Guide. bucketlog's own exports use the columns' names.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

import pyarrow as pa

from bucketlog.reader.schema import FIELD_COLUMNS, SCHEMA

RENAMED: dict[str, str] = {
    "bucket_owner_id": "bucket_owner",
    "bucket_name": "bucket",
    "request_time": "time",
    "key_name": "key",
    "bytes_sent_size": "bytes_sent",
    "total_duration": "total_time",
    "turn_around_duration": "turn_around_time",
}
"""Amazon's names of structured members that differ from the column's; all others are the same."""

KEPT: tuple[str, ...] = ("schema_version_id", "bucket_arn")
"""Amazon's members that are no column: they stand in `extra_fields`, as `name=value`."""

OWN: frozenset[str] = frozenset(SCHEMA.names) - frozenset(FIELD_COLUMNS.names)
"""Members that only bucketlog's own exports have."""

PROVENANCE: frozenset[str] = frozenset({"source_object", "line_number"})
"""Members of our own exports that are not read: where a row is from is told of this reading."""

MARK = "parse_ambiguous"
"""The member by which an export of bucketlog is told from a record of Amazon's."""

_KNOWN: dict[str, str] = {**{name: name for name in SCHEMA.names}, **RENAMED}
_FOLDED: dict[str, str] = {name.replace("_", ""): name for name in (*_KNOWN, *KEPT)}
_MAX_INTEGER = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?"
    r"(?:[Zz]| ?UTC|([+-])(\d\d):?(\d\d))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Pairs:
    """The members of a JSON object as they stand, those that stand twice too."""

    members: list[tuple[str, Any]]


class Refused(ValueError):
    """A member's value is none of its column's; the message names the member."""


@lru_cache(maxsize=1024)
def known(name: str) -> str | None:
    """A member's name as it is documented; None for one that isn't.

    Letter case, `_` and `-` don't count: `keyName` and `KEY_NAME` are `key_name`.
    """
    if name in _KNOWN or name in KEPT:
        return name
    return _FOLDED.get(name.lower().replace("_", "").replace("-", "")) if len(name) < 64 else None


def column(name: str) -> str | None:
    """The column of a documented name; None for one that goes to `extra_fields`."""
    return _KNOWN.get(name)


def value(name: str, given: Any) -> Any:
    """What a column's array is built of, from a JSON value that isn't null.

    Times become microseconds since 1970 UTC. Numbers may be text if they are exact. Raises
    `Refused`.
    """
    column = _KNOWN[name]
    kind = SCHEMA.field(column).type
    if column == "time":
        return instant(name, given)
    if pa.types.is_integer(kind):
        return _integer(name, given, 999 if column == "http_status" else _MAX_INTEGER)
    if pa.types.is_boolean(kind):
        return _truth(name, given)
    if pa.types.is_list(kind):
        if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
            raise Refused(f"{name} is no list of texts")
        return given or None
    if not isinstance(given, str):
        raise Refused(f"{name} is no text")
    return octets(name, given) if pa.types.is_binary(kind) else given


def instant(name: str, given: Any) -> int:
    """ISO 8601 to microseconds since 1970; without a zone it is UTC, finer digits are cut."""
    match = _TIME.fullmatch(given) if isinstance(given, str) else None
    if match is None:
        raise Refused(f"{name} is no ISO 8601 time")
    try:
        at = datetime.fromisoformat(f"{match[1]}T{match[2]}+00:00")
    except ValueError:
        raise Refused(f"{name} is no ISO 8601 time") from None
    micros = (at - _EPOCH) // timedelta(microseconds=1) + int((match[3] or "").ljust(6, "0")[:6])
    if match[4]:
        seconds = int(match[5]) * 3600 + int(match[6]) * 60
        micros -= (seconds if match[4] == "+" else -seconds) * 1_000_000
    return micros


def _integer(name: str, given: Any, most: int) -> int:
    number: int | None = None
    if isinstance(given, str):
        if re.fullmatch(r"[0-9]{1,19}", given):
            number = int(given)
    elif isinstance(given, Decimal):
        # Not every exponent may be written out: 1e999999999 has a thousand million digits.
        if given.is_finite() and given.adjusted() < 20 and given == int(given):
            number = int(given)
    elif isinstance(given, int) and not isinstance(given, bool):
        number = given
    if number is None:
        raise Refused(f"{name} is no whole number")
    if not 0 <= number <= most:
        raise Refused(f"{name} is out of range")
    return number


def _truth(name: str, given: Any) -> bool:
    if isinstance(given, bool):
        return given
    if isinstance(given, str) and given.lower() in ("yes", "true", "no", "false"):
        return given.lower() in ("yes", "true")
    raise Refused(f"{name} is neither true nor false")


def octets(name: str, given: str) -> bytes:
    """Bytes that were written as characters of the same number, as our own JSON has `raw`."""
    try:
        return given.encode("latin-1")
    except UnicodeEncodeError:
        raise Refused(f"{name} is no text of bytes") from None


def extra(name: str, given: Any) -> str:
    """A member that is no column, as it stands in `extra_fields`."""
    if not isinstance(given, str):
        given = str(given) if isinstance(given, Decimal) else _compact(given)
    return f"{name}={given}"


def _compact(given: Any) -> str:
    return json.dumps(given, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(given: Pairs | Decimal) -> Any:
    return dict(given.members) if isinstance(given, Pairs) else float(given)
