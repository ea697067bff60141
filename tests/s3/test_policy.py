"""Bucket policies: what documents S3 takes and refuses, and what they say of a request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.parties import ALICE, BOB, CAROL, bucket, context, document, root, user

from bucketlog.s3 import policy
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import ANONYMOUS, Caller
from bucketlog.s3.operations import OPERATIONS
from bucketlog.s3.policy_actions import ACTIONS, BUCKET_ACTIONS, KEY_ACTIONS, OBJECT_ACTIONS
from bucketlog.s3.policy_context import KEYS, Question

HERE = "arn:aws:s3:::box"
INSIDE = f"{HERE}/*"
NOT_JSON = "This policy contains invalid Json"
FIRST_BYTE = "Policies must be valid JSON and the first byte must be '{'"
SYNTAX = "Invalid policy syntax."
RESOURCE = "Policy has invalid resource"
PRINCIPAL = "Invalid principal in policy"
MISMATCH = "Action does not apply to any resource(s) in statement"
LOGGING = Caller(service="logging.s3.amazonaws.com")


def allow(**changes: Any) -> dict[str, Any]:
    """A statement S3 takes; a change of None takes the element away."""
    made = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": INSIDE,
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def deny(**changes: Any) -> dict[str, Any]:
    return allow(Effect="Deny", **changes)


def refusal(text: bytes | str, bucket_name: str = "box") -> str | None:
    with pytest.raises(S3Error) as error:
        policy.parse(text, bucket_name)
    assert error.value.code == "MalformedPolicy"
    return error.value.message


def verdict(
    *statements: dict[str, Any],
    caller: Caller = ANONYMOUS,
    action: str = "s3:GetObject",
    key: str | None = "k",
    version: str | None = "2012-10-17",
    **around: Any,
) -> str | None:
    parsed = policy.parse(document(*statements, version=version), "box")
    return parsed.evaluate(Question(caller, action, bucket(), key, None, context(**around)))


# ── grammar ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", FIRST_BYTE),
        ("[]", FIRST_BYTE),
        (" {}", FIRST_BYTE),
        ("\ufeff{}", FIRST_BYTE),
        ("{", NOT_JSON),
        (b"{\xff}", NOT_JSON),
        ('{"Id": "\\ud800"}', NOT_JSON),
        ('{"Id": "a", "Id": "b"}', NOT_JSON),
        ('{"Id": NaN}', NOT_JSON),
        ('{"Id": ' + "[" * 9000, NOT_JSON),
        ('{"Id": ' + "1" * 5000 + "}", NOT_JSON),
        ("{}", "Missing required field Statement"),
        ('{"Statement": [], "Sid": "x"}', "Unknown field Sid"),
        ('{"Statement": []}', "Could not parse the policy: Statement is empty!"),
        ('{"Statement": "x"}', SYNTAX),
        ('{"Statement": [1]}', SYNTAX),
        ('{"Statement": [], "Id": 1}', SYNTAX),
        ('{"Statement": [], "Version": "2020"}', "The policy must contain a valid version string"),
        ('{"Statement": [], "Version": []}', "The policy must contain a valid version string"),
    ],
)
def test_a_document_that_is_no_policy_is_refused(text: bytes | str, message: str) -> None:
    assert refusal(text) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Effect": None}, "Missing required field Effect"),
        ({"Effect": "allow"}, "Invalid effect: allow"),
        ({"Effect": ["Allow"]}, "Invalid effect: ['Allow']"),
        ({"Principal": None}, "Missing required field Principal"),
        ({"Action": None}, "Missing required field Action"),
        ({"Action": []}, "Missing required field Action"),
        ({"Resource": None}, "Missing required field Resource"),
        ({"Resources": "x"}, "Unknown field Resources"),
        ({"Sid": 1}, SYNTAX),
        ({"NotPrincipal": "*"}, SYNTAX),
        ({"NotAction": "s3:*"}, SYNTAX),
        ({"NotResource": HERE}, SYNTAX),
        ({"Action": 1}, SYNTAX),
        ({"Action": [1]}, SYNTAX),
        ({"Resource": {}}, SYNTAX),
        ({"Principal": "bob"}, PRINCIPAL),
        ({"Principal": {}}, PRINCIPAL),
        ({"Principal": ["*"]}, PRINCIPAL),
        ({"Principal": {"AWS": []}}, PRINCIPAL),
        ({"Principal": {"AWS": "12345"}}, PRINCIPAL),
        ({"Principal": {"AWS": "arn:aws:iam::222222222222:user/*"}}, PRINCIPAL),
        ({"Principal": {"AWS": "arn:aws:s3:::box"}}, PRINCIPAL),
        ({"Principal": {"AWS": 222222222222}}, SYNTAX),
        ({"Principal": {"CanonicalUser": "bob"}}, PRINCIPAL),
        ({"Principal": {"CanonicalUser": "*"}}, PRINCIPAL),
        ({"Principal": {"Service": "*"}}, PRINCIPAL),
        ({"Principal": {"Service": "logging"}}, PRINCIPAL),
        ({"Principal": {"Federated": ""}}, PRINCIPAL),
        ({"Principal": {"User": "bob"}}, PRINCIPAL),
        ({"Action": "s3:FlyObject"}, "Policy has invalid action"),
        ({"Action": "s3:Fly*"}, "Policy has invalid action"),
        ({"Action": "sqs:*"}, "Policy has invalid action"),
        ({"Action": ["s3:GetObject", ""]}, "Policy has invalid action"),
        ({"Resource": "*"}, RESOURCE),
        ({"Resource": ""}, RESOURCE),
        ({"Resource": "arn:aws:s3:::"}, RESOURCE),
        ({"Resource": "arn:aws:s3:::*"}, RESOURCE),
        ({"Resource": "arn:aws:s3:::other/*"}, RESOURCE),
        ({"Resource": "arn:aws:s3:::boxes/*"}, RESOURCE),
        ({"Resource": "arn:aws:s3:::b?/*"}, RESOURCE),
        ({"Resource": "arn:aws:s3:::box${aws:username}"}, RESOURCE),
        ({"Resource": "arn:aws:s3:::bo*${aws:username}/*"}, RESOURCE),
        ({"Resource": "arn:aws:sqs:::box"}, RESOURCE),
        ({"Resource": [INSIDE, "box"]}, RESOURCE),
        ({"Resource": HERE}, MISMATCH),
        ({"Action": "s3:ListBucket"}, MISMATCH),
        ({"Action": ["s3:GetObject", "s3:ListBucket"]}, MISMATCH),
        ({"Action": "s3:ListAllMyBuckets", "Resource": [HERE, INSIDE]}, MISMATCH),
        ({"Condition": []}, SYNTAX),
        ({"Condition": {"Bool": "aws:SecureTransport"}}, SYNTAX),
        ({"Condition": {"Bool": {"aws:SecureTransport": None}}}, SYNTAX),
        ({"Condition": {"Bool": {"aws:SecureTransport": "maybe"}}}, SYNTAX),
        ({"Condition": {"Equals": {"aws:UserAgent": "x"}}}, "Invalid Condition type : Equals"),
        (
            {"Condition": {"NullIfExists": {"aws:UserAgent": "x"}}},
            "Invalid Condition type : NullIfExists",
        ),
        (
            {"Condition": {"ForAnyValue:Null": {"aws:UserAgent": "x"}}},
            "Invalid Condition type : ForAnyValue:Null",
        ),
        (
            {"Condition": {"StringEquals": {"aws:Weather": "x"}}},
            "Policy has an invalid condition key",
        ),
        (
            {"Condition": {"StringEquals": {"aws:PrincipalTag/": "x"}}},
            "Policy has an invalid condition key",
        ),
        (
            {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}},
            "Invalid IP address in Conditions",
        ),
        (
            {"Condition": {"StringEquals": {"s3:prefix": "x"}}},
            "Conditions do not apply to combination of actions and resources in statement",
        ),
        (
            {
                "Action": ["s3:GetObject", "s3:List*"],
                "Resource": [HERE, INSIDE],
                "Condition": {"StringEquals": {"s3:prefix": "x"}},
            },
            "Conditions do not apply to combination of actions and resources in statement",
        ),
    ],
)
def test_a_statement_that_s3_refuses_is_refused_in_its_words(
    changes: dict[str, Any], message: str
) -> None:
    assert refusal(document(allow(**changes))) == message


@pytest.mark.parametrize(
    "changes",
    [
        {"Sid": "a b-c"},
        {"Action": "*", "Resource": HERE},
        {"Action": ["S3:GETobject", "s3:Put*"]},
        {"Action": "s3:*", "Resource": HERE},
        {"Action": None, "NotAction": "s3:GetObject", "Resource": HERE},
        {"Resource": None, "NotResource": f"{HERE}/secret/*"},
        {"Resource": "arn:aws:s3:::bo*"},
        {"Resource": "arn:aws:s3:::b?x/*"},
        {"Resource": "arn:aws:s3:::bo*/${aws:username}/*"},
        {"Resource": "arn:aws:s3:::box*", "Action": ["s3:GetObject", "s3:ListBucket"]},
        {"Resource": [HERE, INSIDE], "Action": ["s3:GetObject", "s3:ListBucket"]},
        {"Principal": {"AWS": ["*", "222222222222"]}},
        {"Principal": {"AWS": "arn:aws:iam::222222222222:role/path/name"}},
        {"Principal": {"AWS": "arn:aws:sts::222222222222:assumed-role/r/s"}},
        {"Principal": {"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E"}},
        {"Principal": {"Federated": "accounts.google.com"}},
        {"Principal": {"CanonicalUser": "b" * 64}},
        {"Principal": {"Service": ["logging.s3.amazonaws.com", "cloudfront.amazonaws.com"]}},
        {"Condition": {}},
        {"Condition": {"StringLike": {"aws:PrincipalTag/team": "x"}}},
        {"Condition": {"StringEquals": {"s3:ExistingObjectTag/k": ["a", "b"]}}},
        {"Condition": {"bool": {"AWS:securetransport": True}}},
        {"Condition": {"NumericLessThan": {"s3:signatureAge": 600000}}},
        {
            "Action": "s3:*",
            "Resource": [HERE, INSIDE],
            "Condition": {"StringEquals": {"s3:prefix": "x"}},
        },
    ],
)
def test_a_statement_that_s3_takes_is_taken(changes: dict[str, Any]) -> None:
    parsed = policy.parse(document(allow(**changes)), "box")
    assert len(parsed.statements) == 1


def test_a_document_may_hold_one_statement_bare_and_no_version() -> None:
    parsed = policy.parse(json.dumps({"Id": "x", "Statement": allow()}), "box")
    assert parsed.version == "2008-10-17"
    assert parsed.statements[0].label == "number 1"


def test_a_document_may_be_20480_bytes_long_not_counting_blanks() -> None:
    def sized(length: int) -> str:
        bare = document(allow(Sid="")).replace(" ", "")
        return document(allow(Sid="x" * (length - len(bare))))

    assert policy.parse(sized(20480).replace(",", "," + " " * 99), "box")
    assert refusal(sized(20481)) == "Policy exceeds the maximum allowed document size."


def test_a_principal_that_does_not_exist_is_refused_where_that_can_be_told() -> None:
    there = {"222222222222", "arn:aws:iam::222222222222:user/bob"}
    statement = allow(
        Principal={
            "AWS": ["arn:aws:iam::222222222222:root", "arn:aws:iam::222222222222:user/bob"],
            "Service": "logging.s3.amazonaws.com",
        }
    )
    assert policy.parse(document(statement), "box", known=there.__contains__)
    with pytest.raises(S3Error) as error:
        policy.parse(
            document(allow(Principal={"AWS": "333333333333"})), "box", known=there.__contains__
        )
    assert error.value.message == PRINCIPAL
    assert error.value.detail == {"Detail": '"AWS" : "333333333333"'}


# ── the tables it is checked against ────────────────────────────────────────────────────────────


def test_every_operation_on_a_bucket_has_an_action_that_policies_can_name() -> None:
    for operation in OPERATIONS:
        for action in (operation.action, operation.version_action, operation.source_action):
            if action and action.startswith("s3:"):
                assert action in ACTIONS


def test_actions_are_on_the_level_of_the_operations_that_need_them() -> None:
    for operation in OPERATIONS:
        if operation.level == "object" and operation.action.startswith("s3:"):
            assert operation.action in OBJECT_ACTIONS
    assert OBJECT_ACTIONS.isdisjoint(BUCKET_ACTIONS)


def test_every_key_that_only_some_actions_have_is_known() -> None:
    assert KEY_ACTIONS.keys() <= KEYS.keys()
    for actions in KEY_ACTIONS.values():
        assert actions
        assert actions <= ACTIONS


# ── evaluation ──────────────────────────────────────────────────────────────────────────────────

BOB_ROOT, BOB_USER = root(BOB), user(BOB, "bob")
BOB_ARN = BOB_USER.user_arn


@pytest.mark.parametrize(
    ("principal", "included"),
    [
        ("*", ["anonymous", "root", "user", "carol", "service"]),
        ({"AWS": "*"}, ["anonymous", "root", "user", "carol", "service"]),
        ({"AWS": "222222222222"}, ["root", "user"]),
        ({"AWS": "arn:aws:iam::222222222222:root"}, ["root", "user"]),
        ({"AWS": BOB_ARN}, ["user"]),
        ({"AWS": "arn:aws:iam::222222222222:user/other"}, []),
        ({"CanonicalUser": BOB.canonical_id}, ["root", "user"]),
        ({"AWS": [str(BOB_ARN), "333333333333"]}, ["user", "carol"]),
        ({"Service": "logging.s3.amazonaws.com"}, ["service"]),
        ({"Service": "cloudfront.amazonaws.com"}, []),
        ({"Federated": "222222222222"}, []),
        ({"AWS": "arn:aws:iam::222222222222:role/bob"}, []),
    ],
)
def test_a_principal_includes_whom_it_names(principal: Any, included: list[str]) -> None:
    callers = {
        "anonymous": ANONYMOUS,
        "root": BOB_ROOT,
        "user": BOB_USER,
        "carol": root(CAROL),
        "service": LOGGING,
    }
    assert [
        name
        for name, caller in callers.items()
        if verdict(allow(Principal=principal), caller=caller) == "allow"
    ] == included


@pytest.mark.parametrize(
    ("spared", "denied"),
    [
        ({"AWS": [BOB_ARN]}, ["anonymous", "root", "user", "carol", "service"]),
        ({"AWS": ["222222222222"]}, ["anonymous", "user", "carol", "service"]),
        ({"AWS": [BOB_ARN, "222222222222"]}, ["anonymous", "carol", "service"]),
        (
            {"AWS": [BOB_ARN], "CanonicalUser": BOB.canonical_id},
            ["anonymous", "carol", "service"],
        ),
        (
            {"Service": "logging.s3.amazonaws.com"},
            ["anonymous", "root", "user", "carol"],
        ),
        ("*", []),
    ],
)
def test_not_principal_spares_a_user_only_with_the_account(spared: Any, denied: list[str]) -> None:
    callers = {
        "anonymous": ANONYMOUS,
        "root": BOB_ROOT,
        "user": BOB_USER,
        "carol": root(CAROL),
        "service": LOGGING,
    }
    assert [
        name
        for name, caller in callers.items()
        if verdict(deny(Principal=None, NotPrincipal=spared), caller=caller) == "deny"
    ] == denied


@pytest.mark.parametrize(
    ("changes", "action", "applies"),
    [
        ({"Action": "s3:getobject"}, "s3:GetObject", True),
        ({"Action": "s3:GetObject"}, "s3:GetObjectVersion", False),
        ({"Action": "s3:Get*"}, "s3:GetObjectVersion", True),
        ({"Action": "S3:get?bject"}, "s3:GetObject", True),
        ({"Action": ["s3:PutObject", "s3:*Acl"]}, "s3:GetObjectAcl", True),
        ({"Action": "*"}, "s3:GetObject", True),
        ({"Action": None, "NotAction": "s3:Put*"}, "s3:GetObject", True),
        ({"Action": None, "NotAction": ["s3:Put*", "s3:GetObject"]}, "s3:GetObject", False),
    ],
)
def test_actions_match_in_any_case_and_by_wildcard(
    changes: dict[str, Any], action: str, applies: bool
) -> None:
    assert (verdict(allow(**changes), action=action) == "allow") is applies


@pytest.mark.parametrize(
    ("changes", "key", "applies"),
    [
        ({}, "a/b", True),
        ({}, "", True),
        ({"Resource": f"{HERE}/a"}, "a", True),
        ({"Resource": f"{HERE}/a"}, "A", False),
        ({"Resource": f"{HERE}/a/*/c"}, "a/b/b/c", True),
        ({"Resource": f"{HERE}/a?c"}, "a/c", True),
        ({"Resource": f"{HERE}/*.jpg"}, "a\nb.jpg", True),
        ({"Resource": f"{HERE}/a.c"}, "abc", False),
        ({"Resource": [f"{HERE}/x", f"{HERE}/y*"]}, "yes", True),
        ({"Resource": "arn:aws:s3:::b*"}, "any/thing", True),
        ({"Resource": None, "NotResource": f"{HERE}/secret/*"}, "open", True),
        ({"Resource": None, "NotResource": f"{HERE}/secret/*"}, "secret/x", False),
    ],
)
def test_resources_match_keys_by_wildcard(changes: dict[str, Any], key: str, applies: bool) -> None:
    assert (verdict(allow(**changes), key=key) == "allow") is applies


@pytest.mark.parametrize(("resource", "applies"), [(HERE, True), ("arn:aws:s3:::bo*", True)])
def test_resources_match_the_bucket_itself(resource: str, applies: bool) -> None:
    statement = allow(Action="s3:ListBucket", Resource=resource)
    assert (verdict(statement, action="s3:ListBucket", key=None) == "allow") is applies
    assert verdict(allow(Action="s3:*"), action="s3:ListBucket", key=None) is None


@pytest.mark.parametrize(
    ("resource", "caller", "key", "version", "applies"),
    [
        ("home/${aws:username}/*", BOB_USER, "home/bob/x", "2012-10-17", True),
        ("home/${aws:username}/*", BOB_USER, "home/eve/x", "2012-10-17", False),
        ("home/${aws:username}/*", BOB_ROOT, "home//x", "2012-10-17", False),
        ("home/${aws:username, 'root'}/*", BOB_ROOT, "home/root/x", "2012-10-17", True),
        ("${aws:PrincipalAccount}", BOB_ROOT, "222222222222", "2012-10-17", True),
        ("${aws:userid}", ANONYMOUS, "anonymous", "2012-10-17", True),
        ("${*}", ANONYMOUS, "*", "2012-10-17", True),
        ("${*}", ANONYMOUS, "x", "2012-10-17", False),
        ("${aws:username}", BOB_USER, "bob", "2008-10-17", False),
        ("${aws:username}", BOB_USER, "${aws:username}", "2008-10-17", True),
        ("${aws:username}", BOB_USER, "bob", None, False),
    ],
)
def test_variables_stand_for_values_in_the_newer_version_only(
    resource: str, caller: Caller, key: str, version: str | None, applies: bool
) -> None:
    statement = allow(Resource=f"{HERE}/{resource}")
    assert (verdict(statement, caller=caller, key=key, version=version) == "allow") is applies


def test_a_value_put_in_for_a_variable_brings_no_wildcards_with_it() -> None:
    statement = allow(Resource=f"{HERE}/${{aws:UserAgent}}")
    assert verdict(statement, headers={"user-agent": "*"}, key="x") is None
    assert verdict(statement, headers={"user-agent": "*"}, key="*") == "allow"


def test_a_deny_wins_wherever_it_stands() -> None:
    assert verdict(allow(), deny()) == "deny"
    assert verdict(deny(), allow()) == "deny"
    assert verdict(allow(Resource=f"{HERE}/other")) is None


def test_the_statement_that_decides_can_be_named() -> None:
    parsed = policy.parse(document(allow(), deny(), deny(Sid="No")), "box")
    question = Question(ANONYMOUS, "s3:GetObject", bucket(), "k", None, context())
    decisive = parsed.decisive(question)
    assert decisive is not None
    assert decisive.label == "number 2"
    assert [each.label for each in parsed.statements] == ["number 2", '"No"', "number 1"]


def test_all_conditions_must_hold() -> None:
    both = {
        "Bool": {"aws:SecureTransport": "true"},
        "StringLike": {"aws:UserAgent": "aws-cli/*"},
    }
    statement = allow(Condition=both)
    assert verdict(statement, headers={"user-agent": "aws-cli/2"}) == "allow"
    assert verdict(statement, headers={"user-agent": "aws-cli/2"}, tls=None) is None
    assert verdict(statement) is None


def test_a_policy_for_log_delivery_alone_shuts_everybody_else_out() -> None:
    only_logs = deny(
        Action="s3:PutObject",
        Condition={
            "ForAllValues:StringNotEquals": {
                "aws:PrincipalServiceNamesList": "logging.s3.amazonaws.com"
            }
        },
    )
    assert verdict(only_logs, caller=LOGGING, action="s3:PutObject") is None
    assert verdict(only_logs, caller=root(ALICE), action="s3:PutObject") == "deny"
