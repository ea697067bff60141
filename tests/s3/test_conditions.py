"""Preconditions and ranges as tables."""

from __future__ import annotations

from email.utils import formatdate, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.s3 import conditions
from bucketlog.s3.errors import S3Error

ETAG = "d41d8cd98f00b204e9800998ecf8427e"
AT = 784_111_777_900_000_000  # Sun, 06 Nov 1994 08:49:37.9 GMT
SAME = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
YES, NO = f'"{ETAG}"', '"other"'


def code_of(error: S3Error | None) -> str:
    return "-" if error is None else " ".join([error.code, *error.detail.values()])


def read(headers: dict[str, str]) -> S3Error | None:
    try:
        conditions.check_read(headers, ETAG, AT)
    except S3Error as error:
        return error
    return None


def copied(headers: dict[str, str]) -> S3Error | None:
    try:
        conditions.check_copy_source(headers, ETAG, AT)
    except S3Error as error:
        return error
    return None


# If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since -> what a GET comes to.
READS = [
    (None, None, None, None, "200"),
    (YES, None, None, None, "200"),
    ("*", None, None, None, "200"),
    (NO, None, None, None, "412 If-Match"),
    (None, SAME, None, None, "200"),
    (None, AFTER, None, None, "200"),
    (None, BEFORE, None, None, "412 If-Unmodified-Since"),
    (YES, BEFORE, None, None, "200"),  # If-Match alone counts
    (NO, AFTER, None, None, "412 If-Match"),
    (None, None, YES, None, "304 If-None-Match"),
    (None, None, "*", None, "304 If-None-Match"),
    (None, None, NO, None, "200"),
    (None, None, f"W/{YES}", None, "304 If-None-Match"),
    (None, None, None, SAME, "304 If-Modified-Since"),
    (None, None, None, AFTER, "304 If-Modified-Since"),
    (None, None, None, BEFORE, "200"),
    (None, None, NO, AFTER, "200"),  # If-None-Match alone counts
    (None, None, YES, BEFORE, "304 If-None-Match"),
    (NO, None, YES, None, "412 If-Match"),  # what fails first
    (YES, None, YES, None, "304 If-None-Match"),
    (None, BEFORE, None, BEFORE, "412 If-Unmodified-Since"),
    (None, "not a date", None, None, "200"),
    (None, None, None, "yesterday", "200"),
    (f"W/{YES}", None, None, None, "412 If-Match"),
]
NAMES = ("if-match", "if-unmodified-since", "if-none-match", "if-modified-since")


@pytest.mark.parametrize("row", READS)
def test_a_read_is_judged_in_the_order_of_rfc_9110(row: tuple[str | None, ...]) -> None:
    values, expected = row[:4], row[4] or ""
    headers = {name: value for name, value in zip(NAMES, values, strict=True) if value}
    error = read(headers)
    if expected.startswith("200"):
        assert error is None
    elif expected.startswith("304"):
        assert error is not None
        assert (error.code, error.status) == ("NotModified", 304)
        assert error.detail == {"ETag": YES, "Last-Modified": SAME}
    else:
        assert code_of(error) == f"PreconditionFailed {expected[4:]}"


@pytest.mark.parametrize("row", READS)
def test_a_copys_source_is_judged_alike_and_not_modified_is_a_failure(
    row: tuple[str | None, ...],
) -> None:
    prefix = "x-amz-copy-source-"
    values, expected = row[:4], row[4] or ""
    headers = {prefix + name: value for name, value in zip(NAMES, values, strict=True) if value}
    error = copied(headers)
    condition = expected[4:]
    assert code_of(error) == (f"PreconditionFailed {prefix}{condition}" if condition else "-")
    assert read(headers) is None


