"""Documents: hostile ones are refused, ours are read by botocore as what they say."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.parsers import RestXMLParser
from botocore.serialize import create_serializer
from botocore.session import get_session
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.s3 import xml
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Owner, Ownership, PublicAccessBlock

MODEL = get_session().get_service_model("s3")
SERIALIZER = create_serializer("rest-xml", include_validation=False)
OWNER = Owner("123456789012", "a" * 64, "Zoë & Co")
AT = 1_700_000_000_123_456_789  # 2023-11-14T22:13:20.123Z
ISO = "2023-11-14T22:13:20.000Z"
NS = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
ODD_KEYS = ["plain", "a&b<c>\"d'", " blanks ", "line\nbreak\ttab", "cr\rlf", "€🪣", "]]>", "a//b"]

# Anything that XML 1.0 can hold.
TEXT = st.text(
    st.characters(
        exclude_categories=("Cs",),
        exclude_characters=[chr(n) for n in range(32) if chr(n) not in "\t\n\r"]
        + ["\ufffe", "\uffff"],
    ),
    min_size=1,
)


def understood(operation: str, body: bytes) -> dict[str, Any]:
    """What botocore makes of a response, without the metadata."""
    model = MODEL.operation_model(operation)
    response = {"status_code": 200, "headers": {}, "body": body}
    found: dict[str, Any] = RestXMLParser().parse(response, model.output_shape)
    del found["ResponseMetadata"]
    return found


def sent(operation: str, **params: Any) -> bytes:
    """The body that botocore sends for an operation."""
    body = SERIALIZER.serialize_to_request(params, MODEL.operation_model(operation))["body"]
    assert isinstance(body, bytes)
    return body


def shown(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.}{at.microsecond // 1000:03}Z"


# --- Reading ---

BOMB = b"""<!DOCTYPE Delete [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<Delete><Object><Key>&b;</Key></Object></Delete>"""
OUTSIDE = b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><Delete>&f;</Delete>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"Delete",
        b"<Delete>",
        b"<Delete></delete>",
        b"<Delete/><Delete/>",
        b"<Other/>",
        b"<Delete attribute/>",
        b"<Delete>&unknown;</Delete>",
        b"<Delete>\x00</Delete>",
        b"<Delete>\xff</Delete>",
        b"<Delete>&#1;</Delete>",
        b"<x:Delete/>",
        b'<Delete xmlns="http://example.com/"/>',
        b"<!DOCTYPE Delete><Delete/>",
        b'<!DOCTYPE Delete SYSTEM "http://example.com/x.dtd"><Delete/>',
        BOMB,
        OUTSIDE,
        b'<?xml version="1.0" encoding="no-such"?><Delete/>',
        b'<?xml version="1.0" encoding="utf-16"?><Delete/>',
        b"<Delete>" * 100_000,
        b"<Delete>" + b"<a>" * 40 + b"</a>" * 40 + b"</Delete>",
    ],
    ids=range(22),
)
def test_what_is_not_a_plain_document_is_malformed(data: bytes) -> None:
    with pytest.raises(S3Error) as caught:
        xml.parse(data, "Delete")
    assert caught.value.code == "MalformedXML"


@pytest.mark.parametrize(
    "data",
    [
        b"<Root><A> x </A></Root>",
        f"<Root{NS}><A> x </A></Root>".encode(),
        b'<Root xmlns="http://doc.s3.amazonaws.com/2006-03-01"><A> x </A></Root>',
        b'<s:Root xmlns:s="http://s3.amazonaws.com/doc/2006-03-01/"><s:A> x </s:A></s:Root>',
        b'\xef\xbb\xbf<?xml version="1.0"?><!-- hm --><?do it?><Root><A><!-- a --> x </A></Root>',
        '<?xml version="1.0" encoding="UTF-16"?><Root><A> x </A></Root>'.encode("utf-16"),
        b"<Root><A><![CDATA[ x ]]></A></Root>",
    ],
)
def test_a_document_is_read_in_either_namespace_or_none(data: bytes) -> None:
    assert xml.text(xml.parse(data, "Root"), "A") == " x "


def test_children_are_found_by_name_and_must_be_single() -> None:
    root = xml.parse(b"<R><A>1</A><B/><C>x</C><C>y</C><D><E/></D></R>", "R")
    assert (xml.text(root, "A"), xml.text(root, "B"), xml.text(root, "X")) == ("1", "", None)
    assert xml.required(root, "A") == "1"
    assert xml.child(root, "D") is not None
    assert xml.child(root, "X") is None
    for wrong in (
        lambda: xml.text(root, "C"),
        lambda: xml.text(root, "D"),
        lambda: xml.required(root, "X"),
        lambda: list(xml.children(root, "A", "B", "C")),
        lambda: xml.boolean(root, "A"),
    ):
        with pytest.raises(S3Error, match="MalformedXML"):
            wrong()


@pytest.mark.parametrize(
    ("word", "value"), [("true", True), (" TRUE ", True), ("false", False), ("False", False)]
)
def test_booleans_are_words(word: str, value: bool) -> None:
    assert xml.boolean(xml.parse(f"<R><A>{word}</A></R>".encode(), "R"), "A") is value
    assert xml.boolean(xml.parse(b"<R/>", "R"), "A") is None


# --- Writing ---


@given(TEXT, TEXT)
def test_what_is_rendered_is_what_is_parsed(content: str, attribute: str) -> None:
    root = xml.element(
        "Root", xml.element("A", content, name=attribute), None, xml.element("B", "x", "y")
    )
    found = xml.parse(xml.render(root), "Root")
    one = found.find("A")
    assert one is not None
    assert one.text == content
    assert xml.text(found, "B") == "xy"
    # White space in attributes is normalised by every parser; none of ours holds any.
    if not set(attribute) & set("\t\n"):
        assert one.get("name") == attribute


def test_a_document_says_its_namespace() -> None:
    made = xml.render(xml.element("Root", xml.element("Empty")), "urn:x")
    assert made == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Root xmlns="urn:x"><Empty></Empty></Root>'
    )


def test_characters_that_xml_cannot_hold_are_numeric_references() -> None:
    assert xml.escape("a\x01b\x1f\r\uffff") == "a&#x1;b&#x1f;&#13;&#xffff;"
    assert xml.escape("\t\n\x7f'") == "\t\n\x7f'"


def test_times_have_milliseconds_that_s3_leaves_at_zero() -> None:
    assert xml.instant(AT) == ISO
    assert xml.instant(0) == "1970-01-01T00:00:00.000Z"


# --- Buckets ---


def test_buckets_are_listed() -> None:
    body = xml.list_buckets(
        OWNER, [("one", AT, "us-east-1"), ("two", 0, "eu-west-1")], prefix="o&", token="t=="
    )
    found = understood("ListBuckets", body)
    assert found["Owner"] == {"ID": OWNER.canonical_id, "DisplayName": "Zoë & Co"}
    assert [(b["Name"], shown(b["CreationDate"]), b["BucketRegion"]) for b in found["Buckets"]] == [
        ("one", ISO, "us-east-1"),
        ("two", "1970-01-01T00:00:00.000Z", "eu-west-1"),
    ]
    assert (found["Prefix"], found["ContinuationToken"]) == ("o&", "t==")
    plain = understood("ListBuckets", xml.list_buckets(OWNER, []))
    assert plain["Buckets"] == []
    assert "Prefix" not in plain
    assert "ContinuationToken" not in plain


@pytest.mark.parametrize("region", ["eu-west-1", None])
def test_a_location_is_told(region: str | None) -> None:
    # GetBucketLocation's own parsing in botocore is a handler: the root element holds the text.
    root = xml.parse(xml.location(region), "LocationConstraint")
    assert root.text == region


def test_a_location_constraint_is_read() -> None:
    body = sent(
        "CreateBucket",
        Bucket="b",
        CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
    )
    assert xml.location_constraint(body) == "eu-west-1"
    assert xml.location_constraint(b"<CreateBucketConfiguration/>") is None
    empty = b"<CreateBucketConfiguration><LocationConstraint/></CreateBucketConfiguration>"
    assert xml.location_constraint(empty) is None


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("<Bucket><Type>Directory</Type></Bucket>", "NotImplemented"),
        ("<Tags><Tag/></Tags>", "NotImplemented"),
        ("<Wrong/>", "MalformedXML"),
        ("<LocationConstraint/><LocationConstraint/>", "MalformedXML"),
    ],
)
def test_a_new_bucket_is_not_made_otherwise_than_asked(inner: str, code: str) -> None:
    body = f"<CreateBucketConfiguration>{inner}</CreateBucketConfiguration>".encode()
    with pytest.raises(S3Error, match=code):
        xml.location_constraint(body)


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        ("eu-west-1", True),
        ("us-gov-east-1", True),
        ("ap-southeast-12", True),
        ("EU", True),
        ("mars", False),
        ("EU-WEST-1", False),
        ("", False),
    ],
)
def test_a_regions_name_has_a_form(name: str, fine: bool) -> None:
    assert xml.is_region(name) is fine


@pytest.mark.parametrize("setting", Ownership)
def test_ownership_controls_go_both_ways(setting: Ownership) -> None:
    rules = {"Rules": [{"ObjectOwnership": setting.value}]}
    body = sent("PutBucketOwnershipControls", Bucket="b", OwnershipControls=rules)
    assert xml.parse_ownership_controls(body) is setting
    found = understood("GetBucketOwnershipControls", xml.ownership_controls(setting))
    assert found == {"OwnershipControls": rules}


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<Rule/>",
        "<Rule><ObjectOwnership>Mine</ObjectOwnership></Rule>",
        "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>" * 2,
        "<Wrong/>",
    ],
)
def test_ownership_controls_without_one_known_rule_are_malformed(inner: str) -> None:
    with pytest.raises(S3Error, match="MalformedXML"):
        xml.parse_ownership_controls(f"<OwnershipControls>{inner}</OwnershipControls>".encode())


@given(st.builds(PublicAccessBlock, st.booleans(), st.booleans(), st.booleans(), st.booleans()))
def test_public_access_blocks_go_both_ways(block: PublicAccessBlock) -> None:
    said = {
        "BlockPublicAcls": block.block_public_acls,
        "IgnorePublicAcls": block.ignore_public_acls,
        "BlockPublicPolicy": block.block_public_policy,
        "RestrictPublicBuckets": block.restrict_public_buckets,
    }
    body = sent("PutPublicAccessBlock", Bucket="b", PublicAccessBlockConfiguration=said)
    assert xml.parse_public_access_block(body) == block
    found = understood("GetPublicAccessBlock", xml.public_access_block(block))
    assert found == {"PublicAccessBlockConfiguration": said}


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("", "InvalidRequest"),
        ("<Wrong>true</Wrong>", "MalformedXML"),
        ("<BlockPublicAcls>yes</BlockPublicAcls>", "MalformedXML"),
    ],
)
def test_a_public_access_block_says_something_known(inner: str, code: str) -> None:
    root = "PublicAccessBlockConfiguration"
    with pytest.raises(S3Error, match=code):
        xml.parse_public_access_block(f"<{root}>{inner}</{root}>".encode())
    one = f"<{root}><BlockPublicPolicy>true</BlockPublicPolicy></{root}>".encode()
    assert xml.parse_public_access_block(one) == PublicAccessBlock(block_public_policy=True)


@pytest.mark.parametrize("public", [True, False])
def test_a_policys_status_is_told(public: bool) -> None:
    found = understood("GetBucketPolicyStatus", xml.policy_status(public))
    assert found == {"PolicyStatus": {"IsPublic": public}}


# --- Objects ---


@pytest.mark.parametrize(
    ("operation", "root"),
    [("CopyObject", "CopyObjectResult"), ("UploadPartCopy", "CopyPartResult")],
)
def test_what_a_copy_made_is_told(operation: str, root: str) -> None:
    found = understood(operation, xml.copy_result(root, "e", AT, "CRC32 FULL_OBJECT AAAA=="))[root]
    assert (found["ETag"], shown(found["LastModified"])) == ('"e"', ISO)
    assert found["ChecksumCRC32"] == "AAAA=="
    assert found.get("ChecksumType") == ("FULL_OBJECT" if operation == "CopyObject" else None)
    found = understood(operation, xml.copy_result(root, "e", AT))[root]
    assert set(found) == {"ETag", "LastModified"}


@pytest.mark.parametrize("key", ODD_KEYS)
def test_an_upload_is_told_from_its_start_to_its_end(key: str) -> None:
    found = understood("CreateMultipartUpload", xml.initiated("b", key, "u+/="))
    assert found == {"Bucket": "b", "Key": key, "UploadId": "u+/="}
    body = xml.completed("b", key, "e-2", "SHA256 COMPOSITE x-2", "http://h/b/k?a&b")
    assert understood("CompleteMultipartUpload", body) == {
        "Location": "http://h/b/k?a&b",
        "Bucket": "b",
        "Key": key,
        "ETag": '"e-2"',
        "ChecksumSHA256": "x-2",
        "ChecksumType": "COMPOSITE",
    }


def test_the_parts_to_complete_are_read() -> None:
    parts = [
        {"PartNumber": 1, "ETag": '"a"', "ChecksumCRC64NVME": "x="},
        {"PartNumber": 10_000, "ETag": "b"},
    ]
    body = sent(
        "CompleteMultipartUpload",
        Bucket="b",
        Key="k",
        UploadId="u",
        MultipartUpload={"Parts": parts},
    )
    assert xml.parse_complete(body) == [
        xml.CompletedPart(1, "a", {"CRC64NVME": "x="}),
        xml.CompletedPart(10_000, "b"),
    ]


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("", "MalformedXML"),
        ("<Part/>", "MalformedXML"),
        ("<Part><PartNumber>1</PartNumber></Part>", "MalformedXML"),
        ("<Part><ETag>e</ETag></Part>", "MalformedXML"),
        ("<Part><PartNumber>x</PartNumber><ETag>e</ETag></Part>", "MalformedXML"),
        ("<Part><PartNumber>0</PartNumber><ETag>e</ETag></Part>", "InvalidArgument"),
        ("<Part><PartNumber>10001</PartNumber><ETag>e</ETag></Part>", "InvalidArgument"),
        (f"<Part><PartNumber>{'1' * 5000}</PartNumber><ETag>e</ETag></Part>", "InvalidArgument"),
        ("<Wrong/>", "MalformedXML"),
        ("<Part><PartNumber>1</PartNumber><ETag>e</ETag></Part>" * 10_001, "MalformedXML"),
    ],
    ids=range(10),
)
def test_parts_that_cannot_be_are_refused(inner: str, code: str) -> None:
    body = f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>".encode()
    with pytest.raises(S3Error, match=code):
        xml.parse_complete(body)


def test_the_keys_to_delete_are_read_with_their_conditions() -> None:
    objects: list[dict[str, Any]] = [{"Key": key} for key in ODD_KEYS if "\r" not in key]
    objects.append(
        {"Key": "k", "VersionId": "v", "ETag": '"e"', "LastModifiedTime": 784111777, "Size": 5}
    )
    for quiet in (True, False):
        body = sent("DeleteObjects", Bucket="b", Delete={"Objects": objects, "Quiet": quiet})
        silent, found = xml.parse_delete(body)
        assert silent is quiet
        assert [(key, version) for key, version, _ in found] == [
            (one["Key"], one.get("VersionId")) for one in objects
        ]
        assert found[0][2] == {}
        assert found[-1][2] == {
            "if-match": '"e"',
            "x-amz-if-match-last-modified-time": "Sun, 06 Nov 1994 08:49:37 GMT",
            "x-amz-if-match-size": "5",
        }


def test_a_batch_without_quiet_wants_to_hear_everything() -> None:
    body = b"<Delete><Object><Key>k</Key><VersionId/></Object></Delete>"
    assert xml.parse_delete(body) == (False, [("k", None, {})])


@pytest.mark.parametrize(
    ("inner", "code"),
    [
        ("", "MalformedXML"),
        ("<Quiet>true</Quiet>", "MalformedXML"),
        ("<Object/>", "MalformedXML"),
        ("<Object><Key/></Object>", "MalformedXML"),
        ("<Object><Key>k</Key><Key>l</Key></Object>", "MalformedXML"),
        ("<Object><Key>k</Key></Object><Quiet>perhaps</Quiet>", "MalformedXML"),
        ("<Object><Key>k</Key></Object><Wrong/>", "MalformedXML"),
        ("<Object><Key>k</Key></Object>" * 1001, "MalformedXML"),
        (f"<Object><Key>{'€' * 342}</Key></Object>", "KeyTooLongError"),
    ],
    ids=range(9),
)
def test_a_batch_that_cannot_be_is_refused(inner: str, code: str) -> None:
    with pytest.raises(S3Error, match=code):
        xml.parse_delete(f"<Delete>{inner}</Delete>".encode())


def test_a_batch_of_a_thousand_keys_is_taken() -> None:
    body = b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1000 + b"</Delete>"
    assert len(xml.parse_delete(body)[1]) == 1000


def test_what_became_of_a_batch_is_told() -> None:
    results: list[tuple[str, str | None, S3Error | None]] = [
        ("a&b", None, None),
        ("c", "null", None),
        ("d", "v", S3Error("AccessDenied")),
    ]
    error = {"Key": "d", "VersionId": "v", "Code": "AccessDenied", "Message": "Access Denied"}
    assert understood("DeleteObjects", xml.deleted(results)) == {
        "Deleted": [{"Key": "a&b"}, {"Key": "c", "VersionId": "null"}],
        "Errors": [error],
    }
    assert understood("DeleteObjects", xml.deleted(results, quiet=True)) == {"Errors": [error]}
    assert understood("DeleteObjects", xml.deleted([])) == {}
