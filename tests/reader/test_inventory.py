"""S3 Inventory manifests name the objects to read: as CSV, Parquet or ORC, on disk or in S3."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import orc
from tests.support.log_lines import ids, line
from tests.support.troubled_s3 import TroubledS3

import bucketlog
from bucketlog.problems import Problem
from bucketlog.reader import inventory
from bucketlog.reader.account import Account

KEYS = ["l/a", "l/b c+d", "l/é%20", "l/z"]
COLUMNS = ["Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate"]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[TroubledS3]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with TroubledS3({key: line(number) for number, key in enumerate(KEYS)}) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.endpoint)
        yield store


def rows() -> list[dict[str, Any]]:
    """The objects, an older version, and a delete marker."""
    common = {"Bucket": "logs", "VersionId": "v", "LastModifiedDate": "2026-03-03T00:00:00.000Z"}
    found = [
        {**common, "Key": key, "IsLatest": True, "IsDeleteMarker": False, "Size": len(line(number))}
        for number, key in enumerate(KEYS)
    ]
    older = {**common, "Key": "l/a", "IsLatest": False, "IsDeleteMarker": False, "Size": 3}
    deleted = {**common, "Key": "l/gone", "IsLatest": True, "IsDeleteMarker": True, "Size": None}
    return [found[0], older, *found[1:], deleted]


def as_csv(columns: list[str]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for row in rows():
        told = {**row, "Key": quote_plus(row["Key"], safe="/")}
        values = [told[name] for name in columns]
        writer.writerow(
            str(each).lower() if isinstance(each, bool) else "" if each is None else each
            for each in values
        )
    return gzip.compress(text.getvalue().encode())


def as_table() -> pa.Table:
    names = {
        **{name: name.lower() for name in COLUMNS},
        "VersionId": "version_id",
        "IsLatest": "is_latest",
        "IsDeleteMarker": "is_delete_marker",
        "LastModifiedDate": "last_modified_date",
    }
    return pa.Table.from_pylist([{names[k]: v for k, v in row.items()} for row in rows()])


def files() -> dict[str, tuple[str, bytes]]:
    parquet, orcs = io.BytesIO(), io.BytesIO()
    pq.write_table(as_table(), parquet)
    orc.write_table(as_table(), orcs)
    return {
        "CSV": (", ".join(COLUMNS), as_csv(COLUMNS)),
        "Parquet": ("message s3.inventory { ... }", parquet.getvalue()),
        "ORC": ("struct<bucket:string,...>", orcs.getvalue()),
    }


def manifest(format: str, schema: str, data: bytes, key: str = "inv/data/file") -> bytes:
    return json.dumps(
        {
            "sourceBucket": "logs",
            "destinationBucket": "arn:aws:s3:::logs",
            "version": "2016-11-30",
            "fileFormat": format,
            "fileSchema": schema,
            "files": [
                {"key": key, "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest()}
            ],
        }
    ).encode()


def read(*given: object, **options: Any) -> tuple[list[str], Account]:
    with bucketlog.scan(*given, ordered=True, **options) as scan:
        found = [each for batch in scan for each in batch.column("request_id").to_pylist()]
    assert scan.account.adds_up
    return found, scan.account


@pytest.mark.parametrize("format", ["CSV", "Parquet", "ORC"])
@pytest.mark.parametrize("layout", ["../data", "data", "."])
def test_a_manifest_on_disk_finds_its_files_and_objects_in_s3(
    s3: TroubledS3, tmp_path: Path, format: str, layout: str
) -> None:
    schema, data = files()[format]
    folder = tmp_path / "2026-03-03T00-00Z"
    (folder / layout).mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    (folder / layout / "file").write_bytes(data)
    (folder / "manifest.json").write_bytes(manifest(format, schema, data))
    found, account = read(folder / "manifest.json")
    assert found == ids(0, 4)
    assert (account.objects, account.troubles) == (4, 0)
    assert account.longest_lag is not None
    assert not any(key == "?" for key, _ in s3.asked)  # nothing was listed


def test_a_manifest_in_s3_is_read_from_there(s3: TroubledS3) -> None:
    schema, data = files()["CSV"]
    s3.objects |= {"inv/manifest.json": manifest("CSV", schema, data), "inv/data/file": data}
    assert read("s3://logs/inv/manifest.json")[0] == ids(0, 4)
    resumed = read("s3://logs/inv/manifest.json", start_after="s3://logs/l/b c+d")
    assert resumed[0] == ids(2, 2)
    with pytest.raises(Problem, match="doesn't list"):
        read("s3://logs/inv/manifest.json", start_after="s3://logs/other")


def test_an_inventory_without_sizes_and_buckets_is_enough(s3: TroubledS3, tmp_path: Path) -> None:
    data = as_csv(["Bucket", "Key"])
    (tmp_path / "file").write_bytes(data)
    (tmp_path / "manifest.json").write_bytes(manifest("CSV", "Bucket, Key", data))
    found, account = read(tmp_path / "manifest.json")
    assert found == ids(0, 1) + ids(0, 4)  # it doesn't say which versions are old
    assert [each.name for each in account.objects_in_trouble] == ["s3://logs/l/gone"]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.unlink(), "it is gone"),
        (lambda path: path.write_bytes(b"x"), "MD5"),
    ],
)
def test_a_file_of_the_inventory_that_can_not_be_read_is_named(
    s3: TroubledS3, tmp_path: Path, spoil: Any, reason: str
) -> None:
    schema, data = files()["CSV"]
    (tmp_path / "file").write_bytes(data)
    (tmp_path / "manifest.json").write_bytes(manifest("CSV", schema, data))
    spoil(tmp_path / "file")
    with bucketlog.scan(tmp_path / "manifest.json") as scan, pytest.raises(Problem, match=reason):
        list(scan)


def test_an_unknown_format_and_damage_are_told(s3: TroubledS3, tmp_path: Path) -> None:
    for format, data in (("AVRO", b"x"), ("Parquet", b"PAR1"), ("ORC", b"ORC"), ("CSV", b"\xff")):
        (tmp_path / "file").write_bytes(data)
        (tmp_path / "manifest.json").write_bytes(manifest(format, "Bucket, Key", data))
        with pytest.raises(Problem, match="this file of the inventory can't be read"):
            read(tmp_path / "manifest.json")


def test_what_is_no_manifest_is_told_apart(s3: TroubledS3, tmp_path: Path) -> None:
    for data in (b"", b"[]", b"{}", b'{"files": 3}', b'{"files": [{"key": 1}]}', b"\xff"):
        assert inventory.parse(data) is None
    path = tmp_path / "manifest.json"  # a log that is called so
    path.write_bytes(line(0))
    assert read(path)[0] == ids(0, 1)
    s3.objects["x/manifest.json"] = b"{}"
    with pytest.raises(Problem, match="is no manifest"):
        read("s3://logs/x/manifest.json")
    with pytest.raises(Problem, match="it is gone"):
        read("s3://logs/y/manifest.json")
