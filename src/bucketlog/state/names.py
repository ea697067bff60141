"""What accounts, users and keys may be called, and new keys.

Rules of the IAM User Guide ("IAM and AWS STS quotas", names), loosened for keys: other stores'
short ones ("minioadmin") are taken too. An access key must fit into a SigV4 credential scope, so
it holds no "/", "," or "=".
"""

from __future__ import annotations

import re
import secrets
import string

from bucketlog.problems import StateProblem

_BASE32 = string.ascii_uppercase + "234567"  # the letters of AWS's own access keys
_BASE64 = string.ascii_letters + string.digits + "+/"

_ACCOUNT = re.compile(r"[!-~]([ -~]{0,48}[!-~])?")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_CANONICAL_ID = re.compile(r"[0-9a-f]{64}")
_USER = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
_ACCESS_KEY = re.compile(r"[A-Za-z0-9._-]{3,128}")
_SECRET_KEY = re.compile(r"[!-~]{8,128}")


def new_access_key() -> str:
    """ "AKIA" and 16 letters and digits, drawn at random (80 bits)."""
    return "AKIA" + "".join(secrets.choice(_BASE32) for _ in range(16))


def new_secret_key() -> str:
    """40 characters of the base64 alphabet, drawn at random (240 bits)."""
    return "".join(secrets.choice(_BASE64) for _ in range(40))


def check_account(name: str, account_id: str | None, canonical_id: str | None) -> None:
    """Raises `StateProblem` for an account that can't be called or numbered so."""
    if not _ACCOUNT.fullmatch(name):
        raise StateProblem(
            f"{name!r} can't be the name of an account.",
            "1 to 50 printable ASCII characters, with no blank at either end.",
        )
    if account_id is not None and not _ACCOUNT_ID.fullmatch(account_id):
        raise StateProblem(f"{account_id!r} is no account id.", "It has 12 digits.")
    if canonical_id is not None and not _CANONICAL_ID.fullmatch(canonical_id):
        raise StateProblem(f"{canonical_id!r} is no canonical id.", "It has 64 digits of 0-9a-f.")


def check_user(name: str) -> None:
    """Raises `StateProblem` for a user that can't be called so."""
    if not _USER.fullmatch(name):
        raise StateProblem(
            f"{name!r} can't be the name of a user.",
            "1 to 64 letters, digits and any of _ + = , . @ -",
        )


def check_key(access_key: str, secret_key: str) -> None:
    """Raises `StateProblem` for a key that no signature could name, or that is easy to guess."""
    if not _ACCESS_KEY.fullmatch(access_key):
        raise StateProblem(
            f"{access_key!r} can't be an access key.", "3 to 128 letters, digits and any of . _ -"
        )
    if not _SECRET_KEY.fullmatch(secret_key):
        raise StateProblem(
            f"The secret of {access_key} can't be a secret key.",
            "8 to 128 printable ASCII characters without blanks.",
        )
