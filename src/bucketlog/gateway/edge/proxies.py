"""Who the client is, when proxies stand between: `X-Forwarded-For`, believed only from some.

Each proxy appends the address it was called from, so the entries are read from the right, as long
as the one who wrote the entry is trusted. What stands further left anybody may have made up.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


class TrustedProxies:
    """The networks whose hosts are believed when they say for whom they call."""

    def __init__(self, networks: Iterable[Network] = ()) -> None:
        self._networks = tuple(networks)

    def trusts(self, address: str) -> bool:
        """Whether this IP address is a trusted proxy's."""
        if not self._networks:
            return False
        parsed = _parse(address)
        return parsed is not None and self._trusts(parsed)

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)

    def client(self, peer: str, forwarded_for: str) -> str:
        """The rightmost address that isn't a trusted proxy's; `peer` is one that is.

        An entry that is no address ends the search: the last address found before it stands.
        When all are trusted it is the leftmost.
        """
        client = peer
        for entry in reversed(forwarded_for.split(",")):
            address = _parse(entry.strip())
            if address is None:
                break
            client = str(address)
            if not self._trusts(address):
                break
        return client


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """An address, perhaps with a port as some proxies write it: 1.2.3.4:80, [::1]:80."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
