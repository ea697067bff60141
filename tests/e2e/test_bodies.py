"""Big bodies and slow clients cost the server no memory."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.server import Server, allow_delivery, enable_logging

from bucketlog.accesslog import line

GIB = 1 << 30
MIB = 1 << 20


def _peak_mib(server: Server) -> float:
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def _url(server: Server, method: str, key: str) -> str:
    s3 = server.client(signature_version="s3v4")
    url: str = s3.generate_presigned_url(method, Params={"Bucket": "src", "Key": key})
    return url


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_gib_up_and_down_in_constant_memory(tmp_path: Path) -> None:
    """One PUT and one GET of 2 GiB; at no time has the process more than 100 MiB."""
    big = tmp_path / "big"
    with big.open("wb") as file:
        for start in range(0, 2 * GIB, 64 * MIB):  # sparse, but no two pieces alike
            file.seek(start)
            file.write(os.urandom(4096))
        file.truncate(2 * GIB)
    with Server(tmp_path / "data") as server:
        s3 = server.client()
        for bucket in ("src", "logs"):
            s3.create_bucket(Bucket=bucket)
        allow_delivery(s3, "logs")
        enable_logging(s3, "src", "logs")
        subprocess.run(["curl", "-sSf", "-T", big, _url(server, "put_object", "big")], check=True)
        subprocess.run(
            ["curl", "-sSf", "-o", tmp_path / "back", _url(server, "get_object", "big")],
            check=True,
        )
        assert _peak_mib(server) <= 100
        server.deliver()
        records = [line.decode(one).record for one in server.lines("logs")]
    assert _sha256(tmp_path / "back") == _sha256(big)
    sizes = {r.operation: (r.bytes_sent, r.object_size) for r in records if r is not None}
    assert sizes["REST.PUT.OBJECT"] == (None, 2 * GIB)
    assert sizes["REST.GET.OBJECT"] == (2 * GIB, 2 * GIB)


@pytest.mark.slow
def test_clients_that_never_read_cost_no_memory(tmp_path: Path) -> None:
    """Forty stalled downloads of 64 MiB."""
    with Server(tmp_path / "data") as server:
        s3 = server.client()
        s3.create_bucket(Bucket="src")
        s3.put_object(Bucket="src", Key="big", Body=os.urandom(64 * MIB))
        before = _peak_mib(server)
        parts = urlsplit(_url(server, "get_object", "big"))
        stalled = []
        for _ in range(40):
            client = socket.create_connection((parts.hostname, parts.port))
            client.sendall(
                f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
            )
            assert client.recv(12) == b"HTTP/1.1 200"
            stalled.append(client)
        s3.get_object(Bucket="src", Key="big")["Body"].read()
        assert _peak_mib(server) - before < 10
        for client in stalled:
            client.close()
