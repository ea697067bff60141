"""Who made a request, as Signature Version 4 proves it; and signing, for clients of our own.

Header and query (presigned) forms. A body signed in chunks is only announced here: `Payload`
carries what `chunked` needs to verify it. Refusals, and their order, are those that S3 gives:
"Authenticating Requests (AWS Signature Version 4)" in the API Reference, and its live answers.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from bucketlog.s3 import canonical, claims
from bucketlog.s3.canonical import ALGORITHM, EMPTY_SHA256
from bucketlog.s3.claims import (
    SIGNED_CHUNKS,
    SIGNED_CHUNKS_TRAILER,
    UNSIGNED_CHUNKS_TRAILER,
    UNSIGNED_PAYLOAD,
    Claim,
)
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import ANONYMOUS, Caller, Credential, Request


@dataclass(slots=True)
class Chain:
    """Where the chain of chunk signatures starts: at the signature of the request's head.

    `access_key` and `canonical_request` are for the document of a refusal.
    """

    signature: str
    key: bytes = field(repr=False)
    stamp: str
    scope: str
    access_key: str
    canonical_request: str


@dataclass(slots=True)
class Payload:
    """How a body is to be verified.

    `sha256` is the hash announced for the whole body, as sent; None where none was.
    `is_chunked`: the body is aws-chunked, in one of three forms: `chain` is None for unsigned
    chunks; `has_trailers` where trailing headers follow the last chunk.
    """

    sha256: str | None = None
    is_chunked: bool = False
    has_trailers: bool = False
    chain: Chain | None = None


UNSIGNED: Final = Payload()
_EMPTY: Final = Payload(EMPTY_SHA256)
_UNSIGNED_CHUNKS: Final = Payload(is_chunked=True, has_trailers=True)


@dataclass(slots=True)
class Identity:
    """What a request's signature says: who, how its body is bound, for which Region.

    `region` is None for an anonymous request, and where Signature Version 2 signs none.
    """

    caller: Caller
    payload: Payload
    region: str | None


FindKey = Callable[[str], Credential | None]
Sigv2 = Callable[[Request, FindKey, int], Identity]


def identify(
    request: Request,
    find_key: FindKey,
    now: int,
    regions: Collection[str],
    sigv2: Sigv2 | None = None,
) -> Identity:
    """Who signed the request; the anonymous caller if nobody did.

    `now` is in nanoseconds. The Region signed for must be one of `regions`; that it is the
    bucket's is for the caller to check (`wrong_region`). A request that Signature Version 2 signs
    is handed to `sigv2`, and refused (InvalidRequest) without one. Raises `S3Error`:
    SignatureDoesNotMatch, InvalidAccessKeyId, RequestTimeTooSkewed, AccessDenied (expired, not yet
    valid, a header that isn't signed, no date), AuthorizationHeaderMalformed,
    AuthorizationQueryParametersError, InvalidArgument, InvalidRequest, InvalidToken,
    NotImplemented.
    """
    claim = claims.of(request, now, regions)
    if isinstance(claim, Claim):
        return _verified(request, claim, find_key)
    if claim is None:
        return Identity(ANONYMOUS, unbound_payload(request.headers), None)
    if sigv2 is None:
        raise claims.not_supported()
    return sigv2(request, find_key, now)


def wrong_region(identity: Identity, expected: str) -> S3Error:
    """The refusal of a request that was signed for another Region than its bucket's."""
    is_presigned = identity.caller.authentication_type == "QueryString"
    return claims.region_error(is_presigned, identity.region or "", expected)


def sign(
    request: Request,
    *,
    access_key: str,
    secret_key: str,
    region: str,
    now: int,
    payload: str = UNSIGNED_PAYLOAD,
) -> dict[str, str]:
    """The headers to add to a request so that it is signed.

    `request.headers` must hold `host`, and every header that is to be signed. `payload` is the
    body's SHA-256 in hex, or one of the words that stand for one.
    """
    stamp = canonical.stamp_at(now)
    added = {"x-amz-date": stamp, "x-amz-content-sha256": payload}
    headers = {**request.headers, **added}
    signed = ";".join(sorted(headers))
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    path, _, query = request.target.partition("?")
    form = canonical.request(
        request.method,
        canonical.path(path),
        canonical.query(query),
        canonical.header_lines(headers, signed.split(";")),
        signed,
        payload,
    )
    key = canonical.signing_key(secret_key, stamp[:8], region)
    text = canonical.string_to_sign(stamp, scope, form.encode("latin-1"))
    added["authorization"] = (
        f"{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={signed}, "
        f"Signature={canonical.signature(key, text)}"
    )
    return added


def presign(
    request: Request,
    *,
    access_key: str,
    secret_key: str,
    region: str,
    now: int,
    expires_s: int,
) -> str:
    """The target (path and query) of a presigned URL for a request.

    `request.headers` must hold `host`, and every header that whoever uses the URL must send.
    """
    stamp = canonical.stamp_at(now)
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    signed = ";".join(sorted(request.headers))
    path, _, query = request.target.partition("?")
    added = (
        f"X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={access_key}/{scope}&X-Amz-Date={stamp}"
        f"&X-Amz-Expires={expires_s}&X-Amz-SignedHeaders={signed}"
    )
    path, query = canonical.path(path), canonical.query(f"{query}&{added}" if query else added)
    form = canonical.request(
        request.method,
        path,
        query,
        canonical.header_lines(request.headers, signed.split(";")),
        signed,
        UNSIGNED_PAYLOAD,
    )
    key = canonical.signing_key(secret_key, stamp[:8], region)
    text = canonical.string_to_sign(stamp, scope, form.encode("latin-1"))
    return f"{path}?{query}&X-Amz-Signature={canonical.signature(key, text)}"


def _verified(request: Request, claim: Claim, find_key: FindKey) -> Identity:
    headers, signed = request.headers, claim.signed
    _require_signed(headers, signed.names)
    credential = find_key(claim.access_key)
    if credential is None:
        raise S3Error("InvalidAccessKeyId", AWSAccessKeyId=claim.access_key)
    scope = f"{claim.date}/{claim.region}/s3/aws4_request"
    key = canonical.signing_key(credential.secret_key, claim.date, claim.region)
    path, _, query = request.target.partition("?")
    form = canonical.request(
        request.method,
        canonical.path(path),
        canonical.query(query, "X-Amz-Signature" if claim.is_presigned else None),
        canonical.header_lines(headers, signed.order),
        signed.text,
        claim.payload,
    )
    text = canonical.string_to_sign(claim.stamp, scope, form.encode("latin-1"))
    given = claim.signature.encode("latin-1")
    if not hmac.compare_digest(canonical.signature(key, text).encode(), given) and not any(
        hmac.compare_digest(canonical.signature(key, other).encode(), given)
        for other in _other_strings(request, claim, scope, form)
    ):
        raise canonical.mismatch(claim.access_key, text, claim.signature, form)
    _refuse_token(request)
    if claim.is_presigned:
        claims.heed_parameters(request)
    payload = _PAYLOADS.get(claim.payload)
    if payload is None:
        payload = Payload(claim.payload)
    elif payload.is_chunked and claim.is_presigned:
        # S3 hashes the body of a presigned upload as it comes, whatever this header says.
        payload = Payload(claim.payload)
    elif claim.payload in (SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER):
        chain = Chain(claim.signature, key, claim.stamp, scope, claim.access_key, form)
        payload = Payload(None, True, claim.payload == SIGNED_CHUNKS_TRAILER, chain)
    return Identity(_caller(credential, claim.is_presigned), payload, claim.region)


# By access key and form; bounded by the number of keys that there are.
_callers: dict[tuple[str, bool], tuple[Credential, Caller]] = {}


def _caller(credential: Credential, is_presigned: bool) -> Caller:
    """The caller a credential speaks for: the same object each time, which `compose` relies on
    for speed, not for truth.
    """
    known = _callers.get((credential.access_key, is_presigned))
    if known is not None and known[0] is credential:
        return known[1]
    caller = Caller(
        credential.account,
        credential.user_arn,
        None,
        credential.access_key,
        "SigV4",
        "QueryString" if is_presigned else "AuthHeader",
    )
    _callers[credential.access_key, is_presigned] = (credential, caller)
    return caller


def _other_strings(request: Request, claim: Claim, scope: str, form: str) -> Iterator[str]:
    """Strings that clients sign instead, for the same meaning: path and query with the escapes
    as sent (curl), header values in UTF-8 that are sent in Latin-1 (botocore), a Date header's
    text in place of its stamp. Only looked at when the first string didn't match.
    """
    path, _, query = request.target.partition("?")
    raw = canonical.request(
        request.method,
        path,
        canonical.as_sent(query, "X-Amz-Signature" if claim.is_presigned else None),
        canonical.header_lines(request.headers, claim.signed.order),
        claim.signed.text,
        claim.payload,
    )
    for stamp in dict.fromkeys((claim.stamp, claim.raw_stamp)):
        for text in dict.fromkeys((form, raw)):
            for data in dict.fromkeys((text.encode("latin-1"), text.encode())):
                yield canonical.string_to_sign(stamp, scope, data)


# Content-MD5, the host and all of Amazon's own headers must be signed, if they are there at all;
# x-amz-content-sha256 is in the canonical form anyway.
def _require_signed(headers: Mapping[str, str], signed: Collection[str]) -> None:
    unsigned = [
        name
        for name in headers
        if name not in signed and name.startswith("x-amz-") and name != "x-amz-content-sha256"
    ]
    if "host" not in signed:
        unsigned.append("host")
    if "content-md5" in headers and "content-md5" not in signed:
        unsigned.append("content-md5")
    if unsigned:
        raise S3Error(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(sorted(unsigned)),
        )


def _refuse_token(request: Request) -> None:
    """No key here has a session token, so a token is none of ours."""
    token = request.headers.get("x-amz-security-token")
    if token is None and "X-Amz-Security-Token" in request.target:
        token = claims.parameters(request.target).get("X-Amz-Security-Token")
    if token is not None:
        raise S3Error("InvalidToken", **{"Token-0": token})


_PAYLOADS: Final = {
    UNSIGNED_PAYLOAD: UNSIGNED,
    EMPTY_SHA256: _EMPTY,
    UNSIGNED_CHUNKS_TRAILER: _UNSIGNED_CHUNKS,
    SIGNED_CHUNKS: Payload(is_chunked=True),
    SIGNED_CHUNKS_TRAILER: Payload(is_chunked=True, has_trailers=True),
}


def unbound_payload(headers: Mapping[str, str]) -> Payload:
    """The payload of a request that signs none: what its header announces is still checked."""
    announced = headers.get("x-amz-content-sha256")
    if announced is None:
        if "x-amz-decoded-content-length" in headers and "aws-chunked" in headers.get(
            "content-encoding", ""
        ):
            return _UNSIGNED_CHUNKS
        return UNSIGNED
    if announced == UNSIGNED_PAYLOAD:
        return UNSIGNED
    return _UNSIGNED_CHUNKS if announced == UNSIGNED_CHUNKS_TRAILER else Payload(announced)
