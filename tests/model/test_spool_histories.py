"""Histories of a spool with death and power cuts, against a list of what it was told."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.spool_model import SpoolModel

from bucketlog.disk import DiskFull, DiskProblem
from bucketlog.spool.writer import SpoolSettings

STORY = [
    *("append", "intend", "append", "intend", "intend", "complete", "seal", "deliver", "append"),
    *("complete", "intend", "cancel", "seal", "intend", "append", "sync", "complete", "seal"),
    *("deliver", "append", "tick"),
]
SETTINGS = SpoolSettings(segment_bytes=700, seal_after_s=3.0)
ACTIONS = ["append", "intend", "complete", "cancel", "sync", "seal", "tick", "deliver"]


def model(root: Path, seed: int = 1) -> SpoolModel:
    return SpoolModel(root, SETTINGS, Random(seed))


def test_the_story_without_any_fault_delivers_each_record_once(tmp_path: Path) -> None:
    history = model(tmp_path)
    history.live(STORY)
    history.verdict()
    assert sum(len(records) for records in history.target.values()) > 10


def steps_of_story() -> int:
    with TemporaryDirectory() as folder:
        return model(Path(folder)).live(STORY)


def steps_of_recovery(die_at: int, cut_power: bool, seed: int) -> int:
    with TemporaryDirectory() as folder:
        history = model(Path(folder), seed)
        history.live(STORY, die_at, cut_power)
        return history.live(["seal", "deliver"])


@pytest.mark.parametrize("cut_power", [False, True], ids=["process dies", "power is cut"])
def test_death_at_any_step_and_again_at_any_step_of_recovery_loses_and_repeats_nothing(
    cut_power: bool,
) -> None:
    for die_at in range(1, steps_of_story() + 1):
        for again_at in range(1, steps_of_recovery(die_at, cut_power, die_at) + 1):
            with TemporaryDirectory() as folder:
                history = model(Path(folder), die_at)
                history.live(STORY, die_at, cut_power)
                history.live(["seal", "deliver"], again_at, cut_power)
                history.verdict()


@settings(max_examples=150, deadline=None)
@given(
    lives=st.lists(
        st.tuples(
            st.lists(st.sampled_from(ACTIONS), max_size=25),
            st.one_of(st.none(), st.integers(1, 60)),
            st.booleans(),
            st.dictionaries(
                st.integers(1, 60),
                st.sampled_from([DiskFull("full"), DiskProblem("broken"), 0, 20]),
                max_size=4,
            ),
        ),
        min_size=1,
        max_size=5,
    ),
    seed=st.integers(0, 1000),
)
def test_any_history_of_any_lives_loses_and_repeats_nothing(
    lives: list[tuple[list[str], int | None, bool, dict[int, DiskProblem | int]]], seed: int
) -> None:
    with TemporaryDirectory() as folder:
        history = model(Path(folder), seed)
        for actions, die_at, cut_power, failures in lives:
            history.live(actions, die_at, cut_power, failures)
        history.verdict()
