"""Condition operators of bucket policies, compiled once into predicates over a request's values.

An operator is a base test ("equals any of these"), perhaps negated, with a quantifier for keys
that have many values, and `IfExists`. AWS pages: "IAM JSON policy elements: Condition operators"
and "Set operators for multivalued context keys".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from operator import ge, gt, le, lt
from typing import Any, Final

from bucketlog.s3 import wildcards
from bucketlog.s3.errors import S3Error
from bucketlog.s3.wildcards import Lookup

Predicate = Callable[[Lookup], bool]
Test = Callable[[str, Lookup], bool]  # does this value of the request match any value listed?
Network = IPv4Network | IPv6Network

_FOR_ALL: Final = "forallvalues:"
_FOR_ANY: Final = "foranyvalue:"
_IF_EXISTS: Final = "ifexists"
_NUMBER: Final = re.compile(r"[+-]?(\d{1,40}(\.\d{0,20})?|\.\d{1,20})")


@dataclass(frozen=True, slots=True)
class Operator:
    """A condition operator taken apart: `base` and `quantifier` in lower case."""

    base: str
    quantifier: str = ""  # "forallvalues:", "foranyvalue:" or ""
    if_exists: bool = False


def operator(name: str) -> Operator:
    """The operator a policy names, in any case.

    Raises `MalformedPolicy` for one that doesn't exist.
    """
    base = name.lower()
    quantifier = next((mark for mark in (_FOR_ALL, _FOR_ANY) if base.startswith(mark)), "")
    base = base.removeprefix(quantifier)
    if_exists = base.endswith(_IF_EXISTS)
    base = base.removesuffix(_IF_EXISTS)
    if base == "null" and not if_exists and not quantifier:
        return Operator(base)
    if _NEGATED.get(base, base) not in _TESTS:
        raise S3Error("MalformedPolicy", f"Invalid Condition type : {name}")
    return Operator(base, quantifier, if_exists)


def predicate(how: Operator, key: str, values: Sequence[str], *, variables: bool) -> Predicate:
    """Whether a request's value of `key` (lower case) satisfies the operator.

    `variables` says whether `${...}` is a policy variable (version 2012-10-17). Raises
    `MalformedPolicy` for values the operator can't compare.
    """
    if how.base == "null":
        return _null(key, values)
    test = _TESTS[_NEGATED.get(how.base, how.base)](values, variables)
    negated = how.base in _NEGATED
    if how.quantifier == _FOR_ALL:
        return _for_all(key, test, negated=negated)
    missing = how.if_exists or (negated and not how.quantifier)
    if how.quantifier == _FOR_ANY:
        return _for_any(key, test, negated=negated, missing=missing)
    return _single(key, test, negated=negated, missing=missing)


def _single(key: str, test: Test, *, negated: bool, missing: bool) -> Predicate:
    # Without a quantifier a multivalued key matches by any of its values; negated, by none.
    def holds(lookup: Lookup) -> bool:
        value = lookup(key)
        if value is None:
            return missing
        if isinstance(value, str):
            return test(value, lookup) is not negated
        return any(test(each, lookup) for each in value) is not negated

    return holds


def _for_all(key: str, test: Test, *, negated: bool) -> Predicate:
    # True when the key is absent: "returns true if there are no context keys in the request".
    def holds(lookup: Lookup) -> bool:
        value = lookup(key)
        listed = () if value is None else (value,) if isinstance(value, str) else value
        return all(test(each, lookup) is not negated for each in listed)

    return holds


def _for_any(key: str, test: Test, *, negated: bool, missing: bool) -> Predicate:
    def holds(lookup: Lookup) -> bool:
        value = lookup(key)
        if value is None:
            return missing
        listed = (value,) if isinstance(value, str) else value
        return any(test(each, lookup) is not negated for each in listed)

    return holds


def _null(key: str, values: Sequence[str]) -> Predicate:
    wanted = {_boolean(value) for value in values}
    return lambda lookup: (lookup(key) is None) in wanted


# ── the base tests ──────────────────────────────────────────────────────────────────────────────


def _string_equals(values: Sequence[str], variables: bool) -> Test:
    return _equality(values, variables, lambda text: text)


def _string_equals_ignoring_case(values: Sequence[str], variables: bool) -> Test:
    return _equality(values, variables, str.lower)


def _equality(values: Sequence[str], variables: bool, fold: Callable[[str], str]) -> Test:
    fixed = set()
    open_ended = []
    for value in values:
        parts = wildcards.split(value, wild=False, variables=variables)
        if wildcards.has_variables(parts):
            open_ended.append(parts)
        else:
            fixed.add(fold("".join(str(part) for part in parts)))

    def test(value: str, lookup: Lookup) -> bool:
        value = fold(value)
        if value in fixed:
            return True
        for parts in open_ended:
            known = wildcards.filled(parts, lookup)
            if known is not None and fold("".join(str(part) for part in known)) == value:
                return True
        return False

    return test


def _string_like(values: Sequence[str], variables: bool) -> Test:
    return matcher([wildcards.split(value, variables=variables) for value in values])


def _arn_like(values: Sequence[str], variables: bool) -> Test:
    listed = [wildcards.split(value, variables=variables) for value in values]
    return matcher(listed, wildcards.arn_source)


def matcher(
    patterns: Sequence[tuple[wildcards.Part, ...]],
    source: Callable[[Sequence[wildcards.Part]], str] = wildcards.source,
) -> Test:
    """Whether a text matches any of the patterns; those with variables are filled in first."""
    fixed = [source(parts) for parts in patterns if not wildcards.has_variables(parts)]
    open_ended = [parts for parts in patterns if wildcards.has_variables(parts)]
    match = re.compile("|".join(f"(?:{each})" for each in fixed), re.DOTALL).fullmatch
    if not open_ended:
        if not fixed:
            return lambda value, lookup: False
        return lambda value, lookup: match(value) is not None

    def test(value: str, lookup: Lookup) -> bool:
        if fixed and match(value) is not None:
            return True
        for parts in open_ended:
            known = wildcards.filled(parts, lookup)
            if known is not None and wildcards.compiled(source(known)).fullmatch(value):
                return True
        return False

    return test


def _compared(
    parse: Callable[[str], Any], compare: Callable[[Any, Any], bool]
) -> Callable[[Sequence[str], bool], Test]:
    def build(values: Sequence[str], variables: bool) -> Test:
        listed = []
        for value in values:
            parsed = parse(value)
            if parsed is None:
                raise S3Error("MalformedPolicy", "Invalid policy syntax.")
            listed.append(parsed)

        def test(value: str, lookup: Lookup) -> bool:
            parsed = parse(value)
            return parsed is not None and any(compare(parsed, each) for each in listed)

        return test

    return build


def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=1024)
def _instant(text: str) -> Decimal | None:
    """Seconds since 1970, from them, or from a date of the W3C profile of ISO 8601."""
    number = _number(text)
    if number is not None and len(text) != 4:  # four digits are a year
        return number
    if re.fullmatch(r"\d{4}", text):
        text += "-01-01"
    elif re.fullmatch(r"\d{4}-\d{2}", text):
        text += "-01"
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return Decimal(str(moment.timestamp()))
    except (ValueError, OverflowError):
        return None


def _boolean(text: str) -> bool:
    folded = text.lower()
    if folded not in ("true", "false"):
        raise S3Error("MalformedPolicy", "Invalid policy syntax.")
    return folded == "true"


def _bool(values: Sequence[str], variables: bool) -> Test:
    wanted = {"true" if _boolean(value) else "false" for value in values}
    return lambda value, lookup: value.lower() in wanted


def _binary_equals(values: Sequence[str], variables: bool) -> Test:
    wanted = set()
    for value in values:
        try:
            wanted.add(base64.b64decode(value, validate=True))
        except ValueError:
            raise S3Error("MalformedPolicy", "Invalid policy syntax.") from None

    def test(value: str, lookup: Lookup) -> bool:
        try:
            return base64.b64decode(value, validate=True) in wanted
        except ValueError:
            return False

    return test


def _ip_address(values: Sequence[str], variables: bool) -> Test:
    listed = [network(value) for value in values]
    masks = [(each.version, int(each.network_address), int(each.netmask)) for each in listed]

    def test(value: str, lookup: Lookup) -> bool:
        address = _address(value)
        if address is None:
            return False
        version, number = address
        return any(version == wanted and number & mask == base for wanted, base, mask in masks)

    return test


def network(text: str) -> Network:
    """A CIDR, or one address. Raises `MalformedPolicy`."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise S3Error("MalformedPolicy", "Invalid IP address in Conditions") from None


