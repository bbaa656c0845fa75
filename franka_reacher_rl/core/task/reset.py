"""The reset that precedes an episode, as a list of steps to execute."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector


@dataclass(frozen=True)
class MoveTo:
    """Move the joints to `q` and wait until they have arrived."""

    q: Vector  # (joints,), rad


@dataclass(frozen=True)
class PlaceTarget:
    """Place the simulated target at `xy` on the table."""

    xy: Vector  # (2,), m in the base frame


def reset_rng(seed: int, episode: int) -> np.random.Generator:
    """Return the random numbers of an episode's reset, the same however often the reset is tried."""
    return np.random.default_rng([seed, episode, 1])


def reset_steps(robot: Robot, random: np.random.Generator) -> list[MoveTo | PlaceTarget]:
    """Draw one reset and return its steps in order of execution.

    `teleport` moves to a start pose, then places the simulated target. `swing` lifts the arm, which drags and swings
    the bag on its thread, then moves to a start pose. `joint` only moves to a start pose.
    """
    start = MoveTo(robot.draw_start(random))
    if robot.reset.strategy == "teleport":
        return [start, PlaceTarget(robot.draw_target(random))]
    if robot.reset.strategy == "swing":
        return [MoveTo(random.uniform(robot.reset.swing_lower, robot.reset.swing_upper)), start]
    return [start]
