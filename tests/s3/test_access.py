"""Who may do what, and whether it took an ACL: the rules, one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
from tests.support.parties import ALICE, BOB, CAROL, bucket, context, root, user

from bucketlog.s3 import access, acl
from bucketlog.s3.acl import Acl, Grant
from bucketlog.s3.model import (
    ANONYMOUS,
    Bucket,
    Caller,
    Decision,
    ObjectAccess,
    Owner,
    Ownership,
    Permission,
    PublicAccessBlock,
    Request,
)
from bucketlog.s3.operations import BY_NAME

HERE = "arn:aws:s3:::box"
WRITER = Ownership.WRITER
LOGGING = Caller(service="logging.s3.amazonaws.com")
CLOUDFRONT = Caller(service="cloudfront.amazonaws.com")


def ask(
    caller: Caller,
    operation: str,
    where: Bucket,
    stored: ObjectAccess | None = None,
    *,
    headers: dict[str, str] | None = None,
    version_id: str | None = None,
) -> Decision:
    """The decision on an operation of the table, asked for as the pipeline does."""
    row = BY_NAME[operation]
    action = row.action
    if version_id is not None and row.version_action is not None:
        action = row.version_action
    key = "key" if row.level == "object" else None
    return access.decide(
        caller,
        action,
        where,
        key,
        version_id,
        context=context(headers),
        permission=row.acl,
        permission_on=row.acl_on,
        object_access=lambda: stored,
    )


def outcome(decision: Decision) -> str:
    """Allowed or not, and what the aclRequired field says."""
    if not decision.allowed:
        assert not decision.acl_required
        assert decision.reason
        return "denied"
    return "Yes" if decision.acl_required else "-"


def stored(owner: Owner, *grants: Grant) -> ObjectAccess:
    return ObjectAccess(owner, Acl(owner, (*acl.private(owner).grants, *grants)))


def granted(who: Owner | str, permission: Permission) -> Grant:
    return Grant(acl.group(who) if isinstance(who, str) else acl.user(who), permission)


def with_acl(*grants: Grant, **changes: Any) -> Bucket:
    """A bucket of Alice's with ACLs on."""
    listed = Acl(ALICE, (*acl.private(ALICE).grants, *grants))
    return bucket(bucket_acl=listed, ownership=changes.pop("ownership", WRITER), **changes)


def statement(effect: str, principal: Any, action: str | list[str], **more: Any) -> dict[str, Any]:
    return {
        "Effect": effect,
        "Principal": principal,
        "Action": action,
        "Resource": [HERE, f"{HERE}/*"],
        **more,
    }


def policied(*statements: dict[str, Any], **changes: Any) -> Bucket:
    return bucket("box", ALICE, *statements, **changes)


TO_BOB = {"AWS": "222222222222"}


# ── the aclRequired table of the log-format page ────────────────────────────────────────────────

ALLOW_BOB = statement("Allow", TO_BOB, "s3:*")


