"""Health: the pulse of the server, what is told of it, and who may see it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.console import Console, refusal

from bucketlog import settings
from bucketlog.accesslog.targets import Target
from bucketlog.console import alarms, health_charts, sparklines, troubles, vitals, workers
from bucketlog.console.config import Config, Server, Setting, decode
from bucketlog.console.vitals import Vitals
from bucketlog.console.workers import Answer, Cell, Snapshot, Workers
from bucketlog.gateway import console as front
from bucketlog.gateway import metrics
from bucketlog.state.rules import Health


class Telling(Workers):
    """Workers that answer what they are told to, in turn."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"))
        self.told: dict[int, Snapshot] = {}

    async def ask(self, do: str, bucket: str | None = None) -> list[Answer]:
        assert do == "snapshot"
        return [Answer(pid=pid, snapshot=each) for pid, each in self.told.items()]


@pytest.fixture
def telling() -> Telling:
    return Telling()


@pytest.fixture
def pulse(telling: Telling) -> Vitals:
    """Takes a sample every five seconds by a clock of its own."""
    clock = count(1_000_000, 5)
    return Vitals(telling, lambda: float(next(clock)))


def cell(number: int, place: int = 0, received: int = 0, sent: int = 0) -> Cell:
    within = [0] * (len(vitals.LATENCY_BOUNDS) + 1)
    within[place] = number
    return Cell(number, received, sent, 0.0, within)


# ── the pulse ───────────────────────────────────────────────────────────────────────────────────


def test_the_bounds_of_latency_are_the_servers() -> None:
    assert vitals.LATENCY_BOUNDS == metrics.LATENCY_BOUNDS


def test_what_a_worker_tells_is_understood() -> None:
    counts = metrics.Metrics()
    counts.request("GetObject", 200, 0.002, 0, 5)
    sent = msgspec.json.encode(counts.snapshot())
    told = msgspec.json.decode(sent, type=Snapshot)
    assert told.requests["GetObject 200"].bytes_sent == 5
    assert told.requests["GetObject 200"].within[1] == 1


async def test_rates_are_of_what_was_added(telling: Telling, pulse: Vitals) -> None:
    telling.told = {1: Snapshot({"GetObject 200": cell(100, sent=1000)}, {"records_appended": 7})}
    first = await pulse.take()
    assert first.rate("requests 2xx") is None  # of how long, nobody knows
    telling.told = {
        1: Snapshot(
            {"GetObject 200": cell(110, sent=1500), "PutObject 403": cell(5, received=50)},
            {"records_appended": 17, "records_lost|too old": 2},
            {"records_waiting": 3},
            {"delivery_lag_seconds": 4.5},
        )
    }
    sample = await pulse.take()
    assert sample.rate("requests 2xx") == 2
    assert sample.rate("requests 4xx") == 1
    assert sample.rate("requests 5xx") == 0
    assert sample.rate("sent_bytes") == 100
    assert sample.rate("received_bytes") == 10
    assert sample.rate("records_appended") == 2
    assert sample.within[0] == 15
    assert (sample.gauges["records_waiting"], sample.lag_s) == (3, 4.5)
    assert pulse.totals["records_lost|too old"] == 2
    assert pulse.recent("records_lost") == 2


async def test_workers_are_added_up_and_one_that_is_new_counts_from_0(
    telling: Telling, pulse: Vitals
) -> None:
    telling.told = {
        1: Snapshot({"A 200": cell(1000)}, {"x": 1000}, {"g": 1}, {"delivery_lag_seconds": 9}),
        2: Snapshot({"A 200": cell(50)}, {"x": 50}, {"g": 2}, {"delivery_lag_seconds": 3}),
    }
    first = await pulse.take()
    assert (first.workers, first.gauges["g"], first.lag_s) == (2, 3, 9)
    telling.told = {
        3: Snapshot({"A 200": cell(5)}, {"x": 5}),
        2: Snapshot({"A 200": cell(60)}, {"x": 60}),
    }
    second = await pulse.take()
    assert second.counted["requests 2xx"] == 15
    assert second.counted["x"] == 15
    assert pulse.pids == (2, 3)


async def test_a_process_id_that_is_used_again_makes_nothing_negative(
    telling: Telling, pulse: Vitals
) -> None:
    telling.told = {1: Snapshot({"A 200": cell(100, sent=9)}, {"x": 100})}
    await pulse.take()
    telling.told = {1: Snapshot({"A 200": cell(3, sent=1)}, {"x": 3})}
    sample = await pulse.take()
    assert sample.counted["requests 2xx"] == 3
    assert sample.counted["x"] == 0
    assert min(sample.within) == 0


