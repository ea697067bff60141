"""Answers as one page: self-contained, for light, dark, paper and phones.

Everything that stands in a log was written by strangers. It comes into the page as escaped text or
as JSON in an inert element, and the page's policy lets no script run but its own and nothing be
fetched.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from html import escape
from importlib import resources
from typing import Any

import pyarrow as pa

from bucketlog import __version__
from bucketlog.lake import charts
from bucketlog.lake.reports import Report
from bucketlog.problems import Problem
from bucketlog.reader.account import Account

_FOLD_FROM = 60  # rows: a longer table is opened by the reader
_UNITS = ("B", "KB", "MB", "GB", "TB", "PB", "EB")
_NARROW = "\N{NARROW NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page is about: sources, filters by name, and what reading them came to.

    `records` are those that the filters let through, `first` and `last` their times; `account` is
    about all that was read.
    """

    sources: Sequence[str]
    filters: Mapping[str, str]
    account: Account
    records: int
    first: datetime | None
    last: datetime | None
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Section:
    """One report's answer, and the SQL that gave it, with the values of its parameters."""

    report: Report
    answer: pa.Table
    sql: str
    parameters: Mapping[str, object]


def render(sections: Iterable[Section], facts: Facts) -> str:
    """The page as HTML. Raises Problem where the library that draws charts isn't installed."""
    shown = list(sections)
    drawn = {
        section.report.name: chart
        for section in shown
        if (chart := charts.of(section.report.name, section.answer))
    }
    title = shown[0].report.title if len(shown) == 1 else "S3 access report"
    script = _script() if drawn else ""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"script-src 'sha256-{digest}'; " if drawn else ""
    policy = f"default-src 'none'; {allowed}style-src 'unsafe-inline'; img-src data:"
    body = [
        _header(title, facts),
        _contents(shown) if len(shown) > 1 else "",
        *(_section(section, section.report.name in drawn, len(shown) > 1) for section in shown),
        f"<footer>Made {_time(facts.made_at)} UTC by bucketlog {escape(__version__)}.</footer>",
    ]
    if drawn:
        body += [
            f'<script type="application/json" id="charts">{_inert(drawn)}</script>',
            f'<script type="module">{script}</script>',
        ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_resource('page.css')}</style>\n"
        "</head>\n<body>\n" + "\n".join(filter(None, body)) + "\n</body>\n</html>\n"
    )


@cache
def _script() -> str:
    try:
        import vl_convert
    except ImportError as error:
        raise Problem(
            "Pages with charts need vl-convert-python, which isn't installed.",
            "Run: pip install 'bucketlog[lake]'",
        ) from error
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    # It defines window.vegaEmbed. Within <script>, this alone would end it.
    return f"{bundle}\n{_resource('page.js')}".replace("</script", "<\\/script")


def _resource(name: str) -> str:
    return (resources.files("bucketlog.lake") / name).read_text("utf-8")


