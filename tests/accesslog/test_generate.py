"""Generated lines: the same everywhere, realistic, and each of them a record."""

import hashlib
import ipaddress
from collections import Counter
from functools import cache
from itertools import pairwise

import pytest

from bucketlog.accesslog import clients, generate, hostile, mixes, scenery
from bucketlog.accesslog.line import Decoded, decode
from bucketlog.accesslog.record import LogRecord

CLEAN: tuple[mixes.Mix, ...] = ("default", "website", "lake")
NETWORKS = [
    ipaddress.ip_network(name)
    for name in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]


def _lines(records: int, seed: int = 1, **options: object) -> list[bytes]:
    blocks = generate.lines(records, seed, **options)  # type: ignore[arg-type]
    return [line + b"\n" for line in b"".join(blocks).split(b"\n")[:-1]]


@cache
def _day() -> list[LogRecord]:
    """Ten thousand records, of one day."""
    return [found.record for found in _decoded(10_000) if found.record is not None]


def _decoded(records: int, seed: int = 1, **options: object) -> list[Decoded]:
    return [decode(line) for line in _lines(records, seed, **options)]


def test_the_bytes_are_the_same_on_every_machine() -> None:
    data = b"".join(generate.lines(9000, 7, era="all", mix="hostile", days=3))
    assert hashlib.sha256(data).hexdigest() == (
        "5cbff610465cff4e7153c293a3e6ed0272b437dd0117b5c41f42ffffcf50d248"
    )


def test_seeds_differ_and_so_do_mixes() -> None:
    texts = {b"".join(generate.lines(50, seed, mix=mix)) for seed in (0, 1) for mix in CLEAN}
    assert len(texts) == 6


@pytest.mark.parametrize("era", generate.ERAS)
def test_every_clean_line_has_one_reading_and_the_fields_of_its_era(era: generate.Era) -> None:
    for seed, mix in enumerate(CLEAN):
        for line in _lines(1000, seed, era=era, mix=mix):
            found = decode(line)
            assert found.record is not None, line
            assert (len(found.texts), found.extra_fields) == (era, ()), line
            assert not found.ambiguous, line
            assert not found.lossy, line
            assert line.isascii()


def test_all_eras_stand_in_their_order() -> None:
    counts = [len(found.texts) for found in _decoded(601, era="all")]
    assert counts == sorted(counts)
    assert Counter(counts) == {17: 100, 18: 100, 24: 100, 25: 100, 26: 100, 27: 101}


@pytest.mark.parametrize("records", [0, 1, 2, 4095, 4096, 4097])
def test_there_are_as_many_records_as_were_asked_for(records: int) -> None:
    assert len(_lines(records)) == records
    assert len(_lines(records, mix="hostile")) == records


