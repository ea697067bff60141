"""Table 1 against Amazon's own model of S3, as botocore ships it, and against real log names."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

import pytest
from botocore.session import get_session

from bucketlog.s3 import operations
from bucketlog.s3.operations import BY_NAME, OPERATIONS, RESOURCES, Operation

MODEL = get_session().get_service_model("s3")
NOT_IN_THE_MODEL = {"PostObject", "CORSPreflight", "FlushBucketLogging"}  # the last is Ceph's

IMPLEMENTED = {
    "ListBuckets",
    "CreateBucket",
    "HeadBucket",
    "DeleteBucket",
    "GetBucketLocation",
    "ListObjects",
    "ListObjectsV2",
    "ListObjectVersions",
    "PutObject",
    "GetObject",
    "HeadObject",
    "DeleteObject",
    "CopyObject",
    "DeleteObjects",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "ListParts",
    "ListMultipartUploads",
    "GetBucketAcl",
    "PutBucketAcl",
    "GetObjectAcl",
    "PutObjectAcl",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "PutBucketPolicy",
    "DeleteBucketPolicy",
    "GetBucketOwnershipControls",
    "PutBucketOwnershipControls",
    "DeleteBucketOwnershipControls",
    "GetPublicAccessBlock",
    "PutPublicAccessBlock",
    "DeletePublicAccessBlock",
    "GetBucketLogging",
    "PutBucketLogging",
    "FlushBucketLogging",
    "CORSPreflight",
}

# API action -> names in real logs or collected from them; a second name is that of ?partNumber.
LOGGED = {
    "GetObject": "REST.GET.OBJECT",
    "HeadObject": "REST.HEAD.OBJECT",
    "PutObject": "REST.PUT.OBJECT",
    "PostObject": "REST.POST.OBJECT",
    "DeleteObject": "REST.DELETE.OBJECT",
    "DeleteObjects": "REST.POST.MULTI_OBJECT_DELETE",
    "CopyObject": "REST.COPY.OBJECT",
    "CreateMultipartUpload": "REST.POST.UPLOADS",
    "UploadPart": "REST.PUT.PART",
    "UploadPartCopy": "REST.COPY.PART",
    "CompleteMultipartUpload": "REST.POST.UPLOAD",
    "AbortMultipartUpload": "REST.DELETE.UPLOAD",
    "ListParts": "REST.GET.UPLOAD",
    "ListMultipartUploads": "REST.GET.UPLOADS",
    "GetObjectAcl": "REST.GET.ACL",
    "GetBucketAcl": "REST.GET.ACL",
    "PutObjectAcl": "REST.PUT.ACL",
    "PutBucketAcl": "REST.PUT.ACL",
    "GetObjectTagging": "REST.GET.OBJECT_TAGGING",
    "PutObjectTagging": "REST.PUT.OBJECT_TAGGING",
    "DeleteObjectTagging": "REST.DELETE.OBJECT_TAGGING",
    "GetObjectAttributes": "REST.GET.OBJECT_ATTRIBUTES",
    "RestoreObject": "REST.POST.RESTORE",
    "SelectObjectContent": "REST.POST.SELECT",
    "GetObjectTorrent": "REST.GET.TORRENT",
    "GetObjectRetention": "REST.GET.OBJECT_LOCK_RETENTION",
    "PutObjectLegalHold": "REST.PUT.OBJECT_LOCK_LEGALHOLD",
    "CORSPreflight": "REST.OPTIONS.PREFLIGHT",
    "CreateBucket": "REST.PUT.BUCKET",
    "DeleteBucket": "REST.DELETE.BUCKET",
    "HeadBucket": "REST.HEAD.BUCKET",
    "ListObjects": "REST.GET.BUCKET",
    "ListObjectsV2": "REST.GET.BUCKET",
    "ListObjectVersions": "REST.GET.BUCKETVERSIONS",
    "GetBucketLocation": "REST.GET.LOCATION",
    "GetBucketLogging": "REST.GET.LOGGING_STATUS",
    "PutBucketLogging": "REST.PUT.LOGGING_STATUS",
    "GetBucketVersioning": "REST.GET.VERSIONING",
    "PutBucketVersioning": "REST.PUT.VERSIONING",
    "GetBucketPolicy": "REST.GET.BUCKETPOLICY",
    "PutBucketPolicy": "REST.PUT.BUCKETPOLICY",
    "DeleteBucketPolicy": "REST.DELETE.BUCKETPOLICY",
    "GetBucketPolicyStatus": "REST.GET.POLICY_STATUS",
    "GetBucketLifecycleConfiguration": "REST.GET.LIFECYCLE",
    "PutBucketLifecycleConfiguration": "REST.PUT.LIFECYCLE",
    "DeleteBucketLifecycle": "REST.DELETE.LIFECYCLE",
    "GetBucketCors": "REST.GET.CORS",
    "PutBucketCors": "REST.PUT.CORS",
    "GetBucketEncryption": "REST.GET.ENCRYPTION",
    "GetBucketTagging": "REST.GET.TAGGING",
    "PutBucketTagging": "REST.PUT.TAGGING",
    "GetBucketWebsite": "REST.GET.WEBSITE",
    "PutBucketWebsite": "REST.PUT.WEBSITE",
    "GetBucketNotificationConfiguration": "REST.GET.NOTIFICATION",
    "PutBucketNotificationConfiguration": "REST.PUT.NOTIFICATION",
    "GetBucketReplication": "REST.GET.REPLICATION",
    "GetBucketRequestPayment": "REST.GET.REQUEST_PAYMENT",
    "GetBucketAccelerateConfiguration": "REST.GET.ACCELERATE",
    "GetBucketAnalyticsConfiguration": "REST.GET.ANALYTICS",
    "PutBucketAnalyticsConfiguration": "REST.PUT.ANALYTICS",
    "ListBucketInventoryConfigurations": "REST.GET.INVENTORY",
    "PutBucketInventoryConfiguration": "REST.PUT.INVENTORY",
    "GetBucketMetricsConfiguration": "REST.GET.METRICS",
    "DeleteBucketMetricsConfiguration": "REST.DELETE.METRICS",
    "ListBucketIntelligentTieringConfigurations": "REST.GET.INTELLIGENT_TIERING",
    "GetObjectLockConfiguration": "REST.GET.OBJECT_LOCK_CONFIGURATION",
    "GetBucketOwnershipControls": "REST.GET.OWNERSHIP_CONTROLS",
    "PutBucketOwnershipControls": "REST.PUT.OWNERSHIP_CONTROLS",
    "GetPublicAccessBlock": "REST.GET.PUBLIC_ACCESS_BLOCK",
    "PutPublicAccessBlock": "REST.PUT.PUBLIC_ACCESS_BLOCK",
}

ACTIONS = {
    "ListBuckets": "s3:ListAllMyBuckets",
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListParts": "s3:ListMultipartUploadParts",
    "HeadObject": "s3:GetObject",
    "UploadPart": "s3:PutObject",
    "UploadPartCopy": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "CopyObject": "s3:PutObject",
    "DeleteObjects": "s3:DeleteObject",
    "GetBucketOwnershipControls": "s3:GetBucketOwnershipControls",
    "DeleteBucketOwnershipControls": "s3:PutBucketOwnershipControls",
    "GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "GetBucketCors": "s3:GetBucketCORS",
    "DeleteBucketCors": "s3:PutBucketCORS",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "DeleteBucketWebsite": "s3:DeleteBucketWebsite",
    "GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "SelectObjectContent": "s3:GetObject",
}

# "Mapping of ACL permissions and access policy permissions": permission and what its ACL is on.
ACLS = {
    ("READ", "bucket"): {
        "HeadBucket",
        "ListObjects",
        "ListObjectsV2",
        "ListObjectVersions",
        "ListMultipartUploads",
    },
    ("WRITE", "bucket"): {
        "PutObject",
        "PostObject",
        "CopyObject",
        "DeleteObject",
        "DeleteObjects",
        "CreateMultipartUpload",
        "UploadPart",
        "UploadPartCopy",
        "CompleteMultipartUpload",
    },
    ("READ_ACP", "bucket"): {"GetBucketAcl"},
    ("WRITE_ACP", "bucket"): {"PutBucketAcl"},
    ("READ", "object"): {"GetObject", "HeadObject", "SelectObjectContent"},
    ("READ_ACP", "object"): {"GetObjectAcl"},
    ("WRITE_ACP", "object"): {"PutObjectAcl"},
}


def modelled(name: str) -> tuple[str, str, set[str]]:
    """Method, level and required query keys of an operation in the model."""
    model = MODEL.operation_model(name)
    uri, _, query = model.http["requestUri"].partition("?")
    keys = {key for key, _ in parse_qsl(query, keep_blank_values=True)}
    shape: Any = model.input_shape
    if shape is not None:
        for member, what in shape.members.items():
            in_query = what.serialization.get("location") == "querystring"
            if in_query and member in shape.required_members:
                keys.add(what.serialization["name"])
    level = "object" if "{Key" in uri else "bucket" if "{Bucket}" in uri else "service"
    return model.http["method"], level, keys


def test_every_operation_of_amazons_model_is_a_row_and_nothing_else() -> None:
    assert set(BY_NAME) == set(MODEL.operation_names) | NOT_IN_THE_MODEL


@pytest.mark.parametrize("name", MODEL.operation_names)
def test_a_row_has_the_method_level_and_query_keys_of_the_model(name: str) -> None:
    row = BY_NAME[name]
    assert (row.method, row.level, set(row.query)) == modelled(name)


def test_what_is_implemented_is_what_the_product_says() -> None:
    assert {row.name for row in OPERATIONS if row.implemented} == IMPLEMENTED


@pytest.mark.parametrize(("name", "logged"), LOGGED.items())
def test_an_operation_has_the_name_that_real_logs_give_it(name: str, logged: str) -> None:
    assert BY_NAME[name].log_name == logged


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: f"{row.name}-{row.log_name}")
def test_every_log_name_has_the_shape_of_amazons(row: Operation) -> None:
    assert re.fullmatch(r"REST\.[A-Z]+\.[A-Z_]+", row.log_name)
    method = row.log_name.split(".")[1]
    assert method == ("COPY" if row.header else row.method)


@pytest.mark.parametrize("row", OPERATIONS, ids=lambda row: f"{row.name}-{row.log_name}")
def test_every_operation_needs_a_permission_but_the_preflight(row: Operation) -> None:
    if row.name == "CORSPreflight":
        assert row.action == ""
    else:
        assert re.fullmatch(r"s3(express|-object-lambda)?:[A-Z][A-Za-z]+", row.action)


@pytest.mark.parametrize(("name", "action"), ACTIONS.items())
def test_an_operation_needs_the_action_of_the_permissions_page(name: str, action: str) -> None:
    assert BY_NAME[name].action == action


def test_acls_allow_what_amazons_mapping_says_and_no_more() -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for row in OPERATIONS:
        assert (row.acl is None) == (row.acl_on is None)
        if row.acl is not None and row.acl_on is not None:
            found.setdefault((row.acl, row.acl_on), set()).add(row.name)
    assert found == ACLS


def test_a_part_of_an_object_is_logged_as_a_part() -> None:
    parts = {
        (row.name, row.log_name): row.query for row in OPERATIONS if row.query == ("partNumber",)
    }
    assert parts == {
        ("GetObject", "REST.GET.PART"): ("partNumber",),
        ("HeadObject", "REST.HEAD.PART"): ("partNumber",),
    }
    assert BY_NAME["GetObject"].query == BY_NAME["HeadObject"].query == ()


def test_only_copies_have_a_reading_half() -> None:
    halves = {
        row.name: (row.source_log_name, row.source_action, row.source_version_action)
        for row in OPERATIONS
        if row.header is not None
    }
    assert halves == {
        "CopyObject": ("REST.COPY.OBJECT_GET", "s3:GetObject", "s3:GetObjectVersion"),
        "UploadPartCopy": ("REST.COPY.PART_GET", "s3:GetObject", "s3:GetObjectVersion"),
    }
    others = [row for row in OPERATIONS if row.header is None]
    assert {row.source_log_name for row in others} == {None}


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("GetObject", "s3:GetObjectVersion"),
        ("HeadObject", "s3:GetObjectVersion"),
        ("DeleteObject", "s3:DeleteObjectVersion"),
        ("GetObjectAcl", "s3:GetObjectVersionAcl"),
        ("PutObjectAcl", "s3:PutObjectVersionAcl"),
        ("GetObjectTagging", "s3:GetObjectVersionTagging"),
        ("GetObjectRetention", "s3:GetObjectRetention"),
        ("PutObject", None),
        ("ListObjects", None),
    ],
)
def test_a_version_needs_an_action_of_its_own(name: str, action: str | None) -> None:
    assert BY_NAME[name].version_action == action


def test_an_operation_takes_a_version_where_the_model_has_one() -> None:
    for row in OPERATIONS:
        # The model leaves torrents of versions out, but IAM has an action for them.
        if row.level == "object" and row.name not in {"CORSPreflight", "GetObjectTorrent"}:
            shape: Any = MODEL.operation_model(row.name).input_shape
            takes = any(
                member.serialization.get("name") == "versionId"
                and member.serialization.get("location") == "querystring"
                for member in shape.members.values()
            )
            assert (row.version_action is not None) == takes, row.name


def test_what_changes_something_is_known() -> None:
    assert {
        row.name for row in OPERATIONS if row.method in ("GET", "HEAD") and row.mutates
    } == set()
    reading = {row.name for row in OPERATIONS if row.method in ("PUT", "POST", "DELETE")}
    assert {name for name in reading if not BY_NAME[name].mutates} == {
        "SelectObjectContent",
        "FlushBucketLogging",
    }


def test_bodies_of_any_size_are_known() -> None:
    assert {row.name for row in OPERATIONS if row.streams and row.implemented} == {
        "PutObject",
        "UploadPart",
    }


def test_operations_of_one_shape_say_which_of_them_is_meant() -> None:
    shapes: dict[object, list[Operation]] = {}
    for row in OPERATIONS:
        shapes.setdefault((row.level, row.method, row.query, row.header), []).append(row)
    for rows in shapes.values():
        chosen = [row for row in rows if row.routed_as is None]
        names = {row.name for row in rows}
        assert len(chosen) == 1 or names & {"WriteGetObjectResponse", "PostObject"}
        assert {row.routed_as for row in rows} - {None} <= names


@pytest.mark.parametrize(
    ("method", "subresource", "level", "copies", "logged"),
    [
        ("POST", None, "bucket", False, "REST.POST.BUCKET"),
        ("POST", "location", "bucket", False, "REST.POST.LOCATION"),
        ("POST", "notification", "bucket", False, "REST.POST.NOTIFICATION"),
        ("POST", "website", "bucket", False, "REST.POST.WEBSITE"),
        ("POST", "torrent", "object", False, "REST.POST.TORRENT"),
        ("HEAD", "torrent", "object", False, "REST.HEAD.TORRENT"),
        ("POST", "attributes", "object", False, "REST.POST.OBJECT_ATTRIBUTES"),
        ("HEAD", "versions", "bucket", False, "REST.HEAD.BUCKETVERSIONS"),
        ("HEAD", "uploads", "bucket", False, "REST.HEAD.UPLOADS"),
        ("PATCH", None, "bucket", False, "REST.PATCH.BUCKET"),
        ("PUT", "notification", "bucket", True, "REST.COPY.NOTIFICATION"),
        ("PATCH", None, "service", False, "REST.PATCH.SERVICE"),
    ],
)
def test_what_s3_does_not_have_is_named_as_scanners_see_it_in_real_logs(
    method: str, subresource: str | None, level: operations.Level, copies: bool, logged: str
) -> None:
    odd = operations.composed(method, subresource, level, copies=copies)
    assert (odd.name, odd.log_name, odd.method, odd.level) == (logged, logged, method, level)
    assert not odd.implemented
    assert odd.subresource == subresource


def test_a_subresource_is_known_on_buckets_and_objects_alike() -> None:
    assert set(RESOURCES["bucket"]) == set(RESOURCES["object"])
    assert RESOURCES["bucket"]["tagging"] != RESOURCES["object"]["tagging"]
    assert BY_NAME["ListObjectsV2"].subresource is None
    assert BY_NAME["UploadPart"].subresource == "uploadId"
