"""The kernel agrees with its slow twin, whatever it is given."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.conformance import LINES
from tests.support.twin import disagreement

from bucketlog import _native
from bucketlog.accesslog.record import FIELDS

HEAD = (
    b"5d1f0c6be8a94f6a8b3c1f7d2e9a4b6c8d0e1f2a3b4c5d6e7f8091a2b3c4d5e6 harbour-photos "
    b"[17/Mar/2026:09:41:07 +0000] 203.0.113.24 arn:aws:iam::210987654321:user/mira "
    b"7Q2M9K4T1V8X3Z6B REST.GET.OBJECT boats/heron.jpg "
)
MIDDLE = b'"GET /boats/heron.jpg HTTP/1.1" 200 - 48213 48213 31 28 "-" "harbour-sync/3.2 (Linux)"'
TAIL = (
    b" - kR3vZ0mQeT8yWb1LpXc5Jd7HnSa2Fg4UoIi9BtNVxEwCqGrDsYhKzMlAjPu6OfQ= SigV4 "
    b"TLS_AES_128_GCM_SHA256 AuthHeader s3.eu-north-1.amazonaws.com TLSv1.3 - Yes eu-north-1"
)
USUAL = HEAD + MIDDLE + TAIL
NAMES = sorted(LINES)


def bare(name: str) -> bytes:
    return LINES[name].data.removesuffix(b"\n")


# A line that is the last of all is read with more care than one with bytes behind it.
def places(line: bytes) -> list[bytes]:
    return [line, line + b"\n", line + b"\n" + USUAL, USUAL + b"\r\n" + line + b"\r\n" + USUAL]


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_the_conformance_set_is_read_as_the_twin_reads_it(name: str) -> None:
    for data in places(bare(name)):
        assert disagreement(data) is None


def test_all_of_them_in_one_file_are_read_as_the_twin_reads_them() -> None:
    data = b"".join(bare(name) + b"\n" for name in NAMES)
    assert disagreement(data * 3 + USUAL, 7, 1000) is None


def test_a_line_cut_anywhere_is_read_as_the_twin_reads_it() -> None:
    for end in range(len(USUAL)):
        assert disagreement(USUAL[:end] + b"\n" + USUAL) is None


MUTANTS = [
    b"", b" ", b"  ", b'"', b'" "', b'" ', b' "', b"-", b" - ", b"\r", b"\t", b"\0", b"\xff",
    b"\xe2\x82", b"\xc5\xbf", b"[", b"]", b":", b"9", b"REST.", b"S3.X", b"SigV4", b"arn:",
    b"TLSv1.2", b'" 200 - 1 1 1 1 "a" "b', b"\n",
]  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_line_changed_anywhere_is_read_as_the_twin_reads_it(mutant: bytes) -> None:
    changed = (
        USUAL[:at] + mutant + USUAL[at + cut :] + b"\n"
        for at in range(len(USUAL) + 1)
        for cut in (0, 1)
    )
    assert disagreement(b"".join(changed) + USUAL) is None


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_a_damaged_line_is_read_as_the_twin_reads_it(name: str, data: st.DataObject) -> None:
    text = bytearray(bare(name))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        piece = data.draw(st.one_of(st.sampled_from(MUTANTS), st.binary(max_size=4)))
        text[at : at + data.draw(st.integers(0, 9))] = piece
    for whole in places(bytes(text)):
        assert disagreement(whole) is None


def mostly(right: list[bytes], odd: list[bytes]) -> st.SearchStrategy[bytes]:
    """One of the first nineteen times of twenty, else one of the second."""
    return st.integers(0, 19).flatmap(lambda number: st.sampled_from(right if number else odd))


blanks = st.integers(0, 60).map(lambda number: {0: b"  ", 1: b"   ", 2: b"\t"}.get(number, b" "))
quotes = [
    b'"GET /k"', b'" a"', b'"a "', b'"a" "b"', b'"a"b"', b'"', b'" "', b'"""', b'"a" x "b"',
    b'"a" 200 - 1 1 1 1 "b"', b'"-" "-"', b'"\\"', b'"\xe5"', b'"\xc3\xa5"', b"bare", b"-", b'""',
    b'"GET / HTTP/1.1" 200 - 1 1 1 1 "a" "b"', b'"GET /k HTTP/1.1" 404 NoSuchKey - - - - "x"',
    b'"x" - HOST= SigV4 C AuthHeader h TLSv1.3 - - - "y"', b'"GET /"k" HTTP/1.1"', b"--",
    b'" 200 - 1 1 1 1 "', b'" 200 - 1 1 1 1 "-" "a"',
]  # fmt: skip
HEAD_TOKENS = [
    st.just(b"5d1f0c6b"),
    st.just(b"harbour-photos"),
    mostly(
        [b"[28/Feb/2026:23:59:59 +0000]", b"[29/Feb/2024:00:00:00 +0000]"],
        [
            b"[17/Mar/2026:09:41:07 +0100]", b"[17/Mar/2026:09:41:07  +0000]", b"[]", b"[ ]", b"-",
            b"[29/Feb/2024:00:00:60 +0000]", b"[1/Mar/2026:09:41:07 +0000]", b"[a] b]",
        ],
    ),
    st.sampled_from([b"203.0.113.24", b"-", b"2001:db8::5f:1"]),
    mostly([b"AmazonS3", b"-"], [b"CloudFront Origin Access Identity E2", b'a"b', b"a  b"]),
    mostly([b"7Q2M9K4T1V8X3Z6B"], [b"S3.ID", b'"id"']),
    mostly([b"REST.GET.OBJECT", b"BATCH.DELETE.OBJECT"], [b"S3.", b"WEBSITE.G", b"GetObject"]),
    mostly([b"k", b"-"], [b"REST.GET.OBJECT", b'"k"', b"a%20b", b"\xc3\xa5"]),
]  # fmt: skip
count = mostly([b"-", b"0", b"48213"], [b"12345678", b"9" * 9, b"9" * 18, b"9" * 19, b"1x", b"-1"])
MIDDLE_TOKENS = [
    st.sampled_from([b'"GET /k HTTP/1.1"', b'"-"'] * 20 + quotes),
    mostly([b"200", b"-"], [b"99", b"2000", b"20x"]),
    mostly([b"-", b"NoSuchKey"], [b"No.Such_Key9", b"9No", b"No-Such"]),
    *[count] * 4,
    st.sampled_from([b'"-"', b'"https://pier.example/"'] * 20 + quotes),
    st.sampled_from([b'"-"', b'"gull/1 (x)"'] * 20 + quotes),
]
TAIL_TOKENS = [
    st.sampled_from([b"-", b"v9LtQ2wEr7TyUi4O"]),
    mostly([b"kR3vZ0mQ="], [b"-", b"- kR3vZ0mQ="]),
    mostly([b"SigV4", b"SigV2", b"-"], [b"SigV", b"sigv4", b"SigV4\xc3\xa5"]),
    st.sampled_from([b"-", b"TLS_AES_128_GCM_SHA256"]),
    st.sampled_from([b"-", b"AuthHeader"]),
    st.sampled_from([b"-", b"h.example"]),
    mostly(
        [b"TLSv1.2", b"TLSv1.3", b"-"], [b"tlsv1", b"TLS", b"TL\xc5\xbfv1", b"TLSv\xe2\x84\xaa"]
    ),
    mostly([b"-"], [b"arn:aws:s3:::ap", b"arn", b"arn:\xff"]),
    mostly([b"-", b"Yes"], [b"NO", b"Ye\xc5\xbf", b"Maybe"]),
    mostly([b"-", b"eu-north-1"], [b"EU", b"\xc3\xa5"]),
    st.just(b"kelp"),
    mostly([b"-"], [b'"', b"\xff"]),
]


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """Lines of up to 29 fields, nearly right, with something odd in most of them."""
    tokens = [draw(token) for token in (*HEAD_TOKENS, *MIDDLE_TOKENS, *TAIL_TOKENS)]
    if draw(st.integers(0, 5)) == 0:
        for index in (8, 15, 16):
            tokens[index] = draw(mostly([b"-"], quotes))
    tokens = tokens[: draw(st.integers(1, 29) | st.integers(17, 29) | st.integers(17, 29))]
    return b"".join(token + draw(blanks) for token in tokens[:-1]) + tokens[-1]


