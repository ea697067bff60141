"""`bucketlog generate`: log lines to stdout or a file."""

from pathlib import Path

import pytest

from bucketlog.accesslog import generate
from bucketlog.cli import main

Captured = pytest.CaptureFixture[bytes]


def test_the_lines_are_those_of_the_seed(capsysbinary: Captured) -> None:
    assert main.run(["generate", "--records", "20", "--seed", "9", "--era", "18"]) == 0
    assert capsysbinary.readouterr().out == b"".join(generate.lines(20, 9, era=18))


def test_without_a_number_there_are_a_thousand(capsysbinary: Captured) -> None:
    assert main.run(["generate", "--era", "all", "--mix", "lake"]) == 0
    assert capsysbinary.readouterr().out == b"".join(generate.lines(1000, era="all", mix="lake"))


def test_a_size_is_met_roughly(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    assert main.run(["generate", "--bytes", "5MB", "-o", str(file)]) == 0
    assert file.stat().st_size == pytest.approx(5_000_000, rel=0.02)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "start", ["2020-02-29", "2020-02-29T00:00:00Z", "2020-02-29T05:00:00+05:00"]
)
def test_it_begins_when_it_is_told_to(capsysbinary: Captured, start: str) -> None:
    assert main.run(["generate", "--records", "1", "--start", start, "--days", "0.5"]) == 0
    assert b" [29/Feb/2020:00:00:00 +0000] " in capsysbinary.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--records", "1", "--bytes", "1MB"), b"Give --records or --bytes, not both."),
        (("--bytes", "1XB"), b"'1XB' is no size"),
        (("--start", "yesterday"), b"'yesterday' is no time"),
        (("--days", "0"), b"--days"),
        (("--era", "19"), b"--era"),
    ],
)
def test_wrong_usage_is_explained(
    capsysbinary: Captured, arguments: tuple[str, ...], told: bytes
) -> None:
    assert main.run(["generate", *arguments]) == 2
    assert told in capsysbinary.readouterr().err
