"""TABLE 1: every S3 operation, one row each.

It knows names, shapes and permissions; it must not know how anything is answered. The rows are
those of Amazon's S3 API model, form upload (PostObject), the CORS preflight, and one of Ceph's
(FlushBucketLogging: deliver what waits, now). The name in an access log is composed from the
method and the sub-resource, never written by hand, because S3 does it so: also for methods a
sub-resource doesn't support (`composed`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from bucketlog.s3.model import Permission

Level = Literal["service", "bucket", "object"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row: what an operation is called, how a request names it, what it needs.

    `query` are the query parameters that must be there, the sub-resource first; `header` is a
    request header that must be there. `action` is the IAM action, `version_action` the one that
    replaces it when a versionId is given (None: the operation takes no versionId); both are ""
    where there is no permission to ask. `acl` is what an ACL must grant instead, on the bucket or
    the object as `acl_on` says; None: no ACL can allow it. `source_log_name` and
    `source_action`, `source_version_action` are those of the reading half of a copy.
    `routed_as` names the operation that a request of this shape is taken for, where two share
    one shape (a deprecated version, or one of another endpoint).
    """

    name: str
    log_name: str
    method: str
    level: Level
    query: tuple[str, ...] = ()
    action: str = ""
    acl: Permission | None = None
    acl_on: Literal["bucket", "object"] | None = None
    version_action: str | None = None
    mutates: bool = False
    implemented: bool = False
    streams: bool = False
    header: str | None = None
    source_log_name: str | None = None
    source_action: str | None = None
    source_version_action: str | None = None
    routed_as: str | None = None

    @property
    def subresource(self) -> str | None:
        """The query parameter that chooses the resource, None for the bucket or object itself."""
        return self.query[0] if self.query and self.query[0] in RESOURCES[self.level] else None


COPY_SOURCE: Final = "x-amz-copy-source"

# What a sub-resource is called in an operation's log name. AWS publishes no list: most are seen
# in real logs; "inferred" ones have the mechanical shape of their neighbours.
_BUCKET_RESOURCES: Final = {
    "abac": "ABAC",  # inferred
    "accelerate": "ACCELERATE",
    "acl": "ACL",
    "analytics": "ANALYTICS",
    "cors": "CORS",
    "delete": "MULTI_OBJECT_DELETE",
    "encryption": "ENCRYPTION",
    "intelligent-tiering": "INTELLIGENT_TIERING",
    "inventory": "INVENTORY",
    "lifecycle": "LIFECYCLE",
    "location": "LOCATION",
    "logging": "LOGGING_STATUS",
    "metadataAnnotationTable": "METADATA_ANNOTATION_TABLE",  # inferred
    "metadataConfiguration": "METADATA_CONFIGURATION",  # inferred
    "metadataInventoryTable": "METADATA_INVENTORY_TABLE",  # inferred
    "metadataJournalTable": "METADATA_JOURNAL_TABLE",  # inferred
    "metadataTable": "METADATA_TABLE",  # inferred
    "metrics": "METRICS",
    "notification": "NOTIFICATION",
    "object-lock": "OBJECT_LOCK_CONFIGURATION",
    "ownershipControls": "OWNERSHIP_CONTROLS",
    "policy": "BUCKETPOLICY",
    "policyStatus": "POLICY_STATUS",
    "publicAccessBlock": "PUBLIC_ACCESS_BLOCK",
    "replication": "REPLICATION",
    "requestPayment": "REQUEST_PAYMENT",
    "session": "SESSION",  # inferred
    "tagging": "TAGGING",
    "uploads": "UPLOADS",
    "versioning": "VERSIONING",
    "versions": "BUCKETVERSIONS",
    "website": "WEBSITE",
}
_OBJECT_RESOURCES: Final = {
    "acl": "ACL",
    "annotation": "OBJECT_ANNOTATION",  # inferred
    "attributes": "OBJECT_ATTRIBUTES",
    "encryption": "OBJECT_ENCRYPTION",  # inferred
    "legal-hold": "OBJECT_LOCK_LEGALHOLD",  # inferred
    "renameObject": "RENAME_OBJECT",  # inferred
    "restore": "RESTORE",
    "retention": "OBJECT_LOCK_RETENTION",  # inferred
    "select": "SELECT",
    "tagging": "OBJECT_TAGGING",
    "torrent": "TORRENT",
    "uploadId": "UPLOAD",
    "uploads": "UPLOADS",
}
# A sub-resource of the other level is still one: `?logging` on a key is refused by name.
RESOURCES: Final[dict[Level, dict[str, str]]] = {
    "service": {},
    "bucket": {**_OBJECT_RESOURCES, **_BUCKET_RESOURCES},
    "object": {**_BUCKET_RESOURCES, **_OBJECT_RESOURCES},
}
_WHOLE: Final = {"service": "SERVICE", "bucket": "BUCKET", "object": "OBJECT"}


