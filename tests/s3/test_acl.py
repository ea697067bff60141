"""ACLs: canned, in headers, in XML, as stored; and what S3 refuses."""

from __future__ import annotations

import pytest
from botocore.parsers import RestXMLParser
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st
from tests.support.parties import ALICE, BOB, CAROL, bucket, known

from bucketlog.s3 import acl
from bucketlog.s3.acl import Acl, Grant, Grantee
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Ownership, PublicAccessBlock

EVERYONE = "http://acs.amazonaws.com/groups/global/AllUsers"
SIGNED_IN = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def said(made: Acl) -> list[tuple[str, str]]:
    """What an ACL grants, without its owner's own full control."""
    listed: list[tuple[str, str]] = [
        (grant.grantee.value, grant.permission) for grant in made.grants
    ]
    assert listed[0] == (made.owner.canonical_id, "FULL_CONTROL")
    return listed[1:]


def refusal(error: pytest.ExceptionInfo[S3Error]) -> tuple[str, str | None, dict[str, str]]:
    return error.value.code, error.value.message, error.value.detail


@pytest.mark.parametrize(
    ("name", "grants"),
    [
        ("private", []),
        ("public-read", [(EVERYONE, "READ")]),
        ("public-read-write", [(EVERYONE, "READ"), (EVERYONE, "WRITE")]),
        ("authenticated-read", [(SIGNED_IN, "READ")]),
        (
            "aws-exec-read",
            [("6aa5a366c34c1cbe25dc49211496e913e0351eb0e8c37aa3477e40942ec6b97c", "READ")],
        ),
        ("bucket-owner-read", [(ALICE.canonical_id, "READ")]),
        ("bucket-owner-full-control", [(ALICE.canonical_id, "FULL_CONTROL")]),
    ],
)
def test_a_canned_acl_of_an_object_grants_what_the_guide_says(
    name: str, grants: list[tuple[str, str]]
) -> None:
    made = acl.requested({"x-amz-acl": name}, BOB, ALICE)
    assert made is not None
    assert said(made) == grants


@pytest.mark.parametrize(
    ("name", "grants"),
    [
        ("private", []),
        ("public-read", [(EVERYONE, "READ")]),
        ("log-delivery-write", [(DELIVERY, "WRITE"), (DELIVERY, "READ_ACP")]),
        ("bucket-owner-read", []),
        ("bucket-owner-full-control", []),
    ],
)
def test_a_canned_acl_of_a_bucket_grants_what_the_guide_says(
    name: str, grants: list[tuple[str, str]]
) -> None:
    assert said(acl.canned(name, ALICE)) == grants


def test_the_owner_of_both_object_and_bucket_is_not_granted_twice() -> None:
    assert acl.canned("bucket-owner-full-control", ALICE, ALICE) == acl.private(ALICE)
    assert acl.canned("bucket-owner-read", ALICE, ALICE) == acl.private(ALICE)


def test_our_canned_names_are_those_of_amazons_model() -> None:
    model = get_session().get_service_model("s3")
    assert set(model.shape_for("ObjectCannedACL").enum) == acl.OBJECT_CANNED
    assert set(model.shape_for("BucketCannedACL").enum) <= acl.BUCKET_CANNED
    assert set(model.shape_for("Permission").enum) == acl.PERMISSIONS


@pytest.mark.parametrize(
    ("name", "for_bucket"), [("open", True), ("open", False), ("log-delivery-write", False)]
)
def test_an_unknown_canned_acl_is_an_invalid_argument(name: str, for_bucket: bool) -> None:
    with pytest.raises(S3Error) as error:
        acl.requested({"x-amz-acl": name}, ALICE, None if for_bucket else ALICE)
    assert refusal(error) == (
        "InvalidArgument",
        None,
        {"ArgumentName": "x-amz-acl", "ArgumentValue": name},
    )


def test_a_request_without_acl_headers_asks_for_none() -> None:
    assert acl.requested({"host": "x"}, ALICE) is None


def test_grant_headers_name_ids_and_groups() -> None:
    headers = {
        "x-amz-grant-read": f'id="{BOB.canonical_id}", uri="{EVERYONE}"',
        "x-amz-grant-full-control": f"id={ALICE.canonical_id}",
        "x-amz-grant-read-acp": f'uri="{DELIVERY}"',
        "x-amz-grant-write": f' uri = "{DELIVERY}" ,',
        "x-amz-grant-write-acp": f'id="{acl.LOG_DELIVERY_OWNER.canonical_id}"',
    }
    made = acl.requested(headers, ALICE, known=known)
    assert made is not None
    assert made.grants == (
        Grant(Grantee("CanonicalUser", ALICE.canonical_id, "alice"), "FULL_CONTROL"),
        Grant(Grantee("CanonicalUser", BOB.canonical_id, "bob"), "READ"),
        Grant(Grantee("Group", EVERYONE), "READ"),
        Grant(Grantee("Group", DELIVERY), "READ_ACP"),
        Grant(Grantee("Group", DELIVERY), "WRITE"),
        Grant(
            Grantee("CanonicalUser", acl.LOG_DELIVERY_OWNER.canonical_id, "s3-log-service"),
            "WRITE_ACP",
        ),
    )


