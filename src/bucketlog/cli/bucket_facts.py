"""What plain S3 calls tell of buckets, for judging whether logs can be delivered.

A store that lacks a sub-resource counts as one where it isn't set. The 12-digit account id is in
no S3 answer; it comes from a bucketlog server's own header or from Amazon's STS.
"""

from __future__ import annotations

import re
from typing import Any

from bucketlog.cli import endpoint
from bucketlog.cli.endpoint import Connection
from bucketlog.s3 import acl, policy
from bucketlog.s3.acl import Acl, Grant, Grantee
from bucketlog.s3.model import Bucket, Owner, Ownership

ACCOUNT_HEADER = "x-bucketlog-account"

_UNSET = (
    "MethodNotAllowed",
    "NoSuchBucketPolicy",
    "NotImplemented",
    "OwnershipControlsNotFoundError",
)


def bucket(client: Any, name: str, account_id: str) -> Bucket:
    """A bucket with its ACL, policy and ownership setting, as they are now.

    `account_id` is its owner's, "" where that isn't known. Raises boto3's ClientError, and
    `S3Error("MalformedPolicy")` for a policy that can't be understood.
    """
    owner, grants = _acl(client.get_bucket_acl(Bucket=name), account_id)
    text = _policy_text(client, name)
    return Bucket(
        name=name,
        region=str(client.meta.region_name),
        owner=owner,
        created_at=0,
        acl=Acl(owner, grants),
        policy=None if text is None else policy.parse(text, name),
        policy_text=text,
        ownership=_ownership(client, name),
    )


def account_id(connection: Connection, source: str, target: str, answer: Any) -> str:
    """The 12-digit id of the account that owns `source`; "" if it can't be found out.

    `answer` is that of GetBucketLogging. Elsewhere than on Amazon and bucketlog, ids that the
    target's policy names are tried: any S3 call can be made to fail for another owner.
    """
    from botocore.exceptions import ClientError

    told = answer["ResponseMetadata"]["HTTPHeaders"].get(ACCOUNT_HEADER)
    if told:
        return str(told)
    if connection.is_amazon:
        sts = connection.session.client("sts", region_name=connection.s3.meta.region_name)
        return str(sts.get_caller_identity()["Account"])
    text = _policy_text(connection.s3, target) or ""
    named: set[str] = set(re.findall(r"\b[0-9]{12}\b", text))
    for found in sorted(named):
        try:
            connection.s3.head_bucket(Bucket=source, ExpectedBucketOwner=found)
        except ClientError:
            continue
        return found
    return ""


def _acl(answer: Any, account_id: str) -> tuple[Owner, tuple[Grant, ...]]:
    owner = answer["Owner"]
    canonical_id = owner["ID"]
    grants = []
    for grant in answer["Grants"]:
        grantee = grant["Grantee"]
        if grantee["Type"] == "Group":
            who = acl.group(grantee["URI"])
        else:
            who = Grantee("CanonicalUser", grantee.get("ID", ""), grantee.get("DisplayName"))
        grants.append(Grant(who, grant["Permission"]))
    name = owner.get("DisplayName") or canonical_id
    return Owner(account_id, canonical_id, name), tuple(grants)


def _policy_text(client: Any, name: str) -> str | None:
    answer = _unless_unset(client.get_bucket_policy, name)
    return None if answer is None else str(answer["Policy"])


def _ownership(client: Any, name: str) -> Ownership | None:
    answer = _unless_unset(client.get_bucket_ownership_controls, name)
    if answer is None:
        return None
    return Ownership(answer["OwnershipControls"]["Rules"][0]["ObjectOwnership"])


def _unless_unset(call: Any, name: str) -> Any:
    from botocore.exceptions import ClientError

    try:
        return call(Bucket=name)
    except ClientError as error:
        if endpoint.code_of(error) in _UNSET:
            return None
        raise