def log_name(method: str, subresource: str | None, level: Level) -> str:
    """The name S3 logs: "REST", the method ("COPY" for a copy), and the resource's name."""
    resource = _WHOLE[level] if subresource is None else RESOURCES[level][subresource]
    return f"REST.{method}.{resource}"


@lru_cache(maxsize=1024)  # bounded: methods come from clients
def composed(
    method: str, subresource: str | None, level: Level, *, copies: bool = False
) -> Operation:
    """The operation of a method and sub-resource that S3 doesn't have together.

    It has no API name, so its log name stands in; `copies` is for a request with
    x-amz-copy-source, which logs COPY in place of the method. `subresource` must be known.
    """
    name = log_name("COPY" if copies else method, subresource, level)
    query = () if subresource is None else (subresource,)
    return Operation(name=name, log_name=name, method=method, level=level, query=query)


# Columns: API name, method, query keys (the sub-resource first), IAM action, the action when a
# versionId is given ("=": the same), the permission of an ACL that allows it and what that ACL is
# on, and flags: `done` is implemented, `reads` changes nothing though its method would say so,
# `streams` has a body of any size. Actions: "Required permissions for Amazon S3 API operations";
# ACLs: "Mapping of ACL permissions and access policy permissions" (S3 User Guide).
_SERVICE_ROWS = """
ListBuckets              GET   -  s3:ListAllMyBuckets                       -  -  done
ListDirectoryBuckets     GET   -  s3express:ListAllMyDirectoryBuckets       -  -  as:ListBuckets
WriteGetObjectResponse   POST  -  s3-object-lambda:WriteGetObjectResponse   -  -  streams
"""
_BUCKET_ROWS = """
CreateBucket         PUT     -               s3:CreateBucket                - -           done
DeleteBucket         DELETE  -               s3:DeleteBucket                - -           done
HeadBucket           HEAD    -               s3:ListBucket                  - READ:bucket done
ListObjects          GET     -               s3:ListBucket                  - READ:bucket done
ListObjectsV2        GET     list-type       s3:ListBucket                  - READ:bucket done
ListObjectVersions   GET     versions        s3:ListBucketVersions          - READ:bucket done
ListMultipartUploads GET     uploads         s3:ListBucketMultipartUploads  - READ:bucket done
DeleteObjects        POST    delete          s3:DeleteObject                - WRITE:bucket done
GetBucketLocation    GET     location        s3:GetBucketLocation           - -           done
GetBucketAcl         GET     acl             s3:GetBucketAcl                - READ_ACP:bucket done
PutBucketAcl         PUT     acl             s3:PutBucketAcl                - WRITE_ACP:bucket done
GetBucketLogging     GET     logging         s3:GetBucketLogging            - -           done
PutBucketLogging     PUT     logging         s3:PutBucketLogging            - -           done
FlushBucketLogging   POST    logging         s3:PutBucketLogging            - -       done,reads
GetBucketPolicy      GET     policy          s3:GetBucketPolicy             - -           done
PutBucketPolicy      PUT     policy          s3:PutBucketPolicy             - -           done
DeleteBucketPolicy   DELETE  policy          s3:DeleteBucketPolicy          - -           done
GetBucketPolicyStatus GET    policyStatus    s3:GetBucketPolicyStatus       - -           done
GetBucketOwnershipControls    GET    ownershipControls s3:GetBucketOwnershipControls - - done
PutBucketOwnershipControls    PUT    ownershipControls s3:PutBucketOwnershipControls - - done
DeleteBucketOwnershipControls DELETE ownershipControls s3:PutBucketOwnershipControls - - done
GetPublicAccessBlock    GET    publicAccessBlock s3:GetBucketPublicAccessBlock - - done
PutPublicAccessBlock    PUT    publicAccessBlock s3:PutBucketPublicAccessBlock - - done
DeletePublicAccessBlock DELETE publicAccessBlock s3:PutBucketPublicAccessBlock - - done
CreateSession        GET     session         s3express:CreateSession        - -           -
GetBucketAbac        GET     abac            s3:GetBucketAbac               - -           -
PutBucketAbac        PUT     abac            s3:PutBucketAbac               - -           -
GetBucketAccelerateConfiguration GET accelerate s3:GetAccelerateConfiguration - - -
PutBucketAccelerateConfiguration PUT accelerate s3:PutAccelerateConfiguration - - -
GetBucketAnalyticsConfiguration    GET    analytics&id s3:GetAnalyticsConfiguration - - -
ListBucketAnalyticsConfigurations  GET    analytics    s3:GetAnalyticsConfiguration - - -
PutBucketAnalyticsConfiguration    PUT    analytics&id s3:PutAnalyticsConfiguration - - -
DeleteBucketAnalyticsConfiguration DELETE analytics&id s3:PutAnalyticsConfiguration - - -
GetBucketCors        GET     cors            s3:GetBucketCORS               - -           -
PutBucketCors        PUT     cors            s3:PutBucketCORS               - -           -
DeleteBucketCors     DELETE  cors            s3:PutBucketCORS               - -           -
GetBucketEncryption    GET     encryption    s3:GetEncryptionConfiguration  - -           -
PutBucketEncryption    PUT     encryption    s3:PutEncryptionConfiguration  - -           -
DeleteBucketEncryption DELETE  encryption    s3:PutEncryptionConfiguration  - -           -
GetBucketIntelligentTieringConfiguration GET intelligent-tiering&id \
    s3:GetIntelligentTieringConfiguration - - -
ListBucketIntelligentTieringConfigurations GET intelligent-tiering \
    s3:GetIntelligentTieringConfiguration - - -
PutBucketIntelligentTieringConfiguration PUT intelligent-tiering&id \
    s3:PutIntelligentTieringConfiguration - - -
DeleteBucketIntelligentTieringConfiguration DELETE intelligent-tiering&id \
    s3:PutIntelligentTieringConfiguration - - -
GetBucketInventoryConfiguration    GET    inventory&id s3:GetInventoryConfiguration - - -
ListBucketInventoryConfigurations  GET    inventory    s3:GetInventoryConfiguration - - -
PutBucketInventoryConfiguration    PUT    inventory&id s3:PutInventoryConfiguration - - -
DeleteBucketInventoryConfiguration DELETE inventory&id s3:PutInventoryConfiguration - - -
GetBucketLifecycle   GET     lifecycle       s3:GetLifecycleConfiguration   - - \
    as:GetBucketLifecycleConfiguration
PutBucketLifecycle   PUT     lifecycle       s3:PutLifecycleConfiguration   - - \
    as:PutBucketLifecycleConfiguration
GetBucketLifecycleConfiguration GET lifecycle s3:GetLifecycleConfiguration  - -           -
PutBucketLifecycleConfiguration PUT lifecycle s3:PutLifecycleConfiguration  - -           -
DeleteBucketLifecycle DELETE lifecycle       s3:PutLifecycleConfiguration   - -           -
CreateBucketMetadataConfiguration POST   metadataConfiguration \
    s3:CreateBucketMetadataTableConfiguration - - -
GetBucketMetadataConfiguration    GET    metadataConfiguration \
    s3:GetBucketMetadataTableConfiguration - - -
DeleteBucketMetadataConfiguration DELETE metadataConfiguration \
    s3:DeleteBucketMetadataTableConfiguration - - -
CreateBucketMetadataTableConfiguration POST   metadataTable \
    s3:CreateBucketMetadataTableConfiguration - - -
GetBucketMetadataTableConfiguration    GET    metadataTable \
    s3:GetBucketMetadataTableConfiguration - - -
DeleteBucketMetadataTableConfiguration DELETE metadataTable \
    s3:DeleteBucketMetadataTableConfiguration - - -
UpdateBucketMetadataAnnotationTableConfiguration PUT metadataAnnotationTable \
    s3:UpdateBucketMetadataAnnotationTableConfiguration - - -
UpdateBucketMetadataInventoryTableConfiguration PUT metadataInventoryTable \
    s3:UpdateBucketMetadataInventoryTableConfiguration - - -
UpdateBucketMetadataJournalTableConfiguration PUT metadataJournalTable \
    s3:UpdateBucketMetadataJournalTableConfiguration - - -
GetBucketMetricsConfiguration    GET    metrics&id s3:GetMetricsConfiguration - - -
ListBucketMetricsConfigurations  GET    metrics    s3:GetMetricsConfiguration - - -
PutBucketMetricsConfiguration    PUT    metrics&id s3:PutMetricsConfiguration - - -
DeleteBucketMetricsConfiguration DELETE metrics&id s3:PutMetricsConfiguration - - -
GetBucketNotification GET    notification    s3:GetBucketNotification       - - \
    as:GetBucketNotificationConfiguration
PutBucketNotification PUT    notification    s3:PutBucketNotification       - - \
    as:PutBucketNotificationConfiguration
GetBucketNotificationConfiguration GET notification s3:GetBucketNotification - - -
PutBucketNotificationConfiguration PUT notification s3:PutBucketNotification - - -
GetObjectLockConfiguration GET object-lock   s3:GetBucketObjectLockConfiguration - - -
PutObjectLockConfiguration PUT object-lock   s3:PutBucketObjectLockConfiguration - - -
GetBucketReplication    GET    replication   s3:GetReplicationConfiguration - -           -
PutBucketReplication    PUT    replication   s3:PutReplicationConfiguration - -           -
DeleteBucketReplication DELETE replication   s3:PutReplicationConfiguration - -           -
GetBucketRequestPayment GET  requestPayment  s3:GetBucketRequestPayment     - -           -
PutBucketRequestPayment PUT  requestPayment  s3:PutBucketRequestPayment     - -           -
GetBucketTagging     GET     tagging         s3:GetBucketTagging            - -           -
PutBucketTagging     PUT     tagging         s3:PutBucketTagging            - -           -
DeleteBucketTagging  DELETE  tagging         s3:PutBucketTagging            - -           -
GetBucketVersioning  GET     versioning      s3:GetBucketVersioning         - -           -
PutBucketVersioning  PUT     versioning      s3:PutBucketVersioning         - -           -
GetBucketWebsite     GET     website         s3:GetBucketWebsite            - -           -
PutBucketWebsite     PUT     website         s3:PutBucketWebsite            - -           -
DeleteBucketWebsite  DELETE  website         s3:DeleteBucketWebsite         - -           -
"""
_OBJECT_ROWS = """
GetObject       GET    -          s3:GetObject        s3:GetObjectVersion       READ:object done
GetObject       GET    partNumber s3:GetObject        s3:GetObjectVersion       READ:object done
HeadObject      HEAD   -          s3:GetObject        s3:GetObjectVersion       READ:object done
HeadObject      HEAD   partNumber s3:GetObject        s3:GetObjectVersion       READ:object done
PutObject       PUT    -          s3:PutObject        -                  WRITE:bucket done,streams
CopyObject      PUT    -          s3:PutObject        -                  WRITE:bucket done,copies
DeleteObject    DELETE -          s3:DeleteObject     s3:DeleteObjectVersion    WRITE:bucket done
GetObjectAcl    GET    acl        s3:GetObjectAcl     s3:GetObjectVersionAcl READ_ACP:object done
PutObjectAcl    PUT    acl        s3:PutObjectAcl     s3:PutObjectVersionAcl WRITE_ACP:object done
CreateMultipartUpload   POST   uploads             s3:PutObject  -       WRITE:bucket done
UploadPart              PUT    uploadId&partNumber s3:PutObject  -       WRITE:bucket done,streams
UploadPartCopy          PUT    uploadId&partNumber s3:PutObject  -       WRITE:bucket done,copies
CompleteMultipartUpload POST   uploadId            s3:PutObject  -       WRITE:bucket done
AbortMultipartUpload    DELETE uploadId            s3:AbortMultipartUpload     - -    done
ListParts               GET    uploadId            s3:ListMultipartUploadParts - -    done
GetObjectAnnotation     GET    annotation&annotationName s3:GetObjectAnnotation    = - -
ListObjectAnnotations   GET    annotation                s3:ListObjectAnnotations  = - -
PutObjectAnnotation     PUT    annotation&annotationName s3:PutObjectAnnotation    = - streams
DeleteObjectAnnotation  DELETE annotation&annotationName s3:DeleteObjectAnnotation = - -
GetObjectAttributes     GET    attributes  s3:GetObjectAttributes  s3:GetObjectVersionAttributes - -
GetObjectLegalHold      GET    legal-hold  s3:GetObjectLegalHold   = - -
PutObjectLegalHold      PUT    legal-hold  s3:PutObjectLegalHold   = - -
GetObjectRetention      GET    retention   s3:GetObjectRetention   = - -
PutObjectRetention      PUT    retention   s3:PutObjectRetention   = - -
GetObjectTagging        GET    tagging     s3:GetObjectTagging     s3:GetObjectVersionTagging - -
PutObjectTagging        PUT    tagging     s3:PutObjectTagging     s3:PutObjectVersionTagging - -
DeleteObjectTagging     DELETE tagging     s3:DeleteObjectTagging  s3:DeleteObjectVersionTagging - -
GetObjectTorrent        GET    torrent     s3:GetObjectTorrent     s3:GetObjectVersionTorrent - -
RenameObject            PUT    renameObject s3express:CreateSession - - -
RestoreObject           POST   restore     s3:RestoreObject        = - -
SelectObjectContent     POST   select&select-type s3:GetObject     - READ:object reads
UpdateObjectEncryption  PUT    encryption  s3:UpdateObjectEncryption = - -
"""

