"""The charts of the page Health, out of the samples that are kept.

Each is drawn over the last minutes, as many as are kept, the newest at the right edge, and is
told in words for who doesn't see it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bucketlog import measures
from bucketlog.console import sparklines
from bucketlog.console.config import Server
from bucketlog.console.render import number, size
from bucketlog.console.sparklines import Chart, Layer, Values
from bucketlog.console.vitals import CLASSES, KEPT_S, Sample, quantile

LEAST_S = 120.0
_HUES = ("hue-1", "hue-3", "hue-5", "bad")


def requests(samples: Sequence[Sample]) -> list[Chart]:
    """How much is asked, how fast it is answered, how many bytes go over."""
    return [_requests(samples), _latency(samples), _bytes(samples), _connections(samples)]


def records(samples: Sequence[Sample], server: Server) -> list[Chart]:
    """The way of records: written, waiting, delivered."""
    return [_records(samples), _waiting(samples), _lag(samples), _spool(samples, server)]


def _requests(samples: Sequence[Sample]) -> Chart:
    series = [[each.rate(f"requests {kind}") for each in samples] for kind in CLASSES]
    stack = sparklines.stacked(series) if samples else [[], [], [], []]
    top = sparklines.top_of(stack[-1])
    ages = _ages(samples)
    layers = []
    below: Values | None = None
    for kind, hue, values, own in zip(CLASSES, _HUES, stack, series, strict=True):
        count = sum(each.counted.get(f"requests {kind}", 0.0) for each in samples)
        path = sparklines.area(ages, values, top, span_s(samples), below) if any(own) else ""
        layers.append(Layer(kind, f"area {hue}", path, number(count)))
        below = values
    now = _last(stack[-1])
    most = max((value for value in stack[-1] if value is not None), default=0.0)
    return Chart(
        "requests",
        "Requests",
        "none yet" if now is None else f"{_few(now)}/s",
        f"a second; counts of {about(samples)}",
        f"{_few(top)}/s",
        f"Requests per second: now {_few(now or 0)}, at most {_few(most)} in the last "
        f"{about(samples)}. "
        + ", ".join(f"{each.said} with status {each.name}" for each in layers),
        tuple(layers),
        not most,
    )


def _latency(samples: Sequence[Sample]) -> Chart:
    half = [_ms(quantile(each.within, 0.5)) for each in samples]
    most = [_ms(quantile(each.within, 0.99)) for each in samples]
    top = sparklines.top_of(half, most)
    ages = _ages(samples)
    lately = [sum(column) for column in zip(*(each.within for each in samples), strict=True)]
    median, tail = quantile(lately, 0.5), quantile(lately, 0.99)
    layers = (
        Layer("99 %", "line hue-2", sparklines.line(ages, most, top, span_s(samples)), _time(tail)),
        Layer(
            "half", "line hue-1", sparklines.line(ages, half, top, span_s(samples)), _time(median)
        ),
    )
    return Chart(
        "latency",
        "Latency",
        _time(median),
        "half of all were faster",
        f"{_few(top)} ms",
        f"Latency over the last {about(samples)}: half of the requests took at most "
        f"{_time(median)}, 99 % at most {_time(tail)}.",
        layers,
        median is None,
    )


def _bytes(samples: Sequence[Sample]) -> Chart:
    return _pair(
        samples,
        ("bytes", "Bytes", "of bodies, a second"),
        ("sent", "sent_bytes"),
        ("received", "received_bytes"),
        lambda value: f"{size(value)}/s",
        1000.0,
    )


def _records(samples: Sequence[Sample]) -> Chart:
    return _pair(
        samples,
        ("records", "Records", "of requests, a second"),
        ("written", "records_appended"),
        ("delivered", "records_delivered"),
        lambda value: f"{_few(value)}/s",
        1.0,
    )


def _pair(
    samples: Sequence[Sample],
    words: tuple[str, str, str],
    first: tuple[str, str],
    second: tuple[str, str],
    say: Callable[[float], str],
    least: float,
) -> Chart:
    """Two rates: the first as an area, the second as a line over it."""
    ages = _ages(samples)
    one = [each.rate(first[1]) for each in samples]
    two = [each.rate(second[1]) for each in samples]
    top = sparklines.top_of(one, two, least=least)
    now, other = _last(one), _last(two)
    layers = (
        Layer(
            first[0], "area hue-1", sparklines.area(ages, one, top, span_s(samples)), say(now or 0)
        ),
        Layer(
            second[0],
            "line hue-2",
            sparklines.line(ages, two, top, span_s(samples)),
            say(other or 0),
        ),
    )
    return Chart(
        words[0],
        words[1],
        "none yet" if now is None else say(now),
        words[2],
        say(top),
        f"{words[1]}: now {say(now or 0)} {first[0]}, {say(other or 0)} {second[0]}; the most in "
        f"the last {about(samples)} was {say(_most(one))} {first[0]}, "
        f"{say(_most(two))} {second[0]}.",
        layers,
        not (_most(one) or _most(two)),
    )


def _connections(samples: Sequence[Sample]) -> Chart:
    return _gauge(samples, ("connections", "Connections", "open now"), "connections", number, 4)


def _waiting(samples: Sequence[Sample]) -> Chart:
    words = ("waiting", "Waiting", "records not yet delivered")
    return _gauge(samples, words, "records_waiting", number, 4)


def _lag(samples: Sequence[Sample]) -> Chart:
    words = ("lag", "Delivery lag", "age of the oldest that waits")
    return _single(samples, words, [each.lag_s for each in samples], measures.about, 10)


def _spool(samples: Sequence[Sample], server: Server) -> Chart:
    most = server.spool_max_bytes * max(1, server.workers)
    words = ("spool", "Spool", f"of {size(most)} that it may take")
    return _gauge(samples, words, "spool_bytes", size, 1000)


def _gauge(
    samples: Sequence[Sample],
    words: tuple[str, str, str],
    name: str,
    say: Callable[[float], str],
    least: float,
) -> Chart:
    values = [each.gauges.get(name, 0.0) if each.workers else None for each in samples]
    return _single(samples, words, values, say, least)


def _single(
    samples: Sequence[Sample],
    words: tuple[str, str, str],
    values: Values,
    say: Callable[[float], str],
    least: float,
) -> Chart:
    top = sparklines.top_of(values, least=least)
    now = _last(values)
    ages, span = _ages(samples), span_s(samples)
    path = sparklines.area(ages, values, top, span)
    return Chart(
        *words[:2],
        "none yet" if now is None else say(now),
        words[2],
        say(top),
        f"{words[1]}, {words[2]}: now {say(now or 0)}, at most {say(_most(values))} in the last "
        f"{about(samples)}.",
        (
            Layer(words[1], "area hue-1", path),
            Layer("", "line hue-1", sparklines.line(ages, values, top, span)),
        ),
        not _most(values),
    )


def span_s(samples: Sequence[Sample]) -> float:
    """How far back the charts go: as far as is known, but not less than a while."""
    known = samples[-1].at - samples[0].at if samples else 0.0
    return min(KEPT_S, max(LEAST_S, known))


def about(samples: Sequence[Sample]) -> str:
    """The same in words: "15 min"."""
    return measures.about(span_s(samples))


def _ages(samples: Sequence[Sample]) -> list[float]:
    return [samples[-1].at - each.at for each in samples]


def _last(values: Values) -> float | None:
    return values[-1] if values else None


def _most(values: Values) -> float:
    return max((value for value in values if value is not None), default=0.0)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "none yet"
    return f"{_few(seconds * 1000)} ms" if seconds < 1 else f"{seconds:.1f} s"


def _few(value: float) -> str:
    """With two digits that count: "0.4", "7.2", "43", "1,204"."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
