"""Time, numbers and the end: what wears a server out is cut off; a drained one loses nothing."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.support.wire import Client, Desk, edge, request

from bucketlog.gateway.edge import listen
from bucketlog.gateway.edge.limits import Limits
from bucketlog.gateway.edge.wire import Wire
from bucketlog.problems import Problem
from bucketlog.s3.model import Reply, Request

GET = "GET /b/k HTTP/1.1\nHost: h\n"
PUT = "PUT /b/k HTTP/1.1\nHost: h\n"
SOON = {"tick_s": 0.02, "linger_s": 0.05}


def test_a_time_in_ticks_is_never_shorter_than_in_seconds() -> None:
    assert Limits(tick_s=1.0).ticks(10.0) == 11
    assert Limits(tick_s=0.3).ticks(1.0) == 5
    assert Limits().ticks(0.0) == 1


async def test_an_idle_connection_is_closed() -> None:
    async with edge(Desk(), limits=Limits(idle_s=0.05, **SOON)) as server:
        silent = await Client.connect(server.port)
        used = await Client.connect(server.port)
        assert (await used.ask(GET)).status == 200
        assert await silent.rest() == b""
        assert await used.rest() == b""
        assert server.counts().refused == {}
        await silent.close()
        await used.close()


@pytest.mark.parametrize("start", [b"G", b"GET /b/k HTTP/1.1\r\nHost: h\r\n"])
async def test_a_head_that_comes_too_slowly_is_told_so(start: bytes) -> None:
    desk = Desk()
    async with edge(desk, limits=Limits(head_s=0.05, **SOON)) as server:
        client = await Client.connect(server.port)
        await client.send(start)
        answer = await client.answer()
        assert (answer.status, b"RequestTimeout" in answer.body) == (400, True)
        assert server.counts().refused == {"RequestTimeout": 1}
        await client.close()


async def test_drops_of_a_head_do_not_extend_its_time() -> None:
    async with edge(Desk(), limits=Limits(head_s=0.1, **SOON)) as server:
        client = await Client.connect(server.port)

        async def drip() -> None:
            for byte in request(GET + "A: " + "x" * 500):
                await client.send(bytes([byte]))
                await asyncio.sleep(0.01)

        dripping = asyncio.ensure_future(drip())
        answer = await client.answer()
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        assert b"RequestTimeout" in answer.body
        await client.close()


@pytest.mark.parametrize("start", [b"", b"some of it"])
async def test_a_body_that_stops_coming_times_out(start: bytes) -> None:
    desk = Desk()
    async with edge(desk, limits=Limits(body_s=0.05, **SOON)) as server:
        client = await Client.connect(server.port)
        await client.send(request(f"{PUT}Content-Length: 1000", start))
        answer = await client.answer()
        assert (answer.status, b"<Code>RequestTimeout</Code>" in answer.body) == (400, True)
        assert answer.headers["connection"] == "close"
        _, wire = await desk.served()
        assert (wire.body.received, wire.body_received) == (len(start), 0)
        await client.close()


async def test_an_application_that_is_slow_to_read_is_not_the_client_s_fault() -> None:
    async def application(head: Request, wire: Wire) -> None:
        first = await wire.body.chunk()
        for _ in range(20):  # many ticks longer than the client may take
            await asyncio.sleep(0.01)
        rest = b""
        while piece := await wire.body.chunk():
            rest += piece
        await wire.send(Reply(200, {}, first + rest))

    async with edge(application, limits=Limits(body_s=0.02, **SOON)) as server:
        client = await Client.connect(server.port)
        await client.send(request(f"{PUT}Content-Length: 6", b"abc"))
        await client.send(b"def")
        assert (await client.answer()).body == b"abcdef"
        await client.close()


async def test_the_rest_of_an_unwanted_body_must_come_in_time_too() -> None:
    desk = Desk(lambda request, wire, body: Reply(403), reads=False)
    async with edge(desk, limits=Limits(body_s=0.05, **SOON)) as server:
        client = await Client.connect(server.port)
        assert (await client.ask(f"{PUT}Content-Length: 100")).status == 403
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.reader.readexactly(1)
        await client.close()


async def test_a_whole_request_may_be_given_a_time() -> None:
    desk = Desk()
    async with edge(desk, limits=Limits(request_s=0.1, **SOON)) as server:
        client = await Client.connect(server.port)
        await client.send(f"{PUT}Content-Length: 1000000")

        async def drip() -> None:
            while True:
                await client.send(b"x")
                await asyncio.sleep(0.01)

        dripping = asyncio.ensure_future(drip())
        answer = await client.answer()
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        assert b"<Code>RequestTimeout</Code>" in answer.body
        await client.close()


async def test_one_connection_too_many_is_told_to_slow_down() -> None:
    async with edge(Desk(), limits=Limits(connections=2, **SOON)) as server:
        clients = [await Client.connect(server.port) for _ in range(2)]
        for client in clients:
            assert (await client.ask(GET)).status == 200
        over = await Client.connect(server.port)
        answer = await over.answer()
        assert (answer.status, b"<Code>SlowDown</Code>" in answer.body) == (503, True)
        assert answer.headers["connection"] == "close"
        assert await over.rest() == b""
        await over.close()
        counts = server.counts()
        assert (counts.accepted, counts.refused) == (3, {"connections": 1})
        for client in clients:
            assert (await client.ask(GET)).status == 200
            await client.close()


async def test_a_drained_server_finishes_what_runs_and_closes_what_is_idle() -> None:
    gate = asyncio.Event()

    async def application(head: Request, wire: Wire) -> None:
        if head.target == "/slow":
            await gate.wait()
        await wire.send(Reply(200, {}, b"done"))

    async with edge(application) as server:
        idle = await Client.connect(server.port)
        assert (await idle.ask(GET)).status == 200
        busy = await Client.connect(server.port)
        await busy.send("GET /slow HTTP/1.1\nHost: h")
        while server.counts().requests < 2:
            await asyncio.sleep(0)
        draining = asyncio.ensure_future(server.drain(20))
        assert await idle.rest() == b""
        with pytest.raises(ConnectionError):
            await Client.connect(busy.writer.get_extra_info("peername")[1])
        gate.set()
        answer = await busy.answer()
        assert (answer.body, answer.headers["connection"]) == (b"done", "close")
        await draining
        assert server.connections == 0
        await idle.close()
        await busy.close()


async def test_what_does_not_end_within_its_grace_is_broken_off() -> None:
    ended: list[str] = []

    async def application(head: Request, wire: Wire) -> None:
        try:
            if head.method == "PUT":
                await wire.body.chunk()
            await asyncio.Event().wait()
        finally:
            ended.append(head.method)
            await wire.send(Reply(200))

    async with edge(application) as server:
        clients = [await Client.connect(server.port) for _ in range(2)]
        await clients[0].send(GET)
        await clients[1].send(f"{PUT}Content-Length: 5")
        while server.counts().requests < 2:
            await asyncio.sleep(0)
        await server.drain(0.05)
        assert sorted(ended) == ["GET", "PUT"]
        assert server.connections == 0
        for client in clients:
            client.reset()


async def test_a_port_in_use_is_the_operator_s_problem() -> None:
    with listen.bind("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(Problem, match=f"port {port}") as problem:
            listen.bind("127.0.0.1", port)
        assert problem.value.hint
    with pytest.raises(Problem):
        listen.bind("192.0.2.1", 0)
    with pytest.raises(Problem):
        listen.bind("no.such.name.invalid", 0)


async def test_processes_share_a_port() -> None:
    with listen.bind("127.0.0.1", 0, share=True) as first:
        port = first.getsockname()[1]
        with listen.bind("127.0.0.1", port, share=True) as second:
            assert second.getsockname() == first.getsockname()
            assert second.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
