"""A process that writes to a store until it is killed, telling on stdout what was acknowledged.

Run as `python -m tests.support.busy_store FOLDER SEED`. Each line begun with "try" says what is
about to be done, and the line "done" that it was acknowledged. Content is a function of a number,
so whoever looks afterwards can tell a whole object from a half one.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path
from random import Random

from tests.support.calls import ALICE, Client, account

from bucketlog.backends.files.store import Store
from bucketlog.s3.errors import S3Error

KEYS = [f"key{number}" for number in range(5)]


def content(number: int) -> bytes:
    """Some content: between nothing and several files' worth, told apart by its number."""
    size = (0, 10, 5_000, 300_000, 900_000)[number % 5]
    return hashlib.shake_128(str(number).encode()).digest(size)


async def step(client: Client, chance: Random, number: int) -> None:
    """One change, announced before it is made and after it is acknowledged."""
    key = chance.choice(KEYS)
    kind = chance.choice(("put", "put", "copy", "delete", "parts"))
    other = chance.choice(KEYS)
    print("try", kind, key, number, other, flush=True)
    if kind == "put":
        await client.put("bucket", key, content(number))
    elif kind == "delete":
        await client.send("DELETE", f"/bucket/{key}")
    elif kind == "copy":
        headers = {
            "x-amz-copy-source": f"/bucket/{other}",
            "x-amz-metadata-directive": "REPLACE",
        }
        try:
            await client.send("PUT", f"/bucket/{key}", headers)
        except S3Error as error:
            if error.code != "NoSuchKey":
                raise
            print("void", flush=True)
            return
    else:
        await upload(client, key, content(number))
    print("done", flush=True)


async def upload(client: Client, key: str, body: bytes) -> None:
    """Stores content by a multipart upload of one part."""
    begun = await client.send("POST", f"/bucket/{key}?uploads")
    upload_id = begun.text("UploadId")
    target = f"/bucket/{key}?uploadId={upload_id}"
    stored = await client.send("PUT", f"{target}&partNumber=1", body=body)
    part = f"<Part><PartNumber>1</PartNumber><ETag>{stored.etag}</ETag></Part>"
    document = f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>"
    await client.send("POST", target, body=document.encode())


async def main(folder: Path, seed: int) -> None:
    store = Store(folder)
    client = Client(store, account(ALICE))
    await client.bucket("bucket")
    chance = Random(seed)
    number = seed * 1_000_000
    while True:
        number += 1
        await step(client, chance, number)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