@pytest.mark.parametrize(
    ("operation", "where", "owner", "value"),
    [
        # Requester A, of the bucket owner's account: never needed.
        ("GetObject", bucket(owner=BOB), BOB, "-"),
        ("GetObject", bucket(owner=BOB, ownership=WRITER), BOB, "-"),
        ("PutObject", bucket(owner=BOB), None, "-"),
        ("ListObjectsV2", bucket(owner=BOB), None, "-"),
        ("DeleteObject", bucket(owner=BOB, ownership=WRITER), ALICE, "-"),
        # Owner enforced: the object belongs to the bucket owner, whoever wrote it.
        ("GetObject", bucket(owner=BOB, ownership=Ownership.ENFORCED), ALICE, "-"),
        # Another account's bucket, and the policy grants it.
        ("GetObject", policied(ALLOW_BOB, ownership=WRITER), BOB, "-"),
        ("GetObject", policied(ALLOW_BOB, ownership=WRITER), ALICE, "-"),
        ("GetObject", policied(ALLOW_BOB, ownership=WRITER), CAROL, "-"),
        ("PutObject", policied(ALLOW_BOB), None, "-"),
        ("ListObjects", policied(ALLOW_BOB), None, "-"),
        ("DeleteObject", policied(ALLOW_BOB), ALICE, "-"),
        # Another account's bucket, and only an ACL grants it.
        ("GetObject", with_acl(), BOB, "Yes"),
        ("GetObject", with_acl(), ALICE, "Yes"),
        ("GetObject", with_acl(), CAROL, "Yes"),
        ("PutObject", with_acl(granted(BOB, "WRITE")), None, "Yes"),
        ("ListObjectsV2", with_acl(granted(BOB, "READ")), None, "Yes"),
        ("DeleteObject", with_acl(granted(BOB, "WRITE")), ALICE, "Yes"),
    ],
)
def test_acl_required_follows_the_table(
    operation: str, where: Bucket, owner: Owner | None, value: str
) -> None:
    found = None if owner is None else stored(owner, granted(BOB, "READ"))
    assert outcome(ask(root(BOB), operation, where, found)) == value
    assert outcome(ask(user(BOB, "bob"), operation, where, found)) == value


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ({}, "-"),
        ({"x-amz-acl": "bucket-owner-full-control"}, "-"),
        ({"x-amz-acl": "private"}, "Yes"),
        ({"x-amz-acl": "public-read"}, "Yes"),
        ({"x-amz-grant-read": f"id={BOB.canonical_id}"}, "Yes"),
    ],
)
@pytest.mark.parametrize("operation", ["PutObject", "CopyObject", "CreateMultipartUpload"])
@pytest.mark.parametrize(
    "where",
    [
        bucket(owner=BOB),
        bucket("box", BOB, statement("Allow", "*", "s3:GetObject")),
        policied(ALLOW_BOB),
    ],
    ids=["own", "own with policy", "allowed by policy"],
)
def test_a_write_that_sets_an_acl_requires_one(
    headers: dict[str, str], value: str, operation: str, where: Bucket
) -> None:
    assert outcome(ask(root(BOB), operation, where, headers=headers)) == value


@pytest.mark.parametrize("operation", ["PutBucketAcl", "PutObjectAcl"])
def test_to_put_an_acl_requires_one_whoever_does_it(operation: str) -> None:
    canned = {"x-amz-acl": "bucket-owner-full-control"}
    here = stored(ALICE)
    assert outcome(ask(root(ALICE), operation, bucket(), here, headers=canned)) == "Yes"
    assert outcome(ask(root(ALICE), operation, with_acl(), here)) == "Yes"
    assert outcome(ask(root(BOB), operation, policied(ALLOW_BOB), here)) == "Yes"
    assert outcome(ask(root(CAROL), operation, bucket(), here)) == "denied"


def test_to_read_an_acl_of_ones_own_requires_none() -> None:
    assert outcome(ask(root(ALICE), "GetBucketAcl", with_acl())) == "-"
    assert outcome(ask(root(ALICE), "GetObjectAcl", with_acl(), stored(ALICE))) == "-"


# ── the owner's account ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("operation", sorted(BY_NAME))
def test_members_of_the_owners_account_may_do_anything(operation: str) -> None:
    for caller in (root(ALICE), user(ALICE, "ann")):
        assert ask(caller, operation, bucket()).allowed
        assert ask(caller, operation, with_acl(), stored(ALICE)).allowed


def test_a_deny_binds_the_owners_account_too() -> None:
    where = policied(statement("Deny", "*", "s3:DeleteObject"))
    decision = ask(root(ALICE), "DeleteObject", where)
    assert outcome(decision) == "denied"
    assert "number 1" in decision.reason
    assert outcome(ask(root(ALICE), "GetObject", where)) == "-"


