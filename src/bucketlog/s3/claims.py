"""What a request says of its signature, before any of it is believed; and what S3 refuses of it.

Takes the Authorization header or the query of a presigned URL apart. Codes, messages and their
order are those that Amazon S3 answers with: date and clock come before the credential, and all of
them before any key is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from bucketlog.s3 import canonical
from bucketlog.s3.canonical import ALGORITHM
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Request

UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
SIGNED_CHUNKS: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER: Final = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_CHUNKS_TRAILER: Final = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

MAX_SKEW_S: Final = 15 * 60
MAX_EXPIRES_S: Final = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Signed:
    """The names of the headers that are signed: as sent, in order, and to look up."""

    text: str
    order: tuple[str, ...]
    names: frozenset[str]


@dataclass(slots=True)
class Claim:
    """What a request says of its signature, before any of it is believed."""

    access_key: str
    date: str
    region: str
    signed: Signed
    signature: str
    stamp: str
    raw_stamp: str  # as sent; differs from `stamp` when it was a Date header
    payload: str
    is_presigned: bool


# What is said of a request that Signature Version 2 signs, which is not taken apart here.
SIGV2: Final = "SigV2"


def of(request: Request, now: int, regions: Collection[str]) -> Claim | Literal["SigV2"] | None:
    """The claim of a request; `SIGV2` if it is signed that way, None if it makes no claim.

    Raises `S3Error`.
    """
    authorization = request.headers.get("authorization")
    target = request.target
    in_query: Mapping[str, str] | None = None
    if "X-Amz-Algorithm" in target or "Signature" in target:
        in_query = parameters(target)
        if "X-Amz-Algorithm" not in in_query and "Signature" not in in_query:
            in_query = None
    if authorization is not None and in_query is not None:
        raise _two_mechanisms(ArgumentValue=authorization)
    if authorization:
        return _in_header(request.headers, authorization, now, regions)
    if in_query is None:
        return None
    if "X-Amz-Algorithm" not in in_query:
        return SIGV2
    if "Signature" in in_query:
        raise _two_mechanisms()
    return _in_query(request.headers, in_query, now, regions)


def parameters(target: str) -> dict[str, str]:
    """The decoded query parameters of a target, the first of each name. Bytes as Latin-1."""
    found: dict[str, str] = {}
    for pair in target.partition("?")[2].split("&"):
        name, _, value = pair.partition("=")
        found.setdefault(decoded(name), decoded(value))
    return found


_OF_THE_SIGNATURE: Final = frozenset(
    {
        "x-amz-algorithm",
        "x-amz-content-sha256",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-expires",
        "x-amz-security-token",
        "x-amz-signature",
        "x-amz-signedheaders",
    }
)
_is_amz_name: Final = re.compile(r"x-amz-[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch
_is_amz_value: Final = re.compile(r"[^\x00-\x1f\x7f]*").fullmatch


def heed_parameters(request: Request) -> None:
    """Makes headers of the `x-amz-` parameters of a presigned URL, as S3 does; some SDKs put ACL
    and metadata there. Call it once the signature, which covers them, is proven.

    Raises `S3Error`: InvalidArgument for one that could not be a header; NotImplemented for a copy
    source, since the request was taken for an upload, whose body would replace the object.
    """
    headers = request.headers
    for sent, value in parameters(request.target).items():
        name = sent.lower()
        if not name.startswith("x-amz-") or name in _OF_THE_SIGNATURE:
            continue
        if not (_is_amz_name(name) and _is_amz_value(value)):
            raise S3Error("InvalidArgument", ArgumentName=sent, ArgumentValue=value)
        if name == "x-amz-copy-source" and name not in headers:
            raise S3Error("NotImplemented", Header=name)
        headers.setdefault(name, value)


def decoded(text: str) -> str:
    """A name or value of a query without its escapes, a plus as a blank. Bytes as Latin-1."""
    if "%" not in text and "+" not in text:
        return text
    return unquote_to_bytes(text.replace("+", " ").encode("latin-1")).decode("latin-1")


def region_error(is_presigned: bool, given: str, expected: str) -> S3Error:
    """The refusal of a credential for another Region."""
    return _scope_error(
        is_presigned, f"the region '{given}' is wrong; expecting '{expected}'", Region=expected
    )


def _two_mechanisms(**value: str) -> S3Error:
    return S3Error(
        "InvalidArgument",
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
        "query string parameter or the Authorization header should be specified",
        ArgumentName="Authorization",
        **value,
    )


def not_supported() -> S3Error:
    """The refusal of every signature but Version 4's."""
    return S3Error(
        "InvalidRequest",
        f"The authorization mechanism you have provided is not supported. Please use {ALGORITHM}.",
    )


