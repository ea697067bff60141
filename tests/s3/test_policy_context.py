"""The value of each condition key, as the guide describes it."""

from __future__ import annotations

import pytest
from tests.support.parties import ALICE, BOB, NOON, bucket, context, root, user

from bucketlog.s3 import policy_context
from bucketlog.s3.model import ANONYMOUS, Caller
from bucketlog.s3.policy_context import KEYS, Context, Question
from bucketlog.s3.wildcards import Value

BOB_USER = user(BOB, "team/bob")
SERVICE = Caller(service="logging.s3.amazonaws.com")
PRESIGNED = Caller(BOB, None, None, "AK", "SigV4", "QueryString")
V2 = Caller(BOB, None, None, "AK", "SigV2", "AuthHeader")


def value(
    key: str,
    caller: Caller = ANONYMOUS,
    around: Context | None = None,
    version_id: str | None = None,
) -> Value:
    where = context() if around is None else around
    question = Question(caller, "s3:GetObject", bucket("box", ALICE), "k", version_id, where)
    return question.lookup(key)


@pytest.mark.parametrize(
    ("key", "caller", "expected"),
    [
        ("aws:principaltype", ANONYMOUS, "Anonymous"),
        ("aws:principaltype", root(BOB), "Account"),
        ("aws:principaltype", BOB_USER, "User"),
        ("aws:principaltype", SERVICE, None),
        ("aws:principalarn", ANONYMOUS, None),
        ("aws:principalarn", root(BOB), "arn:aws:iam::222222222222:root"),
        ("aws:principalarn", BOB_USER, "arn:aws:iam::222222222222:user/team/bob"),
        ("aws:principalaccount", ANONYMOUS, None),
        ("aws:principalaccount", BOB_USER, "222222222222"),
        ("aws:username", root(BOB), None),
        ("aws:username", BOB_USER, "bob"),
        ("aws:userid", ANONYMOUS, "anonymous"),
        ("aws:userid", root(BOB), "222222222222"),
        ("aws:userid", BOB_USER, None),
        ("aws:userid", SERVICE, None),
        ("aws:principalisawsservice", ANONYMOUS, "false"),
        ("aws:principalisawsservice", SERVICE, "true"),
        ("aws:principalservicename", BOB_USER, None),
        ("aws:principalservicename", SERVICE, "logging.s3.amazonaws.com"),
        ("aws:principalservicenameslist", BOB_USER, None),
        ("aws:principalservicenameslist", SERVICE, ("logging.s3.amazonaws.com",)),
        ("s3:authtype", ANONYMOUS, None),
        ("s3:authtype", BOB_USER, "REST-HEADER"),
        ("s3:authtype", PRESIGNED, "REST-QUERY-STRING"),
        ("s3:signatureversion", ANONYMOUS, None),
        ("s3:signatureversion", BOB_USER, "AWS4-HMAC-SHA256"),
        ("s3:signatureversion", V2, "AWS"),
        ("s3:signatureage", ANONYMOUS, None),
        ("aws:viaawsservice", BOB_USER, "false"),
        ("aws:resourceaccount", BOB_USER, "111111111111"),
        ("s3:resourceaccount", BOB_USER, "111111111111"),
        ("aws:requestedregion", BOB_USER, "us-east-1"),
        ("aws:multifactorauthpresent", BOB_USER, None),
        ("s3:existingobjecttag/team", BOB_USER, None),
        ("aws:weather", BOB_USER, None),
    ],
)
def test_what_is_known_of_a_caller(key: str, caller: Caller, expected: Value) -> None:
    assert value(key, caller) == expected


HEADERS = {
    "referer": "http://example.com/",
    "user-agent": "curl/8",
    "x-amz-acl": "public-read",
    "x-amz-copy-source": "/a/b",
    "x-amz-date": "20260101T115930Z",
}
FULL = context(HEADERS, {"prefix": "a/", "delimiter": "/", "max-keys": "7"})


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("aws:sourceip", "192.0.2.3"),
        ("aws:securetransport", "true"),
        ("s3:tlsversion", "1.3"),
        ("aws:currenttime", "2026-01-01T12:00:00Z"),
        ("aws:epochtime", "1767268800"),
        ("aws:referer", "http://example.com/"),
        ("aws:useragent", "curl/8"),
        ("s3:x-amz-acl", "public-read"),
        ("s3:x-amz-copy-source", "/a/b"),
        ("s3:x-amz-storage-class", None),
        ("s3:prefix", "a/"),
        ("s3:delimiter", "/"),
        ("s3:max-keys", "7"),
        ("s3:signatureage", "30000"),
        ("aws:sourcearn", None),
        ("aws:sourceaccount", None),
    ],
)
def test_what_is_known_of_a_request(key: str, expected: Value) -> None:
    assert value(key, BOB_USER, FULL) == expected


def test_what_is_known_of_a_request_in_the_clear() -> None:
    clear = context(tls=None, ip=None)
    assert value("aws:securetransport", around=clear) == "false"
    assert value("s3:tlsversion", around=clear) is None
    assert value("aws:sourceip", around=clear) is None
    assert value("s3:prefix", around=clear) is None


@pytest.mark.parametrize(("name", "number"), [("TLSv1", "1.0"), ("TLSv1.2", "1.2")])
def test_a_tls_version_is_a_number(name: str, number: str) -> None:
    assert value("s3:tlsversion", around=context(tls=name)) == number


def test_the_age_of_a_signature_comes_from_the_query_too_or_is_unknown() -> None:
    presigned = context(query={"X-Amz-Date": "20260101T110000Z"})
    assert value("s3:signatureage", PRESIGNED, presigned) == "3600000"
    assert value("s3:signatureage", PRESIGNED, context({"x-amz-date": "noon"})) is None


def test_the_version_asked_for_is_known() -> None:
    assert value("s3:versionid", version_id="v1") == "v1"
    assert value("s3:versionid") is None


def test_what_a_service_acts_for_is_known() -> None:
    request = context().request
    acting = Context(request, NOON, source_arn="arn:aws:s3:::src", source_account=ALICE.account_id)
    assert value("aws:sourcearn", SERVICE, acting) == "arn:aws:s3:::src"
    assert value("aws:sourceaccount", SERVICE, acting) == "111111111111"


def test_keys_are_in_lower_case_and_known() -> None:
    for key in KEYS:
        assert key == key.lower()
        assert policy_context.is_known(key)
    assert policy_context.is_known("s3:existingobjecttag/any thing")
    assert not policy_context.is_known("s3:existingobjecttag/")
    assert not policy_context.is_known("s3:existingobjecttag")