@pytest.mark.parametrize("operation", ["GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"])
def test_the_owners_root_can_always_mend_the_policy(operation: str) -> None:
    where = policied(statement("Deny", "*", "s3:*"))
    assert outcome(ask(root(ALICE), operation, where)) == "-"
    assert outcome(ask(user(ALICE, "ann"), operation, where)) == "denied"
    assert outcome(ask(root(BOB), operation, where)) == "denied"


# ── other accounts ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("caller", [root(BOB), user(BOB, "bob"), ANONYMOUS])
@pytest.mark.parametrize("operation", sorted(BY_NAME))
def test_strangers_may_do_nothing_by_default(operation: str, caller: Caller) -> None:
    assert outcome(ask(caller, operation, bucket(), stored(ALICE))) == "denied"
    assert outcome(ask(caller, operation, with_acl(), stored(ALICE))) == "denied"
    assert outcome(ask(caller, operation, with_acl())) == "denied"


@pytest.mark.parametrize(
    ("operation", "permission", "on"),
    [
        ("ListObjects", "READ", "bucket"),
        ("ListObjectsV2", "READ", "bucket"),
        ("ListObjectVersions", "READ", "bucket"),
        ("ListMultipartUploads", "READ", "bucket"),
        ("HeadBucket", "READ", "bucket"),
        ("PutObject", "WRITE", "bucket"),
        ("CopyObject", "WRITE", "bucket"),
        ("DeleteObject", "WRITE", "bucket"),
        ("GetBucketAcl", "READ_ACP", "bucket"),
        ("PutBucketAcl", "WRITE_ACP", "bucket"),
        ("GetObject", "READ", "object"),
        ("HeadObject", "READ", "object"),
        ("GetObjectAcl", "READ_ACP", "object"),
        ("PutObjectAcl", "WRITE_ACP", "object"),
    ],
)
@pytest.mark.parametrize("given", ["READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"])
def test_an_acl_grants_exactly_what_the_guide_says(
    operation: str, permission: str, on: Literal["bucket", "object"], given: Permission
) -> None:
    grant = granted(BOB, given)
    where = with_acl(*([grant] if on == "bucket" else []))
    found = stored(ALICE, *([grant] if on == "object" else []))
    value = "Yes" if given in (permission, "FULL_CONTROL") else "denied"
    assert outcome(ask(user(BOB, "bob"), operation, where, found)) == value
    assert outcome(ask(root(CAROL), operation, where, found)) == "denied"


@pytest.mark.parametrize(
    "operation",
    ["PutBucketLogging", "GetBucketPolicy", "PutBucketOwnershipControls", "DeleteBucket"],
)
def test_no_acl_grants_configuration(operation: str) -> None:
    where = with_acl(granted(BOB, "FULL_CONTROL"), granted(acl.ALL_USERS, "FULL_CONTROL"))
    assert outcome(ask(root(BOB), operation, where)) == "denied"


@pytest.mark.parametrize(
    ("operation", "value"),
    [
        ("GetBucketLocation", "-"),
        ("GetPublicAccessBlock", "-"),
        ("PutBucketOwnershipControls", "-"),
        ("GetBucketLogging", "denied"),
        ("PutBucketLogging", "denied"),
        ("GetBucketPolicy", "denied"),
        ("PutBucketPolicy", "denied"),
        ("DeleteBucketPolicy", "denied"),
    ],
)
def test_a_policy_grants_configuration_but_for_logging_and_the_policy(
    operation: str, value: str
) -> None:
    assert outcome(ask(root(BOB), operation, policied(ALLOW_BOB))) == value


def test_acls_count_for_nothing_where_the_owner_is_enforced() -> None:
    where = with_acl(granted(BOB, "FULL_CONTROL"), ownership=Ownership.ENFORCED)
    found = stored(ALICE, granted(BOB, "READ"))
    assert outcome(ask(root(BOB), "ListObjects", where)) == "denied"
    assert outcome(ask(root(BOB), "GetObject", where, found)) == "denied"


