"""The page of answers: self-contained, and nothing that stands in a log becomes part of it."""

import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.support.records import ALICE, BATCH, COPY, LIFECYCLE, opening, row

from bucketlog.lake import charts, page, reports
from bucketlog.lake.reports import NAMES, Filters
from bucketlog.problems import Problem
from bucketlog.reader.account import Account
from bucketlog.reader.objects import Trouble

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\"&amp;"
LINES = [
    *BATCH,
    *COPY,
    *LIFECYCLE,
    row(total_time=5, acl_required=True, tls_version="TLSv1"),
    row(requester=None),
    row(authentication_type="QueryString", http_status=403),
]


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)


def rendered(
    lines: Sequence[bytes] = LINES,
    names: Sequence[str] = NAMES,
    account: Account | None = None,
    filters: Filters | None = None,
) -> str:
    filters = filters or Filters()
    chosen = [reports.named(name) for name in names]
    with reports.answers(chosen, opening(lines), filters) as answers:
        sections = [
            page.Section(
                report,
                table,
                reports.statement(report, filters),
                reports.parameters(report, filters, 20),
            )
            for report, table in answers.tables
        ]
    facts = page.Facts(
        ["s3://logs/<b>/", "old.log"],
        {"Bucket": "<i>"},
        account or Account(objects=1, lines=len(lines), rows=len(lines)),
        answers.records,
        answers.first,
        answers.last,
        datetime(2026, 3, 17, 9, 30, tzinfo=UTC),
    )
    return page.render(sections, facts)


def specs(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', text, re.S)
    assert found is not None
    charts: dict[str, Any] = json.loads(found[1])
    return charts


def test_a_page_fetches_nothing() -> None:
    """No element points anywhere, and the policy forbids what a script could try."""
    elements = Elements(rendered())
    tags = {tag for tag, _ in elements.found}
    assert not tags & {"link", "img", "iframe", "object", "embed", "base", "form", "image"}
    for tag, attributes in elements.found:
        assert not {"src", "srcset", "action", "style"} & set(attributes), tag
        assert (attributes.get("href") or "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]
    policy = next(a["content"] or "" for t, a in elements.found if "http-equiv" in a)
    assert re.fullmatch(
        r"default-src 'none'; script-src 'sha256-[\w+/=]{44}'; style-src 'unsafe-inline'; "
        r"img-src data:",
        policy,
    )
    style = "".join(elements.texts["style"])
    assert "@import" not in style
    assert "url(" not in style


def test_the_policy_names_the_script_that_is_there() -> None:
    import base64
    import hashlib

    text = rendered()
    script = re.search(r'<script type="module">(.*)</script>\n</body>', text, re.S)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in text
    assert text.count("<script") - script[1].count("<script") == 2


def test_what_stands_in_a_log_stays_text() -> None:
    evil = {"user_agent": EVIL, "key": EVIL, "requester": ALICE, "remote_ip": "<u>"}
    lines = [
        row("REST.PUT.OBJECT", **evil, bucket="<s>x", error_code="A", http_status=404),
        row("REST.GET.OBJECT", **evil, bucket="<s>x", tls_version="TLSv1", acl_required=True),
        row("REST.GET.OBJECT", **{**evil, "requester": None}, referer=EVIL),
        row("REST.GET.OBJECT", **evil, authentication_type="QueryString", total_time=3),
    ]
    amazon = [
        line.replace(b"%22", b'"').replace(b"%3C", b"<").replace(b"%3E", b">") for line in lines
    ]
    text = rendered(amazon, account=Account(objects_in_trouble=[Trouble(EVIL, EVIL)], troubles=1))
    elements = Elements(text)
    tags = [tag for tag, _ in elements.found]
    assert tags.count("script") == 2
    assert not {"img", "u", "s", "b2", "i"} & set(tags)
    assert any(EVIL in cell for cell in elements.texts["td"])
    assert any(EVIL in item for item in elements.texts["li"])
    assert text.count("alert(1)") > 3
    shown = json.dumps(specs(text))
    assert "alert(1)" in shown


def test_a_page_tells_its_sources_counts_and_doubts() -> None:
    account = Account(objects=3, lines=30, rows=24, ambiguous=2)
    account.rejects.update({"its time can't be read": 5})
    for number in range(25):
        account.note(Trouble(f"s3://logs/{number}", "access denied"))
    text = rendered(account=account)
    for told in (
        "s3://logs/&lt;b&gt;/, old.log",
        "2026-03-01 12:00:00 to 2026-03-05 00:00:00 UTC",
        "<dt>Bucket</dt><dd>&lt;i&gt;</dd>",
        f"<b>{len(LINES)}</b><span>records</span>",
        "<b>30</b><span>lines</span>",
        "<div class=doubt><b>5</b><span>rejected lines</span>",
        "5 lines rejected: its time can&#x27;t be read",
        "s3://logs/19: access denied",
        "and 5 more objects could not be read whole",
        "lines are missing from these answers",
        "2 of the rows can be read in more than one way",
        "Made 2026-03-17 09:30:00 UTC by bucketlog",
    ):
        assert told in text, told
    assert "s3://logs/20: " not in text


def test_a_page_without_doubts_raises_none() -> None:
    text = rendered()
    assert 'class="notes"' not in text
    assert "doubt" not in text.partition("</style>")[2].partition("<script")[0]


def test_every_report_is_on_the_page_of_all_with_its_chart_table_and_sql() -> None:
    text = rendered()
    drawn = specs(text)
    assert list(drawn) == list(NAMES)
    for report in reports.every():
        assert f'<div class="chart" id="{report.name}"></div>' in text
        assert f'<a href="#{report.name}-section">' in text
        assert f"<h2>{report.title}</h2>" in text
    assert text.count("<summary>The question in SQL</summary>") == len(NAMES)
    assert text.count('<div class="table">') == len(NAMES)
    assert "FROM logs\nWHERE" in text


def test_a_page_of_one_report_has_its_title_and_the_values_of_parameters() -> None:
    text = rendered(names=["top-keys"], filters=Filters(bucket="photos", prefix="a&b"))
    assert "<title>Top keys</title>" in text
    assert "<h1>Top keys</h1>" in text
    assert "<nav>" not in text
    assert "<dt>$prefix</dt><dd>a&amp;b</dd>" in text
    assert "starts_with(key_decoded, $prefix)" in text


def test_a_page_without_answers_needs_no_script() -> None:
    text = rendered(filters=Filters(bucket="none"))
    assert "<script" not in text
    assert "script-src" not in text
    assert text.count("There is none among these records.") == len(NAMES)
    assert "<dd>no records</dd>" in text


def test_without_the_chart_library_a_page_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    page._script.cache_clear()
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(Problem) as caught:
        rendered()
    assert caught.value.hint == "Run: pip install 'bucketlog[lake]'"


def test_a_long_table_is_folded() -> None:
    lines = [row(at=f"2026-03-01T{hour:02}:00:00") for hour in range(3)]
    text = rendered(lines, ["requests-over-time"])
    assert "<summary>The 121 rows as a table</summary>" in text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 KB"),
        (1234, "1.23 KB"),
        (999_949, "1 MB"),
        (12_345_678, "12.3 MB"),
        (5 * 10**12, "5 TB"),
        (2**63, "9.22 EB"),
    ],
)
def test_bytes_are_told_in_three_digits(count: int, text: str) -> None:
    assert page.size(count).replace("\N{NARROW NO-BREAK SPACE}", " ") == text


