"""No document, however odd, breaks the reading or the judging of policies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.parties import BOB, bucket, context, document, user

from bucketlog.s3 import policy
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import ANONYMOUS, Caller
from bucketlog.s3.policy_context import KEYS, Question

HERE = "arn:aws:s3:::box"
INSIDE = f"{HERE}/*"
CALLERS = (ANONYMOUS, user(BOB, "bob"), Caller(service="logging.s3.amazonaws.com"))

OPERATORS = [
    "StringEquals",
    "ForAllValues:StringNotLike",
    "NumericLessThanIfExists",
    "DateGreaterThan",
    "Bool",
    "BinaryEquals",
    "NotIpAddress",
    "ForAnyValue:ArnLike",
    "Null",
]
scalars = (
    st.text("a*?${}:/'.,0129", max_size=12)
    | st.sampled_from(["*", HERE, INSIDE, f"{HERE}/${{aws:username}}", "s3:*", "s3:GetObject"])
    | st.sampled_from(["true", "10.0.0.0/8", "2026-01-01", "7", "${aws:username, 'x'}"])
    | st.integers()
    | st.booleans()
    | st.none()
    | st.floats()
)
some_values = scalars | st.lists(scalars, max_size=3)
some_conditions = st.dictionaries(
    st.sampled_from(OPERATORS),
    st.dictionaries(st.sampled_from(sorted(KEYS)), some_values, max_size=2),
    max_size=2,
)
some_statements = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"])},
    optional={
        "Principal": st.just("*") | st.dictionaries(st.just("AWS"), some_values) | some_values,
        "NotPrincipal": some_values,
        "Action": st.sampled_from(["s3:*", "s3:GetObject"]) | some_values,
        "NotAction": some_values,
        "Resource": st.sampled_from([INSIDE, f"{HERE}/${{aws:userid}}*"]) | some_values,
        "NotResource": some_values,
        "Condition": some_conditions | some_values,
    },
)
likely_statements = st.builds(
    lambda effect, condition: {
        "Effect": effect,
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [HERE, INSIDE],
        "Condition": condition,
    },
    st.sampled_from(["Allow", "Deny"]),
    some_conditions,
)


@given(st.lists(some_statements | likely_statements, max_size=3), st.text(max_size=8))
def test_any_document_is_refused_as_malformed_or_can_be_judged(
    statements: list[dict[str, Any]], key: str
) -> None:
    try:
        parsed = policy.parse(document(*statements), "box")
    except S3Error as error:
        if error.code != "MalformedPolicy":
            raise
        return
    for caller in CALLERS:
        question = Question(caller, "s3:GetObject", bucket(), key, None, context())
        assert parsed.evaluate(question) in ("allow", "deny", None)
    assert policy.is_public(parsed) in (True, False)


@given(st.binary(max_size=40) | st.text(max_size=40))
def test_any_bytes_are_refused_as_malformed(text: bytes | str) -> None:
    with pytest.raises(S3Error, match="MalformedPolicy"):
        policy.parse(text, "box")
