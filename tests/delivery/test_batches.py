"""Batches: one log object per tag, a function of the segment alone."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.target import source

from bucketlog.accesslog.targets import Target
from bucketlog.delivery import batches, tags
from bucketlog.delivery.batches import Batch, Run
from bucketlog.delivery.tags import Tag, tag_of
from bucketlog.s3.acl import Grant, Grantee
from bucketlog.spool.frame import COMPLETION, INTENT, RECORD, Frame, Part

ID = "0123456789abcdef"
SEALED_AT = 1_383_341_536_987_654_321  # 2013-11-01 21:32:16 UTC
SIMPLE = Target("logs", "logs/")
BY_EVENT = Target("logs", "", key_format="partitioned", date_source="EventTime")
BY_DELIVERY = Target("logs", "", key_format="partitioned", date_source="DeliveryTime")
A, B = tag_of(SIMPLE, source("a"), 0), tag_of(SIMPLE, source("b"), 0)


def split(*frames: Frame, largest: int = batches.MAX_OBJECT_BYTES) -> list[Batch]:
    return batches.split(frames, ID, 42, SEALED_AT, largest)


def test_records_are_gathered_by_tag_in_the_order_they_were_appended() -> None:
    first, second = split(
        Frame(RECORD, 1, 0, (Part(A, 2, b"1\n2\n"), Part(B, 1, b"3\n"))),
        Frame(INTENT, 0, 5, (Part(A, 1, b"never\n"),)),
        Frame(COMPLETION, 4, 5, (Part(A, 1, b"4\n"), Part(A, 0, b""))),
        Frame(RECORD, 5, 0, (Part(A, 1, b"5\n"),)),
        Frame(RECORD, 6, 0, (Part(B, 1, b"6\n"),)),
    )
    assert (first.data, second.data) == (b"1\n2\n4\n5\n", b"3\n6\n")
    assert first.runs == (Run(1, 2, 4), Run(4, 2, 4))
    assert second.runs == (Run(3, 1, 2), Run(6, 1, 2))
    assert first.metadata == {
        "bucketlog-spool": ID,
        "bucketlog-segment": "42",
        "bucketlog-first": "1",
        "bucketlog-last": "5",
        "bucketlog-records": "4",
        "bucketlog-sha256": sha256(b"1\n2\n4\n5\n").hexdigest(),
    }
    assert list(second.parts()) == [(3, Part(B, 1, b"3\n")), (6, Part(B, 1, b"6\n"))]
    assert repr(second) == f"<Batch logs/{second.key}: 2 records, 4 bytes>"


def test_a_segment_of_intents_alone_makes_nothing() -> None:
    assert split(Frame(INTENT, 0, 5, (Part(A, 1, b"x\n"),)), Frame(COMPLETION, 1, 5, ())) == []


def test_names_follow_amazons_templates_and_end_in_what_is_unique() -> None:
    part = Part(A, 1, b"x\n")
    (batch,) = split(Frame(RECORD, 1, 0, (part,)))
    assert batch.key == f"logs/2013-11-01-21-32-16-{batch.unique}"
    assert len(batch.unique) == 16
    assert set(batch.unique) <= set("0123456789ABCDEF")


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (BY_EVENT, "123456789012/us-east-1/a/2026/09/01/2026-09-01-00-00-00-"),
        (BY_DELIVERY, "123456789012/us-east-1/a/2013/11/01/2013-11-01-21-32-16-"),
        (SIMPLE, "logs/2013-11-01-21-32-16-"),
    ],
)
def test_the_day_of_the_records_is_in_the_name_where_the_rule_splits_by_day(
    target: Target, name: str
) -> None:
    tag = tag_of(target, source("a"), 20_697)
    (batch,) = split(Frame(RECORD, 1, 0, (Part(tag, 1, b"x\n"),)))
    assert batch.key.startswith(name)


def test_two_days_make_two_objects_only_where_the_rule_splits_by_day() -> None:
    days = {
        target: len({tag_of(target, source("a"), day) for day in (1, 2)})
        for target in (SIMPLE, BY_EVENT, BY_DELIVERY)
    }
    assert days == {SIMPLE: 1, BY_EVENT: 2, BY_DELIVERY: 1}


def test_the_same_segment_gives_the_same_objects_and_any_other_gives_other_names() -> None:
    frames = [Frame(RECORD, 1, 0, (Part(A, 1, b"x\n"), Part(B, 1, b"y\n")))]
    assert batches.split(frames, ID, 42, 7) == batches.split(frames, ID, 42, 7)
    keys = {
        batch.key
        for spool_id in (ID, "f" * 16)
        for number in (42, 43)
        for at in (7, 8)
        for batch in batches.split(frames, spool_id, number, at)
    }
    assert len(keys) == 16


def test_an_object_that_grows_too_large_is_ended_between_parts() -> None:
    frames = [Frame(RECORD, at, 0, (Part(A, 1, b"12345678\n"),)) for at in range(1, 6)]
    pieces = split(*frames, largest=20)
    assert [(piece.first, piece.count) for piece in pieces] == [(1, 2), (3, 2), (5, 1)]
    assert len({piece.key for piece in pieces}) == 3
    assert [piece.count for piece in split(*frames, largest=1)] == [1] * 5


def test_a_piece_that_was_held_alone_keeps_its_name_and_bytes() -> None:
    frames = [Frame(RECORD, at, 0, (Part(A, 1, b"12345678\n"),)) for at in range(1, 6)]
    for piece in split(*frames, largest=20):
        held = [Frame(RECORD, sequence, 0, (part,)) for sequence, part in piece.parts()]
        assert split(*held, largest=20) == [piece]


names = st.text(max_size=30)
grants = st.lists(
    st.builds(
        Grant,
        st.builds(Grantee, st.sampled_from(["CanonicalUser", "Group"]), names, names),
        st.sampled_from(["READ", "WRITE", "FULL_CONTROL"]),
    ),
    max_size=3,
).map(tuple)


@given(
    st.builds(
        Target,
        names,
        names,
        grants,
        st.sampled_from([None, "simple", "partitioned"]),
        st.sampled_from([None, "EventTime", "DeliveryTime"]),
    ),
    names,
    st.integers(0, 40_000),
)
def test_a_tag_reads_back_as_it_was_written(target: Target, name: str, day: int) -> None:
    tag = tags.decode(tag_of(target, source(name), day))
    assert tag == Tag(target, name, "123456789012", "us-east-1", tag.day)
    assert (tag.day is not None) == target.splits_by_day


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"\xff", b'{"target":{}}'])
def test_what_is_no_tag_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        tags.decode(text)


def test_a_tag_has_the_bytes_that_the_format_page_shows() -> None:
    assert tag_of(BY_EVENT, source("src"), 20_697) == (
        b'{"bucket":"src","account_id":"123456789012","region":"us-east-1","day":"2026-09-01",'
        b'"target":{"bucket":"logs","prefix":"","key_format":"partitioned",'
        b'"date_source":"EventTime"}}'
    )