def test_public_grants_reach_everyone_or_every_account() -> None:
    everyone = stored(ALICE, granted(acl.ALL_USERS, "READ"))
    accounts = stored(ALICE, granted(acl.AUTHENTICATED_USERS, "READ"))
    assert outcome(ask(ANONYMOUS, "GetObject", with_acl(), everyone)) == "Yes"
    assert outcome(ask(root(BOB), "GetObject", with_acl(), everyone)) == "Yes"
    assert outcome(ask(ANONYMOUS, "GetObject", with_acl(), accounts)) == "denied"
    assert outcome(ask(root(BOB), "GetObject", with_acl(), accounts)) == "Yes"


def test_a_deny_outdoes_an_acl() -> None:
    where = policied(
        statement("Deny", TO_BOB, "s3:GetObject"),
        ownership=WRITER,
    )
    found = stored(ALICE, granted(acl.ALL_USERS, "READ"))
    assert outcome(ask(root(BOB), "GetObject", where, found)) == "denied"
    assert outcome(ask(root(CAROL), "GetObject", where, found)) == "Yes"


def test_a_version_is_another_permission() -> None:
    where = policied(statement("Allow", TO_BOB, "s3:GetObject"))
    assert outcome(ask(root(BOB), "GetObject", where)) == "-"
    assert outcome(ask(root(BOB), "GetObject", where, version_id="v")) == "denied"


# ── writing with an ACL, by policy ──────────────────────────────────────────────────────────────


def test_a_write_that_sets_an_acl_needs_the_policy_to_allow_that_too() -> None:
    public = {"x-amz-acl": "public-read"}
    full = {"x-amz-acl": "bucket-owner-full-control"}
    only_put = policied(statement("Allow", TO_BOB, "s3:PutObject"), ownership=WRITER)
    both = policied(
        statement("Allow", TO_BOB, ["s3:PutObject", "s3:PutObjectAcl"]), ownership=WRITER
    )
    assert outcome(ask(root(BOB), "PutObject", only_put)) == "-"
    assert outcome(ask(root(BOB), "PutObject", only_put, headers=full)) == "-"
    assert outcome(ask(root(BOB), "PutObject", only_put, headers=public)) == "denied"
    assert outcome(ask(root(BOB), "PutObject", both, headers=public)) == "Yes"


def test_a_deny_of_put_object_acl_stops_a_write_that_sets_one() -> None:
    where = policied(statement("Deny", "*", "s3:PutObjectAcl"))
    public = {"x-amz-acl": "public-read"}
    assert outcome(ask(root(ALICE), "PutObject", where)) == "-"
    assert outcome(ask(root(ALICE), "PutObject", where, headers=public)) == "denied"


# ── objects of another account ──────────────────────────────────────────────────────────────────


def test_the_bucket_owner_needs_a_grant_to_read_a_foreign_object() -> None:
    for caller in (root(ALICE), user(ALICE, "ann")):
        assert outcome(ask(caller, "GetObject", with_acl(), stored(BOB))) == "denied"
        read = stored(BOB, granted(ALICE, "READ"))
        assert outcome(ask(caller, "GetObject", with_acl(), read)) == "Yes"
        assert outcome(ask(caller, "GetObjectAcl", with_acl(), read)) == "denied"
        assert outcome(ask(caller, "GetObjectTagging", with_acl(), read)) == "denied"


def test_the_bucket_owner_may_always_delete_or_overwrite_a_foreign_object() -> None:
    assert outcome(ask(root(ALICE), "DeleteObject", with_acl(), stored(BOB))) == "-"
    assert outcome(ask(root(ALICE), "PutObject", with_acl(), stored(BOB))) == "-"


def test_the_bucket_policy_cannot_open_a_foreign_object_but_can_close_it() -> None:
    opened = policied(statement("Allow", "*", "s3:*"), ownership=WRITER)
    assert outcome(ask(root(CAROL), "GetObject", opened, stored(BOB))) == "denied"
    assert outcome(ask(root(ALICE), "GetObject", opened, stored(BOB))) == "denied"
    closed = policied(statement("Deny", "*", "s3:GetObject"), ownership=WRITER)
    assert outcome(ask(root(BOB), "GetObject", closed, stored(BOB))) == "denied"


