"""How logging of one bucket stands: the rule, whether delivery is permitted, how it is going.

The last only a bucketlog server tells, in headers of GetBucketLogging; elsewhere it is None, as
is whether delivery is permitted where the target can't be looked at.
"""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from bucketlog import measures
from bucketlog.cli import bucket_facts, endpoint
from bucketlog.cli.endpoint import Connection
from bucketlog.delivery import parties as delivery_parties
from bucketlog.s3 import delivery_permission
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Bucket

PARTITIONS = {"event-time": "EventTime", "delivery-time": "DeliveryTime"}


@dataclass(frozen=True, slots=True)
class Status:
    """Logging of one bucket. All after `prefix` is None where unknown or where logging is off.

    `mend` is the command that would permit delivery. `last_delivered_at` is ISO 8601.
    """

    bucket: str
    enabled: bool
    target: str | None = None
    prefix: str | None = None
    partition: str | None = None
    permitted: bool | None = None
    missing: str | None = None
    mend: str | None = None
    waiting: int | None = None
    lag_seconds: float | None = None
    last_object: str | None = None
    last_delivered_at: str | None = None
    failure: str | None = None
    lost_records: int | None = None
    error: str | None = None


def look(connection: Connection, name: str) -> Status:
    """How logging of the bucket stands. Raises boto3's exceptions for what concerns the source."""
    answer = connection.s3.get_bucket_logging(Bucket=name)
    rule = answer.get("LoggingEnabled")
    if rule is None:
        return Status(name, enabled=False)
    target, prefix = rule["TargetBucket"], rule.get("TargetPrefix", "")
    partition = partition_of(rule)
    permitted, missing, grant = _judge(connection, name, target, prefix, answer)
    mend = None
    if grant is not None:
        words = ["bucketlog", "logging", "enable", name, target]
        words += ["--prefix", prefix] if prefix else []
        words += ["--partition", partition] if partition else []
        mend = shlex.join([*words, "--grant", grant, *connection.options])
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    return Status(
        name,
        enabled=True,
        target=target,
        prefix=prefix,
        partition=partition,
        permitted=permitted,
        missing=missing,
        mend=mend,
        waiting=_number(headers.get("x-bucketlog-waiting")),
        lag_seconds=_number(headers.get("x-bucketlog-lag-seconds")),
        last_object=_text(headers.get("x-bucketlog-last-object")),
        last_delivered_at=headers.get("x-bucketlog-last-delivered"),
        failure=_text(headers.get("x-bucketlog-failure")),
        lost_records=_number(headers.get("x-bucketlog-lost")),
    )


def partition_of(rule: Any) -> str | None:
    """The --partition that a LoggingEnabled element stands for; None for simple names."""
    partitioned = rule.get("TargetObjectKeyFormat", {}).get("PartitionedPrefix")
    if partitioned is None:
        return None
    source = partitioned.get("PartitionDateSource", "EventTime")
    return next(word for word, value in PARTITIONS.items() if value == source)


def parties(connection: Connection, source: str, target: str, answer: Any) -> tuple[Bucket, Bucket]:
    """Source and target bucket as `delivery_permission` judges them."""
    client = connection.s3
    account_id = bucket_facts.account_id(connection, source, target, answer)
    source_bucket = delivery_parties.bucket(client, source, account_id)
    if target == source:
        return source_bucket, source_bucket
    return source_bucket, delivery_parties.bucket(client, target, account_id)


def lines(status: Status) -> list[str]:
    """The status for people, the first line the bucket's, the others indented."""
    if status.error is not None:
        return [f"{status.bucket}: {status.error}"]
    if not status.enabled:
        return [f"{status.bucket}: logging is off"]
    how = f", partitioned by {status.partition}" if status.partition else ""
    found = [
        f"{status.bucket}: logging is on, to {status.target}/{status.prefix}{how}",
        f"  delivery      {permission(status)}",
    ]
    if status.mend is not None:
        found.append(f"  to permit it  {status.mend}")
    if status.waiting is not None:
        found.append(f"  waiting       {_waiting(status)}")
    if status.last_object is not None:
        found.append(f"  last object   {status.last_object}, delivered {_ago(status)}")
    elif status.waiting is not None:
        found.append("  last object   none yet")
    if status.failure is not None:
        found.append(f"  failure       {status.failure}")
    if status.lost_records:
        found.append(f"  lost          {status.lost_records} records")
    return found


def row(status: Status) -> tuple[str, ...]:
    """The status as one row: bucket, logging, delivery, waiting, last delivered."""
    if status.error is not None:
        return status.bucket, "unknown", status.error, "", ""
    if not status.enabled:
        return status.bucket, "off", "", "", ""
    delivery = {True: "permitted", False: "not permitted", None: "unknown"}[status.permitted]
    if status.failure is not None and status.permitted:
        delivery = f"failing: {status.failure}"
    waiting = "" if status.waiting is None else str(status.waiting)
    last = status.last_delivered_at or ""
    return status.bucket, f"{status.target}/{status.prefix}", delivery, waiting, last


def permission(status: Status) -> str:
    """Whether delivery is permitted, in words."""
    if status.permitted:
        return "permitted"
    word = "unknown" if status.permitted is None else "not permitted"
    return f"{word}: {status.missing}" if status.missing else word


def _judge(
    connection: Connection, source: str, target: str, prefix: str, answer: Any
) -> tuple[bool | None, str | None, str | None]:
    """Whether delivery is permitted, what is missing, and which grant would mend it."""
    from botocore.exceptions import ClientError

    try:
        buckets = parties(connection, source, target, answer)
    except ClientError as error:
        code = endpoint.code_of(error)
        if code == "NoSuchBucket":
            return False, f"the target bucket {target} does not exist", None
        return None, f"{error.operation_name} says {code}", None
    except S3Error as error:
        return None, f"the policy of {target} can't be judged ({error.message})", None
    gap = delivery_permission.gap(*buckets, prefix, time.time_ns())
    if gap is None:
        return True, None, None
    if gap.target_acl is not None:
        return False, gap.missing, "acl"
    return False, gap.missing, None if gap.policy_text is None else "policy"


def _waiting(status: Status) -> str:
    if not status.waiting:
        return "nothing"
    lag = "" if status.lag_seconds is None else f", the oldest for {_about(status.lag_seconds)}"
    return f"{status.waiting} record{'s' if status.waiting != 1 else ''}{lag}"


def _ago(status: Status) -> str:
    if status.last_delivered_at is None:
        return "at an unknown time"
    at = datetime.fromisoformat(status.last_delivered_at)
    return f"{_about(max(0.0, time.time() - at.timestamp()))} ago"


def _about(seconds: float) -> str:
    return measures.about(seconds)


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _text(text: str | None) -> str | None:
    return None if text is None else unquote(text)
