"""How `bucketlog serve` starts: keys, settings, addresses, TLS, its own log; and why it doesn't."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from tests.support.raw import Sender
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server

HINT = re.compile(r"bucketlog: [^\n]+\n(  [^\n]+\n)?")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that others get in the way of."""
    with Server(tmp_path_factory.mktemp("first") / "data") as running:
        yield running


def refused(data: Path, *options: str, env: dict[str, str] | None = None) -> str:
    """What a server that can't start says: a message, perhaps a hint, and nothing else."""
    free = ("--listen", "127.0.0.1:0", "--console", "127.0.0.1:0")
    done = subprocess.run(
        [sys.executable, "-m", "bucketlog", "serve", "--data", str(data), *free, *options],
        env={
            **os.environ,
            "NO_COLOR": "1",
            "BUCKETLOG_ROOT_ACCESS_KEY": ACCESS_KEY,
            "BUCKETLOG_ROOT_SECRET_KEY": SECRET_KEY,
            **(env or {}),
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert HINT.fullmatch(done.stderr), done.stderr
    return done.stderr


# Why it doesn't start


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_is_a_problem(server: Server, tmp_path: Path, workers: str) -> None:
    """With several workers too, though they share theirs: not with another server."""
    address = server.endpoint.removeprefix("http://")
    told = refused(tmp_path / "data", "--listen", address, "--workers", workers)
    assert f"port {address.rpartition(':')[2]}: Address already in use" in told


def test_the_consoles_port_is_one_too(server: Server, tmp_path: Path) -> None:
    address = server.console.removeprefix("http://")
    told = refused(tmp_path / "data", "--console", address)
    assert "Address already in use" in told


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_data_folder_has_one_server(server: Server, workers: str) -> None:
    told = refused(server.data, "--workers", workers)
    assert f"Another server runs on the data folder {server.data}, at {server.endpoint}" in told
    assert server.process is not None
    assert f"(process {server.process.pid})" in told
    assert server.client().list_buckets()["Buckets"] == []
    assert json.loads((server.data / "run" / "server.json").read_text())["console"]


def test_an_address_of_another_machine_is_a_problem(tmp_path: Path) -> None:
    assert "192.0.2.1" in refused(tmp_path / "data", "--listen", "192.0.2.1:0")


@pytest.fixture
def fixed(tmp_path: Path) -> Iterator[Path]:
    """A folder that can't be written to."""
    folder = tmp_path / "fixed"
    folder.mkdir(mode=0o555)
    if os.getuid():
        yield folder
        return
    command = ["mount", "-t", "tmpfs", "-o", "ro", "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("root may write anywhere, and not mount here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_data_folder_that_may_not_be_written_is_a_problem(fixed: Path) -> None:
    for data in (fixed, fixed / "deeper"):
        told = refused(data)
        assert str(data) in told
        assert "Permission denied" in told or "Read-only file system" in told


def test_a_data_folder_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert str(tmp_path / "data") in refused(tmp_path / "data")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that a server has used."""
    data = tmp_path_factory.mktemp("made") / "data"
    with Server(data) as running:
        running.client().create_bucket(Bucket="bucket")
        running.stop()
    return data


def copied(made: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-r", str(made), str(tmp_path / "data")], check=True)
    return tmp_path / "data"


@pytest.mark.parametrize("name", ["state.db", "store/index.db"])
def test_a_database_that_is_none_is_a_problem(made: Path, tmp_path: Path, name: str) -> None:
    data = copied(made, tmp_path)
    (data / name).write_bytes(b"this is no database " * 1000)
    told = refused(data)
    assert str(data / name) in told
    assert "not a database" in told


@pytest.mark.parametrize("name", ["state.db", "store/index.db"])
def test_a_database_of_a_newer_version_is_a_problem(made: Path, tmp_path: Path, name: str) -> None:
    data = copied(made, tmp_path)
    with sqlite3.connect(data / name) as connection:
        if name == "state.db":
            connection.execute("UPDATE about SET schema = 99")
        else:
            connection.execute("PRAGMA user_version = 99")
    connection.close()
    told = refused(data)
    assert "99" in told
    assert "newer bucketlog" in told


SETTINGS = [
    (("--log-level", "loud"), {}, "--log-level can't be 'loud'"),
    ((), {"BUCKETLOG_SERVER_WORKERS": "none"}, "BUCKETLOG_SERVER_WORKERS can't be 'none'"),
    ((), {"BUCKETLOG_SERVR_WORKERS": "1"}, "Did you mean BUCKETLOG_SERVER_WORKERS?"),
    (("--tls-cert", "cert.pem"), {}, "server.tls_key is not"),
    (("--tls-cert", "no.pem", "--tls-key", "no.pem"), {}, "no.pem can't be used"),
    (("--config", "/nowhere.toml"), {}, "/nowhere.toml can't be read"),
    ((), {"BUCKETLOG_ROOT_SECRET_KEY": ""}, "BUCKETLOG_ROOT_SECRET_KEY is not set"),
]


@pytest.mark.parametrize(("options", "env", "words"), SETTINGS)
def test_a_setting_that_cannot_be_right_is_a_problem(
    tmp_path: Path, options: tuple[str, ...], env: dict[str, str], words: str
) -> None:
    assert words in refused(tmp_path / "data", *options, env=env)


def test_an_unknown_setting_in_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "bucketlog.toml").write_text("[server]\nworker = 2\n")
    told = refused(tmp_path / "data", "--config", str(tmp_path / "bucketlog.toml"))
    assert "There is no setting server.worker" in told
    assert "Did you mean server.workers?" in told


# The root's keys


def test_the_first_start_alone_prints_the_roots_keys(tmp_path: Path) -> None:
    unset = {"BUCKETLOG_ROOT_ACCESS_KEY": "", "BUCKETLOG_ROOT_SECRET_KEY": ""}
    with Server(tmp_path / "data", env=unset) as server:
        found = dict(re.findall(r"  AWS_(\w+)=(\S+)\n", server.errors()))
        keys = (found["ACCESS_KEY_ID"], found["SECRET_ACCESS_KEY"])
        assert server.client(*keys).list_buckets()["Owner"]["DisplayName"] == "root"
        server.stop()
        server.start()
        assert server.errors().count("AWS_SECRET_ACCESS_KEY") == 1
        assert server.client(*keys).list_buckets()["Buckets"] == []
    assert "AWS_SECRET" not in (tmp_path / "data" / "run").as_posix()


def test_keys_that_are_given_are_not_printed(server: Server) -> None:
    assert SECRET_KEY not in server.errors()
    assert "root account" not in server.errors()


# Settings from everywhere


def test_settings_come_from_file_environment_and_flags(tmp_path: Path) -> None:
    (tmp_path / "bucketlog.toml").write_text(
        '[server]\nregions = ["eu-central-1", "eu-west-1"]\n[log]\nlevel = "error"\n'
        "[limits]\nhead_bytes = 3000\n"
    )
    config = {"BUCKETLOG_CONFIG": str(tmp_path / "bucketlog.toml"), "BUCKETLOG_LOG_LEVEL": "info"}
    with Server(tmp_path / "data", "--log-format", "json", env=config) as server:
        s3 = server.client(region="eu-central-1")
        s3.create_bucket(Bucket="here")
        assert s3.head_bucket(Bucket="here")["BucketRegion"] == "eu-central-1"
        sender = Sender(server.endpoint)
        long = sender.written("GET", "/here", [("X-Long", "x" * 3000)])
        assert sender.ask(long).code == "RequestHeaderSectionTooLarge"
        assert server.stop() == 0
        lines = server.errors().splitlines()[1:]
    events = [json.loads(text) for text in lines]
    assert [event["message"] for event in events] == ["stopping"]
    assert {"time", "level", "message"} <= set(events[0]) or {"timestamp", "level"} <= set(
        events[0]
    )


# Where it listens


def test_it_listens_on_ipv6(tmp_path: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    options = ("--listen", "[::1]:0", "--console", "[::1]:0", "--workers", "2")
    with Server(tmp_path / "data", *options) as server:
        assert re.fullmatch(r"http://\[::1\]:\d+", server.endpoint)
        assert server.client().list_buckets()["Buckets"] == []
        with urllib.request.urlopen(f"{server.console}/healthz") as answer:
            assert answer.read() == b"ok\n"


def test_it_listens_everywhere_where_no_host_is_named(tmp_path: Path) -> None:
    """On IPv4 and IPv6, from one process or several."""
    with Server(tmp_path / "data", "--listen", ":0", "--workers", "2") as server:
        port = int(server.endpoint.rpartition(":")[2])
        for host in ("127.0.0.1", "::1") if socket.has_dualstack_ipv6() else ("127.0.0.1",):
            with socket.create_connection((host, port)) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert client.recv(12) == b"HTTP/1.1 403"


def test_boto3_and_old_clients_speak_tls(tmp_path: Path) -> None:
    from tests.support.certificates import self_signed

    cert, key = self_signed(tmp_path)
    with Server(tmp_path / "data", "--tls-cert", str(cert), "--tls-key", str(key)) as server:
        assert server.endpoint.startswith("https://127.0.0.1:")
        s3 = boto3.client(
            "s3",
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            verify=str(cert),
            config=Config(s3={"addressing_style": "path"}),
        )
        s3.create_bucket(Bucket="bucket")
        data = os.urandom(300_000)
        s3.put_object(Bucket="bucket", Key="k", Body=data)
        assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == data
        url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"})
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            trusted = ssl.create_default_context(cafile=str(cert))
            trusted.minimum_version = trusted.maximum_version = version
            with urllib.request.urlopen(url, context=trusted) as answer:
                assert answer.read() == data
        assert server.stop() == 0
        assert "Traceback" not in server.errors()