# The form nearly every client sends; anything else is taken apart, and refused, piece by piece.
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=([^/,\s]+)/(\d{8})/([^/,\s]+)/s3/aws4_request, *"
    r"SignedHeaders=([^,\s]+), *",
    re.ASCII,
).fullmatch
_MAX_REMEMBERED: Final = 1024  # characters


@lru_cache(maxsize=1024)
def _constant_part(text: str) -> tuple[str, str, str, Signed] | None:
    """Access key, date, Region and signed headers, from all of the header but its signature.

    A client sends the same for a day, but for the headers it signs; so it is remembered.
    """
    match = _AUTHORIZATION(text)
    if match is None:
        return None
    access_key, date, region, names = match.groups()
    return access_key, date, region, _signed(names)


def _signed(names: str) -> Signed:
    order = tuple(names.split(";"))
    return Signed(names, order, frozenset(order))


def _in_header(
    headers: Mapping[str, str], authorization: str, now: int, regions: Collection[str]
) -> Claim | Literal["SigV2"]:
    constant = None
    head, found, signature = authorization.rpartition("Signature=")
    if found and len(head) <= _MAX_REMEMBERED:
        constant = _constant_part(head)
    if constant is None and _scheme(authorization) == "AWS":
        return SIGV2
    payload = headers.get("x-amz-content-sha256")
    if payload != canonical.EMPTY_SHA256:
        payload = _checked_payload(payload)
    raw_stamp = headers.get("x-amz-date") or headers.get("date", "")
    stamp = raw_stamp
    signed_at = canonical.seconds(stamp)
    if signed_at is None:
        stamp = canonical.stamp_of(raw_stamp) or ""
        signed_at = canonical.seconds(stamp)
        if signed_at is None:
            raise S3Error(
                "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
            )
    if abs(now - signed_at * 1_000_000_000) > MAX_SKEW_S * 1_000_000_000:
        raise skewed(raw_stamp, now)
    if constant is None:
        credential, names, signature = _components(authorization)
        access_key, date, region = _check_scope(credential, stamp, False, regions)
        signed = _signed(names)
    else:
        access_key, date, region, signed = constant
        if region not in regions or date != stamp[:8]:
            _check_scope(f"{access_key}/{date}/{region}/s3/aws4_request", stamp, False, regions)
    return Claim(access_key, date, region, signed, signature, stamp, raw_stamp, payload, False)


