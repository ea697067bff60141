"""What a record says of the connection: TLS, proxies, clients that hang up; and the two settings
that change how lines are written.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.log import Log, judged
from tests.support.raw import Connection, Sender
from tests.support.server import Server, allow_delivery, enable_logging

from bucketlog.accesslog import line
from bucketlog.accesslog.record import LogRecord

MIB = 1 << 20
BIG = 64 * MIB


def _prepared(server: Server, size: int = 1) -> None:
    """Makes `src`, logged to `logs`, with an object of that size."""
    s3 = server.client()
    for bucket in ("src", "logs"):
        s3.create_bucket(Bucket=bucket)
    allow_delivery(s3, "logs")
    s3.put_object(Bucket="src", Key="big", Body=bytes(size))
    enable_logging(s3, "src", "logs", "l/")


# ── clients that hang up ────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def big(server: Server) -> None:
    server.client().put_object(Bucket="src", Key="big", Body=bytes(BIG))


def _hung_up(log: Log, request_id: str) -> LogRecord:
    """The record, once the server knows that the client is gone."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = log.all(request_id)
        if found:
            (record,) = found
            return record
    raise AssertionError("no record")


@pytest.mark.parametrize("read", [0, 1000, MIB, 5 * MIB + 1])
@pytest.mark.parametrize("is_next", [False, True], ids=["first", "next"])
def test_a_download_cut_off_tells_what_the_clients_kernel_had(
    server: Server, log: Log, sender: Sender, big: None, read: int, is_next: bool
) -> None:
    """To the byte, on a fresh connection and on one that has served a request before."""
    with Connection(server.endpoint, receive_bytes=65536) as connection:
        if is_next:
            connection.send(sender.signed("GET", "/src"))
            connection.answer()
        began = time.monotonic()
        connection.send(sender.signed("GET", "/src/big"))
        status, headers = connection.head()
        got = len(connection.read(read))
        had = got + connection.buffered + connection.deafen()
        connection.reset()
        took_ms = (time.monotonic() - began) * 1000
    record = _hung_up(log, headers["x-amz-request-id"])
    assert (status, judged(record)) == (200, ("REST.GET.OBJECT", 200, None))
    assert (record.bytes_sent, record.object_size) == (had or None, BIG)
    assert read <= had < BIG
    assert 250 <= (record.total_time or 0) <= took_ms + 100
    assert (record.turn_around_time or 0) < 250


def test_a_download_read_to_its_end_tells_all(log: Log, sender: Sender, big: None) -> None:
    answer = sender.ask(sender.signed("GET", "/src/big"))
    assert len(answer.body) == BIG
    assert log.one(answer.request_id).bytes_sent == BIG


def test_an_upload_cut_off_is_recorded_with_its_time(log: Log, sender: Sender) -> None:
    request = sender.signed("PUT", "/src/cut", [("Expect", "100-continue")], bytes(4 * MIB))
    head, _, body = request.partition(b"\r\n\r\n")
    with sender.connect() as connection:
        connection.send(head + b"\r\n\r\n")
        assert connection.head()[0] == 100  # so the server knows of the request
        connection.send(body[: 2 * MIB])
        connection.reset()
    record = log.await_key("cut")
    assert judged(record) == ("REST.PUT.OBJECT", 400, "IncompleteBody")
    assert (record.object_size, record.turn_around_time) == (None, None)
    assert record.total_time is not None


def test_clients_that_stall_are_given_up_and_recorded(tmp_path: Path) -> None:
    env = {f"BUCKETLOG_LIMITS_{name}_TIMEOUT": "1s" for name in ("HEAD", "BODY", "STALL")}
    with Server(tmp_path / "data", env=env) as server:
        _prepared(server, 16 * MIB)
        log, sender = Log(server, "src", prefix="l/"), Sender(server.endpoint)
        upload = sender.signed("PUT", "/src/stalled", body=bytes(1000))
        with (
            Connection(server.endpoint) as up,
            Connection(server.endpoint, receive_bytes=65536) as down,
            Connection(server.endpoint) as idle,
        ):
            up.send(upload[:-1])
            idle.send(upload[:100])
            down.send(sender.signed("GET", "/src/big"))
            _, headers = down.head()
            answer = up.answer()
            assert (answer.status, answer.code) == (400, "RequestTimeout")
            assert up.is_ended()
            unfinished = idle.answer()
            assert (unfinished.status, unfinished.code) == (400, "RequestTimeout")
            assert idle.is_ended()  # there never was a request, so there is no record
            record = _hung_up(log, headers["x-amz-request-id"])
        assert judged(log.one(answer.request_id)) == ("REST.PUT.OBJECT", 400, "RequestTimeout")
        assert len([one for one in log.complete().records if one.key == "stalled"]) == 1
        assert (record.http_status, record.object_size) == (200, 16 * MIB)
        assert 0 < (record.bytes_sent or 0) < 16 * MIB
        assert (record.total_time or 0) >= 1000


