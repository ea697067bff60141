"""The tag records travel under in the spool: from which bucket, by which rule, of which day.

The rule itself is in it, so changing or removing a rule never re-routes what is waiting. Two
records share a log object exactly when their tags are equal. On disk a tag is JSON; see
`docs/formats/spool.md`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from bucketlog.accesslog import targets
from bucketlog.accesslog.targets import Target

if TYPE_CHECKING:
    from bucketlog.s3.model import Bucket

_FIRST_DAY = date(1970, 1, 1)
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


def tag_of(target: Target, source: Bucket, day: int) -> bytes:
    """The tag of a bucket's records under a rule, of one UTC day, in days since 1970.

    The day is in it only where the rule splits log objects by day.
    """
    return _encode(
        target,
        source.name,
        source.owner.account_id,
        source.region,
        day if target.splits_by_day else None,
    )


@lru_cache(maxsize=4096)
def _encode(
    target: Target, source_bucket: str, account_id: str, region: str, day: int | None
) -> bytes:
    words = {"bucket": source_bucket, "account_id": account_id, "region": region}
    if day is not None:
        words["day"] = str(_FIRST_DAY + timedelta(days=day))
    head = json.dumps(words, separators=(",", ":"), ensure_ascii=False)
    text = f'{head[:-1]},"target":{targets.encode(target)}}}'
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
