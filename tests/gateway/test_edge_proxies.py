"""X-Forwarded-For: believed as far as the one who wrote it is."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from bucketlog.gateway.edge.proxies import TrustedProxies

PROXIES = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("fd00::1", True),
        ("::ffff:10.0.0.1", True),
        ("", False),
        ("proxy", False),
    ],
)
def test_proxies_are_trusted_by_network(address: str, trusted: bool) -> None:
    assert PROXIES.trusts(address) is trusted
    assert TrustedProxies().trusts(address) is False


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("1.1.1.1,203.0.113.9:4711,10.0.0.2:80", "203.0.113.9"),
        ("[2001:db8::1]:443, fd00::2", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"),
        ("junk", "10.0.0.1"),
        ("", "10.0.0.1"),
        ('1.1.1.1" 200 -', "10.0.0.1"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_no_proxy(forwarded: str, client: str) -> None:
    assert PROXIES.client("10.0.0.1", forwarded) == client
