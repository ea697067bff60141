"""What Linux knows of a TCP connection that no event loop tells.

`TCP_INFO` counts the bytes that the peer's kernel has acknowledged since the connection was
accepted (`tcpi_bytes_acked`, RFC 4898 tcpEStatsAppHCThruOctetsAcked): read after the client has
gone, it is exactly what arrived there. Elsewhere `acknowledged` is None and callers fall back to
what was handed to the kernel.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
import termios
from asyncio import BaseTransport

_CLOSED = 7  # TCP_CLOSE of tcp_states.h: also what a reset leaves
_ACKED = struct.Struct("<120xQ" if sys.byteorder == "little" else ">120xQ")
_INT = struct.Struct("=i")
_HAS_TCP_INFO = sys.platform == "linux" and hasattr(socket, "TCP_INFO")


def duplicate(transport: BaseTransport) -> socket.socket | None:
    """A second, non-blocking descriptor of the transport's socket; None when it is gone.

    It outlives the transport's own, so what the kernel knows can still be asked after a reset;
    and event loops refuse to watch a descriptor that a transport owns, but not this one.
    Whoever asked closes it: until then the connection isn't ended for the peer.
    """
    theirs = transport.get_extra_info("socket")
    if theirs is None:
        return None
    try:
        descriptor = os.dup(theirs.fileno())
    except OSError:
        return None
    ours = socket.socket(theirs.family, socket.SOCK_STREAM, 0, fileno=descriptor)
    ours.setblocking(False)
    return ours


def acknowledged(sock: socket.socket) -> tuple[int | None, bool]:
    """Bytes that the peer has acknowledged, and whether the connection still stands."""
    if not _HAS_TCP_INFO:
        return None, True
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED.size)
    except OSError:
        return None, False
    if len(info) < _ACKED.size:
        return None, True
    return _ACKED.unpack(info)[0], info[0] != _CLOSED


def unacknowledged(sock: socket.socket) -> int:
    """Bytes that the kernel holds because the peer hasn't acknowledged them (SIOCOUTQ)."""
    try:
        answer = fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(_INT.size))
    except OSError:
        return 0
    size: int = _INT.unpack(answer)[0]
    return size
