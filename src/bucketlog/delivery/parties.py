"""The two buckets of a logging rule, as plain S3 calls tell of them; and permitting delivery.

For clients of any store: one that lacks a sub-resource counts as one where it isn't set. A client
is boto3's; what its calls raise passes through. Which permission is lacking is judged by
`s3.delivery_permission`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bucketlog.s3 import acl, policy
from bucketlog.s3.acl import Acl, Grant, Grantee
from bucketlog.s3.delivery_permission import Addition
from bucketlog.s3.model import Bucket, Owner, Ownership

ACCOUNT_HEADER = "x-bucketlog-account"
"""Of a bucketlog server's answer to GetBucketLogging: the 12-digit id of the bucket's account."""

_UNSET = (
    "MethodNotAllowed",
    "NoSuchBucketPolicy",
    "NotImplemented",
    "OwnershipControlsNotFoundError",
)


def bucket(client: Any, name: str, account_id: str, region: str | None = None) -> Bucket:
    """A bucket with its ACL, policy and ownership setting, as they are now.

    `account_id` is its owner's, "" where that isn't known: it is in no S3 answer. `region` is the
    client's unless given. Raises boto3's ClientError, and `S3Error("MalformedPolicy")` for a
    policy that can't be understood.
    """
    owner, grants = _acl(client.get_bucket_acl(Bucket=name), account_id)
    text = policy_text(client, name)
    return Bucket(
        name=name,
        region=region or str(client.meta.region_name),
        owner=owner,
        created_at=0,
        acl=Acl(owner, grants),
        policy=None if text is None else policy.parse(text, name),
        policy_text=text,
        ownership=ownership(client, name),
    )


def policy_text(client: Any, name: str) -> str | None:
    """The bucket's policy as it was put; None where there is none."""
    answer = _unless_unset(client.get_bucket_policy, name)
    return None if answer is None else str(answer["Policy"])


def ownership(client: Any, name: str) -> Ownership | None:
    """The bucket's object-ownership setting; None where none is set."""
    answer = _unless_unset(client.get_bucket_ownership_controls, name)
    if answer is None:
        return None
    return Ownership(answer["OwnershipControls"]["Rules"][0]["ObjectOwnership"])


def rule(
    target: str, prefix: str, date_source: str | None = None, earlier: Any = None
) -> dict[str, Any]:
    """A LoggingEnabled element as boto3 is given it.

    `date_source` is that of a partitioned name, None for simple names. TargetGrants of the
    `earlier` rule are kept where the target stays: nothing asks for them, so nobody gave them up.
    """
    made: dict[str, Any] = {"TargetBucket": target, "TargetPrefix": prefix}
    if date_source is not None:
        made["TargetObjectKeyFormat"] = {"PartitionedPrefix": {"PartitionDateSource": date_source}}
    if earlier and earlier.get("TargetBucket") == target and earlier.get("TargetGrants"):
        made["TargetGrants"] = earlier["TargetGrants"]
    return made


def permit(client: Any, target: str, addition: Addition) -> None:
    """Adds it to the target's policy or ACL."""
    if addition.policy_text is not None:
        client.put_bucket_policy(Bucket=target, Policy=addition.policy_text)
        return
    document = client.get_bucket_acl(Bucket=target)
    client.put_bucket_acl(
        Bucket=target,
        AccessControlPolicy={
            "Owner": document["Owner"],
            "Grants": document["Grants"] + [element(grant) for grant in addition.grants],
        },
    )


def element(grant: Grant) -> dict[str, Any]:
    """A grant as boto3 is given it."""
    who = grant.grantee
    named = {"URI": who.value} if who.kind == "Group" else {"ID": who.value}
    return {"Grantee": {"Type": who.kind, **named}, "Permission": grant.permission}


def grant(told: Any) -> Grant:
    """A grant as boto3 gives it."""
    who = told["Grantee"]
    if who["Type"] == "Group":
        return Grant(acl.group(who["URI"]), told["Permission"])
    grantee = Grantee("CanonicalUser", who.get("ID", ""), who.get("DisplayName"))
    return Grant(grantee, told["Permission"])


def _acl(answer: Any, account_id: str) -> tuple[Owner, tuple[Grant, ...]]:
    owner = answer["Owner"]
    canonical_id = owner["ID"]
    name = owner.get("DisplayName") or canonical_id
    grants = tuple(grant(each) for each in answer["Grants"])
    return Owner(account_id, canonical_id, name), grants


def _unless_unset(call: Callable[..., Any], name: str) -> Any:
    from botocore.exceptions import ClientError

    try:
        return call(Bucket=name)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code", "") in _UNSET:
            return None
        raise
