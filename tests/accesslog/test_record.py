"""The table of fields as a table."""

from __future__ import annotations

import dataclasses

from bucketlog.accesslog.record import BY_NAME, FIELDS, LogRecord

AMAZONS_TITLES = """
Bucket Owner, Bucket, Time, Remote IP, Requester, Request ID, Operation, Key, Request-URI,
HTTP status, Error Code, Bytes Sent, Object Size, Total Time, Turn-Around Time, Referer,
User-Agent, Version Id, Host Id, Signature Version, Cipher Suite, Authentication Type,
Host Header, TLS version, Access Point ARN, aclRequired, Source region
"""


def test_the_fields_are_amazons_27_in_amazons_order() -> None:
    titles = [title.strip() for title in AMAZONS_TITLES.replace("\n", " ").split(",")]
    assert [field.title for field in FIELDS] == titles


def test_a_record_has_one_attribute_for_each_field_in_the_same_order() -> None:
    names = [attribute.name for attribute in dataclasses.fields(LogRecord)]
    assert [field.name for field in FIELDS] == names
    assert all(value is None for value in dataclasses.asdict(LogRecord()).values())


def test_names_follow_from_titles() -> None:
    for field in FIELDS:
        spelled = field.title.lower().replace("-", "_").replace(" ", "_")
        assert field.name.replace("_", "") == spelled.replace("_", "")


def test_every_field_says_what_it_is() -> None:
    assert len(BY_NAME) == 27
    assert {field.name for field in FIELDS if field.is_quoted} == {
        "request_uri",
        "referer",
        "user_agent",
    }
    for field in FIELDS:
        assert field.meaning.endswith(".")
        assert field.dash.endswith(".")
        assert field.since
        assert bool(field.unit) is (field.type == "time" or field.unit in ("bytes", "ms"))
