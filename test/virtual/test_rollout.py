"""Episodes of a policy in the simulated world."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.settings import EpisodeSettings, ImageSettings, NetworkSettings, Setting
from franka_reacher_rl.core.loop.events import Sensed
from franka_reacher_rl.virtual.rollout import Rollout, Step, outcome

SETTING = Setting(
    image=ImageSettings(width=16, height=16),
    episode=EpisodeSettings(cycle_ms=40.0, seconds=0.4, success_seconds=0.1),
    network=NetworkSettings(channels=[8], strides=[2], hidden=[16]),
)


@pytest.fixture(scope="module")
def rollout() -> Iterator[Rollout]:
    made = Rollout(Robot.load("panda_sim"), SETTING, None, seed=3)
    yield made
    made.close()


def test_an_episode_has_an_observation_more_than_actions(rollout: Rollout) -> None:
    steps = list(rollout.episode(1))
    assert [step.number for step in steps] == list(range(11))
    assert steps[-1].sensed.frame.shape == (16, 16, 3)
    assert not np.array_equal(steps[0].sensed.proprioception, steps[-1].sensed.proprioception), "the arm moves"


def test_an_episode_is_the_same_whatever_came_before(rollout: Rollout) -> None:
    first, _, again = (list(rollout.episode(number)) for number in (1, 2, 1))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.sensed.proprioception, b.sensed.proprioception)
        np.testing.assert_array_equal(a.sensed.frame, b.sensed.frame)


def test_episodes_differ(rollout: Rollout) -> None:
    one, other = (next(rollout.episode(number)).sensed.frame for number in (1, 2))
    assert not np.array_equal(one, other)


def steps(*coverages: float) -> list[Step]:
    empty = np.zeros(0, np.float32)
    return [Step(n, Sensed(empty, 10.0 * c, c, 0, empty)) for n, c in enumerate(coverages)]  # type: ignore[arg-type]


def test_the_first_observation_has_no_reward() -> None:
    assert outcome(steps(0.5, 0.1, 0.2), SETTING).episode_return == pytest.approx(3.0)


@pytest.mark.parametrize(("coverage", "in_view"), [(0.0, False), (0.01, True)])
def test_a_start_without_the_target_in_view(coverage: float, in_view: bool) -> None:
    assert outcome(steps(coverage, 0.5), SETTING).target_at_start == in_view


def test_the_time_to_reach_is_when_the_target_began_to_fill_the_image() -> None:
    reached = outcome(steps(0.0, 0.0, 0.3, 0.3, 0.3, 0.3), SETTING)
    assert reached.time_to_reach == pytest.approx(0.08)
    missed = outcome(steps(0.0, 0.3, 0.3, 0.0, 0.3, 0.3), SETTING)
    assert np.isnan(missed.time_to_reach)


def test_the_policy_of_another_network_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "policy.safetensors"
    path.write_bytes(b"not a policy")
    with pytest.raises(ValueError):
        Rollout(Robot.load("panda_sim"), dataclasses.replace(SETTING), path)
