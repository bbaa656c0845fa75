"""The report of an evaluation."""

from __future__ import annotations

from math import isnan, nan

import numpy as np
import pytest

from franka_reacher_rl.core.base.datatypes import EndReason
from franka_reacher_rl.core.base.settings import EpisodeSettings, Setting
from franka_reacher_rl.core.task.evaluation import Evaluation, Outcome, bootstrap, lines, wilson
from franka_reacher_rl.core.task.success import Success
from franka_reacher_rl.core.task.summary import EpisodeRecord


# Newcombe (1998), Statistics in Medicine 17, table I: Wilson's score method without continuity correction.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"), [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)]
)
def test_wilson(successes: int, trials: int, low: float, high: float) -> None:
    rate = wilson(successes, trials)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=1e-4)
    assert rate.value == successes / trials


def test_the_bootstrap_covers_the_mean_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        mean = bootstrap(random.normal(size=30).tolist(), np.mean)
        hits += mean.low <= 0.0 <= mean.high
    assert 175 <= hits <= 199


def test_starts_without_the_target_in_view_have_their_own_column() -> None:
    seen = [Outcome(800.0 + 10 * n, 2.0 + 0.1 * n, True) for n in range(9)]
    report = lines([*seen, Outcome(60.0, nan, False)], Setting())
    assert report[0] == "evaluation of 10 episodes, with 95 % intervals:"
    rows = {line[2:17].strip(): [line[17:41], line[41:65], line[65:]] for line in report[1:6]}
    table = {name: [cell.strip() for cell in cells] for name, cells in rows.items()}
    assert table[""] == ["all starts", "target in view", "target not in view"]
    assert table["episodes"] == ["10", "9", "1"]
    assert [cell.split()[0] for cell in table["return"]] == ["762", "840", "60"]
    assert table["success rate"] == ["0.90 (0.60 to 0.98)", "1.00 (0.70 to 1.00)", "0.00 (0.00 to 0.79)"]
    assert [cell.partition(" (")[0] for cell in table["time to reach"]] == ["2.4 s", "2.4 s", "-"]


def test_one_column_where_the_target_is_always_in_view() -> None:
    report = lines([Outcome(900.0, 1.5, True)], Setting())
    assert report[1].split("  ")[-1].strip() == "all starts"
    assert "not in view" not in "\n".join(report)


def test_every_start_without_the_target() -> None:
    report = "\n".join(lines([Outcome(60.0, nan, False)] * 2, Setting()))
    assert "episodes       2                       0                       2" in report


def test_the_report_explains_return_and_success() -> None:
    report = "\n".join(lines([Outcome(900.0, 1.5, True)], Setting()))
    assert "1500 is full coverage of the image for 6 s" in report
    assert "the target covers 25 % of the image for 1 s" in report


def test_without_episodes_or_successes() -> None:
    assert lines([], Setting()) == ["evaluation: no episode was complete"]
    assert Evaluation.of([Outcome(60.0, nan, True)]).time_to_reach is None


@pytest.mark.parametrize("time", [nan, 2.5])
def test_the_outcome_of_an_episode_of_the_graph(time: float) -> None:
    record = EpisodeRecord(1, 40.0, episode_return=700.0, target_at_start=False)
    record.success = Success(EpisodeSettings(), _reached=None if isnan(time) else time)
    summary = record.summary(
        EndReason.TIME_LIMIT, late_ms=5.0, duration=6.0, training_seconds=6.0, run_seconds=8.0, total_steps=150
    )
    outcome = Outcome.of(summary)
    assert (outcome.episode_return, outcome.target_at_start) == (700.0, False)
    assert outcome.time_to_reach == pytest.approx(time, nan_ok=True)
