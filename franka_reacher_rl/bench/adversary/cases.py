"""Adversarial requests and start poses for `bench safety`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from franka_reacher_rl.core.arm.kinematics import Kinematics
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Rows, Vector

CONSTANT_CYCLES, CYCLES = 400, 200  # lengths of a run with a constant request and of any other
CONSTANT = frozenset({"constant", "leaning"})
FAMILIES = ("constant", "leaning", "random", "bang_bang", "resonant", "ar1")
NEAR = 0.03  # m, how near a face half of the runs start
ACTION_CYCLES = 5  # bridge cycles for which a random request is held
SLOWEST, FASTEST = 0.2, 25.0  # Hz, of a periodic request


@dataclass(frozen=True)
class Case:
    """A start pose and a sequence of requests.

    Attributes:
        family: Family of the requests.
        start: Joint positions at the start, (joints,) in rad.
        requests: Requested velocities, (cycles, joints) in rad/s.
    """

    family: str
    start: Vector
    requests: Rows


@dataclass(frozen=True)
class Wave:
    """Parameters of the requests `clip(offset + swing * sin(2 pi frequency t))`, in units of the action scale.

    They cover constant, leaning, resonant and bang-bang requests, so an optimiser can vary them.
    """

    start: Vector  # (joints,), rad
    offset: Vector  # (joints,)
    swing: Vector  # (joints,)
    frequency: float  # Hz

    def case(self, robot: Robot, family: str) -> Case:
        """Return the case with these requests."""
        cycles = CONSTANT_CYCLES if family in CONSTANT else CYCLES
        phase = 2.0 * np.pi * self.frequency * np.arange(cycles) / robot.driver.control_rate
        actions = np.clip(self.offset + self.swing * np.sin(phase)[:, None], -1.0, 1.0)
        return Case(family, self.start, actions * np.array(robot.task.action_scale))


class Cases:
    """Draws cases for one robot."""

    def __init__(self, robot: Robot, random: np.random.Generator) -> None:
        self.robot, self._random = robot, random
        self._kinematics = Kinematics(robot)
        margin = robot.bridge.position_margin
        self.lower = np.array(robot.task.position_lower) + margin
        self.upper = np.array(robot.task.position_upper) - margin

    def draw(self, family: str) -> Case | Wave:
        """Return a case of a family; a `Wave` if an optimiser can vary it."""
        random, dof = self._random, self.robot.dof
        start, nothing = self.start(), np.zeros(dof)
        scale, cycles = np.array(self.robot.task.action_scale), CYCLES
        if family == "constant":
            sign = random.choice([-1.0, 1.0], dof)
            return Wave(start, sign if random.random() < 0.5 else random.uniform(-1.0, 1.0, dof), nothing, SLOWEST)
        if family == "leaning":
            return Wave(start, self.towards_a_face(start), nothing, SLOWEST)
        if family in ("bang_bang", "resonant"):
            frequency = float(np.exp(random.uniform(np.log(SLOWEST), np.log(FASTEST))))
            size = 100.0 if family == "bang_bang" else 1.0
            offset = 0.5 * self.towards_a_face(start)
            swing = self.towards_a_face(start) if family == "resonant" else random.choice([-1.0, 1.0], dof)
            return Wave(start, offset, size * swing, frequency)
        if family == "random":
            actions = np.repeat(random.uniform(-1.0, 1.0, (cycles // ACTION_CYCLES, dof)), ACTION_CYCLES, axis=0)
        else:
            actions = self._autoregressive(cycles)
        return Case(family, start, actions * scale)

    def start(self) -> Vector:
        """Return a start pose in the workspace, (joints,) in rad, which is near a face with probability one half."""
        inside = self.inside(self._random.uniform(self.lower, self.upper))
        if self._random.random() < 0.5:
            return inside
        return self._near_a_face(inside, self._random.uniform(0.0, NEAR))

    def inside(self, q: Vector) -> Vector:
        """Return the pose nearest to q in the workspace on the line from q to the middle of the start poses."""
        middle, share = self.robot.start_middle(), 1.0
        while self.depth(middle + share * (q - middle)) < 0.0:
            share *= 0.8
        return np.asarray(middle + share * (q - middle))

    def depth(self, q: Vector) -> float:
        """Return the end effector's distance to the nearest face, less the margin, in m; negative outside."""
        place, task = self._kinematics.position(q), self.robot.task
        gap = np.minimum(np.array(task.workspace_upper) - place, place - np.array(task.workspace_lower))
        return float(gap.min()) - self.robot.bridge.workspace_margin

    def _near_a_face(self, inside: Vector, distance: float) -> Vector:
        way = np.clip(inside + self._random.normal(0.0, 0.5, len(inside)), self.lower, self.upper) - inside
        low, high = 0.0, 1.0
        if self.depth(inside + way) > distance or self.depth(inside) < distance:
            return inside
        for _ in range(12):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self.depth(inside + middle * way) > distance else (low, middle)
        return np.asarray(inside + low * way)

    def towards_a_face(self, q: Vector) -> Vector:
        """Return an action (joints,) that pushes the end effector against faces and joints against their limits."""
        normal = self._random.normal(size=3) * self._random.choice([0.2, 1.0], 3)
        action = normal @ self._kinematics.jacobian(q)[:3]
        action = action / np.abs(action).max() + self._random.normal(0.0, 0.3, len(q))
        return np.asarray(action / np.abs(action).max())

    def _autoregressive(self, cycles: int) -> Rows:
        memory = np.exp(-1.0 / (self.robot.driver.control_rate * self._random.uniform(0.1, 1.0)))
        noise = self._random.normal(size=(cycles, self.robot.dof)) * np.sqrt(1.0 - memory**2)
        actions = np.empty_like(noise)
        value = self._random.normal(size=self.robot.dof)
        for action, step in zip(actions, noise, strict=True):
            value = memory * value + step
            action[:] = value
        return np.clip(actions, -1.0, 1.0)
