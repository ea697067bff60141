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

NAMES = ("signature", "credential", "security-token", "session-token", "accesskeyid")
"""A parameter is a credential if its name ends in one of these: X-Amz-Signature, AWSAccessKeyId."""

REDACTED = "REDACTED"
"""What stands for text that was taken away."""

# Text without any of these holds no credential: a name in clear, or one that is partly encoded.
SUSPECT = rf"(?i){'|'.join(NAMES)}|%(?:25)*(?:2d|[46][1-9a-f]|[57][0-9a])"
"""An RE2 pattern of all text that `strip` may change, and of little else."""


def _any_spelling(name: str) -> str:
    """A pattern of a name, each of its characters as it is or percent-encoded."""
    spelled = (
        rf"(?:{re.escape(char)}|%(?:25)*(?:{ord(char):02x}|{ord(char.upper()):02x}))"
        for char in name
    )
    return "".join(spelled)


_PARAMETER = re.compile(rf"({'|'.join(map(_any_spelling, NAMES))})(=|%((?:25)*)3d)", re.IGNORECASE)


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
    for name in _PARAMETER.finditer(text):
        if name.start() < end:
            continue  # within a value that is gone already
        depth = None if name[3] is None else len(name[3]) // 2
        value = _value(depth).match(text, name.end())
        assert value is not None  # it may be empty
        parts += (text[end : name.end()], REDACTED if value[0] else "")
        end = value.end()
    return text if not parts else "".join((*parts, text[end:]))
