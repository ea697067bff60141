"""A small real image for the demo to store: a PNG drawn here, so that none has to be shipped."""

from __future__ import annotations

import struct
import zlib
from functools import cache

SIZE = 96


@cache
def picture() -> bytes:
    """A PNG of a cat's face, `SIZE` pixels square, grey levels (PNG specification, section 11)."""
    rows = b"".join(
        b"\0" + bytes(_shade(x / SIZE * 2 - 1, y / SIZE * 2 - 1) for x in range(SIZE))
        for y in range(SIZE)
    )
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, data)
        for kind, data in (
            (b"IHDR", header),
            (b"IDAT", zlib.compress(rows, 9)),
            (b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _shade(x: float, y: float) -> int:
    mirrored = abs(x)
    if (mirrored - 0.3) ** 2 + (y + 0.1) ** 2 < 0.012:  # eyes
        return 30
    if mirrored < 0.09 and 0.1 < y < 0.2 - mirrored:  # nose
        return 90
    if x * x + (y - 0.05) ** 2 < 0.45:  # face
        return 200
    if 0.28 < mirrored < 0.62 and -0.95 + abs(mirrored - 0.5) * 2 < y < -0.3:  # ears
        return 170
    return 250
