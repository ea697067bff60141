"""Where the log objects about a bucket are, and what they are called.

A source is told by the bucket's logging rule, or is any prefix that somebody names. Calls block.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bucketlog.accesslog.targets import Target
from bucketlog.console import s3, standing
from bucketlog.console.s3 import Failure
from bucketlog.delivery import parties
from bucketlog.problems import Problem

MOST_LISTED = 200_000

_NAME = re.compile(r"\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9A-F]{16}")
_NAME_CHARACTERS = 36


@dataclass(frozen=True, slots=True)
class Source:
    """Log objects below a prefix; `about` a bucket, or whatever they are about if that is None."""

    target: str
    prefix: str
    about: str | None = None
    is_by_day: bool = False
    """Whether names go on with the day, as in `2026/03/01/`."""

    @property
    def address(self) -> str:
        """For `bucketlog query --from`."""
        return f"s3://{self.target}/{self.prefix}"

    def is_log(self, key: str) -> bool:
        """Whether it is called as log objects are; of a prefix that was named, all are."""
        if self.about is None:
            return not key.endswith("/")
        return _NAME.fullmatch(key[-_NAME_CHARACTERS:]) is not None

    def start_after(self, since: datetime | None) -> str:
        """Objects with records from then on come behind this name; "" for all.

        The time in a name is that of delivery, or midnight of its records' day: never earlier than
        that day.
        """
        if since is None or self.about is None:
            return ""
        day = since.astimezone(UTC)
        if self.is_by_day:
            return f"{self.prefix}{day:%Y/%m/%d}"
        return f"{self.prefix}{day:%Y-%m-%d-%H-%M-%S}"


@dataclass(frozen=True, slots=True)
class Rule:
    """What the logging rule of a bucket says; `source` None where logging is off."""

    target: Target | None
    source: Source | None


def of_bucket(client: Any, name: str) -> Rule:
    """Where the records about a bucket are. Raises `Failure` where this key may not know."""
    with s3.translated("GetBucketLogging"):
        answer = client.get_bucket_logging(Bucket=name)
    target = standing.rule(answer)
    if target is None:
        return Rule(None, None)
    if not target.is_partitioned:
        return Rule(target, Source(target.bucket, target.prefix, name))
    account = answer["ResponseMetadata"]["HTTPHeaders"].get(parties.ACCOUNT_HEADER, "")
    region = ""
    try:
        with s3.translated("HeadBucket"):
            region = str(client.head_bucket(Bucket=name).get("BucketRegion") or "")
    except Failure as failure:
        if failure.status != 403:
            raise
    if not account or not region:
        return Rule(target, Source(target.bucket, target.prefix, name, is_by_day=False))
    folder = f"{target.prefix}{account}/{region}/{name}/"
    return Rule(target, Source(target.bucket, folder, name, is_by_day=True))


def listed(client: Any, source: Source, since: datetime | None) -> Iterator[tuple[str, int]]:
    """Names and sizes of log objects that may hold records from then on, in the order of names.

    Raises `Failure`, and `Problem` where there are too many to go through.
    """
    # What is written at a time holds nothing later; a minute for clocks that differ.
    earliest = None if since is None else since - timedelta(minutes=1)
    wanted = {
        "Bucket": source.target,
        "Prefix": source.prefix,
        "StartAfter": source.start_after(since),
    }
    for number in itertools.count():
        if number * 1000 >= MOST_LISTED:
            raise Problem(
                f"There are more than {MOST_LISTED:,} log objects in that time.",
                "Choose a shorter time, or ask them with `bucketlog query`.",
            )
        with s3.translated("ListObjectsV2"):
            page = client.list_objects_v2(**wanted)
        for each in page.get("Contents", ()):
            is_late = earliest is None or each["LastModified"] >= earliest
            if is_late and each["Size"] and source.is_log(each["Key"]):
                yield each["Key"], each["Size"]
        if not page.get("IsTruncated"):
            return
        wanted["ContinuationToken"] = page["NextContinuationToken"]
