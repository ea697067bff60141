"""What makes a statement for everyone not public: a condition that fixes who or where from.

S3 takes a policy to be public unless it grants only to fixed values (no wildcards, no policy
variables) of certain keys, or to networks that aren't too wide. AWS page: "Blocking public access
to your Amazon S3 storage", section "The meaning of 'public'".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from bucketlog.s3.policy_conditions import Operator, network

_FIXING_KEYS: Final = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:principalservicename",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "s3:dataaccesspointaccount",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)
_FIXING_OPERATORS: Final = frozenset(
    {"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"}
)
_WIDEST: Final = {4: 8, 6: 32}  # a shorter prefix is as good as everywhere
_ACCESS_POINT: Final = re.compile(r"arn:aws[a-z-]*:s3:[a-z0-9-]*:\d{12}:accesspoint/[^$]*")


def is_narrowed(conditions: Sequence[tuple[Operator, str, Sequence[str]]]) -> bool:
    """Whether any one of a statement's conditions keeps it from being public."""
    return any(_narrows(how, key, values) for how, key, values in conditions)


def _narrows(how: Operator, key: str, values: Sequence[str]) -> bool:
    # ForAllValues and IfExists hold when the key is absent, so they keep nobody out.
    if how.if_exists or how.quantifier == "forallvalues:" or not values:
        return False
    if key == "aws:sourceip":
        return how.base == "ipaddress" and all(_is_narrow(value) for value in values)
    if how.base not in _FIXING_OPERATORS:
        return False
    if key == "s3:dataaccesspointarn":
        return all(_ACCESS_POINT.fullmatch(value) for value in values)
    return key in _FIXING_KEYS and not any(
        mark in value for value in values for mark in ("*", "?", "${")
    )


def _is_narrow(text: str) -> bool:
    found = network(text)
    return found.prefixlen >= _WIDEST[found.version]
