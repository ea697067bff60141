"""Large replies: files and memory, plain and TLS, clients that read, crawl, stop and hang up."""

from __future__ import annotations

import asyncio
import datetime
import os
import socket
import ssl
import struct
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from time import monotonic_ns

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.wire import Client, Desk, edge, request

from bucketlog.gateway.edge import transfer
from bucketlog.gateway.edge.limits import Limits
from bucketlog.gateway.edge.wire import Wire
from bucketlog.s3.model import FileSlice, Reply, Request

GET = "GET /b/k HTTP/1.1\nHost: h\n"
MIB = 1024 * 1024
CONTENT = bytes(range(256)) * (3 * MIB // 256)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("edge") / "content"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("edge") / "huge"
    with path.open("wb") as sparse:
        sparse.truncate(64 * MIB)
    return path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("edge") / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def client_tls(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def opened(path: Path, *spans: tuple[int, int]) -> Callable[[Request, Wire, bytes], Reply]:
    """Answers with these spans (offset, length) of the file."""

    def answering(head: Request, wire: Wire, body: bytes) -> Reply:
        slices = tuple(FileSlice(os.open(path, os.O_RDONLY), *span) for span in spans)
        return Reply(200, {}, slices[0] if len(slices) == 1 else slices)

    return answering


SPANS = [
    [(0, 0)],
    [(5, 1000)],
    [(7, transfer.SMALL)],
    [(7, transfer.SMALL + 1)],
    [(0, len(CONTENT))],
    [(len(CONTENT) - 100_001, 100_001)],
    [(0, 100), (300, 50)],
    [(MIB, MIB), (0, 300_000), (2 * MIB, 1)],
]


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("spans", SPANS, ids=str)
async def test_file_slices_arrive_whole_and_their_descriptors_are_closed(
    spans: list[tuple[int, int]],
    encrypted: bool,
    file: Path,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
) -> None:
    desk = Desk(opened(file, *spans))
    expected = b"".join(CONTENT[offset : offset + length] for offset, length in spans)
    async with edge(desk, tls=server_tls if encrypted else None) as server:
        client = await Client.connect(server.port, tls=client_tls if encrypted else None)
        assert (await client.ask(GET)).body == expected
        await desk.served()
        before = open_files()
        for _ in range(3):  # on one connection
            assert (await client.ask(GET)).body == expected
            _, wire = await desk.served()
            assert (wire.bytes_sent, wire.complete) == (len(expected), True)
            assert wire.first_sent <= wire.last_sent
        head = await client.ask("HEAD /b/k HTTP/1.1\nHost: h", head=True)
        assert head.headers["content-length"] == str(len(expected))
        await desk.served()
        assert open_files() == before
        await client.close()


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_large_body_in_memory_arrives_whole(
    encrypted: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    desk = Desk(lambda request, wire, body: Reply(200, {}, CONTENT))
    async with edge(desk, tls=server_tls if encrypted else None) as server:
        client = await Client.connect(server.port, tls=client_tls if encrypted else None)
        assert (await client.ask(GET)).body == CONTENT
        _, wire = await desk.served()
        assert (wire.bytes_sent, wire.complete) == (len(CONTENT), True)
        await client.close()


@pytest.mark.parametrize(
    ("version", "ciphers", "expected"),
    [
        (ssl.TLSVersion.TLSv1_3, None, ("TLSv1.3", "TLS_")),
        (
            ssl.TLSVersion.TLSv1_2,
            "ECDHE-ECDSA-AES128-GCM-SHA256",
            ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ),
    ],
)
async def test_tls_version_and_cipher_are_known(
    version: ssl.TLSVersion,
    ciphers: str | None,
    expected: tuple[str, str],
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
) -> None:
    client_tls.maximum_version = version
    if ciphers:
        client_tls.set_ciphers(ciphers)
    desk = Desk()
    async with edge(desk, tls=server_tls) as server:
        client = await Client.connect(server.port, tls=client_tls)
        answer = await client.ask(request(f"{GET}Content-Length: 5", b"hello"))
        _, wire = await desk.served()
        await client.close()
    assert answer.body == b"hello"
    assert wire.tls is not None
    assert wire.tls.version == expected[0]
    assert wire.tls.cipher.startswith(expected[1])


class Socket:
    """A client that reads exactly as much as it wants, and knows what its kernel received."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, port: int) -> Socket:
        sock = socket.socket()
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return cls(sock)

    @property
    def received(self) -> int:
        """Bytes that have arrived here, read or not (tcpi_bytes_received)."""
        info = self.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
        count: int = struct.unpack_from("=Q", info, 128)[0]
        return count

    async def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += await self.loop.sock_recv(self.sock, min(65536, count - len(data)))
        return data

    async def until_full(self) -> int:
        """What has arrived once no more does, because nothing is read."""
        quiet, last = 0, -1
        while quiet < 20:
            quiet, last = (quiet + 1 if self.received == last else 0), self.received
            await asyncio.sleep(0.005)
        return last

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


@pytest.mark.parametrize("source", ["file", "memory"])
async def test_a_hang_up_in_the_middle_counts_the_bytes_that_arrived(
    source: str, huge: Path
) -> None:
    in_memory = bytes(16 * MIB)
    desk = Desk(
        opened(huge, (0, 64 * MIB))
        if source == "file"
        else lambda request, wire, body: Reply(200, {}, in_memory)
    )
    async with edge(desk) as server:
        for earlier in (0, 1, 3):  # small replies on the same connection before it
            client = await Socket.connect(server.port)
            desk_small = 0
            for _ in range(earlier):
                await client.loop.sock_sendall(client.sock, request("HEAD /b/k HTTP/1.1\nHost: h"))
                text = await client.read(1)
                while not text.endswith(b"\r\n\r\n"):
                    text += await client.read(1)
                desk_small += len(text)
                await desk.served()
            await client.loop.sock_sendall(client.sock, request(GET))
            text = await client.read(1)
            while not text.endswith(b"\r\n\r\n"):
                text += await client.read(1)
            await client.read(1_000_000)
            arrived = await client.until_full() - len(text) - desk_small
            client.reset()
            _, wire = await desk.served()
            assert not wire.complete
            assert wire.bytes_sent == arrived
            assert 1_000_000 <= wire.bytes_sent < 16 * MIB


async def test_a_hang_up_after_the_kernel_took_all_is_not_taken_for_complete() -> None:
    body = bytes(200_000)
    desk = Desk(lambda request, wire, _: Reply(200, {}, body))
    async with edge(desk) as server:
        client = await Socket.connect(server.port)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await client.loop.sock_sendall(client.sock, request(GET))
        text = await client.read(1)
        while not text.endswith(b"\r\n\r\n"):
            text += await client.read(1)
        arrived = await client.until_full() - len(text)
        client.reset()
        _, wire = await desk.served()
        assert (wire.complete, wire.bytes_sent) == (False, arrived)


async def test_a_hang_up_under_tls_counts_close_to_what_arrived(
    huge: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    desk = Desk(opened(huge, (0, 64 * MIB)))
    async with edge(desk, tls=server_tls) as server:
        client = await Client.connect(server.port, tls=client_tls)
        await client.send(GET)
        await client.reader.readuntil(b"\r\n\r\n")
        await client.reader.readexactly(1_000_000)
        sock = Socket(client.writer.get_extra_info("socket"))
        before = sock.received
        client.writer.transport.pause_reading()
        arrived = await sock.until_full()
        client.reset()
        _, wire = await desk.served()
        assert not wire.complete
        assert before * 0.9 <= wire.bytes_sent <= arrived
        assert wire.bytes_sent >= (arrived - 10_000) * 16384 / 16406 - 10_000


@pytest.mark.parametrize("encrypted", [False, True])
async def test_the_last_byte_is_sent_when_the_client_has_it(
    encrypted: bool, file: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    desk = Desk(opened(file, (0, len(CONTENT))))
    async with edge(desk, tls=server_tls if encrypted else None) as server:
        client = await Client.connect(server.port, tls=client_tls if encrypted else None)
        sock = client.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.writer.transport.pause_reading()
        await client.send(GET)
        # By now most or all of it is in the server's kernel, and the client has little of it.
        assert await Socket(sock).until_full() < len(CONTENT)
        assert desk.waiting == 0
        read_from = monotonic_ns()
        client.writer.transport.resume_reading()
        assert (await client.answer()).body == CONTENT
        _, wire = await desk.served()
        assert (wire.complete, wire.bytes_sent) == (True, len(CONTENT))
        assert wire.first_sent < read_from < wire.last_sent < monotonic_ns()
        await client.close()


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_client_that_leaves_with_the_last_byte_has_all(
    encrypted: bool, file: Path, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    desk = Desk(opened(file, (0, len(CONTENT))))
    async with edge(desk, tls=server_tls if encrypted else None) as server:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client_tls.maximum_version = version
            client = await Client.connect(server.port, tls=client_tls if encrypted else None)
            assert (await client.ask(GET)).body == CONTENT
            client.reset()
            _, wire = await desk.served()
            assert (wire.complete, wire.bytes_sent) == (True, len(CONTENT))


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_client_that_stops_reading_is_cut_off_and_costs_no_memory(
    encrypted: bool, huge: Path, server_tls: ssl.SSLContext
) -> None:
    desk = Desk(opened(huge, (0, 64 * MIB)))
    limits = Limits(stall_s=0.1, tick_s=0.02)
    async with edge(desk, limits=limits, tls=server_tls if encrypted else None) as server:
        before = resident()
        clients = []
        for _ in range(4):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            client = await Client.connect(server.port, tls=context if encrypted else None)
            await client.send(GET)
            await client.reader.readuntil(b"\r\n\r\n")
            client.writer.transport.pause_reading()
            clients.append(client)
        for _ in clients:
            _, wire = await desk.served()
            assert not wire.complete
            assert 0 < wire.bytes_sent < 64 * MIB
        assert server.counts().refused == {"stalled": 4}
        assert resident() - before < 32 * MIB
        for client in clients:
            client.reset()


def resident() -> int:
    """Bytes of memory in use by this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_slow_client_that_still_reads_is_not_cut_off(huge: Path) -> None:
    desk = Desk(opened(huge, (0, 8 * MIB)))
    async with edge(desk, limits=Limits(stall_s=0.06, tick_s=0.02)) as server:
        client = await Socket.connect(server.port)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        await client.loop.sock_sendall(client.sock, request(GET))
        got = 0
        while got < 8 * MIB:
            data = await client.loop.sock_recv(client.sock, 200_000)
            assert data
            got += len(data)
            await asyncio.sleep(0.002)
        _, wire = await desk.served()
        assert wire.complete
        client.sock.close()


async def test_a_file_that_is_shorter_than_its_slice_ends_the_connection(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(opened(file, (0, len(CONTENT) + 1)))
    async with edge(desk) as server:
        client = await Client.connect(server.port)
        await client.send(GET)
        assert len(await read_all(client)) < len(CONTENT) + 1000
        _, wire = await desk.served()
        assert (wire.complete, wire.bytes_sent <= len(CONTENT)) == (False, True)
        await client.close()
    assert "a reply broke off" in caplog.text


async def read_all(client: Client) -> bytes:
    data = b""
    while True:
        try:
            piece = await client.reader.read(MIB)
        except ConnectionError:
            return data
        if not piece:
            return data
        data += piece


async def test_an_upload_of_any_size_waits_for_its_reader() -> None:
    gate = asyncio.Event()

    async def application(head: Request, wire: Wire) -> None:
        await gate.wait()
        assert wire.body.buffered_bytes < 2 * MIB
        count = longest = 0
        while piece := await wire.body.chunk():
            count += len(piece)
            longest = max(longest, len(piece))
        await wire.send(Reply(200, {}, f"{count} {longest <= 256 * 1024}".encode()))

    async with edge(application) as server:
        client = await Client.connect(server.port)
        await client.send(f"PUT /b/k HTTP/1.1\nHost: h\nContent-Length: {64 * MIB}")
        upload = asyncio.ensure_future(client.send(bytes(64 * MIB)))
        done, _ = await asyncio.wait([upload], timeout=0.1)
        assert not done, "the client was never held back"
        gate.set()
        answer = await client.answer()
        await upload
        assert answer.body == f"{64 * MIB} True".encode()
        await client.close()


async def test_a_small_body_that_is_here_needs_no_waiting() -> None:
    taken: list[bytes | None] = []

    async def application(head: Request, wire: Wire) -> None:
        taken.append(wire.body.buffered())
        if taken[-1] is None:
            taken.append(await wire.body.chunk())
        await wire.send(Reply(200))

    async with edge(application) as server:
        client = await Client.connect(server.port)
        put = "PUT /b/k HTTP/1.1\nHost: h\nContent-Length: 3"
        await client.ask(request(put, b"abc"))
        await client.send(put)
        while len(taken) < 2:
            await asyncio.sleep(0)
        await client.ask(b"def")
        await client.ask(GET)
        await client.close()
    assert taken == [b"abc", None, b"def", b""]
