"""What the words of a record stand for: API actions of operations, messages of error codes.

Both come from the S3 tables, so that a reader of logs tells the same story as the server that
wrote them.
"""

from __future__ import annotations

from bucketlog.s3.errors import ERRORS
from bucketlog.s3.operations import OPERATIONS


def _by_log_name() -> dict[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for row in OPERATIONS:
        for log_name in (row.log_name, row.source_log_name):
            if log_name is not None and row.routed_as is None:
                place = (log_name, row.level)
                found[place] = (*found.get(place, ()), row.name)
    return found


_BY_LOG_NAME = _by_log_name()


def actions(operation: str, *, has_key: bool) -> tuple[str, ...]:
    """The API actions that log this operation, as in ("ListObjects", "ListObjectsV2").

    `has_key`: the record names a key, which tells an object's sub-resources from a bucket's.
    Empty for an operation that no API action has.
    """
    first, second = ("object", "bucket") if has_key else ("bucket", "object")
    return _BY_LOG_NAME.get((operation, first)) or _BY_LOG_NAME.get((operation, second)) or ()


def message(error_code: str) -> str | None:
    """What S3 says with an error code; None for a code that S3 doesn't have."""
    row = ERRORS.get(error_code)
    return None if row is None else row.message.strip()
