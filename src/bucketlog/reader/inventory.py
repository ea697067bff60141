"""S3 Inventory manifests: a list of objects that Amazon wrote, read instead of listing a bucket.

A manifest names files of CSV (gzip), Parquet or ORC; each names objects of the source bucket, with
their size and time where the inventory has these columns. Keys in CSV are URL-encoded. Versions
that aren't the latest and delete markers are passed over.

Source: Amazon S3 User Guide, "Locating your inventory list" and "Inventory lists".
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from bucketlog.problems import Problem
from bucketlog.reader import compression
from bucketlog.reader.access import Access
from bucketlog.reader.compression import Damaged
from bucketlog.reader.files import Files
from bucketlog.reader.objects import SourceObject, Trouble, Unreadable

Found = SourceObject | Trouble

_MOST_BYTES = 1 << 30
_FILES = Files()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says. `files` are keys in the destination bucket, with their MD5."""

    source_bucket: str
    destination_bucket: str
    format: str
    columns: tuple[str, ...]
    files: tuple[tuple[str, str | None], ...]


def parse(data: bytes) -> Manifest | None:
    """The manifest that the bytes are; None if they are something else."""
    try:
        told = json.loads(data)
        files = tuple((each["key"], each.get("MD5checksum")) for each in told["files"])
        return Manifest(
            told["sourceBucket"],
            told["destinationBucket"].rpartition(":")[2],
            told["fileFormat"].upper(),
            tuple(_normal(name) for name in told["fileSchema"].split(",")),
            files,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class Inventory:
    """The objects that a manifest's files list, in their order."""

    def __init__(self, manifest: SourceObject, access: Access) -> None:
        self.name = manifest.name
        self._object = manifest
        self._access = access

    def objects(self, start_after: str | None) -> Iterator[Found]:
        """Its objects. Those behind `start_after`, in its order, if that is given."""
        is_passing = start_after is not None
        for found in self._all():
            if is_passing:
                is_passing = not (isinstance(found, SourceObject) and found.name == start_after)
            else:
                yield found
        if is_passing:
            raise Problem(
                f"{self.name} doesn't list {start_after}.", "Reading was to resume there."
            )

    def holds(self, name: str) -> bool:
        """Whether an object of that name could be one of its."""
        return name.startswith("s3://")

    def one(self, name: str) -> Found:
        """The object of that name."""
        bucket, _, key = name.removeprefix("s3://").partition("/")
        return self._access.bucket(bucket).object(key)

    def _all(self) -> Iterator[Found]:
        try:
            manifest = parse(self._object.store.whole(self._object, _MOST_BYTES) or b"")
        except Unreadable as error:
            raise Problem(f"{self.name} can't be read: {error}.", None) from error
        if manifest is None:
            raise Problem(
                f"{self.name} is no manifest of an S3 Inventory.",
                "It is JSON, with sourceBucket, destinationBucket, fileFormat and files.",
            )
        for key, checksum in manifest.files:
            file = self._file(manifest, key)
            try:
                yield from self._of_file(manifest, file, checksum)
            except (Unreadable, Damaged, UnicodeDecodeError, csv.Error, ValueError, KeyError) as e:
                yield Trouble(file.name, f"this file of the inventory can't be read: {e}")

    def _file(self, manifest: Manifest, key: str) -> SourceObject:
        """A file of the inventory: in the destination bucket, or beside a manifest on disk."""
        if self._object.name.startswith("s3://"):
            return self._access.bucket(manifest.destination_bucket).object(key)
        folder, name = os.path.dirname(self._object.key), key.rpartition("/")[2]
        # As Amazon lays it out: ID/DATE/manifest.json and ID/data/NAME; or all in one folder.
        places = (
            os.path.join(folder, os.pardir, "data", name),
            os.path.join(folder, "data", name),
            os.path.join(folder, name),
        )
        path = next((place for place in places if os.path.exists(place)), places[0])
        path = os.path.normpath(path)
        return SourceObject(path, path, _FILES)

    def _of_file(
        self, manifest: Manifest, file: SourceObject, checksum: str | None
    ) -> Iterator[Found]:
        data = file.store.whole(file, _MOST_BYTES)
        if data is None:
            raise Unreadable("it is larger than 1 GiB")
        if checksum and hashlib.md5(data, usedforsecurity=False).hexdigest() != checksum.lower():
            raise Unreadable("its MD5 isn't the one in the manifest")
        entries = _of_csv(manifest, data) if manifest.format == "CSV" else _of_table(manifest, data)
        for entry in entries:
            if entry.get("islatest") in (False, "false"):
                continue
            if entry.get("isdeletemarker") in (True, "true"):
                continue
            key = entry["key"]
            name = entry.get("bucket") or manifest.source_bucket
            size = entry.get("size")
            yield self._access.bucket(name).object(
                key, None if size in (None, "") else int(size), _time(entry.get("lastmodifieddate"))
            )


def _normal(column: str) -> str:
    """CSV says LastModifiedDate, Parquet and ORC last_modified_date."""
    return column.strip().replace("_", "").lower()


def _of_csv(manifest: Manifest, data: bytes) -> Iterator[dict[str, Any]]:
    chunks = compression.expand([data], lambda: [data])
    text = io.TextIOWrapper(io.BufferedReader(compression.Pulled(chunks)), "utf-8", newline="")
    for row in csv.reader(text):
        if len(row) < 2:
            continue
        entry: dict[str, Any] = dict(zip(manifest.columns, row, strict=False))
        entry["key"] = unquote_plus(entry["key"])
        yield entry


def _of_table(manifest: Manifest, data: bytes) -> Iterator[dict[str, Any]]:
    import pyarrow as pa

    wanted = {"bucket", "key", "size", "lastmodifieddate", "islatest", "isdeletemarker"}
    try:
        for batch in _batches(manifest.format, data):
            names = [name for name in batch.schema.names if _normal(name) in wanted]
            for row in batch.select(names).to_pylist():
                yield {_normal(name): value for name, value in row.items()}
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(str(error).partition("\n")[0]) from error


def _batches(format: str, data: bytes) -> Iterator[Any]:
    if format == "PARQUET":
        import pyarrow.parquet as pq

        yield from pq.ParquetFile(io.BytesIO(data)).iter_batches()
        return
    if format == "ORC":
        from pyarrow import orc

        file = orc.ORCFile(io.BytesIO(data))
        yield from (file.read_stripe(number) for number in range(file.nstripes))
        return
    raise Unreadable(f"the format {format} isn't known; CSV, Parquet and ORC are")


def _time(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if not value:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None