def _inert(value: object) -> str:
    """JSON that is harmless within an element: nothing in it can end the element or open one."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), default=str)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


# ── parts of the page ───────────────────────────────────────────────────────────────────────────


def _header(title: str, facts: Facts) -> str:
    account = facts.account
    span = (
        f"{_time(facts.first)} to {_time(facts.last)} UTC"
        if facts.first is not None and facts.last is not None
        else "no records"
    )
    told = {"Source": ", ".join(facts.sources), "Time": span, **facts.filters}
    counts = [
        ("records", facts.records, False),
        ("objects read", account.objects, False),
        ("lines", account.lines, False),
        ("rows", account.rows, False),
        ("rejected lines", account.rejected, account.rejected > 0),
        ("ambiguous rows", account.ambiguous, account.ambiguous > 0),
    ]
    tiles = "".join(
        f"<div{' class=doubt' if doubt else ''}><b>{_count(number)}</b><span>{name}</span></div>"
        for name, number, doubt in counts
    )
    terms = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in told.items()
    )
    return (
        f"<header><h1>{escape(title)}</h1><dl>{terms}</dl>"
        f'<div class="facts">{tiles}</div>{_notes(account)}</header>'
    )


def _notes(account: Account) -> str:
    notes = [
        f"{_count(number)} {'line' if number == 1 else 'lines'} rejected: {why}"
        for why, number in account.rejects.most_common()
    ]
    notes += [f"{each.name}: {each.reason}" for each in account.objects_in_trouble[:20]]
    if account.troubles > 20:
        notes.append(f"and {_count(account.troubles - 20)} more objects could not be read whole")
    if not account.adds_up:
        notes.append("The count doesn't add up: lines are missing from these answers.")
    if account.ambiguous:
        notes.append(
            f"{_count(account.ambiguous)} of the rows can be read in more than one way, so clients "
            "may have forged them; parse_ambiguous tells which."
        )
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<div class="notes">What to know about these logs:<ul>{items}</ul></div>'


def _contents(sections: Sequence[Section]) -> str:
    links = "".join(
        f'<a href="#{each.report.name}-section">{escape(each.report.title)}'
        f"<span>{'' if each.answer.num_rows else 'none'}</span></a>"
        for each in sections
    )
    return f"<nav>{links}</nav>"


def _section(section: Section, is_drawn: bool, is_one_of_many: bool) -> str:
    report = section.report
    parts = [f'<section id="{report.name}-section">']
    if is_one_of_many:
        parts.append(f"<h2>{escape(report.title)}</h2>")
    parts.append("".join(f'<p class="about">{escape(text)}</p>' for text in report.text))
    if section.answer.num_rows == 0:
        parts.append('<p class="nothing">There is none among these records.</p>')
    else:
        if is_drawn:
            parts.append(f'<div class="chart" id="{report.name}"></div>')
        parts.append(_table(section))
    meanings = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(meaning)}</dd>" for name, meaning in report.columns
    )
    values = "".join(
        f"<dt>${escape(name)}</dt><dd>{escape(str(value))}</dd>"
        for name, value in section.parameters.items()
    )
    parts.append(f"<details><summary>What the columns mean</summary><dl>{meanings}</dl></details>")
    parts.append(
        "<details><summary>The question in SQL</summary>"
        f"<pre>{escape(section.sql)}</pre><dl>{values}</dl></details></section>"
    )
    return "\n".join(parts)


def _table(section: Section) -> str:
    answer, meanings = section.answer, dict(section.report.columns)
    kinds = [_kind(each.name, each.type, meanings) for each in answer.schema]
    head = "".join(
        f'<th class="{kind}"><abbr title="{escape(meanings[name])}">'
        f"{escape(name.replace('_', ' '))}</abbr></th>"
        for name, kind in zip(answer.schema.names, (_css(kind) for kind in kinds), strict=True)
    )
    rows = "".join(
        "<tr>"
        + "".join(_cell(value, kind) for value, kind in zip(row.values(), kinds, strict=True))
        + "</tr>"
        for row in answer.to_pylist()
    )
    inner = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    table = f'<div class="table"><table>{inner}</table></div>'
    if answer.num_rows <= _FOLD_FROM:
        return table
    words = f"The {_count(answer.num_rows)} rows as a table"
    return f"<details><summary>{words}</summary>{table}</details>"


def _kind(name: str, kind: pa.DataType, meanings: Mapping[str, str]) -> str:
    if pa.types.is_timestamp(kind):
        return "time"
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return "text"
    if meanings[name].endswith("(bytes)") or meanings[name].endswith("(bytes/s)"):
        return "bytes"
    return "code" if name == "http_status" else "number"


def _css(kind: str) -> str:
    return "number" if kind in ("bytes", "code") else kind


def _cell(value: Any, kind: str) -> str:
    if value is None:
        return f'<td class="{_css(kind)} none">&ndash;</td>'
    if kind == "time":
        return f'<td class="time">{_time(value)}</td>'
    if kind == "text":
        text = escape(str(value))
        if text.startswith("arn:"):  # what counts is at its end
            return f'<td class="text tail" title="{text}"><bdi dir="ltr">{text}</bdi></td>'
        return f'<td class="text" title="{text}">{text}</td>'
    dim = " zero" if value == 0 else ""
    if kind == "bytes":
        return f'<td class="number{dim}" title="{_count(value)} bytes">{size(value)}</td>'
    return f'<td class="number{dim}">{value if kind == "code" else _count(value)}</td>'


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _count(number: int | float) -> str:
    return f"{number:,}".replace(",", _NARROW)


def size(count: int) -> str:
    """Bytes in the largest decimal unit that leaves one before the point: "1.23 GB"."""
    amount = float(count)
    for unit in _UNITS:
        if amount < 999.5 or unit == _UNITS[-1]:
            break
        amount /= 1000
    return f"{amount:.3g}{_NARROW}{unit}"
