"""A request body as a backend sees it: unwrapped from chunk framing, counted, hashed, checked.

Joins the edge's raw pieces with the pure decoders of `s3`. Large pieces are hashed and written on
a worker thread, so that one big upload doesn't hold up the other connections; a small body that
has already arrived is dealt with at once, without a thread.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bucketlog.gateway.edge.wire import Wire
from bucketlog.s3 import checksums
from bucketlog.s3.chunked import Decoder
from bucketlog.s3.errors import S3Error
from bucketlog.s3.model import Received, Request
from bucketlog.s3.sigv4 import Payload

Run = Callable[..., Awaitable[None]]

# Below this a hop to a thread costs more than hashing and writing in place.
_INLINE_BYTES = 32 * 1024
# S3: "The maximum object size for a single PUT is 5 GB"; also the largest part.
MAX_BODY_BYTES = 5 * 1024**3


class RequestBody:
    """The `Body` of one request on a wire. See `bucketlog.s3.model.Body` for its obligations."""

    def __init__(
        self, request: Request, wire: Wire, payload: Payload, run: Run, *, is_described: bool = True
    ) -> None:
        """`is_described`: the request's checksum headers are of this body. Those of
        CompleteMultipartUpload are of the object it makes.
        """
        self._request = request
        self._is_described = is_described
        self._wire = wire
        self._payload = payload
        self._run = run

    @property
    def length(self) -> int | None:
        """Payload bytes announced: the decoded length of a chunked upload, else Content-Length."""
        decoded = self._request.headers.get("x-amz-decoded-content-length")
        if decoded is None:
            if "transfer-encoding" in self._request.headers:
                return None
            return self._wire.content_length or 0
        if not (decoded.isascii() and decoded.isdigit() and len(decoded) <= 19):
            raise S3Error(
                "InvalidArgument",
                "x-amz-decoded-content-length must be a whole number of bytes.",
                ArgumentName="x-amz-decoded-content-length",
                ArgumentValue=decoded,
            )
        return int(decoded)

    async def read(self, limit: int) -> bytes:
        """The whole body, at most `limit` bytes of it, after every check has passed."""
        announced = self.length
        if announced is not None and announced > limit:
            raise S3Error("MaxMessageLengthExceeded", MaxMessageLengthBytes=str(limit))
        pieces: list[bytes] = []
        room = limit

        def keep(piece: bytes) -> None:
            nonlocal room
            room -= len(piece)
            if room < 0:
                raise S3Error("MaxMessageLengthExceeded", MaxMessageLengthBytes=str(limit))
            pieces.append(piece)

        await self._pass(keep, checksums.Digests(self._expected(), self._payload.sha256, md5=False))
        return b"".join(pieces)

    async def into(self, write: Callable[[bytes], object]) -> Received:
        """Hands every piece to `write`; returns length, MD5 and checksum once all was verified."""
        announced = self.length
        if announced is None or (announced == 0 and "content-length" not in self._request.headers):
            raise S3Error("MissingContentLength")
        if announced > MAX_BODY_BYTES:
            raise S3Error(
                "EntityTooLarge",
                ProposedSize=str(announced),
                MaxSizeAllowed=str(MAX_BODY_BYTES),
            )
        digests = checksums.Digests(
            self._expected(), self._payload.sha256, md5=True, default="CRC64NVME"
        )
        return await self._pass(write, digests)

    def _expected(self) -> checksums.Expected:
        headers = self._request.headers
        if not self._is_described:
            headers = {k: v for k, v in headers.items() if not k.startswith("x-amz-checksum-")}
        return checksums.expected(headers)

    async def _pass(self, write: Callable[[bytes], object], digests: checksums.Digests) -> Received:
        decoder = Decoder(self._payload, self.length) if self._payload.is_chunked else None

        def step(data: bytes) -> None:
            piece = data if decoder is None else decoder.feed(data)
            if piece:
                digests.update(piece)
                write(piece)

        raw = self._wire.body
        while data := (raw.buffered() or await raw.chunk()):
            if len(data) <= _INLINE_BYTES:
                step(data)
            else:
                await self._run(step, data)
        return digests.verify({} if decoder is None else decoder.finish())
