"""aclRequired: "Yes" where an ACL alone let a request in, or it set one; by Amazon's table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import people
from tests.support.log import Log
from tests.support.people import Person
from tests.support.raw import Answer, Sender
from tests.support.server import Server, enable_logging


@pytest.fixture(scope="module")
def lab(server: Server) -> Person:
    """Another account."""
    return people.account(server, "lab")


@pytest.fixture(scope="module")
def shared(server: Server, lab: Person) -> Iterator[Log]:
    """The log of `shared`, a bucket of root's where ACLs count and nothing public is blocked."""
    s3 = server.client()
    s3.create_bucket(Bucket="shared", ObjectOwnership="ObjectWriter")
    s3.delete_public_access_block(Bucket="shared")
    s3.put_object(Bucket="shared", Key="private", Body=b"1")
    s3.put_object(Bucket="shared", Key="public", Body=b"1", ACL="public-read")
    s3.put_object(Bucket="shared", Key="signed", Body=b"1", ACL="authenticated-read")
    s3.put_object(Bucket="shared", Key="granted", Body=b"1", GrantRead=f"id={lab.canonical_id}")
    s3.put_object(Bucket="shared", Key="acp", Body=b"1", GrantReadACP=f"id={lab.canonical_id}")
    enable_logging(s3, "shared", "logs", "s/")
    log = Log(server, "shared", prefix="s/")
    yield log
    log.complete()


@pytest.fixture
def by_policy(server: Server, lab: Person) -> Iterator[None]:
    """While used, the policy lets lab do what it does here."""
    everything = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:PutObjectAcl"]
    lab_may = {"Effect": "Allow", "Principal": {"AWS": lab.account_id}}
    statements = [
        {**lab_may, "Action": everything, "Resource": "arn:aws:s3:::shared/*"},
        {**lab_may, "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::shared"},
    ]
    policy = {"Version": "2012-10-17", "Statement": statements}
    server.client().put_bucket_policy(Bucket="shared", Policy=json.dumps(policy))
    yield
    server.client().delete_bucket_policy(Bucket="shared")


@pytest.fixture
def by_acl(server: Server, lab: Person) -> Iterator[None]:
    """While used, the bucket's ACL lets lab list, write and delete."""
    s3 = server.client()
    who = f"id={lab.canonical_id}"
    owner = s3.get_bucket_acl(Bucket="shared")["Owner"]["ID"]
    s3.put_bucket_acl(
        Bucket="shared", GrantFullControl=f"id={owner}", GrantRead=who, GrantWrite=who
    )
    yield
    s3.put_bucket_acl(Bucket="shared", ACL="private")


