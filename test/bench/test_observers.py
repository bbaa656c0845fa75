"""The benchmark's observers, their burners and what is counted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from franka_reacher_rl.bench.observers import OBSERVERS, Visit, attend, burner, observed_figures, plan_blocks


def over_after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def test_blocks_with_observers_and_with_burners_are_alike() -> None:
    blocks = plan_blocks(15, 12, warmup=2, seconds=6.0)
    assert [block.observed for block in blocks] == [True, False, True, False]
    assert [list(block.episodes)[:: len(block.episodes) - 1] for block in blocks] == [
        [4, 9],
        [11, 16],
        [18, 23],
        [25, 30],
    ]
    assert [len(block.observers) for block in blocks] == [7, 0, 8, 0]
    assert {visit.command for block in blocks for visit in block.observers} == set(OBSERVERS)
    assert blocks == plan_blocks(15, 12, warmup=2, seconds=6.0), "the times are random, but always the same"


@pytest.mark.parametrize("observers", [1, 2, 15, 60])
def test_observers_start_within_their_block(observers: int) -> None:
    blocks = plan_blocks(observers, 12, warmup=0, seconds=6.0)
    visits = [visit for block in blocks for visit in block.observers]
    assert len(visits) == observers
    assert all(0.0 <= visit.start < 36.0 for visit in visits)
    for block in blocks:
        assert list(block.observers) == sorted(block.observers, key=lambda visit: visit.start)


def test_processes_are_interrupted_and_their_processor_time_is_known(tmp_path: Path) -> None:
    script = """trap 'touch "$ENDED/interrupted"; exit' INT; while :; do :; done"""
    endless = Visit(0.0, 0.5, ("sh", "-c", script))
    short = Visit(0.0, 60.0, ("true",))
    late = Visit(60.0, 1.0, ("true",))
    used = attend([endless, short, late], over_after(0.8), os.environ | {"ENDED": str(tmp_path)})
    assert len(used) == 2, "what has not started when the block is over is not counted"
    assert used[0] > used[1] >= 0.0
    assert (tmp_path / "interrupted").exists()


def test_processes_end_with_their_block() -> None:
    start = time.monotonic()
    attend([Visit(0.0, 60.0, ("sleep", "60"))], over_after(0.1), os.environ)
    assert time.monotonic() - start < 5.0


def test_a_burner_uses_no_more_than_its_observer() -> None:
    made = burner(Visit(0.0, 1.5, ("ros2",)), 1.0)
    assert (made.start, made.lifetime) == (0.0, 1.5)
    (used,) = attend([made], over_after(1.6), os.environ)
    assert 0.0 < used < 1.2


def test_only_the_blocks_count(tmp_path: Path) -> None:
    blocks = plan_blocks(2, 2, warmup=1, seconds=6.0)
    assert [list(block.episodes) for block in blocks] == [[3], [5], [7], [9]]
    cycles, episodes = ["episode,observation_age,lateness"], ["episode,end_reason"]
    for episode in range(1, 10):
        age = {3: 0.07, 7: 0.01, 5: 0.02, 9: 0.02}.get(episode, 1.0)
        cycles += [f"{episode},{age},{0.006 if episode == 9 else 0.0}"] * 2
        episodes.append(f"{episode},{'input_lost' if episode == 7 else 'time_limit'}")
    (tmp_path / "cycles.csv").write_text("\n".join(cycles) + "\n")
    (tmp_path / "episodes.csv").write_text("\n".join(episodes) + "\n")
    found = observed_figures(tmp_path, blocks)
    assert found["observation_age_ms_max"] == pytest.approx(70.0)
    assert found["burner_observation_age_ms_max"] == found["burner_observation_age_ms_p99"] == pytest.approx(20.0)
    assert found["observation_age_over_60ms_fraction"] == 0.5
    assert found["burner_observation_age_over_60ms_fraction"] == 0.0
    assert (found["late_over_5ms_fraction"], found["burner_late_over_5ms_fraction"]) == (0.0, 0.5)
    assert (found["cycles"], found["episodes_cut_short"], found["burner_episodes_cut_short"]) == (4.0, 1.0, 0.0)


def test_a_run_without_cycles_gives_no_figures(tmp_path: Path) -> None:
    for name in ("cycles.csv", "episodes.csv"):
        (tmp_path / name).write_text("episode,observation_age,lateness,end_reason\n")
    with pytest.raises(ValueError, match="no cycles were recorded in episodes 3 to 7"):
        observed_figures(tmp_path, plan_blocks(2, 2, warmup=1, seconds=6.0))
