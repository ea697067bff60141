"""Each refusal of a signature: its code, its words, its elements, and which comes first."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.signing import (
    ACCESS_KEY,
    HOST,
    NOW,
    REGION,
    REGIONS,
    SCOPE,
    STAMP,
    altered,
    by_botocore,
    find_key,
    seconds_after,
)

from bucketlog.s3 import sigv4
from bucketlog.s3.canonical import EMPTY_SHA256
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import ANONYMOUS, Request


def refusal(request: Request, now: int = NOW) -> S3Error:
    with pytest.raises(S3Error) as caught:
        sigv4.identify(request, find_key, now, REGIONS)
    return caught.value


def is_identified(request: Request, now: int = NOW) -> bool:
    identity = sigv4.identify(request, find_key, now, REGIONS)
    return bool(identity.caller.access_key == ACCESS_KEY)


Edit = Callable[[Request], Request]


def authorization(pattern: str, replacement: str) -> Edit:
    """Edits the Authorization header."""

    def edit(request: Request) -> Request:
        value = re.sub(pattern, replacement, request.headers["authorization"], count=1)
        assert value != request.headers["authorization"]
        return altered(request, authorization=value)

    return edit


def header(name: str, value: str | None) -> Edit:
    return lambda request: altered(request, **{name: value})


def query(pattern: str, replacement: str) -> Edit:
    """Edits the target."""

    def edit(request: Request) -> Request:
        target = re.sub(pattern, replacement, request.target, count=1)
        assert target != request.target
        return Request(request.method, target, request.version, dict(request.headers))

    return edit


MALFORMED = "The authorization header is malformed; "
THREE = (
    f"{MALFORMED}the authorization header requires three components: Credential, SignedHeaders, "
    "and Signature."
)
VERSION_2 = (
    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
)
ONE_SPACE = "Authorization header is invalid -- one and only one ' ' (space) required"
FORMAT = (
    'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
)
NO_DATE = "AWS authentication requires a valid Date or x-amz-date header"
PAYLOADS = (
    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, "
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER "
    "or a valid sha256 value."
)
NOT_SIGNED = "There were headers present in the request which were not signed"

# name: edit, code, message (None: the table's), some of the details
HEADER_CASES: dict[str, tuple[Edit, str, str | None, dict[str, str]]] = {
    "version 2": (
        header("authorization", "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg="),
        "InvalidRequest",
        VERSION_2,
        {},
    ),
    "version 4a": (
        authorization("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        "InvalidRequest",
        VERSION_2,
        {},
    ),
    "another scheme": (
        header("authorization", "Bearer x"),
        "InvalidArgument",
        "Unsupported Authorization Type",
        {"ArgumentName": "Authorization", "ArgumentValue": "Bearer x"},
    ),
    "no scheme": (
        header("authorization", "x"),
        "InvalidArgument",
        ONE_SPACE,
        {"ArgumentName": "Authorization", "ArgumentValue": "x"},
    ),
    "no payload hash": (
        header("x-amz-content-sha256", None),
        "InvalidRequest",
        "Missing required header for this request: x-amz-content-sha256",
        {},
    ),
    "no hash at all": (
        header("x-amz-content-sha256", "invalid"),
        "InvalidArgument",
        PAYLOADS,
        {"ArgumentName": "x-amz-content-sha256", "ArgumentValue": "invalid"},
    ),
    "a word in lower case": (
        header("x-amz-content-sha256", "unsigned-payload"),
        "InvalidArgument",
        PAYLOADS,
        {"ArgumentValue": "unsigned-payload"},
    ),
    "a hash too short": (
        header("x-amz-content-sha256", EMPTY_SHA256[1:]),
        "InvalidArgument",
        PAYLOADS,
        {},
    ),
    "a hash twice": (
        header("x-amz-content-sha256", f"{EMPTY_SHA256},{EMPTY_SHA256}"),
        "InvalidArgument",
        PAYLOADS,
        {},
    ),
    "chunks of version 4a": (
        header("x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"),
        "NotImplemented",
        None,
        {"Header": "x-amz-content-sha256"},
    ),
    "no date": (header("x-amz-date", None), "AccessDenied", NO_DATE, {}),
    "a date of another form": (
        header("x-amz-date", "2013-05-24T00:00:00Z"),
        "AccessDenied",
        NO_DATE,
        {},
    ),
    "a day that doesn't exist": (
        header("x-amz-date", "20130231T000000Z"),
        "AccessDenied",
        NO_DATE,
        {},
    ),
    "no credential": (
        authorization(r"Credential=\S+ ", ""),
        "AuthorizationHeaderMalformed",
        THREE,
        {},
    ),
    "no signed headers": (
        authorization(r"SignedHeaders=\S+ ", ""),
        "AuthorizationHeaderMalformed",
        THREE,
        {},
    ),
    "no signature": (
        authorization(r", Signature=.*", ""),
        "AuthorizationHeaderMalformed",
        THREE,
        {},
    ),
    "an empty signature": (
        authorization(r"Signature=.*", "Signature="),
        "SignatureDoesNotMatch",
        None,
        {"SignatureProvided": ""},
    ),
    "a credential of four parts": (
        authorization("/us-east-1/", "/"),
        "AuthorizationHeaderMalformed",
        MALFORMED + FORMAT,
        {},
    ),
    "a credential of six parts": (
        authorization("/us-east-1/", "/us-east-1/x/"),
        "AuthorizationHeaderMalformed",
        MALFORMED + FORMAT,
        {},
    ),
    "a scope's date too short": (
        authorization("/20130524/", "/2013052/"),
        "AuthorizationHeaderMalformed",
        MALFORMED + 'incorrect date format "2013052". This date in the credential must be in the '
        'format "yyyyMMdd".',
        {},
    ),
    "a scope's date that doesn't exist": (
        authorization("/20130524/", "/20131324/"),
        "AuthorizationHeaderMalformed",
        MALFORMED + 'incorrect date format "20131324". This date in the credential must be in the '
        'format "yyyyMMdd".',
        {},
    ),
    "a scope of another day": (
        authorization("/20130524/", "/20130523/"),
        "AuthorizationHeaderMalformed",
        MALFORMED + "Invalid credential date. Date is not the same as X-Amz-Date.",
        {},
    ),
    "an empty region": (
        authorization("/us-east-1/", "//"),
        "AuthorizationHeaderMalformed",
        MALFORMED + "a non-empty region must be provided in the credential.",
        {},
    ),
    "another region": (
        authorization("/us-east-1/", "/mars-1/"),
        "AuthorizationHeaderMalformed",
        MALFORMED + "the region 'mars-1' is wrong; expecting 'us-east-1'",
        {"Region": "us-east-1"},
    ),
    "another region and service": (
        authorization("/us-east-1/s3/", "/mars-1/ec2/"),
        "AuthorizationHeaderMalformed",
        MALFORMED + "the region 'mars-1' is wrong; expecting 'us-east-1'",
        {"Region": "us-east-1"},
    ),
    "another service": (
        authorization("/s3/", "/ec2/"),
        "AuthorizationHeaderMalformed",
        MALFORMED + 'incorrect service "ec2". This endpoint belongs to "s3".',
        {},
    ),
    "another terminal": (
        authorization("/aws4_request", "/aws5_request"),
        "AuthorizationHeaderMalformed",
        MALFORMED + 'incorrect terminal "aws5_request". This endpoint uses "aws4_request".',
        {},
    ),
    "a header of Amazon's that isn't signed": (
        header("x-amz-acl", "public-read"),
        "AccessDenied",
        NOT_SIGNED,
        {"HeadersNotSigned": "x-amz-acl"},
    ),
    "several headers that aren't signed": (
        lambda request: altered(
            authorization("SignedHeaders=host;", "SignedHeaders=")(request),
            x_amz_meta_a="b",
            content_md5="x",
        ),
        "AccessDenied",
        NOT_SIGNED,
        {"HeadersNotSigned": "content-md5, host, x-amz-meta-a"},
    ),
    "a date that isn't signed": (
        authorization(";x-amz-date", ""),
        "AccessDenied",
        NOT_SIGNED,
        {"HeadersNotSigned": "x-amz-date"},
    ),
    "an unknown key": (
        authorization(ACCESS_KEY, "AKIAUNKNOWN"),
        "InvalidAccessKeyId",
        None,
        {"AWSAccessKeyId": "AKIAUNKNOWN"},
    ),
    "a signature of something else": (
        authorization(r"Signature=.*", "Signature=" + "0" * 64),
        "SignatureDoesNotMatch",
        None,
        {"SignatureProvided": "0" * 64, "AWSAccessKeyId": ACCESS_KEY},
    ),
    "a signature in upper case": (
        lambda request: altered(
            request,
            authorization=request.headers["authorization"][:-64]
            + request.headers["authorization"][-64:].upper(),
        ),
        "SignatureDoesNotMatch",
        None,
        {},
    ),
    "a token that isn't signed": (
        header("x-amz-security-token", "t"),
        "AccessDenied",
        NOT_SIGNED,
        {"HeadersNotSigned": "x-amz-security-token"},
    ),
}


@pytest.mark.parametrize("name", HEADER_CASES)
def test_a_header_is_refused_with(name: str) -> None:
    edit, code, message, detail = HEADER_CASES[name]
    error = refusal(edit(by_botocore()))
    assert error.code == code
    assert error.message == message
    assert detail.items() <= error.detail.items()


def test_unsigned_headers_that_change_nothing_of_amazons_are_let_pass() -> None:
    request = altered(
        by_botocore(),
        user_agent="x",
        content_type="text/plain",
        range="bytes=0-1",
        if_match="x",
        x_amzn_trace_id="Root=1",
    )
    assert is_identified(request)


@pytest.mark.parametrize("value", ["AWS4-HMAC-SHA256 x", "", "Bearer x"])
@pytest.mark.parametrize("parameter", ["X-Amz-Algorithm=AWS4-HMAC-SHA256", "Signature=x"])
def test_a_header_and_a_query_are_one_mechanism_too_many(value: str, parameter: str) -> None:
    headers = {"host": HOST, "authorization": value}
    error = refusal(Request("GET", f"/b?{parameter}", "HTTP/1.1", headers))
    assert error.code == "InvalidArgument"
    assert error.text.startswith("Only one auth mechanism allowed; only the X-Amz-Algorithm query")
    assert error.detail == {"ArgumentName": "Authorization", "ArgumentValue": value}


def test_two_queries_are_one_mechanism_too_many() -> None:
    target = "/b?X-Amz-Algorithm=AWS4-HMAC-SHA256&Signature=x"
    error = refusal(Request("GET", target, "HTTP/1.1", {"host": HOST}))
    assert error.text.startswith("Only one auth mechanism allowed;")
    assert error.detail == {"ArgumentName": "Authorization"}


def test_a_query_of_version_2_is_not_supported() -> None:
    target = f"/b/k?AWSAccessKeyId={ACCESS_KEY}&Expires=1369353700&Signature=x%2By%3D"
    error = refusal(Request("GET", target, "HTTP/1.1", {"host": HOST}))
    assert (error.code, error.text) == ("InvalidRequest", VERSION_2)


# ------------------------------------------------------------ time


@pytest.mark.parametrize(
    ("seconds", "is_in_time"),
    [(0, True), (900, True), (-900, True), (900.001, False), (-900.001, False), (1e6, False)],
)
def test_a_signature_is_good_for_a_quarter_of_an_hour_either_way(
    seconds: float, is_in_time: bool
) -> None:
    request = by_botocore()
    now = seconds_after(seconds)
    if is_in_time:
        assert is_identified(request, now)
        return
    error = refusal(request, now)
    assert error.code == "RequestTimeTooSkewed"
    assert error.detail["RequestTime"] == STAMP
    assert error.detail["MaxAllowedSkewMilliseconds"] == "900000"
    assert re.fullmatch(
        r"20130[56]\d\dT\d\d:\d\d:\d\dZ|2013-\d\d-\d\dT\d\d:\d\d:\d\dZ",
        (error.detail["ServerTime"]),
    )


def test_the_servers_clock_is_told_in_seconds() -> None:
    error = refusal(by_botocore(), seconds_after(1000.5))
    assert error.detail["ServerTime"] == "2013-05-24T00:16:40Z"


def test_the_clock_comes_before_the_key_and_the_signature() -> None:
    late = seconds_after(10_000)
    for edit in (
        authorization(ACCESS_KEY, "AKIAUNKNOWN"),
        authorization("Signature=..", "Signature=00"),
        authorization("/s3/", "/ec2/"),
    ):
        assert refusal(edit(by_botocore()), late).code == "RequestTimeTooSkewed"


@pytest.mark.parametrize(
    ("expires", "seconds", "is_in_time"),
    [
        (60, 0, True),
        (60, 60, True),
        (60, -900, True),
        (60, 60.001, False),
        (604800, 604800, True),
        (604800, 604800.001, False),
        (1, 3600, False),
    ],
)
def test_a_presigned_url_is_good_until_it_expires(
    expires: int, seconds: float, is_in_time: bool
) -> None:
    request = by_botocore(expires=expires)
    now = seconds_after(seconds)
    if is_in_time:
        assert is_identified(request, now)
        return
    error = refusal(request, now)
    assert (error.code, error.text) == ("AccessDenied", "Request has expired")
    assert list(error.detail) == ["X-Amz-Expires", "Expires", "ServerTime"]
    assert error.detail["X-Amz-Expires"] == str(expires)


def test_the_refusal_of_an_expired_url_says_when_that_was() -> None:
    error = refusal(by_botocore(expires=60), seconds_after(3600))
    assert error.detail == {
        "X-Amz-Expires": "60",
        "Expires": "2013-05-24T00:01:00Z",
        "ServerTime": "2013-05-24T01:00:00Z",
    }


def test_a_presigned_url_is_not_good_before_its_time() -> None:
    error = refusal(by_botocore(expires=60), seconds_after(-900.001))
    assert (error.code, error.text) == ("AccessDenied", "Request is not yet valid")
    assert error.detail == {
        "X-Amz-Date": "1369353600000",
        "Expires": "2013-05-24T00:01:00Z",
        "ServerTime": "2013-05-23T23:44:59Z",
    }


# ------------------------------------------------------------ presigned

REQUIRED = (
    "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
    "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
)
PARSING = "Error parsing the X-Amz-Credential parameter; "
WEEK = (
    "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must "
    "be less than 604800 seconds"
)

QUERY_CASES: dict[str, tuple[Edit, str]] = {
    "another algorithm": (
        query("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
        'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"',
    ),
    **{
        f"no {name}": (query(rf"&{name}=[^&]*", ""), REQUIRED)
        for name in (
            "X-Amz-Credential",
            "X-Amz-Signature",
            "X-Amz-Date",
            "X-Amz-SignedHeaders",
            "X-Amz-Expires",
        )
    },
    "a date of another form": (
        query(STAMP, "2013-05-24T00:00:00Z"),
        "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
    ),
    "no number": (query("Expires=60", "Expires=1h"), "X-Amz-Expires should be a number"),
    "an empty number": (query("Expires=60", "Expires="), "X-Amz-Expires should be a number"),
    "a number of other digits": (
        query("Expires=60", "Expires=%D9%A3"),
        "X-Amz-Expires should be a number",
    ),
    "a negative number": (
        query("Expires=60", "Expires=-1"),
        "X-Amz-Expires must be non-negative",
    ),
    "more than a week": (query("Expires=60", "Expires=604801"), WEEK),
    "a credential of four parts": (query("%2Fus-east-1%2F", "%2F"), PARSING + FORMAT),
    "a scope's date too short": (
        query("%2F20130524%2F", "%2F2013%2F"),
        PARSING + 'incorrect date format "2013". This date in the credential must be in the '
        'format "yyyyMMdd".',
    ),
    "a scope of another day": (
        query("%2F20130524%2F", "%2F20130523%2F"),
        'Invalid credential date "20130523". This date is not the same as X-Amz-Date: "20130524".',
    ),
    "an empty region": (
        query("%2Fus-east-1%2F", "%2F%2F"),
        PARSING + "a non-empty region must be provided in the credential.",
    ),
    "another region": (
        query("%2Fus-east-1%2F", "%2Fmars-1%2F"),
        PARSING + "the region 'mars-1' is wrong; expecting 'us-east-1'",
    ),
    "another service": (
        query("%2Fs3%2F", "%2Fec2%2F"),
        PARSING + 'incorrect service "ec2". This endpoint belongs to "s3".',
    ),
    "another terminal": (
        query("%2Faws4_request", "%2Faws5_request"),
        PARSING + 'incorrect terminal "aws5_request". This endpoint uses "aws4_request".',
    ),
}


@pytest.mark.parametrize("name", QUERY_CASES)
def test_a_presigned_url_is_refused_with(name: str) -> None:
    edit, message = QUERY_CASES[name]
    error = refusal(edit(by_botocore(expires=60)))
    assert (error.code, error.text) == ("AuthorizationQueryParametersError", message)
    assert error.detail == ({"Region": "us-east-1"} if name == "another region" else {})


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (header("x-amz-acl", "public-read"), "AccessDenied"),
        (query("SignedHeaders=host", "SignedHeaders=date"), "AccessDenied"),
        (query(ACCESS_KEY, "AKIAUNKNOWN"), "InvalidAccessKeyId"),
        (query("Signature=.*", "Signature=00"), "SignatureDoesNotMatch"),
        (query("Signature=.*", "Signature=%E9"), "SignatureDoesNotMatch"),
        (query("Expires=60", "Expires=%2B60"), "SignatureDoesNotMatch"),
        (query("Expires=60", "Expires=61"), "SignatureDoesNotMatch"),
        (query("Expires=60", "Expires=0"), "SignatureDoesNotMatch"),
        (query("SignedHeaders=host", "SignedHeaders=host%3Bx%0A"), "SignatureDoesNotMatch"),
        (query("$", "&versionId=1"), "SignatureDoesNotMatch"),
    ],
)
def test_a_presigned_url_that_was_changed_is_refused(edit: Edit, code: str) -> None:
    assert refusal(edit(by_botocore(expires=60))).code == code


def test_the_clock_of_a_presigned_url_comes_before_its_signature() -> None:
    request = query("Signature=.*", "Signature=00")(by_botocore(expires=60))
    assert refusal(request, seconds_after(61)).text == "Request has expired"


# ------------------------------------------------------------ tokens and Regions


@pytest.mark.parametrize("expires", [None, 60])
def test_a_signed_token_is_none_of_ours(expires: int | None) -> None:
    error = refusal(by_botocore(token="a/token", expires=expires))
    assert error.code == "InvalidToken"
    assert error.detail == {"Token-0": "a/token"}


def test_a_key_that_only_mentions_a_token_is_no_token() -> None:
    assert is_identified(by_botocore(path="/b/X-Amz-Security-Token"))


@pytest.mark.parametrize("expires", [None, 60])
def test_the_wrong_region_of_two_is_refused_in_the_form_of_the_request(
    expires: int | None,
) -> None:
    request = by_botocore(expires=expires, region="eu-west-1")
    identity = sigv4.identify(request, find_key, NOW, REGIONS)
    error = sigv4.wrong_region(identity, REGION)
    begins, code = (
        (MALFORMED, "AuthorizationHeaderMalformed")
        if expires is None
        else (PARSING, "AuthorizationQueryParametersError")
    )
    assert error.code == code
    assert error.text == f"{begins}the region 'eu-west-1' is wrong; expecting 'us-east-1'"
    assert error.detail == {"Region": "us-east-1"}


def test_the_first_region_of_the_server_is_the_one_expected() -> None:
    request = by_botocore(region="mars-1")
    with pytest.raises(S3Error) as caught:
        sigv4.identify(request, find_key, NOW, ("eu-west-1", REGION))
    assert caught.value.detail == {"Region": "eu-west-1"}
    assert SCOPE.split("/")[1] == REGION


# ------------------------------------------------------------ anything at all

latin = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=40)
pieces = st.one_of(
    latin,
    st.sampled_from(
        [
            *("AWS4-HMAC-SHA256 ", "Credential=", ACCESS_KEY, f"/{SCOPE}", ", SignedHeaders="),
            *("host", ";", "x-amz-date", ", Signature=", "/", "=", ",", " ", "&", "%", "%C3"),
            *(f"X-Amz-{name}=" for name in ("Algorithm", "Credential", "Date", "Expires")),
            *("X-Amz-SignedHeaders=", "X-Amz-Signature=", "Signature=", "60", STAMP),
        ]
    ),
)
strings = st.lists(pieces, max_size=10).map("".join)


@settings(max_examples=400, deadline=None)
@given(
    authorization=st.none() | strings,
    query=strings,
    date=st.just(STAMP) | latin,
    payload=st.just(EMPTY_SHA256) | latin,
)
def test_any_request_is_anonymous_or_refused_unless_its_signature_proves_it(
    authorization: str | None, query: str, date: str, payload: str
) -> None:
    headers = {"host": HOST, "x-amz-date": date, "x-amz-content-sha256": payload}
    if authorization is not None:
        headers["authorization"] = authorization
    refused = identity = None
    try:
        identity = sigv4.identify(
            Request("GET", f"/b/k?{query}", "HTTP/1.1", headers), find_key, NOW, REGIONS
        )
    except S3Error as error:
        refused = error
    if refused is None:
        assert identity is not None
        assert identity.caller == ANONYMOUS
    else:
        assert refused.status in (400, 403, 501)
        assert all(isinstance(value, str) for value in refused.detail.values())