@settings(max_examples=300, deadline=None)
@given(lines())
@example(HEAD + b'"GET /k HTTP/1.1" 200 - 1 1 1 1 "a" "-" -')
def test_hostile_lines_are_read_as_the_twin_reads_them(line: bytes) -> None:
    for data in places(line):
        assert disagreement(data) is None


# What makes up a file of any mix: usual lines, odd ones, rejects, lines that aren't UTF-8.
mixed = st.lists(
    st.sampled_from([USUAL] * 10 + [bare(name) for name in NAMES]), min_size=0, max_size=200
)


@settings(max_examples=60, deadline=None)
@given(mixed, st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_lines_of_any_mix_keep_their_order_and_number(
    mix: list[bytes], end: bytes, is_ended: bool
) -> None:
    data = end.join(mix) + (end if is_ended else b"")
    assert disagreement(data, 5, 99) is None


@settings(max_examples=60, deadline=None)
@given(mixed, st.integers(0, 200))
def test_a_file_in_two_blocks_gives_what_it_gives_in_one(mix: list[bytes], at: int) -> None:
    first, second = (b"".join(line + b"\n" for line in part) for part in (mix[:at], mix[at:]))
    whole = _native.parse_lines(first + second, 1, 0)
    parts = (
        _native.parse_lines(first, 1, 0),
        _native.parse_lines(second, 1 + len(mix[:at]), len(first)),
    )
    for one, *two in zip(whole, *parts, strict=True):
        assert one.to_pylist() == [row for batch in two for row in batch.to_pylist()]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
@example(b"\r")
@example(b"\n\r\n")
@example(b" \n  \r\n\t")
@example(b"\xef\xbb\xbf" + USUAL)
def test_any_bytes_become_rows_or_rejects(data: bytes) -> None:
    rows, rejects = _native.parse_lines(data, 1, 0)
    assert rows.num_rows + rejects.num_rows == _native.count_lines(data)
    assert disagreement(data) is None
    assert disagreement(data + b"\n" + USUAL + data) is None


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 24, 25, 63, 64, 65, 127, 128, 129, 300])
def test_text_of_any_length_is_kept_whole(length: int) -> None:
    middle = MIDDLE.replace(b'"-"', b'"' + b"r" * length + b'"').replace(b"/boats", b"/" * length)
    agents = [bytes([65 + index]) * length for index in range(3)]
    lines = [HEAD + middle.replace(b"harbour-sync", agent) + TAIL for agent in agents * 30]
    assert disagreement(b"\n".join(lines)) is None