def test_times_rise_over_the_days_with_their_rhythm() -> None:
    start = 1_000_000_000  # 9 September 2001, 01:46:40
    times = [
        found.record.time // 1_000_000_000
        for found in _decoded(4000, start_s=start, days=2.5)
        if found.record is not None and found.record.time is not None
    ]
    assert all(before <= after for before, after in pairwise(times))
    assert start <= times[0] <= start + 60
    assert start + 2.5 * 86_400 - 120 <= times[-1] < start + 2.5 * 86_400
    hours = Counter(time % 86_400 // 3600 for time in times if time - start < 86_400)
    assert hours[10] > 4 * hours[2]


def test_seconds_are_shared_when_there_are_many_records() -> None:
    times = {found.record.time for found in _decoded(5000, days=0.001) if found.record}
    assert 80 <= len(times) <= 87


def test_traffic_is_varied() -> None:
    records = _day()
    seen = {
        name: Counter(getattr(record, name) for record in records)
        for name in ("operation", "bucket", "bucket_owner", "user_agent", "http_status", "key")
    }
    assert len(seen["operation"]) > 30
    assert len(seen["bucket"]) >= 10
    assert len(seen["bucket_owner"]) >= 3
    assert len(seen["user_agent"]) > 200
    assert {200, 204, 206, 304, 400, 403, 404, 405, 503, None} <= set(seen["http_status"])
    assert len(seen["key"]) > 3000
    assert seen["key"].most_common(1)[0][1] > 30
    assert {record.tls_version for record in records} >= {"TLSv1.3", "TLSv1.2", None}
    assert {record.signature_version for record in records} == {"SigV2", "SigV4", None}
    assert any(record.acl_required for record in records)
    assert any(record.access_point_arn for record in records)
    assert any(record.version_id for record in records)
    assert any("X-Amz-Signature=" in (record.request_uri or "") for record in records)
    assert any(" " in (record.key or "") for record in records)
    assert any(not (record.key or "").isascii() for record in records)


def test_requesters_are_of_every_kind() -> None:
    requesters = {record.requester for record in _day()}
    for begins in (
        "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E",
        "svc:",
        "AmazonS3",
    ):
        assert any((each or "").startswith(begins) for each in requesters)
    for holds in (":user/", ":assumed-role/"):
        assert any(holds in (each or "") for each in requesters)
    assert None in requesters
    assert any(len(each or "") == 64 for each in requesters)


def test_addresses_are_for_documentation_only() -> None:
    found = {record.remote_ip for record in _day()}
    assert None in found
    for text in found - {None}:
        address = ipaddress.ip_address(str(text))
        assert any(address in network for network in NETWORKS)


def test_a_batch_delete_shares_its_request_id_with_its_keys() -> None:
    records = _day()
    parents = {r.request_id for r in records if r.operation == "REST.POST.MULTI_OBJECT_DELETE"}
    children = [r for r in records if r.operation == "BATCH.DELETE.OBJECT"]
    assert len(children) > len(parents) > 10
    assert {child.request_id for child in children} == parents
    assert all(child.key and child.request_uri is None for child in children)


def test_a_copy_leaves_two_records_with_one_request_id() -> None:
    records = _day()
    into = [r.request_id for r in records if r.operation == "REST.COPY.OBJECT"]
    sources = [r.request_id for r in records if r.operation == "REST.COPY.OBJECT_GET"]
    assert into == sources
    assert len(into) > 20


def test_bigger_answers_take_longer() -> None:
    times: dict[bool, list[int]] = {True: [], False: []}
    for record in _day():
        if record.operation == "REST.GET.OBJECT" and record.bytes_sent:
            times[record.bytes_sent > 10_000_000].append(record.total_time or 0)
    average = {is_big: sum(each) / len(each) for is_big, each in times.items()}
    assert average[True] > 5 * average[False]


def test_a_line_is_about_as_long_as_the_average_says() -> None:
    for mix in CLEAN:
        data = b"".join(generate.lines(8192, 3, mix=mix))
        assert generate.average_bytes(3, mix=mix) == pytest.approx(len(data) / 8192, rel=0.02)


def test_hostile_lines_are_odd_in_every_way_a_reader_must_bear() -> None:
    lines = _lines(10_000, mix="hostile")
    found = [decode(line) for line in lines]
    reasons = {each.reason for each in found if each.record is None}
    assert len(reasons) >= 4
    assert sum(each.ambiguous for each in found) > 30
    assert sum(each.lossy for each in found) > 30
    assert any(each.extra_fields for each in found)
    assert any(line.endswith(b"\r\n") for line in lines)
    assert any(b"  " in line for line in lines)
    assert any(b"\x1b[31m" in line for line in lines)
    assert 0.8 < sum(each.record is not None for each in found) / len(found) < 0.99


def test_spoiling_never_makes_two_lines_of_one() -> None:
    draw = scenery.Draw("a test")
    lines = [line.decode("latin-1") for line in _lines(500)]
    for way in hostile._WAYS:
        for line in lines[:20]:
            spoilt = way(line, draw)
            assert spoilt.endswith("\n")
            assert spoilt.count("\n") == 1
            spoilt.encode("latin-1")


def test_a_way_that_needs_a_part_leaves_lines_without_it_alone() -> None:
    draw = scenery.Draw("a test")
    child = "o b [t] - r i BATCH.DELETE.OBJECT k - 204 - - - - - - - -\n"
    for way in (hostile._in_agent('"'), hostile._in_referer('"'), hostile._in_target('"')):
        assert way(child, draw) == child


def test_clients_are_hundreds_and_none_could_break_a_line() -> None:
    agents = {*clients.BROWSERS, *clients.ROBOTS, *clients.PROGRAMS}
    assert len(agents) > 300
    assert all('"' not in agent and agent.isascii() and agent.isprintable() for agent in agents)


@pytest.mark.parametrize("mix", [*CLEAN, "hostile"])
def test_a_mix_has_as_many_kinds_as_chance_can_choose(mix: mixes.Mix) -> None:
    assert len(mixes.table(mix)) == mixes.LAST + 1
    assert set(mixes.table(mix)) <= set(mixes._KINDS.values())


def test_every_kind_occurs() -> None:
    assert set(mixes.table("default")) == set(mixes._KINDS.values())