async def test_while_nobody_answers_nothing_is_told_and_counts_stay(
    telling: Telling, pulse: Vitals
) -> None:
    telling.told = {1: Snapshot(counters={"x": 5})}
    await pulse.take()
    telling.told = {}
    sample = await pulse.take()
    assert sample.workers == 0
    assert sample.rate("requests 2xx") is None
    assert pulse.totals == {"x": 5}


async def test_fifteen_minutes_are_kept(pulse: Vitals) -> None:
    for _ in range(300):
        await pulse.take()
    assert pulse.samples[-1].at - pulse.samples[0].at == vitals.KEPT_S


async def test_it_goes_on_when_a_look_fails(
    telling: Telling, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = asyncio.Semaphore(0)

    async def ask(do: str, bucket: str | None = None) -> list[Answer]:
        looks.release()
        raise OSError("no")

    monkeypatch.setattr(telling, "ask", ask)
    pulse = Vitals(telling)
    monkeypatch.setattr(vitals, "EVERY_S", 0.0)
    await pulse.stop()
    pulse.start()
    await looks.acquire()
    await looks.acquire()
    await pulse.stop()
    assert "pulse can't be taken" in caplog.text


@pytest.mark.parametrize(
    ("within", "share", "seconds"),
    [
        ([0] * 14, 0.5, None),
        ([10] + [0] * 13, 0.5, 0.0005),
        ([0, 10] + [0] * 12, 1.0, 0.0025),
        ([5, 0, 5] + [0] * 11, 0.5, 0.001),
        ([5, 0, 5] + [0] * 11, 0.75, 0.00375),
        ([0] * 13 + [1], 0.5, 60.0),
    ],
)
def test_quantiles_lie_between_the_bounds(
    within: list[int], share: float, seconds: float | None
) -> None:
    assert vitals.quantile(within, share) == (None if seconds is None else pytest.approx(seconds))


def test_memory_is_what_the_kernel_tells(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "status").write_text("Name:\tx\nVmRSS:\t   2048 kB\n")
    (tmp_path / "8").mkdir()
    (tmp_path / "8" / "status").write_text("Name:\tzombie\n")
    assert vitals.memory(7, tmp_path) == 2048 * 1024
    assert vitals.memory(8, tmp_path) is None
    assert vitals.memory(9, tmp_path) is None


# ── charts ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("values", "least", "top"),
    [
        ([], 1, 1),
        ([0.2], 1, 1),
        ([1.1], 1, 1.5),
        ([None, 7], 1, 8),
        ([999], 1, 1000),
        ([10], 1, 10),
    ],
)
def test_the_top_of_a_chart_is_a_round_number(
    values: list[float | None], least: float, top: float
) -> None:
    assert sparklines.top_of(values, least=least) == top


def test_a_line_goes_from_left_to_right_and_has_gaps() -> None:
    path = sparklines.line([10, 7.5, 5, 2.5, 0], [0, 1, None, 2, 2], 2, 10)
    assert path == "M0.0 55.0L60.0 28.0M180.0 1.0L240.0 1.0"
    assert sparklines.line([5], [1], 2, 10) == "M120.0 28.0L121.0 28.0"
    assert sparklines.line([11, 0], [1, None], 2, 10) == ""


def test_areas_stand_on_the_ground_or_on_each_other() -> None:
    ages = [10.0, 0.0]
    assert sparklines.area(ages, [2, 1], 2, 10) == "M0.0 1.0L240.0 28.0L240.0 55.0L0.0 55.0Z"
    one, two = sparklines.stacked([[1, 1], [1, None]])
    assert (one, two) == ([1, 1], [2, None])
    assert sparklines.area(ages, [2, 2], 2, 10, [1, None]) == (
        "M0.0 1.0L240.0 1.0L240.0 55.0L0.0 28.0Z"
    )


