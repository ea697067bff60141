"""The digests a request announces of its body, computed while it passes, and compared.

Content-MD5, x-amz-content-sha256, and the x-amz-checksum family as header or trailer, in all ten
algorithms of S3's model. Also how the checksums of parts make one of an object. Source: "Checking
object integrity" in the Amazon S3 User Guide; refusals in the words of S3's live answers.
"""

from __future__ import annotations

import hashlib
import zlib
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, Protocol

from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Received

ChecksumType = Literal["COMPOSITE", "FULL_OBJECT"]
COMPOSITE: Final = "COMPOSITE"
FULL_OBJECT: Final = "FULL_OBJECT"

HEADER: Final = "x-amz-checksum-"
# These share the family's prefix, but hold no checksum.
_NOT_CHECKSUMS: Final = frozenset({"algorithm", "mode", "type"})


class Engine(Protocol):
    """One digest being computed."""

    def update(self, data: bytes, /) -> object:
        """Takes the next bytes."""

    def digest(self) -> bytes:
        """The digest of all bytes taken, as it is encoded in a header (big-endian)."""


class _Crc:
    """A CRC of `size` bytes by a function of data and the value so far."""

    __slots__ = ("_function", "_size", "_value")

    def __init__(self, function: Callable[[bytes, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class _Xxhash:
    """An XXHash of the C library, whose `finalize` is our `digest`."""

    __slots__ = ("digest", "update")

    def __init__(self, kind: str) -> None:
        from awscrt.checksums import XXHash  # a C extension, not wanted before it is used

        hasher = getattr(XXHash, f"new_{kind}")()
        self.update: Callable[[bytes], object] = hasher.update
        self.digest: Callable[[], bytes] = hasher.finalize


def _crt_crc(name: str, size: int) -> _Crc:
    from awscrt import checksums as crt

    return _Crc(getattr(crt, name), size)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One algorithm: its digest's size in bytes, and what begins a computation.

    `combines` is true where the checksums of two pieces and the length of the second give that of
    both joined: the CRCs.
    """

    size: int
    start: Callable[[], Engine]
    combines: bool = False


# As in the enum ChecksumAlgorithm of S3's model; a header's name is the same in lower case.
ALGORITHMS: Final[Mapping[str, Algorithm]] = {
    "CRC32": Algorithm(4, partial(_Crc, zlib.crc32, 4), True),
    "CRC32C": Algorithm(4, partial(_crt_crc, "crc32c", 4), True),
    "CRC64NVME": Algorithm(8, partial(_crt_crc, "crc64nvme", 8), True),
    "MD5": Algorithm(16, partial(hashlib.md5, usedforsecurity=False)),
    "SHA1": Algorithm(20, partial(hashlib.sha1, usedforsecurity=False)),
    "SHA256": Algorithm(32, hashlib.sha256),
    "SHA512": Algorithm(64, hashlib.sha512),
    "XXHASH128": Algorithm(16, partial(_Xxhash, "xxhash3_128")),
    "XXHASH3": Algorithm(8, partial(_Xxhash, "xxhash3_64")),
    "XXHASH64": Algorithm(8, partial(_Xxhash, "xxhash64")),
}
_BY_HEADER: Final = {HEADER + name.lower(): name for name in ALGORITHMS}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a request says its body's digests are.

    `md5` is the digest of Content-MD5. `checksum` is (algorithm, digest) of an x-amz-checksum
    header; `trailer` the algorithm of one announced to follow the body. Never both.
    """

    md5: bytes | None = None
    checksum: tuple[str, bytes] | None = None
    trailer: str | None = None


_NOTHING: Final = Expected()


def expected(headers: Mapping[str, str]) -> Expected:
    """What `headers` announce. Raises `S3Error` InvalidDigest or InvalidRequest.

    Not for CompleteMultipartUpload: its x-amz-checksum headers are of the object, not the body.
    """
    md5: bytes | None = None
    if "content-md5" in headers:
        md5 = _bytes(headers["content-md5"], 16)
        if md5 is None:
            raise S3Error("InvalidDigest", **{"Content-MD5": headers["content-md5"]})
    sent = [
        name
        for name in headers
        if name.startswith(HEADER) and name[len(HEADER) :] not in _NOT_CHECKSUMS
    ]
    trailers = _announced(headers["x-amz-trailer"]) if "x-amz-trailer" in headers else []
    if len(sent) > 1 or len(trailers) > 1:
        raise S3Error(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    checksum = _in_header(headers, sent[0]) if sent else None
    if checksum is not None and trailers:
        raise S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header")
    trailer = trailers[0] if trailers else None
    if "x-amz-sdk-checksum-algorithm" in headers:
        given = checksum[0] if checksum is not None else trailer
        _check_named(headers["x-amz-sdk-checksum-algorithm"], given)
    if md5 is None and checksum is None and trailer is None:
        return _NOTHING
    return Expected(md5, checksum, trailer)


def algorithm(value: str | None) -> str | None:
    """The algorithm that an x-amz-checksum-algorithm header asks for; None for no header.

    Raises `S3Error("InvalidRequest")` for one that doesn't exist.
    """
    if value is None:
        return None
    if value.upper() not in ALGORITHMS:
        raise S3Error(
            "InvalidRequest",
            "Checksum algorithm provided is unsupported. Please try again with any of the valid "
            f"types: [{', '.join(ALGORITHMS)}]",
        )
    return value.upper()


def checksum_type(algorithm: str, asked: str | None) -> ChecksumType:
    """How a multipart upload's checksum is to be made: as x-amz-checksum-type asks, or, asked
    None, by the algorithm's default. Raises `S3Error("InvalidRequest")` for what can't be.
    """
    if asked is None:
        return FULL_OBJECT if algorithm == "CRC64NVME" else COMPOSITE
    if asked == FULL_OBJECT and ALGORITHMS[algorithm].combines:
        return FULL_OBJECT
    if asked == COMPOSITE and algorithm != "CRC64NVME":
        return COMPOSITE
    if asked not in (COMPOSITE, FULL_OBJECT):
        raise S3Error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
    raise S3Error(
        "InvalidRequest",
        f"The {asked} checksum type cannot be used with the {algorithm.lower()} checksum "
        "algorithm.",
    )


def decoded(algorithm: str, value: str) -> bytes | None:
    """The digest in a checksum's base64 value; None if it isn't one of this algorithm."""
    return _bytes(value, ALGORITHMS[algorithm].size)


def composite(algorithm: str, values: Iterable[str]) -> str:
    """The checksum of an object from those of its parts, in order: the checksum of their digests
    joined, "-", and how many they are. `values` are base64.
    """
    digests = [a2b_base64(value) for value in values]
    engine = ALGORITHMS[algorithm].start()
    engine.update(b"".join(digests))
    return f"{_base64(engine.digest())}-{len(digests)}"


def full_object(algorithm: str, parts: Iterable[tuple[str, int]]) -> str:
    """The checksum of a whole object from (base64 value, length in bytes) of its parts, in order,
    as if computed over all its bytes. Only for algorithms that combine; else `ValueError`.
    """
    if not ALGORITHMS[algorithm].combines:
        raise ValueError(f"checksums of {algorithm} can't be combined")
    from awscrt import checksums as crt

    combine: Callable[[int, int, int], int] = getattr(crt, f"combine_{algorithm.lower()}")
    whole = 0
    for value, length in parts:
        whole = combine(whole, int.from_bytes(a2b_base64(value), "big"), length)
    return _base64(whole.to_bytes(ALGORITHMS[algorithm].size, "big"))


class Digests:
    """The digests of one body: those expected, those wanted for storage, nothing else.

    `payload_sha256` is the hash the signature covers, as sent. `md5`: whether the MD5 is wanted
    (for an ETag). `default` is the algorithm to compute when the client sent no checksum; S3
    itself uses CRC64NVME.
    """

    __slots__ = ("_checksum", "_default", "_expected", "_length", "_md5", "_sha256", "_updates")

    def __init__(
        self,
        expected: Expected,
        payload_sha256: str | None,
        md5: bool,
        default: str | None = None,
    ) -> None:
        self._expected = expected
        self._length = 0
        self._sha256 = None if payload_sha256 is None else (payload_sha256, hashlib.sha256())
        wants_md5 = md5 or expected.md5 is not None
        self._md5 = hashlib.md5(usedforsecurity=False) if wants_md5 else None
        name = expected.checksum[0] if expected.checksum is not None else expected.trailer
        self._default = name or default
        self._checksum: Engine | None = None
        self._updates: list[Callable[[bytes], object]] = []
        if self._sha256 is not None:
            self._updates.append(self._sha256[1].update)
        if self._md5 is not None:
            self._updates.append(self._md5.update)
        if self._default is not None:
            self._checksum = self._engine(self._default)

    def _engine(self, name: str) -> Engine:
        # What is computed already isn't computed twice.
        if name == "SHA256" and self._sha256 is not None:
            return self._sha256[1]
        if name == "MD5" and self._md5 is not None:
            return self._md5
        engine = ALGORITHMS[name].start()
        self._updates.append(engine.update)
        return engine

    def update(self, data: bytes) -> None:
        """Takes the next bytes of the body."""
        self._length += len(data)
        for update in self._updates:
            update(data)

    def verify(self, trailers: Mapping[str, str]) -> Received:
        """What the body was; all of it has been taken. `Received.md5` is "" where none was wanted.

        `trailers` are those that came after the body, names in lower case. Raises `S3Error`:
        XAmzContentSHA256Mismatch before BadDigest, as S3 does; MalformedTrailerError for trailers
        other than announced; InvalidRequest for one that holds no checksum.
        """
        announced = self._expected.trailer
        header = None if announced is None else HEADER + announced.lower()
        if trailers.keys() != ({header} if header is not None else set()):
            raise S3Error("MalformedTrailerError")
        if self._sha256 is not None:
            given, computed = self._sha256[0], self._sha256[1].hexdigest()
            if given.lower() != computed:
                raise S3Error(
                    "XAmzContentSHA256Mismatch",
                    ClientComputedContentSHA256=given,
                    S3ComputedContentSHA256=computed,
                )
        md5 = b"" if self._md5 is None else self._md5.digest()
        if self._expected.md5 is not None and self._expected.md5 != md5:
            raise S3Error(
                "BadDigest",
                # Yes: one in hex, one in base64. That is how S3 prints them.
                ExpectedDigest=self._expected.md5.hex(),
                CalculatedDigest=_base64(md5),
            )
        return Received(self._length, md5.hex(), self._checked(header, trailers))

    def _checked(self, header: str | None, trailers: Mapping[str, str]) -> tuple[str, str] | None:
        if self._checksum is None or self._default is None:
            return None
        digest = self._checksum.digest()
        wanted = self._expected.checksum[1] if self._expected.checksum is not None else None
        if header is not None:
            wanted = decoded(self._default, trailers[header])
            if wanted is None:
                raise S3Error("InvalidRequest", f"Value for {header} trailing header is invalid.")
        if wanted is not None and wanted != digest:
            raise S3Error(
                "BadDigest",
                f"The {self._default} you specified did not match the calculated checksum.",
            )
        return self._default, _base64(digest)


def _in_header(headers: Mapping[str, str], header: str) -> tuple[str, bytes]:
    name = _BY_HEADER.get(header)
    if name is None:
        raise S3Error(
            "InvalidRequest",
            "The algorithm type you specified in x-amz-checksum- header is invalid.",
        )
    digest = decoded(name, headers[header])
    if digest is None:
        raise S3Error("InvalidRequest", f"Value for {header} header is invalid.")
    return name, digest


def _announced(value: str) -> list[str]:
    """The algorithms that x-amz-trailer announces. Commas at its end don't count, as on S3."""
    names = [_BY_HEADER.get(name.strip().lower()) for name in value.strip().rstrip(",").split(",")]
    known = [name for name in names if name is not None]
    if len(known) != len(names):
        raise S3Error(
            "InvalidRequest", "The value specified in the x-amz-trailer header is not supported"
        )
    return known


def _check_named(value: str, given: str | None) -> None:
    """Checks x-amz-sdk-checksum-algorithm against the algorithm that is really used."""
    if given is None:
        raise S3Error(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
            "x-amz-trailer headers were found.",
        )
    if value.upper() != given:
        raise S3Error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")


def _bytes(value: str, size: int) -> bytes | None:
    """The bytes in strict base64 of exactly `size` bytes, or None."""
    try:
        data = a2b_base64(value, strict_mode=True)
    except (Base64Error, ValueError):
        return None
    return data if len(data) == size else None


def _base64(data: bytes) -> str:
    return b2a_base64(data, newline=False).decode()