def test_what_canned_acls_grant_can_be_granted_by_id_again() -> None:
    for grant in acl.canned("aws-exec-read", ALICE).grants:
        made = acl.requested({"x-amz-grant-read": f"id={grant.grantee.value}"}, ALICE, known=known)
        assert made is not None
        assert made.grants[0].grantee == grant.grantee


def test_without_accounts_to_ask_every_well_formed_id_is_taken() -> None:
    made = acl.requested({"x-amz-grant-read": f"id={'d' * 64}"}, ALICE)
    assert made is not None
    assert made.grants == (Grant(Grantee("CanonicalUser", "d" * 64), "READ"),)
    with pytest.raises(S3Error):
        acl.requested({"x-amz-grant-read": "id=nobody"}, ALICE)


@pytest.mark.parametrize(
    ("value", "code", "message", "detail"),
    [
        ("id=nobody", "InvalidArgument", "Invalid id", ("id", "nobody")),
        (f"id={'d' * 64}", "InvalidArgument", "Invalid id", ("id", "d" * 64)),
        ("uri=http://x", "InvalidArgument", "Invalid group uri", ("uri", "http://x")),
        ("name=x", "InvalidArgument", "Argument format not recognized", None),
        ("everyone", "InvalidArgument", "Argument format not recognized", None),
        ('id="a', "InvalidArgument", "Argument format not recognized", None),
        ("", "InvalidArgument", "Argument format not recognized", None),
        (",", "InvalidArgument", "Argument format not recognized", None),
        ("emailAddress=a@example.com", "MethodNotAllowed", None, ()),
    ],
)
def test_a_grant_header_that_names_nobody_is_refused(
    value: str, code: str, message: str | None, detail: tuple[str, str] | tuple[()] | None
) -> None:
    with pytest.raises(S3Error) as error:
        acl.requested({"x-amz-grant-read": value}, ALICE, known=known)
    if detail is None:
        detail = ("x-amz-grant-read", value)
    assert refusal(error) == (
        code,
        message,
        dict(zip(("ArgumentName", "ArgumentValue"), detail, strict=False)),
    )


def test_canned_and_header_grants_exclude_each_other() -> None:
    with pytest.raises(S3Error) as error:
        acl.requested({"x-amz-acl": "private", "x-amz-grant-read": "id=x"}, ALICE)
    assert refusal(error) == (
        "InvalidRequest",
        "Specifying both Canned ACLs and Header Grants is not allowed",
        {},
    )


def test_an_acl_has_at_most_a_hundred_grants() -> None:
    full = ",".join([f"id={BOB.canonical_id}"] * 100)
    made = acl.requested({"x-amz-grant-read": full}, ALICE)
    assert made is not None
    assert len(made.grants) == 100
    assert acl.parse(acl.render(made), ALICE).grants == tuple(
        Grant(Grantee("CanonicalUser", BOB.canonical_id), "READ") for _ in range(100)
    )
    more = Acl(ALICE, (*made.grants, made.grants[0]))
    with pytest.raises(S3Error, match="MalformedACLError"):
        acl.requested({"x-amz-grant-read": f"{full},id={BOB.canonical_id}"}, ALICE)
    with pytest.raises(S3Error, match="MalformedACLError"):
        acl.parse(acl.render(more), ALICE)


# ── XML ─────────────────────────────────────────────────────────────────────────────────────────


def xml(grants: str, namespace: str = "", owner: str | None = ALICE.canonical_id) -> bytes:
    own = "" if owner is None else f"<Owner><ID>{owner}</ID></Owner>"
    return (
        f"<AccessControlPolicy{namespace}>{own}"
        f"<AccessControlList>{grants}</AccessControlList></AccessControlPolicy>"
    ).encode()


def xml_grant(kind: str, inner: str, permission: str = "READ") -> str:
    return (
        f'<Grant><Grantee {XSI} xsi:type="{kind}">{inner}</Grantee>'
        f"<Permission>{permission}</Permission></Grant>"
    )