@pytest.mark.parametrize(
    ("value", "strong", "weak"),
    [
        (YES, True, True),
        (ETAG, True, True),
        (f"{NO}, {YES}", True, True),
        (f"{NO},{ETAG}", True, True),
        ("*", True, True),
        (f"W/{YES}", False, True),
        (f'W/"x", {YES}', True, True),
        (NO, False, False),
        ("", False, False),
        ('""', False, False),
        (ETAG.upper(), False, False),
    ],
)
def test_a_list_of_tags_matches(value: str, strong: bool, weak: bool) -> None:
    assert conditions.matches(value, ETAG) is strong
    assert conditions.matches(value, ETAG, weak=True) is weak


@pytest.mark.parametrize(
    ("headers", "there", "absent"),
    [
        ({}, "-", "-"),
        ({"if-none-match": "*"}, "PreconditionFailed If-None-Match", "-"),
        ({"if-none-match": YES}, "NotImplemented If-None-Match", "NotImplemented If-None-Match"),
        ({"if-match": YES}, "-", "NoSuchKey k"),
        ({"if-match": NO}, "PreconditionFailed If-Match", "NoSuchKey k"),
        ({"if-match": "*"}, "-", "NoSuchKey k"),
        (
            {"if-match": YES, "if-none-match": "*"},
            "NotImplemented If-None-Match",
            "NotImplemented If-None-Match",
        ),
    ],
)
def test_a_write_replaces_only_what_it_says(
    headers: dict[str, str], there: str, absent: str
) -> None:
    for etag, expected in ((ETAG, there), (None, absent)):
        error = None
        try:
            conditions.check_write(headers, etag, "k")
        except S3Error as caught:
            error = caught
        assert code_of(error) == expected


def test_a_write_whose_key_is_not_told_names_none() -> None:
    with pytest.raises(S3Error) as caught:
        conditions.check_write({"if-match": YES}, None)
    assert (caught.value.code, caught.value.detail) == ("NoSuchKey", {})


TIME, SIZE = "x-amz-if-match-last-modified-time", "x-amz-if-match-size"


@pytest.mark.parametrize(
    ("headers", "there", "absent"),
    [
        ({}, "-", "-"),
        ({"if-match": YES}, "-", "If-Match"),
        ({"if-match": "*"}, "-", "If-Match"),
        ({"if-match": NO}, "If-Match", "If-Match"),
        ({TIME: SAME}, "-", TIME),
        ({TIME: "1994-11-06T08:49:37.000Z"}, "-", TIME),
        ({TIME: BEFORE}, TIME, TIME),
        ({SIZE: "5"}, "-", SIZE),
        ({SIZE: "6"}, SIZE, SIZE),
        ({"if-match": YES, TIME: SAME, SIZE: "5"}, "-", "If-Match"),
        ({"if-match": YES, TIME: SAME, SIZE: "4"}, SIZE, "If-Match"),
    ],
)
def test_a_delete_removes_only_what_it_says(
    headers: dict[str, str], there: str, absent: str
) -> None:
    for known, expected in (((ETAG, AT, 5), there), ((None, None, None), absent)):
        error = None
        try:
            conditions.check_delete(headers, *known)
        except S3Error as caught:
            error = caught
        assert code_of(error) == ("-" if expected == "-" else f"PreconditionFailed {expected}")


@pytest.mark.parametrize("headers", [{TIME: "soon"}, {SIZE: "-1"}, {SIZE: "٣"}, {SIZE: "1" * 20}])
def test_a_delete_with_a_condition_nobody_can_read_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(S3Error, match="InvalidArgument"):
        conditions.check_delete(headers, ETAG, AT, 5)