async def test_charts_are_told_in_words(telling: Telling, pulse: Vitals) -> None:
    await pulse.take()
    for each in health_charts.requests(pulse.samples):
        assert each.is_empty
    for step in range(1, 4):
        telling.told = {
            1: Snapshot(
                {"GetObject 200": cell(100 * step, 3, sent=10**6 * step)},
                {"records_appended": 40 * step},
                {"records_waiting": 40, "spool_bytes": 5000, "connections": 2},
                {"delivery_lag_seconds": 130},
            )
        }
        await pulse.take()
    charts = {
        each.id: each
        for each in (
            *health_charts.requests(pulse.samples),
            *health_charts.records(pulse.samples, Server(workers=2)),
        )
    }
    assert charts["requests"].now == "20/s"
    assert "300 with status 2xx" in charts["requests"].told
    assert charts["latency"].now == "7.5 ms"
    assert charts["bytes"].now == "200 KB/s"
    assert charts["records"].now == "8/s"
    assert charts["waiting"].now == "40"
    assert charts["lag"].now == "2 min"
    assert (charts["spool"].now, charts["spool"].note) == (
        "5.0 KB",
        "of 8.6 GB that it may take",
    )
    for each in charts.values():
        assert not each.is_empty
        assert all(re.fullmatch(r"[MLZ0-9. ]*", layer.path) for layer in each.layers)


# ── what calls for somebody ─────────────────────────────────────────────────────────────────────

FAILING = Health("photos", last_failure="AccessDenied", last_failure_at=2, last_delivered_at=1)


async def standing(
    pulse: Vitals, telling: Telling, told: Snapshot, *health: Health, **server: Any
) -> dict[str, alarms.Alarm]:
    """The alarms after two samples, the second of which counted what is told."""
    telling.told = {1: Snapshot()}
    await pulse.take()
    telling.told = {1: told}
    await pulse.take()
    found = alarms.of(pulse, Server(**server), health)
    assert [each.kind for each in found] == sorted(each.kind for each in found)
    assert all(each.title and each.text for each in found)
    return {each.id: each for each in found}


async def test_where_all_is_well_there_is_no_alarm(telling: Telling, pulse: Vitals) -> None:
    assert alarms.of(pulse, Server(), [FAILING]) == []  # nobody has looked yet
    mended = Health("a", last_failure="AccessDenied", last_failure_at=1, last_delivered_at=2)
    healthy = Snapshot(counters={"records_appended": 5, "malformed_requests|x": 3})
    assert await standing(pulse, telling, healthy, mended) == {}


@pytest.mark.parametrize(
    ("told", "server", "id", "title"),
    [
        (Snapshot(), {"workers": 3}, "workers", "2 of 3 workers don't answer"),
        (Snapshot(gauges={"spool_full": 1}), {}, "full", "no room"),
        (
            Snapshot(gauges={"spool_bytes": 81}),
            {"spool_max_bytes": 100},
            "nearly-full",
            "nearly full: 81 B of 100 B",
        ),
        (
            Snapshot(gauges={"spool_bytes": 81, "batches_held": 1}),
            {"hold_bytes": 100},
            "nearly-held",
            "soon be given up",
        ),
        (Snapshot(counters={"records_lost|too old": 12}), {}, "lost", "12 records lost"),
        (Snapshot(counters={"requests_refused|spool_full": 4}), {}, "requests_refused", "4"),
        (Snapshot(counters={"errors_internal": 1}), {}, "errors_internal", "1 in the last"),
        (Snapshot(counters={"connections_refused": 1}), {}, "connections_refused", "1"),
        (Snapshot(peaks={"delivery_lag_seconds": 3600}), {}, "late", "60 min"),
    ],
)
async def test_what_goes_wrong_is_told_with_what_to_do(
    telling: Telling,
    pulse: Vitals,
    told: Snapshot,
    server: dict[str, Any],
    id: str,
    title: str,
) -> None:
    found = await standing(pulse, telling, told, **server)
    assert list(found) == [id]
    assert title in found[id].title
    assert found[id].todo


async def test_nobody_answering_is_told(telling: Telling, pulse: Vitals) -> None:
    await pulse.take()
    (found,) = alarms.of(pulse, Server(), [])
    assert found.title == "No worker answers"


async def test_a_bucket_whose_logs_stay_behind_is_led_to(telling: Telling, pulse: Vitals) -> None:
    late = Snapshot(peaks={"delivery_lag_seconds": 3600})
    found = await standing(pulse, telling, late, FAILING)
    assert list(found) == ["failing-photos"]  # why it is late is told already
    assert found["failing-photos"].bucket == "photos"
    assert "may not write" in found["failing-photos"].text
    assert "are kept" in found["failing-photos"].text


