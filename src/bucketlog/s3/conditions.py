"""Preconditions and ranges: what a request's headers make of an object's ETag, time and size.

Pure values in; nothing, a range, or an `S3Error` out. ETags are given without quotes, None where
there is no object; instants are nanoseconds, compared by the second as HTTP dates are.
Sources: RFC 9110 sections 13 and 14; "Conditional requests" (S3 User Guide).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from bucketlog.s3.errors import S3Error

_NS: Final = 1_000_000_000


def check_read(headers: Mapping[str, str], etag: str, modified_at: int) -> None:
    """Raises `S3Error` PreconditionFailed (412) or NotModified (304) for a GET or HEAD.

    NotModified carries ETag and Last-Modified, which its answer must repeat.
    """
    _require(headers, "", etag, modified_at)
    value = headers.get("if-none-match")
    if value is not None:
        unchanged = matches(value, etag, weak=True)
    else:
        date = _date(headers, "if-modified-since")
        unchanged = date is not None and modified_at // _NS <= date
    if unchanged:
        last_modified = http_date(modified_at)
        raise S3Error("NotModified", **{"ETag": f'"{etag}"', "Last-Modified": last_modified})


def check_copy_source(headers: Mapping[str, str], etag: str, modified_at: int) -> None:
    """Raises `S3Error` PreconditionFailed where x-amz-copy-source-if-* don't hold.

    The order and the pairs are those of a read, but what was not modified is a failure too.
    """
    prefix = "x-amz-copy-source-"
    _require(headers, prefix, etag, modified_at)
    value = headers.get(prefix + "if-none-match")
    if value is not None:
        if matches(value, etag, weak=True):
            raise _failed(prefix + "If-None-Match")
        return
    date = _date(headers, prefix + "if-modified-since")
    if date is not None and modified_at // _NS <= date:
        raise _failed(prefix + "If-Modified-Since")


def _require(headers: Mapping[str, str], prefix: str, etag: str, modified_at: int) -> None:
    """If-Match, and only without it If-Unmodified-Since (RFC 9110 section 13.2.2)."""
    value = headers.get(prefix + "if-match")
    if value is not None:
        if not matches(value, etag):
            raise _failed(prefix + "If-Match")
        return
    date = _date(headers, prefix + "if-unmodified-since")
    if date is not None and modified_at // _NS > date:
        raise _failed(prefix + "If-Unmodified-Since")


def check_write(headers: Mapping[str, str], etag: str | None, key: str | None = None) -> None:
    """Raises `S3Error` where a PutObject or CompleteMultipartUpload may not replace what is there.

    `etag` is that of the object the key names now. If-None-Match takes only "*"; If-Match of
    what isn't there is NoSuchKey (`key` goes into it).
    """
    none_match, match = headers.get("if-none-match"), headers.get("if-match")
    if none_match is not None:
        if none_match.strip() != "*" or match is not None:
            raise S3Error("NotImplemented", Header="If-None-Match")
        if etag is not None:
            raise _failed("If-None-Match")
    elif match is not None:
        if etag is None:
            raise S3Error("NoSuchKey", **({} if key is None else {"Key": key}))
        if not matches(match, etag):
            raise _failed("If-Match")


def check_delete(
    headers: Mapping[str, str], etag: str | None, modified_at: int | None, size: int | None
) -> None:
    """Raises `S3Error` PreconditionFailed where an object may not be deleted.

    If-Match, x-amz-if-match-last-modified-time and x-amz-if-match-size must all hold, and none
    holds where there is no object. A date or size that can't be read is InvalidArgument.
    """
    match = headers.get("if-match")
    if match is not None and (etag is None or not matches(match, etag)):
        raise _failed("If-Match")
    name = "x-amz-if-match-last-modified-time"
    value = headers.get(name)
    if value is not None:
        date = date_of(value)
        if date is None:
            raise _argument(name, value)
        if modified_at is None or modified_at // _NS != date:
            raise _failed(name)
    name = "x-amz-if-match-size"
    value = headers.get(name)
    if value is not None:
        if not (value.isascii() and value.isdigit() and len(value) <= 19):
            raise _argument(name, value)
        if size != int(value):
            raise _failed(name)


def _failed(condition: str) -> S3Error:
    return S3Error("PreconditionFailed", Condition=condition)


def _argument(name: str, value: str) -> S3Error:
    return S3Error("InvalidArgument", ArgumentName=name, ArgumentValue=value)


def matches(value: str, etag: str, *, weak: bool = False) -> bool:
    """Whether a list of entity tags, or "*", names the one given.

    Quotes may be missing, as S3 allows. A weak tag (W/"...") counts only in a weak comparison
    (RFC 9110 section 8.8.3.2).
    """
    for one in value.split(","):
        tag = one.strip()
        if tag == "*":
            return True
        if tag.startswith("W/"):
            if not weak:
                continue
            tag = tag[2:]
        if tag.strip('"') == etag:
            return True
    return False


# --- Dates ---

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)
_MONTH: Final = "|".join(_MONTHS)
_CLOCK: Final = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES: Final = (
    # IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
    re.compile(
        rf"[A-Za-z]+, (?P<day>\d{{1,2}}) (?P<month>{_MONTH}) (?P<year>\d{{4}}) {_CLOCK} GMT"
    ),
    # RFC 850: Sunday, 06-Nov-94 08:49:37 GMT
    re.compile(rf"[A-Za-z]+, (?P<day>\d\d)-(?P<month>{_MONTH})-(?P<year>\d\d) {_CLOCK} GMT"),
    # asctime: Sun Nov  6 08:49:37 1994
    re.compile(rf"[A-Za-z]+ (?P<month>{_MONTH}) (?P<day>[ \d]\d) {_CLOCK} (?P<year>\d{{4}})"),
    # ISO 8601, as S3's own documents have it: 1994-11-06T08:49:37.000Z
    re.compile(rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)T{_CLOCK}(?:\.\d+)?(?:Z|\+00:00)"),
)


def date_of(value: str) -> int | None:
    """Seconds since 1970 of a date in one of HTTP's three forms, or ISO 8601; None for others.

    A year of two digits is of the twentieth century from 70 on (RFC 9110 section 5.6.7 says to
    go by the present year, which would give the same for fifty years around 2020).
    """
    text = value.strip()
    for form in _DATES:
        found = form.fullmatch(text)
        if found is not None:
            break
    else:
        return None
    month = found["month"]
    number = int(month) if month.isdigit() else _MONTHS.index(month) + 1
    year = int(found["year"])
    if len(found["year"]) == 2:
        year += 1900 if year >= 70 else 2000
    second = min(int(found["second"]), 59)  # a leap second
    try:
        when = datetime(
            year, number, int(found["day"]), int(found["hour"]), int(found["minute"]), second
        )
    except ValueError:
        return None
    return int(when.replace(tzinfo=UTC).timestamp())


def _date(headers: Mapping[str, str], name: str) -> int | None:
    """None also for what isn't a date: the field is ignored then (RFC 9110 section 13.1.3)."""
    value = headers.get(name)
    return None if value is None else date_of(value)


