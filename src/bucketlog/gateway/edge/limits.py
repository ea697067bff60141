"""What one connection may cost: sizes, times, counts.

Each limit answers a way to wear a server out: endless heads, slow bodies, clients that never
read, too many connections. Times are enforced by one sweep per server every `tick_s` seconds, so
each may last up to two ticks longer than it says, and never shorter.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

KIB = 1024
GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the edge; sizes in bytes, times in seconds.

    S3 takes 8 KB of request headers, and a target of at most a 1,024-byte key written in
    percent-encoding plus a query string, so `head_bytes` lets through every request that S3
    does. `body_bytes` is the 5 GiB of a part, and room for aws-chunked framing around it.
    """

    head_bytes: int = 16 * KIB  # request line and headers together
    head_lines: int = 256  # headers
    body_bytes: int = 5 * GIB + 64 * 1024 * KIB  # of one request, as it comes on the wire
    read_ahead_bytes: int = 256 * KIB  # body bytes that wait for the application
    skip_bytes: int = 64 * KIB  # of an unread body that are read away to keep the connection
    connections: int = 8192  # over it, each new connection is told SlowDown and closed

    head_s: float = 10.0  # from the first byte of a head to its last
    idle_s: float = 75.0  # between two requests
    body_s: float = 30.0  # without one byte of a body that is being read
    request_s: float | None = None  # a whole request, whatever it does
    stall_s: float = 60.0  # a reply of which the client acknowledges no further byte
    linger_s: float = 2.0  # after a reply that ends the connection while input still comes

    tick_s: float = 1.0

    def ticks(self, seconds: float) -> int:
        """Sweeps to wait so that at least `seconds` pass."""
        return ceil(seconds / self.tick_s) + 1
