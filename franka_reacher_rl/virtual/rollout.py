"""Episodes of a policy in the simulated world, without learning and without latency."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Nanoseconds
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.loop.events import Sensed
from franka_reacher_rl.core.policy.policy import Policy
from franka_reacher_rl.core.task.evaluation import Outcome
from franka_reacher_rl.core.task.frames import FrameStack
from franka_reacher_rl.core.task.reset import MoveTo, reset_steps
from franka_reacher_rl.core.task.success import Success
from franka_reacher_rl.virtual.latency import nanoseconds
from franka_reacher_rl.virtual.plant import SimulatedPlant


@dataclass(frozen=True)
class Step:
    """An observation of an episode; the first one has number 0."""

    number: int
    sensed: Sensed


class Rollout:
    """A policy and a simulated arm."""

    def __init__(self, robot: Robot, setting: Setting, policy_file: Path | None, seed: int = 0) -> None:
        """Build the world and load the policy.

        Args:
            robot: The arm.
            setting: Image, network and episode of the policy.
            policy_file: A policy.safetensors; None: an untrained policy.
            seed: Of start poses, targets and an untrained policy.

        Raises:
            ValueError: The policy is of another network, or the robot cannot be simulated.
            OSError: The policy cannot be read.
        """
        self.setting = setting
        self._policy = Policy(setting.image, setting.network, robot.dof, seed)
        if policy_file is not None:
            self._policy.load(policy_file.read_bytes())
        self._noisy = policy_file is None
        self._robot, self._seed, self._now = robot, seed, Nanoseconds(0)
        self.plant = SimulatedPlant(robot, setting)

    def episode(self, number: int) -> Iterator[Step]:
        """Yield the observations of an episode, also the final one. The world advances between them.

        A trained policy acts without noise.
        """
        plant, setting = self.plant, self.setting
        for part in reset_steps(self._robot, np.random.default_rng((self._seed, number))):
            if isinstance(part, MoveTo):
                plant.world.reset(part.q)
            else:
                plant.place_target(part.xy)
        plant.begin_episode(self._now)
        self._policy.reseed(number)
        stack, cycle = FrameStack(setting.image), nanoseconds(1e-3 * setting.episode.cycle_ms)
        for step in range(setting.episode.steps):
            sensed = plant.read(self._now)
            yield Step(step, sensed)
            (stack.push if step else stack.reset)(sensed.frame)
            action = self._policy.act(stack.stack, sensed.proprioception, deterministic=not self._noisy)
            plant.command(action, self._now)
            end = self._now + cycle
            while self._now < end:
                plant.control(self._now)
                self._now = min(end, self._now + plant.period)
        yield Step(setting.episode.steps, plant.read(self._now))

    def close(self) -> None:
        """Free OpenGL."""
        self.plant.close()


def outcome(steps: Iterable[Step], setting: Setting) -> Outcome:
    """Follow an episode to its end and return what came of it."""
    success, total, in_view = Success(setting.episode), 0.0, False
    for step in steps:
        if step.number:
            total += step.sensed.reward
        else:
            in_view = step.sensed.coverage > 0.0
        success.take(1e-3 * setting.episode.cycle_ms * step.number, step.sensed.coverage)
    return Outcome(total, success.time_to_reach, in_view)
