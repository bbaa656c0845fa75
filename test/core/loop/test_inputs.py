"""Frames, rewards and robot states as they arrive."""

from __future__ import annotations

import numpy as np
import pytest

from franka_reacher_rl.core.base.datatypes import RobotState
from franka_reacher_rl.core.loop.events import BridgeCounters
from franka_reacher_rl.core.loop.inputs import MAX_AGE, MAX_WAITING, Inputs

MS = 1_000_000


@pytest.fixture
def inputs() -> Inputs[int]:
    """Images are numbers, decoded to frames of that value plus 50."""
    return Inputs(lambda image: np.full((2, 2, 3), 50 + image, np.uint8))


def state(value: float = 0.0) -> RobotState:
    return RobotState(0.0, *(np.full(2, value) for _ in range(3)))


def test_a_frame_counts_once_its_reward_is_there(inputs: Inputs[int]) -> None:
    inputs.on_image(100, 1, 7)
    assert inputs.missing(2) == "a frame with its reward on `image` and `reward`"
    inputs.on_reward(101, 9.0, 0.1)
    assert inputs.image is None, "the reward of another frame"
    inputs.on_reward(100, 2.0, 0.1)
    assert inputs.missing(2) == "the robot's state on `robot_state`"
    inputs.on_robot_state(1, state(3.0), 0.0)
    sensed = inputs.read(2)
    assert (sensed.reward, sensed.captured, int(sensed.frame[0, 0, 0])) == (2.0, 1, 57)
    assert sensed.proprioception.tolist() == [3.0] * 6


def test_an_older_pair_never_replaces_a_newer_one(inputs: Inputs[int]) -> None:
    for stamp in (200, 100):
        inputs.on_reward(stamp, float(stamp), 0.1)
        inputs.on_image(stamp, stamp, stamp % 99)
    assert inputs.image == 200 % 99


def test_frames_count_after_a_step_back_of_the_wall_clock(inputs: Inputs[int]) -> None:
    inputs.on_image(5_000 * MS, 10 * MS, 1)
    inputs.on_reward(5_000 * MS, 1.0, 0.1)
    inputs.on_image(2_000 * MS, 20 * MS, 2)  # 3 s earlier by its stamp, 10 ms later by the steady clock
    inputs.on_reward(2_000 * MS, 1.0, 0.1)
    assert inputs.image == 2


def test_few_frames_wait_for_their_reward(inputs: Inputs[int]) -> None:
    for stamp in range(MAX_WAITING + 1):
        inputs.on_image(stamp, stamp, stamp)
    inputs.on_reward(0, 1.0, 0.1)
    assert inputs.image is None, "the oldest was dropped"
    inputs.on_reward(1, 1.0, 0.1)
    assert inputs.image == 1


def test_old_inputs_are_missing(inputs: Inputs[int]) -> None:
    inputs.on_image(0, 0, 1)
    inputs.on_reward(0, 1.0, 0.1)
    inputs.on_robot_state(0, state(), 0.0)
    assert inputs.missing(MAX_AGE) == ""
    assert inputs.missing(MAX_AGE + 100 * MS) == "a fresh frame: the newest is 0.6 s old"
    inputs.on_image(1, MAX_AGE, 1)
    inputs.on_reward(1, 1.0, 0.1)
    assert inputs.missing(MAX_AGE + 100 * MS) == "a fresh robot state: the newest is 0.6 s old"


def test_since_needs_frame_and_state(inputs: Inputs[int]) -> None:
    assert not inputs.since(0)
    inputs.on_image(0, 10, 1)
    inputs.on_reward(0, 1.0, 0.1)
    assert not inputs.since(5)
    inputs.on_robot_state(7, state(), 0.0)
    assert inputs.since(5) and inputs.since(7) and not inputs.since(8)


def test_counters_are_those_of_the_bridge(inputs: Inputs[int]) -> None:
    assert inputs.counters() is None, "unknown before the first status"
    inputs.on_counters(watchdog_stops=2, commands_limited=3)
    inputs.on_robot_state(10 * MS, state(), held_seconds=0.02)
    assert inputs.counters() == BridgeCounters(2, 0.02, 3)


def pair(inputs: Inputs[int], stamp: int, image: int, reward: float = 1.0) -> None:
    inputs.on_image(stamp, stamp, image)
    inputs.on_reward(stamp, reward, 0.1)


def test_a_frame_that_cannot_be_used_leaves_the_one_before_it(inputs: Inputs[int]) -> None:
    inputs.on_robot_state(1, state(), 0.0)
    pair(inputs, 1, 7)
    assert inputs.missing(1) == ""
    pair(inputs, 2, -50)  # black
    assert inputs.read(2).captured == 1
    pair(inputs, 3, 9, reward=float("nan"))
    assert inputs.missing(3) == "" and inputs.read(3).captured == 1 and inputs.image == 7
    assert inputs.missing(2 + MAX_AGE).endswith("0.5 s old (the last one was unusable: its reward is not finite)")
    inputs.on_robot_state(4, state(1.0), 0.0)
    pair(inputs, 4, 7)  # the arm has moved, the frame has not changed
    assert inputs.read(4).captured == 1
    assert dict(inputs.refused()) == {"black": 1, "unusable": 1, "frozen": 1}
    pair(inputs, 5, 8)
    assert inputs.read(5).captured == 5 and "the last one was" not in inputs.missing(6 + MAX_AGE)


def test_an_image_that_cannot_be_decoded_is_counted() -> None:
    def decode(image: int) -> np.ndarray:
        raise ValueError("12 bytes are missing")

    inputs: Inputs[int] = Inputs(decode)
    pair(inputs, 1, 7)
    assert "unusable: 12 bytes are missing" in inputs.missing(2)
    assert dict(inputs.refused()) == {"unusable": 1}


def test_frames_and_rewards_without_their_counterpart_are_counted(inputs: Inputs[int]) -> None:
    for stamp in range(MAX_WAITING + 2):
        inputs.on_image(stamp, stamp, 1)
        inputs.on_reward(100 + stamp, 1.0, 0.1)
    assert dict(inputs.refused()) == {"frame without a reward": 2, "reward without a frame": 2}
