#!/usr/bin/env python3
"""Runs any reader of S3 server access logs over the conformance set and says how it fares.

    python conformance/run.py my-reader --flags

The command gets the lines of one file on stdin and writes one JSON object for each line of it, in
order: the fields by their names (README.md), or {"reject": "why"}. Standard library only; needs
nothing but this folder. Exit code 0: every line right; 1: not; 2: the command can't be run.

SPDX-License-Identifier: Apache-2.0
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

LINES = Path(__file__).parent / "lines"

FIELDS = (
    *("bucket_owner", "bucket", "time", "remote_ip", "requester", "request_id", "operation"),
    *("key", "request_uri", "http_status", "error_code", "bytes_sent", "object_size"),
    *("total_time", "turn_around_time", "referer", "user_agent", "version_id", "host_id"),
    *("signature_version", "cipher_suite", "authentication_type", "host_header", "tls_version"),
    *("access_point_arn", "acl_required", "source_region"),
)
NUMBERS = FIELDS[9:10] + FIELDS[11:15]
OUTCOMES = ("right", "doubted", "refused", "silent")
"""What becomes of a line.

right: the expected record, with every field the reader knows, or the expected refusal; `doubted`:
not so, but the reader marked the row as ambiguous; `refused`: a record that the reader says it
can't read; `silent`: a row that is wrong, a row where there is no record, or one reading of a line
that has several, and not a word of it.
"""

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One file of the set: its bytes, and what is expected of each of its lines."""

    name: str
    line_class: str
    about: str
    data: bytes
    lines: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one line, and where it isn't right, in which fields or why."""

    case: str
    line_class: str
    line: int
    outcome: str
    detail: str
    ambiguous: bool
    told: bool