# ── proxies ─────────────────────────────────────────────────────────────────────────────────────

FORWARDED = [
    ("203.0.113.7", "203.0.113.7"),
    ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
    ("203.0.113.7, 127.0.0.9", "203.0.113.7"),  # two of ours in a row
    ("2001:db8::1", "2001:db8::1"),
    ('"forged" 200', "127.0.0.1"),
    ("", "127.0.0.1"),
    ("203.0.113.7, nonsense", "127.0.0.1"),
]


def test_a_forwarded_address_means_nothing_unless_the_proxy_is_trusted(
    sender: Sender, log: Log
) -> None:
    for sent, _ in FORWARDED:
        answer = sender.ask(sender.signed("GET", "/src", [("X-Forwarded-For", sent)]))
        assert log.one(answer.request_id).remote_ip == "127.0.0.1"


def test_a_trusted_proxy_names_the_client(tmp_path: Path) -> None:
    env = {"BUCKETLOG_SERVER_TRUSTED_PROXIES": "127.0.0.0/8,::1/128"}
    with Server(tmp_path / "data", env=env) as server:
        _prepared(server)
        log, sender = Log(server, "src", prefix="l/"), Sender(server.endpoint)
        for sent, expected in FORWARDED:
            answer = sender.ask(sender.signed("GET", "/src", [("X-Forwarded-For", sent)]))
            assert (log.one(answer.request_id).remote_ip, sent) == (expected, sent)


# ── where the bucket stands ─────────────────────────────────────────────────────────────────────


def test_a_bucket_in_the_host_name_is_not_in_the_request_uri(tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--domain", "s3.test", "--domain", "localhost") as server:
        _prepared(server)
        log, sender = Log(server, "src", prefix="l/"), Sender(server.endpoint)
        for host, target, operation, key in (
            ("src.s3.test", "/", "REST.GET.BUCKET", None),
            ("src.s3.test", "/big", "REST.GET.OBJECT", "big"),
            ("SRC.s3.test:80", "/src/big", "REST.GET.OBJECT", "src/big"),
            ("src.localhost.", "//", "REST.GET.OBJECT", "/"),
            ("src.s3.test", "/?acl", "REST.GET.ACL", None),
            ("s3.test", "/src/a%2Fb", "REST.GET.OBJECT", "a/b"),
            ("elsewhere.test", "/src/big", "REST.GET.OBJECT", "big"),
            ("elsewhere.test", "http://src.s3.test/big", "REST.GET.OBJECT", "big"),
        ):
            answer = sender.ask(sender.written("GET", target, [("Host", host)]))
            record = log.one(answer.request_id)
            assert judged(record) == (operation, 403, "AccessDenied")
            assert (record.key, record.host_header) == (key, host)
            assert record.request_uri == f"GET {target} HTTP/1.1"


# ── how lines are written ───────────────────────────────────────────────────────────────────────


def test_26_fields_and_amazons_quoting_can_be_had(tmp_path: Path) -> None:
    env = {"BUCKETLOG_ACCESSLOG_FIELDS": "26", "BUCKETLOG_ACCESSLOG_QUOTING": "amazon"}
    with Server(tmp_path / "data", env=env) as server:
        _prepared(server)
        log, sender = Log(server, "src", prefix="l/", fields=26), Sender(server.endpoint)
        agent = 'say "hi" \xff caf\xc3\xa9 \\ <$>'
        sent = [("User-Agent", agent), ("Referer", 'http://a/"b"')]
        answer = sender.ask(
            sender.signed("GET", '/src/big?x-a="b"', [("Range", "bytes=0-0")], replace=dict(sent))
        )
        assert answer.status == 206
        assert log.one(answer.request_id).bytes_sent == 1
        (text,) = log.lines[answer.request_id]
        assert b' "GET /src/big?x-a="b" HTTP/1.1" 206 - 1 ' in text
        assert f' "http://a/"b"" "{agent}" - '.encode("latin-1") in text
        assert text.endswith(b" - AuthHeader " + sender.host.encode() + b" - - -\n")
        copy = sender.ask(sender.signed("PUT", "/src/c", [("x-amz-copy-source", "src/c")]))
        assert copy.status == 404
        assert {len(line.decode(one).texts) for one in log.update().lines[copy.request_id]} == {26}


# ── TLS ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for localhost, signed by itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "cert.pem", folder / "key.pem"


@dataclass(frozen=True)
class Seen:
    """What a client saw of its own connection. `least` and `most`: body bytes it may have had."""

    version: str
    cipher: str
    least: int
    most: int


@dataclass(frozen=True)
class OverTls:
    """Requests over TLS, by key, and the records of them."""

    seen: dict[str, Seen]
    records: dict[str, LogRecord]


@pytest.fixture(scope="module")
def over_tls(tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]) -> OverTls:
    """Made over TLS; prepared and read back without."""
    data = tmp_path_factory.mktemp("server") / "data"
    with Server(data) as server:
        _prepared(server, 16 * MIB)
        for version in ("TLSv1.2", "TLSv1.3"):
            server.client().copy_object(Bucket="src", Key=f"cut-{version}", CopySource="src/big")
    cert, key = certificate
    seen: dict[str, Seen] = {}
    with Server(data, "--tls-cert", str(cert), "--tls-key", str(key)) as server:
        assert server.endpoint.startswith("https://")
        for number in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            trusted = ssl.create_default_context(cafile=str(cert))
            trusted.minimum_version = trusted.maximum_version = number
            seen |= _asked(Sender(server.endpoint), trusted)
        server.deliver()
        assert server.stop() == 0
        assert "Traceback" not in server.errors()
    with Server(data) as server:
        records = [line.decode(text).record for text in server.lines("logs", "l/")]
        found = [record for record in records if record is not None]
        return OverTls(seen, {r.key or "": r for r in found if r.operation == "REST.GET.OBJECT"})


