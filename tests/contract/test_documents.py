"""ACLs of buckets and objects, bucket policies, ownership controls, the public access block."""

from __future__ import annotations

import json

import pytest
from tests.support.calls import ALICE, BOB, Client, account, nobody

from bucketlog.s3 import acl as acls
from bucketlog.s3.model import Ownership, PublicAccessBlock

OPEN = PublicAccessBlock(False, False, False, False)


def ownership(value: str) -> bytes:
    return (
        f"<OwnershipControls><Rule><ObjectOwnership>{value}</ObjectOwnership></Rule>"
        "</OwnershipControls>"
    ).encode()


def block(**switches: bool) -> bytes:
    content = "".join(f"<{name}>{str(value).lower()}</{name}>" for name, value in switches.items())
    return (
        "<PublicAccessBlockConfiguration>"
        f"{content or '<BlockPublicAcls>false</BlockPublicAcls>'}"
        "</PublicAccessBlockConfiguration>"
    ).encode()


def policy(principal: object = "*", bucket: str = "bucket") -> bytes:
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}).encode()


@pytest.fixture
async def open_bucket(owner: Client) -> Client:
    """A bucket where ACLs count and nothing public is blocked."""
    await owner.send("PUT", "/bucket?ownershipControls", body=ownership("ObjectWriter"))
    await owner.send("DELETE", "/bucket?publicAccessBlock")
    return owner


async def test_a_bucket_acl_is_kept_and_told(open_bucket: Client) -> None:
    told = await open_bucket.send("GET", "/bucket?acl")
    assert told.texts("AccessControlList/Grant/Permission") == ["FULL_CONTROL"]
    assert told.text("Owner/ID") == ALICE.canonical_id
    await open_bucket.send("PUT", "/bucket?acl", {"x-amz-acl": "public-read"})
    told = await open_bucket.send("GET", "/bucket?acl")
    assert told.texts("AccessControlList/Grant/Permission") == ["FULL_CONTROL", "READ"]
    bucket = open_bucket.backend.bucket("bucket")
    assert bucket is not None
    assert acls.is_public(bucket.acl)
    await open_bucket.send("PUT", "/bucket?acl", body=acls.render(acls.private(ALICE)))
    told = await open_bucket.send("GET", "/bucket?acl")
    assert told.texts("AccessControlList/Grant/Permission") == ["FULL_CONTROL"]


async def test_a_log_delivery_grant_is_kept(open_bucket: Client) -> None:
    await open_bucket.send("PUT", "/bucket?acl", {"x-amz-acl": "log-delivery-write"})
    bucket = open_bucket.backend.bucket("bucket")
    assert bucket is not None
    assert acls.permits_delivery(bucket.acl)


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({}, b"", "MissingSecurityHeader"),
        ({"x-amz-acl": "odd"}, b"", "InvalidArgument"),
        ({}, b"<AccessControlPolicy>", "MalformedACLError"),
        ({"x-amz-acl": "private"}, acls.render(acls.private(ALICE)), "UnexpectedContent"),
        ({}, acls.render(acls.private(BOB)), "InvalidArgument"),
    ],
)
async def test_an_acl_that_is_none_is_refused(
    open_bucket: Client, headers: dict[str, str], body: bytes, code: str
) -> None:
    error = await open_bucket.refused("PUT", "/bucket?acl", headers, body)
    assert error.code in (code, "AccessDenied")
    await open_bucket.put("bucket", "k")
    assert (await open_bucket.refused("PUT", "/bucket/k?acl", headers, body)).code == error.code


async def test_with_owner_enforced_acls_are_refused(owner: Client) -> None:
    await owner.put("bucket", "k")
    for target in ("/bucket?acl", "/bucket/k?acl"):
        error = await owner.refused("PUT", target, {"x-amz-acl": "public-read"})
        assert error.code == "AccessControlListNotSupported"
        told = await owner.send("GET", target)
        assert told.texts("AccessControlList/Grant/Permission") == ["FULL_CONTROL"]
    error = await owner.refused("PUT", "/bucket/k", {"x-amz-acl": "public-read"}, b"x")
    assert error.code == "AccessControlListNotSupported"
    await owner.send("PUT", "/bucket/k", {"x-amz-acl": "bucket-owner-full-control"}, b"x")
    for target in ("/bucket?acl", "/bucket/k?acl", "/bucket/k"):
        error = await owner.refused("PUT", target, {"x-amz-acl": "private"})
        assert error.code == "AccessControlListNotSupported"


