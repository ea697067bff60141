"""Structured records become the same columns as lines do; what is none is a reject, counted."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bucketlog
from bucketlog.accesslog.record import FIELDS
from bucketlog.cli import texts
from bucketlog.problems import Problem
from bucketlog.reader import derived, members, structured
from bucketlog.reader.schema import LINE_COLUMNS, LINE_REJECTS

ROOT = Path(__file__).parents[2]
OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"
RECORD: dict[str, Any] = {
    "schema_version_id": "V_1_0",
    "bucket_arn": "arn:aws:s3:::lake",
    "bucket_name": "lake",
    "request_time": "2026-06-30T12:34:56.789Z",
    "bucket_owner_id": OWNER,
    "remote_ip": "192.0.2.3",
    "requester": "arn:aws:iam::123456789012:user/ada",
    "request_id": "3E57427F33A59F07",
    "operation": "REST.GET.OBJECT",
    "key_name": "2026/a.parquet",
    "request_uri": "GET /2026/a.parquet HTTP/1.1",
    "http_status": 206,
    "error_code": None,
    "bytes_sent_size": 1024,
    "object_size": 4096,
    "total_duration": 31,
    "turn_around_duration": 12,
    "referer": None,
    "user_agent": "Boto3/1.40.1 md/Botocore#1.40.1",
    "version_id": None,
    "host_id": "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234=",
    "signature_version": "SigV4",
    "cipher_suite": "TLS_AES_128_GCM_SHA256",
    "authentication_type": "AuthHeader",
    "host_header": "lake.s3.us-east-1.amazonaws.com",
    "tls_version": "TLSv1.3",
    "access_point_arn": None,
    "acl_required": None,
    "source_region": "us-east-1",
}
EXPECTED = {
    "bucket": "lake",
    "time": datetime(2026, 6, 30, 12, 34, 56, 789000, tzinfo=UTC),
    "bucket_owner": OWNER,
    "key": "2026/a.parquet",
    "http_status": 206,
    "bytes_sent": 1024,
    "total_time": 31,
    "turn_around_time": 12,
    "extra_fields": ["schema_version_id=V_1_0", "bucket_arn=arn:aws:s3:::lake"],
    "parse_ambiguous": False,
    "raw": None,
    "field_count": None,
    "line_number": 1,
}


def line(**changes: Any) -> bytes:
    return json.dumps(RECORD | changes).encode() + b"\n"


def one(data: bytes) -> dict[str, Any]:
    """The only row of data that is one good line, read at once and line by line."""
    batch, rejects = structured.parse_json(data)
    assert rejects.to_pylist() == []
    batch.validate(full=True)
    slow, _ = structured._line_by_line(data.removeprefix(b"\xef\xbb\xbf"), 1, 0)
    assert slow.to_pylist() == batch.to_pylist()
    (row,) = batch.to_pylist()
    return dict(row)


def reason(data: bytes) -> str:
    """Why the only line is a reject."""
    batch, rejects = structured.parse_json(data)
    assert batch.num_rows == 0
    (reject,) = rejects.to_pylist()
    assert reject["bytes"] == data.rstrip(b"\n")
    return str(reject["reason"])


# ── names ───────────────────────────────────────────────────────────────────────────────────────


def test_amazons_members_are_our_columns() -> None:
    row = one(line())
    assert row == {name: RECORD.get(name) for name in LINE_COLUMNS.names} | EXPECTED


def test_every_field_has_one_of_amazons_names_and_every_name_a_place() -> None:
    told = {members.column(members.known(name) or "") for name in RECORD}
    assert told - {None} == {field.name for field in FIELDS}
    assert {name for name in RECORD if members.column(name) is None} == set(members.KEPT)


@pytest.mark.parametrize("name", ["key_name", "KEY_NAME", "keyName", "Key-Name", "key"])
def test_a_name_counts_in_any_case_and_with_any_separator(name: str) -> None:
    record = {key: value for key, value in RECORD.items() if key != "key_name"}
    assert one(json.dumps(record | {name: "k"}).encode())["key"] == "k"


def test_an_unknown_member_is_an_extra_field() -> None:
    row = one(line(colour="red", size=1.5, tags={"a": [1, None]}, nothing=None))
    assert row["extra_fields"] == [
        "schema_version_id=V_1_0",
        "bucket_arn=arn:aws:s3:::lake",
        "colour=red",
        "size=1.5",
        'tags={"a":[1,null]}',
    ]


def test_members_that_are_left_out_are_null() -> None:
    data = b'{"request_time":"2026-06-30T12:34:56Z","bucket_name":"lake"}'
    row = one(data)
    assert {name for name, value in row.items() if value is not None} == {
        "time",
        "bucket",
        "parse_ambiguous",
        "line_number",
    }


def test_the_bucket_is_taken_from_its_arn_where_it_is_not_named() -> None:
    assert one(line(bucket_name=None))["bucket"] == "lake"


# ── values ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-06-30T12:34:56.789Z", 789_000),
        ("2026-06-30T12:34:56Z", 0),
        ("2026-06-30 12:34:56.5", 500_000),
        ("2026-06-30 12:34:56.789 UTC", 789_000),
        ("2026-06-30T14:34:56.000001999+02:00", 1),
        ("2026-06-30T07:04:56,25-0530", 250_000),
    ],
)
def test_a_time_keeps_its_fraction_and_is_moved_to_utc(text: str, micros: int) -> None:
    expected = datetime(2026, 6, 30, 12, 34, 56, micros, tzinfo=UTC)
    assert one(line(request_time=text))["time"] == expected


@pytest.mark.parametrize("text", ["206", 206, 206.0])
def test_a_number_may_be_text_or_a_fraction_if_it_is_exact(text: object) -> None:
    assert one(line(http_status=text))["http_status"] == 206


@pytest.mark.parametrize(
    ("given", "means"),
    [("Yes", True), ("no", False), (True, True), (False, False), (None, None)],
)
def test_acl_required_is_yes_or_a_truth(given: object, means: bool | None) -> None:
    assert one(line(acl_required=given))["acl_required"] is means


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"http_status": "2o6"}, "http_status is no whole number"),
        ({"http_status": True}, "http_status is no whole number"),
        ({"http_status": 200.5}, "http_status is no whole number"),
        ({"http_status": 1000}, "http_status is out of range"),
        ({"bytes_sent_size": -1}, "bytes_sent_size is out of range"),
        ({"object_size": 2**63}, "object_size is out of range"),
        ({"object_size": "9" * 20}, "object_size is no whole number"),
        ({"total_duration": [1]}, "total_duration is no whole number"),
        ({"requester": 1}, "requester is no text"),
        ({"key_name": {"a": 1}}, "key_name is no text"),
        ({"acl_required": "perhaps"}, "acl_required is neither true nor false"),
        ({"acl_required": 1}, "acl_required is neither true nor false"),
        ({"request_time": "yesterday"}, "request_time is no ISO 8601 time"),
        ({"request_time": "2026-02-30T00:00:00Z"}, "request_time is no ISO 8601 time"),
        ({"request_time": 1782822896}, "request_time is no ISO 8601 time"),
        ({"request_time": None}, "it has no time"),
        (
            {"bucket_name": None, "bucket_arn": None, "operation": None},
            "it names neither bucket nor operation",
        ),
        ({"extra_fields": "a"}, "extra_fields is no list of texts"),
        ({"extra_fields": [1]}, "extra_fields is no list of texts"),
        ({"raw": "\N{SNOWMAN}"}, "raw is no text of bytes"),
    ],
)
def test_a_value_that_cant_be_is_a_reject_that_names_its_member(
    changes: dict[str, object], why: str
) -> None:
    assert reason(line(**changes)) == why


def test_an_exponent_that_would_fill_the_memory_is_no_number() -> None:
    data = line().replace(b"206", b"1e999999999")
    assert reason(data) == "http_status is no whole number"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\n", "the line is empty"),
        (b"  \n", "the line is empty"),
        (b"not json\n", "it is no JSON"),
        (b'{"a":\n', "it is no JSON"),
        (b'{"http_status": NaN}\n', "it is no JSON"),
        (b'{"n": ' + b"9" * 5000 + b"}\n", "it is no JSON"),
        (b"[1, 2]\n", "it is JSON, but no object"),
        (b"[" * 200_000 + b"\n", "it is nested too deeply"),
        (b'{"a":' * 200_000 + b"\n", "it is nested too deeply"),
        (b'{"a": 1}{"b": 2}\n', "something follows the record on its line"),
        (line().rstrip(b"\n") * 2 + b"\n", "something follows the record on its line"),
        (b'{"Records": []}\n', "it has no time"),
        (
            b'{"messageType":"DATA_MESSAGE","logEvents":[{"message":"{}"}]}\n',
            "it is an envelope of several events: take .logEvents[].message out of it",
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_what_is_no_record_is_a_reject_that_says_why(data: bytes, why: str) -> None:
    assert reason(data) == why


def test_a_line_that_is_too_long_is_a_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structured, "LONGEST_LINE", 2000)
    good = line()
    batch, rejects = structured.parse_json(good + line(key_name="k" * 2000) + good)
    assert batch.column("line_number").to_pylist() == [1, 3]
    assert rejects.column("reason").to_pylist() == ["the line is too long"]


# ── doubt ───────────────────────────────────────────────────────────────────────────────────────


def test_a_member_that_stands_twice_makes_its_record_ambiguous() -> None:
    data = line().replace(b'"remote_ip"', b'"http_status": 404, "remote_ip"')
    row = one(data)
    assert row["parse_ambiguous"] is True
    assert row["http_status"] == 404
    assert "http_status=206" in row["extra_fields"]
    assert row["raw"] == data.rstrip(b"\n")


def test_two_names_for_a_column_are_ambiguous_only_if_they_differ() -> None:
    assert one(line(key="2026/a.parquet"))["parse_ambiguous"] is False
    row = one(line(key="b"))
    assert (row["parse_ambiguous"], row["key"]) == (True, "2026/a.parquet")
    assert row["extra_fields"][-1] == "key=b"


def test_bytes_that_are_not_utf_8_are_replaced_and_the_line_kept() -> None:
    data = line().replace(b"Boto3", b"Boto\xff")
    row = one(data)
    assert row["user_agent"].startswith("Boto\N{REPLACEMENT CHARACTER}/")
    assert row["raw"] == data.rstrip(b"\n")
    assert row["parse_ambiguous"] is False


def test_half_a_surrogate_pair_is_replaced_and_the_line_kept() -> None:
    data = line(colour="x").replace(b"Boto3", b"\\ud800").replace(b'"x"', b'"\\udc00"')
    row = one(data)
    assert row["user_agent"].startswith("\N{REPLACEMENT CHARACTER}/")
    assert row["extra_fields"][-1] == "colour=\N{REPLACEMENT CHARACTER}"
    assert row["raw"] == data.rstrip(b"\n")


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert one(line(user_agent="\N{GRINNING FACE}"))["user_agent"] == "\N{GRINNING FACE}"


# ── lines ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_the_last_line_may_lack_its_end(end: bytes) -> None:
    good = line().rstrip(b"\n")
    batch, rejects = structured.parse_json(good + b"\r\n" + good + end)
    assert (batch.num_rows, rejects.num_rows) == (2, 0)


def test_nothing_gives_nothing() -> None:
    batch, rejects = structured.parse_json(b"")
    assert batch.schema == LINE_COLUMNS
    assert rejects.schema == LINE_REJECTS
    assert (batch.num_rows, rejects.num_rows) == (0, 0)


def test_one_bad_line_costs_one_line() -> None:
    good = line()
    batch, rejects = structured.parse_json(good + b"?\r\n" + good, 11, 5000)
    assert batch.column("line_number").to_pylist() == [11, 13]
    assert rejects.to_pylist() == [
        {
            "line_number": 12,
            "offset": 5000 + len(good),
            "reason": "it is no JSON",
            "bytes": b"?",
        }
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert one(b"\xef\xbb\xbf" + line())["bucket"] == "lake"
    _, rejects = structured.parse_json(b"\xef\xbb\xbf?")
    assert rejects.column("offset").to_pylist() == [3]


def test_the_export_of_a_log_group_is_read() -> None:
    assert one(b"2026-06-30T12:35:00.000Z " + line())["key"] == "2026/a.parquet"


@pytest.mark.parametrize("prefix", ["", "@"])
def test_an_event_of_cloudwatch_logs_is_read(prefix: str) -> None:
    event = {f"{prefix}timestamp": 1782822896789, f"{prefix}message": line().decode()}
    assert one(json.dumps(event).encode())["key"] == "2026/a.parquet"


def test_a_record_with_a_member_called_message_is_itself() -> None:
    row = one(line(message='{"a": 1}'))
    assert row["extra_fields"][-1] == 'message={"a": 1}'


LINES = st.one_of(
    st.builds(
        lambda changes: json.dumps(RECORD | changes).encode(),
        st.dictionaries(
            st.sampled_from([*RECORD, "key", "colour", "acl_required"]),
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(-1, 10**20),
                st.text(max_size=8),
                st.just("2026-06-30T12:34:56.1Z"),
                st.floats(),
            ),
            max_size=3,
        ),
    ),
    st.binary(max_size=30).map(lambda data: data.replace(b"\n", b" ")),
    st.sampled_from([b"{}", b"}", b'{"a":1}{"b":2}', line().rstrip(b"\n") * 2]),
)


@given(st.lists(LINES, max_size=5), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_lines_are_rows_or_rejects_and_both_ways_of_reading_agree(
    lines: list[bytes], end: bytes, is_ended: bool
) -> None:
    data = end.join(lines) + (end if is_ended else b"")
    batch, rejects = structured.parse_json(data, 1, 1)
    slow = structured._line_by_line(data, 1, 1)
    assert (batch.to_pylist(), rejects.to_pylist()) == tuple(each.to_pylist() for each in slow)
    batch.validate(full=True)
    count = data.count(b"\n") + (not data.endswith(b"\n") and bool(data))
    assert batch.num_rows + rejects.num_rows == count
    for reject in rejects.to_pylist():
        at = reject["offset"] - 1
        assert data[at : at + len(reject["bytes"])] == reject["bytes"]


# ── our own ─────────────────────────────────────────────────────────────────────────────────────

OWN = pa.RecordBatch.from_pylist(
    [
        {
            **{name: None for name in LINE_COLUMNS.names},
            "bucket_owner": OWNER,
            "bucket": "lake",
            "time": datetime(2019, 2, 6, 0, 0, 38, tzinfo=UTC),
            "operation": "REST.GET.OBJECT",
            "key": "caf%25C3%25A9",
            "http_status": 200,
            "acl_required": True,
            "extra_fields": ["a", "b\x1e\x1f"] if odd else None,
            "parse_ambiguous": odd,
            "raw": b"\xff\x00" if odd else None,
            "field_count": 29 if odd else 18,
            "line_number": number,
        }
        for number, odd in enumerate((True, False), 1)
    ],
    schema=LINE_COLUMNS,
)


def parquet_of(batch: pa.RecordBatch | pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(batch), file, **options)
    return file.getvalue()


def test_our_own_json_comes_back_equal() -> None:
    data = bytes(texts.json_lines(OWN))
    for batch, rejects in (structured.parse_json(data), structured._line_by_line(data, 1, 0)):
        assert rejects.num_rows == 0
        assert batch.to_pylist() == OWN.to_pylist()


def test_our_own_parquet_comes_back_equal() -> None:
    (batch,) = structured.parse_parquet(parquet_of(OWN))
    assert batch.equals(OWN)


def test_derived_columns_of_our_own_exports_are_no_extra_fields() -> None:
    wide = derived.add(OWN, derived.COLUMNS)
    (batch,) = structured.parse_parquet(parquet_of(wide))
    assert batch.equals(OWN)
    again, _ = structured.parse_json(bytes(texts.json_lines(wide)))
    assert again.to_pylist() == OWN.to_pylist()


def test_where_a_row_is_from_is_told_of_this_reading_not_of_the_exports() -> None:
    sliced = parquet_of(OWN.slice(1))
    (batch,) = structured.parse_parquet(sliced, 7)
    assert batch.column("line_number").to_pylist() == [7]


# ── Parquet ─────────────────────────────────────────────────────────────────────────────────────


def table(**changes: Any) -> pa.Table:
    found = pa.Table.from_pylist([RECORD, RECORD | {"extra": "é", "key_name": None}])
    found = found.append_column("extra", pa.array([None, "é"]))
    for name, array in changes.items():
        if name in found.schema.names:
            found = found.set_column(found.schema.get_field_index(name), name, array)
        else:
            found = found.append_column(name, array)
    return found


def rows(found: pa.Table, **options: Any) -> list[dict[str, Any]]:
    batches = structured.parse_parquet(parquet_of(found, **options))
    return [row for batch in batches for row in batch.to_pylist()]


def test_amazons_parquet_gives_what_its_json_gives() -> None:
    first, second = rows(table())
    assert first == one(line())
    assert second["key"] is None
    assert second["extra_fields"] == [*EXPECTED["extra_fields"], "extra=é"]
    assert second["line_number"] == 2


@pytest.mark.parametrize(
    "array",
    [
        pa.array([datetime(2026, 6, 30, 12, 34, 56, 789000)] * 2, pa.timestamp("ms")),
        pa.array([datetime(2026, 6, 30, 12, 34, 56, 789000)] * 2, pa.timestamp("ns")),
        pa.array(
            [datetime(2026, 6, 30, 12, 34, 56, 789000, tzinfo=UTC)] * 2,
            pa.timestamp("us", "Europe/Berlin"),
        ),
        pa.array(["2026-06-30T14:34:56.789+02:00"] * 2),
    ],
    ids=lambda array: str(array.type),
)
def test_a_time_may_be_of_any_unit_and_zone(array: pa.Array) -> None:
    assert rows(table(request_time=array))[0]["time"] == EXPECTED["time"]


@pytest.mark.parametrize(
    "kind",
    [pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.binary(), pa.string_view()],
    ids=str,
)
def test_text_may_be_of_any_type_of_text(kind: pa.DataType) -> None:
    uris = pa.array(["GET /é HTTP/1.1", None]).cast(kind)
    assert [row["request_uri"] for row in rows(table(request_uri=uris))] == [
        "GET /é HTTP/1.1",
        None,
    ]


def test_text_of_parquet_that_is_not_utf_8_is_replaced() -> None:
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"a\xff", b"b"]).buffers())
    assert rows(table(user_agent=bad))[0]["user_agent"] == "a\N{REPLACEMENT CHARACTER}"


def test_numbers_of_parquet_may_be_text_or_wide() -> None:
    found = rows(table(http_status=pa.array(["206", None]), object_size=pa.array([1.0, None])))
    assert [row["http_status"] for row in found] == [206, None]
    assert found[0]["object_size"] == 1


def test_two_columns_for_one_are_ambiguous_where_they_differ() -> None:
    first, second = rows(table(key=pa.array(["2026/a.parquet", "b"]), bucket=pa.array(["x", None])))
    assert (first["parse_ambiguous"], second["parse_ambiguous"]) == (True, False)
    assert first["extra_fields"][-1] == "bucket=x"


def test_an_unknown_column_of_any_type_is_an_extra_field() -> None:
    nested = pa.array([{"a": [1]}, None])
    numbers = pa.array([None, 5])
    first, second = rows(table(nested=nested, numbers=numbers))
    assert first["extra_fields"][-1] == 'nested={"a":[1]}'
    assert second["extra_fields"][-1] == "numbers=5"


def test_an_extra_field_may_hold_what_separates_them_within() -> None:
    assert (
        rows(table(odd=pa.array(["a\x1e\x1fb", None])))[0]["extra_fields"][-1] == "odd=a\x1e\x1fb"
    )


def test_an_unknown_column_of_our_own_export_stands_behind_its_extra_fields() -> None:
    wide = pa.table(OWN).append_column("colour", pa.array(["red", None]))
    assert [row["extra_fields"] for row in rows(wide)] == [["a", "b\x1e\x1f", "colour=red"], None]


def test_parquet_is_read_in_pieces_whose_lines_are_counted_on(tmp_path: Any) -> None:
    path = tmp_path / "log.parquet"
    path.write_bytes(parquet_of(pa.concat_tables([table()] * 5), row_group_size=4))
    batches = list(structured.parse_parquet(str(path), batch_rows=3))
    assert max(batch.num_rows for batch in batches) <= 3
    whole = structured.joined(batches)
    assert whole.column("line_number").to_pylist() == list(range(1, 11))
    assert whole.schema == LINE_COLUMNS


def test_no_batches_join_to_an_empty_one() -> None:
    assert structured.joined([]).num_rows == 0
    assert list(structured.parse_parquet(parquet_of(OWN.slice(0, 0)))) == []


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (pa.table({"a": [1]}), "no columns for a time and a bucket"),
        (pa.table({"time": [1]}), "no columns for a time and a bucket"),
        (table(request_time=pa.array([1, 2])), "its request_time is of type int64"),
        (table(http_status=pa.array([-1, 2])), "its http_status is out of range"),
        (table(http_status=pa.array(["x", None])), "its http_status is no whole number"),
        (table(requester=pa.array([1, 2])), "its requester is of type int64"),
        (table(acl_required=pa.array([1, 2])), "its acl_required is of type int64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parquet_that_is_no_access_log_is_a_problem(found: pa.Table, told: str) -> None:
    with pytest.raises(Problem, match=told):
        rows(found)


def rows_or_problem(data: bytes) -> int | Problem:
    try:
        return sum(batch.num_rows for batch in structured.parse_parquet(data))
    except Problem as problem:
        return problem


def test_damaged_parquet_is_a_problem_wherever_the_damage_is() -> None:
    whole = parquet_of(pa.concat_tables([table()] * 50), compression="none")
    assert rows_or_problem(whole) == 100
    for at in range(0, len(whole), 97):
        damaged = whole[:at] + bytes(byte ^ 0x5A for byte in whole[at : at + 8]) + whole[at + 8 :]
        found = rows_or_problem(damaged)
        assert isinstance(found, Problem) or found <= 100
        assert isinstance(rows_or_problem(whole[:at]), Problem)


def test_every_record_of_the_conformance_set_comes_back_from_our_own_exports() -> None:
    files = sorted((ROOT / "conformance" / "lines").rglob("*.log"))
    lines = b"".join(path.read_bytes() for path in files)
    parsed = bucketlog.parse(lines).batch
    assert parsed.num_rows > 100
    told = parsed.drop_columns(["line_number"]).to_pylist()
    json_lines = bucketlog.parse(bytes(texts.json_lines(parsed)))
    parquet = bucketlog.parse(parquet_of(parsed))
    for again in (json_lines, parquet):
        assert again.rejects.num_rows == 0
        assert again.batch.drop_columns(["line_number"]).to_pylist() == told
