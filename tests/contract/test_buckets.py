"""Buckets as such: list, create, head, location, delete."""

from __future__ import annotations

import pytest
from tests.support.calls import ALICE, BOB, Client, account, nobody

from bucketlog.s3.model import Ownership, PublicAccessBlock


def constraint(region: str) -> bytes:
    return (
        '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
    ).encode()


async def test_a_new_bucket_is_private_enforced_and_blocked(alice: Client) -> None:
    made = await alice.send("PUT", "/fresh")
    assert (made.status, made.headers["Location"]) == (200, "/fresh")
    bucket = alice.backend.bucket("fresh")
    assert bucket is not None
    assert (bucket.name, bucket.region, bucket.owner) == ("fresh", "us-east-1", ALICE)
    assert bucket.created_at == alice.clock
    assert bucket.ownership is Ownership.ENFORCED
    assert bucket.public_access == PublicAccessBlock(True, True, True, True)
    assert bucket.policy is None
    assert [grant.permission for grant in bucket.acl.grants] == ["FULL_CONTROL"]


async def test_what_does_not_exist_is_not_in_the_catalog(alice: Client) -> None:
    assert alice.backend.bucket("nothing") is None
    assert alice.backend.object_access("nothing", "k", None) is None


async def test_a_bucket_is_made_in_the_region_named(alice: Client) -> None:
    await alice.send("PUT", "/there", body=constraint("eu-west-1"))
    location = await alice.send("GET", "/there?location")
    assert location.xml.text == "eu-west-1"
    head = await alice.send("HEAD", "/there")
    assert (head.status, head.headers["x-amz-bucket-region"]) == (200, "eu-west-1")


async def test_the_classic_region_has_no_location(owner: Client) -> None:
    location = await owner.send("GET", "/bucket?location")
    assert location.xml.tag == "LocationConstraint"
    assert location.xml.text is None


@pytest.mark.parametrize(
    ("region", "code"),
    [
        ("ap-south-1", "IllegalLocationConstraintException"),
        ("nowhere", "InvalidLocationConstraint"),
    ],
)
async def test_a_region_not_served_is_refused(alice: Client, region: str, code: str) -> None:
    assert (await alice.refused("PUT", "/there", body=constraint(region))).code == code
    assert alice.backend.bucket("there") is None


async def test_making_a_bucket_again_depends_on_whose_and_where(alice: Client) -> None:
    await alice.bucket("mine")
    assert (await alice.send("PUT", "/mine")).status == 200
    bob = alice.as_(account(BOB))
    assert (await bob.refused("PUT", "/mine")).code == "BucketAlreadyExists"
    await alice.send("PUT", "/there", body=constraint("eu-west-1"))
    again = await alice.refused("PUT", "/there", body=constraint("eu-west-1"))
    assert again.code == "BucketAlreadyOwnedByYou"


async def test_ownership_and_acl_can_be_given_at_creation(alice: Client) -> None:
    await alice.bucket(
        "logs",
        **{"x-amz-object-ownership": "BucketOwnerPreferred", "x-amz-acl": "log-delivery-write"},
    )
    bucket = alice.backend.bucket("logs")
    assert bucket is not None
    assert bucket.ownership is Ownership.PREFERRED
    assert {grant.permission for grant in bucket.acl.grants} == {
        "FULL_CONTROL",
        "WRITE",
        "READ_ACP",
    }


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-acl": "log-delivery-write"}, "InvalidBucketAclWithObjectOwnership"),
        (
            {"x-amz-acl": "public-read", "x-amz-object-ownership": "ObjectWriter"},
            "InvalidBucketAclWithBlockPublicAccessError",
        ),
        ({"x-amz-object-ownership": "Nobody"}, "InvalidArgument"),
        ({"x-amz-bucket-object-lock-enabled": "true"}, "NotImplemented"),
        ({"x-amz-acl": "odd"}, "InvalidArgument"),
    ],
)
async def test_a_bucket_that_may_not_be_is_not_made(
    alice: Client, headers: dict[str, str], code: str
) -> None:
    assert (await alice.refused("PUT", "/fresh", headers)).code == code
    assert alice.backend.bucket("fresh") is None


async def test_each_account_lists_its_own_buckets(alice: Client) -> None:
    for name in ("bbb", "aaa", "abc"):
        await alice.bucket(name)
    bob = alice.as_(account(BOB, "worker"))
    await bob.bucket("bobs")
    listed = await alice.send("GET", "/")
    assert listed.texts("Buckets/Bucket/Name") == ["aaa", "abc", "bbb"]
    assert listed.text("Owner/ID") == ALICE.canonical_id
    assert (await bob.send("GET", "/")).texts("Buckets/Bucket/Name") == ["bobs"]
    assert (await alice.as_(nobody()).refused("GET", "/")).code == "AccessDenied"


async def test_buckets_are_listed_by_prefix_and_page(alice: Client) -> None:
    for name in ("aaa", "aab", "aac", "bbb"):
        await alice.bucket(name)
    page = await alice.send("GET", "/?prefix=aa&max-buckets=2")
    assert page.texts("Buckets/Bucket/Name") == ["aaa", "aab"]
    assert page.text("Prefix") == "aa"
    token = page.text("ContinuationToken")
    rest = await alice.send("GET", f"/?prefix=aa&max-buckets=2&continuation-token={token}")
    assert rest.texts("Buckets/Bucket/Name") == ["aac"]
    assert rest.text("ContinuationToken") is None
    assert (await alice.refused("GET", "/?max-buckets=0")).code == "InvalidArgument"


async def test_only_an_empty_bucket_can_be_deleted(owner: Client) -> None:
    await owner.put("bucket", "k")
    assert (await owner.refused("DELETE", "/bucket")).code == "BucketNotEmpty"
    await owner.send("DELETE", "/bucket/k")
    assert (await owner.send("DELETE", "/bucket")).status == 204
    assert owner.backend.bucket("bucket") is None
    assert (await owner.send("GET", "/")).texts("Buckets/Bucket/Name") == []


async def test_uploads_under_way_do_not_keep_a_bucket(owner: Client) -> None:
    begun = await owner.send("POST", "/bucket/k?uploads")
    upload = begun.text("UploadId")
    await owner.send("PUT", f"/bucket/k?partNumber=1&uploadId={upload}", body=b"x")
    await owner.send("DELETE", "/bucket")
    await owner.bucket("bucket")
    listed = await owner.send("GET", "/bucket?uploads")
    assert listed.texts("Upload/Key") == []


async def test_an_operation_unknown_to_the_backend_is_not_implemented(owner: Client) -> None:
    assert (await owner.refused("GET", "/bucket?website")).code == "NotImplemented"
