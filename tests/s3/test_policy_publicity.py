"""When a policy is public, by S3's definition."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.parties import document

from bucketlog.s3 import policy


def allow(**changes: Any) -> dict[str, Any]:
    """A statement for everyone; a change of None takes an element away."""
    made = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::box/*",
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def narrowed(operator: str, key: str, values: Any) -> dict[str, Any]:
    return allow(Condition={operator: {key: values}})


@pytest.mark.parametrize(
    ("statement", "public"),
    [
        (allow(), True),
        (allow(Effect="Deny"), False),
        (allow(Principal={"AWS": "*"}), True),
        (allow(Principal={"AWS": "222222222222"}), False),
        (allow(Principal={"Service": "logging.s3.amazonaws.com"}), False),
        (allow(Principal=None, NotPrincipal={"AWS": "222222222222"}), True),
        (narrowed("IpAddress", "aws:SourceIp", "10.0.0.0/8"), False),
        (narrowed("IpAddress", "aws:SourceIp", "192.0.2.3"), False),
        (narrowed("IpAddress", "aws:SourceIp", ["10.0.0.0/8", "0.0.0.0/1"]), True),
        (narrowed("IpAddress", "aws:SourceIp", "2001:db8::/32"), False),
        (narrowed("IpAddress", "aws:SourceIp", "2001::/31"), True),
        (narrowed("NotIpAddress", "aws:SourceIp", "10.0.0.0/8"), True),
        (narrowed("IpAddressIfExists", "aws:SourceIp", "10.0.0.0/8"), True),
        (narrowed("IpAddress", "aws:SourceIp", []), True),
        (narrowed("StringEquals", "aws:PrincipalOrgID", "o-1"), False),
        (narrowed("StringLike", "aws:PrincipalOrgID", "o-*"), True),
        (narrowed("StringEquals", "aws:SourceAccount", "${aws:PrincipalAccount}"), True),
        (narrowed("StringNotEquals", "aws:SourceAccount", "111111111111"), True),
        (narrowed("ForAllValues:StringEquals", "aws:SourceAccount", "111111111111"), True),
        (narrowed("ForAnyValue:StringEquals", "aws:SourceAccount", "111111111111"), False),
        (narrowed("ArnLike", "aws:SourceArn", "arn:aws:s3:::src"), False),
        (narrowed("ArnLike", "aws:SourceArn", "arn:aws:s3:::*"), True),
        (narrowed("StringEquals", "aws:SourceVpc", "vpc-1"), False),
        (narrowed("Bool", "aws:SecureTransport", "true"), True),
        (narrowed("StringLike", "aws:Referer", "http://x/*"), True),
        (
            narrowed(
                "ArnLike",
                "s3:DataAccessPointArn",
                "arn:aws:s3:us-east-1:111111111111:accesspoint/*",
            ),
            False,
        ),
        (
            narrowed("ArnLike", "s3:DataAccessPointArn", "arn:aws:s3:us-east-1:*:accesspoint/a"),
            True,
        ),
    ],
)
def test_a_policy_is_public_unless_it_grants_to_fixed_values(
    statement: dict[str, Any], public: bool
) -> None:
    assert policy.is_public(policy.parse(document(statement), "box")) is public


def test_one_public_statement_makes_a_policy_public() -> None:
    mixed = document(allow(Principal={"AWS": "222222222222"}), allow())
    assert policy.is_public(policy.parse(mixed, "box"))