@lru_cache(maxsize=4096)
def _address(text: str) -> tuple[int, int] | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.version, int(address)


_TESTS: Final[dict[str, Callable[[Sequence[str], bool], Test]]] = {
    "stringequals": _string_equals,
    "stringequalsignorecase": _string_equals_ignoring_case,
    "stringlike": _string_like,
    "numericequals": _compared(_number, lambda a, b: bool(a == b)),
    "numericlessthan": _compared(_number, lt),
    "numericlessthanequals": _compared(_number, le),
    "numericgreaterthan": _compared(_number, gt),
    "numericgreaterthanequals": _compared(_number, ge),
    "dateequals": _compared(_instant, lambda a, b: bool(a == b)),
    "datelessthan": _compared(_instant, lt),
    "datelessthanequals": _compared(_instant, le),
    "dategreaterthan": _compared(_instant, gt),
    "dategreaterthanequals": _compared(_instant, ge),
    "bool": _bool,
    "binaryequals": _binary_equals,
    "ipaddress": _ip_address,
    "arnequals": _arn_like,  # "ArnEquals and ArnLike behave identically"
    "arnlike": _arn_like,
}
_NEGATED: Final = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
    "notipaddress": "ipaddress",
    "arnnotequals": "arnlike",
    "arnnotlike": "arnlike",
}
