"""Exchange: all that was observed of one request; Timing: its clock marks.

The gateway fills an Exchange as the request goes along; whatever was not reached stays None, so
one that is recorded before its outcome is known (an intent) is simply an Exchange with less in
it. Nothing here decides what a record shows: that is `compose`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from bucketlog.s3.model import Bucket, Caller, Decision, Facts, Request, Route


@dataclass(slots=True)
class Timing:
    """When things happened to one request.

    `received_at` is the wall clock in nanoseconds since 1970 UTC, when the request's first byte
    was read. The other marks are nanoseconds of one monotonic clock: the first byte of the
    request, its last byte, the first and the last byte of the response; None or 0: not yet, or
    never.
    """

    received_at: int
    began: int
    body_received: int | None = None
    first_sent: int | None = None
    last_sent: int | None = None

    @property
    def total_ms(self) -> int | None:
        """Total Time: whole milliseconds from the request's first byte to the answer's last."""
        return _milliseconds(self.began, self.last_sent) if self.last_sent else None

    @property
    def turn_around_ms(self) -> int | None:
        """Turn-Around Time: whole milliseconds between the request's end and the answer's start.

        An answer that begins before the whole request was read (a refusal) has none.
        """
        if not self.body_received or not self.first_sent or self.body_received > self.first_sent:
            return None
        return _milliseconds(self.body_received, self.first_sent)


def _milliseconds(start: int, end: int) -> int:
    """Nearest whole milliseconds, and at least 1.

    Nearest keeps sums and averages honest, where cutting off would lose half a millisecond each.
    At least 1, because Amazon's records never show 0, and because a reader that sees 0 can't tell
    "at once" from "not measured". Both steps are monotone, so turn-around never exceeds total.
    """
    ms = (end - start + 500_000) // 1_000_000
    return ms if ms > 1 else 1


class Tls(NamedTuple):
    """What the TLS handshake settled: `version` as in "TLSv1.3", `cipher` as in
    "TLS_AES_128_GCM_SHA256" (OpenSSL's names up to TLS 1.2, IANA's from 1.3 on).
    """

    version: str
    cipher: str


@dataclass(slots=True, kw_only=True)
class Exchange:
    """Everything observed of one request; None is "not observed".

    `bucket` is the bucket the route names, None when there is none. `source_bucket` is the bucket
    a copy reads from; it is set once access to it was judged, allowed or not, and not before: a
    request refused earlier never touched the source and leaves no record there.
    `request_id` and `host_id` are made by the server: letters, digits and "+/=" only, so no record
    needs to quote them. `caller` None: identification failed. `status`, `bytes_sent` (of the
    body, as really sent) and `facts` None: the answer is not known yet. `error_code` is the code
    that was answered; where None, the one in `facts` counts. `tls` None: plain HTTP.
    `source_region` stays None unless it was observed.
    """

    request: Request
    timing: Timing
    request_id: str
    host_id: str | None = None
    remote_ip: str | None = None
    tls: tuple[str, str] | None = None  # a Tls, or any (version, cipher)
    route: Route | None = None
    bucket: Bucket | None = None
    source_bucket: Bucket | None = None
    caller: Caller | None = None
    decision: Decision | None = None
    source_acl_required: bool = False
    status: int | None = None
    error_code: str | None = None
    bytes_sent: int | None = None
    facts: Facts | None = None
    source_region: str | None = None
