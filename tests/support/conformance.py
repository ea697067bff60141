"""The conformance set as the tests use it: one case a line, with the record as `LogRecord`.

The files in `conformance/lines` are the only copy of these lines. There `key` is as it stands in
the line and times are ISO 8601; here they are what `LogRecord` holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from conformance import run

from bucketlog.accesslog.record import LogRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the set: its bytes with their end, and what it is (`expected`, the JSON)."""

    name: str
    line_class: str
    data: bytes
    expected: Mapping[str, Any]

    @property
    def is_record(self) -> bool:
        """Whether the line is a record; else `expected["reject"]` says where reading fails."""
        return "reject" not in self.expected

    @property
    def record(self) -> LogRecord:
        """The expected record; `key` decoded, `time` in nanoseconds."""
        values = dict(self.expected["record"])
        at = datetime.fromisoformat(values["time"]) - _EPOCH
        values["time"] = at // timedelta(seconds=1) * 1_000_000_000
        if "key" in values:
            values["key"] = self.expected["object_key"]
        return LogRecord(**values)

    @property
    def extra_fields(self) -> list[str]:
        """The expected fields behind the known ones."""
        return list(self.expected.get("extra_fields", ()))

    @property
    def is_ambiguous(self) -> bool:
        """Whether the line can be read in more than one way."""
        return bool(self.expected.get("ambiguous"))

    @property
    def is_lossy(self) -> bool:
        """Whether bytes that aren't UTF-8 are replaced in it."""
        return bool(self.expected.get("lossy"))


def _lines() -> dict[str, Line]:
    found = {}
    for case in run.cases():
        for number, data in enumerate(run.lines_of(case.data)):
            name = case.name if len(case.lines) == 1 else f"{case.name}:{number + 1}"
            found[name] = Line(name, case.line_class, data, case.lines[number])
    return found


LINES = _lines()
"""Every line by name: the file's, and `:2` and so on where a file has several lines."""

RECORDS = {name: line for name, line in LINES.items() if line.is_record}
"""Those that are records."""
