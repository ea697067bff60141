"""Who made a request, as Signature Version 2 proves it: an older form that many clients still use.

Header form ("AWS KEY:SIGNATURE") and query form (AWSAccessKeyId, Expires, Signature). Version 2
signs neither Region nor body, and of the query only what names a resource. Sources: "Signing and
authenticating REST requests (AWS signature version 2)" in the S3 User Guide, and for the order of
refusals and the parameters that are signed, S3's live answers.
"""

from __future__ import annotations

import hmac
import re
from binascii import b2a_base64
from collections.abc import Iterator, Mapping
from typing import Final

from bucketlog.s3 import canonical, claims, routing
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Caller, Request
from bucketlog.s3.operations import RESOURCES
from bucketlog.s3.sigv4 import FindKey, Identity, unbound_payload


def identify(
    request: Request, find_key: FindKey, now: int, domains: tuple[str, ...] = ()
) -> Identity:
    """Who signed a request that `claims.of` found to be signed by Version 2.

    `now` is in nanoseconds; `domains` are those of `routing.route`, because the resource that is
    signed starts with the bucket even where only the host names it. An x-amz- parameter counts as
    the header of its name, and is added to the request's headers once it is proven. Raises
    `S3Error`: SignatureDoesNotMatch, InvalidAccessKeyId, RequestTimeTooSkewed, AccessDenied
    (expired, no date, a parameter that is missing or no date), InvalidArgument, InvalidToken,
    NotImplemented.
    """
    bucket, target = routing.addressed(request, domains)
    path, _, text = target.partition("?")
    query = _parameters(text)
    authorization = request.headers.get("authorization")
    if authorization:
        access_key, given, date = _in_header(request.headers, authorization, now)
    else:
        access_key, given, date = _in_query(query, now)
    credential = find_key(access_key)
    if credential is None:
        raise S3Error("InvalidAccessKeyId", AWSAccessKeyId=access_key)
    amz = _amz_headers(request.headers, query)
    head = _head(request, date, amz)
    resource = _resource(path if bucket is None else f"/{bucket}{path}", query)
    secret = credential.secret_key.encode()
    sent = given.encode("latin-1")
    if not any(
        hmac.compare_digest(_signature(secret, data), sent) for data in _strings(head, resource)
    ):
        raise _mismatch(access_key, head + resource, given)
    _heed(request.headers, amz)
    caller = Caller(
        credential.account,
        credential.user_arn,
        None,
        access_key,
        "SigV2",
        "AuthHeader" if authorization else "QueryString",
    )
    return Identity(caller, unbound_payload(request.headers), None)


def _parameters(text: str) -> dict[str, str]:
    """The decoded parameters of a query, the last of each name: the one that `routing` heeds, so
    that one more of a name, added to what was signed, doesn't go unnoticed. Bytes as Latin-1.
    """
    pairs = [pair.partition("=")[::2] for pair in text.split("&")]
    return {claims.decoded(name): claims.decoded(value) for name, value in pairs}


def _in_header(headers: Mapping[str, str], authorization: str, now: int) -> tuple[str, str, str]:
    """Access key, signature, and the line that is signed for the date."""
    access_key, colon, signature = authorization.partition(" ")[2].partition(":")
    if not colon or not signature or ":" in signature:
        message = "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"
        raise claims.bad_authorization(message, authorization)
    # x-amz-date counts before Date, and is signed among the headers of its kind instead.
    amz_date = headers.get("x-amz-date")
    sent = headers.get("date", "") if amz_date is None else amz_date
    signed_at = canonical.seconds(sent)
    if signed_at is None:
        signed_at = canonical.seconds(canonical.stamp_of(sent) or "")
    if signed_at is None or signed_at < 0:
        raise S3Error(
            "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
        )
    if abs(now - signed_at * 1_000_000_000) > claims.MAX_SKEW_S * 1_000_000_000:
        raise claims.skewed(sent, now)
    return access_key, signature, sent if amz_date is None else ""


_is_number: Final = re.compile(r"[+-]?0*\d{1,10}", re.ASCII).fullmatch
_MAX_EXPIRES: Final = 2**31  # S3 takes no later second for a date