def test_the_object_owner_may_read_and_regrant_it_in_anothers_bucket() -> None:
    assert outcome(ask(root(BOB), "GetObject", with_acl(), stored(BOB))) == "Yes"
    assert outcome(ask(user(BOB, "bob"), "PutObjectAcl", with_acl(), stored(BOB))) == "Yes"
    assert outcome(ask(root(BOB), "DeleteObject", with_acl(), stored(BOB))) == "denied"


def test_an_object_is_looked_up_only_where_its_owner_or_acl_matters() -> None:
    def unwanted() -> ObjectAccess | None:
        raise AssertionError("looked up")

    def look(caller: Caller, where: Bucket, action: str) -> Callable[[], Decision]:
        return lambda: access.decide(
            caller,
            action,
            where,
            "key",
            context=context(),
            permission="READ",
            permission_on="object",
            object_access=unwanted,
        )

    assert look(root(ALICE), bucket(), "s3:GetObject")().allowed
    assert look(root(BOB), policied(ALLOW_BOB), "s3:GetObject")().allowed
    assert look(root(ALICE), with_acl(), "s3:PutObject")().allowed
    with pytest.raises(AssertionError, match="looked up"):
        look(root(BOB), with_acl(), "s3:GetObject")()


# ── public access block ─────────────────────────────────────────────────────────────────────────


def test_ignored_public_acls_grant_nothing_and_others_still_do() -> None:
    where = with_acl(
        granted(acl.ALL_USERS, "READ"),
        granted(BOB, "READ"),
        block=PublicAccessBlock(ignore_public_acls=True),
    )
    found = stored(ALICE, granted(acl.AUTHENTICATED_USERS, "READ"))
    assert outcome(ask(ANONYMOUS, "ListObjects", where)) == "denied"
    assert outcome(ask(root(CAROL), "GetObject", where, found)) == "denied"
    assert outcome(ask(root(BOB), "ListObjects", where)) == "Yes"


def test_a_restricted_bucket_with_a_public_policy_is_for_its_own_account_and_services() -> None:
    restrict = PublicAccessBlock(restrict_public_buckets=True)
    public = policied(
        statement("Allow", "*", "s3:GetObject"), ALLOW_BOB, block=restrict, ownership=WRITER
    )
    found = stored(ALICE, granted(acl.ALL_USERS, "READ"))
    assert outcome(ask(ANONYMOUS, "GetObject", public, found)) == "denied"
    assert outcome(ask(root(BOB), "GetObject", public, found)) == "denied"
    assert outcome(ask(root(BOB), "GetObject", public, stored(BOB))) == "denied"
    assert outcome(ask(root(ALICE), "GetObject", public, found)) == "-"
    assert outcome(ask(CLOUDFRONT, "GetObject", public, found)) == "-"
    fixed = policied(ALLOW_BOB, block=restrict)
    assert outcome(ask(root(BOB), "GetObject", fixed)) == "-"
    unrestricted = policied(statement("Allow", "*", "s3:GetObject"), block=PublicAccessBlock())
    assert outcome(ask(ANONYMOUS, "GetObject", unrestricted)) == "-"
    without_policy = with_acl(granted(acl.ALL_USERS, "READ"), block=restrict)
    assert outcome(ask(ANONYMOUS, "ListObjects", without_policy)) == "Yes"


# ── services ────────────────────────────────────────────────────────────────────────────────────

