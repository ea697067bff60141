"""Writing lines and reading them back."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import unquote, unquote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.conformance import LINES, RECORDS

from bucketlog.accesslog import line
from bucketlog.accesslog.record import FIELDS, LogRecord

QUOTED = tuple(field.name for field in FIELDS if field.is_quoted)
COUNTS = tuple(field.name for field in FIELDS if field.type == "int")
PLAIN = tuple(
    field.name
    for field in FIELDS
    if field.type == "text" and not field.is_quoted and field.name not in ("operation", "key")
)
# Fields whose text no client chooses, and which a reader knows by their shape.
SHAPED = {
    "signature_version": ("SigV2", "SigV4"),
    "tls_version": ("TLSv1", "TLSv1.2", "TLSv1.3"),
    "access_point_arn": ("arn:aws:s3:eu-north-1:210987654321:accesspoint/tide",),
    "source_region": ("eu-north-1", "us-east-1"),
}

hostile = st.one_of(
    st.text(max_size=60),
    st.text(alphabet=' "\\-%\n\r\t\x00\x7fé[]0aY', max_size=40),
    st.sampled_from(
        [
            "-",
            "",
            '-" "x',
            '" 200 - 1 1 1 1 "-" "-" - h SigV4 c AuthHeader h TLSv1.3 - Yes us-east-1\n',
            'x" - FORGED= SigV4 C AuthHeader host TLSv1.3 - - - "y',
            "REST.GET.OBJECT k",
            "\r\nREST.GET.OBJECT",
        ]
    ),
)
keys = st.none() | hostile.filter(bool)
counts = st.none() | st.integers(0, 10**15)
operations = st.sampled_from(
    ["REST.GET.OBJECT", "BATCH.DELETE.OBJECT", "REST.COPY.OBJECT_GET", "S3.EXPIRE.OBJECT"]
)


def filled(**values: Any) -> LogRecord:
    """A record of an ordinary request, with some values changed."""
    base: dict[str, Any] = {
        "bucket_owner": "5d1f0c6b",
        "bucket": "harbour-photos",
        "time": 1_773_740_467_000_000_000,
        "remote_ip": "203.0.113.24",
        "requester": "arn:aws:iam::210987654321:user/mira",
        "request_id": "7Q2M9K4T1V8X3Z6B",
        "operation": "REST.GET.OBJECT",
        "key": "boats/heron.jpg",
        "request_uri": "GET /harbour-photos/boats/heron.jpg HTTP/1.1",
        "http_status": 200,
        "bytes_sent": 48213,
        "object_size": 48213,
        "total_time": 31,
        "turn_around_time": 28,
        "user_agent": "harbour-sync/3.2 (Linux)",
        "host_id": "kR3vZ0mQ=",
        "signature_version": "SigV4",
        "cipher_suite": "TLS_AES_128_GCM_SHA256",
        "authentication_type": "AuthHeader",
        "host_header": "s3.eu-north-1.amazonaws.com",
        "tls_version": "TLSv1.3",
    }
    return LogRecord(**{**base, **values})


@st.composite
def records(draw: st.DrawFn) -> LogRecord:
    """Any record, with text from the worst of clients in every field that has text."""
    values: dict[str, Any] = {name: draw(st.none() | hostile) for name in (*PLAIN, *QUOTED)}
    values |= {name: draw(st.none() | st.sampled_from(texts)) for name, texts in SHAPED.items()}
    values |= {name: draw(counts) for name in COUNTS}
    values["http_status"] = draw(st.none() | st.integers(100, 599))
    values["error_code"] = draw(st.sampled_from([None, "AccessDenied", "NoSuchKey"]))
    values["time"] = draw(st.integers(0, 4_000_000_000)) * 1_000_000_000
    values["operation"] = draw(operations)
    values["key"] = draw(keys)
    values["acl_required"] = draw(st.sampled_from([None, True]))
    return LogRecord(**values)


def shown(record: LogRecord) -> LogRecord:
    """The record as a reader of its line must see it: text made fit for the line, no more."""
    values = {
        name: None if line.plain(text) == "-" else line.plain(text)
        for name in PLAIN
        if (text := getattr(record, name)) is not None
    }
    values |= {
        name: line.quoted(text)[1:-1]
        for name in QUOTED
        if (text := getattr(record, name)) is not None
    }
    return dataclasses.replace(record, **values)


@pytest.mark.parametrize("name", LINES)
def test_every_line_of_the_conformance_set_is_read_as_it_was_made(name: str) -> None:
    expected = LINES[name]
    decoded = line.decode(expected.data)
    if not expected.is_record:
        assert decoded.record is None
        assert decoded.reason
        return
    assert decoded.reason is None
    assert decoded.record == expected.record
    assert len(decoded.texts) == expected.expected["fields"]
    assert list(decoded.extra_fields) == expected.extra_fields
    assert decoded.ambiguous is expected.is_ambiguous
    assert decoded.lossy is expected.is_lossy


def test_lines_of_ordinary_requests_are_written_byte_for_byte() -> None:
    odd_classes = {"spacing", "stray-tokens", "bytes"}
    odd_names = {
        "offset",
        "quoted-uri-bare-headers",
        "requester-with-blanks",
        "requester-role-with-blanks",
    }
    written = 0
    for name, expected in RECORDS.items():
        if expected.line_class in odd_classes or name in odd_names:
            continue
        if expected.is_ambiguous or expected.extra_fields:
            continue
        fields = expected.expected["fields"]
        again = line.encode(expected.record, quoting="amazon", fields=fields)
        assert again == expected.data, name
        written += 1
    assert written > 80


@given(records())
def test_what_is_written_is_read_back_field_by_field_and_as_one_line(record: LogRecord) -> None:
    text = line.encode(record)
    assert text.count(b"\n") == 1
    assert text.endswith(b"\n")
    assert text[:-1].decode("ascii").isprintable()
    assert text.count(b'"') in (0, 2, 4, 6)
    decoded = line.decode(text)
    assert decoded.reason is None
    assert not decoded.ambiguous
    assert decoded.extra_fields == ()
    assert len(decoded.texts) == 27
    assert decoded.record == shown(record)


@given(records())
def test_no_client_text_breaks_a_raw_line(record: LogRecord) -> None:
    text = line.encode(record, quoting="amazon")
    assert text.count(b"\n") == 1
    assert b"\r" not in text
    assert line.decode(text).record is not None


@given(records(), st.integers(18, 27))
def test_fewer_fields_are_the_start_of_the_same_line(record: LogRecord, fields: int) -> None:
    whole, part = line.encode(record), line.encode(record, fields=fields)
    assert whole.startswith(part[:-1])
    assert len(line.decode(part).texts) == fields


@given(operations, keys.filter(lambda key: key is not None))
@example("REST.GET.OBJECT", "-")
@example("BATCH.DELETE.OBJECT", "a +%2B/ü")
def test_a_key_is_read_back_exactly(operation: str, key: str) -> None:
    text = line.encode_key(operation, key)
    assert text != "-"
    assert text.isascii()
    assert not set(text) & set(' "\\')
    assert line.decode_key(operation, text) == key


@given(keys.filter(lambda key: key is not None))
def test_keys_decode_with_the_recipes_people_use(key: str) -> None:
    assert unquote(unquote(line.encode_key("REST.GET.OBJECT", key))) == key
    assert unquote_plus(unquote_plus(line.encode_key("REST.GET.OBJECT", key))) == key
    assert unquote_plus(line.encode_key("BATCH.DELETE.OBJECT", key)) == key


@pytest.mark.parametrize(
    ("operation", "key", "text"),
    [
        ("REST.GET.OBJECT", "photos/2026/a b.jpg", "photos/2026/a%2520b.jpg"),
        ("REST.GET.OBJECT", '"', "%2522"),
        ("REST.PUT.OBJECT", "100%/å~_.-", "100%2525/%25C3%25A5~_.-"),
        ("BATCH.DELETE.OBJECT", "a b+c/d", "a+b%2Bc/d"),
        ("S3.EXPIRE.OBJECT", "a b%", "a%20b%25"),
        ("REST.GET.OBJECT", "-", "%252D"),
        ("BATCH.DELETE.OBJECT", "-", "%2D"),
        ("REST.GET.BUCKET", None, "-"),
    ],
)
def test_keys_are_encoded_as_their_family_does_it(
    operation: str, key: str | None, text: str
) -> None:
    assert line.encode_key(operation, key) == text


@pytest.mark.parametrize(
    ("operation", "text", "key"),
    [
        ("REST.GET.OBJECT", "year%253D2020", "year=2020"),
        ("REST.GET.OBJECT", "%25FF", "%FF"),  # the second round would not give UTF-8
        ("REST.GET.OBJECT", "50%", "50%"),
        ("REST.GET.OBJECT", "%zz", "%zz"),
        ("S3.EXPIRE.OBJECT", "foo-%2525Y", "foo-%25Y"),
        ("REST.GET.OBJECT", "foo-%2525Y", "foo-%Y"),
    ],
)
def test_a_key_of_amazons_is_decoded_as_its_family_does_it(
    operation: str, text: str, key: str
) -> None:
    assert line.decode_key(operation, text) == key


def test_safe_quoting_encodes_what_could_forge_or_confuse() -> None:
    text = line.encode(filled(user_agent='a"b\\c\td\x7fe\xe9\u2693', referer="-")).decode()
    assert '"%2D" "a%22b%5Cc%09d%7Fe%E9%E2%9A%93"' in text


def test_amazon_quoting_writes_the_bytes_of_the_wire() -> None:
    text = line.encode(filled(user_agent='a"\xe9\n'), quoting="amazon")
    assert b' "a"\xe9%0A" ' in text


def test_a_header_that_is_a_hyphen_is_not_taken_for_an_absent_one() -> None:
    decoded = line.decode(line.encode(filled(user_agent="-", host_header="-"))).record
    assert decoded is not None
    assert (decoded.user_agent, decoded.host_header, decoded.referer) == ("%2D", "%2D", None)


@pytest.mark.parametrize(
    ("operation", "dashes"),
    [
        ("REST.GET.OBJECT", b' "-" "-" '),
        ("S3.EXPIRE.OBJECT", b' "-" "-" '),
        ("BATCH.DELETE.OBJECT", b" - - "),
        ("REST.COPY.OBJECT_GET", b" - - "),
        ("REST.COPY.PART_GET", b" - - "),
        ("REST.COPY.OBJECT", b' "-" "-" '),
    ],
)
def test_each_kind_of_record_has_its_hyphens_bare_or_quoted(operation: str, dashes: bytes) -> None:
    text = line.encode(filled(operation=operation, user_agent=None, request_uri=None))
    assert dashes in text
    assert (b'"' in text) is (b'"' in dashes)


def test_an_empty_record_is_still_a_line_of_27_fields() -> None:
    assert (
        line.encode(LogRecord()) == b'- - - - - - - - "-" - - - - - - "-" "-"' + b" -" * 10 + b"\n"
    )


def test_values_that_no_line_can_show_are_unknown() -> None:
    record = filled(bytes_sent=-1, object_size=2**63, time=10**30)
    text = line.encode(record)
    assert text.split()[2] == b"-"
    assert b" 200 - - - 31 " in text


def test_a_time_is_shown_in_utc_with_english_months() -> None:
    assert line.timestamp(1_773_740_467_999_999_999) == "[17/Mar/2026:09:41:07 +0000]"
    assert line.timestamp(None) == "-"


def test_a_hyphen_bare_and_text_quoted_may_stand_side_by_side() -> None:
    quoted = line.encode(filled(referer="https://pier.example/", user_agent=None))
    first = line.decode(quoted.replace(b' "-" - kR3', b" - - kR3")).record
    second = line.decode(line.encode(filled()).replace(b' "-" "harbour', b' - "harbour')).record
    assert first == filled(referer="https://pier.example/", user_agent=None)
    assert second == filled()


@pytest.mark.parametrize(
    "tail",
    ['"', '"x', '- "', '-  "x', 'x "y"', '"x"', '"x" y', "x y", "-", '"x" "'],
)
def test_a_line_whose_last_quotes_make_no_sense_is_refused(tail: str) -> None:
    start, _, _ = line.encode(filled()).decode().partition(' 31 28 "')
    decoded = line.decode(f"{start} 31 28 {tail}")
    assert (decoded.record, decoded.ambiguous) == (None, False)
    assert decoded.reason


def test_a_request_line_without_quotes_is_refused() -> None:
    unquoted = line.encode(filled()).replace(b'"GET', b"GET")
    assert line.decode(unquoted).record is None


def test_a_line_break_inside_is_refused() -> None:
    assert line.decode(line.encode(filled()) * 2).record is None


def test_a_line_of_quotes_costs_no_more_than_a_blink() -> None:
    block = '" 200 - 1 1 1 1 "a" "b '
    decoded = line.decode(line.encode(filled()).replace(b'"-" "', f'"{block * 2000}" "'.encode()))
    assert decoded.ambiguous


def test_text_and_bytes_are_read_alike() -> None:
    text = line.encode(filled())
    assert line.decode(text) == line.decode(text.decode())


@given(st.binary(max_size=300))
def test_any_bytes_are_a_record_or_are_refused_with_a_reason(data: bytes) -> None:
    decoded = line.decode(data)
    assert (decoded.record is None) is (decoded.reason is not None)


@given(st.sampled_from([name for name in RECORDS if len(RECORDS[name].data) < 2000]), st.data())
def test_a_damaged_line_never_makes_the_parser_fail(name: str, data: st.DataObject) -> None:
    text = bytearray(RECORDS[name].data)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=4))
        text = text or bytearray(b"-")
    decoded = line.decode(bytes(text))
    assert (decoded.record is None) is (decoded.reason is not None)
