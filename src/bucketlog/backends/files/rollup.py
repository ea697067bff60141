"""Paging through ordered keys by prefix, delimiter, marker and limit: what all listings share.

Pure: rows come from a `seek` function, so that a rolled-up prefix costs one seek however many
keys are under it. An item of a page is a row, or a common prefix standing for many; both sort
by name in UTF-8 bytes, and a marker excludes every item whose name is not greater than it. That is
why a page that ended on a common prefix can be continued from that prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bucketlog.s3.errors import S3Error

Row = tuple[Any, ...]
"""A row whose first column is the key, as bytes."""

Seek = Callable[[bytes, bytes | None], Iterator[Row]]
"""`seek(start, end)`: rows with start <= key < end (None: no end), in order, read lazily."""


@dataclass(slots=True)
class Page:
    """One page: its rows, its common prefixes, and `last`: the name of its last item when more
    follow, None when the listing ends here.
    """

    rows: list[Row] = field(default_factory=list)
    prefixes: list[bytes] = field(default_factory=list)
    last: bytes | None = None
    last_is_prefix: bool = False


def after(name: bytes) -> bytes:
    """The least key greater than `name`."""
    return name + b"\x00"


def beyond(prefix: bytes) -> bytes | None:
    """The least key greater than all that begin with `prefix`; None when there is none."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None


def page(
    seek: Seek,
    *,
    prefix: bytes,
    delimiter: bytes,
    marker: bytes | None,
    limit: int,
    start: bytes | None = None,
) -> Page:
    """The first `limit` items after `marker`.

    `start` overrides where the first seek begins, for a listing whose rows may share a key
    (uploads); the marker then rules out only common prefixes.
    """
    found = Page()
    if limit == 0:
        return found
    if start is None:
        start = prefix if marker is None else after(marker)
    position: bytes | None = max(prefix, start)
    end = beyond(prefix)
    count = 0
    name, is_prefix = b"", False
    while position is not None and (end is None or position < end):
        skip_to: bytes | None = None
        for row in seek(position, end):
            key: bytes = row[0]
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            common = key[: cut + len(delimiter)] if cut >= 0 else None
            if common is not None and marker is not None and common <= marker:
                skip_to = beyond(common)
                break
            if count == limit:
                found.last, found.last_is_prefix = name, is_prefix
                return found
            count += 1
            if common is not None:
                found.prefixes.append(common)
                name, is_prefix = common, True
                skip_to = beyond(common)
                break
            found.rows.append(row)
            name, is_prefix = key, False
        position = skip_to
    return found


def limit_of(query: dict[str, str], name: str, most: int = 1000) -> int:
    """A page size out of a query: 0 to `most`, larger ones cut down as S3 does.

    Raises `S3Error` InvalidArgument in Amazon's words.
    """
    text = query.get(name, "")
    if text == "":
        return most
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 19):
        raise S3Error(
            "InvalidArgument",
            f"Provided {name} not an integer or within integer range",
            ArgumentName=name,
            ArgumentValue=text,
        )
    value = int(text)
    if not 0 <= value <= 2147483647:
        raise S3Error(
            "InvalidArgument",
            f"Argument {name} must be an integer between 0 and 2147483647",
            ArgumentName=name,
            ArgumentValue=text,
        )
    return min(value, most)
