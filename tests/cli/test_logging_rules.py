"""`bucketlog logging` against a real server, as a person would use it."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server

from bucketlog.cli import main

GROUP = "http://acs.amazonaws.com/groups/s3/LogDelivery"
OTHERS = {
    "Sid": "Others",
    "Effect": "Allow",
    "Principal": {"AWS": "*"},
    "Action": "s3:ListBucket",
    "Resource": "arn:aws:s3:::{}",
    "Condition": {"StringEquals": {"aws:PrincipalAccount": "111122223333"}},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of this file; each test makes buckets of its own."""
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def s3(server: Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the server; commands find the server by the environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return server.client()


@pytest.fixture
def pair(s3: Any, request: pytest.FixtureRequest) -> tuple[str, str]:
    """A source and a target bucket; ACLs are disabled, as is the default."""
    digest = f"{abs(hash(request.node.name)):x}"
    source, target = f"s-{digest}", f"t-{digest}"
    s3.create_bucket(Bucket=source)
    s3.create_bucket(Bucket=target)
    return source, target


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs `bucketlog logging ... --json` and gives what it printed."""

    def run(*arguments: str) -> Any:
        code = main.run(["logging", *arguments, "--json"])
        told = capsys.readouterr()
        assert code == 0, told.err
        return json.loads(told.out)

    return run


def _enable_acls(s3: Any, bucket: str) -> None:
    s3.put_bucket_ownership_controls(
        Bucket=bucket,
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]},
    )


def _rule(s3: Any, bucket: str) -> Any:
    return s3.get_bucket_logging(Bucket=bucket).get("LoggingEnabled")


def _policy(s3: Any, bucket: str) -> Any:
    return json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])


def _group_grants(s3: Any, bucket: str) -> set[str]:
    return {
        grant["Permission"]
        for grant in s3.get_bucket_acl(Bucket=bucket)["Grants"]
        if grant["Grantee"].get("URI") == GROUP
    }


def test_enabling_sets_the_rule_and_permits_delivery_by_policy(
    s3: Any, pair: tuple[str, str], command: Callable[..., Any]
) -> None:
    source, target = pair
    told = command("enable", source, target, "--prefix", "p/")
    assert (told["enabled"], told["permitted"], told["mend"]) == (True, True, None)
    assert told["granted"] == (
        "by a statement in the target's policy, ACLs are disabled on the target"
    )
    assert _rule(s3, source) == {"TargetBucket": target, "TargetPrefix": "p/"}
    (statement,) = _policy(s3, target)["Statement"]
    canonical_id = s3.list_buckets()["Owner"]["ID"]
    account = statement["Condition"]["StringEquals"]["aws:SourceAccount"]
    assert re.fullmatch("[0-9]{12}", account)
    assert canonical_id != account
    s3.head_bucket(Bucket=source, ExpectedBucketOwner=account)
    assert statement == {
        "Sid": "S3ServerAccessLogsPolicy",
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": ["s3:PutObject"],
        "Resource": f"arn:aws:s3:::{target}/p/*",
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source}"},
            "StringEquals": {"aws:SourceAccount": account},
        },
    }


def test_enabling_again_changes_nothing(
    s3: Any, pair: tuple[str, str], command: Callable[..., Any]
) -> None:
    source, target = pair
    command("enable", source, target)
    before = _policy(s3, target)
    assert command("enable", source, target)["granted"] == "it was before"
    told = command("enable", source, target, "--grant", "policy")
    assert told["granted"] == "the policy says so already"
    assert _policy(s3, target) == before


def test_other_statements_of_the_policy_stay(
    s3: Any, pair: tuple[str, str], command: Callable[..., Any]
) -> None:
    source, target = pair
    other = {**OTHERS, "Resource": f"arn:aws:s3:::{target}"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [other]})
    s3.put_bucket_policy(Bucket=target, Policy=text)
    command("enable", source, target)
    first, second = _policy(s3, target)["Statement"]
    assert first == other
    assert second["Sid"] == "S3ServerAccessLogsPolicy"


def test_a_target_with_acls_is_granted_by_acl_and_keeps_its_grants(
    s3: Any, pair: tuple[str, str], command: Callable[..., Any]
) -> None:
    source, target = pair
    _enable_acls(s3, target)
    s3.put_bucket_acl(Bucket=target, ACL="log-delivery-write")
    s3.put_bucket_acl(Bucket=target, GrantWrite=f'uri="{GROUP}"')
    before = s3.get_bucket_acl(Bucket=target)["Grants"]
    told = command("enable", source, target)
    assert told["permitted"] is True
    assert _group_grants(s3, target) == {"WRITE", "READ_ACP"}
    after = s3.get_bucket_acl(Bucket=target)["Grants"]
    assert [grant for grant in after if grant["Permission"] != "READ_ACP"] == before
    told = command("enable", source, target, "--grant", "acl")
    assert told["granted"] == "the ACL says so already"


def test_a_target_with_acls_may_be_granted_by_policy(
    s3: Any, pair: tuple[str, str], command: Callable[..., Any]
) -> None:
    source, target = pair
    _enable_acls(s3, target)
    told = command("enable", source, target, "--grant", "policy")
    assert told["granted"] == "by a statement in the target's policy, as asked"
    assert _group_grants(s3, target) == set()


def test_a_bucket_may_be_its_own_target(
    s3: Any, pair: tuple[str, str], command: Callable[..., Any]
) -> None:
    source, _ = pair
    assert command("enable", source, source, "--prefix", "log/")["permitted"] is True


def test_an_acl_that_would_have_no_effect_is_a_problem(
    s3: Any, pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = pair
    assert main.run(["logging", "enable", source, target, "--grant", "acl"]) == 1
    told = capsys.readouterr().err
    assert f"Logging of {source} is on, but delivery may not be permitted" in told
    assert "--grant policy" in told
    assert _rule(s3, source) is not None


def test_a_policy_that_denies_delivery_is_told(
    s3: Any,
    pair: tuple[str, str],
    command: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, target = pair
    deny = {
        "Sid": "NoWrites",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/*",
    }
    s3.put_bucket_policy(
        Bucket=target, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    )
    assert main.run(["logging", "enable", source, target]) == 1
    assert "NoWrites" in capsys.readouterr().err
    told = command("status", source)
    assert (told["permitted"], told["mend"]) == (False, None)
    assert "NoWrites" in told["missing"]


@pytest.mark.parametrize(
    ("words", "source_of_date"),
    [("event-time", "EventTime"), ("delivery-time", "DeliveryTime")],
)
def test_names_may_be_partitioned(
    s3: Any,
    pair: tuple[str, str],
    command: Callable[..., Any],
    words: str,
    source_of_date: str,
) -> None:
    source, target = pair
    assert command("enable", source, target, "--partition", words)["partition"] == words
    assert _rule(s3, source)["TargetObjectKeyFormat"] == {
        "PartitionedPrefix": {"PartitionDateSource": source_of_date}
    }
    assert command("enable", source, target)["partition"] is None


def test_target_grants_stay_while_the_target_does(
    s3: Any, pair: tuple[str, str], command: Callable[..., Any]
) -> None:
    source, target = pair
    _enable_acls(s3, target)
    owner = s3.list_buckets()["Owner"]["ID"]
    grants = [{"Grantee": {"Type": "CanonicalUser", "ID": owner}, "Permission": "READ"}]
    rule = {"TargetBucket": target, "TargetPrefix": "", "TargetGrants": grants}
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={"LoggingEnabled": rule})
    command("enable", source, target, "--prefix", "p/")
    (kept,) = _rule(s3, source)["TargetGrants"]
    assert (kept["Grantee"]["ID"], kept["Permission"]) == (owner, "READ")
    command("enable", source, source)
    assert "TargetGrants" not in _rule(s3, source)


def test_status_tells_what_is_missing_and_the_command_that_mends_it(
    s3: Any,
    pair: tuple[str, str],
    command: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, target = pair
    _enable_acls(s3, target)
    rule = {
        "TargetBucket": target,
        "TargetPrefix": "a b/",
        "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}},
    }
    s3.put_bucket_logging(Bucket=source, BucketLoggingStatus={"LoggingEnabled": rule})
    told = command("status", source)
    assert told["permitted"] is False
    assert "WRITE and READ_ACP" in told["missing"]
    assert told["mend"] == (
        f"bucketlog logging enable {source} {target} --prefix 'a b/' --partition event-time "
        "--grant acl"
    )
    assert main.run(["logging", "status", source]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (f"{source}: logging is on, to {target}/a b/, partitioned by event-time")
    assert any(line.startswith("  delivery      not permitted: ") for line in lines)
    assert f"  to permit it  {told['mend']}" in lines
    command("enable", source, target, "--prefix", "a b/", "--grant", "acl")
    assert command("status", source)["permitted"] is True


def test_status_follows_records_until_they_are_delivered(
    server: Server,
    s3: Any,
    pair: tuple[str, str],
    command: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, target = pair
    command("enable", source, target)
    s3.put_object(Bucket=source, Key="k", Body=b"x")
    told = command("status", source)
    assert told["waiting"] >= 1
    assert told["last_object"] is None
    server.run("deliver", "--bucket", source, "--data", str(server.data))
    (entry,) = s3.list_objects_v2(Bucket=target)["Contents"]
    told = command("status", source)
    assert told["last_object"] == entry["Key"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["last_delivered_at"])
    assert (told["failure"], told["lost_records"]) == (None, 0)
    assert main.run(["logging", "status", source]) == 0
    assert re.search(rf"last object   {entry['Key']}, delivered \d+ s ago", capsys.readouterr().out)


def test_status_of_all_buckets_is_one_row_each(
    s3: Any,
    pair: tuple[str, str],
    command: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, target = pair
    command("enable", source, target, "--prefix", "p/")
    found = {each["bucket"]: each for each in command("status")}
    assert found[source]["permitted"] is True
    assert found[target]["enabled"] is False
    assert main.run(["logging", "status"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert {len(row) for row in rows} == {5}
    assert [source, f"{target}/p/", "permitted"] in [row[:3] for row in rows]
    assert [target, "off", "", "", ""] in rows


def test_a_target_that_is_gone_is_told(
    s3: Any, pair: tuple[str, str], command: Callable[..., Any]
) -> None:
    source, target = pair
    command("enable", source, target)
    s3.delete_bucket(Bucket=target)
    told = command("status", source)
    assert (told["permitted"], told["missing"]) == (
        False,
        f"the target bucket {target} does not exist",
    )


def test_disabling_removes_the_rule(
    s3: Any,
    pair: tuple[str, str],
    command: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    source, target = pair
    command("enable", source, target)
    assert command("disable", source) == {"bucket": source, "enabled": False}
    assert _rule(s3, source) is None
    assert main.run(["logging", "disable", source]) == 0
    assert "logging is off" in capsys.readouterr().out
    assert main.run(["logging", "status", source]) == 0
    assert capsys.readouterr().out == f"{source}: logging is off\n"


@pytest.mark.parametrize(
    ("arguments", "environment", "message", "hint"),
    [
        (
            ["enable", "SOURCE", "not-there"],
            {},
            "InvalidTargetBucketForLogging: The target bucket for logging does not exist "
            "(TargetBucket not-there)",
            "same account",
        ),
        (["enable", "not-there", "SOURCE"], {}, "NoSuchBucket", "logging status"),
        (["status", "not-there"], {}, "NoSuchBucket", "logging status"),
        (["status"], {"AWS_ACCESS_KEY_ID": "AKIAWRONG"}, "InvalidAccessKeyId", "key list"),
        (["status"], {"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch", "--profile"),
        (["status"], {"AWS_PROFILE": "missing"}, "missing", "list-profiles"),
        (["status", "--endpoint", "foo"], {}, "Invalid endpoint: foo", "--endpoint"),
        (
            ["status", "--endpoint", "http://127.0.0.1:1"],
            {},
            "http://127.0.0.1:1 doesn't answer: connection refused",
            "bucketlog serve",
        ),
        (
            ["status"],
            {
                "AWS_ACCESS_KEY_ID": "",
                "AWS_SECRET_ACCESS_KEY": "",
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
                "AWS_CONFIG_FILE": "/nonexistent",
            },
            "There are no keys to sign with.",
            "AWS_ACCESS_KEY_ID",
        ),
    ],
)
def test_whatever_goes_wrong_is_a_problem_with_a_hint(
    s3: Any,
    pair: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    environment: dict[str, str],
    message: str,
    hint: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    arguments = [pair[0] if each == "SOURCE" else each for each in arguments]
    assert main.run(["logging", *arguments]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    first, second = told.err.splitlines()
    assert message in first
    assert hint in second


def test_another_account_is_refused(
    server: Server,
    s3: Any,
    pair: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert main.run(["account", "add", "lab", "--json", "--data", str(server.data)]) == 0
    made = json.loads(capsys.readouterr().out)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", made["access_key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", made["secret_key"])
    assert main.run(["logging", "status", pair[0]]) == 1
    assert "AccessDenied" in capsys.readouterr().err
    assert main.run(["logging", "status"]) == 0
    assert capsys.readouterr().out == ""


def test_a_key_made_or_removed_while_the_server_runs_counts_at_once(
    server: Server, s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["user", "add", "ann", "--json", "--data", str(server.data)]) == 0
    made = json.loads(capsys.readouterr().out)
    client = server.client(made["access_key"], made["secret_key"])
    client.list_buckets()
    assert main.run(["key", "remove", made["access_key"], "--data", str(server.data)]) == 0
    with pytest.raises(client.exceptions.ClientError, match="InvalidAccessKeyId"):
        client.list_buckets()
