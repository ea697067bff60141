"""What a server logged and delivered is read back from it by `s3://`, record by record."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import obstore
import pytest
from obstore.store import S3Store
from tests.support.log_lines import ids, lines
from tests.support.server import ACCESS_KEY, SECRET_KEY, Server

import bucketlog
from bucketlog.problems import Problem
from bucketlog.reader.objects import Position


@pytest.fixture
def endpoint(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server as the AWS settings have it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    return server.endpoint


@pytest.fixture(scope="module")
def bucket(server: Server) -> str:
    """1200 small objects, so more than a page, and one of each other sort."""
    s3 = server.client()
    s3.create_bucket(Bucket="read")
    store = S3Store(
        "read",
        endpoint=server.endpoint,
        region="us-east-1",
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        client_options={"allow_http": True},
    )

    def put(number: int) -> None:
        obstore.put(store, f"many/{number:04}", lines(number * 3, 3))

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(put, range(1200)))) == 1200
    s3.put_object(Bucket="read", Key="other/zip", Body=gzip.compress(lines(0, 9)))
    s3.put_object(Bucket="read", Key="other/picture", Body=b"\x89PNG\r\n" + bytes(99))
    s3.put_object(Bucket="read", Key="other/empty", Body=b"")
    s3.put_object(Bucket="read", Key="other/ü b%20+", Body=lines(9, 1))
    s3.put_object(Bucket="read", Key="big", Body=lines(0, 60_000))
    return "s3://read"


def test_what_was_done_is_what_is_read(server: Server, endpoint: str) -> None:
    s3 = server.client()
    for number in range(20):
        s3.put_object(Bucket="src", Key=f"read me/{number}", Body=b"x" * number)
    server.deliver()
    with bucketlog.scan("s3://logs/l/") as scan:
        rows = [row for batch in scan for row in batch.to_pylist()]
    puts = {row["key"]: row for row in rows if (row["key"] or "").startswith("read")}
    assert len(puts) == 20
    assert {row["operation"] for row in puts.values()} == {"REST.PUT.OBJECT"}
    assert sorted(row["object_size"] for row in puts.values()) == [*range(20)]
    account = scan.account
    assert account.adds_up
    assert (account.rejected, account.ambiguous, account.troubles) == (0, 0, 0)
    assert account.lines == len(server.lines("logs", "l/"))
    assert account.eras == {"2026": account.rows}
    assert account.longest_lag is not None
    assert account.longest_lag < timedelta(minutes=5)


def test_small_objects_of_several_pages_are_read_in_order(bucket: str, endpoint: str) -> None:
    with bucketlog.scan(f"{bucket}/many/", ordered=True) as scan:
        found = [each for batch in scan for each in batch.column("request_id").to_pylist()]
    assert found == ids(0, 3600)
    assert scan.account.objects == 1200
    assert scan.position == Position("s3://read/many/1199")


def test_a_prefix_a_glob_and_resuming_ask_for_no_more_than_that(bucket: str, endpoint: str) -> None:
    assert bucketlog.read(f"{bucket}/many/00").num_rows == 300
    assert bucketlog.read(f"{bucket}/many/*7").num_rows == 360
    rest = bucketlog.read(f"{bucket}/many/", start_after="s3://read/many/1189")
    assert rest["request_id"].to_pylist() == ids(3570, 30)


def test_objects_of_every_sort_are_read_or_named(bucket: str, endpoint: str) -> None:
    with bucketlog.scan(f"{bucket}/other/", ordered=True) as scan:
        found = [each for batch in scan for each in batch.column("request_id").to_pylist()]
    assert found == ids(0, 10)
    assert [(each.name, each.reason) for each in scan.account.objects_in_trouble] == [
        ("s3://read/other/picture", "not a log: it is a PNG picture")
    ]
    assert scan.account.objects == 4


def test_a_big_object_is_read_in_ranges(bucket: str, endpoint: str) -> None:
    table = bucketlog.read(f"{bucket}/big", ordered=True)
    assert table["request_id"].to_pylist() == ids(0, 60_000)
    assert table["line_number"].to_pylist() == [*range(1, 60_001)]


def test_a_bucket_that_is_not_there_and_wrong_keys_are_problems(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Problem, match="there is no such bucket"):
        bucketlog.read("s3://no-such-bucket/")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(Problem, match="the secret key is wrong"):
        bucketlog.read("s3://logs/l/")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY0000000000")
    with pytest.raises(Problem, match="doesn't know the access key"):
        bucketlog.read("s3://logs/l/")
