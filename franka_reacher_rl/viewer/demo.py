"""`demo`: a trained policy at work in the simulated world, on a page in the browser."""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.run.pretrained import pretrained
from franka_reacher_rl.core.task.evaluation import Outcome, lines
from franka_reacher_rl.core.task.reward import target_mask
from franka_reacher_rl.viewer.page import PERIOD
from franka_reacher_rl.viewer.server import Server
from franka_reacher_rl.viewer.stage import Stage
from franka_reacher_rl.virtual.rollout import Rollout, Step, outcome

_UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])  # the target's quaternion
_PAUSE = 1.0  # s, between two episodes


def run(options: argparse.Namespace) -> int:
    """Show episodes until Ctrl-C, or a number of them, then print the evaluation; return the exit code.

    Raises:
        ValueError: There is no policy for the robot, or a port is in use.
    """
    robot = Robot.load(options.robot)
    policy = pretrained(robot.name)
    setting = Setting.load(policy.setting)
    rollout = Rollout(robot, setting, policy.policy, options.seed)
    outcomes: list[Outcome] = []
    try:
        with suppress(KeyboardInterrupt), Server(options.page_port, options.data_port) as server:
            print(f"open {server.url}; Ctrl-C ends", flush=True)
            show = Show(rollout, Stage(server.recording("demo"), robot, ""), robot, setting)
            for number in range(1, options.episodes + 1) if options.episodes else itertools.count(1):
                outcomes.append(show.episode(number))
                print(f"episode {number}: {_described(outcomes[-1])}", flush=True)
                time.sleep(_PAUSE)
    finally:
        rollout.close()
    print("", *lines(outcomes, setting), sep="\n", flush=True)
    return 0


class Show:
    """Draws the episodes of a rollout in real time."""

    def __init__(self, rollout: Rollout, stage: Stage, robot: Robot, setting: Setting) -> None:
        self._rollout, self._stage, self._setting = rollout, stage, setting
        self._kinematics = Kinematics(robot)
        self._images_due = 0.0  # time on the page, s

    def episode(self, number: int) -> Outcome:
        """Show an episode, and return what came of it."""
        result = outcome(self._drawn(number), self._setting)
        self._stage.episode(time.time(), number, result.episode_return, "time_limit")
        return result

    def _drawn(self, number: int) -> Iterator[Step]:
        cycle, began, wall = 1e-3 * self._setting.episode.cycle_ms, time.monotonic(), time.time()
        for step in self._rollout.episode(number):
            elapsed = cycle * step.number
            time.sleep(max(0.0, began + elapsed - time.monotonic()))
            self._draw(wall + elapsed, step)
            yield step

    def _draw(self, now: float, step: Step) -> None:
        stage, world, sensed = self._stage, self._rollout.plant.world, step.sensed
        if now >= self._images_due:
            self._images_due = now + PERIOD
            stage.image(now, sensed.frame)
            stage.mask(now, target_mask(sensed.frame, self._setting.reward))
        stage.reward(now, sensed.reward, sensed.coverage)
        stage.joints(now, world.q)
        stage.target(now, np.asarray(world.target, float), _UPRIGHT)
        stage.step(now, self._kinematics.position(world.q), first=step.number == 0)


def _described(result: Outcome) -> str:
    reached = not math.isnan(result.time_to_reach)
    how = f"reached the target after {result.time_to_reach:.1f} s" if reached else "did not reach the target"
    return f"return {result.episode_return:.0f}, {how}"
