"""Compressed streams are told by their first bytes; of damaged ones all that is sound is had."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pyarrow as pa
import pytest

from bucketlog.reader import compression
from bucketlog.reader.compression import Damaged

DATA = b"".join(b"line %d of a text that can be compressed\n" % n for n in range(60_000))


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return bytes(sink.getvalue())


COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd}


def chunked(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def expanded(chunks: list[bytes], *, can_repeat: bool = True) -> tuple[bytes, str | None]:
    found = bytearray()
    try:
        for piece in compression.expand(chunks, (lambda: chunks) if can_repeat else None):
            found += piece
    except Damaged as error:
        return bytes(found), str(error)
    return bytes(found), None


@pytest.mark.parametrize("how", COMPRESS)
@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_members_and_frames_that_follow_each_other_are_one_text(how: str, size: int) -> None:
    compress = COMPRESS[how]
    data = compress(DATA[:1000]) + compress(b"") + compress(DATA[1000:])
    assert compression.kind(data[:4]) == how
    assert expanded(chunked(data, size)) == (DATA, None)


@pytest.mark.parametrize("how", COMPRESS)
def test_the_first_bytes_may_come_one_by_one(how: str) -> None:
    data = COMPRESS[how](b"a\nb\n")
    assert expanded(chunked(data, 1)) == (b"a\nb\n", None)


@pytest.mark.parametrize("data", [b"", b"a", b"abc", b"\x1f", b"\x28\xb5\x2f", DATA])
def test_what_is_not_compressed_passes_as_it_is(data: bytes) -> None:
    assert expanded(chunked(data, 999)) == (data, None)


def test_a_skippable_frame_may_come_first() -> None:
    data = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"note" + zstd(b"a\n")
    assert compression.kind(data[:4]) == "zstd"
    assert expanded([data]) == (b"a\n", None)


def test_zeros_behind_and_between_members_are_padding() -> None:
    data = gzip.compress(b"a\n") + b"\0" * 100 + gzip.compress(b"b\n") + b"\0" * 5000
    assert expanded(chunked(data, 50)) == (b"a\nb\n", None)


@pytest.mark.parametrize("can_repeat", [True, False])
@pytest.mark.parametrize("how", COMPRESS)
def test_a_truncated_stream_gives_all_that_is_there(how: str, can_repeat: bool) -> None:
    whole = COMPRESS[how](DATA)
    found, trouble = expanded(chunked(whole[: len(whole) // 2], 4096), can_repeat=can_repeat)
    assert trouble is not None
    assert trouble.startswith(f"truncated {how}")
    assert DATA.startswith(found)
    if how == "gzip":  # the oracle: zlib says what these bytes hold
        assert found == zlib.decompressobj(31).decompress(whole[: len(whole) // 2])
    else:
        assert len(found) > 100_000


@pytest.mark.parametrize("how", COMPRESS)
def test_corrupt_bytes_spoil_nothing_before_them(how: str) -> None:
    compress = COMPRESS[how]
    sound, spoilt = compress(DATA), bytearray(compress(DATA))
    spoilt[len(spoilt) // 2 : len(spoilt) // 2 + 40] = b"\xff" * 40
    found, trouble = expanded(chunked(sound + spoilt, 100_000))
    assert trouble is not None
    assert trouble.startswith(f"corrupt {how}")
    assert found[: len(DATA)] == DATA
    assert DATA.startswith(found[len(DATA) : len(DATA) + 100_000])


def test_a_wrong_checksum_is_told_and_the_text_is_had() -> None:
    data = bytearray(gzip.compress(DATA))
    data[-6] ^= 1
    found, trouble = expanded(chunked(data, 50_000))
    assert found == DATA
    assert trouble is not None
    assert "checksum" in trouble


def test_what_follows_a_member_and_is_no_gzip_is_told() -> None:
    found, trouble = expanded([gzip.compress(DATA) + b"plain text\n"])
    assert found == DATA
    assert trouble is not None
    assert "is no gzip" in trouble


def test_a_bomb_is_expanded_in_small_pieces() -> None:
    bomb = gzip.compress(bytes(64 << 20))
    pieces = [len(piece) for piece in compression.expand([bomb])]
    assert sum(pieces) == 64 << 20
    assert max(pieces) <= 1 << 20


@pytest.mark.parametrize("how", COMPRESS)
def test_what_goes_wrong_with_reading_is_no_damage(how: str) -> None:
    def chunks():  # type: ignore[no-untyped-def]
        yield COMPRESS[how](DATA)[:30_000]
        raise ConnectionError("the line is dead")

    with pytest.raises(ConnectionError, match="the line is dead"):
        list(compression.expand(chunks()))