async def test_public_acls_can_be_blocked(open_bucket: Client) -> None:
    await open_bucket.send("PUT", "/bucket?publicAccessBlock", body=block(BlockPublicAcls=True))
    await open_bucket.put("bucket", "k")
    public = {"x-amz-acl": "public-read"}
    for target in ("/bucket?acl", "/bucket/k?acl", "/bucket/k"):
        assert (await open_bucket.refused("PUT", target, public)).code == "AccessDenied"


async def test_an_object_acl_is_kept_and_told(open_bucket: Client) -> None:
    await open_bucket.put("bucket", "k", b"123", x_amz_acl="public-read")
    access = open_bucket.backend.object_access("bucket", "k", None)
    assert access is not None
    assert (access.owner, acls.is_public(access.acl)) == (ALICE, True)
    told = await open_bucket.send("GET", "/bucket/k?acl")
    assert told.texts("AccessControlList/Grant/Permission") == ["FULL_CONTROL", "READ"]
    assert told.reply.facts.object_size == 3
    changed = await open_bucket.send("PUT", "/bucket/k?acl", {"x-amz-acl": "private"})
    assert changed.reply.facts.object_size == 3
    told = await open_bucket.send("GET", "/bucket/k?acl")
    assert told.texts("AccessControlList/Grant/Permission") == ["FULL_CONTROL"]
    assert (await open_bucket.refused("GET", "/bucket/none?acl")).code == "NoSuchKey"
    missing = await open_bucket.refused("PUT", "/bucket/none?acl", {"x-amz-acl": "private"})
    assert missing.code == "NoSuchKey"


async def test_replacing_an_object_forgets_its_acl(open_bucket: Client) -> None:
    await open_bucket.put("bucket", "k", b"1", x_amz_acl="public-read")
    await open_bucket.put("bucket", "k", b"2")
    access = open_bucket.backend.object_access("bucket", "k", "null")
    assert access is not None
    assert access.acl == acls.private(ALICE)
    assert open_bucket.backend.object_access("bucket", "k", "other") is None
    assert open_bucket.backend.object_access("bucket", "none", None) is None


@pytest.mark.parametrize(
    ("setting", "acl", "expected"),
    [
        ("ObjectWriter", None, BOB),
        ("ObjectWriter", "bucket-owner-full-control", BOB),
        ("BucketOwnerPreferred", None, BOB),
        ("BucketOwnerPreferred", "bucket-owner-full-control", ALICE),
        ("BucketOwnerEnforced", None, ALICE),
        ("BucketOwnerEnforced", "bucket-owner-full-control", ALICE),
    ],
)
async def test_who_owns_an_object_follows_the_ownership_setting(
    owner: Client, setting: str, acl: str | None, expected: object
) -> None:
    await owner.send("PUT", "/bucket?ownershipControls", body=ownership(setting))
    bob = owner.as_(account(BOB))
    headers = {} if acl is None else {"x-amz-acl": acl}
    await bob.send("PUT", "/bucket/put", headers, b"x")
    begun = await bob.send("POST", "/bucket/parts?uploads", headers)
    upload = begun.text("UploadId")
    tag = (await bob.send("PUT", f"/bucket/parts?partNumber=1&uploadId={upload}", body=b"x")).etag
    document = (
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
        f"<ETag>{tag}</ETag></Part></CompleteMultipartUpload>"
    )
    await bob.send("POST", f"/bucket/parts?uploadId={upload}", body=document.encode())
    for key in ("put", "parts"):
        access = owner.backend.object_access("bucket", key, None)
        assert access is not None
        assert access.owner == expected


async def test_an_anonymous_writer_and_a_service_own_as_told(open_bucket: Client) -> None:
    await open_bucket.as_(nobody()).send("PUT", "/bucket/a", body=b"x")
    access = open_bucket.backend.object_access("bucket", "a", None)
    assert access is not None
    assert access.owner == acls.ANONYMOUS_OWNER
    courier = open_bucket.as_(nobody(), object_owner=acls.LOG_DELIVERY_OWNER)
    await courier.send("PUT", "/bucket/log", body=b"x")
    access = open_bucket.backend.object_access("bucket", "log", None)
    assert access is not None
    assert access.owner == acls.LOG_DELIVERY_OWNER


