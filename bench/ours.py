"""bucketlog's own kernel and scan, in the same form as the readers they are compared with."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from conformance.run import FIELDS

from bucketlog import _native


def answers(data: bytes) -> list[dict[str, Any]]:
    """What the kernel says of each line of a file."""
    return from_batches(*_native.parse_lines(data, 1, 0))


def from_batches(rows: pa.RecordBatch, rejects: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows and rejects in the form of the conformance set, by line number."""
    told: dict[int, dict[str, Any]] = {}
    for row in rows.to_pylist():
        values = {name: row[name] for name in FIELDS}
        values["time"] = row["time"] and row["time"].isoformat()
        values["extra_fields"] = row["extra_fields"] or []
        values["ambiguous"] = row["parse_ambiguous"]
        told[row["line_number"]] = values
    for row in rejects.to_pylist():
        told[row["line_number"]] = {"reject": row["reason"]}
    return [told[number] for number in sorted(told)]
