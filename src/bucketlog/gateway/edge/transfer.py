"""Sending what one write can't: large bodies, files, and clients that read slowly or go away.

Plain TCP: sendfile(2) on a duplicate of the descriptor, so the bytes never enter the process;
not `loop.sendfile`, which uvloop lacks and which costs a task and a future per call. TLS: reads
of 256 KiB, each written when the one before has left. Both wait for the client. A file that
isn't in the page cache is read while everybody waits, as in nginx without aio.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import TYPE_CHECKING

from bucketlog.gateway.edge import kernel
from bucketlog.s3.model import FileSlice

if TYPE_CHECKING:
    from bucketlog.gateway.edge.outlet import Outlet
    from bucketlog.gateway.edge.wire import Tls, Wire

SMALL = 64 * 1024
"""Bodies up to this go out in one write with their head."""

_PIECE = 256 * 1024  # per read and write under TLS
_SENDFILE = 1024 * 1024  # per call of sendfile
_TURN = 4 * 1024 * 1024  # sent at a stretch before other connections get a turn

_RECORD = 16384  # bytes of payload in a full TLS record

_log = logging.getLogger(__name__)

Files = FileSlice | tuple[FileSlice, ...]


def slices(body: Files) -> tuple[FileSlice, ...]:
    """The slices of a body, in order."""
    return (body,) if isinstance(body, FileSlice) else body


def size(body: Files) -> int:
    """Bytes of a body."""
    return sum(part.length for part in slices(body))


def close(body: bytes | Files) -> None:
    """Closes the descriptors of a body, each once."""
    if isinstance(body, bytes):
        return
    for descriptor in {part.descriptor for part in slices(body)}:
        os.close(descriptor)


def small(body: Files) -> bytes | Files:
    """A small body read into memory and its descriptors closed; a larger one as it is."""
    if size(body) > SMALL:
        return body
    data = b"".join([_read(part.descriptor, part.offset, part.length) for part in slices(body)])
    close(body)
    return data


def _read(descriptor: int, offset: int, length: int) -> bytes:
    data = os.pread(descriptor, length, offset)
    while len(data) < length:
        more = os.pread(descriptor, length - len(data), offset + len(data))
        if not more:
            raise OSError(f"file ends {length - len(data)} bytes before its slice does")
        data += more
    return data


async def large(outlet: Outlet, wire: Wire, head: bytes, body: bytes | Files) -> None:
    """Sends head and body; sets what was sent and whether it was all."""
    start = None
    total = len(body) if isinstance(body, bytes) else size(body)
    handed = 0
    try:
        sock = outlet.duplicate()
        if sock is None:
            return
        start = Mark(outlet, sock, len(head), 0 if wire.tls is None else record_extra(wire.tls))
        if not (outlet.write(head) or await outlet.flushed()):
            return
        if isinstance(body, bytes):
            handed = await _send_bytes(outlet, body)
        else:
            for part in slices(body):
                before = handed
                if outlet.encrypted:
                    handed += await _copy_file(outlet, part)
                else:
                    handed += await _send_file(outlet, sock, part)
                if handed - before < part.length:
                    break
        if handed == total:
            wire.complete = await start.reached(total)
    except OSError:
        _log.exception("a reply broke off: its file can't be read")
    finally:
        if start is not None:
            wire.bytes_sent = total if wire.complete else start.arrived(handed)
        if not wire.complete:
            outlet.abort()
        close(body)
        outlet.release()


async def settle(outlet: Outlet, wire: Wire, sent: int) -> None:
    """Waits until a reply that didn't go out at one stroke has left, or the client has.

    `sent`: bytes of its body, the last that were written.
    """
    sock = outlet.duplicate()
    if sock is None:
        return
    wire.complete = await outlet.flushed()
    if wire.complete:
        wire.bytes_sent = sent
    else:
        acked, _ = kernel.acknowledged(sock)
        arrived = sent if acked is None else acked - (outlet.written - sent)
        wire.bytes_sent = max(0, min(sent, arrived))
    outlet.release()


def record_extra(tls: Tls) -> int:
    """Bytes that TLS adds to each record.

    5 of header and the 16 of the tag; in 1.3 the content type (RFC 8446 section 5.2), in 1.2 the
    explicit nonce of AES-GCM (RFC 5288 section 3), which ChaCha20-Poly1305 does without. CBC
    suites add a few more than is said here, by padding.
    """
    if tls.version == "TLSv1.3":
        return 22
    return 21 if "CHACHA20" in tls.cipher else 29


class Mark:
    """The place in a connection's stream where a body starts, to tell how much of it arrived.

    Made just before the head of `head` bytes is written. Without TLS the place is exact: all
    that was ever written is counted. With TLS it is what the kernel has been given until now,
    and the records around the body (`extra` bytes each) are taken to be full.
    """

    def __init__(self, outlet: Outlet, sock: socket.socket, head: int, extra: int) -> None:
        self._outlet = outlet
        self._sock = sock
        self._extra = extra
        if extra:
            acked, _ = kernel.acknowledged(sock)
            self._base = (acked or 0) + kernel.unacknowledged(sock) + head + extra
        else:
            self._base = outlet.written + head

    def arrived(self, handed: int) -> int:
        """Body bytes that the client's kernel has, of those handed over."""
        acked, _ = kernel.acknowledged(self._sock)
        if acked is None:
            return handed
        count = max(0, acked - self._base)
        if self._extra:
            records, rest = divmod(count, _RECORD + self._extra)
            count = records * _RECORD + max(0, rest - self._extra)
        return min(count, handed)

    async def reached(self, total: int) -> bool:
        """Waits until the client has all; False when it never will.

        Asked after 0.5 ms, then ever less often up to every 50 ms: what comes late was slow, so
        the error stays below a few per cent of the time it took.
        """
        pause = 0.0005
        emptied = 0
        while True:
            acked, stands = kernel.acknowledged(self._sock)
            if acked is None:
                return stands and not self._outlet.lost
            if self.arrived(total) == total:
                return True
            if not stands or self._outlet.lost:
                return False
            if self._extra and kernel.unacknowledged(self._sock) == 0:
                # The transport may hold a last piece while the kernel is empty, but not twice.
                emptied += 1
                if emptied == 2:
                    return True
            await self._outlet.pause(pause)
            pause = min(pause * 2, 0.05)