@pytest.mark.parametrize(
    "namespace",
    [
        "",
        ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"',
        ' xmlns="http://doc.s3.amazonaws.com/2006-03-01"',
    ],
)
def test_a_document_is_read_in_either_namespace_or_none(namespace: str) -> None:
    body = xml(
        xml_grant("Group", f"<URI>{EVERYONE}</URI>")
        + xml_grant("CanonicalUser", f"<ID>{BOB.canonical_id}</ID><DisplayName>x</DisplayName>"),
        namespace,
    )
    assert acl.parse(body, ALICE, known=known) == Acl(
        ALICE,
        (
            Grant(Grantee("Group", EVERYONE), "READ"),
            Grant(Grantee("CanonicalUser", BOB.canonical_id, "bob"), "READ"),
        ),
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<AccessControlPolicy>",
        b"<Tagging/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><AccessControlPolicy/>',
        b"<AccessControlPolicy/>",
        xml("", owner=None),
        b"<AccessControlPolicy><Owner><ID>" + b"a" * 64 + b"</ID></Owner></AccessControlPolicy>",
        b"<AccessControlPolicy><Owner/><AccessControlList/></AccessControlPolicy>",
        xml("<Grant/>"),
        xml("<Other/>"),
        xml(xml_grant("CanonicalUser", f"<ID>{'a' * 64}</ID>", "OWN")),
        xml(xml_grant("CanonicalUser", "<URI>x</URI>")),
        xml(xml_grant("Group", "<ID>x</ID>")),
        xml(xml_grant("Martian", "<ID>x</ID>")),
        xml(xml_grant("CanonicalUser", f"<ID>{'a' * 64}</ID>").replace("Grant>", "Gift>")),
        xml("<Grant><Grantee><ID>x</ID></Grantee><Permission>READ</Permission></Grant>"),
    ],
)
def test_a_document_that_does_not_fit_the_schema_is_malformed(body: bytes) -> None:
    with pytest.raises(S3Error) as error:
        acl.parse(body, ALICE)
    assert error.value.code == "MalformedACLError"


@pytest.mark.parametrize(
    ("body", "code", "detail"),
    [
        (
            xml(xml_grant("Group", "<URI>http://x</URI>")),
            "InvalidArgument",
            {"ArgumentName": "Group/URI", "ArgumentValue": "http://x"},
        ),
        (
            xml(xml_grant("CanonicalUser", "<ID>nobody</ID>")),
            "InvalidArgument",
            {"ArgumentName": "CanonicalUser/ID", "ArgumentValue": "nobody"},
        ),
        (
            xml("", owner="nobody"),
            "InvalidArgument",
            {"ArgumentName": "CanonicalUser/ID", "ArgumentValue": "nobody"},
        ),
        (
            xml(xml_grant("AmazonCustomerByEmail", "<EmailAddress>a@b</EmailAddress>")),
            "MethodNotAllowed",
            {},
        ),
        (xml("", owner=BOB.canonical_id), "AccessDenied", {}),
    ],
)
def test_a_document_that_names_the_wrong_party_is_refused(
    body: bytes, code: str, detail: dict[str, str]
) -> None:
    with pytest.raises(S3Error) as error:
        acl.parse(body, ALICE, known=known)
    assert (error.value.code, error.value.detail) == (code, detail)


def test_a_list_elsewhere_says_which_code_its_malformation_has() -> None:
    from xml.etree.ElementTree import fromstring

    listed = fromstring("<TargetGrants><Grant/></TargetGrants>")
    with pytest.raises(S3Error) as error:
        acl.grants(listed, ALICE, malformed="MalformedXML")
    assert error.value.code == "MalformedXML"


def test_boto_reads_what_we_render() -> None:
    made = acl.canned("log-delivery-write", ALICE)
    shape = get_session().get_service_model("s3").operation_model("GetBucketAcl").output_shape
    read = RestXMLParser().parse(
        {"body": acl.render(made), "headers": {}, "status_code": 200}, shape
    )
    assert read["Owner"] == {"ID": ALICE.canonical_id, "DisplayName": "alice"}
    assert read["Grants"] == [
        {
            "Grantee": {
                "ID": ALICE.canonical_id,
                "DisplayName": "alice",
                "Type": "CanonicalUser",
            },
            "Permission": "FULL_CONTROL",
        },
        {"Grantee": {"URI": DELIVERY, "Type": "Group"}, "Permission": "WRITE"},
        {"Grantee": {"URI": DELIVERY, "Type": "Group"}, "Permission": "READ_ACP"},
    ]


PARTIES = [ALICE, BOB, CAROL]
some_grants = st.lists(
    st.builds(
        Grant,
        st.sampled_from([acl.user(owner) for owner in PARTIES])
        | st.sampled_from([acl.group(uri) for uri in sorted(acl.GROUPS)]),
        st.sampled_from(sorted(acl.PERMISSIONS)),
    ),
    max_size=5,
).map(tuple)
some_acls = st.builds(Acl, st.sampled_from(PARTIES), some_grants)


@given(some_acls)
def test_an_acl_survives_xml(made: Acl) -> None:
    assert acl.parse(acl.render(made), made.owner, known=known) == made


