"""Runs every known reader over the conformance set and writes what became of each line.

`make conformance` writes `results.json` beside this file and `docs/conformance.md` from it;
`--page` writes only the page. The readers are in `bench/`, in an environment of their own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from conformance import run  # noqa: E402

RESULTS = Path(__file__).parent / "results.json"
PAGE = ROOT / "docs" / "conformance.md"

GROUPS = {
    "Eras and kinds of records": (
        *("era-17-18", "era-23-24", "era-25-27", "unknown-trailing", "several-eras"),
        *("bare-hyphens", "lifecycle", "table-buckets"),
    ),
    "What stands in the fields": (
        *("requests", "quotes", "backslashes", "bytes", "requester", "keys", "long-lines"),
    ),
    "Odd lines, forged lines, and no lines at all": (
        *("stray-tokens", "spacing", "forged", "no-record"),
    ),
}
KINDS = {
    "ours": "ours",
    "package": "run as published",
    "engine": "run as published",
    "pattern": "published pattern, applied in Python",
    "home-made": "as people do it",
}


def digest(cases: Iterable[run.Case]) -> str:
    """What tells whether results are of this set."""
    found = hashlib.sha256()
    for case in cases:
        found.update(case.name.encode() + b"\0" + case.data + json.dumps(case.lines).encode())
    return found.hexdigest()


def _readers(
    cases: Sequence[run.Case],
) -> Iterator[tuple[dict[str, str], dict[str, Sequence[run.Answer | None]]]]:
    """Each reader: who it is, and its answers by the name of the case."""
    from bench import engines, ours, readers

    from bucketlog import __version__

    about = {
        **{"name": "bucketlog", "kind": "ours", "source": f"bucketlog {__version__}"},
        **{"licence": "Apache-2.0", "how": "the kernel, parse_lines"},
    }
    yield about, {case.name: ours.answers(case.data) for case in cases}
    for each in readers.line_readers():
        about = {key: getattr(each, key) for key in ("name", "kind", "source", "licence", "how")}
        yield about, {case.name: each.answers(case.data) for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        for engine in engines.ENGINES:
            about = {
                **{"name": engine.name, "kind": "engine", "source": engine.version},
                **{"licence": engine.licence, "how": engine.how},
            }
            yield (
                about,
                {case.name: engine.answers_one_by_one(case.data, Path(folder)) for case in cases},
            )


def results() -> dict[str, Any]:
    """Everything, ready for JSON."""
    cases = run.cases()
    found = []
    for about, answers in _readers(cases):
        verdicts, known = run.verdicts(cases, answers)
        classes: dict[str, Counter[str]] = {}
        for verdict in verdicts:
            classes.setdefault(verdict.line_class, Counter())[verdict.outcome] += 1
        found.append(
            about
            | {
                "fields": len(known),
                "outcomes": dict(Counter(verdict.outcome for verdict in verdicts)),
                "told": sum(verdict.ambiguous and verdict.told for verdict in verdicts),
                "classes": {name: dict(counts) for name, counts in sorted(classes.items())},
                "not_right": {
                    f"{verdict.case}:{verdict.line}": f"{verdict.outcome}: {verdict.detail[:160]}"
                    for verdict in verdicts
                    if verdict.outcome != "right"
                },
            }
        )
    return {
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        "set": digest(cases),
        "readers": found,
    }


# ── the page ────────────────────────────────────────────────────────────────────────────────────

_INTRO = """\
# How readers fare on the conformance set

<!-- Written by conformance/compare.py. Run `make conformance` to run every reader again. -->

The [conformance set](../conformance/README.md) is {lines} lines in {files} files, of every era and
shape of S3 server access logs, with what a reader must make of each. Here is what became of them
on {date}. Any reader can be run over the set by its own command; the set says how.

Of each line, with the fields that the reader knows: **right**; **doubted**: not as expected, but
the row is marked as ambiguous; **refused**: the reader says that it can't read it; **silent**: a
row that is wrong, a record left out, or one reading of a line that has several, and not a word of
it. Silence is the one that does harm. {ambiguous} lines can be read in more than one way, so that
a client may have forged them; *told* is of how many of these the reader says so.
"""
_HOW = """\
## How each was run

