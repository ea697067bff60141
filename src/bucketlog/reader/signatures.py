"""Credentials in text that clients sent: signatures, tokens and access keys of presigned URLs.

A presigned URL is a credential for as long as it is valid, and logs hold it: in the request line,
and in the Referer of whatever was opened from it. Names are found in any letter case and however
often they are percent-encoded, so that a URL within a URL is cleaned too. Rather too much is taken
away than too little.

Source: Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters"; Amazon S3 User
Guide, "Signing and authenticating REST requests", for signature version 2.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

NAMES = ("signature", "credential", "security-token", "session-token", "accesskeyid")
"""A parameter is a credential if its name ends in one of these: X-Amz-Signature, AWSAccessKeyId."""

REDACTED = "REDACTED"
"""What stands for text that was taken away."""

SUSPECT = rf"(?i){'|'.join(NAMES)}|%(?:25)*(?:2d|[46][1-9a-f]|[57][0-9a])"
"""An RE2 pattern of all text that `strip` may change, and of little else: a name in clear, or a
letter or hyphen percent-encoded, which nobody needs to do, but may."""

_EQUALS = re.compile("=|%((?:25)*)3d", re.IGNORECASE)
_LONGEST_NAME = 400  # characters, encoded a dozen times


def _is_named(text: str, end: int) -> bool:
    """Whether a credential's name, percent-encoded or not, ends there."""
    name = text[max(0, end - _LONGEST_NAME) : end].lower()
    while not name.endswith(NAMES):
        decoded = unquote(name) if "%" in name else name
        if decoded == name:
            return False
        name = decoded.lower()
    return True


@lru_cache(maxsize=32)
def _value(depth: int | None) -> re.Pattern[str]:
    """What belongs to a value whose "=" was encoded so many times, None for not at all."""
    if depth is None:
        return re.compile(r'[^&\s"#]*')
    return re.compile(rf'(?:(?!%(?:25){{0,{depth}}}26)[^&\s"#])*')


def strip(text: str) -> str:
    """The text with `REDACTED` for the value of each credential; the names stay.

    A value ends at "&", "#", a quote or a blank; if its "=" was percent-encoded, at an "&" that
    was so as often, too.
    """
    end = 0
    parts: list[str] = []
    for equals in _EQUALS.finditer(text):
        # One within a value that is gone already says nothing.
        if equals.start() < end or not _is_named(text, equals.start()):
            continue
        depth = None if equals[1] is None else len(equals[1]) // 2
        value = _value(depth).match(text, equals.end())
        assert value is not None  # it may be empty
        parts += (text[end : equals.end()], REDACTED if value[0] else "")
        end = value.end()
    return text if not parts else "".join((*parts, text[end:]))
