"""Reply heads: what was given is there, once, and nothing that was not."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.gateway.edge.replyhead import ReplyHeads, clean


def test_a_head_has_what_was_given_and_the_edge_s_own() -> None:
    heads = ReplyHeads()
    for _ in range(2):
        text = heads.compose(200, {"ETag": '"e"', "x-amz-id-2": "H"}, 5, None, 1_700_000_000)
        assert text == (
            b"HTTP/1.1 200 OK\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nServer: bucketlog\r\n"
            b'ETag: "e"\r\nx-amz-id-2: H\r\nContent-Length: 5\r\n\r\n'
        )


def test_the_date_follows_the_clock() -> None:
    heads = ReplyHeads()
    for second in (1_700_000_000, 1_700_000_001, 1_700_000_001):
        lines = heads.compose(204, {}, None, "close", second).decode().split("\r\n")
        assert lines[0] == "HTTP/1.1 204 No Content"
        assert parsedate_to_datetime(lines[1].removeprefix("Date: ")).timestamp() == second
        assert lines[2:] == ["Server: bucketlog", "Connection: close", "", ""]


def test_a_status_nobody_knows_still_makes_a_status_line() -> None:
    assert ReplyHeads().compose(599, {}, 0, None, 0).startswith(b"HTTP/1.1 599 \r\n")


@pytest.mark.parametrize(
    "name",
    ["Content-Length", "connection", "Transfer-Encoding", "DATE", "A: b\r\nC", "A B", "", "\xe9"],
)
def test_framing_headers_and_improper_names_are_left_out(name: str) -> None:
    heads = ReplyHeads()
    given = heads.compose(200, {"A": "1", name: "x", "B": "2"}, 0, None, 0)
    assert given == heads.compose(200, {"A": "1", "B": "2"}, 0, None, 0)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("plain", "plain"),
        ("a\r\nB: c", "aB: c"),
        ("tab\tstays", "tab\tstays"),
        ("nul\x00 del\x7f", "nul del"),
        ("latin-1 \xe9\x85\xa0", "latin-1 \xe9\x85\xa0"),
        ("wide \u4e2d\U0001f600", "wide %E4%B8%AD%F0%9F%98%80"),
        ("lone \ud800", "lone %3F"),
        ("%s %% {}", "%s %% {}"),
    ],
)
def test_a_value_becomes_one_line_of_latin_1(value: str, sent: str) -> None:
    assert clean(value) == sent
    text = ReplyHeads().compose(200, {"A": value}, 0, None, 0)
    assert f"\r\nA: {sent}\r\n".encode("latin-1") in text


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=10), max_size=5))
def test_no_header_can_add_a_line(headers: dict[str, str]) -> None:
    lines = ReplyHeads().compose(200, headers, 0, None, 0).split(b"\r\n")
    assert len(lines) <= 3 + len(headers) + 1 + 2
    assert b"\n" not in b"".join(lines)
    assert b"\r" not in b"".join(lines)


def test_what_is_remembered_is_bounded() -> None:
    heads = ReplyHeads()
    for number in range(3000):
        assert f"X-{number}: v" in heads.compose(200, {f"X-{number}": "v"}, 0, None, 0).decode()
    assert len(heads._templates) <= 1024
