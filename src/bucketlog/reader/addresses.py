"""Remote IPs made less telling: truncated, hashed with a key, or encrypted with one.

Each function takes the text of a Remote IP field. An address is hashed and encrypted in its
canonical form (RFC 5952), so that it gives the same however it was written.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
from functools import lru_cache
from typing import Any

from bucketlog.problems import Problem

_TOKEN = "siv1."
_PURPOSE = b"bucketlog remote_ip aes-siv 1"
_PADDED = 16  # bytes; an address of either family, so that tokens don't tell which it is

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse(text: str) -> Address | None:
    """The address that a text is, or None. IPv4 written as IPv6, `::ffff:192.0.2.3`, is IPv4."""
    if "%" in text:  # with a zone, which belongs to one machine and fits in no packed form
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def canonical(text: str) -> str:
    """An address in its one canonical form; other text as it is."""
    address = parse(text)
    return text if address is None else str(address)


def truncate(text: str, ipv4_bits: int, ipv6_bits: int) -> str | None:
    """The network of an address, `192.0.2.0/24`; None for what is no address."""
    address = parse(text)
    if address is None:
        return None
    bits = ipv4_bits if address.version == 4 else ipv6_bits
    packed = int(address) >> (address.max_prefixlen - bits) << (address.max_prefixlen - bits)
    return f"{type(address)(packed)}/{bits}"


def hashed(text: str, key: bytes) -> str:
    """HMAC-SHA256 of the canonical text under the key, in hex: the same in every run."""
    return hmac.new(key, canonical(text).encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=8)
def _cipher(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV
    except ImportError:
        raise Problem(
            "To encrypt remote IPs the package cryptography is needed.",
            "Run: pip install 'bucketlog[privacy]'",
        ) from None
    # A key of its own, so that what is known of hashes says nothing of what is encrypted.
    return AESSIV(hmac.new(key, _PURPOSE, hashlib.sha512).digest())


def encrypted(text: str, key: bytes) -> str:
    """AES-256-SIV (RFC 5297) of the text, which only the key's holder can undo.

    The same address under the same key gives the same token, so that it can still be counted and
    joined. Raises `Problem` without the package cryptography.
    """
    address = parse(text)
    if address is None:
        plain = b"t" + text.encode()
    else:
        plain = (b"4" if address.version == 4 else b"6") + address.packed.ljust(_PADDED, b"\0")
    sealed = _cipher(key).encrypt(plain, None)
    return _TOKEN + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def decrypt(token: str, key: bytes) -> str:
    """The Remote IP, in canonical form, that `encrypted` made the token of.

    Raises `Problem` for text that is no such token, and for another key.
    """
    body = token.removeprefix(_TOKEN)
    if body == token or not re.fullmatch(r"[A-Za-z0-9_-]+", body):
        raise Problem(f"{token[:80]!r} is no encrypted address.", "They begin with siv1.")
    cipher = _cipher(key)
    from cryptography.exceptions import InvalidTag

    try:
        plain = cipher.decrypt(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), None)
    except (InvalidTag, ValueError):
        raise Problem(
            f"{token[:80]!r} can't be decrypted: it is damaged, or the key is another one."
        ) from None
    kind, packed = plain[:1], plain[1:]
    if kind == b"t":
        return str(packed.decode())
    return str(ipaddress.IPv4Address(packed[:4]) if kind == b"4" else ipaddress.IPv6Address(packed))


_ENCODED = {".": r"(?:\.|%(?:25)*2e)", ":": "(?::|%(?:25)*3a)"}


@lru_cache(maxsize=4096)
def spellings(text: str) -> re.Pattern[str] | None:
    """A pattern of an address wherever text repeats it, percent-encoded or not; None: no address.

    It is found as it was written, in canonical form and written out in full, in any letter case.
    """
    address = parse(text)
    if address is None:
        return None
    ways = {text.lower(), str(address), address.exploded}
    encoded = (
        "".join(_ENCODED.get(char, char) for char in way)
        for way in sorted(ways, key=len, reverse=True)
    )
    return re.compile("|".join(encoded), re.IGNORECASE)


SUSPECT = (
    r"(?i)[0-9](?:\.|%(?:25)*2e)[0-9]+(?:\.|%(?:25)*2e)[0-9]+(?:\.|%(?:25)*2e)[0-9]"
    r"|(?::|%(?:25)*3a)[0-9a-f.]*(?::|%(?:25)*3a)"
)
"""An RE2 pattern of all text that may repeat an address."""
