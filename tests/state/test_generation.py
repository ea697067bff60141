"""The number that tells every process when the state has changed."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bucketlog.problems import StateProblem
from bucketlog.state.generation import Generation


def test_a_bump_is_seen_by_everyone_who_mapped_the_file(tmp_path: Path) -> None:
    one, other = Generation.open(tmp_path), Generation.open(tmp_path)
    before = other.read()
    one.bump()
    assert other.read() == one.read() != before


def test_a_bump_is_seen_by_another_process(tmp_path: Path) -> None:
    ours = Generation.open(tmp_path)
    before = ours.read()
    script = (
        "import sys; from pathlib import Path; from bucketlog.state.generation import Generation;"
        "g = Generation.open(Path(sys.argv[1])); g.bump(); print(g.read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert ours.read() == int(done.stdout) != before


def test_no_number_comes_twice(tmp_path: Path) -> None:
    generation = Generation.open(tmp_path)
    seen = set()
    for _ in range(1000):
        generation.bump()
        seen.add(generation.read())
    assert len(seen) == 1000


def test_the_number_stays_when_the_file_is_opened_again(tmp_path: Path) -> None:
    first = Generation.open(tmp_path)
    first.bump()
    number = first.read()
    first.close()
    assert Generation.open(tmp_path).read() == number


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = Generation.open(tmp_path).path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(StateProblem, match="can't be used: No such file"):
        Generation.open(tmp_path / "missing")