def skewed(stamp: str, now: int) -> S3Error:
    """The refusal of a request whose clock, as sent, is too far from ours."""
    return S3Error(
        "RequestTimeTooSkewed",
        RequestTime=stamp,
        ServerTime=iso(now // 1_000_000_000),
        MaxAllowedSkewMilliseconds=str(MAX_SKEW_S * 1000),
    )


def _scheme(authorization: str) -> str:
    """The scheme of the header, in upper case. Raises for one that S3 doesn't know."""
    scheme, space, rest = authorization.partition(" ")
    scheme = scheme.upper()
    if not space or (scheme == "AWS" and rest[:1] == " "):
        message = "Authorization header is invalid -- one and only one ' ' (space) required"
        raise bad_authorization(message, authorization)
    if scheme == "AWS4-ECDSA-P256-SHA256":
        raise not_supported()
    if scheme not in (ALGORITHM, "AWS"):
        raise bad_authorization("Unsupported Authorization Type", authorization)
    return scheme


def bad_authorization(message: str, authorization: str) -> S3Error:
    """The refusal of a header that has not even the shape of a signature."""
    return S3Error(
        "InvalidArgument", message, ArgumentName="Authorization", ArgumentValue=authorization
    )


def _components(authorization: str) -> tuple[str, str, str]:
    """Credential, SignedHeaders and Signature of a header in any spacing and order."""
    parts = authorization.partition(" ")[2].split(",")
    pairs = {name.strip(): value.strip() for name, _, value in (p.partition("=") for p in parts)}
    names = ("Credential", "SignedHeaders", "Signature")
    if not all(pairs.get(name) for name in names):
        raise S3Error(
            "AuthorizationHeaderMalformed",
            "The authorization header is malformed; the authorization header requires three "
            "components: Credential, SignedHeaders, and Signature.",
        )
    return pairs["Credential"], pairs["SignedHeaders"], pairs["Signature"]


def _check_scope(
    credential: str, stamp: str, is_presigned: bool, regions: Collection[str]
) -> tuple[str, str, str]:
    """Access key, date and Region of a credential; raises for the first thing wrong with it."""
    parts = credential.split("/")
    if len(parts) != 5:
        raise _scope_error(
            is_presigned,
            'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/'
            'aws4_request".',
        )
    access_key, date, region, service, terminal = parts
    if canonical.seconds(f"{date}T000000Z") is None:
        raise _scope_error(
            is_presigned,
            f'incorrect date format "{date}". This date in the credential must be in the format '
            '"yyyyMMdd".',
        )
    if not region:
        raise _scope_error(is_presigned, "a non-empty region must be provided in the credential.")
    if region not in regions:
        raise region_error(is_presigned, region, next(iter(regions)))
    if service != "s3":
        raise _scope_error(
            is_presigned, f'incorrect service "{service}". This endpoint belongs to "s3".'
        )
    if terminal != "aws4_request":
        raise _scope_error(
            is_presigned,
            f'incorrect terminal "{terminal}". This endpoint uses "aws4_request".',
        )
    if date != stamp[:8]:
        if is_presigned:
            raise S3Error(
                "AuthorizationQueryParametersError",
                f'Invalid credential date "{date}". This date is not the same as X-Amz-Date: '
                f'"{stamp[:8]}".',
            )
        raise _scope_error(False, "Invalid credential date. Date is not the same as X-Amz-Date.")
    return access_key, date, region


def _scope_error(is_presigned: bool, what: str, **detail: str) -> S3Error:
    if is_presigned:
        return S3Error(
            "AuthorizationQueryParametersError",
            f"Error parsing the X-Amz-Credential parameter; {what}",
            **detail,
        )
    return S3Error(
        "AuthorizationHeaderMalformed", f"The authorization header is malformed; {what}", **detail
    )


_PARAMETERS: Final = (
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
)
_is_number: Final = re.compile(r"[+-]?0*\d{1,18}", re.ASCII).fullmatch


def _in_query(
    headers: Mapping[str, str], query: Mapping[str, str], now: int, regions: Collection[str]
) -> Claim:
    if query["X-Amz-Algorithm"] != ALGORITHM:
        raise _query_error(
            'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"'
        )
    if not all(name in query for name in _PARAMETERS):
        raise _query_error(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, "
            "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
            "X-Amz-Expires parameters."
        )
    stamp = query["X-Amz-Date"]
    signed_at = canonical.seconds(stamp)
    if signed_at is None:
        raise _query_error("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    _check_lifetime(query["X-Amz-Expires"], signed_at, now)
    access_key, date, region = _check_scope(query["X-Amz-Credential"], stamp, True, regions)
    return Claim(
        access_key,
        date,
        region,
        _signed(query["X-Amz-SignedHeaders"]),
        query["X-Amz-Signature"],
        stamp,
        stamp,
        headers.get("x-amz-content-sha256", UNSIGNED_PAYLOAD),
        True,
    )


def _check_lifetime(expires: str, signed_at: int, now: int) -> None:
    if not _is_number(expires):
        raise _query_error("X-Amz-Expires should be a number")
    expires_s = int(expires)
    if expires_s < 0:
        raise _query_error("X-Amz-Expires must be non-negative")
    if expires_s > MAX_EXPIRES_S:
        raise _query_error(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given "
            "X-Amz-Expires must be less than 604800 seconds"
        )
    until = signed_at + expires_s
    if signed_at * 1_000_000_000 - now > MAX_SKEW_S * 1_000_000_000:
        # In milliseconds, unlike the two that follow it: so S3 prints it.
        raise _untimely("Request is not yet valid", "X-Amz-Date", signed_at * 1000, until, now)
    if now > until * 1_000_000_000:
        raise _untimely("Request has expired", "X-Amz-Expires", expires_s, until, now)


def _untimely(message: str, name: str, value: int, until: int, now: int) -> S3Error:
    detail = {
        name: str(value),
        "Expires": iso(until),
        "ServerTime": iso(now // 1_000_000_000),
    }
    return S3Error("AccessDenied", message, **detail)


def _query_error(message: str) -> S3Error:
    return S3Error("AuthorizationQueryParametersError", message)


_WORDS: Final = (
    UNSIGNED_PAYLOAD,
    UNSIGNED_CHUNKS_TRAILER,
    SIGNED_CHUNKS,
    SIGNED_CHUNKS_TRAILER,
)
_ECDSA: Final = (
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
)
_is_sha256: Final = re.compile(r"[0-9a-fA-F]{64}").fullmatch


def _checked_payload(payload: str | None) -> str:
    if payload is None:
        raise S3Error(
            "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
        )
    if payload in _WORDS or _is_sha256(payload):
        return payload
    if payload in _ECDSA:
        raise S3Error("NotImplemented", Header="x-amz-content-sha256")
    raise S3Error(
        "InvalidArgument",
        f"x-amz-content-sha256 must be {', '.join((*_WORDS, *_ECDSA))} or a valid sha256 value.",
        ArgumentName="x-amz-content-sha256",
        ArgumentValue=payload,
    )


def iso(seconds: int) -> str:
    """An instant as S3 prints it in its refusals: 2013-05-24T00:00:00Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