async def _send_bytes(outlet: Outlet, body: bytes) -> int:
    view = memoryview(body)
    handed = 0
    while handed < len(view):
        piece = view[handed : handed + _PIECE]
        if not (outlet.write(piece) or await outlet.flushed()):
            break
        handed += len(piece)
    return handed


async def _copy_file(outlet: Outlet, part: FileSlice) -> int:
    handed = 0
    while handed < part.length:
        piece = _read(part.descriptor, part.offset + handed, min(_PIECE, part.length - handed))
        if not (outlet.write(piece) or await outlet.flushed()):
            break
        handed += len(piece)
        if handed % _TURN == 0:
            await asyncio.sleep(0)
    return handed


async def _send_file(outlet: Outlet, sock: socket.socket, part: FileSlice) -> int:
    out, descriptor = sock.fileno(), part.descriptor
    offset, end = part.offset, part.offset + part.length
    turn = offset + _TURN
    while offset < end and not outlet.lost:
        try:
            count = os.sendfile(out, descriptor, offset, min(_SENDFILE, end - offset))
        except BlockingIOError:
            if not await outlet.writable(out):
                break
            turn = offset + _TURN
            continue
        except (BrokenPipeError, ConnectionError, TimeoutError):
            break
        if count == 0:
            raise OSError(f"file ends {end - offset} bytes before its slice does")
        offset += count
        outlet.written += count
        if offset >= turn:
            turn = offset + _TURN
            await asyncio.sleep(0)
    return offset - part.offset