@given(some_acls)
def test_an_acl_survives_storage_and_is_parsed_once(made: Acl) -> None:
    stored = acl.encode(made)
    assert acl.decode(stored) == made
    assert acl.decode(stored) is acl.decode(stored)
    assert hash(acl.decode(stored)) == hash(made)


# ── PutBucketAcl, PutObjectAcl ──────────────────────────────────────────────────────────────────


def test_an_acl_is_submitted_in_headers_or_in_the_body() -> None:
    body = acl.render(acl.canned("public-read", ALICE))
    assert acl.submitted({}, body, ALICE) == acl.canned("public-read", ALICE)
    assert acl.submitted({"x-amz-acl": "private"}, b"", ALICE) == acl.private(ALICE)


def test_an_acl_submitted_twice_or_not_at_all_is_refused() -> None:
    with pytest.raises(S3Error) as error:
        acl.submitted({"x-amz-acl": "private"}, b"<x/>", ALICE)
    assert refusal(error) == ("UnexpectedContent", "This request does not support content", {})
    with pytest.raises(S3Error) as error:
        acl.submitted({}, b"", ALICE)
    assert refusal(error) == (
        "MissingSecurityHeader",
        "Your request was missing a required header",
        {"MissingHeaderName": "x-amz-acl"},
    )


# ── asking ──────────────────────────────────────────────────────────────────────────────────────


def test_full_control_is_every_permission() -> None:
    own = acl.private(ALICE)
    assert all(acl.holds(own, (ALICE.canonical_id,), each) for each in sorted(acl.PERMISSIONS))
    assert not acl.holds(own, (BOB.canonical_id, EVERYONE), "READ")


@pytest.mark.parametrize(
    ("name", "public"),
    [
        ("private", False),
        ("public-read", True),
        ("authenticated-read", True),
        ("log-delivery-write", False),
        ("aws-exec-read", False),
    ],
)
def test_an_acl_is_public_when_it_grants_to_everyone_or_every_account(
    name: str, public: bool
) -> None:
    assert acl.is_public(acl.canned(name, ALICE)) is public


def test_delivery_needs_both_grants_and_gets_the_one_it_lacks() -> None:
    ready = acl.canned("log-delivery-write", ALICE)
    assert acl.permits_delivery(ready)
    assert acl.with_delivery(ready) == ready
    half = Acl(ALICE, ready.grants[:2])
    assert not acl.permits_delivery(half)
    assert acl.with_delivery(half) == ready
    assert acl.permits_delivery(acl.with_delivery(acl.private(ALICE)))


@pytest.mark.parametrize("header", ["x-amz-acl", *acl.GRANT_HEADERS])
def test_each_acl_header_sets_an_acl(header: str) -> None:
    assert acl.is_set_by({header: "x"})


def test_a_bucket_with_acls_disabled_takes_only_its_owners_full_control() -> None:
    here = bucket()
    acl.check(acl.private(ALICE), here, {})  # as a document, or in a grant header
    full = "bucket-owner-full-control"
    acl.check(acl.canned(full, ALICE, ALICE), here, {"x-amz-acl": full})
    for wanted, headers in (
        (acl.canned("public-read", ALICE), {"x-amz-acl": "public-read"}),
        (acl.private(ALICE), {"x-amz-acl": "private"}),
        (acl.private(BOB), {}),
        (Acl(ALICE, (Grant(acl.user(ALICE), "READ"),)), {}),
    ):
        with pytest.raises(S3Error) as error:
            acl.check(wanted, here, headers)
        assert refusal(error) == (
            "AccessControlListNotSupported",
            "The bucket does not allow ACLs",
            {},
        )


def test_a_public_acl_is_denied_where_public_acls_are_blocked() -> None:
    blocked = bucket(ownership=Ownership.WRITER, block=PublicAccessBlock(block_public_acls=True))
    acl.check(acl.canned("log-delivery-write", ALICE), blocked, {})
    with pytest.raises(S3Error, match="AccessDenied"):
        acl.check(acl.canned("authenticated-read", ALICE), blocked, {})
    for block in (None, PublicAccessBlock(ignore_public_acls=True)):
        here = bucket(ownership=Ownership.WRITER, block=block)
        acl.check(acl.canned("public-read", ALICE), here, {})


def test_a_bucket_that_enforces_its_owner_cannot_be_made_with_grants_to_others() -> None:
    acl.check_new_bucket(None, enforced=True)
    acl.check_new_bucket(acl.private(ALICE), enforced=True)
    acl.check_new_bucket(acl.canned("public-read", ALICE), enforced=False)
    with pytest.raises(S3Error) as error:
        acl.check_new_bucket(acl.canned("log-delivery-write", ALICE), enforced=True)
    assert refusal(error) == (
        "InvalidBucketAclWithObjectOwnership",
        "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        {},
    )
