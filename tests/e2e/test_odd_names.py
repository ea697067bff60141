"""Keys, headers and parameters of every kind: kept to the byte, and never able to forge a line."""

from __future__ import annotations

import string
import urllib.parse

import pytest
from tests.support.log import Log, judged
from tests.support.raw import Sender
from tests.support.server import Server

PUNCTUATION = string.punctuation
FORGED = ' HTTP/1.1" 200 - 1 1 1 1 "-" "forged" - x SigV4 - AuthHeader h TLSv1.2 - - -'
KEYS = [
    *("/", "//", "///", ".", "..", "./", "../", "a/../b", "a/./b", "/a", "a/", "a//b", "/./"),
    *(" ", "  ", " a", "a ", "a b", "+", "a+b", "%", "%41", "%2F", "%%", "%zz", "a%20b", "%C3"),
    *("-", "--", '"', "'", "\\", "a\\b", "?", "#", "a?b=c", "a#b", "&", "=", ";", ":", "*", "~"),
    *(
        "é",
        "e\u0301",
        "日本語",
        "😀",
        "👩\u200d👩\u200d👧",
        "\u202eabc",
        "\ufeff",
        "\uffff",
        "\U0010ffff",
    ),
    *("\x01", "\t", "\n", "\r\n", "\x1f", "\x7f", "\x85", "\u2028", "\x00", "a\x00b", "\\u0000"),
    PUNCTUATION,
    "".join(map(chr, range(256))),
    FORGED,
    f'"{FORGED}\n"{FORGED}',
    "k" * 1024,
    "é" * 512,
    "😀" * 256,
    "%" * 1024,
    "/" * 1024,
    "null",
    "<a>&amp;]]>",
    "${key}",
    "../../etc/passwd",
]


def _quoted(key: str) -> str:
    return urllib.parse.quote(key, safe="")


def _twice(key: str) -> str:
    """A key as a record of a request shows it, by the reference."""
    once = urllib.parse.quote(key, safe="/")
    return "%252D" if key == "-" else urllib.parse.quote(once, safe="/")


@pytest.mark.parametrize("key", KEYS, ids=[ascii(key)[:40].replace("\\", "_") for key in KEYS])
def test_a_key_of_any_kind_is_kept_and_logged(sender: Sender, log: Log, key: str) -> None:
    """Stored, read, deleted and missed: found again in the log, encoded twice."""
    path = f"/src/{_quoted(key)}"
    ids = {}
    with sender.connect() as connection:
        for method, body, status in (
            ("PUT", key.encode(), 200),
            ("GET", b"", 200),
            ("HEAD", b"", 200),
            ("DELETE", b"", 204),
            ("GET", b"", 404),
        ):
            connection.send(sender.signed(method, path, body=body))
            answer = connection.answer(method)
            assert (answer.status, method) == (status, method), answer.body
            if method == "GET" and status == 200:
                assert answer.body == key.encode()
            ids[answer.request_id] = (f"REST.{method}.OBJECT", status)
    for request_id, wanted in ids.items():
        record = log.one(request_id)
        assert judged(record)[:2] == wanted
        assert record.key == key
        line = log.lines[request_id][0].decode("ascii")
        assert line.split(" ")[8] == _twice(key)


def test_keys_are_listed_as_they_are(server: Server) -> None:
    """Through boto3, which asks for keys URL-encoded; and deleted in one batch."""
    s3 = server.client()
    keys = [f"listed/{key}" for key in KEYS if len(key.encode()) <= 1000]
    for key in keys:
        s3.put_object(Bucket="src", Key=key, Body=b"")
    found = s3.list_objects_v2(Bucket="src", Prefix="listed/")["Contents"]
    assert [entry["Key"] for entry in found] == sorted(keys, key=str.encode)
    versions = s3.list_object_versions(Bucket="src", Prefix="listed/")["Versions"]
    assert [entry["Key"] for entry in versions] == sorted(keys, key=str.encode)
    fit = [key for key in keys if _fits_xml(key)]
    answer = s3.delete_objects(Bucket="src", Delete={"Objects": [{"Key": key} for key in fit]})
    assert sorted(entry["Key"] for entry in answer["Deleted"]) == sorted(fit)
    left = s3.list_objects_v2(Bucket="src", Prefix="listed/").get("Contents", [])
    assert {entry["Key"] for entry in left} == set(keys) - set(fit)