Packages and engines were run as published, on CPython {python}; each line was given to them by
itself, so that a line that makes one fail costs that line only. (In use it mostly costs the rest
of the file: s3-log-parse, ls-s3-logs and OpenTelemetry's reader end at the first line that they
can't read.) Patterns were taken from where they are published and applied in Python; no code of
their projects was run. What a reader calls otherwise was renamed; hyphens and brackets, and
quotes that belong to the line, were taken off; where the documentation of s3-log-parse says that
0 stands for a hyphen, 0 was read as unknown; a row without any value counts as refused. Engines
that can only fail or leave lines out were told to leave them out.

| reader | kind | source | licence | how |
| --- | --- | --- | --- | --- |
"""
_NOT = """\

Looked at and not run: aws-log-parser 3.0.2 and apachelogs on PyPI know CloudFront's, load
balancers' and web servers' logs, but not these. The npm packages s3-access-log-parser and
s3-log-parser, and the Go modules of access-log-parser, OpenTelemetry and Tailpipe, could not be
had as packages when this was made; of those whose source was at hand, the pattern stands in for
them.

Every line that a reader doesn't get right is named in `conformance/results.json`.
"""


def page(told: Mapping[str, Any]) -> str:
    """The page about these results."""
    cases = run.cases()
    lines = Counter(case.line_class for case in cases for _ in case.lines)
    ambiguous = sum(bool(line.get("ambiguous")) for case in cases for line in case.lines)
    readers = told["readers"]
    intro = _INTRO.format(
        lines=lines.total(), files=len(cases), date=told["date"], ambiguous=ambiguous
    )
    rows = [
        f"| {each['name']} | {each['fields']} | "
        + " | ".join(_number(each["outcomes"].get(name, 0)) for name in run.OUTCOMES)
        + f" | {_number(each['told'])} |"
        for each in sorted(readers, key=_standing)
    ]
    parts = [
        intro,
        "| reader | fields | right | doubted | refused | silent | told |\n"
        "| --- | --: | --: | --: | --: | --: | --: |\n" + "\n".join(rows) + "\n",
        "## By class\n\nHow many lines came out right; `r` refused, `s` silent, `d` doubted.\n",
        *(_classes(title, names, lines, readers) for title, names in GROUPS.items()),
        _HOW.format(python=told["python"])
        + "\n".join(
            f"| {each['name']} | {KINDS[each['kind']]} | {each['source']} | {each['licence']} | "
            f"{each['how']} |"
            for each in readers
        )
        + "\n"
        + _NOT,
    ]
    return "\n".join(parts)


def _standing(reader: Mapping[str, Any]) -> tuple[int, int, str]:
    counts = reader["outcomes"]
    return -counts.get("right", 0), counts.get("silent", 0), reader["name"]


def _number(count: int) -> str:
    return str(count) if count else "."


def _classes(
    title: str,
    names: Sequence[str],
    lines: Mapping[str, int],
    readers: Sequence[Mapping[str, Any]],
) -> str:
    rows = [
        f"### {title}\n",
        "| reader | " + " | ".join(names) + " |",
        "| --- |" + " --- |" * len(names),
        "| *lines* | " + " | ".join(f"*{lines[name]}*" for name in names) + " |",
    ]
    for each in sorted(readers, key=_standing):
        cells = [_cell(each["classes"].get(name, {})) for name in names]
        rows.append(f"| {each['name']} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _cell(counts: Mapping[str, int]) -> str:
    odd = [f"{counts[name]}{name[0]}" for name in run.OUTCOMES[1:] if counts.get(name)]
    return " ".join([_number(counts.get("right", 0)), *odd])


def main() -> None:
    """Runs them, or only writes the page again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--page", action="store_true", help="only the page, from results.json")
    if not parser.parse_args().page:
        RESULTS.write_text(json.dumps(results(), indent=1) + "\n")
    PAGE.write_text(page(json.loads(RESULTS.read_text())))


if __name__ == "__main__":
    main()
