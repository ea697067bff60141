"""The IAM actions of S3 that a bucket policy may name: on the bucket, or on its objects.

From the Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3".
Policies are checked against these tables, so that an action without a resource it could apply
to, or a condition key without an action it could apply to, is refused as S3 refuses it.
"""

from __future__ import annotations

from typing import Final

_ON_BUCKET: Final = """
    CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket
    DeleteBucketMetadataTableConfiguration DeleteBucketPolicy DeleteBucketWebsite
    GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketAcl
    GetBucketCORS GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration
    GetBucketNotification GetBucketObjectLockConfiguration GetBucketOwnershipControls
    GetBucketPolicy GetBucketPolicyStatus GetBucketPublicAccessBlock GetBucketRequestPayment
    GetBucketTagging GetBucketVersioning GetBucketWebsite GetEncryptionConfiguration
    GetIntelligentTieringConfiguration GetInventoryConfiguration GetLifecycleConfiguration
    GetMetricsConfiguration GetReplicationConfiguration ListBucket ListBucketMultipartUploads
    ListBucketVersions ListTagsForResource PutAccelerateConfiguration PutAnalyticsConfiguration
    PutBucketAbac PutBucketAcl PutBucketCORS PutBucketLogging PutBucketNotification
    PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy
    PutBucketPublicAccessBlock PutBucketRequestPayment PutBucketTagging PutBucketVersioning
    PutBucketWebsite PutEncryptionConfiguration PutIntelligentTieringConfiguration
    PutInventoryConfiguration PutLifecycleConfiguration PutMetricsConfiguration
    PutReplicationConfiguration TagResource UntagResource
    UpdateBucketMetadataAnnotationTableConfiguration
    UpdateBucketMetadataInventoryTableConfiguration
    UpdateBucketMetadataJournalTableConfiguration
"""

_ON_OBJECT: Final = """
    AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectAnnotation
    DeleteObjectTagging DeleteObjectVersion DeleteObjectVersionTagging GetObject GetObjectAcl
    GetObjectAnnotation GetObjectAttributes GetObjectLegalHold GetObjectRetention
    GetObjectTagging GetObjectTorrent GetObjectVersion GetObjectVersionAcl
    GetObjectVersionAttributes GetObjectVersionForReplication GetObjectVersionTagging
    GetObjectVersionTorrent InitiateReplication ListMultipartUploadParts ListObjectAnnotations
    ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl PutObjectAnnotation
    PutObjectLegalHold PutObjectRetention PutObjectTagging PutObjectVersionAcl
    PutObjectVersionTagging ReplicateDelete ReplicateObject ReplicateTags RestoreObject
    UpdateObjectEncryption
"""

BUCKET_ACTIONS: Final = frozenset(f"s3:{name}" for name in _ON_BUCKET.split())
OBJECT_ACTIONS: Final = frozenset(f"s3:{name}" for name in _ON_OBJECT.split())
# Permissions on all buckets or on the account: no resource of a bucket policy fits them.
_ELSEWHERE: Final = frozenset({"s3:ListAllMyBuckets", "s3:GetAccountPublicAccessBlock"})
ACTIONS: Final = BUCKET_ACTIONS | OBJECT_ACTIONS | _ELSEWHERE

_LISTS: Final = frozenset({"s3:ListBucket", "s3:ListBucketVersions"})
_WRITES: Final = frozenset({"s3:PutObject", "s3:ReplicateObject"})
_GRANTS: Final = frozenset(
    {
        "s3:CreateBucket",
        "s3:PutBucketAcl",
        "s3:PutObject",
        "s3:PutObjectAcl",
        "s3:PutObjectVersionAcl",
    }
)
_VERSIONS: Final = frozenset(
    name
    for name in BUCKET_ACTIONS | OBJECT_ACTIONS
    if "ObjectVersion" in name or name == "s3:PutObject"
)

# Condition keys (lower-case) that only some actions have; keys not listed here fit all of them.
KEY_ACTIONS: Final = {
    "s3:prefix": _LISTS,
    "s3:delimiter": _LISTS,
    "s3:max-keys": _LISTS,
    "s3:locationconstraint": frozenset({"s3:CreateBucket"}),
    "s3:versionid": _VERSIONS,
    "s3:x-amz-acl": _GRANTS,
    "s3:x-amz-grant-full-control": _GRANTS,
    "s3:x-amz-grant-read": _GRANTS,
    "s3:x-amz-grant-read-acp": _GRANTS,
    "s3:x-amz-grant-write": _GRANTS,
    "s3:x-amz-grant-write-acp": _GRANTS,
    "s3:x-amz-copy-source": _WRITES,
    "s3:x-amz-metadata-directive": _WRITES,
    "s3:x-amz-server-side-encryption": _WRITES,
    "s3:x-amz-server-side-encryption-aws-kms-key-id": _WRITES,
    "s3:x-amz-server-side-encryption-customer-algorithm": _WRITES | {"s3:GetObject"},
    "s3:x-amz-storage-class": _WRITES,
    "s3:x-amz-website-redirect-location": _WRITES,
}