def _asked(sender: Sender, trusted: ssl.SSLContext) -> dict[str, Seen]:
    """A request for a missing key, and a download cut off."""
    seen: dict[str, Seen] = {}
    with Connection(sender.endpoint, trusted=trusted) as connection:
        version, cipher = _agreed(connection)
        connection.send(sender.signed("GET", f"/src/{version}"))
        answer = connection.answer()
        assert answer.status == 404
        seen[version] = Seen(version, cipher, len(answer.body), len(answer.body))
    with Connection(sender.endpoint, trusted=trusted, receive_bytes=65536) as connection:
        key = f"cut-{version}"
        connection.send(sender.signed("GET", f"/src/{key}"))
        connection.head()
        had = len(connection.read(MIB)) + connection.buffered
        assert isinstance(connection.socket, ssl.SSLSocket)
        encrypted = connection.deafen()
        connection.reset()
        # Of what is not decrypted yet, up to a record may be incomplete, and a little is framing.
        seen[key] = Seen(version, cipher, had, had + 16384 + encrypted)
    return seen


def _agreed(connection: Connection) -> tuple[str, str]:
    assert isinstance(connection.socket, ssl.SSLSocket)
    cipher = connection.socket.cipher()
    assert cipher is not None
    return connection.socket.version() or "", cipher[0]


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_version_and_cipher_are_those_of_the_handshake(over_tls: OverTls, version: str) -> None:
    seen, record = over_tls.seen[version], over_tls.records[version]
    assert judged(record) == ("REST.GET.OBJECT", 404, "NoSuchKey")
    assert (record.tls_version, record.cipher_suite) == (version, seen.cipher)
    assert (record.bytes_sent, record.signature_version) == (seen.most, "SigV4")


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_a_download_cut_off_under_tls_tells_what_came_of_it(
    over_tls: OverTls, version: str
) -> None:
    seen, record = over_tls.seen[f"cut-{version}"], over_tls.records[f"cut-{version}"]
    assert judged(record) == ("REST.GET.OBJECT", 200, None)
    assert seen.least <= (record.bytes_sent or 0) <= seen.most < 16 * MIB
    assert (record.tls_version, record.cipher_suite) == (version, seen.cipher)


def test_plain_http_has_neither(log: Log, sender: Sender) -> None:
    record = log.one(sender.ask(sender.signed("GET", "/src")).request_id)
    assert (record.tls_version, record.cipher_suite) == (None, None)
