"""Every condition operator, on values that are there, that are many, and that aren't there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.s3 import policy_conditions
from bucketlog.s3.errors import S3Error
from bucketlog.s3.wildcards import Value

KEY = "aws:x"


def holds(
    operator: str, wanted: list[str], value: Value, others: dict[str, Value] | None = None
) -> bool:
    how = policy_conditions.operator(operator)
    predicate = policy_conditions.predicate(how, KEY, wanted, variables=True)
    return predicate({KEY: value, **(others or {})}.get)


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "result"),
    [
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", ["a", "b"], "B", False),
        ("StringEquals", ["*"], "b", False),
        ("StringEqualsIgnoreCase", ["AbC"], "aBc", True),
        ("StringLike", ["a*", "?"], "abc", True),
        ("StringLike", ["a*"], "Abc", False),
        ("StringLike", [], "a", False),
        ("NumericEquals", ["10"], "10.0", True),
        ("NumericEquals", ["10"], "ten", False),
        ("NumericLessThan", ["10"], "9", True),
        ("NumericLessThan", ["10"], "10", False),
        ("NumericLessThanEquals", ["10"], "10", True),
        ("NumericGreaterThan", ["1.2"], "1.3", True),
        ("NumericGreaterThan", ["1.2"], "1.2", False),
        ("NumericGreaterThanEquals", ["-1.5"], "-1.5", True),
        ("NumericEquals", ["9007199254740993"], "9007199254740992", False),
        ("DateEquals", ["2026-01-01T00:00:00Z"], "1767225600", True),
        ("DateEquals", ["2026-01-01T01:00:00+01:00"], "2026-01-01T00:00:00Z", True),
        ("DateEquals", ["2026"], "2026-01-01", True),
        ("DateEquals", ["2026-02"], "2026-02-01T00:00:00", True),
        ("DateLessThan", ["2026-01-01T00:00:00Z"], "2025-12-31T23:59:59.5Z", True),
        ("DateLessThanEquals", ["1767225600"], "2026-01-01T00:00:00Z", True),
        ("DateGreaterThan", ["2026-01-01T00:00:00Z"], "2026-01-01T00:00:00Z", False),
        ("DateGreaterThanEquals", ["2026-01-01T00:00:00Z"], "2026-01-01T00:00:00Z", True),
        ("DateLessThan", ["2026-01-01T00:00:00Z"], "yesterday", False),
        ("Bool", ["true"], "true", True),
        ("Bool", ["TRUE"], "false", False),
        ("BinaryEquals", ["QmluYXJ5"], "QmluYXJ5", True),
        ("BinaryEquals", ["QmluYXJ5"], "QmluYXJ6", False),
        ("BinaryEquals", ["QmluYXJ5"], "not base64", False),
        ("BinaryEquals", ["QmluYXJ5"], "é", False),
        ("IpAddress", ["203.0.113.0/24"], "203.0.113.9", True),
        ("IpAddress", ["203.0.113.7/24"], "203.0.113.9", True),
        ("IpAddress", ["203.0.113.9"], "203.0.113.9", True),
        ("IpAddress", ["203.0.113.0/24"], "203.0.114.9", False),
        ("IpAddress", ["203.0.113.0/24"], "::ffff:203.0.113.9", True),
        ("IpAddress", ["2001:db8::/32", "10.0.0.0/8"], "2001:db8:1::1", True),
        ("IpAddress", ["::/0"], "203.0.113.9", False),
        ("IpAddress", ["0.0.0.0/0"], "an address", False),
        ("ArnEquals", ["arn:aws:s3:::src*"], "arn:aws:s3:::src1", True),
        ("ArnLike", ["arn:aws:*:::a"], "arn:aws:s3:::a", True),
        ("ArnLike", ["arn:*:s3:::a"], "arn:x:y:s3:::a", False),
        ("ArnLike", ["*"], "arn:aws:s3:::a", True),
        ("ArnLike", ["arn:aws:iam::*:user/*"], "arn:aws:iam::1:user/a:b/c", True),
        ("ArnLike", ["arn:aws:s3*:::a"], "arn:aws:s3:x:::a", False),
    ],
)
def test_an_operator_and_its_negation_disagree_about_a_value(
    operator: str, wanted: list[str], value: str, result: bool
) -> None:
    assert holds(operator, wanted, value) is result
    assert holds(operator.upper(), wanted, value) is result
    assert holds(f"{operator}IfExists", wanted, value) is result
    assert holds(f"ForAnyValue:{operator}", wanted, value) is result
    assert holds(f"ForAllValues:{operator}", wanted, value) is result
    assert not holds(operator, wanted, None)
    assert holds(f"{operator}IfExists", wanted, None)
    negation = {"IpAddress": "NotIpAddress"}.get(operator)
    if operator.endswith("Equals") and operator not in ("BinaryEquals",) and "Than" not in operator:
        negation = operator.replace("Equals", "NotEquals")
    elif operator == "StringEqualsIgnoreCase":
        negation = "StringNotEqualsIgnoreCase"
    elif operator.endswith("Like"):
        negation = operator.replace("Like", "NotLike")
    if negation is not None:
        assert holds(negation, wanted, value) is not result
        assert holds(negation, wanted, None)


@pytest.mark.parametrize(
    ("operator", "values", "result"),
    [
        ("ForAllValues:StringEquals", ("a", "b"), True),
        ("ForAllValues:StringEquals", ("a", "c"), False),
        ("ForAllValues:StringEquals", (), True),
        ("ForAllValues:StringEquals", None, True),
        ("ForAllValues:StringNotEquals", ("c", "d"), True),
        ("ForAllValues:StringNotEquals", ("a", "d"), False),
        ("ForAllValues:StringNotEquals", None, True),
        ("ForAnyValue:StringEquals", ("a", "c"), True),
        ("ForAnyValue:StringEquals", ("c", "d"), False),
        ("ForAnyValue:StringEquals", None, False),
        ("ForAnyValue:StringEqualsIfExists", None, True),
        ("ForAnyValue:StringNotEquals", ("a", "c"), True),
        ("ForAnyValue:StringNotEquals", ("a", "b"), False),
        ("ForAnyValue:StringNotEquals", None, False),
        ("StringEquals", ("c", "a"), True),
        ("StringNotEquals", ("c", "a"), False),
        ("StringNotEquals", ("c", "d"), True),
    ],
)
def test_a_key_of_many_values_is_judged_by_its_quantifier(
    operator: str, values: Value, result: bool
) -> None:
    assert holds(operator, ["a", "b"], values) is result


@pytest.mark.parametrize(
    ("wanted", "value", "result"),
    [
        (["true"], None, True),
        (["true"], "x", False),
        (["false"], None, False),
        (["False"], "x", True),
        (["true", "false"], "x", True),
    ],
)
def test_null_asks_whether_a_key_is_absent(wanted: list[str], value: Value, result: bool) -> None:
    assert holds("Null", wanted, value) is result


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "result"),
    [
        ("StringEquals", "${aws:username}", "bob", True),
        ("StringEquals", "${aws:username}*", "bob*", True),
        ("StringEqualsIgnoreCase", "${aws:UserName}!", "BOB!", True),
        ("StringLike", "home/${aws:username}/*", "home/bob/x", True),
        ("StringLike", "home/${aws:username}/*", "home/eve/x", False),
        ("StringNotLike", "home/${aws:username}/*", "home/eve/x", True),
        ("ArnLike", "arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::1:user/bob", True),
        ("StringEquals", "${aws:nothing}", "", False),
        ("StringNotEquals", "${aws:nothing}", "", True),
        ("StringLike", "${aws:nothing}*", "x", False),
    ],
)
def test_variables_are_filled_from_the_request(
    operator: str, wanted: str, value: str, result: bool
) -> None:
    assert holds(operator, [wanted], value, {"aws:username": "bob"}) is result
    assert holds(operator, ["other", wanted], value, {"aws:username": "bob"}) is result


def test_a_fixed_pattern_beside_a_variable_still_matches() -> None:
    assert holds("StringLike", ["a*", "${aws:username}"], "abc", {"aws:username": "bob"})


@pytest.mark.parametrize(
    ("operator", "wanted"),
    [
        ("NumericEquals", "ten"),
        ("NumericEquals", "NaN"),
        ("NumericEquals", "${aws:x}"),
        ("DateEquals", "yesterday"),
        ("DateEquals", "99999-01-01"),
        ("Bool", "yes"),
        ("Null", "maybe"),
        ("BinaryEquals", "*"),
        ("BinaryEquals", "é"),
        ("IpAddress", "10.0.0.0/40"),
        ("NotIpAddress", "somewhere"),
    ],
)
def test_a_value_the_operator_cannot_compare_is_malformed(operator: str, wanted: str) -> None:
    with pytest.raises(S3Error, match="MalformedPolicy"):
        holds(operator, [wanted], "x")


words = st.text("ab", max_size=2)


@given(
    st.sampled_from(["StringEquals", "StringNotEquals"]),
    st.lists(words, max_size=3),
    st.none() | st.lists(words, max_size=3).map(tuple),
)
def test_set_operators_mean_what_their_names_say(
    operator: str, wanted: list[str], values: Any
) -> None:
    fits = [(value in wanted) == (operator == "StringEquals") for value in values or ()]
    assert holds(f"ForAllValues:{operator}", wanted, values) is all(fits)
    assert holds(f"ForAnyValue:{operator}", wanted, values) is any(fits)