def http_date(at: int) -> str:
    """Nanoseconds as an IMF-fixdate, for Last-Modified."""
    when = datetime.fromtimestamp(at // _NS, UTC)
    day, month = _DAYS[when.weekday()], _MONTHS[when.month - 1]
    return f"{day}, {when.day:02} {month} {when.year:04} {when:%H:%M:%S} GMT"


# --- Ranges ---

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)", re.IGNORECASE | re.ASCII)


def range_of(value: str, size: int) -> tuple[int, int] | None:
    """The one range of bytes that a Range header asks for: offset and length; None for all.

    Several ranges, and what isn't a range, are ignored, as S3 does. Raises `S3Error`
    InvalidRange (416) for one that has no byte of the object.
    """
    found = _RANGE.fullmatch(value.strip())
    if found is None:
        return None
    first, last = (_number(text) for text in found.groups())
    if first is None:
        if last is None:
            return None
        start, end = max(size - last, 0), size - 1
    else:
        if last is not None and last < first:
            return None
        start, end = first, size - 1 if last is None else min(last, size - 1)
    if start > end:
        raise S3Error("InvalidRange", RangeRequested=value, ActualObjectSize=str(size))
    return start, end - start + 1


def _number(text: str) -> int | None:
    if not text:
        return None
    return int(text) if len(text) <= 19 else 10**19  # past the end of anything


def range_applies(headers: Mapping[str, str], etag: str, modified_at: int) -> bool:
    """Whether If-Range, if there is one, lets the Range header count (RFC 9110 section 13.1.5).

    An entity tag must match strongly, a date exactly; anything else means: send all.
    """
    value = headers.get("if-range")
    if value is None:
        return True
    date = date_of(value)
    if date is not None:
        return modified_at // _NS == date
    return value.strip() != "*" and "," not in value and matches(value, etag)