async def test_lost_records_are_told_of_their_buckets(telling: Telling, pulse: Vitals) -> None:
    lost = Health(
        "photos", lost_records=12, last_failure="12 records lost: too old", last_failure_at=5
    )
    long_ago = Health("old", lost_records=3, last_delivered_at=9, last_failure_at=8)
    found = await standing(pulse, telling, Snapshot(), lost, long_ago)
    assert [(each.id, each.bucket) for each in found.values()] == [("lost-photos", "photos")]
    assert "12 records of photos lost" in found["lost-photos"].title


async def test_a_hundred_buckets_in_trouble_fill_no_page(telling: Telling, pulse: Vitals) -> None:
    many = [Health(f"b{n}", last_failure="X", last_failure_at=1) for n in range(100)]
    found = await standing(pulse, telling, Snapshot(), *many)
    assert len(found) == alarms.SHOWN + 1
    assert "80 more buckets" in found["more"].title


def test_every_counter_in_words_is_one_of_the_servers() -> None:
    assert set(troubles.COUNTERS) <= set(metrics.COUNTERS)
    fine = {"records_appended", "records_delivered", "log_objects_delivered", "spool_syncs"}
    assert set(metrics.COUNTERS) - set(troubles.COUNTERS) == fine | {"connections_accepted"}


@pytest.mark.parametrize(
    ("reason", "title"),
    [
        ("AccessDenied", "may not write"),
        ("AccessDenied: statement Y", "may not write"),
        ("NoSuchBucket", "does not exist"),
        ("3 records lost: too old", "given up"),
        ("TimeoutError: slow", ""),
    ],
)
def test_why_delivery_fails_is_told_in_words(reason: str, title: str) -> None:
    words = troubles.delivery(reason)
    assert title in words.title
    assert words.meaning
    assert words.todo


def test_counters_that_are_0_are_no_trouble() -> None:
    assert troubles.counted({"records_lost|x": 0, "records_appended": 9}) == []
    (found,) = troubles.counted({"delivery_failures|AccessDenied": 2, "delivery_failures|Odd": 3})
    assert (found.count, [count for _, count in found.reasons]) == (5, [3, 2])
    assert found.reasons[1][0] == "Log delivery may not write to the target bucket"


# ── what the server tells its console ───────────────────────────────────────────────────────────


def test_settings_are_told_but_no_secret() -> None:
    given = settings.load(
        {"server.workers": 3, "delivery.every": "90s", "spool.max_bytes": "5GiB"},
        {"BUCKETLOG_CONSOLE_PASSWORD": "the-password"},
    )
    told = {each["name"]: each for each in front.in_force(given)}
    assert set(told) == {row.name for row in settings.table()}
    assert told["server.workers"] == {
        "name": "server.workers",
        "value": "3",
        "source": "--workers",
    }
    assert told["delivery.every"]["value"] == "90s"
    assert told["spool.max_bytes"]["value"] == "5GiB"
    assert told["spool.when_full"] == {"name": "spool.when_full", "value": "wait", "source": None}
    assert told["store.sync"]["value"] == "true"
    assert told["server.tls_cert"]["value"] == "not set"
    assert told["console.password"]["value"] == "set"
    assert "the-password" not in str(told)


def test_every_setting_that_sounds_secret_is_one() -> None:
    secret = re.compile("password|secret|token")
    assert {row.name for row in settings.table() if secret.search(row.name)} <= front.SECRETS


def test_what_it_is_told_is_understood() -> None:
    line = (
        b'{"endpoint": "http://x", "data": "/d", "run": "/d/run", "server": {"pid": 7,'
        b' "workers": 2, "settings": [{"name": "a.b", "value": "c", "source": null}]}}'
    )
    server = decode(line).server
    assert (server.pid, server.workers, server.settings) == (7, 2, (Setting("a.b", "c"),))


# ── the page ────────────────────────────────────────────────────────────────────────────────────

SERVER = Server(
    pid=1,
    started_at=1_700_000_000_000_000_000,
    settings=(Setting("delivery.every", "60s"), Setting("server.workers", "1", "--workers")),
)


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """A console whose server has one worker, which answers."""

    async def ask(self: Workers, do: str, bucket: str | None = None) -> list[Answer]:
        return [
            Answer(
                pid=1,
                snapshot=Snapshot({"GetObject 200": cell(7)}, {"requests_refused|spool_full": 2}),
            )
        ]

    monkeypatch.setattr(workers.Workers, "ask", ask)
    with Console(tmp_path / "data", server=SERVER) as console:
        yield console


