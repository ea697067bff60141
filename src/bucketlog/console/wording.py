"""Error codes of S3 in plain words: what happened, and the way out."""

from __future__ import annotations

_WORDS: dict[str, tuple[str, str]] = {
    "AccessDenied": (
        "Your key may not do this",
        "Ask the bucket's owner to allow it, or log in with a key that may.",
    ),
    "AllAccessDisabled": ("Nobody may do this", "It is switched off for this bucket."),
    "BucketAlreadyExists": (
        "Somebody else has a bucket of that name",
        "Bucket names are shared by all accounts of a server: choose another.",
    ),
    "BucketAlreadyOwnedByYou": (
        "You already have a bucket of that name",
        "Open that one, or choose another name.",
    ),
    "BucketNotEmpty": (
        "The bucket isn't empty",
        "Delete its objects and unfinished uploads first; then the bucket can go.",
    ),
    "CrossLocationLoggingProhibitted": (
        "Source and target are in different Regions",
        "Log objects stay in their Region: choose a target in the source's.",
    ),
    "EntityTooLarge": ("That is too large", "Upload in parts, or send less."),
    "ExpiredToken": ("The login has expired", "Log in again."),
    "InternalError": ("The server failed", "Try again; its own log says more."),
    "InvalidAccessKeyId": (
        "There is no such access key",
        "It may have been removed. Log in with another.",
    ),
    "InvalidBucketName": (
        "That is no name for a bucket",
        "3 to 63 lower-case letters, digits, hyphens and dots; it begins and ends with a letter "
        "or digit.",
    ),
    "InvalidTargetBucketForLogging": (
        "That bucket can't be a target for logs",
        "The target must be in the source's account and Region, and must allow delivery.",
    ),
    "MalformedPolicy": ("The policy can't be understood", "See the message for the place."),
    "NoSuchBucket": ("There is no such bucket", "It may have been deleted. See the list."),
    "NoSuchKey": ("There is no such object", "It may have been deleted. See the bucket."),
    "NoSuchUpload": ("There is no such upload", "It was finished or aborted."),
    "NoSuchVersion": ("There is no such version", "It may have been deleted."),
    "NotImplemented": ("The server can't do that", "docs/supported.md lists what it can."),
    "PreconditionFailed": ("It has changed meanwhile", "Load the page again, then repeat."),
    "RequestTimeTooSkewed": (
        "The clocks differ too much",
        "Set the clock of this machine, or of the server.",
    ),
    "SignatureDoesNotMatch": ("The secret is wrong", "Copy it again, whole and without blanks."),
    "SlowDown": ("The server is busy", "Try again in a moment."),
    "TooManyBuckets": ("There are too many buckets", "Delete one that isn't needed."),
}
_NO_ANSWER = (
    "S3 doesn't answer",
    "The server may be stopping or starting. Try again in a moment.",
)
_SERVER = ("The server failed", "Try again; its own log says more.")
_ELSE = ("That didn't work", "The message says what was wrong.")


def of(code: str, status: int) -> tuple[str, str]:
    """A title, and the way out. `status` is 0 when there was no answer."""
    known = _WORDS.get(code)
    if known is not None:
        return known
    if status == 0:
        return _NO_ANSWER
    return _SERVER if status >= 500 else _ELSE