_PERMISSIONS: Final[dict[str, Permission]] = {
    "READ": "READ",
    "WRITE": "WRITE",
    "READ_ACP": "READ_ACP",
    "WRITE_ACP": "WRITE_ACP",
}
_ON: Final[dict[str, Literal["bucket", "object"]]] = {"bucket": "bucket", "object": "object"}


def _row(level: Level, row: str) -> Operation:
    name, method, keys, action, version, acl, flag_list = row.split()
    query = () if keys == "-" else tuple(keys.split("&"))
    permission, _, on = acl.partition(":")
    flags = flag_list.split(",")
    copies = "copies" in flags
    if "partNumber" in query:  # of an upload, or of an object that was uploaded in parts
        logged = f"REST.{'COPY' if copies else method}.PART"
    else:
        subresource = query[0] if query and query[0] in RESOURCES[level] else None
        logged = log_name("COPY" if copies else method, subresource, level)
    return Operation(
        name=name,
        log_name=logged,
        method=method,
        level=level,
        query=query,
        action=action,
        acl=None if acl == "-" else _PERMISSIONS[permission],
        acl_on=None if acl == "-" else _ON[on],
        version_action={"-": None, "=": action}.get(version, version),
        mutates=method in ("PUT", "POST", "DELETE") and "reads" not in flags,
        implemented="done" in flags,
        streams="streams" in flags,
        header=COPY_SOURCE if copies else None,
        source_log_name=f"{logged}_GET" if copies else None,
        source_action="s3:GetObject" if copies else None,
        source_version_action="s3:GetObjectVersion" if copies else None,
        routed_as=next((flag[3:] for flag in flags if flag.startswith("as:")), None),
    )


def _rows(level: Level, table: str) -> tuple[Operation, ...]:
    return tuple(_row(level, row) for row in table.strip().splitlines())


POST_OBJECT: Final = Operation(
    name="PostObject",
    log_name="REST.POST.OBJECT",
    method="POST",
    level="bucket",
    action="s3:PutObject",
    acl="WRITE",
    acl_on="bucket",
    mutates=True,
    streams=True,
)
# A browser asks for the bucket (on "/", or on a key) before it may ask for anything else.
PREFLIGHTS: Final = tuple(
    Operation(
        name="CORSPreflight",
        log_name="REST.OPTIONS.PREFLIGHT",
        method="OPTIONS",
        level=level,
        implemented=True,
    )
    for level in ("bucket", "object")
)

OPERATIONS: Final[tuple[Operation, ...]] = (
    *_rows("service", _SERVICE_ROWS),
    *_rows("bucket", _BUCKET_ROWS),
    *_rows("object", _OBJECT_ROWS),
    POST_OBJECT,
    *PREFLIGHTS,
)
# Operations with two rows (a part of an object, a preflight of a key) are here by their first.
BY_NAME: Final[dict[str, Operation]] = {row.name: row for row in reversed(OPERATIONS)}