def target(console: Console, source: str, to: str = "logs") -> None:
    console.parts.rules.put(source, Target(to, "p/", ()))


def test_the_operator_sees_all_of_it(watched: Console) -> None:
    watched.log_in()
    target(watched, "photos")
    watched.parts.rules.failed("photos", "AccessDenied", 5)
    target(watched, "reports")
    watched.parts.rules.delivered("reports", "k", 1234, 5)
    watched.parts.rules.lost("gone-rule", 3, "too old", 5)
    text = watched.get("/health").text
    main = text.partition('id="main"')[2]
    assert main.count('<svg class="spark"') == 8
    for shown in (
        "The logs of photos aren",
        'href="/buckets/photos/delivery"',
        "3 records of gone-rule lost",
        "logging is off now",
        "1,234",
        "Requests refused",
        "the spool was full: 2",
        "Worker, and the server itself",
        "1 of 1 answers",
        "http://127.0.0.1:1",
        "us-east-1, eu-central-1",
        "14 Nov 2023",
        "--workers",
        "How long a record waits at most",
    ):
        assert shown in main
    assert "style=" not in text
    assert main.index("photos") < main.index("reports")


def test_what_is_asked_again_is_a_part_and_everything_in_it_that_takes_focus_has_a_name(
    watched: Console,
) -> None:
    watched.log_in()
    target(watched, "photos")
    watched.parts.rules.failed("photos", "AccessDenied", 5)
    text = watched.get("/health/now", htmx=True).text
    assert "<html" not in text
    focusable = re.findall(r"<(?:a|button|summary|input)\b[^>]*>", text)
    assert focusable
    assert all(' id="' in each for each in focusable)
    names = re.findall(r' id="([^"]*)"', text)
    assert len(names) == len(set(names))
    assert 'data-alarms="1 thing needs a look"' in text


def test_where_all_is_well_it_says_so_and_teaches(watched: Console) -> None:
    watched.log_in()
    text = watched.get("/health").text
    assert "All is well" in text
    assert "Access logging is off for every bucket" in text


def test_asking_again_by_itself_keeps_nobody_logged_in(watched: Console) -> None:
    watched.log_in()
    assert watched.session is not None
    seen_at = watched.session.seen_at
    assert watched.get("/health/now", htmx=True).status_code == 200
    assert watched.session.seen_at == seen_at
    watched.get("/health")
    assert watched.session.seen_at > seen_at


def test_others_see_the_delivery_of_their_own_buckets_alone(watched: Console) -> None:
    ann = watched.accounts.add_user_with_key("ann")
    watched.log_in(operator=False, access_key=ann.access_key, secret_key=ann.secret_key)
    for name in ("mine", "forbidden-one", "elsewhere"):
        target(watched, name)
        watched.parts.rules.failed(name, "NoSuchBucket", 5)
    watched.s3.script["list_buckets"] = {
        "Buckets": [{"Name": name} for name in ("mine", "forbidden-one", "plainly")]
    }

    def logging(Bucket: str) -> dict[str, Any]:
        if Bucket == "forbidden-one":
            raise refusal("AccessDenied")
        rule = {"LoggingEnabled": {"TargetBucket": "logs", "TargetPrefix": "p/"}}
        return rule if Bucket == "mine" else {}

    watched.s3.script["get_bucket_logging"] = logging
    text = watched.get("/health").text
    main = text.partition('id="main"')[2]
    assert "The logs of mine aren" in main
    assert "does not exist" in main
    for unseen in (
        "forbidden-one",
        "elsewhere",
        "plainly",
        "chart",
        "delivery.every",
        "127.0.0.1:1",
    ):
        assert unseen not in main
    assert watched.get("/health/now", htmx=True).status_code == 403


def test_others_without_logging_are_taught(watched: Console) -> None:
    watched.log_in(operator=False)
    assert "Access logging is off for every bucket" in watched.get("/health").text


def test_a_login_whose_key_is_gone_sees_nothing(watched: Console) -> None:
    watched.log_in()
    watched.accounts.add_key()
    watched.accounts.remove_key("AKIATESTROOT00000001")
    assert watched.get("/health").headers["location"] == "/login?ended=1"


def test_the_config_has_a_server_by_default(tmp_path: Path) -> None:
    assert Config("http://x", tmp_path, tmp_path).server == Server()
