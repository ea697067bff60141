"""Every report gives the right answer on small logs whose answers are known."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.records import ALICE, BATCH, BOB, COPY, LIFECYCLE, OWNER, ROLE, ask, opening, row

from bucketlog.lake import reports
from bucketlog.lake.reports import NAMES, Filters
from bucketlog.problems import Problem

# ── all of them ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", NAMES)
def test_a_report_says_what_each_of_its_columns_is_and_has_those(name: str) -> None:
    report = reports.named(name)
    assert report.title
    assert report.text
    with reports.answer(report, opening([row()])) as answer:
        assert answer.schema.names == [column for column, _ in report.columns]
        answer.table()


@pytest.mark.parametrize("name", NAMES)
def test_numbers_stay_integers_and_times_stay_times(name: str) -> None:
    with reports.answer(reports.named(name), opening([row()])) as answer:
        for field in answer.schema:
            assert str(field.type) in (
                "int16",
                "int32",
                "int64",
                "double",
                "string",
                "timestamp[us, tz=UTC]",
            ), field
            assert (field.type == "double") == (field.name == "share_percent")


@pytest.mark.parametrize("name", NAMES)
def test_a_report_is_as_long_as_one_asks(name: str) -> None:
    lines = [
        row(
            key=f"k{number}",
            requester=None if number % 2 else ALICE,
            user_agent=("aws-cli/1", "rclone/v1", "curl/8", "s3cmd/2")[number],
            remote_ip=f"192.0.2.{number}",
            bucket=f"b{number}",
            **given,
        )
        for number in range(4)
        for given in (
            {"operation": "REST.PUT.OBJECT", "tls_version": "TLSv1", "total_time": 1},
            {"operation": "REST.DELETE.OBJECT", "acl_required": True, "total_time": 1},
            {"authentication_type": "QueryString", "http_status": 403, "tls_version": "TLSv1"},
            {"http_status": 403, "signature_version": None, "authentication_type": None},
        )
    ]
    found = len(ask(name, lines, top=2))
    assert found == (2 if reports.named(name).takes_top else 1)
    assert reports.named(name).takes_top == (name != "requests-over-time")


@pytest.mark.parametrize("name", NAMES)
def test_a_report_of_nothing_is_empty(name: str) -> None:
    assert ask(name, [row()], Filters(bucket="none")) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_report_honours_every_filter(name: str) -> None:
    """The record that is asked for is found, and changing any one filter loses it."""
    lines = [
        row(
            operation,
            "dir/a b.jpg",
            tls_version="TLSv1",
            acl_required=True,
            total_time=1,
            **(
                {"requester": None}
                if name == "anonymous-access"
                else {"authentication_type": "QueryString"}
            ),
            http_status=403 if name == "failed-access" else 200,
        )
        for operation in ("REST.GET.OBJECT", "REST.PUT.OBJECT")
    ]
    requester = "anonymous" if name == "anonymous-access" else ALICE
    right: dict[str, Any] = {
        "bucket": "photos",
        "key": "dir/a b.jpg",
        "prefix": "dir/a ",
        "requester": requester,
        "from_time": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "to_time": datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC),
    }
    wrong = {
        "bucket": "phot",
        "key": "dir/a",
        "prefix": "ir/a",
        "requester": "alic",
        "from_time": datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC),
        "to_time": datetime(2026, 3, 1, 12, tzinfo=UTC),
    }
    assert ask(name, lines, Filters(**right))
    for field, value in wrong.items():
        assert ask(name, lines, Filters(**{**right, field: value})) == [], field


def test_a_key_is_found_as_it_is_and_as_it_stands_in_the_log() -> None:
    lines = [row(key='a "b".jpg'), row("BATCH.DELETE.OBJECT", 'a "b".jpg'), row(key="other")]
    for key, found in (('a "b".jpg', 2), ("a%2520%2522b%2522.jpg", 1), ("a+%22b%22.jpg", 1)):
        rows = ask("principal-activity", lines, Filters(key=key))
        assert sum(each["records"] for each in rows) == found
        rows = ask("principal-activity", lines, Filters(prefix=key[:-4]))
        assert sum(each["records"] for each in rows) == found


@pytest.mark.parametrize(
    ("requester", "found"),
    [
        (ALICE, 1),
        (BOB, 1),
        ("alice", 1),
        ("bob", 1),
        ("111122223333", 2),
        (ROLE, 1),
        ("arn:aws:sts::444455556666:assumed-role/deploy", 1),
        ("arn:aws:sts::444455556666:assumed-role/dep", 0),
        ("deploy", 1),
        (OWNER, 1),
        ("anonymous", 1),
        ("ali%", 0),
        ("' OR true --", 0),
    ],
)
def test_a_requester_goes_by_many_names(requester: str, found: int) -> None:
    lines = [row(requester=each) for each in (ALICE, BOB, ROLE, OWNER, None)]
    lines += [row("S3.EXPIRE.OBJECT")]
    rows = ask("principal-activity", lines, Filters(requester=requester))
    assert sum(each["records"] for each in rows) == found


def test_values_are_bound_and_never_become_sql() -> None:
    for report in reports.every():
        evil = "x' OR 1=1 --"
        filters = Filters(evil, evil, evil, evil)
        assert evil not in reports.statement(report, filters)
        assert ask(report.name, [row()], filters) == []


def test_the_sql_without_filters_is_the_files_own() -> None:
    for report in reports.every():
        assert reports.statement(report, Filters()) == report.sql
        assert reports.statement(report, Filters(bucket="x")).count("logs AS (") == 1


def test_an_unknown_report_is_a_problem_with_what_is_near() -> None:
    with pytest.raises(Problem, match="no report top-kees") as caught:
        reports.named("top-kees")
    assert caught.value.hint == "Did you mean top-keys?"
    with pytest.raises(Problem) as caught:
        reports.named("../../secrets")
    assert caught.value.hint == "`bucketlog report` lists them."


def test_the_list_is_of_every_file_and_each_file_is_in_the_list() -> None:
    from importlib import resources

    folder = resources.files("bucketlog.lake") / "reports"
    assert sorted(f"{name}.sql" for name in NAMES) == sorted(
        each.name for each in folder.iterdir() if each.name.endswith(".sql")
    )


@pytest.mark.parametrize(
    "text", ["-- Title\n--\n-- Text.\nSELECT 1", "-- T\n--\n-- Columns:\n-- x"]
)
def test_a_file_that_does_not_tell_its_columns_is_a_bug(text: str) -> None:
    with pytest.raises(ValueError, match="odd: "):
        reports.read("odd", text)


def test_several_reports_read_their_sources_once() -> None:
    opened: list[tuple[str, ...]] = []
    lines = [*BATCH, *COPY, *LIFECYCLE, row(requester=None), row(tls_version="TLSv1.1")]

    def open(derive: Any) -> Any:
        opened.append(tuple(derive))
        return opening(lines)(derive)

    everything = list(reports.every())
    filters = Filters(bucket="photos")
    with reports.answers(everything, open, filters, top=5) as answers:
        together = {report.name: table.to_pylist() for report, table in answers.tables}
        assert answers.records == len(lines) - 1
        assert answers.first == datetime(2026, 3, 1, 12, tzinfo=UTC)
        assert answers.last == datetime(2026, 3, 5, tzinfo=UTC)
    assert len(opened) == 1
    assert {"key_decoded", "client", "is_presigned"} <= set(opened[0])
    for report in everything:
        assert together[report.name] == ask(report.name, lines, filters, top=5), report.name


def test_reports_of_no_records_have_no_time() -> None:
    with reports.answers([reports.named("clients")], opening([row()]), Filters("none")) as answers:
        assert (answers.records, answers.first, answers.last) == (0, None, None)
        assert [table.num_rows for _, table in answers.tables] == [0]
