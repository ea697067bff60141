"""Objects of S3: listed in pages, fetched many at once, and every failure named and counted."""

from __future__ import annotations

import gzip
import io
import os
import threading
import time
from collections.abc import Iterator

import pyarrow.parquet as pq
import pytest
from tests.support.log_lines import ids, line, lines
from tests.support.troubled_s3 import TroubledS3

import bucketlog
from bucketlog.problems import Problem
from bucketlog.reader import blocks, buckets, prefixes
from bucketlog.reader.access import Access
from bucketlog.reader.account import Account
from bucketlog.reader.objects import Position

OBJECTS = {f"l/2026-03-0{n // 5 + 1}-{n:02}": line(n) for n in range(20)}


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """AWS settings that hold for tests alone."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": f"{tmp_path}/config",
        "AWS_SHARED_CREDENTIALS_FILE": f"{tmp_path}/credentials",
        "AWS_MAX_ATTEMPTS": "2",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def s3() -> Iterator[TroubledS3]:
    with TroubledS3(OBJECTS) as store:
        yield store


def read(store: TroubledS3, *names: str, **options: object) -> tuple[list[str], Account]:
    given = names or ("s3://logs/l/",)
    with bucketlog.scan(
        *given,
        endpoint_url=store.endpoint,
        ordered=True,
        **options,  # type: ignore[arg-type]
    ) as scan:
        found = [each for batch in scan for each in batch.column("request_id").to_pylist()]
    assert scan.account.adds_up
    return found, scan.account


def troubles(account: Account) -> dict[str, str]:
    return {each.name: each.reason for each in account.objects_in_trouble}


def test_a_prefix_is_listed_page_by_page_and_read_in_order(s3: TroubledS3) -> None:
    s3.page = 3
    found, account = read(s3)
    assert found == ids(0, 20)
    assert account.objects == 20
    assert sum(key == "?" for key, _ in s3.asked) == 7


def test_a_prefix_may_end_within_a_name(s3: TroubledS3) -> None:
    assert read(s3, "s3://logs/l/2026-03-02")[0] == ids(5, 5)
    assert read(s3, "s3://logs/l")[0] == ids(0, 20)
    assert read(s3, "s3://logs")[0] == ids(0, 20)


def test_a_name_that_is_an_object_is_that_object(s3: TroubledS3) -> None:
    s3.objects["l/2026-03-01-00-more"] = line(99)
    found, account = read(s3, "s3://logs/l/2026-03-01-00")
    assert found == ids(0, 1)
    assert account.objects == 1


def test_a_glob_matches_within_a_segment_and_two_stars_across(s3: TroubledS3) -> None:
    s3.objects["l/deeper/2026-03-01-00"] = line(99)
    assert read(s3, "s3://logs/l/*-0[1-3]")[0] == ids(1, 3)
    assert read(s3, "s3://logs/**/*-00")[0] == ids(0, 1) + ids(99, 1)


@pytest.mark.parametrize(
    ("glob", "key", "matches"),
    [
        ("a/*", "a/b", True),
        ("a/*", "a/b/c", False),
        ("a/**", "a/b/c", True),
        ("**/c", "c", True),
        ("a?c", "a/c", False),
        ("a[!b]c", "abc", False),
        ("a[!b]c", "adc", True),
        ("a[]]c", "a]c", True),
        ("a[^b]c", "a^c", True),
        ("a[b", "a[b", True),
        ("a.c", "abc", False),
    ],
)
def test_globs_are_as_a_shell_has_them(glob: str, key: str, matches: bool) -> None:
    assert bool(prefixes.pattern(glob).fullmatch(key)) is matches


def test_keys_that_only_boto3_can_say_are_read_too(s3: TroubledS3) -> None:
    s3.objects.update(
        {"l//odd": line(20), "l/../up": line(21), "/first": line(22), "l/ä b": line(23)}
    )
    found, account = read(s3, "s3://logs")
    assert sorted(found) == ids(0, 24)
    assert account.troubles == 0


def test_each_failure_is_named_and_the_rest_is_read(s3: TroubledS3) -> None:
    keys = list(OBJECTS)
    s3.troubles = {keys[3]: [403], keys[5]: [503], keys[7]: ["cut"], keys[9]: [503, 200]}
    s3.gone = {keys[4]}
    found, account = read(s3)
    assert found == [each for n, each in enumerate(ids(0, 20)) if n not in (3, 4, 5, 7)]
    assert account.objects == 20
    told = troubles(account)
    assert told.pop(f"s3://logs/{keys[7]}")
    assert told == {
        f"s3://logs/{keys[3]}": "access is denied (403 AccessDenied)",
        f"s3://logs/{keys[4]}": "it is gone (404 NoSuchKey)",
        f"s3://logs/{keys[5]}": "the endpoint is too busy (503 SlowDown)",
    }


def test_the_first_failure_is_a_problem_if_strict(s3: TroubledS3) -> None:
    s3.troubles = {next(iter(OBJECTS)): [403]}
    with pytest.raises(Problem, match=r"l/2026-03-01-00: access is denied \(403"):
        read(s3, strict=True)


def test_a_listing_that_breaks_off_is_a_trouble_and_one_that_never_began_a_problem(
    s3: TroubledS3,
) -> None:
    s3.page = 5
    s3.troubles = {"?": [200, 200, 403, 200, 403]}  # one is asked for keys that begin with a slash
    found, account = read(s3)
    assert found == ids(0, 5)
    (reason,) = troubles(account).values()
    assert reason == "its listing broke off after 5 objects: access is denied (403 AccessDenied)"
    with pytest.raises(Problem, match="can't be listed: access is denied"):
        read(s3)


def test_a_prefix_without_objects_is_a_problem(s3: TroubledS3) -> None:
    with pytest.raises(Problem, match="nothing to read in s3://logs/x/"):
        read(s3, "s3://logs/x/")


def test_an_endpoint_that_does_not_answer_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    with pytest.raises(Problem, match="doesn't answer"):
        bucketlog.read("s3://logs/l/")


def test_without_credentials_requests_are_anonymous_and_that_is_said(
    s3: TroubledS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    s3.troubles = {"l/2026-03-01-00": [403]}
    found, account = read(s3)
    assert found == ids(1, 19)
    assert account.notes == ["No AWS credentials were found, so requests to S3 are anonymous."]
    (reason,) = troubles(account).values()
    assert reason.endswith("the request was anonymous, as no AWS credentials were found")
    assert not any("Authorization" in {name.title() for name in asked} for _, asked in s3.asked)


def test_endpoint_region_and_keys_are_those_of_the_profile(
    s3: TroubledS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.environ["AWS_CONFIG_FILE"], "w") as file:
        file.write(f"[profile p]\nregion = eu-west-7\nendpoint_url = {s3.endpoint}\n")
    with open(os.environ["AWS_SHARED_CREDENTIALS_FILE"], "w") as file:
        file.write("[p]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = x\n")
    assert bucketlog.read("s3://logs/l/", profile="p").num_rows == 20
    signed = {name.title(): value for name, value in s3.asked[-1][1].items()}["Authorization"]
    assert "Credential=AKIAPROFILE/" in signed
    assert "/eu-west-7/s3/" in signed
    with pytest.raises(Problem, match="nobody"):
        bucketlog.read("s3://logs/l/", profile="nobody")


def test_a_region_that_is_given_overrules(s3: TroubledS3) -> None:
    read(s3, region="ap-south-9")
    signed = {name.title(): value for name, value in s3.asked[-1][1].items()}["Authorization"]
    assert "/ap-south-9/s3/" in signed


@pytest.mark.parametrize("name", ["s3://", "s3:///key", "s3://b*/x"])
def test_a_name_without_a_bucket_is_a_problem(name: str) -> None:
    with pytest.raises(Problem, match="names no bucket"):
        bucketlog.scan(name)


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "_RANGE", 1000)
    monkeypatch.setattr("bucketlog.reader.loading.SMALL", 2000)
    monkeypatch.setattr(blocks.cut, "__defaults__", (3000, 60000))


@pytest.mark.usefixtures("small_ranges")
def test_a_big_object_is_fetched_in_ranges_and_stays_in_order(s3: TroubledS3) -> None:
    s3.objects = {"l/big": lines(0, 100), "l/zip": gzip.compress(lines(100, 400))}
    found, account = read(s3)
    assert found == ids(0, 500)
    ranges = {asked.get("range") for key, asked in s3.asked if key == "l/big"} - {None}
    assert len(ranges) == -(-len(lines(0, 100)) // 1000)
    assert account.stored_bytes == sum(map(len, s3.objects.values()))


@pytest.mark.usefixtures("small_ranges")
def test_a_big_object_that_changes_is_named_and_what_came_before_is_kept(s3: TroubledS3) -> None:
    s3.objects = {"l/big": lines(0, 100), "l/other": line(100)}
    s3.troubles = {"l/big": ["changed"]}
    found, account = read(s3)
    assert found == ids(0, 2) + ids(100, 1)
    assert account.rejects == {"the object breaks off within the line": 1}
    assert troubles(account) == {
        "s3://logs/l/big": "it changed while it was read (412 PreconditionFailed)"
    }


@pytest.mark.usefixtures("small_ranges")
def test_parquet_is_read_from_its_end_by_ranges(s3: TroubledS3) -> None:
    kept = io.BytesIO()
    pq.write_table(bucketlog.read(io.BytesIO(lines(0, 50))), kept)
    s3.objects = {"l/records": kept.getvalue()}
    found, account = read(s3)
    assert found == ids(0, 50)
    assert account.stored_bytes == len(kept.getvalue())


def test_a_scan_resumes_behind_an_object_with_the_endpoint_doing_the_work(s3: TroubledS3) -> None:
    found, _ = read(s3, start_after="s3://logs/l/2026-03-02-07")
    assert found == ids(8, 12)
    assert [key for key, _ in s3.asked if key != "?"] == list(OBJECTS)[8:]
    s3.objects["l/many"] = lines(100, 9)
    at = Position("s3://logs/l/many", 4)
    assert read(s3, start_after=at)[0] == ids(104, 5)


def test_many_requests_are_in_flight_but_no_more_than_asked(s3: TroubledS3) -> None:
    s3.objects = {f"l/{n:03}": lines(n * 300, 300) for n in range(60)}
    table = bucketlog.read("s3://logs/l/", endpoint_url=s3.endpoint, requests=3)
    assert table.num_rows == 60 * 300
    assert s3.most_in_flight <= 4  # and the listing


def test_a_request_that_hangs_does_not_hold_up_the_end(s3: TroubledS3) -> None:
    s3.objects = {"l/a": lines(0, 9), **{f"l/{n}": lines(n, 9000) for n in range(4)}}
    s3.troubles = {f"l/{n}": ["hang"] for n in range(4)}
    scan = bucketlog.scan("s3://logs/l/a", "s3://logs/l/", endpoint_url=s3.endpoint)
    next(scan)
    begun = time.monotonic()
    scan.close()
    assert time.monotonic() - begun < 10
    s3.release.set()
    for thread in threading.enumerate():
        if thread.name.startswith("bucketlog"):
            thread.join(20)
            assert not thread.is_alive()


def test_empty_objects_are_counted_and_not_asked_for(s3: TroubledS3) -> None:
    s3.objects = {"l/a/": b"", "l/b": b"", "l/c": line(0)}
    found, account = read(s3)
    assert (found, account.objects) == (ids(0, 1), 3)
    assert [key for key, _ in s3.asked if key != "?"] == ["l/c"]


def test_the_time_of_storing_tells_the_lag(s3: TroubledS3) -> None:
    s3.objects = {"l/a": line(0)}
    _, account = read(s3)
    assert account.longest_lag is not None
    assert account.longest_lag.total_seconds() == 2 * 86400 + 4 * 3600 + 5 * 60 + 6


def test_keys_are_plain_unless_obstore_would_change_them() -> None:
    for key in ("a", "a/b", "ä b/c%20+?*", "a/.b", "..."):
        assert buckets.is_plain(key)
    for key in ("", "/a", "a//b", "a/", "a/./b", "../b", "a\n", "\x7f"):
        assert not buckets.is_plain(key)
    assert buckets.is_plain("a/", is_prefix=True)
    assert not buckets.is_plain("a//", is_prefix=True)


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(Problem) as caught:
        bucketlog.scan("s3://logs/l/")
    assert caught.value.hint == "pip install 'bucketlog[s3]'"
    assert Access().requests == 64