def _in_query(query: Mapping[str, str], now: int) -> tuple[str, str, str]:
    """Access key, signature, and the line that is signed for the date: its end, as sent."""
    if "Expires" not in query or "AWSAccessKeyId" not in query:
        raise S3Error(
            "AccessDenied",
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId "
            "parameters",
        )
    expires = query["Expires"]
    if not _is_number(expires) or int(expires) >= _MAX_EXPIRES:
        raise S3Error("AccessDenied", f"Invalid date (should be seconds since epoch): {expires}")
    if now > int(expires) * 1_000_000_000:
        raise S3Error(
            "AccessDenied",
            "Request has expired",
            Expires=claims.iso(int(expires)),
            ServerTime=claims.iso(now // 1_000_000_000),
        )
    return query["AWSAccessKeyId"], query["Signature"], expires


_is_amz_name: Final = re.compile(r"x-amz-[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch
_is_amz_value: Final = re.compile(r"[^\x00-\x1f\x7f]*").fullmatch


def _amz_headers(headers: Mapping[str, str], query: Mapping[str, str]) -> dict[str, str]:
    """Amazon's own headers, among them those that were sent as parameters.

    Where both were sent and differ, both are signed, since the header is what takes effect.
    """
    amz = {name: value.strip() for name, value in headers.items() if name.startswith("x-amz-")}
    for sent, value in query.items():
        name = sent.lower()
        if not name.startswith("x-amz-") or amz.get(name) == value:
            continue
        if not (_is_amz_name(name) and _is_amz_value(value)):  # a line feed would make a line
            raise S3Error("InvalidArgument", ArgumentName=sent, ArgumentValue=value)
        amz[name] = f"{value},{amz[name]}" if name in amz else value
    return amz


def _heed(headers: dict[str, str], amz: Mapping[str, str]) -> None:
    """Makes headers of what was sent as parameters, and refuses what can't be done."""
    if "x-amz-security-token" in amz:  # no key here has one
        raise S3Error("InvalidToken", **{"Token-0": amz["x-amz-security-token"]})
    if "x-amz-copy-source" in amz and "x-amz-copy-source" not in headers:
        # The request was taken for a plain upload, whose body would replace the object.
        raise S3Error("NotImplemented", Header="x-amz-copy-source")
    for name, value in amz.items():
        headers.setdefault(name, value)


def _head(request: Request, date: str, amz: Mapping[str, str]) -> str:
    """The string to sign up to the resource."""
    headers = request.headers
    lines = "".join([f"{name}:{amz[name]}\n" for name in sorted(amz)])
    md5, kind = headers.get("content-md5", ""), headers.get("content-type", "")
    return f"{request.method}\n{md5.strip()}\n{kind.strip()}\n{date}\n{lines}"


# Parameters that are signed with their value, decoded; every other that names a resource is
# signed by its name alone. The rest of a query (prefix, max-keys, ...) isn't signed at all.
_VALUED: Final = frozenset(
    {
        "partNumber",
        "response-cache-control",
        "response-content-disposition",
        "response-content-encoding",
        "response-content-language",
        "response-content-type",
        "response-expires",
        "select-type",
        "uploadId",
        "versionId",
    }
)
_SIGNED: Final = _VALUED | {"annotationName", *RESOURCES["bucket"], *RESOURCES["object"]}


def _resource(path: str, query: Mapping[str, str]) -> str:
    """The path as sent, the bucket in front, and the parameters that name a resource."""
    names = sorted(_SIGNED.intersection(query))
    named = [f"{name}={query[name]}" if name in _VALUED else name for name in names]
    return f"{path}?{'&'.join(named)}" if named else path


def _strings(head: str, resource: str) -> Iterator[bytes]:
    """The string to sign, and what clients sign instead for the same meaning: header values in
    UTF-8 that are sent in Latin-1; and a slash after a bucket, which boto3 adds in path style
    (S3 itself refuses that, and boto3 presigns so by default).
    """
    resources = [resource]
    path, mark, named = resource.partition("?")
    if path.rfind("/") == 0 and path != "/":
        resources.append(f"{path}/{mark}{named}")
    for each in resources:
        yield (head + each).encode("latin-1")
    if not head.isascii():
        for each in resources:
            yield head.encode() + each.encode("latin-1")


def _signature(secret: bytes, data: bytes) -> bytes:
    return b2a_base64(hmac.digest(secret, data, "sha1"), newline=False)


def _mismatch(access_key: str, text: str, given: str) -> S3Error:
    """The refusal of a signature, with the string it should have been made from."""
    return S3Error(
        "SignatureDoesNotMatch",
        AWSAccessKeyId=access_key,
        StringToSign=text,
        SignatureProvided=given,
        StringToSignBytes=canonical.hex_bytes(text),
    )
