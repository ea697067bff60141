"""Derived columns: each rule, on records of every era, and on text that nobody expects."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from docs import generate
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.accesslog import line
from bucketlog.problems import Problem
from bucketlog.reader import derived, members, principals, schema
from bucketlog.reader.schema import LINE_COLUMNS, REPEATING, SCHEMA

OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
BASE: dict[str, Any] = {
    "time": datetime(2019, 2, 6, 23, 59, 59, tzinfo=UTC),
    "operation": "REST.GET.OBJECT",
    "parse_ambiguous": False,
    "field_count": 27,
    "line_number": 1,
}


def batch(*rows: Mapping[str, Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([BASE | row for row in rows], schema=LINE_COLUMNS)


def column(name: str, *rows: Mapping[str, Any]) -> list[Any]:
    """A derived column of records with these fields."""
    made = derived.add(batch(*rows), [name])
    made.validate(full=True)
    assert made.schema.field(name) == derived.schema([name]).field(name)
    return list(made.column(name).to_pylist())


def of_each(name: str, field: str, cases: Mapping[Any, Any]) -> None:
    """Each case holds alone and among all others."""
    together = column(name, *({field: given} for given in cases))
    assert dict(zip(cases, together, strict=True)) == cases
    for given_, expected in cases.items():
        assert column(name, {field: given_}) == [expected]


# ── the table ───────────────────────────────────────────────────────────────────────────────────


def test_no_derived_column_has_a_fields_name_and_each_has_a_rule() -> None:
    assert not set(derived.COLUMNS) & set(SCHEMA.names)
    for name, row in derived.COLUMNS.items():
        assert name == row.name
        assert row.rule.endswith(".")
        assert set(row.needs) <= set(LINE_COLUMNS.names)


def test_every_column_and_every_kind_is_on_the_page() -> None:
    page = generate.pages()["columns.md"]
    for name in (*SCHEMA.names, *derived.COLUMNS, *principals.KINDS, *members.KEPT):
        assert f"\n| `{name}` |" in page
    assert set(schema.ABOUT) == set(SCHEMA.names) - set(schema.FIELD_COLUMNS.names)


def test_columns_are_added_behind_the_others_in_the_order_asked() -> None:
    names = ["tls", "method", "key_decoded"]
    made = derived.add(batch({}), names)
    assert made.schema == pa.schema([*LINE_COLUMNS, *derived.schema(names)])


def test_all_columns_can_be_made_of_no_rows_and_of_rows_of_nulls() -> None:
    for rows in ((), ({"operation": None, "field_count": None, "time": None},) * 2):
        made = derived.add(batch(*rows), derived.COLUMNS)
        made.validate(full=True)
        assert made.schema == pa.schema([*LINE_COLUMNS, *derived.schema(derived.COLUMNS)])
    told = {name: value for name, value in made.to_pylist()[0].items() if name in derived.COLUMNS}
    assert {name: value for name, value in told.items() if value is not None} == {
        "is_presigned": False,
        "is_anonymous": True,
        "principal_type": "anonymous",
        "era": "structured",
        "is_error": False,
    }


def test_a_slice_has_the_columns_of_its_rows() -> None:
    whole = batch(*({"key": f"{n}/a%2520b.t{n}", "user_agent": f"Boto3/{n}"} for n in range(6)))
    full = derived.add(whole, derived.COLUMNS)
    part = derived.add(whole.slice(2, 3), derived.COLUMNS)
    assert part.to_pylist() == full.slice(2, 3).to_pylist()


def test_a_column_that_is_there_is_made_anew_in_its_place() -> None:
    once = derived.add(batch({"key": "a.txt"}), ["extension", "tls"])
    assert derived.add(once, ["extension"]).equals(once)


def test_an_unknown_name_is_a_problem_that_knows_better() -> None:
    with pytest.raises(Problem) as found:
        derived.add(batch({}), ["user_names"])
    assert found.value.hint == "Did you mean user_name?"
    with pytest.raises(Problem) as found:
        derived.schema(["zzz"])
    assert "key_decoded" in (found.value.hint or "")


def test_a_field_that_was_left_out_is_a_problem() -> None:
    with pytest.raises(Problem, match="method is made of request_uri"):
        derived.add(batch({}).select(["key"]), ["method"])


# ── keys ────────────────────────────────────────────────────────────────────────────────────────

KEYS = {
    "photos/2019/puppy.jpg": "photos/2019/puppy.jpg",
    "caf%25C3%25A9.txt": "café.txt",
    "%2522": '"',
    "a+b": "a b",
    "a%252Bb": "a+b",
    "100%2525": "100%",
    "%25FF": "%FF",
    "%zz": "%zz",
    None: None,
}


def test_a_key_is_decoded_twice_for_requests() -> None:
    of_each("key_decoded", "key", KEYS)


@pytest.mark.parametrize("operation", ["BATCH.DELETE.OBJECT", "S3.EXPIRE.OBJECT"])
def test_a_key_is_decoded_once_for_batch_deletes_and_lifecycle_rules(operation: str) -> None:
    rows = [{"key": key, "operation": operation} for key in ("a%2520b", "a+b", "%C3%A9", "plain")]
    assert column("key_decoded", *rows) == ["a%20b", "a b", "é", "plain"]


def test_a_key_of_a_structured_record_is_decoded_only_if_that_can_be_undone() -> None:
    keys = ["a b", "a+b", "100%", "a%2520b", "caf%25C3%25A9", "%zz", "plain"]
    rows = [{"key": key, "field_count": None} for key in keys]
    expected = ["a b", "a+b", "100%", "a b", "café", "%zz", "plain"]
    assert column("key_decoded", *rows) == expected


OPERATIONS = st.sampled_from(
    ["REST.GET.OBJECT", "BATCH.DELETE.OBJECT", "S3.EXPIRE.OBJECT", "WEBSITE.GET.OBJECT"]
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(st.lists(st.tuples(OPERATIONS, TEXT), min_size=1, max_size=8), st.booleans())
def test_a_key_that_amazon_encoded_comes_back_and_can_be_encoded_again(
    pairs: list[tuple[str, str]], is_structured: bool
) -> None:
    encoded = [line.encode_key(operation, key) for operation, key in pairs]
    rows = [
        {"operation": operation, "key": key, "field_count": None if is_structured else 27}
        for (operation, _), key in zip(pairs, encoded, strict=True)
    ]
    decoded = column("key_decoded", *rows)
    assert decoded == [key for _, key in pairs]
    again = [
        line.encode_key(operation, key) for (operation, _), key in zip(pairs, decoded, strict=True)
    ]
    assert again == encoded


@given(st.lists(st.tuples(OPERATIONS, st.text("a%+2500Cé", max_size=9)), min_size=1, max_size=6))
def test_any_text_is_decoded_as_the_slow_way_decodes_it(pairs: list[tuple[str, str]]) -> None:
    rows = [{"operation": operation, "key": key} for operation, key in pairs]
    expected = [line.decode_key(operation, key) for operation, key in pairs]
    assert column("key_decoded", *rows) == expected


def test_the_extension_is_what_follows_the_names_last_dot() -> None:
    cases = {
        "a/b.TXT": "txt",
        "b.tar.gz": "gz",
        "a.b/c": None,
        ".bashrc": None,
        "a/.env": None,
        "a.": None,
        "a.b c": None,
        "v1.2": "2",
        f"a.{'x' * 16}": "x" * 16,
        f"a.{'x' * 17}": None,
        "a%252Etxt": "txt",
        "a\n.txt": "txt",
        None: None,
    }
    of_each("extension", "key", cases)


def test_the_top_prefix_ends_with_the_first_slash() -> None:
    cases = {"a/b/c": "a/", "abc": None, "/a": "/", "a%252Fb": "a/", None: None}
    of_each("top_prefix", "key", cases)


# ── request lines ───────────────────────────────────────────────────────────────────────────────

REQUESTS: dict[str | None, tuple[str | None, ...]] = {
    "GET /b/k HTTP/1.1": ("GET", "/b/k", None, "HTTP/1.1"),
    "GET /b/k?x=1&y HTTP/1.1": ("GET", "/b/k", "x=1&y", "HTTP/1.1"),
    "PUT /k? HTTP/1.0": ("PUT", "/k", "", "HTTP/1.0"),
    "GET /?a?b HTTP/2": ("GET", "/", "a?b", "HTTP/2"),
    "GET /b/k": ("GET", "/b/k", None, None),
    "GET /a b?c d HTTP/1.1": ("GET", "/a b", "c d", "HTTP/1.1"),
    "GET  HTTP/1.1": ("GET", "", None, "HTTP/1.1"),
    "GET /a b": ("GET", "/a b", None, None),
    "GET /a XHTTP/1.1": ("GET", "/a XHTTP/1.1", None, None),
    "nonsense": (None, None, None, None),
    "": (None, None, None, None),
    None: (None, None, None, None),
}


@pytest.mark.parametrize(
    ("name", "at"), [("method", 0), ("path", 1), ("query", 2), ("http_version", 3)]
)
def test_a_request_line_is_taken_apart(name: str, at: int) -> None:
    of_each(name, "request_uri", {text: parts[at] for text, parts in REQUESTS.items()})


@given(st.lists(st.text("GE /?&HTP1.é", max_size=14), max_size=5))
def test_the_parts_of_a_request_line_are_all_of_it(texts: list[str]) -> None:
    names = ["method", "path", "query", "http_version"]
    rows = derived.add(batch(*({"request_uri": text} for text in texts)), names).to_pylist()
    for text, row in zip(texts, rows, strict=True):
        if row["method"] is None:
            assert " " not in text
            continue
        target = row["path"] + ("" if row["query"] is None else f"?{row['query']}")
        told = [row["method"], target, row["http_version"]]
        assert " ".join(part for part in told if part is not None) == text
        assert " " not in row["method"]
        assert "?" not in row["path"]
        assert row["http_version"] is None or re.fullmatch(r"HTTP/\d(\.\d)?", row["http_version"])


@pytest.mark.parametrize(
    ("uri", "authentication", "expected"),
    [
        ("GET /k HTTP/1.1", "AuthHeader", False),
        ("GET /k HTTP/1.1", "QueryString", True),
        ("GET /k?X-Amz-Signature=a HTTP/1.1", "AuthHeader", False),
        ("GET /k?X-Amz-Signature=a HTTP/1.1", None, True),
        ("GET /k?a=b&x-amz-signature=a HTTP/1.1", None, True),
        ("GET /k?X-Amz-%53ignature=a HTTP/1.1", None, True),
        ("GET /k?AWSAccessKeyId=A&Expires=1&Signature=s HTTP/1.1", None, True),
        ("GET /k?Signature=s&Expires=1&AWSAccessKeyId=A HTTP/1.1", None, True),
        ("GET /k?Signature=s HTTP/1.1", None, False),
        ("GET /k?my%20name=s HTTP/1.1", None, False),
        ("GET /X-Amz-Signature=k HTTP/1.1", None, False),
        (None, None, False),
    ],
)
def test_a_presigned_request_is_told_by_its_authentication_or_its_query(
    uri: str | None, authentication: str | None, expected: bool
) -> None:
    row = {"request_uri": uri, "authentication_type": authentication}
    assert column("is_presigned", row) == [expected]
    assert column("is_presigned", {"request_uri": "GET / HTTP/1.1"}, row) == [False, expected]


# ── principals ──────────────────────────────────────────────────────────────────────────────────

# Requester: kind, account, user, role, session.
PRINCIPALS: dict[str | None, tuple[str | None, ...]] = {
    None: ("anonymous", None, None, None, None),
    "Anonymous": ("anonymous", None, None, None, None),
    "65a011a29cdf8ec533ec3d1ccaae921c": ("anonymous", None, None, None, None),
    OWNER: ("account", None, None, None, None),
    OWNER[:32]: ("account", None, None, None, None),
    "arn:aws:iam::123456789012:root": ("root", "123456789012", None, None, None),
    "arn:aws:iam::123456789012:user/bob": ("iam_user", "123456789012", "bob", None, None),
    "arn:aws-cn:iam::123456789012:user/a/b/eve": ("iam_user", "123456789012", "eve", None, None),
    "arn:aws:iam::123456789012:role/x/r": ("role", "123456789012", None, "r", None),
    "arn:aws:sts::123456789012:assumed-role/r/me@example.com": (
        "assumed_role",
        "123456789012",
        None,
        "r",
        "me@example.com",
    ),
    "arn:aws:sts::123456789012:assumed-role/r": ("assumed_role", "123456789012", None, "r", None),
    "arn:aws:sts::123456789012:federated-user/f": (
        "federated_user",
        "123456789012",
        "f",
        None,
        None,
    ),
    "arn:aws:sts::123456789012:else/f": ("other", "123456789012", None, None, None),
    "arn:aws:iam::123456789012:group/g": ("other", "123456789012", None, None, None),
    "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E2EXAMPLE": (
        "cloudfront_oai",
        None,
        "E2EXAMPLE",
        None,
        None,
    ),
    "arn:aws:iam::cloudfront:user/other": ("cloudfront_oai", None, None, None, None),
    "svc:delivery.logs.amazonaws.com": ("log_delivery", None, None, None, None),
    "svc:logging.s3.amazonaws.com": ("log_delivery", None, None, None, None),
    "c4c1ede66af53448b93c283ce9448c4ba468c9432aa01d700d3878632f77d2d0": (
        "log_delivery",
        None,
        None,
        None,
        None,
    ),
    "svc:cloudtrail.amazonaws.com": ("aws_service", None, None, None, None),
    "svc:something": ("aws_service", None, None, None, None),
    "AmazonS3": ("aws_service", None, None, None, None),
    "who knows": ("other", None, None, None, None),
    f"iam_user:{'0' * 64}": ("iam_user", None, None, None, None),
}


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("principal_type", 0),
        ("account_id", 1),
        ("user_name", 2),
        ("role_name", 3),
        ("session_name", 4),
    ],
)
def test_a_requester_is_taken_apart(name: str, at: int) -> None:
    of_each(name, "requester", {text: parts[at] for text, parts in PRINCIPALS.items()})


def test_every_kind_of_principal_is_met_and_told_of() -> None:
    assert {parts[0] for parts in PRINCIPALS.values()} == set(principals.KINDS)


def test_anonymous_is_said_of_the_anonymous_only() -> None:
    cases = {text: parts[0] == "anonymous" for text, parts in PRINCIPALS.items()}
    of_each("is_anonymous", "requester", cases)


def test_a_rule_runs_once_a_distinct_value(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []
    judge = principals.of

    def counting(requester: str | None) -> principals.Principal:
        asked.append(requester)
        return judge(requester)

    monkeypatch.setattr(principals, "of", counting)
    column("principal_type", *({"requester": OWNER} for _ in range(1000)))
    assert sorted(map(str, asked)) == [OWNER, "None"]


# ── the others ──────────────────────────────────────────────────────────────────────────────────


def test_tls_is_one_spelling_of_a_version() -> None:
    cases = {
        "TLSv1": "1.0",
        "TLSv1.1": "1.1",
        "TLSV1.2": "1.2",
        "tlsv1.3": "1.3",
        "TLS_1.2": "1.2",
        "SSLv3": "SSLv3",
        None: None,
    }
    of_each("tls", "tls_version", cases)


@pytest.mark.parametrize(
    ("fields", "extra", "expected"),
    [
        (17, None, "2006"),
        (18, None, "2010"),
        (20, None, "2010"),
        (23, None, "2019-03-05"),
        (24, None, "2019-03-28"),
        (25, None, "2021"),
        (26, None, "2022"),
        (27, None, "2026"),
        (28, ["x"], "newer"),
        (29, ["x", "y"], "newer"),
        (25, ["x"], "2019-03-28"),
        (None, None, "structured"),
        (None, ["schema_version_id=V_1_0"], "V_1_0"),
        (None, ["bucket_arn=a", "schema_version_id=V_2_0", "x=y"], "V_2_0"),
        (None, ["x=schema_version_id=V_1_0"], "structured"),
    ],
)
def test_the_era_is_told_by_the_known_fields_or_the_schemas_version(
    fields: int | None, extra: list[str] | None, expected: str
) -> None:
    row = {"field_count": fields, "extra_fields": extra}
    other = {"field_count": 18}
    assert column("era", row) == [expected]
    assert column("era", other, row, other) == ["2010", expected, "2010"]


def test_the_day_is_that_of_utc() -> None:
    assert column("date", {}) == [date(2019, 2, 6)]
    assert column("date", {"time": datetime(2019, 2, 7, tzinfo=UTC)}) == [date(2019, 2, 7)]


def test_a_status_class_is_the_first_digit() -> None:
    cases = {200: "2xx", 206: "2xx", 304: "3xx", 404: "4xx", 503: "5xx", 0: "0xx", None: None}
    of_each("status_class", "http_status", cases)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (200, None, False),
        (400, None, True),
        (200, "InternalError", True),
        (None, None, False),
        (None, "AccessDenied", True),
    ],
)
def test_an_error_is_a_status_or_a_code(
    status: int | None, code: str | None, expected: bool
) -> None:
    assert column("is_error", {"http_status": status, "error_code": code}) == [expected]


def test_dictionaries_are_of_the_type_that_repeats() -> None:
    made = derived.add(batch({"key": "a/b.txt", "http_status": 200}), derived.COLUMNS)
    repeating = [each.name for each in derived.schema(derived.COLUMNS) if each.type == REPEATING]
    assert repeating
    for name in repeating:
        assert made.column(name).type == REPEATING
