"""A push decoder for aws-chunked bodies: bytes in, payload bytes out, trailers at the end.

Three forms (`sigv4.Payload`): signed chunks, signed chunks and trailer, unsigned chunks with
trailer. It keeps no payload; a chunk is handed on as it comes and its signature is checked when
it is whole, so nothing may be kept of a body before `finish` has returned. Sources: "Signature
calculations: transferring payload in multiple chunks" in the S3 API Reference; its live answers.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NoReturn

from bucketlog.s3 import canonical
from bucketlog.s3.canonical import EMPTY_SHA256
from bucketlog.s3.errors import S3Error

if TYPE_CHECKING:
    from collections.abc import Callable

    from bucketlog.s3.sigv4 import Chain, Payload

# Every chunk but the last with data must be at least this long.
MIN_CHUNK_BYTES: Final = 8192
# A signed chunk's head is about 100 bytes; so is a checksum's trailer.
MAX_HEAD_BYTES: Final = 1024
MAX_TRAILER_BYTES: Final = 4096
MAX_TRAILERS: Final = 16

TRAILER_SIGNATURE: Final = "x-amz-trailer-signature"

_HEAD: Final = re.compile(
    rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[ \t]*([^=;\s]+)[ \t]*=[ \t]*([^\s]+)[ \t]*)?"
).fullmatch
_TRAILER: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:([^\r\n\x00]*)").fullmatch


def decoded_length(headers: Mapping[str, str]) -> int:
    """What x-amz-decoded-content-length announces: the payload's bytes, without the framing.

    Raises `S3Error("MissingContentLength")` where it is missing or no number, as S3 does.
    """
    value = headers.get("x-amz-decoded-content-length", "")
    if not (value.isascii() and value.isdigit() and len(value) <= 18):
        raise S3Error("MissingContentLength")
    return int(value)


class _State(Enum):
    HEAD = "the line before a chunk"
    DATA = "a chunk"
    CLOSE = "the line end after a chunk"
    TRAILERS = "the lines after the last chunk"
    END = "after the body"


class Decoder:
    """Decodes one body. `decoded_length` is what the request announced; None: nothing.

    What follows the end of the body is ignored, as S3 does.
    """

    def __init__(self, payload: Payload, decoded_length: int | None) -> None:
        self._has_trailers = payload.has_trailers
        self._expected = decoded_length
        self._received = 0
        self._chunks = 0
        self._size = 0  # of the chunk at hand
        self._left = 0  # of it, still to come
        self._rest = b""  # the beginning of a line that isn't whole yet
        self._state = _State.HEAD
        self._trailers: dict[str, str] = {}
        self._lines: list[bytes] = []  # canonical trailer lines, for their signature
        self._trailer_bytes = 0
        self._chain = None if payload.chain is None else _Links(payload.chain)

    def feed(self, data: bytes) -> bytes:
        """The payload bytes in `data`; b"" when there are none in it.

        Raises `S3Error`: IncompleteBody for broken framing or more than was announced,
        InvalidChunkSizeError, SignatureDoesNotMatch, MalformedTrailerError.
        """
        if self._rest:
            data, self._rest = self._rest + data, b""
        pieces: list[bytes] = []
        at, end = 0, len(data)
        while at < end:
            state = self._state
            if state is _State.DATA:
                at = self._take(data, at, end, pieces)
            elif state is _State.CLOSE:
                if end - at < 2:
                    self._rest = data[at:]
                    break
                if data[at : at + 2] != b"\r\n":
                    _broken()
                at += 2
                self._state = _State.HEAD
            elif state is _State.END:
                break
            else:
                cut = data.find(b"\r\n", at, at + MAX_HEAD_BYTES + 2)
                if cut < 0:
                    if end - at > MAX_HEAD_BYTES + 1:
                        self._refuse_line()
                    self._rest = data[at:]
                    break
                self._line(data[at:cut])
                at = cut + 2
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self) -> dict[str, str]:
        """The trailing headers, names in lower case; all of the body has been fed.

        A trailer that comes twice counts as it came last. Raises `S3Error`: IncompleteBody, and
        what `feed` raises.
        """
        if self._rest or self._state not in (_State.TRAILERS, _State.END):
            _broken()
        if self._state is _State.TRAILERS:
            self._end()
        if self._expected is not None and self._received != self._expected:
            _short(self._expected, self._received)
        return self._trailers

    def _take(self, data: bytes, at: int, end: int, pieces: list[bytes]) -> int:
        """Takes what there is of a chunk; the position after it."""
        stop = min(at + self._left, end)
        piece = data if stop - at == end else data[at:stop]
        pieces.append(piece)
        self._left -= stop - at
        self._received += stop - at
        if self._chain is not None:
            self._chain.update(piece)
        if not self._left:
            if self._chain is not None:
                self._chain.close()
            self._state = _State.CLOSE
        return stop

    def _line(self, line: bytes) -> None:
        if self._state is _State.TRAILERS:
            self._trailer(line)
        else:
            self._open(line)

    def _open(self, line: bytes) -> None:
        """Begins a chunk."""
        match = _HEAD(line)
        if match is None:
            _broken()
        size = int(match[1], 16)
        if self._chain is not None:
            if match[3] is None or (match[2] == b"chunk-signature" and b";" in match[3]):
                _broken()
            self._chain.open(match[3].decode("latin-1"))
        elif match[2] is not None:
            _broken()
        self._chunks += 1
        if size and 0 < self._size < MIN_CHUNK_BYTES:
            # S3 names the chunk at which it noticed, and the size of the one before.
            raise S3Error(
                "InvalidChunkSizeError", Chunk=str(self._chunks), BadChunkSize=str(self._size)
            )
        if self._expected is not None and self._received + size > self._expected:
            _short(self._expected, self._received + size)
        self._size = self._left = size
        if size:
            self._state = _State.DATA
            return
        if self._chain is not None:
            self._chain.close()
        self._state = _State.TRAILERS

    def _trailer(self, line: bytes) -> None:
        if not line:
            self._end()
            return
        if not self._has_trailers:
            _broken()
        self._trailer_bytes += len(line)
        match = _TRAILER(line)
        if (
            match is None
            or self._trailer_bytes > MAX_TRAILER_BYTES
            or len(self._lines) == MAX_TRAILERS
        ):
            raise S3Error("MalformedTrailerError")
        name, value = match[1].decode().lower(), match[2].decode("latin-1").strip(" \t")
        if self._chain is not None and name == TRAILER_SIGNATURE:
            if not self._lines:
                _broken()
            self._chain.check_trailers(b"".join(self._lines), value)
            self._state = _State.END
            return
        self._trailers[name] = value
        self._lines.append(f"{name}:{value}\n".encode("latin-1"))

    def _end(self) -> None:
        """The end of the body, by an empty line or because nothing follows the last chunk."""
        if self._chain is not None and self._has_trailers:
            _broken()  # a signed trailer ends with its signature
        self._state = _State.END

    def _refuse_line(self) -> NoReturn:
        if self._state is _State.TRAILERS and self._has_trailers:
            raise S3Error("MalformedTrailerError")
        _broken()


class _Links:
    """The chain of signatures: each chunk's is made over the one before it."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._before = chain.signature
        self._given = ""
        self._hash = sha256()
        self.update: Callable[[bytes], None] = self._hash.update

    def open(self, signature: str) -> None:
        self._given = signature
        self._hash = sha256()
        self.update = self._hash.update

    def close(self) -> None:
        """Checks the signature of the chunk whose data has passed."""
        self._check("PAYLOAD", f"{EMPTY_SHA256}\n{self._hash.hexdigest()}", self._given)

    def check_trailers(self, lines: bytes, given: str) -> None:
        """Checks the signature of the trailers, given as canonical lines."""
        self._check("TRAILER", sha256(lines).hexdigest(), given)

    def _check(self, what: str, hashes: str, given: str) -> None:
        chain = self._chain
        text = (
            f"{canonical.ALGORITHM}-{what}\n{chain.stamp}\n{chain.scope}\n{self._before}\n{hashes}"
        )
        wanted = canonical.signature(chain.key, text)
        if not hmac.compare_digest(wanted.encode(), given.encode("latin-1")):
            raise canonical.mismatch(chain.access_key, text, given, chain.canonical_request)
        self._before = wanted


def _broken() -> NoReturn:
    raise S3Error("IncompleteBody", "The request body terminated unexpectedly")


def _short(expected: int, provided: int) -> NoReturn:
    raise S3Error(
        "IncompleteBody",
        NumberBytesExpected=str(expected),
        NumberBytesProvided=str(provided),
    )