FULL = ("x-amz-acl", "bucket-owner-full-control")
PUBLIC = ("x-amz-acl", "public-read")
# Method, target, header; whether it is let in; and what the record says.
AS_OWNER = [
    ("GET", "/shared/private", None, True, None),
    ("GET", "/shared/public", None, True, None),
    ("PUT", "/shared/own", None, True, None),
    ("PUT", "/shared/own", FULL, True, None),
    ("PUT", "/shared/own", PUBLIC, True, True),
    ("PUT", "/shared/own", ("x-amz-acl", "private"), True, True),
    (
        "PUT",
        "/shared/own",
        ("x-amz-grant-read", 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'),
        True,
        True,
    ),
    ("GET", "/shared", None, True, None),
    ("GET", "/shared/private?acl", None, True, None),
    ("PUT", "/shared/own?acl", PUBLIC, True, True),
    ("PUT", "/shared/own?acl", ("x-amz-acl", "private"), True, True),
    ("PUT", "/shared?acl", ("x-amz-acl", "private"), True, True),
    ("POST", "/shared/own?uploads", PUBLIC, True, True),
    ("DELETE", "/shared/own", None, True, None),
]
AS_NOBODY = [
    ("GET", "/shared/public", None, True, True),
    ("HEAD", "/shared/public", None, True, True),
    ("GET", "/shared/private", None, False, None),
    ("GET", "/shared/signed", None, False, None),
    ("GET", "/shared", None, False, None),
    ("PUT", "/shared/own", None, False, None),
]
# Another account, without any leave but what the objects' ACLs give.
AS_OTHER = [
    ("GET", "/shared/private", None, False, None),
    ("GET", "/shared/public", None, True, True),
    ("GET", "/shared/signed", None, True, True),
    ("GET", "/shared/granted", None, True, True),
    ("HEAD", "/shared/granted", None, True, True),
    ("GET", "/shared/granted?acl", None, False, None),
    ("GET", "/shared/acp?acl", None, True, True),
    ("GET", "/shared/acp", None, False, None),
    ("PUT", "/shared/own?acl", PUBLIC, False, None),
    ("PUT", "/shared/theirs", None, False, None),
    ("DELETE", "/shared/granted", None, False, None),
    ("GET", "/shared", None, False, None),
]
BY_POLICY = [
    ("GET", "/shared/private", None, True, None),
    ("GET", "/shared/granted", None, True, None),
    ("PUT", "/shared/theirs", None, True, None),
    ("PUT", "/shared/theirs", FULL, True, None),
    ("PUT", "/shared/theirs", PUBLIC, True, True),
    ("GET", "/shared", None, True, None),
    ("DELETE", "/shared/theirs", None, True, None),
]
BY_ACL = [
    ("PUT", "/shared/theirs", None, True, True),
    ("PUT", "/shared/theirs", FULL, True, True),
    ("GET", "/shared", None, True, True),
    ("HEAD", "/shared", None, True, True),
    ("DELETE", "/shared/theirs", None, True, True),
    ("DELETE", "/shared/missing", None, True, True),
]


def _holds(shared: Log, sender: Sender, cases: list[Any], *, signed: bool = True) -> None:
    write = sender.signed if signed else sender.written
    answers: list[tuple[Any, Answer]] = []
    for case in cases:
        method, target, given, lets_in, _ = case
        headers = [] if given is None else [given]
        answer = sender.ask(
            write(method, target, headers, b"2" if method == "PUT" and "?" not in target else b"")
        )
        assert ((answer.status < 300), case) == (lets_in, case), answer.body
        answers.append((case, answer))
    for case, answer in answers:
        assert (shared.one(answer.request_id).acl_required, case) == (case[4], case)


def test_the_owner_needs_no_acl_unless_it_sets_one(shared: Log, sender: Sender) -> None:
    _holds(shared, sender, AS_OWNER)


def test_nobody_needs_one_for_what_is_public(shared: Log, sender: Sender) -> None:
    _holds(shared, sender, AS_NOBODY, signed=False)


def test_another_account_needs_one_for_what_it_is_granted(
    server: Server, shared: Log, lab: Person
) -> None:
    _holds(shared, lab.sender(server), AS_OTHER)


def test_another_account_needs_none_where_the_policy_lets_it_in(
    server: Server, shared: Log, lab: Person, by_policy: None
) -> None:
    _holds(shared, lab.sender(server), BY_POLICY)


def test_another_account_needs_one_where_the_bucket_acl_lets_it_in(
    server: Server, shared: Log, lab: Person, by_acl: None
) -> None:
    _holds(shared, lab.sender(server), BY_ACL)


def test_policy_comes_before_acl(
    server: Server, shared: Log, lab: Person, by_acl: None, by_policy: None
) -> None:
    _holds(shared, lab.sender(server), BY_POLICY)


def test_an_object_of_another_account_needs_its_acl(
    server: Server, shared: Log, sender: Sender, lab: Person, by_acl: None
) -> None:
    """Lab's objects in root's bucket: only lab may read them, until it grants that."""
    theirs = lab.client(server)
    theirs.put_object(Bucket="shared", Key="theirs", Body=b"1")
    theirs.put_object(Bucket="shared", Key="given", Body=b"1", ACL="bucket-owner-full-control")
    owners = [
        ("GET", "/shared/theirs", None, False, None),
        ("GET", "/shared/given", None, True, True),
        ("DELETE", "/shared/theirs", None, True, None),  # its own bucket's, after all
        ("DELETE", "/shared/given", None, True, None),
    ]
    _holds(shared, lab.sender(server), [("GET", "/shared/theirs", None, True, True)])
    _holds(shared, sender, owners)


def test_the_source_half_of_a_copy_has_its_own(server: Server, shared: Log, lab: Person) -> None:
    lab.client(server).create_bucket(Bucket="labs")
    answer = lab.client(server).copy_object(Bucket="labs", Key="k", CopySource="shared/granted")
    record = shared.one(answer["ResponseMetadata"]["RequestId"])
    assert (record.operation, record.acl_required) == ("REST.COPY.OBJECT_GET", True)
    answer = server.client().copy_object(Bucket="shared", Key="own", CopySource="shared/granted")
    found = shared.all(answer["ResponseMetadata"]["RequestId"])
    assert [record.acl_required for record in found] == [None, None]


def test_each_key_of_a_batch_has_its_own(
    server: Server, shared: Log, lab: Person, by_acl: None
) -> None:
    listed = {"Objects": [{"Key": "missing"}, {"Key": "missing too"}]}
    for client, expected in ((lab.client(server), True), (server.client(), None)):
        answer = client.delete_objects(Bucket="shared", Delete=listed)
        assert "Errors" not in answer
        _, *children = shared.all(answer["ResponseMetadata"]["RequestId"])
        assert [child.acl_required for child in children] == [expected] * 2


def test_with_owner_enforced_no_acl_is_ever_needed(
    server: Server, log: Log, sender: Sender, lab: Person
) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": lab.arn},
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": "arn:aws:s3:::src/*",
        },
    }
    server.client().put_bucket_policy(Bucket="src", Policy=json.dumps(policy))
    cases = [
        ("PUT", "/src/theirs", None, True, None),
        ("PUT", "/src/theirs", ("x-amz-acl", "private"), False, None),
    ]
    _holds(log, lab.sender(server), cases)
    _holds(log, sender, [("GET", "/src/theirs", None, True, None)])
    answer = sender.ask(sender.signed("PUT", "/src/k", [("x-amz-acl", "private")], b"1"))
    assert answer.code == "AccessControlListNotSupported"
    server.client().delete_bucket_policy(Bucket="src")


def test_a_missing_key_is_told_to_those_who_may_list(
    server: Server, shared: Log, sender: Sender, lab: Person, by_acl: None
) -> None:
    """By the bucket's ACL lab may list it; nobody else but the owner may."""
    signed = lab.sender(server)
    for method in ("GET", "HEAD"):
        answer = signed.ask(signed.signed(method, "/shared/missing"))
        assert answer.status == 404
        assert shared.one(answer.request_id).error_code == "NoSuchKey"
        answer = sender.ask(sender.written(method, "/shared/missing"))
        assert answer.status == 403
        assert shared.one(answer.request_id).error_code == "AccessDenied"
    assert signed.ask(signed.signed("GET", "/shared/private")).code == "AccessDenied"


def test_anybody_may_write_where_the_bucket_acl_says_so(
    server: Server, shared: Log, sender: Sender
) -> None:
    s3 = server.client()
    s3.put_bucket_acl(Bucket="shared", ACL="public-read-write")
    cases = [
        ("PUT", "/shared/anybodys", None, True, True),
        ("GET", "/shared/anybodys", None, True, True),
        ("GET", "/shared", None, True, True),
        ("DELETE", "/shared/anybodys", None, True, True),
        ("GET", "/shared?acl", None, False, None),
    ]
    _holds(shared, sender, cases, signed=False)
    batch = b"<Delete><Object><Key>a</Key></Object></Delete>"
    answer = sender.ask(sender.written("POST", "/shared?delete", body=batch))
    parent, child = shared.all(answer.request_id)
    assert (parent.requester, child.requester) == (None, None)
    assert (child.http_status, child.acl_required) == (204, True)
    s3.put_bucket_acl(Bucket="shared", ACL="private")