async def test_a_policy_is_kept_as_it_was_put(owner: Client) -> None:
    assert (await owner.refused("GET", "/bucket?policy")).code == "NoSuchBucketPolicy"
    text = policy({"AWS": BOB.account_id})
    assert (await owner.send("PUT", "/bucket?policy", body=text)).status == 204
    told = await owner.send("GET", "/bucket?policy")
    assert (told.body, told.headers["Content-Type"]) == (text, "application/json")
    status = await owner.send("GET", "/bucket?policyStatus")
    assert status.text("IsPublic") == "false"
    bucket = owner.backend.bucket("bucket")
    assert bucket is not None
    assert bucket.policy is not None
    assert bucket.policy_text == text.decode()
    assert (await owner.send("DELETE", "/bucket?policy")).status == 204
    assert (await owner.send("DELETE", "/bucket?policy")).status == 204
    assert (await owner.refused("GET", "/bucket?policyStatus")).code == "NoSuchBucketPolicy"


async def test_a_public_policy_can_be_blocked(owner: Client) -> None:
    assert (await owner.refused("PUT", "/bucket?policy", body=policy())).code == "AccessDenied"
    await owner.send("DELETE", "/bucket?publicAccessBlock")
    await owner.send("PUT", "/bucket?policy", body=policy())
    assert (await owner.send("GET", "/bucket?policyStatus")).text("IsPublic") == "true"


@pytest.mark.parametrize(
    "text", [b"", b"{", policy(bucket="other"), b'{"Statement": []}', b" " * 30_000]
)
async def test_a_policy_that_is_none_is_refused(owner: Client, text: bytes) -> None:
    assert (await owner.refused("PUT", "/bucket?policy", body=text)).code in (
        "MalformedPolicy",
        "MissingRequestBodyError",
    )


async def test_ownership_controls_are_kept_told_and_removed(owner: Client) -> None:
    told = await owner.send("GET", "/bucket?ownershipControls")
    assert told.text("Rule/ObjectOwnership") == "BucketOwnerEnforced"
    await owner.send("PUT", "/bucket?ownershipControls", body=ownership("BucketOwnerPreferred"))
    bucket = owner.backend.bucket("bucket")
    assert bucket is not None
    assert bucket.ownership is Ownership.PREFERRED
    assert (await owner.send("DELETE", "/bucket?ownershipControls")).status == 204
    error = await owner.refused("GET", "/bucket?ownershipControls")
    assert error.code == "OwnershipControlsNotFoundError"
    bad = await owner.refused("PUT", "/bucket?ownershipControls", body=ownership("Nobody"))
    assert bad.code == "MalformedXML"


async def test_acls_must_be_reset_before_ownership_is_enforced(open_bucket: Client) -> None:
    await open_bucket.send("PUT", "/bucket?acl", {"x-amz-acl": "log-delivery-write"})
    enforced = ownership("BucketOwnerEnforced")
    error = await open_bucket.refused("PUT", "/bucket?ownershipControls", body=enforced)
    assert error.code == "InvalidBucketAclWithObjectOwnership"
    await open_bucket.send("PUT", "/bucket?acl", {"x-amz-acl": "private"})
    await open_bucket.send("PUT", "/bucket?ownershipControls", body=enforced)


async def test_the_public_access_block_is_kept_told_and_removed(owner: Client) -> None:
    told = await owner.send("GET", "/bucket?publicAccessBlock")
    assert {element.tag: element.text for element in told.xml} == {
        "BlockPublicAcls": "true",
        "IgnorePublicAcls": "true",
        "BlockPublicPolicy": "true",
        "RestrictPublicBuckets": "true",
    }
    body = block(IgnorePublicAcls=True, RestrictPublicBuckets=False)
    await owner.send("PUT", "/bucket?publicAccessBlock", body=body)
    bucket = owner.backend.bucket("bucket")
    assert bucket is not None
    assert bucket.public_access == PublicAccessBlock(ignore_public_acls=True)
    assert (await owner.send("DELETE", "/bucket?publicAccessBlock")).status == 204
    error = await owner.refused("GET", "/bucket?publicAccessBlock")
    assert error.code == "NoSuchPublicAccessBlockConfiguration"
