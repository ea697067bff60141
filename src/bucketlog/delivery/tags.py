"""The tag records travel under in the spool: from which bucket, by which rule, of which day.

The rule itself is in it, so changing or removing a rule never re-routes what is waiting. Two
records share a log object exactly when their tags are equal. On disk a tag is JSON; see
`docs/formats/spool.md`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from bucketlog.accesslog import targets
from bucketlog.accesslog.targets import Target

_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Tag:
    """Where records go, as it was decided when they were made.

    `source_bucket`, its owner's 12-digit `account_id` and its `region`; `day` is the records' UTC
    day as "2026-09-01" where the rule splits log objects by day, else None.
    """

    target: Target
    source_bucket: str
    account_id: str
    region: str
    day: str | None = None


@lru_cache(maxsize=4096)
def tag_of(
    target: Target, source_bucket: str, account_id: str, region: str, day: str | None
) -> bytes:
    """The tag of a bucket's records. `day` as in `Tag`: None unless `target.splits_by_day`."""
    words = {"bucket": source_bucket, "account_id": account_id, "region": region}
    if day is not None:
        words["day"] = day
    text = json.dumps({**words, "target": json.loads(targets.encode(target))}, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=4096)
def decode(tag: bytes) -> Tag:
    """What `tag_of` wrote. Raises ValueError for bytes it didn't write."""
    try:
        words = json.loads(tag.decode("utf-8", "surrogatepass"))
        target = targets.decode(json.dumps(words["target"]))
        return Tag(target, words["bucket"], words["account_id"], words["region"], words.get("day"))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a tag: {tag!r}") from error


def object_key(tag: Tag, sealed_at: int, unique: str) -> str:
    """The name of the log object that records under this tag, sealed at that instant, make."""
    at = sealed_at if tag.day is None else _midnight(tag.day)
    return targets.object_name(
        tag.target,
        bucket=tag.source_bucket,
        account_id=tag.account_id,
        region=tag.region,
        at=at,
        unique=unique,
    )


def _midnight(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * _SECOND
