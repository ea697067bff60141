"""Lines as they happen to rows for the live tail: those that somebody wants to see. Blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bucketlog.console.insights import drawing
from bucketlog.console.record_table import who

AT_ONCE = 100
"""Rows for the browser at a time; of more the newest, and how many they were."""

_LONGEST = 200
_COLUMNS = (
    *("time", "operation", "http_status", "error_code", "requester", "remote_ip"),
    *("bytes_sent", "total_time", "line_number", "key_decoded", "client"),
)


@dataclass(frozen=True, slots=True)
class Filter:
    """What is wanted: texts that must be in operation and key, and how the status begins."""

    operation: str = ""
    status: str = ""
    key: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Filter:
        """As an address has it; a status is digits, as 404, or a class of them, as 4xx."""
        status = query.get("status", "").strip().lower().rstrip("x")
        return cls(
            query.get("operation", "").strip().upper(),
            status if status.isdigit() else "",
            query.get("key", "").strip(),
        )

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether a record is wanted."""
        return (
            self.operation in (row["operation"] or "")
            and (not self.status or str(row["http_status"] or "").startswith(self.status))
            and self.key in (row["key_decoded"] or "")
        )


def rows(lines: Mapping[str, bytes], wanted: Filter) -> tuple[list[dict[str, Any]], int]:
    """Rows for the browser, oldest first, and how many more there were."""
    from bucketlog.reader import derived, parse

    found: list[tuple[Any, dict[str, Any]]] = []
    for bucket, data in lines.items():
        batch = derived.add(parse.parse_lines(data)[0], ("key_decoded", "client"))
        texts = data.split(b"\n")
        for row in batch.select(_COLUMNS).to_pylist():
            if wanted.fits(row):
                text = texts[row["line_number"] - 1].decode("utf-8", "replace")
                found.append((row["time"], _shown(bucket, row, text)))
    found.sort(key=lambda pair: pair[0])
    return [row for _, row in found[-AT_ONCE:]], max(0, len(found) - AT_ONCE)


def _shown(bucket: str, row: Mapping[str, Any], line: str) -> dict[str, Any]:
    return {
        "bucket": bucket,
        "time": row["time"].strftime("%H:%M:%S"),
        "operation": row["operation"],
        "status": row["http_status"],
        "error": row["error_code"],
        "key": None if row["key_decoded"] is None else row["key_decoded"][:_LONGEST],
        "who": who(row["requester"])[:_LONGEST],
        "address": row["remote_ip"],
        "client": row["client"],
        "bytes": row["bytes_sent"],
        "took": None if row["total_time"] is None else drawing.milliseconds(row["total_time"]),
        "line": line,
    }
