"""A request body as a backend sees it: counted, checked, taken off its chunk framing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any
from zlib import crc32

import pytest
from tests.support.signing import unsigned_chunks
from tests.support.wire import MemoryWire

from bucketlog.gateway.received import MAX_BODY_BYTES, RequestBody
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Request
from bucketlog.s3.sigv4 import UNSIGNED, Payload

CHUNKED = Payload(is_chunked=True, has_trailers=True)


class Threads:
    """A `run` that notes the sizes of what it was asked to do elsewhere."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def __call__(self, function: Callable[..., Any], data: bytes) -> None:
        self.sizes.append(len(data))
        function(data)


def body(
    wire: MemoryWire,
    headers: dict[str, str] | None = None,
    payload: Payload = UNSIGNED,
    threads: Threads | None = None,
    *,
    is_described: bool = True,
) -> RequestBody:
    request = Request("PUT", "/b/k", "HTTP/1.1", headers or {})
    return RequestBody(
        request,
        wire,  # type: ignore[arg-type]
        payload,
        threads or Threads(),
        is_described=is_described,
    )


def crc_of(data: bytes) -> str:
    return base64.b64encode(crc32(data).to_bytes(4, "big")).decode()


# How long it says it is


def test_the_length_is_that_of_the_payload() -> None:
    assert body(MemoryWire(b"12345")).length == 5
    assert body(MemoryWire()).length == 0
    assert body(MemoryWire(b"5\r\n"), {"transfer-encoding": "chunked"}).length is None
    assert body(MemoryWire(b"xxxxxxx"), {"x-amz-decoded-content-length": "2"}).length == 2


@pytest.mark.parametrize("text", ["", "-1", "1e3", "٣", "5 ", "0x5"])
def test_a_decoded_length_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(S3Error) as caught:
        _ = body(MemoryWire(b"x"), {"x-amz-decoded-content-length": text}).length
    assert caught.value.code == "InvalidArgument"


# Into a sink


@pytest.mark.parametrize("pieces", [(b"hello",), (b"he", b"llo"), ()])
async def test_every_piece_is_handed_over_and_summed_up(pieces: tuple[bytes, ...]) -> None:
    got: list[bytes] = []
    data = b"".join(pieces)
    headers = {"content-length": str(len(data))}
    received = await body(MemoryWire(*pieces), headers).into(got.append)
    assert b"".join(got) == data
    assert (received.length, received.md5) == (len(data), hashlib.md5(data).hexdigest())
    assert received.checksum is not None
    assert received.checksum[0] == "CRC64NVME"


async def test_large_pieces_are_dealt_with_elsewhere_and_small_ones_here() -> None:
    for size, elsewhere in ((32 * 1024, []), (32 * 1024 + 1, [32 * 1024 + 1])):
        threads = Threads()
        received = await body(MemoryWire(bytes(size)), threads=threads).into(lambda piece: None)
        assert received.length == size
        assert threads.sizes == elsewhere


async def test_an_upload_has_to_say_how_long_it_is() -> None:
    upload = body(MemoryWire(b"x"), {"transfer-encoding": "chunked"})
    with pytest.raises(S3Error) as caught:
        await upload.into(lambda piece: None)
    assert caught.value.code == "MissingContentLength"


async def test_an_upload_beyond_5_gib_is_refused_before_it_is_read() -> None:
    wire = MemoryWire(b"x")
    wire.content_length = MAX_BODY_BYTES + 1
    got: list[bytes] = []
    with pytest.raises(S3Error) as caught:
        await body(wire).into(got.append)
    assert caught.value.code == "EntityTooLarge"
    assert caught.value.detail["MaxSizeAllowed"] == str(5 << 30)
    assert got == []


MISMATCHES = [
    ({"content-md5": base64.b64encode(bytes(16)).decode()}, UNSIGNED, "BadDigest"),
    ({"x-amz-checksum-crc32": crc_of(b"other")}, UNSIGNED, "BadDigest"),
    ({}, Payload("0" * 64), "XAmzContentSHA256Mismatch"),
]