def test_values_that_are_alike_at_both_ends_stay_apart() -> None:
    values = [f"arn:aws:sts::2109{a:03}{b:03}:assumed-role/Deck" for a in range(30) for b in (1, 2)]
    lines = [
        USUAL.replace(b"arn:aws:iam::210987654321:user/mira", value.encode())
        for value in values * 3
    ]
    assert disagreement(b"\n".join(lines)) is None


def test_a_dictionary_holds_each_value_once_however_many_there_are() -> None:
    agents = [f"agent-{number * 7919 % 20011}/{'x' * (number % 40)}" for number in range(20000)]
    data = b"\n".join(
        USUAL.replace(b"harbour-sync/3.2 (Linux)", agent.encode()) for agent in agents * 2
    )
    rows, _ = _native.parse_lines(data, 1, 0)
    column = rows.column("user_agent")
    assert column.to_pylist() == agents * 2
    assert len(column.dictionary) == len(set(agents))
    assert rows.column("bucket").dictionary.to_pylist() == ["harbour-photos"]
    rows.validate(full=True)


def test_fields_that_are_absent_and_hyphens_are_null() -> None:
    row = _native.parse_lines(HEAD + MIDDLE + b"\n" + USUAL, 1, 0)[0].to_pylist()[0]
    assert {field.name for field in FIELDS[17:] if row[field.name] is None} == {
        field.name for field in FIELDS[17:]
    }
    assert (row["error_code"], row["referer"], row["field_count"]) == (None, None, 17)


