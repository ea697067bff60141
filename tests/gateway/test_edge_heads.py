"""Heads: what is accepted, what is refused, and what can still be read of a refused one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.wire import request

from bucketlog.gateway.edge import heads
from bucketlog.gateway.edge.heads import CHUNKED, Head, HeadParser
from bucketlog.gateway.edge.limits import Limits

HOST = "Host: bucket.example"
PUT = f"PUT /b/k HTTP/1.1\n{HOST}"


def parse(text: str | bytes) -> Head | None:
    return HeadParser(Limits()).parse(text if isinstance(text, bytes) else request(text))


def accepted(text: str | bytes) -> Head:
    head = parse(text)
    assert head is not None
    assert head[4] is None
    return head


def test_a_head_is_kept_as_it_came() -> None:
    target = "/b/a%2Fb//c/./d/../e%20f+g%C3%A9%7e~?x=%2F&y=a+b&z&uploads&x=2"
    head, length, close, expects, _ = accepted(
        f'GET {target} HTTP/1.1\n{HOST}\nX-Amz-Meta-One: \xe9 "x"\nUSER-Agent:a\nEmpty:'
    )
    assert (head.method, head.target, head.version) == ("GET", target, "HTTP/1.1")
    assert head.headers == {
        "host": "bucket.example",
        "x-amz-meta-one": '\xe9 "x"',
        "user-agent": "a",
        "empty": "",
    }
    assert (length, close, expects) == (0, False, False)


def test_repeated_headers_are_joined_in_order_whatever_their_case() -> None:
    head = accepted(f"GET / HTTP/1.1\nX-A: 1\n{HOST}\nx-a: 2\nX-A: 3")[0]
    assert head.headers == {"x-a": "1,2,3", "host": "bucket.example"}


def test_spaces_around_a_value_are_not_part_of_it() -> None:
    head = accepted(b"GET / HTTP/1.1\r\nHost: h  \r\nA:\t b c \t\r\nB: 1 \r\nb: 2 \r\n\r\n")[0]
    assert head.headers == {"host": "h", "a": "b c", "b": "1,2"}


@pytest.mark.parametrize(
    ("lines", "length", "close", "expects"),
    [
        ("Content-Length: 5", 5, False, False),
        ("Content-Length: 0", 0, False, False),
        ("Transfer-Encoding: Chunked", CHUNKED, False, False),
        ("Connection: close", 0, True, False),
        ("Connection: Keep-Alive", 0, False, False),
        ("Connection: x, CLOSE", 0, True, False),
        ("Connection: upgrade\nUpgrade: h2c", 0, True, False),
        ("Connection: upgrade\nUpgrade: h2c\nContent-Length: 3", 3, True, False),
        ("Upgrade: h2c", 0, False, False),
        ("Content-Length: 5\nExpect: 100-Continue", 5, False, True),
        ("Expect: 100-continue", 0, False, False),
        ("Content-Length: 5\nExpect: other", 5, False, False),
    ],
)
def test_headers_say_what_becomes_of_body_and_connection(
    lines: str, length: int, close: bool, expects: bool
) -> None:
    parser = HeadParser(Limits())
    for _ in range(2):  # and one parser stays fit for the next head, of any connection
        head = parser.parse(request(f"{PUT}\n{lines}"))
        assert head is not None
        assert head[1:] == (length, close, expects, None)


@pytest.mark.parametrize(
    ("lines", "close"),
    [("", True), ("Connection: keep-alive", False), ("Connection: close", True), (HOST, True)],
)
def test_http_1_0_closes_unless_asked_to_stay_and_needs_no_host(lines: str, close: bool) -> None:
    head = accepted(f"GET /b HTTP/1.0\n{lines}" if lines else "GET /b HTTP/1.0")
    assert head[0].version == "HTTP/1.0"
    assert head[2] is close


def test_http_1_0_expects_nothing() -> None:
    head = accepted("PUT /b HTTP/1.0\nContent-Length: 3\nExpect: 100-continue")
    assert head[3] is False


@pytest.mark.parametrize(
    "target", ["/", "/b?x#y", "//", "http://bucket.example/b/k?x", "HTTPS://h", "/b/%00"]
)
def test_targets_in_origin_and_absolute_form_are_accepted(target: str) -> None:
    assert accepted(f"GET {target} HTTP/1.1\n{HOST}")[0].target == target


def test_an_asterisk_is_a_target_for_options_alone() -> None:
    assert accepted(f"OPTIONS * HTTP/1.1\n{HOST}")[0].target == "*"
    refused = parse(f"GET * HTTP/1.1\n{HOST}")
    assert refused is not None
    assert refused[4] is not None


@pytest.mark.parametrize(
    "host",
    ["a", "a:80", "a:", "127.0.0.1:9000", "[::1]:9000", "[::1]", "b_c.d-e.example", "a%41"],
)
def test_hosts_in_every_proper_form_are_accepted(host: str) -> None:
    parser = HeadParser(Limits())
    for _ in range(2):
        head = parser.parse(request(f"GET / HTTP/1.1\nHost: {host}"))
        assert head is not None
        assert head[4] is None


# Each of these is ambiguous somewhere, and so a way to smuggle a request past somebody.
REFUSED = {
    "length and chunked": "{PUT}\nContent-Length: 5\nTransfer-Encoding: chunked",
    "two different lengths": "{PUT}\nContent-Length: 5\nContent-Length: 6",
    "two equal lengths": "{PUT}\nContent-Length: 5\nContent-Length: 5",
    "length list": "{PUT}\nContent-Length: 5, 5",
    "length +5": "{PUT}\nContent-Length: +5",
    "length -5": "{PUT}\nContent-Length: -5",
    "length 0x5": "{PUT}\nContent-Length: 0x5",
    "length 5_0": "{PUT}\nContent-Length: 5_0",
    "length empty": "{PUT}\nContent-Length:",
    "length superscript": "{PUT}\nContent-Length: \xb2",
    "length too long": "{PUT}\nContent-Length: 99999999999999999999999",
    "xchunked": "{PUT}\nTransfer-Encoding: xchunked",
    "chunked, identity": "{PUT}\nTransfer-Encoding: chunked, identity",
    "chunked twice": "{PUT}\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked",
    "chunked in 1.0": "PUT /b/k HTTP/1.0\n{HOST}\nTransfer-Encoding: chunked",
    "space before colon": "{PUT}\nContent-Length : 5",
    "no colon": "GET /b/k HTTP/1.1\n{HOST}\nnonsense",
    "empty name": "GET /b/k HTTP/1.1\n{HOST}\n: x",
    "NUL in a value": "GET /b/k HTTP/1.1\n{HOST}\nA: x\x00y",
    "control in a value": "GET /b/k HTTP/1.1\n{HOST}\nA: x\x01y",
    "CR in a value": "GET /b/k HTTP/1.1\n{HOST}\nA: x\ry",
    "NUL in a name": "GET /b/k HTTP/1.1\n{HOST}\nA\x00: x",
    "no host": "GET /b/k HTTP/1.1\nA: b",
    "two hosts": "GET /b/k HTTP/1.1\nHost: a\nHost: a",
    "two hosts, one in other case": "GET /b/k HTTP/1.1\nHost: a\nhost: b",
    "empty host": "GET /b/k HTTP/1.1\nHost:",
    "host with a path": "GET /b/k HTTP/1.1\nHost: a/b",
    "host with a user": "GET /b/k HTTP/1.1\nHost: u@b",
    "host list": "GET /b/k HTTP/1.1\nHost: a, b",
    "host with a space": "GET /b/k HTTP/1.1\nHost: a b",
    "host with a long port": "GET /b/k HTTP/1.1\nHost: a:123456",
    "HTTP/1.2": "GET /b/k HTTP/1.2\n{HOST}",
    "HTTP/2.0": "GET /b/k HTTP/2.0\n{HOST}",
    "HTTP/0.9": "GET /b/k HTTP/0.9\n{HOST}",
    "two spaces": "GET  /b/k HTTP/1.1\n{HOST}",
    "two hosts in 1.0": "GET /b/k HTTP/1.0\nHost: a\nHost: b",
}


@pytest.mark.parametrize("name", REFUSED)
def test_ambiguous_heads_are_refused_and_still_named(name: str) -> None:
    head = parse(REFUSED[name].format(HOST=HOST, PUT=PUT))
    assert head is not None
    what, length, close, _, refusal = head
    assert refusal is not None
    assert refusal.code == "BadRequest"
    assert what.target == "/b/k"
    assert close
    assert length >= CHUNKED


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/11\r\nHost: a\r\n\r\n",
        b"GET / FTTP/1.1\r\nHost: a\r\n\r\n",
        b"G\xc3T / HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_without_a_request_line_there_is_nothing_to_name(head: bytes) -> None:
    answer = parse(head)
    assert answer is None or (answer[4] is not None and answer[0].version == "HTTP/0.9")


def test_obs_fold_is_refused() -> None:
    head = parse(b"GET /b HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n")
    assert head is not None
    assert head[4] is not None
    assert head[4].code == "BadRequest"


def test_raw_bytes_in_a_target_are_refused_and_kept_for_the_record() -> None:
    head = parse(b"GET /b/\xc3\xa9 HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nBroken\r\n\r\n")
    assert head is not None
    assert head[4] is not None
    assert head[0].target.encode("latin-1") == b"/b/\xc3\xa9"
    assert head[0].headers == {"host": "a", "user-agent": "x"}


@pytest.mark.parametrize("method", ["FOO", "get", "CONNECT"])
def test_methods_nobody_serves_are_refused_as_such(method: str) -> None:
    target = "a:80" if method == "CONNECT" else "/b/k"
    head = parse(f"{method} {target} HTTP/1.1\n{HOST}\nX: 1\nX: 2")
    assert head is not None
    assert head[4] is not None
    assert head[4].code == "MethodNotAllowed"
    assert head[0].headers == {"host": "bucket.example", "x": "1,2"}


def test_a_coding_that_is_proper_but_not_served_is_not_implemented() -> None:
    head = parse(f"{PUT}\nTransfer-Encoding: gzip, chunked")
    assert head is not None
    assert head[4] is not None
    assert head[4].code == "NotImplemented"


def test_more_headers_than_the_limit_are_refused() -> None:
    parser = HeadParser(Limits(head_lines=3))
    fits = parser.parse(request(f"GET / HTTP/1.1\n{HOST}\nA: 1\nB: 2"))
    over = parser.parse(request(f"GET / HTTP/1.1\n{HOST}\nA: 1\nB: 2\nA: 3"))
    assert fits is not None
    assert over is not None
    assert fits[4] is None
    assert over[4] is not None
    assert over[4].code == "RequestHeaderSectionTooLarge"


def test_what_is_remembered_of_clients_is_bounded() -> None:
    parser = HeadParser(Limits())
    for number in range(5000):
        head = parser.parse(request(f"GET / HTTP/1.1\nHost: h{number}\nX-{number}: 1"))
        assert head is not None
        assert head[0].headers == {"host": f"h{number}", f"x-{number}": "1"}
    assert len(parser._hosts) <= 4096
    assert len(parser._names) <= 4096


@pytest.mark.parametrize(
    ("partial", "verdict"),
    [
        (b"GET / HT", False),
        (b"GET / HTTP/1.1\r\nA", False),
        (b"GET / HTTP/1.1\n", True),
        (b"", False),
    ],
)
def test_a_bare_line_feed_makes_a_head_hopeless(partial: bytes, verdict: bool) -> None:
    assert heads.hopeless(partial) is verdict


_names = st.text("abcXYZ-!_09", min_size=1, max_size=8)
_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"))


@given(st.lists(st.tuples(_names, _values), max_size=8))
def test_every_proper_header_comes_through(fields: list[tuple[str, str]]) -> None:
    ignored = {"host", "connection", "content-length", "transfer-encoding"}
    fields = [field for field in fields if field[0].lower() not in ignored]
    text = "".join(f"{name}: {value}\r\n" for name, value in fields)
    head = accepted(f"GET /b HTTP/1.1\r\nHost: h\r\n{text}\r\n".encode("latin-1"))
    expected = {"host": "h"}
    for name, value in fields:
        key, content = name.lower(), value.strip(" \t")
        expected[key] = f"{expected[key]},{content}" if key in expected else content
    assert head[0].headers == expected


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_fail_or_remember(noise: bytes) -> None:
    parser = HeadParser(Limits())
    end = noise.find(b"\r\n\r\n")
    parser.parse(noise[: end + 4] if end >= 0 else noise + b"\r\n\r\n")
    head = parser.parse(request(f"GET /b HTTP/1.1\n{HOST}"))
    assert head is not None
    assert head[4] is None