def cases(folder: Path = LINES) -> list[Case]:
    """The set, by name."""
    found = []
    for path in sorted(folder.glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        data = path.with_suffix(".log").read_bytes()
        found.append(Case(path.stem, told["class"], told["about"], data, tuple(told["lines"])))
    return found


def lines_of(data: bytes) -> list[bytes]:
    r"""The lines of a file, each with its end: "\n" ends a line and nothing else does."""
    return re.findall(rb"[^\n]*\n|[^\n]+", data)


def _comparable(name: str, value: Any, lossy: bool) -> Any:
    """A value in one spelling: hyphens are None, counts ints, times UTC, bad bytes folded."""
    if value is None or value == "-":
        return None
    if name == "time" and isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return value
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    if name == "acl_required" and isinstance(value, str):
        return value.lower() == "yes"
    if name in NUMBERS and isinstance(value, str) and value.isdecimal():
        return int(value)
    if lossy and isinstance(value, str):
        return re.sub(r"[^\x00-\x7f]+", "\ufffd", value)
    return value


def judge(expected: Mapping[str, Any], answer: Answer | None, known: Iterable[str]) -> Any:
    """(outcome, detail) of one answer; None is a line that the reader left out without a word.

    To leave out what is no record is right.
    """
    if answer is None:
        return ("right", "") if "reject" in expected else ("silent", "left out")
    told = bool(answer.get("ambiguous"))
    if "reject" in answer:
        outcome = "right" if "reject" in expected else "refused"
        return outcome, "" if outcome == "right" else str(answer["reject"])
    if "reject" in expected:
        return ("doubted" if told else "silent"), "is no record"
    disputed = expected.get("disputed", ())
    lossy = bool(expected.get("lossy"))
    wrong = [
        name
        for name in FIELDS
        if name in known
        and name not in disputed
        and _comparable(name, answer.get(name), lossy)
        != _comparable(name, expected["record"].get(name), lossy)
    ]
    if "extra_fields" in answer:
        wrong += ["extra_fields"] * (
            list(answer["extra_fields"] or ()) != expected.get("extra_fields", [])
        )
    if told:
        right = not wrong and bool(expected.get("ambiguous"))
        return ("right" if right else "doubted"), ", ".join(wrong)
    if expected.get("ambiguous"):
        return "silent", "takes one reading of several"
    return ("silent" if wrong else "right"), ", ".join(wrong)


def verdicts(
    given: Sequence[Case], answers: Mapping[str, Sequence[Answer | None]]
) -> tuple[list[Verdict], list[str]]:
    """A verdict for each line, and the fields that the reader knows.

    A reader knows a field when it names it for any line; only those are asked of it. Where it
    gives another number of answers than there are lines, none of them can be told apart.
    """
    named = {name for of in answers.values() for answer in of for name in answer or ()}
    known = [name for name in FIELDS if name in named]
    found = []
    for case in given:
        told: Sequence[Answer | None] = answers[case.name]
        if len(told) != len(case.lines):
            told = [None] * len(case.lines)
        for number, (expected, answer) in enumerate(zip(case.lines, told, strict=True), 1):
            outcome, detail = judge(expected, answer, known)
            ambiguous = bool(expected.get("ambiguous"))
            flagged = bool((answer or {}).get("ambiguous"))
            found.append(
                Verdict(case.name, case.line_class, number, outcome, detail, ambiguous, flagged)
            )
    return found, known


def ask(command: Sequence[str], case: Case, timeout_s: float) -> list[Answer | None]:
    """What the command says to one file; where it fails, it has refused every line."""
    try:
        done = subprocess.run(command, input=case.data, capture_output=True, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return [{"reject": f"no end within {timeout_s:g} s"}] * len(case.lines)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return [{"reject": f"exit {done.returncode}: {' '.join(last)}"}] * len(case.lines)
    try:
        return [json.loads(line) for line in done.stdout.split(b"\n") if line.strip()]
    except ValueError as error:
        return [{"reject": f"its answer is not JSON: {error}"}] * len(case.lines)


def table(found: Sequence[Verdict]) -> list[str]:
    """The classes, and how many of their lines had which outcome."""
    classes: dict[str, Counter[str]] = {}
    for verdict in found:
        classes.setdefault(verdict.line_class, Counter())[verdict.outcome] += 1
    rows = [f"{'class':<18}{'lines':>7}" + "".join(f"{name:>9}" for name in OUTCOMES)]
    for name, counts in sorted(classes.items()):
        cells = "".join(f"{counts[outcome] or '.':>9}" for outcome in OUTCOMES)
        rows.append(f"{name:<18}{counts.total():>7}{cells}")
    total = Counter(verdict.outcome for verdict in found)
    rows.append(f"{'all':<18}{len(found):>7}" + "".join(f"{total[name]:>9}" for name in OUTCOMES))
    return rows


def main(tell: Callable[[str], None] = print) -> int:
    """Asks, judges, prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--show", action="store_true", help="name each line that isn't right")
    parser.add_argument("--class", dest="only", help="only the lines of one class")
    parser.add_argument("--timeout", type=float, default=60, help="seconds for one file")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the reader and its arguments")
    given = parser.parse_args()
    if not given.command:
        parser.error("which reader? give a command")
    chosen = [case for case in cases() if given.only in (None, case.line_class)]
    try:
        answers = {case.name: ask(given.command, case, given.timeout) for case in chosen}
    except OSError as error:
        parser.error(f"can't run {given.command[0]}: {error}")
    found, known = verdicts(chosen, answers)
    for row in table(found):
        tell(row)
    ambiguous = [verdict for verdict in found if verdict.ambiguous]
    tell(f"fields it knows: {len(known)} of {len(FIELDS)}")
    tell(f"lines with several readings it told of: {sum(v.told for v in ambiguous)}"
         f" of {len(ambiguous)}")  # fmt: skip
    wrong = [verdict for verdict in found if verdict.outcome != "right"]
    for verdict in wrong if given.show else ():
        tell(f"{verdict.case}:{verdict.line}: {verdict.outcome}: {verdict.detail}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
