"""Patterns against a slow, obvious twin, and what variables and escapes mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.s3 import wildcards
from bucketlog.s3.wildcards import Value, Variable, Wild


def obvious(pattern: str, text: str) -> bool:
    """The definition of `*` and `?`, by recursion."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return obvious(pattern[1:], text) or (bool(text) and obvious(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and obvious(pattern[1:], text[1:])


def obvious_arn(pattern: str, text: str) -> bool:
    """An ARN's six fields, each by itself."""
    wanted, found = pattern.split(":", 5), text.split(":", 5)
    if len(wanted) < 6:
        return obvious(pattern, text)
    return len(found) == 6 and all(map(obvious, wanted, found))


def matches(pattern: str, text: str) -> bool:
    expression = wildcards.source(wildcards.split(pattern))
    return wildcards.compiled(expression).fullmatch(text) is not None


@given(st.text("ab*?\n.$", max_size=8), st.text("ab*?\n.$", max_size=8))
def test_a_pattern_matches_what_the_definition_says(pattern: str, text: str) -> None:
    assert matches(pattern, text) is obvious(pattern, text)


@given(st.text("a:*?", max_size=12), st.text("ab:", max_size=10))
def test_an_arn_pattern_keeps_its_wildcards_within_a_field(pattern: str, text: str) -> None:
    expression = wildcards.arn_source(wildcards.split(pattern))
    found = wildcards.compiled(expression).fullmatch(text) is not None
    assert found is obvious_arn(pattern, text)


@given(st.text(max_size=20) | st.text("${}*?a", max_size=12))
def test_an_escaped_text_matches_itself_alone(text: str) -> None:
    assert "".join(map(str, wildcards.split(wildcards.escape(text), variables=True))) == text


def test_a_hostile_pattern_is_no_slower_than_its_length_times_the_text() -> None:
    assert not matches("*a" * 500 + "b", "a" * 1024)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("home/${aws:username}/*", ("home/", Variable("aws:username"), "/", Wild.ANY)),
        ("${aws:UserName, 'none'}", (Variable("aws:username", "none"),)),
        ("${ aws:username }", (Variable("aws:username"),)),
        ("${*}${?}${$}{x}", ("*?${x}",)),
        ("${", ("${",)),
        ("$x${}", ("$x${}",)),
        ("a?b", ("a", Wild.ONE, "b")),
        ("", ()),
    ],
)
def test_a_text_is_split_into_literals_wildcards_and_variables(
    text: str, parts: tuple[object, ...]
) -> None:
    assert wildcards.split(text, variables=True) == parts


def test_without_variables_a_dollar_means_itself() -> None:
    assert wildcards.split("${aws:username}") == ("${aws:username}",)


def test_without_wildcards_a_star_means_itself() -> None:
    assert wildcards.split("a*?", wild=False) == ("a*?",)


def test_a_variable_is_filled_with_its_value_or_its_default_or_not_at_all() -> None:
    values: dict[str, Value] = {"aws:username": "b*b", "aws:many": ("x", "y")}

    def lookup(key: str) -> Value:
        return values.get(key)

    named = wildcards.split("a${aws:username}", variables=True)
    assert wildcards.filled(named, lookup) == ("a", "b*b")
    absent = wildcards.split("${aws:userid, 'nobody'}", variables=True)
    assert wildcards.filled(absent, lookup) == ("nobody",)
    assert wildcards.filled(wildcards.split("${aws:userid}", variables=True), lookup) is None
    assert wildcards.filled(wildcards.split("${aws:many}", variables=True), lookup) is None
    assert wildcards.has_variables(named)
    assert not wildcards.has_variables(("a", Wild.ANY))
