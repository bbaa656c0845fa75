"""The lines at the console."""

from __future__ import annotations

from franka_reacher_rl.core.base.datatypes import EndReason
from franka_reacher_rl.core.task.console import HEADER, HEADER_EVERY, Console
from franka_reacher_rl.core.task.summary import EpisodeRecord, EpisodeSummary


def summary(episode: int, end: EndReason = EndReason.TIME_LIMIT) -> EpisodeSummary:
    record = EpisodeRecord(episode, 40.0, episode_return=88.3, steps=150, observation_age=[0.0157], policy_age=[0.023])
    times = {"duration": 6.0, "training_seconds": 6.0 * episode, "run_seconds": 7.0 * episode, "total_steps": 150}
    return record.summary(end, late_ms=5.0, **times)


def test_a_row_stands_below_its_header() -> None:
    console = Console(0.0, lambda: 100.0)
    header, row = console.lines(summary(9).with_values({"updates": 307, "updates_per_s": 24.0}), 150)
    assert header == HEADER
    assert row == "    9/150     88.3    150      307       24.0         15.7 ms            0       23 ms   0:14:06"


def test_unknown_values_are_dashes() -> None:
    (_, row) = Console(0.0, lambda: 0.0).lines(summary(1), 0)
    assert row.split()[:5] == ["1", "88.3", "150", "-", "-"]


def test_the_header_is_repeated() -> None:
    console = Console(0.0, lambda: 0.0)
    lines = [len(console.lines(summary(episode), 0)) for episode in range(1, HEADER_EVERY + 2)]
    assert lines == [2, *[1] * (HEADER_EVERY - 1), 2]


def test_an_early_end_and_the_time_left_are_told() -> None:
    now = 6.0
    console = Console(1.0, lambda: now)
    console.lines(summary(1), 0)
    now = 12.0
    (row,) = console.lines(summary(2, EndReason.NO_ACTION), 0)
    assert row.endswith("0:00:48  ended: no_action")