def _fits_xml(key: str) -> bool:
    """Whether a key can stand in XML 1.0 as botocore writes it."""
    return all(c in "\t\n" or (c >= " " and c not in "\x7f\x85\u2028\ufffe\uffff") for c in key)


def test_a_batch_logs_its_odd_keys(server: Server, log: Log) -> None:
    keys = [key for key in KEYS if _fits_xml(key)]
    answer = server.client().delete_objects(
        Bucket="src", Delete={"Objects": [{"Key": key} for key in keys]}
    )
    parent, *children = log.all(answer["ResponseMetadata"]["RequestId"])
    assert judged(parent) == ("REST.POST.MULTI_OBJECT_DELETE", 200, None)
    assert [child.key for child in children] == keys
    assert {judged(child) for child in children} == {("BATCH.DELETE.OBJECT", 204, None)}


@pytest.mark.parametrize("key", ["k" * 1025, "é" * 513, "😀" * 256 + "a", "/" * 1025])
def test_a_key_of_1025_bytes_is_too_long(sender: Sender, log: Log, key: str) -> None:
    answer = sender.ask(sender.signed("PUT", f"/src/{_quoted(key)}", body=b"x"))
    assert (answer.status, answer.code) == (400, "KeyTooLongError")
    record = log.one(answer.request_id)
    assert judged(record) == ("REST.PUT.OBJECT", 400, "KeyTooLongError")
    assert record.key == key
    batch = f"<Delete><Object><Key>{key}</Key></Object></Delete>".encode()
    answer = sender.ask(sender.signed("POST", "/src?delete", body=batch))
    assert (answer.status, answer.code) == (400, "KeyTooLongError")


@pytest.mark.parametrize(
    "path",
    [
        *("%", "a%", "%4", "%zz", "%u0041", "%FF", "%C3%28", "%C3", "%ED%A0%80", "%F4%90%80%80"),
        *("%C0%AF", "%E0%80%AF", "%FE%FE", "a%00b%FF", "\xff", "a\xc3"),
    ],
)
@pytest.mark.parametrize("where", ["/src/{}", "/src?prefix={}", "/src/k?versionId={}", "/src?{}=1"])
def test_what_is_not_utf_8_is_refused_and_logged(
    sender: Sender, log: Log, path: str, where: str
) -> None:
    target = where.format(path)
    answer = sender.ask(sender.written("GET", target))
    assert (answer.status, answer.code) == (400, "InvalidURI")
    record = log.one(answer.request_id)
    assert judged(record)[1:] == (400, "InvalidURI")
    assert record.key in (None, "k")
    assert (record.operation or "").startswith("REST.GET.")


def test_utf_8_as_it_is_means_the_same(server: Server, sender: Sender, log: Log) -> None:
    server.client().put_object(Bucket="src", Key="ü", Body=b"u")
    answer = sender.ask(sender.written("GET", "/src/\xc3\xbc"))
    assert answer.status == 403  # it isn't signed
    record = log.one(answer.request_id)
    assert (record.key, record.request_uri) == ("ü", "GET /src/%C3%BC HTTP/1.1")


HOSTILE = [
    '"',
    '" 200 - 1 1 1 1 "-" "forged" -',
    FORGED,
    '" "',
    '-" "-" - x',
    "\\",
    '\\"',
    "\t",
    "\xff\xfe",
    "caf\xc3\xa9",
    "\x80\x85\xa0",
    "-",
    "%22",
    "",
    "a" * 8000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=[ascii(text)[:30] for text in HOSTILE])
@pytest.mark.parametrize("name", ["User-Agent", "Referer", "x-amz-meta-a", "x-amz-copy-source"])
def test_no_header_can_forge_a_field(
    sender: Sender, log: Log, root: str, name: str, text: str
) -> None:
    answer = sender.ask(sender.signed("GET", "/src/forged?x-a=1", replace={name: text}))
    record = log.one(answer.request_id)
    assert record.operation == "REST.GET.OBJECT"
    assert record.http_status == answer.status
    assert record.key == "forged"
    assert record.request_uri == "GET /src/forged?x-a=1 HTTP/1.1"
    assert record.request_id == answer.request_id
    assert record.host_id == answer.headers["x-amz-id-2"]
    assert record.host_header == sender.host
    sent = text.strip(" \t")
    if name in ("User-Agent", "Referer"):
        shown = record.user_agent if name == "User-Agent" else record.referer
        assert (shown or "") == _percent(sent)
        assert record.signature_version == "SigV4"
        assert record.requester == root


