"""A bucket's logging rule, `Target`: its XML, its checks, and the names of log objects.

PutBucketLogging brings it, GetBucketLogging gives it back exactly as it was set. Whether delivery
is permitted is not judged here: as on S3, that shows when an object is delivered.

Source: Amazon S3 API Reference, "PutBucketLogging" and "GetBucketLogging"; User Guide, "Log
object key format" and "Enabling Amazon S3 server access logging".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from bucketlog.s3 import acl, xml
from bucketlog.s3.acl import Grant, Grantee, Known
from bucketlog.s3.errors import S3Error

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from bucketlog.s3.model import Bucket, Owner

KeyFormat = Literal["simple", "partitioned"]
DateSource = Literal["EventTime", "DeliveryTime"]

NAMESPACE = "http://doc.s3.amazonaws.com/2006-03-01"  # of answers; requests may have another
_UNNAMED_SOURCE = "us-east-1"  # the Region that an error doesn't name as the source's location
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a bucket's log objects go, and what they are called.

    `prefix` is used as it is: no slash is added. `grants` are given on each delivered object.
    `key_format` None: not set, which means "simple". `date_source` None: not set, which means
    "EventTime" in a partitioned format and nothing in a simple one.
    """

    bucket: str
    prefix: str = ""
    grants: tuple[Grant, ...] = ()
    key_format: KeyFormat | None = None
    date_source: DateSource | None = None

    @property
    def is_partitioned(self) -> bool:
        """Whether names carry the source's account, Region, bucket and date."""
        return self.key_format == "partitioned"

    @property
    def splits_by_day(self) -> bool:
        """Whether a log object holds the records of one UTC day only."""
        return self.key_format == "partitioned" and self.date_source != "DeliveryTime"


# ── XML ─────────────────────────────────────────────────────────────────────────────────────────


def parse(data: bytes, owner: Owner, *, known: Known | None = None) -> Target | None:
    """The rule a `BucketLoggingStatus` document sets; None: logging is switched off.

    Takes either of Amazon's namespaces, or none. `owner` is the source bucket's; `known` gives
    the display name of a canonical id, or None for one that is nobody's. Raises `MalformedXML`
    for what doesn't fit the schema, `MethodNotAllowed` for a grantee named by e-mail (ended on
    1 October 2025), `InvalidArgument` for a grantee that doesn't exist.
    """
    root = xml.parse(data, "BucketLoggingStatus")
    enabled = _children(root, "LoggingEnabled").get("LoggingEnabled")
    if enabled is None:
        return None
    parts = _children(
        enabled, "TargetBucket", "TargetPrefix", "TargetGrants", "TargetObjectKeyFormat"
    )
    if "TargetBucket" not in parts or "TargetPrefix" not in parts:
        raise S3Error("MalformedXML")
    key_format, date_source = _key_format(parts.get("TargetObjectKeyFormat"))
    return Target(
        _text(parts["TargetBucket"]),
        _text(parts["TargetPrefix"]),
        _grants(parts.get("TargetGrants"), owner, known),
        key_format,
        date_source,
    )


def render(target: Target | None) -> bytes:
    """The `BucketLoggingStatus` document of a rule; elements that weren't set are left out."""
    if target is None:
        return xml.document("BucketLoggingStatus", "", NAMESPACE)
    grants = key_format = ""
    if target.grants:
        grants = f"<TargetGrants>{acl.render_grants(target.grants)}</TargetGrants>"
    if target.key_format == "simple":
        key_format = "<SimplePrefix/>"
    elif target.key_format == "partitioned":
        source = xml.leaf("PartitionDateSource", target.date_source)
        key_format = f"<PartitionedPrefix>{source}</PartitionedPrefix>"
    if key_format:
        key_format = f"<TargetObjectKeyFormat>{key_format}</TargetObjectKeyFormat>"
    return xml.document(
        "BucketLoggingStatus",
        f"<LoggingEnabled>{xml.leaf('TargetBucket', target.bucket)}"
        f"{xml.leaf('TargetPrefix', target.prefix)}{grants}{key_format}</LoggingEnabled>",
        NAMESPACE,
    )


def _grants(listed: Element | None, owner: Owner, known: Known | None) -> tuple[Grant, ...]:
    if listed is None:
        return ()
    _require_no_text(listed)
    for grant in listed:
        grantee = _children(grant, "Grantee", "Permission").get("Grantee")
        if grantee is not None:
            _children(grantee, "ID", "DisplayName", "URI", "EmailAddress")
    return acl.grants(listed, owner, known=known, malformed="MalformedXML")


