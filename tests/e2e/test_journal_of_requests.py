"""What the server says on stderr."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from tests.support.server import Server


def test_debug_tells_of_each_request_but_not_its_signature(tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--log-level", "debug", "--log-format", "json") as server:
        s3 = server.client(signature_version="s3v4")
        s3.create_bucket(Bucket="src")
        s3.put_object(Bucket="src", Key="k", Body=b"hello")
        params = {"Bucket": "src", "Key": "k"}
        with urllib.request.urlopen(s3.generate_presigned_url("get_object", params)) as answer:
            request_id = answer.headers["x-amz-request-id"]
        server.stop()
    told = [json.loads(line) for line in server.errors().splitlines() if line.startswith("{")]
    (event,) = [event for event in told if event.get("request_id") == request_id]
    assert event["level"] == "DEBUG"
    assert event["message"] == "GET /src/k"
    assert event["operation"] == "GetObject"
    assert event["status"] == 200
    assert event["bytes_sent"] == 5
    assert "Signature" not in server.errors()