def _percent(text: str) -> str:
    """What safe quoting makes of a header's value."""
    if text == "-":
        return "%2D"
    return "".join(c if " " <= c <= "~" and c not in '"\\' else f"%{ord(c):02X}" for c in text)


@pytest.mark.parametrize(
    "target",
    [
        '/src/a"b',
        '/src/a?x-b=" 200 - - - - "-" "-"'.replace(" ", "%20"),
        '/src/a?x-b="',
        "/src/a\\b",
        "/src/a?x-b=<>`{}|^[]",
        "/src/a?x-b=\xc3\xa9",
        "/src/a?versionId=-",
        '/src/a?versionId="%20x',
        "/src/a?versionId=%0A%0D",
        "/src/a?x-user=johndoe&x-user=other&x-",
        "/src/a?" + "&" * 1000,
        "/src/a?" + "&".join(f"x-{n}={n}" for n in range(1000)),
        "http://elsewhere/src/a",
        "http://elsewhere:1/src/a?x-b=1",
        "http://a b/src/a".replace(" ", "%20"),
    ],
)
def test_no_target_can_forge_a_field(sender: Sender, log: Log, target: str) -> None:
    answer = sender.ask(sender.written("GET", target))
    record = log.one(answer.request_id)
    assert record.http_status == answer.status
    assert record.operation == "REST.GET.OBJECT"
    assert record.request_uri == f"GET {_percent(target)} HTTP/1.1"
    assert record.host_id == answer.headers["x-amz-id-2"]
    assert (record.key or "").startswith("a")


@pytest.mark.parametrize(
    "line", ["User-Agent: a\x00b", "User-Agent: a\x0bb", "Referer: \x7f", "X-\xe9: 1"]
)
def test_control_bytes_in_headers_end_the_connection(sender: Sender, log: Log, line: str) -> None:
    text = f"GET /src/control HTTP/1.1\r\nHost: {sender.host}\r\n{line}\r\n\r\n"
    answer = sender.ask(text.encode("latin-1"))
    record = log.one(answer.request_id)
    assert record.key == "control"
    assert judged(record)[1:] in ((400, "BadRequest"), (403, "AccessDenied"))


OVERRIDES = (
    *("cache-control", "content-disposition", "content-encoding", "content-language"),
    *("content-type", "expires"),
)
INJECTION = "text/html\r\nX-Injected: 1\r\n\r\n<script>\x00\x01\u2028é日"


def test_response_overrides_cannot_inject_headers(server: Server, sender: Sender) -> None:
    server.client().put_object(Bucket="src", Key="plain", Body=b"content")
    value = urllib.parse.quote(INJECTION)
    for name in OVERRIDES:
        answer = sender.ask(sender.signed("GET", f"/src/plain?response-{name}={value}"))
        assert answer.status in (200, 400)
        assert "x-injected" not in answer.headers
        if answer.status == 200:
            assert answer.body == b"content"
            assert answer.headers[name].startswith("text/html")
        anonymous = sender.ask(sender.written("GET", f"/src/plain?response-{name}=a"))
        assert anonymous.status in (400, 403)


def test_metadata_comes_back_as_it_was_sent_and_nothing_else(sender: Sender) -> None:
    for value in ("a\tb", "\xc3\xa9", "\xff", "%0D%0AX-Injected: 1", '"', "=?UTF-8?B?DQo=?=", ""):
        headers = [("x-amz-meta-odd", value), ("Content-Type", "text/plain; a=" + value)]
        put = sender.ask(sender.signed("PUT", "/src/meta", headers, b"m"))
        assert put.status == 200
        answer = sender.ask(sender.signed("GET", "/src/meta"))
        assert answer.body == b"m"
        assert "x-injected" not in answer.headers
        assert answer.headers["x-amz-meta-odd"].replace("\t", " ") == value.replace("\t", " ")