def _key_format(element: Element | None) -> tuple[KeyFormat | None, DateSource | None]:
    if element is None:
        return None, None
    chosen = _children(element, "SimplePrefix", "PartitionedPrefix")
    if len(chosen) != 1:
        raise S3Error("MalformedXML")
    if "SimplePrefix" in chosen:
        _children(chosen["SimplePrefix"])
        return "simple", None
    source = _children(chosen["PartitionedPrefix"], "PartitionDateSource")
    if not source:
        return "partitioned", None
    text = _text(source["PartitionDateSource"])
    if text == "EventTime":
        return "partitioned", "EventTime"
    if text == "DeliveryTime":
        return "partitioned", "DeliveryTime"
    raise S3Error("MalformedXML")


def _children(element: Element, *allowed: str) -> dict[str, Element]:
    """The children by name; each at most once, none but those allowed, and no text between."""
    _require_no_text(element)
    found: dict[str, Element] = {}
    for child in element:
        if child.tag not in allowed or child.tag in found:
            raise S3Error("MalformedXML")
        found[child.tag] = child
    return found


def _require_no_text(element: Element) -> None:
    between = [element.text, *(child.tail for child in element)]
    if any(text is not None and text.strip() for text in between):
        raise S3Error("MalformedXML")


def _text(element: Element) -> str:
    if len(element):
        raise S3Error("MalformedXML")
    return element.text or ""


# ── checks ──────────────────────────────────────────────────────────────────────────────────────


def check(source: Bucket, target: Target, target_bucket: Bucket | None) -> None:
    """Refuses a rule that S3 refuses when it is set; `target_bucket` None: there is none.

    In order: `InvalidTargetBucketForLogging` when the target is missing or belongs to another
    account; `CrossLocationLoggingProhibitted` (so spelled on the wire, Q001) when it is in another
    Region; `AccessControlListNotSupported` for grants on a target with ACLs disabled. A target
    without permission for log delivery, one that is itself logged, and the source itself pass.
    """
    if target_bucket is None:
        raise S3Error(
            "InvalidTargetBucketForLogging",
            "The target bucket for logging does not exist",
            TargetBucket=target.bucket,
        )
    if target_bucket.owner.account_id != source.owner.account_id:
        raise S3Error(
            "InvalidTargetBucketForLogging",
            "The owner for the bucket to be logged and the target bucket must be the same.",
            TargetBucket=target.bucket,
        )
    if target_bucket.region != source.region:
        locations = {"TargetBucketLocation": target_bucket.region}
        if source.region != _UNNAMED_SOURCE:
            locations = {"SourceBucketLocation": source.region, **locations}
        raise S3Error(
            "CrossLocationLoggingProhibitted",
            "Cross S3 location logging not allowed. ",  # the blank at its end is Amazon's (Q002)
            **locations,
        )
    if target.grants and not target_bucket.acls_enabled:
        raise S3Error(
            "AccessControlListNotSupported",
            "Target grants not allowed for bucket owner enforced buckets",
        )


# ── names of log objects ────────────────────────────────────────────────────────────────────────


def object_name(
    target: Target, *, bucket: str, account_id: str, region: str, at: int, unique: str
) -> str:
    """The key of a log object of a source bucket, its account (12 digits) and its Region.

    `at` is nanoseconds since 1970 UTC: any instant of the records' day where the rule splits by
    day (the name then shows midnight), the time of delivery otherwise. `unique` is 16 characters
    of 0-9 and A-F that no other log object has.
    """
    moment = _EPOCH + timedelta(microseconds=at // 1000)
    if target.splits_by_day:
        moment = moment.replace(hour=0, minute=0, second=0)
    name = f"{moment.strftime('%Y-%m-%d-%H-%M-%S')}-{unique}"
    if not target.is_partitioned:
        return f"{target.prefix}{name}"
    day = moment.strftime("%Y/%m/%d")
    return f"{target.prefix}{account_id}/{region}/{bucket}/{day}/{name}"


# ── storage ─────────────────────────────────────────────────────────────────────────────────────


def encode(target: Target) -> str:
    """The rule as JSON text, for storage; what isn't set is left out."""
    values: dict[str, object] = {"bucket": target.bucket, "prefix": target.prefix}
    if target.grants:
        values["grants"] = [
            [grant.grantee.kind, grant.grantee.value, grant.grantee.name, grant.permission]
            for grant in target.grants
        ]
    if target.key_format is not None:
        values["key_format"] = target.key_format
    if target.date_source is not None:
        values["date_source"] = target.date_source
    return json.dumps(values, separators=(",", ":"))


@lru_cache(maxsize=1024)
def decode(text: str) -> Target:
    """The rule that `encode` wrote. Raises ValueError, KeyError or TypeError for other text."""
    values = json.loads(text)
    return Target(
        values["bucket"],
        values["prefix"],
        tuple(
            Grant(Grantee(kind, value, name), permission)
            for kind, value, name, permission in values.get("grants", ())
        ),
        values.get("key_format"),
        values.get("date_source"),
    )