# ── charts ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_a_chart_is_a_specification_that_the_library_takes(name: str) -> None:
    import vl_convert

    with reports.answer(reports.named(name), opening(LINES)) as answer:
        spec = charts.of(name, answer.table())
    assert spec is not None
    svg = vl_convert.vegalite_to_svg({**spec, "width": 400})
    assert "#00000" in svg, "marks have a class of meaning, that the page colours"
    assert re.search(r"<path[^>]+#00000\d", svg)


@pytest.mark.parametrize("name", NAMES)
def test_there_is_no_chart_of_nothing(name: str) -> None:
    with reports.answer(reports.named(name), opening([row()]), Filters("none")) as answer:
        assert charts.of(name, answer.table()) is None


def test_a_chart_of_zeros_is_none() -> None:
    with reports.answer(reports.named("bytes-by-requester"), opening([row()])) as answer:
        assert not charts.of("bytes-by-requester", answer.table())


def test_bars_whose_labels_read_the_same_stay_apart() -> None:
    roles = [f"arn:aws:sts::{account}:assumed-role/app/i-1" for account in ("1" * 12, "2" * 12)]
    with reports.answer(
        reports.named("bytes-by-requester"),
        opening([row(requester=role, bytes_sent=5) for role in roles]),
    ) as answer:
        spec = charts.of("bytes-by-requester", answer.table())
    assert spec is not None
    assert [each["place"] for each in spec["data"]["values"]] == [0, 1]
    assert spec["params"][0]["value"] == {"0": "app/i-1", "1": "app/i-1"}


@pytest.mark.parametrize(
    ("who", "short"),
    [
        ("arn:aws:iam::111122223333:user/alice", "alice"),
        ("arn:aws:iam::111122223333:user/teams/bob", "teams/bob"),
        ("arn:aws:sts::444455556666:assumed-role/deploy/i-1", "deploy/i-1"),
        ("arn:aws:iam::111122223333:root", "root"),
        ("0123456789abcdef" * 4, "01234567…"),
        ("svc:delivery.logs.amazonaws.com", "svc:delivery.logs.amazonaws.com"),
        ("anonymous", "anonymous"),
        ("arn:", ""),
    ],
)
def test_a_requester_has_a_short_name(who: str, short: str) -> None:
    assert charts.short(who) == short