@pytest.mark.parametrize(
    "junk", [b"a", b"\0", b"\xff", b'"', b" ", b"[", b"- ", b"REST.X ", b'" "'], ids=repr
)
def test_a_line_of_ten_million_bytes_is_one_reject_beside_its_neighbours(junk: bytes) -> None:
    line = junk * (10_000_000 // len(junk))
    rows, rejects = _native.parse_lines(USUAL + b"\n" + line + b"\n" + USUAL + b"\n", 1, 0)
    assert rows.column("line_number").to_pylist() == [1, 3]
    assert rejects.column("bytes")[0].as_py() == line
    assert rejects.column("offset").to_pylist() == [len(USUAL) + 1]


@pytest.mark.parametrize(
    "agent", [b"a" * 10_000_000, b"a " * 5_000_000, b'" 200 - 1 1 1 1 "a" "b' * 400_000]
)
def test_a_record_of_ten_million_bytes_is_one_row(agent: bytes) -> None:
    line = HEAD + MIDDLE.replace(b"harbour-sync/3.2 (Linux)", agent) + TAIL
    rows, rejects = _native.parse_lines(USUAL + b"\n" + line, 1, 0)
    assert (rows.num_rows, rejects.num_rows) == (2, 0)
    is_ambiguous = b'"' in agent
    assert rows.column("parse_ambiguous").to_pylist() == [False, is_ambiguous]
    assert rows.column("raw").to_pylist() == [None, line if is_ambiguous else None]
    if not is_ambiguous:
        assert rows.column("user_agent")[1].as_py() == agent.decode()


def test_fields_beyond_all_counting_are_extra_fields() -> None:
    rows, _ = _native.parse_lines(USUAL + b" -" * 100_000 + b"\n" + USUAL + b" kelp", 1, 0)
    assert [len(fields) for fields in rows.column("extra_fields").to_pylist()] == [100_000, 1]
    assert rows.column("field_count").to_pylist() == [32767, 28]


def test_no_bytes_are_no_rows() -> None:
    assert disagreement(b"") is None
    assert [batch.num_rows for batch in _native.parse_lines(b"", 1, 0)] == [0, 0]


def test_more_than_half_a_gigabyte_is_refused() -> None:
    with pytest.raises(ValueError, match="536870912"):
        _native.parse_lines(bytes((1 << 29) + 1), 1, 0)


@pytest.mark.parametrize(
    ("data", "count"), [(b"", 0), (b"\n", 1), (b"a", 1), (b"a\n\n", 2), (b"a\nb", 2), (b"\r", 1)]
)
def test_lines_are_counted_with_a_last_one_that_lacks_its_end(data: bytes, count: int) -> None:
    assert _native.count_lines(data) == count


def test_other_threads_run_while_lines_are_parsed() -> None:
    data = (USUAL + b"\n") * 100_000
    found: list[pa.RecordBatch] = []
    thread = threading.Thread(target=lambda: found.extend(_native.parse_lines(data, 1, 0)))
    thread.start()
    turns = 0
    while thread.is_alive():
        turns += 1
    assert found[0].num_rows == 100_000
    assert turns > 100