@pytest.mark.parametrize(("headers", "payload", "code"), MISMATCHES)
async def test_a_body_that_is_not_what_was_said_is_refused(
    headers: dict[str, str], payload: Payload, code: str
) -> None:
    with pytest.raises(S3Error) as caught:
        await body(MemoryWire(b"hello"), headers, payload).into(lambda piece: None)
    assert caught.value.code == code


async def test_a_client_that_vanishes_is_told_of_to_the_backend() -> None:
    wire = MemoryWire(b"hel", body_error=S3Error("IncompleteBody"))
    got: list[bytes] = []
    with pytest.raises(S3Error) as caught:
        await body(wire).into(got.append)
    assert caught.value.code == "IncompleteBody"
    assert got == [b"hel"]


async def test_what_writing_raises_comes_through() -> None:
    def full(piece: bytes) -> None:
        raise OSError("full")

    for size in (10, 100_000):
        with pytest.raises(OSError, match="full"):
            await body(MemoryWire(bytes(size))).into(full)


# aws-chunked


@pytest.mark.parametrize("step", [1, 97, 20_000])
async def test_chunk_framing_is_taken_off(step: int) -> None:
    data = bytes(range(256)) * 40
    framed = unsigned_chunks(
        (data[:9000], data[9000:]), trailers=[("x-amz-checksum-crc32", crc_of(data))]
    )
    wire = MemoryWire(*(framed[at : at + step] for at in range(0, len(framed), step)))
    headers = {
        "x-amz-decoded-content-length": str(len(data)),
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    got: list[bytes] = []
    received = await body(wire, headers, CHUNKED).into(got.append)
    assert b"".join(got) == data
    assert received.checksum == ("CRC32", crc_of(data))


@pytest.mark.parametrize(
    ("said", "crc", "code"),
    [
        ("5", crc_of(b"other"), "BadDigest"),
        ("4", None, "IncompleteBody"),
        ("6", None, "IncompleteBody"),
    ],
)
async def test_chunks_that_are_not_what_was_said_are_refused(
    said: str, crc: str | None, code: str
) -> None:
    trailers = [("x-amz-checksum-crc32", crc or crc_of(b"hello"))]
    wire = MemoryWire(unsigned_chunks((b"hello",), trailers=trailers))
    headers = {"x-amz-decoded-content-length": said, "x-amz-trailer": "x-amz-checksum-crc32"}
    with pytest.raises(S3Error) as caught:
        await body(wire, headers, CHUNKED).into(lambda piece: None)
    assert caught.value.code == code


# Read whole


async def test_a_document_is_read_whole_up_to_its_limit() -> None:
    assert await body(MemoryWire(b"<a", b"/>")).read(4) == b"<a/>"
    assert await body(MemoryWire()).read(4) == b""


@pytest.mark.parametrize("headers", [{}, {"transfer-encoding": "chunked"}], ids=["said", "unsaid"])
async def test_a_document_beyond_its_limit_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(S3Error) as caught:
        await body(MemoryWire(b"<abc", b"/>"), headers).read(5)
    assert caught.value.code == "MaxMessageLengthExceeded"
    assert caught.value.detail == {"MaxMessageLengthBytes": "5"}


async def test_a_document_is_checked_too() -> None:
    headers = {"content-md5": base64.b64encode(bytes(16)).decode()}
    with pytest.raises(S3Error) as caught:
        await body(MemoryWire(b"<a/>"), headers).read(100)
    assert caught.value.code == "BadDigest"


async def test_checksums_that_describe_something_else_are_left_alone() -> None:
    """Those of CompleteMultipartUpload are of the object it makes."""
    headers = {"x-amz-checksum-crc32": crc_of(b"the object")}
    assert await body(MemoryWire(b"<a/>"), headers, is_described=False).read(100) == b"<a/>"
    with pytest.raises(S3Error):
        await body(MemoryWire(b"<a/>"), headers).read(100)
