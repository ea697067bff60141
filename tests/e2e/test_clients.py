"""The clients people have: each stores and reads back a file, and the log tells what it did."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server

from bucketlog.accesslog import line
from bucketlog.accesslog.record import LogRecord

MIB = 1 << 20


def _run(server: Server, *command: str) -> str:
    done = subprocess.run(
        command,
        env={
            **os.environ,
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def _aws(server: Server, *arguments: str) -> str:
    return _run(server, sys.executable, "-m", "awscli", *arguments)


def _s3cmd(server: Server, *arguments: str) -> str:
    program = shutil.which("s3cmd", path=str(Path(sys.executable).parent))
    assert program is not None
    host = server.endpoint.removeprefix("http://")
    return _run(
        server,
        *(sys.executable, program, "--config", os.devnull, "--no-ssl"),
        *("--host", host, "--host-bucket", host),
        *("--access_key", ACCESS_KEY, "--secret_key", SECRET_KEY, *arguments),
    )


def _records(server: Server, key: str) -> list[LogRecord]:
    server.deliver()
    decoded = [line.decode(one) for one in server.lines("logs", "l/")]
    assert [one for one in decoded if one.record is None] == []
    return [one.record for one in decoded if one.record is not None and one.record.key == key]


def _operations(records: list[LogRecord]) -> list[str | None]:
    return [record.operation for record in records]


@pytest.mark.parametrize("size", [0, 1, 5000, 9 * MIB + 17], ids=["empty", "byte", "small", "9MiB"])
def test_aws_cli_round_trip(server: Server, tmp_path: Path, size: int) -> None:
    """With the default checksums; over 8 MB it sends parts."""
    data = os.urandom(size)
    (tmp_path / "in").write_bytes(data)
    key = f"aws/{size}.bin"
    _aws(server, "s3", "cp", "--quiet", str(tmp_path / "in"), f"s3://src/{key}")
    _aws(server, "s3", "cp", "--quiet", f"s3://src/{key}", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == data
    records = _records(server, key)
    operations = _operations(records)
    if size > 8 * MIB:
        assert operations.count("REST.POST.UPLOADS") == 1
        assert operations.count("REST.PUT.PART") == 2
        assert operations.count("REST.POST.UPLOAD") == 1
    else:
        assert operations.count("REST.PUT.OBJECT") == 1
    sent = sum(r.bytes_sent or 0 for r in records if r.operation == "REST.GET.OBJECT")
    assert sent == size
    assert all((r.user_agent or "").startswith("aws-cli/") for r in records)


def test_aws_cli_switches_logging_on_and_shows_it(server: Server) -> None:
    _aws(server, "s3api", "create-bucket", "--bucket", "by-cli")
    assert _aws(server, "s3api", "get-bucket-logging", "--bucket", "by-cli").strip() == ""
    rule = '{"LoggingEnabled":{"TargetBucket":"logs","TargetPrefix":"cli/"}}'
    _aws(
        server,
        *("s3api", "put-bucket-logging", "--bucket", "by-cli", "--bucket-logging-status", rule),
    )
    assert '"cli/"' in _aws(server, "s3api", "get-bucket-logging", "--bucket", "by-cli")


def test_aws_cli_sync_and_recursive_delete(server: Server, tmp_path: Path) -> None:
    for name in ("a.txt", "b b.txt", "ü+&.txt"):
        (tmp_path / name).write_text(name)
    _aws(server, "s3", "sync", "--quiet", str(tmp_path), "s3://src/sync/")
    listed = _aws(server, "s3", "ls", "s3://src/sync/")
    assert all(name in listed for name in ("a.txt", "b b.txt", "ü+&.txt"))
    _aws(server, "s3", "rm", "--quiet", "--recursive", "s3://src/sync/")
    assert "REST.PUT.OBJECT" in _operations(_records(server, "sync/ü+&.txt"))


@pytest.mark.parametrize("size", [100, 16 * MIB], ids=["small", "16MiB"])
def test_s3cmd_round_trip(server: Server, tmp_path: Path, size: int) -> None:
    """It sends no User-Agent at all: the record shows a dash."""
    data = os.urandom(size)
    (tmp_path / "in").write_bytes(data)
    key = f"s3cmd/{size} ü.bin"
    _s3cmd(server, "put", str(tmp_path / "in"), f"s3://src/{key}")
    _s3cmd(server, "get", f"s3://src/{key}", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == data
    records = _records(server, key)
    assert "REST.GET.OBJECT" in _operations(records)
    assert {r.user_agent for r in records} == {None}


def test_s3cmd_reads_the_rule(server: Server) -> None:
    assert "s3://logs/l/" in _s3cmd(server, "info", "s3://src") + _s3cmd(
        server, "accesslog", "s3://src"
    )


@pytest.mark.parametrize("version", ["SigV2", "SigV4"])
def test_curl_with_presigned_urls(server: Server, tmp_path: Path, version: str) -> None:
    """boto3 presigns by Version 2 unless it is told otherwise."""
    s3 = server.client(**({"signature_version": "s3v4"} if version == "SigV4" else {}))
    data = os.urandom(70_000)
    (tmp_path / "in").write_bytes(data)
    params = {"Bucket": "src", "Key": f"curl/{version} ü +%41.bin"}
    put = s3.generate_presigned_url("put_object", Params=params)
    _run(server, "curl", "-sSf", "-T", str(tmp_path / "in"), put)
    get = s3.generate_presigned_url("get_object", Params=params)
    _run(server, "curl", "-sSf", "-o", str(tmp_path / "out"), get)
    assert (tmp_path / "out").read_bytes() == data
    _run(server, "curl", "-sSf", "-o", str(tmp_path / "part"), "-r", "10-19", get)
    assert (tmp_path / "part").read_bytes() == data[10:20]
    records = _records(server, params["Key"])
    assert _operations(records) == ["REST.PUT.OBJECT", "REST.GET.OBJECT", "REST.GET.OBJECT"]
    assert {r.authentication_type for r in records} == {"QueryString"}
    assert {r.signature_version for r in records} == {version}
    assert [r.bytes_sent for r in records] == [None, 70_000, 10]
    assert [r.http_status for r in records] == [200, 200, 206]


def test_a_presigned_upload_carries_headers_in_its_url(server: Server, tmp_path: Path) -> None:
    s3 = server.client()
    (tmp_path / "in").write_bytes(b"x")
    params = {"Bucket": "src", "Key": "curl/meta"}
    put = s3.generate_presigned_url("put_object", Params={**params, "Metadata": {"a": "b c"}})
    _run(server, "curl", "-sSf", "-T", str(tmp_path / "in"), put)
    assert s3.head_object(**params)["Metadata"] == {"a": "b c"}


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_boto3_signs_headers_by_version_2(tmp_path: Path, style: str) -> None:
    """`signature_version="s3"`: all that a script does, multipart and sub-resources included."""
    with Server(tmp_path / "data", "--domain", "s3.test") as running:
        options: dict[str, Any] = {"s3": {"addressing_style": style}, "signature_version": "s3"}
        if style == "virtual":
            # No name server knows the host; a proxy is told it in the request line.
            options["proxies"] = {"http": running.endpoint}
            running.endpoint = "http://s3.test"
        s3 = running.client(**options)
        params = {"Bucket": "by-v2", "Key": "a/ü +&=?%41.bin"}
        s3.create_bucket(Bucket="by-v2")
        s3.put_object(**params, Body=b"1", Metadata={"m": "n"}, ContentType="text/x")
        found = s3.get_object(**params, ResponseContentType="text/y; a=b+c")
        assert (found["Body"].read(), found["Metadata"]) == (b"1", {"m": "n"})
        assert found["ContentType"] == "text/y; a=b+c"
        upload = s3.create_multipart_upload(**params)["UploadId"]
        part = s3.upload_part(**params, UploadId=upload, PartNumber=1, Body=b"p")
        parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
        s3.complete_multipart_upload(**params, UploadId=upload, MultipartUpload=parts)
        s3.copy_object(Bucket="by-v2", Key="copy", CopySource=params)
        listed = s3.list_objects_v2(Bucket="by-v2", Prefix="")["Contents"]
        assert [entry["Key"] for entry in listed] == [params["Key"], "copy"]
        assert s3.get_bucket_acl(Bucket="by-v2")["Grants"]
        s3.delete_objects(Bucket="by-v2", Delete={"Objects": [{"Key": "copy"}]})
        s3.delete_object(**params)
        s3.delete_bucket(Bucket="by-v2")


def test_s3cmd_signs_by_version_2(server: Server, tmp_path: Path) -> None:
    """A second implementation of it: header and URL."""
    (tmp_path / "in").write_bytes(b"by s3cmd")
    key = "s3cmd/v2 ü.bin"
    _s3cmd(server, "--signature-v2", "put", str(tmp_path / "in"), f"s3://src/{key}")
    _s3cmd(server, "--signature-v2", "get", f"s3://src/{key}", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == b"by s3cmd"
    url = _s3cmd(server, "--signature-v2", "signurl", f"s3://src/{key}", "+60").strip()
    assert _run(server, "curl", "-sSf", url) == "by s3cmd"
    records = _records(server, key)
    assert {r.signature_version for r in records} == {"SigV2"}
    assert [r.authentication_type for r in records][-1] == "QueryString"


def test_version_2_can_be_switched_off(tmp_path: Path) -> None:
    with Server(tmp_path / "data", env={"BUCKETLOG_SERVER_SIGV2": "false"}) as running:
        running.client().create_bucket(Bucket="no-v2")
        url = running.client().generate_presigned_url("list_objects_v2", Params={"Bucket": "no-v2"})
        answer = _run(running, "curl", "-sS", "-w", "%{http_code}", url)
        assert answer.endswith("400")
        assert "<Code>InvalidRequest</Code>" in answer
        newer = running.client(signature_version="s3v4")
        url = newer.generate_presigned_url("list_objects_v2", Params={"Bucket": "no-v2"})
        assert "ListBucketResult" in _run(running, "curl", "-sSf", url)


def test_curl_signs_by_itself(server: Server) -> None:
    """`--aws-sigv4` is a third implementation of the signature."""
    _run(
        server,
        *("curl", "-sSf", "--aws-sigv4", "aws:amz:us-east-1:s3"),
        *("--user", f"{ACCESS_KEY}:{SECRET_KEY}", "-X", "PUT", "--data-binary", "hello"),
        *("-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", f"{server.endpoint}/src/by-curl"),
    )
    body = server.client().get_object(Bucket="src", Key="by-curl")["Body"].read()
    assert body == b"hello"


def test_virtual_host_style(tmp_path: Path) -> None:
    """The bucket in the host name, signed by boto3, resolved to this machine by curl."""
    with Server(tmp_path / "data", "--domain", "s3.test") as running:
        running.client().create_bucket(Bucket="by-host")
        port = running.endpoint.rpartition(":")[2]
        plain = running.endpoint
        running.endpoint = f"http://s3.test:{port}"
        s3 = running.client(s3={"addressing_style": "virtual"}, signature_version="s3v4")
        running.endpoint = plain
        params = {"Bucket": "by-host", "Key": "k/ö"}
        (tmp_path / "in").write_bytes(b"v")
        resolve = ("--resolve", f"by-host.s3.test:{port}:127.0.0.1")
        put = s3.generate_presigned_url("put_object", Params=params)
        assert put.startswith(f"http://by-host.s3.test:{port}/k/")
        _run(running, "curl", "-sSf", *resolve, "-T", str(tmp_path / "in"), put)
        get = s3.generate_presigned_url("get_object", Params=params)
        assert _run(running, "curl", "-sSf", *resolve, get) == "v"
        body = running.client().get_object(**params)["Body"].read()
        assert body == b"v"
