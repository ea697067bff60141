"""The edge over real sockets: what a client sends and gets, and what the wire observed of it."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from time import monotonic_ns, time_ns

import pytest
from tests.support.wire import Client, Desk, edge, request

from bucketlog.gateway.edge.limits import Limits
from bucketlog.gateway.edge.wire import Wire
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Reply, Request

GET = "GET /b/k HTTP/1.1\nHost: h\n"
PUT = "PUT /b/k HTTP/1.1\nHost: h\n"


async def test_a_request_comes_through_byte_for_byte_and_its_wire_knows_the_times() -> None:
    desk = Desk(lambda request, wire, body: Reply(200, {"ETag": '"e"'}, b"hello"))
    target = "/b/a%2Fb//c/./d/../e%20f+g%C3%A9%7e~?x=%2F&y=a+b&z&uploads&x=2"
    before, wall = monotonic_ns(), time_ns()
    async with edge(desk) as server:
        client = await Client.connect(server.port)
        answer = await client.ask(f"GET {target} HTTP/1.1\nHost: h\nX-Amz-Meta: \xe9")
        head, wire = await desk.served()
        await client.close()
    assert (head.method, head.target, head.version) == ("GET", target, "HTTP/1.1")
    assert head.headers == {"host": "h", "x-amz-meta": "\xe9"}
    assert (answer.status, answer.reason, answer.body) == (200, "OK", b"hello")
    assert answer.headers["etag"] == '"e"'
    assert answer.headers["server"] == "bucketlog"
    assert answer.headers["date"].endswith("GMT")
    assert "connection" not in answer.headers
    assert before <= wire.began <= wire.body_received <= wire.first_sent <= wire.last_sent
    assert wall <= wire.received_at <= time_ns()
    assert (wire.peer, wire.tls, wire.content_length) == ("127.0.0.1", None, None)
    assert (wire.bytes_sent, wire.complete) == (5, True)


async def test_a_body_comes_through_by_length_and_by_chunks() -> None:
    desk = Desk()
    async with edge(desk) as server:
        client = await Client.connect(server.port)
        sized = await client.ask(request(f"{PUT}Content-Length: 5", b"hello"))
        _, wire = await desk.served()
        assert wire.content_length == 5
        chunked = await client.ask(
            request(
                f"{PUT}Transfer-Encoding: chunked", b"3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n"
            )
        )
        head, wire = await desk.served()
        assert wire.content_length is None
        empty = await client.ask(f"{PUT}Content-Length: 0")
        await client.close()
    assert (sized.body, chunked.body, empty.body) == (b"hello", b"abcde", b"")
    assert "t" not in head.headers


async def test_a_gzipped_body_is_not_unpacked() -> None:
    body = bytes.fromhex("1f8b0800000000000003")
    async with edge(Desk()) as server:
        client = await Client.connect(server.port)
        head = f"{PUT}Content-Encoding: gzip\nContent-Length: {len(body)}"
        assert (await client.ask(request(head, body))).body == body
        await client.close()


@pytest.mark.parametrize("one_write", [True, False])
async def test_pipelined_requests_are_answered_one_by_one_in_order(one_write: bool) -> None:
    running = 0

    async def application(head: Request, wire: Wire) -> None:
        nonlocal running
        running += 1
        assert running == 1
        if head.target.endswith("slow"):
            await asyncio.sleep(0)
        body = b"".join([piece async for piece in pieces(wire)])
        await wire.send(Reply(200, {}, head.target.encode() + body))
        running -= 1

    async def pieces(wire: Wire):  # type: ignore[no-untyped-def]
        while piece := await wire.body.chunk():
            yield piece

    parts = [
        request("GET /1 HTTP/1.1\nHost: h"),
        request("PUT /2slow HTTP/1.1\nHost: h\nContent-Length: 3", b"abc"),
        request("PUT /3 HTTP/1.1\nHost: h\nTransfer-Encoding: chunked", b"1\r\nx\r\n0\r\n\r\n"),
        request("GET /4slow HTTP/1.1\nHost: h"),
    ] + [request(f"GET /{number} HTTP/1.1\nHost: h") for number in range(5, 60)]
    async with edge(application) as server:
        client = await Client.connect(server.port)
        if one_write:
            await client.send(b"".join(parts))
        else:
            for part in parts:
                await client.send(part)
        bodies = [(await client.answer()).body for _ in parts]
        await client.close()
        assert server.counts().requests == len(parts)
    assert bodies[:4] == [b"/1", b"/2slowabc", b"/3x", b"/4slow"]
    assert bodies[4:] == [b"/%d" % number for number in range(5, 60)]


async def test_what_waits_behind_a_request_is_bounded() -> None:
    gate = asyncio.Event()

    async def application(head: Request, wire: Wire) -> None:
        await gate.wait()
        await wire.send(Reply(200))

    async with edge(application) as server:
        client = await Client.connect(server.port)
        await client.send(GET)
        flood = asyncio.ensure_future(client.send(request(GET) * 400_000))
        done, _ = await asyncio.wait([flood], timeout=0.2)
        assert not done, "the client was never held back"
        (connection,) = server._open
        assert len(connection._input) <= 1024 * 1024
        client.reset()
        gate.set()
        await asyncio.gather(flood, return_exceptions=True)


async def test_continue_is_said_only_when_the_body_is_wanted() -> None:
    async with edge(Desk()) as server:
        client = await Client.connect(server.port)
        await client.send(f"{PUT}Content-Length: 3\nExpect: 100-continue")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"abc")
        assert (await client.answer()).body == b"abc"
        # A client that doesn't wait isn't told.
        head = f"{PUT}Content-Length: 3\nExpect: 100-continue"
        assert (await client.ask(request(head, b"def"))).body == b"def"
        await client.close()


async def test_a_request_refused_before_its_body_is_answered_at_once_and_closed() -> None:
    desk = Desk(lambda request, wire, body: Reply(403), reads=False)
    async with edge(desk) as server:
        client = await Client.connect(server.port)
        answer = await client.ask(f"{PUT}Content-Length: 3\nExpect: 100-continue")
        assert (answer.status, answer.headers["connection"]) == (403, "close")
        assert await client.rest() == b""
        await client.close()


async def test_a_small_unread_body_is_skipped_and_the_connection_kept() -> None:
    desk = Desk(lambda request, wire, body: Reply(403), reads=False)
    async with edge(desk) as server:
        client = await Client.connect(server.port)
        await client.send(f"{PUT}Content-Length: 1000")
        assert "connection" not in (await client.answer()).headers
        await client.send(b"x" * 600)
        await client.send(b"x" * 400 + request(GET))
        assert (await client.answer()).status == 403
        await client.close()


async def test_a_large_unread_body_ends_the_connection_but_the_answer_arrives() -> None:
    desk = Desk(lambda request, wire, body: Reply(403, {}, b"no"), reads=False)
    async with edge(desk) as server:
        client = await Client.connect(server.port)
        await client.send(f"{PUT}Content-Length: 10000000")
        upload = asyncio.ensure_future(client.send(b"x" * 10_000_000))
        answer = await client.answer()
        assert (answer.status, answer.body) == (403, b"no")
        assert answer.headers["connection"] == "close"
        await upload
        await client.close()


async def test_an_upload_cut_short_is_incomplete() -> None:
    desk = Desk()
    async with edge(desk) as server:
        client = await Client.connect(server.port)
        await client.send(request(f"{PUT}Content-Length: 1000000", b"x" * 300_000))
        client.writer.write_eof()
        answer = await client.answer()
        assert (answer.status, b"<Code>IncompleteBody</Code>" in answer.body) == (400, True)
        _, wire = await desk.served()
        assert (wire.body.received, wire.body_received) == (300_000, 0)
        await client.close()
        client = await Client.connect(server.port)
        await client.send(request(f"{PUT}Content-Length: 1000000", b"x" * 300_000))
        client.reset()
        _, wire = await desk.served()
        assert (wire.complete, wire.bytes_sent) == (False, 0)


@pytest.mark.parametrize(
    ("framing", "data"),
    [
        ("Transfer-Encoding: chunked", b"5_0\r\n"),
        ("Transfer-Encoding: chunked", b"3\r\nabcd\r\n0\r\n\r\n"),
    ],
)
async def test_broken_chunks_are_a_bad_request_and_the_end(framing: str, data: bytes) -> None:
    async with edge(Desk()) as server:
        client = await Client.connect(server.port)
        answer = await client.ask(request(f"{PUT}{framing}", data + request(GET)))
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert await client.rest() == b""
        assert server.counts().refused == {"chunked": 1}
        await client.close()


@pytest.mark.parametrize(
    "bad",
    [
        "GET /b/k HTTP/1.1\nA: b",
        "GET /b/k HTTP/1.1\nHost: h\nHost: h",
        f"{PUT}Content-Length: 5\nTransfer-Encoding: chunked",
        "FOO /b/k HTTP/1.1\nHost: h",
    ],
)
async def test_a_refused_request_is_handed_on_and_nothing_behind_it_is(bad: str) -> None:
    desk = Desk()
    async with edge(desk) as server:
        client = await Client.connect(server.port)
        answer = await client.ask(request(bad, request("GET /smuggled HTTP/1.1\nHost: h")))
        assert answer.status in (400, 405)
        assert answer.headers["connection"] == "close"
        assert await client.rest() == b""
        head, wire = await desk.served()
        assert head.target == "/b/k"
        assert isinstance(wire.refusal, S3Error)
        assert (await wire.body.chunk(), desk.waiting) == (b"", 0)
        assert server.counts().refused == {wire.refusal.code: 1}
        await client.close()


@pytest.mark.parametrize(
    "noise",
    [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"nonsense\n", b"PRI * HTTP/2.0\n\nSM\n\n", b"\0\n"],
)
async def test_noise_is_answered_by_the_edge_and_counted(noise: bytes) -> None:
    desk = Desk()
    async with edge(desk) as server:
        client = await Client.connect(server.port)
        answer = await client.ask(noise)
        assert (answer.status, b"<Code>BadRequest</Code>" in answer.body) == (400, True)
        assert sum(server.counts().refused.values()) == 1
        await client.close()


async def test_a_bare_line_feed_is_refused_without_waiting_for_more() -> None:
    desk = Desk()
    async with edge(desk) as server:
        client = await Client.connect(server.port)
        answer = await client.ask(b"GET /b/k HTTP/1.1\nHost: h\n\n")
        assert answer.status == 400
        head, _ = await desk.served()
        assert head.target == "/b/k"
        await client.close()


@pytest.mark.parametrize("whole", [True, False])
async def test_a_head_over_the_limit_is_refused_by_name(whole: bool) -> None:
    desk = Desk()
    async with edge(desk, limits=Limits(head_bytes=1000)) as server:
        client = await Client.connect(server.port)
        text = f"{GET}User-Agent: me\nA: {'x' * 2000}"
        answer = await client.ask(request(text) if whole else request(text)[:-4])
        assert answer.status == 400
        assert b"<Code>RequestHeaderSectionTooLarge</Code>" in answer.body
        head, _ = await desk.served()
        assert head.headers["user-agent"] == "me"
        await client.close()


async def test_a_body_over_the_limit_is_too_large_however_it_is_framed() -> None:
    async with edge(Desk(), limits=Limits(body_bytes=10)) as server:
        for head, body in [
            ("Content-Length: 11\nExpect: 100-continue", b""),
            ("Transfer-Encoding: chunked", b"b\r\nhello world\r\n0\r\n\r\n"),
        ]:
            client = await Client.connect(server.port)
            answer = await client.ask(request(f"{PUT}{head}", body))
            assert b"<Code>EntityTooLarge</Code>" in answer.body
            await client.close()
        client = await Client.connect(server.port)
        assert (await client.ask(request(f"{PUT}Content-Length: 10", b"0123456789"))).status == 200
        await client.close()


@pytest.mark.parametrize(("status", "length"), [(200, "5"), (204, None), (304, None)])
async def test_replies_without_a_body_have_none(status: int, length: str | None) -> None:
    desk = Desk(lambda request, wire, body: Reply(status, {}, b"hello"))
    async with edge(desk) as server:
        client = await Client.connect(server.port)
        answer = await client.ask("HEAD /b/k HTTP/1.1\nHost: h", head=True)
        assert (answer.status, answer.headers.get("content-length")) == (status, length)
        if status != 200:
            answer = await client.ask(GET, head=True)
            assert "content-length" not in answer.headers
        assert (await desk.served())[1].bytes_sent == 0
        await client.close()


async def test_a_head_reply_says_the_length_it_is_given() -> None:
    desk = Desk(lambda request, wire, body: Reply(200, {"Content-Length": "12345"}))
    async with edge(desk) as server:
        client = await Client.connect(server.port)
        answer = await client.ask("HEAD /b/k HTTP/1.1\nHost: h", head=True)
        assert answer.headers["content-length"] == "12345"
        assert (await client.ask(GET)).headers["content-length"] == "0"
        await client.close()


async def test_extra_headers_are_sent_and_none_can_break_its_line() -> None:
    async def application(head: Request, wire: Wire) -> None:
        headers = {"A": "x\r\nInjected: 1", "B": "\xe9\u20ac", "Connection": "x", "C": "%s\t\x00"}
        await wire.send(Reply(200, headers), extra={"x-amz-request-id": "R"})

    async with edge(application) as server:
        client = await Client.connect(server.port)
        answer = await client.ask(GET)
        await client.close()
    assert answer.headers["a"] == "xInjected: 1"
    assert answer.headers["b"] == "\xe9%E2%82%AC"
    assert answer.headers["c"] == "%s\t"
    assert answer.headers["x-amz-request-id"] == "R"
    assert not {"injected", "connection"} & answer.headers.keys()


@pytest.mark.parametrize(
    ("head", "connection"),
    [
        ("GET / HTTP/1.1\nHost: h\nConnection: close", "close"),
        ("GET / HTTP/1.0", "close"),
        ("GET / HTTP/1.0\nConnection: keep-alive", "keep-alive"),
        ("GET / HTTP/1.1\nHost: h\nConnection: upgrade\nUpgrade: websocket", "close"),
    ],
)
async def test_the_connection_ends_as_asked(head: str, connection: str) -> None:
    async with edge(Desk()) as server:
        client = await Client.connect(server.port)
        answer = await client.ask(head)
        assert (answer.status, answer.headers["connection"]) == (200, connection)
        if connection == "close":
            assert await client.rest() == b""
        else:
            assert (await client.ask(head)).status == 200
        await client.close()


async def test_empty_lines_before_a_request_are_passed_over() -> None:
    async with edge(Desk()) as server:
        client = await Client.connect(server.port)
        assert (await client.ask(b"\r\n\r\n" + request(GET))).status == 200
        assert (await client.ask(b"\r\n" + request(GET))).status == 200
        await client.close()


async def test_a_client_that_ends_its_side_still_gets_its_answer() -> None:
    gate = asyncio.Event()

    async def application(head: Request, wire: Wire) -> None:
        await gate.wait()
        await wire.send(Reply(200, {}, b"late"))

    async with edge(application) as server:
        client = await Client.connect(server.port)
        await client.send(GET)
        client.writer.write_eof()
        gate.set()
        assert (await client.answer()).body == b"late"
        assert await client.rest() == b""
        await client.close()


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_an_application_that_breaks_off_is_an_internal_error(
    waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def application(head: Request, wire: Wire) -> None:
        if waits:
            await asyncio.sleep(0)
        raise ValueError("a bug")

    async with edge(application) as server:
        client = await Client.connect(server.port)
        answer = await client.ask(GET)
        assert (answer.status, b"InternalError" in answer.body) == (500, True)
        assert await client.rest() == b""
        await client.close()
    assert "a bug" in caplog.text


@pytest.mark.parametrize(
    ("forwarded", "peer"),
    [(None, "127.0.0.1"), ("1.1.1.1, 203.0.113.9, 10.0.0.1", "203.0.113.9")],
)
async def test_a_trusted_proxy_says_who_the_client_is(forwarded: str | None, peer: str) -> None:
    desk = Desk()
    networks = [ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")]
    lines = GET if forwarded is None else f"{GET}X-Forwarded-For: {forwarded}"
    async with edge(desk, trusted_proxies=networks) as trusting, edge(desk) as plain:
        for server, expected in ((trusting, peer), (plain, "127.0.0.1")):
            client = await Client.connect(server.port)
            await client.ask(lines)
            assert (await desk.served())[1].peer == expected
            await client.close()


async def test_ipv6_clients_are_served() -> None:
    desk = Desk()
    async with edge(desk, host="::1") as server:
        client = await Client.connect(server.port, host="::1")
        await client.ask("GET / HTTP/1.1\nHost: [::1]:9000")
        assert (await desk.served())[1].peer == "::1"
        await client.close()