READY = (granted(acl.LOG_DELIVERY, "WRITE"), granted(acl.LOG_DELIVERY, "READ_ACP"))
ALLOW_LOGGING = statement("Allow", {"Service": "logging.s3.amazonaws.com"}, "s3:PutObject")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (bucket(), "denied"),
        (policied(ALLOW_LOGGING), "-"),
        (policied(ALLOW_LOGGING, statement("Deny", "*", "s3:*")), "denied"),
        (policied(ALLOW_BOB), "denied"),
        (with_acl(), "denied"),
        (with_acl(*READY), "Yes"),
        (with_acl(*READY, ownership=None), "Yes"),
        (with_acl(READY[0]), "denied"),
        (with_acl(READY[1]), "denied"),
        (with_acl(granted(acl.ALL_USERS, "FULL_CONTROL")), "denied"),
        (with_acl(granted(acl.LOG_DELIVERY, "FULL_CONTROL")), "Yes"),
        (with_acl(*READY, ownership=Ownership.ENFORCED), "denied"),
        (with_acl(*READY, block=PublicAccessBlock(True, True, True, True)), "Yes"),
    ],
)
def test_log_delivery_comes_in_by_policy_or_by_its_group(where: Bucket, value: str) -> None:
    assert outcome(ask(LOGGING, "PutObject", where)) == value


def test_log_delivery_may_read_the_acl_its_group_may_read_and_nothing_else() -> None:
    assert outcome(ask(LOGGING, "GetBucketAcl", with_acl(*READY))) == "Yes"
    assert outcome(ask(LOGGING, "GetBucketAcl", with_acl(READY[0]))) == "denied"
    assert outcome(ask(LOGGING, "GetObject", with_acl(*READY), stored(ALICE))) == "denied"
    assert outcome(ask(LOGGING, "DeleteObject", with_acl(*READY))) == "denied"


def test_log_delivery_may_grant_its_objects_to_others_by_the_permission_to_put_alone() -> None:
    headers = {"x-amz-grant-full-control": f"id={ALICE.canonical_id}"}
    by_policy = policied(ALLOW_LOGGING, ownership=WRITER)
    assert outcome(ask(LOGGING, "PutObject", by_policy, headers=headers)) == "Yes"
    assert outcome(ask(LOGGING, "PutObject", with_acl(*READY), headers=headers)) == "Yes"


def test_the_group_of_log_delivery_lets_no_other_service_in() -> None:
    assert outcome(ask(CLOUDFRONT, "PutObject", with_acl(*READY))) == "denied"


# ── without a bucket; missing keys ──────────────────────────────────────────────────────────────


def test_whoever_signs_for_an_account_may_list_and_create_buckets() -> None:
    plain = Request("GET", "/", "HTTP/1.1", {})
    canned = Request("PUT", "/box", "HTTP/1.1", {"x-amz-acl": "private"})
    assert outcome(access.for_account(root(BOB), plain)) == "-"
    assert outcome(access.for_account(user(BOB, "bob"), canned)) == "Yes"
    assert outcome(access.for_account(ANONYMOUS, plain)) == "denied"
    assert outcome(access.for_account(LOGGING, plain)) == "denied"


def test_only_who_may_list_learns_that_a_key_is_missing() -> None:
    listing = policied(statement("Allow", TO_BOB, "s3:ListBucket"))
    assert access.may_list(root(ALICE), bucket(), context())
    assert access.may_list(root(BOB), listing, context())
    assert access.may_list(ANONYMOUS, with_acl(granted(acl.ALL_USERS, "READ")), context())
    assert not access.may_list(root(BOB), bucket(), context())
    assert outcome(ask(root(BOB), "GetObject", with_acl(granted(BOB, "READ")))) == "denied"


def test_what_an_unsigned_request_stored_any_other_may_read() -> None:
    """The anonymous user has a canonical id; being public, it is ignored with public ACLs."""
    theirs = stored(acl.ANONYMOUS_OWNER)
    assert outcome(ask(ANONYMOUS, "GetObject", with_acl(), theirs)) == "Yes"
    assert outcome(ask(root(BOB), "GetObject", with_acl(), theirs)) == "denied"
    block = PublicAccessBlock(ignore_public_acls=True)
    assert outcome(ask(ANONYMOUS, "GetObject", with_acl(block=block), theirs)) == "denied"