# --- Dates ---


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777),
        (" Sun, 06 Nov 1994 08:49:37 GMT ", 784111777),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        ("Sun Nov  6 08:49:37 1994", 784111777),
        ("1994-11-06T08:49:37Z", 784111777),
        ("1994-11-06T08:49:37.123+00:00", 784111777),
        ("Thursday, 01-Jan-70 00:00:00 GMT", 0),
        ("Friday, 31-Dec-69 00:00:00 GMT", 3155673600),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1483228799),  # a leap second
        ("Wed, 31 Jun 2020 00:00:00 GMT", None),
        ("Wed, 30 Jun 2020 24:00:00 GMT", None),
        ("Sun, 06 Nov 1994 08:49:37 CET", None),
        ("Sun, 06 nov 1994 08:49:37 GMT", None),
        ("784111777", None),
        ("", None),
    ],
)
def test_a_date_is_read_in_each_of_https_three_forms(text: str, seconds: int | None) -> None:
    assert conditions.date_of(text) == seconds


@given(st.integers(0, 253402300799))
def test_a_date_written_is_the_date_read(seconds: int) -> None:
    text = conditions.http_date(seconds * 1_000_000_000 + 999_999_999)
    assert text == formatdate(seconds, usegmt=True)
    assert conditions.date_of(text) == seconds == parsedate_to_datetime(text).timestamp()


# --- Ranges ---


@pytest.mark.parametrize(
    ("value", "size", "expected"),
    [
        ("bytes=0-0", 10, (0, 1)),
        ("bytes=0-9", 10, (0, 10)),
        ("bytes=2-4", 10, (2, 3)),
        ("bytes=5-", 10, (5, 5)),
        ("bytes=5-100", 10, (5, 5)),
        ("bytes=9-", 10, (9, 1)),
        ("bytes=-3", 10, (7, 3)),
        ("bytes=-30", 10, (0, 10)),
        ("Bytes=1-2", 10, (1, 2)),
        ("bytes=" + "9" * 5000 + "-", 10, 416),
        ("bytes=0-" + "9" * 5000, 10, (0, 10)),
        ("bytes=-" + "9" * 5000, 10, (0, 10)),
        ("bytes=10-", 10, 416),
        ("bytes=10-20", 10, 416),
        ("bytes=-0", 10, 416),
        ("bytes=0-", 0, 416),
        ("bytes=-5", 0, 416),
        ("bytes=4-2", 10, None),
        ("bytes=-", 10, None),
        ("bytes=", 10, None),
        ("bytes=a-b", 10, None),
        ("bytes=٣-٤", 10, None),
        ("bytes=0-1,3-4", 10, None),
        ("bytes=0-1, 20-", 10, None),
        ("lines=0-1", 10, None),
        ("0-1", 10, None),
        ("", 10, None),
    ],
)
def test_a_range_is_one_of_bytes_or_ignored(
    value: str, size: int, expected: tuple[int, int] | int | None
) -> None:
    if expected == 416:
        with pytest.raises(S3Error) as caught:
            conditions.range_of(value, size)
        assert (caught.value.code, caught.value.status) == ("InvalidRange", 416)
        assert caught.value.detail == {"RangeRequested": value, "ActualObjectSize": str(size)}
    else:
        assert conditions.range_of(value, size) == expected


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20))
def test_a_range_is_the_slice_it_says(first: int, last: int, size: int) -> None:
    data = bytes(range(size))
    try:
        found = conditions.range_of(f"bytes={first}-{last}", size)
    except S3Error:
        assert data[first : last + 1] == b""
    else:
        if found is None:
            assert last < first
        else:
            offset, length = found
            assert data[offset : offset + length] == data[first : last + 1]
            assert length > 0


@pytest.mark.parametrize(
    ("value", "applies"),
    [
        (None, True),
        (YES, True),
        (ETAG, True),
        (NO, False),
        (f"W/{YES}", False),
        ("*", False),
        (f"{NO}, {YES}", False),
        (SAME, True),
        (BEFORE, False),
        (AFTER, False),
    ],
)
def test_a_range_counts_only_for_the_object_that_if_range_means(
    value: str | None, applies: bool
) -> None:
    headers = {} if value is None else {"if-range": value}
    assert conditions.range_applies(headers, ETAG, AT) is applies
