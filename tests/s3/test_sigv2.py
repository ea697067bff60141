"""Signature Version 2 against botocore, boto3, Amazon's examples, and each refusal of S3's."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import partial
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.signing import (
    ACCESS_KEY,
    BOB,
    CREDENTIAL,
    EPOCH,
    NOW,
    REGIONS,
    SECRET_KEY,
    altered,
    find_key,
    seconds_after,
    seen,
)

from bucketlog.s3 import routing, sigv2, sigv4
from bucketlog.s3.claims import UNSIGNED_CHUNKS_TRAILER
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import ANONYMOUS, Caller, Request
from bucketlog.s3.operations import RESOURCES

DOMAIN = "s3.test"
DOMAINS = (DOMAIN,)
DATE = formatdate(EPOCH, usegmt=True)
Style = Literal["path", "host"]
STYLES: tuple[Style, ...] = ("path", "host")
FORMS = (None, 60)


def identify(request: Request, now: int = NOW) -> sigv4.Identity:
    version_2 = partial(sigv2.identify, domains=DOMAINS)
    return sigv4.identify(request, find_key, now, REGIONS, version_2)


def refusal(request: Request, now: int = NOW) -> S3Error:
    with pytest.raises(S3Error) as caught:
        identify(request, now)
    return caught.value


def is_proven(request: Request) -> bool:
    try:
        return identify(request).caller is not ANONYMOUS
    except S3Error:
        return False


def by_botocore(
    method: str = "GET",
    key: str = "k",
    *,
    query: str = "",
    headers: Iterable[tuple[str, str]] = (),
    expires: int | None = None,
    style: Style = "path",
    access_key: str = ACCESS_KEY,
    secret_key: str = SECRET_KEY,
    token: str | None = None,
) -> Request:
    """A request for an encoded key of "bucket", signed in the header or, given `expires`, in the
    query.
    """
    if style == "path":
        url, auth_path = f"http://{DOMAIN}:9000/bucket/{key}", None
    else:
        url, auth_path = f"http://bucket.{DOMAIN}:9000/{key}", f"/bucket/{key}"
    request = AWSRequest(method, url + (query and f"?{query}"), auth_path=auth_path)
    for name, value in headers:
        request.headers[name] = value
    credentials = Credentials(access_key, secret_key, token)
    signer = HmacV1Auth(credentials) if expires is None else HmacV1QueryAuth(credentials, expires)
    # Its clock, standing at an instant.
    signer._get_date = lambda: DATE if expires is None else str(EPOCH + expires)
    signer.add_auth(request)
    if expires is not None:
        del request.headers["Date"]
    return seen(request)


def retargeted(request: Request, target: str) -> Request:
    return Request(request.method, target, request.version, dict(request.headers))


# ------------------------------------------------------------ Amazon's examples


# "Authentication examples" of the page on Version 2: request line, headers, signature.
EXAMPLES: dict[str, tuple[str, dict[str, str], str]] = {
    "object get": (
        "GET /photos/puppy.jpg",
        {"host": "johnsmith.s3.test", "date": "Tue, 27 Mar 2007 19:36:42 +0000"},
        "bWq2s1WEIj+Ydj0vQ697zp+IXMU=",
    ),
    "object put": (
        "PUT /photos/puppy.jpg",
        {
            "host": "johnsmith.s3.test",
            "date": "Tue, 27 Mar 2007 21:15:45 +0000",
            "content-type": "image/jpeg",
            "content-length": "94328",
        },
        "MyyxeRY7whkBe+bq8fHCL/2kKUg=",
    ),
    "list": (
        "GET /?prefix=photos&max-keys=50&marker=puppy",
        {"host": "johnsmith.s3.test", "date": "Tue, 27 Mar 2007 19:42:41 +0000"},
        "htDYFYduRNen8P9ZfE/s9SuKy0U=",
    ),
    "fetch": (
        "GET /?acl",
        {"host": "johnsmith.s3.test", "date": "Tue, 27 Mar 2007 19:44:46 +0000"},
        "c2WLPFtWHVgbEmeEG93a4cG37dM=",
    ),
    "delete": (
        "DELETE /johnsmith/photos/puppy.jpg",
        {
            "host": "s3.test",
            "date": "Tue, 27 Mar 2007 21:20:27 +0000",
            "x-amz-date": "Tue, 27 Mar 2007 21:20:26 +0000",
        },
        # As its text has it; the signature that is printed there has this date in Date's place.
        "R4dJ53KECjStyBO5iTBJZ4XVOaI=",
    ),
    "upload": (
        "PUT /db-backup.dat.gz",
        {
            "host": "static.johnsmith.net.s3.test:8080",
            "date": "Tue, 27 Mar 2007 21:06:08 +0000",
            "x-amz-acl": "public-read",
            "content-type": "application/x-download",
            "content-md5": "4gJE4saaMU4BqNR0kLY+lw==",
            "x-amz-meta-reviewedby": "joe@johnsmith.net,jane@johnsmith.net",
            "x-amz-meta-filechecksum": "0x02661779",
            "x-amz-meta-checksumalgorithm": "crc32",
            "content-disposition": "attachment; filename=database.dat",
        },
        "ilyl83RwaSoYIEdixDQcA4OnAnc=",
    ),
    "list all my buckets": (
        "GET /",
        {"host": "s3.test", "date": "Wed, 28 Mar 2007 01:29:59 +0000"},
        "qGdzdERIC03wnaRNKh6OqZehG9s=",
    ),
    "unicode keys": (
        "GET /dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re",
        {"host": "s3.test", "date": "Wed, 28 Mar 2007 01:49:49 +0000"},
        "DNEZGsoieTZ92F3bUfSPQcbGmlM=",
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_amazons_documentation_are_proven(name: str) -> None:
    line, headers, signature = EXAMPLES[name]
    method, _, target = line.partition(" ")
    authorization = f"AWS {ACCESS_KEY}:{signature}"
    request = Request(method, target, "HTTP/1.1", {**headers, "authorization": authorization})
    day = {"27": 1174953600, "28": 1175040000}[headers["date"][5:7]]
    hours, minutes, seconds = map(int, headers["date"][17:25].split(":"))
    now = (day + hours * 3600 + minutes * 60 + seconds) * 1_000_000_000
    assert identify(request, now).caller.access_key == ACCESS_KEY


def test_the_url_of_amazons_documentation_is_proven() -> None:
    target = (
        f"/photos/puppy.jpg?AWSAccessKeyId={ACCESS_KEY}"
        "&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620"
    )
    request = Request("GET", target, "HTTP/1.1", {"host": "johnsmith.s3.test"})
    assert identify(request, 1175139620 * 1_000_000_000).caller.access_key == ACCESS_KEY


# ------------------------------------------------------------ who it is


@pytest.mark.parametrize(("expires", "kind"), [(None, "AuthHeader"), (60, "QueryString")])
def test_the_caller_is_known_and_no_region(expires: int | None, kind: str) -> None:
    identity = identify(by_botocore(expires=expires))
    assert identity.caller == Caller(CREDENTIAL.account, None, None, ACCESS_KEY, "SigV2", kind)
    assert identity.region is None
    assert identity.payload is sigv4.UNSIGNED
    bob = identify(
        by_botocore(expires=expires, access_key=BOB.access_key, secret_key=BOB.secret_key)
    )
    assert bob.caller.user_arn == BOB.user_arn


def test_a_hash_that_is_announced_of_the_body_is_to_be_checked() -> None:
    announced = [("x-amz-content-sha256", "ab" * 32)]
    assert identify(by_botocore("PUT", headers=announced)).payload == sigv4.Payload("ab" * 32)
    chunks = [("x-amz-content-sha256", UNSIGNED_CHUNKS_TRAILER)]
    payload = identify(by_botocore("PUT", headers=chunks)).payload
    assert (payload.is_chunked, payload.chain) == (True, None)


@pytest.mark.parametrize("expires", FORMS)
def test_where_version_2_does_not_count_it_is_refused_by_name(expires: int | None) -> None:
    with pytest.raises(S3Error) as caught:
        sigv4.identify(by_botocore(expires=expires), find_key, NOW, REGIONS)
    assert caught.value.code == "InvalidRequest"
    assert caught.value.text.endswith("is not supported. Please use AWS4-HMAC-SHA256.")


# ------------------------------------------------------------ what botocore signs

ODD_KEYS = [
    "",
    "a/b//c/./../d",
    "a b+c%20d",
    "a%2Fb%2f",
    "~tilde~",
    "ü/日本/😀",
    "a=b&c=d;e?f#g",
    "$@!*(),:;[]{}|\\^<>'\"`",
    "\t\n\x7f\x00",
    "trailing/",
]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("expires", FORMS)
@pytest.mark.parametrize("key", ODD_KEYS)
def test_every_odd_key_is_proven_as_botocore_signs_it(
    key: str, expires: int | None, style: Style
) -> None:
    request = by_botocore(key=quote(key, safe="/~"), expires=expires, style=style)
    assert identify(request).caller.access_key == ACCESS_KEY


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
odd_texts = st.one_of(texts, st.text("/.~%+ '\"&=?#2Fü😀", max_size=20))
BOTH_SIGN = sorted(
    set(HmacV1Auth.QSAOfInterest) & (sigv2._VALUED | {*RESOURCES["bucket"], *RESOURCES["object"]})
)
parameters = st.dictionaries(
    st.one_of(
        st.sampled_from(BOTH_SIGN),
        st.sampled_from(["prefix", "list-type", "max-keys", "ACL", "x-id"]),
    ),
    odd_texts,
    max_size=5,
)


def encoded(query: dict[str, str]) -> str:
    """As boto3 sends it: what is signed by its name alone has no value."""
    return "&".join(
        f"{name}={quote(value, safe='-_.~')}"
        if name in sigv2._VALUED or name not in BOTH_SIGN
        else name
        for name, value in query.items()
    )


@settings(max_examples=150, deadline=None)
@given(
    key=odd_texts,
    query=parameters,
    expires=st.sampled_from(FORMS),
    style=st.sampled_from(STYLES),
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "POST"]),
)
def test_any_key_and_query_is_proven_as_botocore_signs_it(
    key: str, query: dict[str, str], expires: int | None, style: Style, method: str
) -> None:
    request = by_botocore(
        method, quote(key, safe="/~"), query=encoded(query), expires=expires, style=style
    )
    assert identify(request).caller.access_key == ACCESS_KEY


@settings(max_examples=100, deadline=None)
@given(
    values=st.dictionaries(
        st.one_of(
            st.from_regex(r"x-amz-meta-[a-z0-9]{1,8}", fullmatch=True),
            st.sampled_from(["Content-Type", "Content-MD5", "X-Amz-Acl", "x-other"]),
        ),
        st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=40).filter(
            # What Python's str, but not HTTP, calls blank or a control character.
            lambda text: not re.search(r"[\x7f-\xa0]", text)
        ),
        max_size=4,
    )
)
def test_any_header_values_are_proven_as_botocore_signs_them(values: dict[str, str]) -> None:
    request = by_botocore("PUT", headers=values.items())
    assert identify(request).caller.access_key == ACCESS_KEY


def test_values_of_one_header_sent_twice_are_joined() -> None:
    twice = [("x-amz-meta-a", "1"), ("X-Amz-Meta-A", "2")]
    request = by_botocore("PUT", headers=twice)
    assert request.headers["x-amz-meta-a"] == "1,2"
    assert is_proven(request)


# Method of a client, its parameters, and the headers whoever uses the URL must send.
PRESIGNED: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "object": ("get_object", {"Key": "a b/ü+%41"}, {}),
    "overrides": (
        "get_object",
        {
            "Key": "k",
            "VersionId": "a+b/=",
            "ResponseContentDisposition": 'attachment; filename="a b+c;ü.txt"',
            "ResponseContentType": "text/plain; charset=utf-8",
            "ResponseCacheControl": "no-cache",
        },
        {},
    ),
    "upload": (
        "put_object",
        {"Key": "k", "ContentType": "text/x", "ACL": "private", "Metadata": {"a": "b c"}},
        {"content-type": "text/x"},
    ),
    "part": ("upload_part", {"Key": "k", "UploadId": "u+/=", "PartNumber": 3}, {}),
    "listing": ("list_objects_v2", {"Prefix": "a b", "Delimiter": "/"}, {}),
    "versions": ("list_object_versions", {}, {}),
    "sub-resource": ("get_bucket_logging", {}, {}),
    "deletion": ("delete_object", {"Key": "k", "VersionId": "v"}, {}),
    "new bucket": ("create_bucket", {}, {}),
}


def client(style: Style) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://{DOMAIN}:9000",
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": {"host": "virtual"}.get(style, style)}),
    )


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", PRESIGNED)
def test_what_boto3_presigns_by_default_is_proven(name: str, style: Style) -> None:
    operation, params, headers = PRESIGNED[name]
    url = urlsplit(
        client(style).generate_presigned_url(operation, Params={"Bucket": "bucket", **params})
    )
    assert "AWSAccessKeyId" in url.query
    assert url.netloc == f"{'bucket.' * (style == 'host')}{DOMAIN}:9000"
    method = routing_method(operation)
    request = Request(
        method, f"{url.path}?{url.query}", "HTTP/1.1", {"host": url.netloc, **headers}
    )
    assert identify(request, time.time_ns()).caller.signature_version == "SigV2"


def routing_method(operation: str) -> str:
    verbs = {"get": "GET", "list": "GET", "delete": "DELETE"}
    return verbs.get(operation.partition("_")[0], "PUT")


def test_a_url_for_the_list_of_buckets_is_proven() -> None:
    url = urlsplit(client("path").generate_presigned_url("list_buckets"))
    request = Request("GET", f"/?{url.query}", "HTTP/1.1", {"host": url.netloc})
    assert is_proven_now(request)


def is_proven_now(request: Request) -> bool:
    return identify(request, time.time_ns()).caller.access_key == ACCESS_KEY


def test_both_styles_and_a_target_in_absolute_form_have_the_same_signature() -> None:
    path, host = by_botocore(), by_botocore(style="host")
    assert path.headers["authorization"] == host.headers["authorization"]
    absolute = Request("GET", f"http://bucket.{DOMAIN}/k", "HTTP/1.1", path.headers)
    assert routing.addressed(absolute, DOMAINS) == ("bucket", "/k")
    assert is_proven(absolute)
    assert not is_proven(altered(host, host="another.s3.test"))


# ------------------------------------------------------------ parameters that are headers


def test_an_amz_parameter_counts_as_the_header_of_its_name() -> None:
    extra = [("x-amz-acl", "private"), ("X-Amz-Meta-A", "ü ,b")]
    request = by_botocore("PUT", headers=extra, expires=60)
    assert "x-amz-meta-a=" in request.target
    assert is_proven(altered(request, x_amz_meta_a=None))  # one sent as both, one as a parameter
    without = Request("PUT", request.target, "HTTP/1.1", {"host": request.headers["host"]})
    assert is_proven(without)
    assert without.headers["x-amz-acl"] == "private"
    assert without.headers["x-amz-meta-a"].encode("latin-1").decode() == "ü ,b"


def test_a_header_that_says_other_than_its_parameter_is_refused() -> None:
    request = by_botocore("PUT", headers=[("x-amz-acl", "private")], expires=60)
    assert refusal(altered(request, x_amz_acl="public-read")).code == "SignatureDoesNotMatch"
    no_header = altered(request, x_amz_acl=None)
    more = retargeted(no_header, no_header.target + "&X-Amz-Acl=public-read")
    assert refusal(more).code == "SignatureDoesNotMatch"
    assert "x-amz-acl" not in more.headers


@pytest.mark.parametrize("parameter", ["x-amz-meta-a=1%0Ax-amz-acl:private", "x-amz-a%0A=1"])
def test_a_parameter_that_can_be_no_header_is_refused(parameter: str) -> None:
    headers = [("x-amz-meta-a", "1"), ("x-amz-acl", "private")]
    request = by_botocore("PUT", headers=headers, expires=60)
    path, _, query = request.target.partition("?")
    pairs = [pair for pair in query.split("&") if not pair.startswith("x-amz-")]
    forged = Request("PUT", f"{path}?{'&'.join([*pairs, parameter])}", "HTTP/1.1", {"host": DOMAIN})
    error = refusal(forged)
    assert (error.code, error.detail["ArgumentName"][:6]) == ("InvalidArgument", "x-amz-")


def test_a_copy_that_only_a_parameter_asks_for_is_not_taken_for_an_upload() -> None:
    request = by_botocore("PUT", headers=[("x-amz-copy-source", "b/k")], expires=60)
    assert is_proven(request)
    assert refusal(altered(request, x_amz_copy_source=None)).code == "NotImplemented"


@pytest.mark.parametrize("expires", FORMS)
def test_a_token_is_none_of_ours(expires: int | None) -> None:
    request = by_botocore(expires=expires, token="a/token")
    for each in (request, altered(request, x_amz_security_token=None)):
        if "token" in f"{each.headers}{each.target}":
            error = refusal(each)
            assert (error.code, error.detail) == ("InvalidToken", {"Token-0": "a/token"})


# ------------------------------------------------------------ what is altered is refused


def alterations(request: Request) -> list[Request]:
    changed = [Request("POST", request.target, "HTTP/1.1", dict(request.headers))]
    path, _, query = request.target.partition("?")
    changed += [
        retargeted(request, f"{path[:at]}!{path[at + 1 :]}?{query}") for at in range(1, len(path))
    ]
    changed.append(retargeted(request, f"{path}/?{query}"))
    pairs = query.split("&")
    for at, pair in enumerate(pairs):
        if pair.partition("=")[0] in ("prefix", "Signature", "content-type"):
            continue
        other = pair[:-1] + ("0" if pair[-1:] != "0" else "1")
        changed.append(retargeted(request, f"{path}?{'&'.join([*pairs[:at], other])}"))
        changed.append(retargeted(request, f"{path}?{'&'.join([*pairs[:at], *pairs[at + 1 :]])}"))
        changed.append(retargeted(request, f"{request.target}&{other}"))
        changed.append(retargeted(request, f"{request.target}&%{ord(other[0]):02X}{other[1:]}"))
    for name, value in request.headers.items():
        if name not in ("authorization", "host", "x-other"):
            other = value[:-1] + ("0" if value[-1:] != "0" else "1")
            changed += [altered(request, **{name: other}), altered(request, **{name: None})]
    changed.append(altered(request, x_amz_more="1"))
    changed.append(altered(request, content_md5="1"))
    authorization = request.headers.get("authorization", "")
    changed += [
        altered(request, authorization=f"{authorization[:at]}!{authorization[at + 1 :]}")
        for at in range(len("AWS "), len(authorization))
    ]
    signature = query.find("Signature=")
    if signature >= 0:
        start = signature + len("Signature=")
        end = query.find("&", start)
        changed += [
            retargeted(request, f"{path}?{query[:at]}!{query[at + 1 :]}")
            for at in range(start, end)
        ]
    return changed


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("expires", FORMS)
def test_altering_any_signed_part_is_refused(expires: int | None, style: Style) -> None:
    headers = [("content-type", "text/x"), ("x-amz-meta-a", "b"), ("x-other", "1")]
    request = by_botocore(
        "PUT",
        "key",
        query="versionId=3&prefix=a&partNumber=2&uploadId=u",
        headers=headers,
        expires=expires,
        style=style,
    )
    if expires is not None:
        request = altered(request, x_amz_meta_a=None)  # the parameter counts as this header
    assert is_proven(altered(request))
    assert is_proven(altered(request, x_other=None))
    cases = alterations(request)
    assert len(cases) > 50
    assert [case for case in cases if is_proven(case)] == []


@pytest.mark.parametrize("expires", FORMS)
@pytest.mark.parametrize("name", sorted({*RESOURCES["bucket"], *RESOURCES["object"]}))
def test_what_is_signed_for_an_object_is_not_for_its_sub_resources(
    name: str, expires: int | None
) -> None:
    request = by_botocore(expires=expires)
    mark = "?" if expires is None else "&"
    for more in (name, f"{name}=", f"%{ord(name[0]):02X}{name[1:]}=1"):
        other = retargeted(request, f"{request.target}{mark}{more}")
        assert refusal(other).code == "SignatureDoesNotMatch"


def test_one_more_version_does_not_change_which_is_signed() -> None:
    request = by_botocore(query="versionId=1", expires=60)
    more = retargeted(request, f"{request.target}&versionId=2")
    assert routing.route(more, DOMAINS).version_id == "2"
    assert refusal(more).code == "SignatureDoesNotMatch"


def test_the_slash_that_may_follow_a_bucket_is_not_one_of_a_key() -> None:
    """boto3 signs "/bucket/" where it sends "/bucket"."""
    bucket = by_botocore(key="")
    assert is_proven(retargeted(bucket, "/bucket"))
    assert is_proven(bucket)
    key = by_botocore(key="k/")
    assert is_proven(key)
    assert not is_proven(retargeted(key, "/bucket/k"))


# ------------------------------------------------------------ refusals


def test_a_mismatch_shows_what_should_have_been_signed() -> None:
    request = by_botocore(
        "PUT",
        query="uploadId=u%2F1&partNumber=2&acl&prefix=p",
        headers=[("Content-Type", "text/x"), ("x-amz-b", " 1 "), ("x-amz-a", "2")],
        secret_key="another",
        style="host",
    )
    error = refusal(request)
    assert error.code == "SignatureDoesNotMatch"
    text = f"PUT\n\ntext/x\n{DATE}\nx-amz-a:2\nx-amz-b:1\n/bucket/k?acl&partNumber=2&uploadId=u/1"
    assert error.detail == {
        "AWSAccessKeyId": ACCESS_KEY,
        "StringToSign": text,
        "SignatureProvided": request.headers["authorization"].rpartition(":")[2],
        "StringToSignBytes": text.encode().hex(" "),
    }


def test_a_key_that_nobody_has_is_refused_by_name() -> None:
    for expires in FORMS:
        error = refusal(by_botocore(expires=expires, access_key="AKIANOBODY"))
        assert error.code == "InvalidAccessKeyId"
        assert error.detail == {"AWSAccessKeyId": "AKIANOBODY"}


ONE_SPACE = "Authorization header is invalid -- one and only one ' ' (space) required"
EXPECTED = "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature"


@pytest.mark.parametrize(
    ("authorization", "text"),
    [
        ("AWS", ONE_SPACE),
        ("AWS  AK:sig", ONE_SPACE),
        ("AWS AK", EXPECTED),
        ("AWS AK:", EXPECTED),
        ("AWS AK:sig:more", EXPECTED),
        ("AWS ", EXPECTED),
    ],
)
def test_a_header_of_another_shape_is_refused(authorization: str, text: str) -> None:
    error = refusal(altered(by_botocore(), authorization=authorization))
    assert (error.code, error.text) == ("InvalidArgument", text)
    assert error.detail == {"ArgumentName": "Authorization", "ArgumentValue": authorization}


NO_DATE = "AWS authentication requires a valid Date or x-amz-date header"


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "Tue, 07 Jul 1950 21:53:04 GMT", str(EPOCH), "20130524"]
)
def test_a_header_without_a_date_is_refused(date: str | None) -> None:
    error = refusal(altered(by_botocore(), date=date))
    assert (error.code, error.text) == ("AccessDenied", NO_DATE)
    if date is not None:
        assert refusal(altered(by_botocore(), x_amz_date=date)).text == NO_DATE


@pytest.mark.parametrize(("skew", "fits"), [(-900, True), (900, True), (-901, False), (901, False)])
def test_a_clock_may_differ_by_a_quarter_of_an_hour(skew: int, fits: bool) -> None:
    request = by_botocore()
    now = seconds_after(skew)
    if fits:
        assert identify(request, now).caller.access_key == ACCESS_KEY
    else:
        error = refusal(request, now)
        assert error.code == "RequestTimeTooSkewed"
        assert error.detail["RequestTime"] == DATE
        assert error.detail["MaxAllowedSkewMilliseconds"] == "900000"


@pytest.mark.parametrize("stamp", [DATE, "20130524T000000Z"])
def test_x_amz_date_counts_before_date_and_is_signed_among_its_kind(stamp: str) -> None:
    request = by_botocore()
    text = f"GET\n\n\n\nx-amz-date:{stamp}\n/bucket/k"
    for date in (None, "Tue, 27 Mar 2007 19:36:42 +0000", "garbage"):
        unsigned = altered(request, x_amz_date=stamp, date=date)
        error = refusal(unsigned)
        assert error.detail["StringToSign"] == text
        signature = HmacV1Auth(Credentials(ACCESS_KEY, SECRET_KEY)).sign_string(text)
        signed = altered(unsigned, authorization=f"AWS {ACCESS_KEY}:{signature}")
        assert is_proven(signed)


MISSING = (
    "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters"
)


@pytest.mark.parametrize("name", ["AWSAccessKeyId", "Expires"])
def test_a_url_that_lacks_a_parameter_is_refused(name: str) -> None:
    request = by_botocore(expires=60)
    cut = retargeted(request, re.sub(rf"(?<=[?&]){name}=[^&]*&?", "", request.target))
    error = refusal(cut)
    assert (error.code, error.text) == ("AccessDenied", MISSING)


def test_a_url_without_a_signature_is_nobodys() -> None:
    """As on S3: only Signature says that a URL is signed by Version 2."""
    request = by_botocore(expires=60)
    cut = retargeted(request, re.sub(r"Signature=[^&]*&", "", request.target))
    assert identify(cut).caller is ANONYMOUS


@pytest.mark.parametrize(
    "expires",
    ["", "soon", "1e9", "0x5", "1369353660 ", "1369353660\n", "2147483648", "9" * 30, "-" * 2, "٣"],
)
def test_an_end_that_is_no_second_is_refused(expires: str) -> None:
    request = by_botocore(expires=60)
    odd = retargeted(
        request, re.sub(r"Expires=\d+", f"Expires={quote(expires, safe='')}", request.target)
    )
    error = refusal(odd)
    assert error.code == "AccessDenied"
    shown = expires.encode().decode("latin-1")
    assert error.text == f"Invalid date (should be seconds since epoch): {shown}"


@pytest.mark.parametrize("expires", [0, 60, 2**31 - 1 - EPOCH])
def test_a_url_counts_until_its_last_second(expires: int) -> None:
    """However far that is: a week is a limit of Version 4."""
    request = by_botocore(expires=expires)
    assert identify(request, seconds_after(expires)).caller.access_key == ACCESS_KEY
    error = refusal(request, seconds_after(expires) + 1)
    assert (error.code, error.text) == ("AccessDenied", "Request has expired")
    assert list(error.detail) == ["Expires", "ServerTime"]
    if expires == 60:
        assert error.detail["Expires"] == error.detail["ServerTime"] == "2013-05-24T00:01:00Z"


def test_an_end_before_1970_has_passed() -> None:
    request = by_botocore(expires=60)
    past = retargeted(request, re.sub(r"Expires=\d+", "Expires=-9999999999", request.target))
    assert refusal(past).detail["Expires"] == "1653-02-10T06:13:21Z"


@pytest.mark.parametrize("other", ["AWS AK:sig", "AWS4-HMAC-SHA256 x", "Bearer x"])
def test_a_url_and_a_header_are_one_signature_too_many(other: str) -> None:
    error = refusal(altered(by_botocore(expires=60), authorization=other))
    assert error.code == "InvalidArgument"
    assert error.text.startswith("Only one auth mechanism allowed")


@settings(max_examples=200, deadline=None)
@given(
    target=st.text(st.characters(max_codepoint=0xFF), max_size=60),
    query=st.text("AWSKeyIdExpires=&Signature%0123456789-x-amz:,", max_size=40),
    authorization=st.one_of(st.none(), st.text(st.characters(max_codepoint=0xFF), max_size=30)),
    date=st.one_of(st.none(), st.just(DATE), st.text(st.characters(max_codepoint=0xFF))),
)
def test_nothing_but_a_refusal_comes_of_garbage(
    target: str, query: str, authorization: str | None, date: str | None
) -> None:
    signed = f"/{target}?Signature=x&AWSAccessKeyId={ACCESS_KEY}&Expires={EPOCH}&{query}"
    headers = {"host": "b.s3.test"}
    if date is not None:
        headers["date"] = date
    if authorization is not None:
        headers["authorization"] = f"AWS {authorization}"
        signed = f"/{target}?{query}"
    request = Request("GET", signed, "HTTP/1.1", headers)
    assert not is_proven(request)
