"""The canonical form of a request, and the arithmetic of Signature Version 4 over it.

One function builds the form for those who sign and for those who verify. It starts from the raw
target: S3 never normalises a path ("//" and ".." are part of a key) and encodes it once.
Source: "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API Reference.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from bucketlog.s3.errors import S3Error

ALGORITHM: Final = "AWS4-HMAC-SHA256"
EMPTY_SHA256: Final = sha256(b"").hexdigest()

# What is in canonical form already: unreserved characters, and upper-case escapes of all others.
_ESCAPE: Final = r"%(?:[0189A-F][0-9A-F]|2[0-9A-CF]|3[A-F]|40|5[B-E]|60|7[B-DF])"
# "%2F" in a path is decoded to "/" and stays that; possessive, so that no input backtracks.
_is_canonical_path: Final = re.compile(rf"(?:[A-Za-z0-9\-._~/]++|(?!%2F){_ESCAPE})*+").fullmatch
_is_canonical_query: Final = re.compile(rf"(?:[A-Za-z0-9\-._~=&]++|{_ESCAPE})*+").fullmatch
_BLANKS: Final = re.compile(r"[ \t]+")
_STAMP: Final = re.compile(r"\d{8}T\d{6}Z", re.ASCII).fullmatch


def path(raw: str) -> str:
    """The path of a target in canonical form: decoded once, then every byte but "/" and the
    unreserved ones escaped.
    """
    if _is_canonical_path(raw):
        return raw
    return quote_from_bytes(unquote_to_bytes(raw.encode("latin-1")), safe="/")


def query(raw: str, without: str | None = None) -> str:
    """A raw query in canonical form: sorted by encoded name, then encoded value.

    A parameter without "=" gets one; every pair named `without` (X-Amz-Signature) is left out.
    """
    if not raw:
        return ""
    if not _is_canonical_query(raw):
        raw = "&".join(
            f"{_encoded(name)}={_encoded(value)}"
            for name, _, value in (pair.partition("=") for pair in raw.split("&"))
        )
    if "&" not in raw and without is None:
        name, _, value = raw.partition("=")
        return f"{name}={value.replace('=', '%3D')}"
    return _sorted(raw, without, "%3D")


def as_sent(raw: str, without: str | None = None) -> str:
    """A raw query as some clients sign it: sorted, but no escape added or taken away."""
    return _sorted(raw, without, "=") if raw else ""


def _sorted(raw: str, without: str | None, equals: str) -> str:
    pairs = [pair.partition("=")[::2] for pair in raw.split("&") if pair]
    pairs.sort()
    return "&".join(
        [f"{name}={value.replace('=', equals)}" for name, value in pairs if name != without]
    )


def _encoded(text: str) -> str:
    # A plus in a query is a blank, as in every HTML form.
    return quote_from_bytes(unquote_to_bytes(text.replace("+", " ").encode("latin-1")), safe="")


def header_lines(headers: Mapping[str, str], names: Iterable[str]) -> str:
    """The named headers, one line each: `name:value`, blanks trimmed, inner runs made one.

    A name that isn't among `headers` has an empty value.
    """
    block = "".join([f"{name}:{headers.get(name, '')}\n" for name in names])
    if "  " in block or "\t" in block or ": " in block or " \n" in block:
        return "".join([f"{name}:{_trimmed(headers.get(name, ''))}\n" for name in names])
    return block


def _trimmed(value: str) -> str:
    # Not str.split(): it would also split at U+0085 and U+00A0, which are bytes of UTF-8 here.
    return _BLANKS.sub(" ", value).strip(" ")


def request(
    method: str, path: str, query: str, lines: str, signed_headers: str, payload: str
) -> str:
    """A canonical request, from parts that are in canonical form."""
    return f"{method}\n{path}\n{query}\n{lines}\n{signed_headers}\n{payload}"


def string_to_sign(stamp: str, scope: str, canonical: bytes) -> str:
    """What is signed for a whole request; `scope` is date/region/s3/aws4_request."""
    return f"{ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical).hexdigest()}"


def signature(key: bytes, text: str) -> str:
    """The signature of a string to sign: 64 lower-case hex digits."""
    return hmac.digest(key, text.encode("latin-1"), "sha256").hex()


# A server sees few keys a day, in few Regions; the bound is for a store with very many users.
@lru_cache(maxsize=4096)
def signing_key(secret_key: str, date: str, region: str) -> bytes:
    """The key that signs for one day (YYYYMMDD) and Region. Four HMACs, so it is remembered."""
    key = b"AWS4" + secret_key.encode()
    for part in (date, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode("latin-1"), "sha256")
    return key


@lru_cache(maxsize=256)  # clients of one second share a stamp
def seconds(stamp: str) -> int | None:
    """Seconds since 1970 of a stamp like 20130524T000000Z; None if it isn't one."""
    if not _STAMP(stamp):
        return None
    try:
        return int(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def stamp_of(http_date: str) -> str | None:
    """The stamp of an HTTP date (RFC 9110 section 5.6.7); None if it isn't one."""
    try:
        moment = parsedate_to_datetime(http_date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        moment = moment.astimezone(UTC)
    except (ValueError, IndexError, OverflowError):
        return None
    return f"{moment.year:04}{moment:%m%dT%H%M%SZ}"  # %Y alone doesn't pad


def stamp_at(now: int) -> str:
    """The stamp of an instant."""
    return datetime.fromtimestamp(now // 1_000_000_000, UTC).strftime("%Y%m%dT%H%M%SZ")


def mismatch(access_key: str, text: str, given: str, form: str) -> S3Error:
    """The refusal of a signature, with the strings it should have been made from."""
    return S3Error(
        "SignatureDoesNotMatch",
        AWSAccessKeyId=access_key,
        StringToSign=text,
        SignatureProvided=given,
        StringToSignBytes=hex_bytes(text),
        CanonicalRequest=form,
        CanonicalRequestBytes=hex_bytes(form),
    )


def hex_bytes(text: str) -> str:
    """A string's bytes as Amazon prints them in its errors: "41 57 53 34"."""
    return text.encode("latin-1").hex(" ")
