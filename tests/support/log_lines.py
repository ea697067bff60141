"""Plain log lines by number, so that a test can tell which ones it got back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, tzinfo=UTC)
_OWNER = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"


def line(number: int, at: datetime | None = None, fields: int = 27) -> bytes:
    """The record of request `number`, a second after the one before; its request id says which."""
    time = START + timedelta(seconds=number) if at is None else at
    whole = (
        f"{_OWNER} src [{time:%d/%b/%Y:%H:%M:%S} +0000] 192.0.2.{number % 250} {_OWNER} "
        f'R{number:015d} REST.GET.OBJECT key-{number} "GET /src/key-{number} HTTP/1.1" 200 - '
        f'{number} {number} 7 6 "-" "curl/8.5" -'
    )
    tail = (
        "aHost+id/==",
        "SigV4",
        "TLS_AES_128_GCM_SHA256",
        "AuthHeader",
        "src.s3.us-east-1.amazonaws.com",
        "TLSv1.3",
        "-",
        "-",
        "us-east-1",
    )
    return " ".join((whole, *tail[: fields - 18])).encode() + b"\n"


def lines(first: int, count: int) -> bytes:
    """Records from `first` on."""
    return b"".join(line(number) for number in range(first, first + count))


def ids(first: int, count: int) -> list[str]:
    """The request ids of these records."""
    return [f"R{number:015d}" for number in range(first, first + count)]
