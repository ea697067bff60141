"""aiohttp as an independent judge: what it refuses we refuse, what it accepts we take likewise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from tests.support.wire import Client, Desk, edge, request

HOST = "Host: h"
CASES: dict[str, tuple[str | bytes, bool]] = {
    "plain": (f"GET /b HTTP/1.1\n{HOST}", True),
    "length": (request(f"PUT /b HTTP/1.1\n{HOST}\nContent-Length: 2", b"ab"), True),
    "chunked": (
        request(f"PUT /b HTTP/1.1\n{HOST}\nTransfer-Encoding: chunked", b"2\r\nab\r\n0\r\n\r\n"),
        True,
    ),
    "trailer": (
        request(
            f"PUT /b HTTP/1.1\n{HOST}\nTransfer-Encoding: chunked",
            b"2;x=y\r\nab\r\n0\r\nT: 1\r\n\r\n",
        ),
        True,
    ),
    "1.0": ("GET /b HTTP/1.0", True),
    "length and chunked": (
        f"PUT /b HTTP/1.1\n{HOST}\nContent-Length: 5\nTransfer-Encoding: chunked",
        False,
    ),
    "two lengths": (f"PUT /b HTTP/1.1\n{HOST}\nContent-Length: 5\nContent-Length: 6", False),
    "equal lengths": (f"PUT /b HTTP/1.1\n{HOST}\nContent-Length: 5\nContent-Length: 5", False),
    "length +5": (f"PUT /b HTTP/1.1\n{HOST}\nContent-Length: +5", False),
    "xchunked": (f"PUT /b HTTP/1.1\n{HOST}\nTransfer-Encoding: xchunked", False),
    "chunked, identity": (f"PUT /b HTTP/1.1\n{HOST}\nTransfer-Encoding: chunked, identity", False),
    "space before colon": (f"PUT /b HTTP/1.1\n{HOST}\nContent-Length : 5", False),
    "bare line feeds": (b"GET /b HTTP/1.1\nHost: h\n\n", False),
    "obs-fold": (b"GET /b HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", False),
    "NUL": (f"GET /b HTTP/1.1\n{HOST}\nA: b\0c", False),
    "no host": ("GET /b HTTP/1.1\nA: b", False),
    "two hosts": (f"GET /b HTTP/1.1\n{HOST}\n{HOST}", False),
    "chunk size 5_0": (
        request(f"PUT /b HTTP/1.1\n{HOST}\nTransfer-Encoding: chunked", b"5_0\r\n"),
        False,
    ),
    "HTTP/1.2": (f"GET /b HTTP/1.2\n{HOST}", False),
    "space in target": (f"GET /b c HTTP/1.1\n{HOST}", False),
}


@asynccontextmanager
async def oracle() -> AsyncIterator[int]:
    async def handler(incoming: web.BaseRequest) -> web.Response:
        return web.Response(body=await incoming.read())

    server = web.Server(handler, auto_decompress=False)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await server.shutdown()


async def outcome(port: int, data: str | bytes) -> tuple[int, bytes]:
    client = await Client.connect(port)
    answer = await client.ask(data)
    await client.close()
    return answer.status, answer.body if answer.status == 200 else b""


@pytest.mark.parametrize("name", CASES)
async def test_both_take_a_request_alike(name: str) -> None:
    data, accepted = CASES[name]
    async with edge(Desk()) as server, oracle() as port:
        ours, theirs = await outcome(server.port, data), await outcome(port, data)
    assert ours == theirs
    assert ours[0] == (200 if accepted else 400)
