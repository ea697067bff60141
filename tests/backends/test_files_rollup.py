"""Pages over ordered keys, held against the obvious way: list everything, then cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucketlog.backends.files import rollup
from bucketlog.s3.errors import S3Error

KEYS = st.text(alphabet="a/bé\U0010ffff", min_size=1, max_size=6).map(str.encode)


def seek_in(keys: list[bytes]) -> rollup.Seek:
    rows = [(key,) for key in sorted(keys)]

    def seek(start: bytes, end: bytes | None) -> Iterator[tuple[Any, ...]]:
        return (row for row in rows if row[0] >= start and (end is None or row[0] < end))

    return seek


def obvious(keys: list[bytes], prefix: bytes, delimiter: bytes) -> list[tuple[bytes, bool]]:
    """All items of a listing: (name, whether it is a common prefix)."""
    items = set()
    for key in keys:
        if key.startswith(prefix):
            head, found, _ = (
                key[len(prefix) :].partition(delimiter) if delimiter else (key, b"", b"")
            )
            items.add((prefix + head + found, True) if found else (key, False))
    return sorted(items)


@given(
    keys=st.lists(KEYS, unique=True, max_size=30),
    prefix=st.sampled_from([b"", b"a", b"a/", b"/", "é".encode(), b"b/a"]),
    delimiter=st.sampled_from([b"", b"/", b"a", b"a/"]),
    limit=st.integers(1, 5),
)
def test_pages_put_together_are_the_whole_listing(
    keys: list[bytes], prefix: bytes, delimiter: bytes, limit: int
) -> None:
    expected = obvious(keys, prefix, delimiter)
    found: list[tuple[bytes, bool]] = []
    marker = None
    while True:
        page = rollup.page(
            seek_in(keys), prefix=prefix, delimiter=delimiter, marker=marker, limit=limit
        )
        items = [(row[0], False) for row in page.rows] + [(name, True) for name in page.prefixes]
        found += sorted(items)
        assert len(items) <= limit
        if page.last is None:
            break
        assert len(items) == limit
        assert (page.last, page.last_is_prefix) == max(items)
        marker = page.last
    assert found == expected


@given(
    keys=st.lists(KEYS, unique=True, max_size=30),
    marker=KEYS,
    delimiter=st.sampled_from([b"", b"/"]),
)
def test_a_marker_excludes_every_item_that_is_not_greater(
    keys: list[bytes], marker: bytes, delimiter: bytes
) -> None:
    page = rollup.page(seek_in(keys), prefix=b"", delimiter=delimiter, marker=marker, limit=1000)
    found = sorted(
        [(row[0], False) for row in page.rows] + [(name, True) for name in page.prefixes]
    )
    assert found == [item for item in obvious(keys, b"", delimiter) if item[0] > marker]


def test_a_rolled_up_prefix_costs_one_seek_however_many_keys_are_under_it() -> None:
    keys = [b"a/%06d" % number for number in range(10_000)] + [b"b"]
    seen = 0
    inner = seek_in(keys)

    def counting(start: bytes, end: bytes | None) -> Iterator[tuple[Any, ...]]:
        nonlocal seen
        for row in inner(start, end):
            seen += 1
            yield row

    page = rollup.page(counting, prefix=b"", delimiter=b"/", marker=None, limit=10)
    assert (page.prefixes, page.rows, page.last) == ([b"a/"], [(b"b",)], None)
    assert seen == 2


def test_a_page_of_no_items_is_never_truncated() -> None:
    page = rollup.page(seek_in([b"a"]), prefix=b"", delimiter=b"", marker=None, limit=0)
    assert (page.rows, page.last) == ([], None)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [(b"", None), (b"a", b"b"), (b"a\xff", b"b"), (b"\xff\xff", None), (b"a/", b"a0")],
)
def test_beyond_is_the_least_key_after_all_with_a_prefix(
    prefix: bytes, expected: bytes | None
) -> None:
    assert rollup.beyond(prefix) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, 1000), ("", 1000), ("0", 0), ("7", 7), ("1001", 1000), ("2147483647", 1000)],
)
def test_a_page_size_is_cut_down_to_the_most(text: str | None, expected: int) -> None:
    query = {} if text is None else {"max-keys": text}
    assert rollup.limit_of(query, "max-keys") == expected


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "2147483648", "9" * 30, "\uff11"])
def test_a_page_size_that_is_no_such_number_is_refused(text: str) -> None:
    with pytest.raises(S3Error) as caught:
        rollup.limit_of({"max-keys": text}, "max-keys")
    assert caught.value.code == "InvalidArgument"
    assert caught.value.detail["ArgumentName"] == "max-keys"
