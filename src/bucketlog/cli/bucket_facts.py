"""The 12-digit id of a bucket's account, which is in no S3 answer.

It comes from a bucketlog server's own header, from Amazon's STS, or is found by trying.
"""

from __future__ import annotations

import re
from typing import Any

from bucketlog.cli.endpoint import Connection
from bucketlog.delivery import parties


def account_id(connection: Connection, source: str, target: str, answer: Any) -> str:
    """The 12-digit id of the account that owns `source`; "" if it can't be found out.

    `answer` is that of GetBucketLogging. Elsewhere than on Amazon and bucketlog, ids that the
    target's policy names are tried: any S3 call can be made to fail for another owner.
    """
    from botocore.exceptions import ClientError

    told = answer["ResponseMetadata"]["HTTPHeaders"].get(parties.ACCOUNT_HEADER)
    if told:
        return str(told)
    if connection.is_amazon:
        sts = connection.session.client("sts", region_name=connection.s3.meta.region_name)
        return str(sts.get_caller_identity()["Account"])
    text = parties.policy_text(connection.s3, target) or ""
    named: set[str] = set(re.findall(r"\b[0-9]{12}\b", text))
    for found in sorted(named):
        try:
            connection.s3.head_bucket(Bucket=source, ExpectedBucketOwner=found)
        except ClientError:
            continue
        return found
    return ""
