"""A column of Request-URIs taken apart: method, path, query, HTTP version; is it presigned?

A Request-URI is a request line, `METHOD target HTTP/n`, as the client sent it: nothing is decoded
here. Nearly all have exactly two blanks and are split by Arrow; the others are looked at one by
one, by the same rule.

Source: RFC 9112, section 3; Amazon S3 API Reference, "Authenticating Requests: Using Query
Parameters"; Amazon S3 User Guide, "Signing and authenticating REST requests" (signature version 2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

_VERSION = r"HTTP/[0-9](?:\.[0-9])?"
_IS_VERSION = re.compile(_VERSION).fullmatch


@dataclass(frozen=True, slots=True)
class Parts:
    """Four arrays of strings, as long as the column they are of."""

    method: pa.Array
    path: pa.Array
    query: pa.Array
    http_version: pa.Array


def split(uris: pa.Array) -> Parts:
    """The parts of each request line; null where it is null or has no such part.

    The method ends at the first blank; the version is what follows the last one, if it looks like
    a version; between them is the target, blanks included. The query is what follows the target's
    first "?": "" where nothing does. Text without any blank is no request line.
    """
    tokens = pc.split_pattern(uris, " ")
    proper = pc.equal(pc.list_value_length(tokens), 3)
    # The lists of the others are made null, as an element they don't have would be an error.
    tokens = pc.if_else(proper, tokens, pa.scalar(None, tokens.type))
    method, target, version = (pc.list_element(tokens, index) for index in range(3))
    is_version = pc.match_substring_regex(version, f"^{_VERSION}$")
    odd = pc.and_(uris.is_valid(), pc.invert(pc.fill_null(pc.and_(proper, is_version), False)))
    if odd.true_count:
        lines = [_tokens(text) for text in uris.filter(odd).to_pylist()]
        method, target, version = (
            pc.replace_with_mask(array, odd, pa.array(values, pa.string()))
            for array, values in zip(
                (method, target, version), zip(*lines, strict=True), strict=True
            )
        )
    path, query = _divided(target)
    return Parts(method, path, query, version)


def _tokens(text: str) -> tuple[str | None, str | None, str | None]:
    method, blank, rest = text.partition(" ")
    if not blank:
        return None, None, None
    target, _, version = rest.rpartition(" ")
    return (method, target, version) if _IS_VERSION(version) else (method, rest, None)


def _divided(targets: pa.Array) -> tuple[pa.Array, pa.Array]:
    halves = pc.split_pattern(targets, "?", max_splits=1)
    has_query = pc.equal(pc.list_value_length(halves), 2)
    with_query = pc.if_else(has_query, halves, pa.scalar(None, halves.type))
    return pc.list_element(halves, 0), pc.list_element(with_query, 1)


_PRESIGNED = r"(?i)[?&;]X-Amz-Signature=|[?&;]Signature=[^ ]*[?&;]AWSAccessKeyId=" + (
    r"|[?&;]AWSAccessKeyId=[^ ]*[?&;]Signature="
)
_ENCODED_NAME = r"[?&;][^=&; ]*%[^=&; ]*="
_is_presigned = re.compile(_PRESIGNED).search


def has_signature(uris: pa.Array) -> pa.Array:
    """Whether the target's query holds a signature, of version 4 or 2; false where it is null.

    Parameters' names count in any letter case, and percent-encoded, too.
    """
    found = pc.fill_null(pc.match_substring_regex(uris, _PRESIGNED), False)
    odd = pc.and_(
        pc.invert(found), pc.fill_null(pc.match_substring_regex(uris, _ENCODED_NAME), False)
    )
    if odd.true_count:
        told = [_is_presigned(unquote(text)) is not None for text in uris.filter(odd).to_pylist()]
        found = pc.replace_with_mask(found, odd, pa.array(told, pa.bool_()))
    return found
