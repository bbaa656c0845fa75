"""Simulated arms for `bench safety`: how they follow commands, what they measure, and when the bridge runs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from franka_reacher_rl.core.arm.ramps import Limits, Motion, brake
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Rows, Vector

ROUNDING = 1e-9  # s
LATEST = 0.1  # s, largest lateness of a cycle
SLOW_CYCLE = 0.11  # s
LONGEST_GAP = 3  # states missing in a row
DROPPED, LATE = 0.05, 0.03  # shares of states and of cycles


@dataclass(frozen=True)
class Plant:
    """How an arm and its computer differ from the ideal.

    Attributes:
        name: Name of the plant in the results.
        box_goal: Largest accepted distance outside the workspace, m; None: reported without a goal.
        keeps_margin: Whether half of `bridge.workspace_margin` must be kept too.
        modelled: Whether the arm has the lag and the delay of its robot file; otherwise it follows commands exactly.
        extra_lag: Lag beyond the robot file's, s.
        extra_delay: Delay beyond the robot file's, s.
        noise: Whether measurements are noisy.
        dropped: Share of states that are missing.
        late: Share of cycles that are late.
        slow: Whether every cycle takes `SLOW_CYCLE`.
        model_error: Whether base and end-effector frames differ from the URDF's.
    """

    name: str
    box_goal: float | None
    keeps_margin: bool = False
    modelled: bool = True
    extra_lag: float = 0.0
    extra_delay: float = 0.0
    noise: bool = False
    dropped: float = 0.0
    late: float = 0.0
    slow: bool = False
    model_error: bool = False


PLANTS = (
    Plant("exact", 0.0, keeps_margin=True, modelled=False),
    Plant("declared", 0.0, keeps_margin=True),
    Plant("undeclared", 1e-3, extra_lag=0.02, extra_delay=0.005),
    Plant("noise", 1e-3, noise=True),
    Plant("dropped", 1e-3, dropped=DROPPED),
    Plant("late", 1e-3, late=LATE),
    Plant("slow", 2e-3, slow=True),
    Plant("model_error", None, model_error=True),
)
POSITION_NOISE, VELOCITY_NOISE = 1e-4, 2e-3  # rad and rad/s, standard deviations
FRAME_SHIFT, FRAME_TURN = 5e-3, np.radians(0.5)  # m and rad


class SimulatedArm:
    """An arm whose joints follow velocity commands with a lag and a delay.

    The arm ramps to rest if it receives no command for `driver.deadline`, as a Franka arm and an arm with a command
    guard do.

    Args:
        robot: The robot file.
        plant: How the arm differs from the ideal.
        q: Initial joint positions, (joints,) in rad.
        guarded: Whether the arm ramps to rest after the deadline; otherwise it holds the last command.
    """

    def __init__(self, robot: Robot, plant: Plant, q: Vector, guarded: bool = True) -> None:
        driver = robot.driver
        self.q: Vector = np.array(q, float)
        self.dq: Vector = np.zeros(robot.dof)
        self.lag = (driver.lag if plant.modelled else 0.0) + plant.extra_lag
        self.delay = (driver.delay if plant.modelled else 0.0) + plant.extra_delay
        self.period = 1.0 / driver.control_rate
        self._limits = Limits(
            np.array(robot.limits.velocity), np.array(robot.limits.acceleration), np.array(robot.limits.jerk)
        )
        self._deadline = driver.deadline if guarded else np.inf
        self._followed: Vector = np.zeros(robot.dof)  # the command that the joints follow, rad/s
        self._transit: deque[tuple[float, Vector]] = deque()
        self._guard_due = np.inf
        self._sent = Motion.rest(robot.dof)
        self._now = 0.0
        self.received: list[tuple[float, Vector]] = [(0.0, self._followed)]  # by the controller, from whomever

    def send(self, motion: Motion) -> None:
        """Take the bridge's command at the arm's present time."""
        self._command(self._now, motion)
        self._guard_due = self._now + self._deadline

    def advance(self, until: float) -> Rows:
        """Move until a time (s); return the joint positions on the way, (n, joints) in rad, once a period or more."""
        path = []
        while self._now < until - ROUNDING:
            if self._guard_due <= self._now + ROUNDING:
                self._guard_due += self.period
                if not self._sent.at_rest:
                    self._command(self._now, brake(self._sent, self._limits, self.period))
            while self._transit and self._transit[0][0] <= self._now + ROUNDING:
                self._followed = self._transit.popleft()[1]
            following = self._transit[0][0] if self._transit else np.inf
            self._move(min(until, self._now + self.period, following, self._guard_due) - self._now)
            path.append(self.q)
        return np.array(path).reshape(-1, len(self.q))

    def _command(self, now: float, motion: Motion) -> None:
        early = now - self.received[-1][0] < 0.5 * self.period
        if not (early and np.array_equal(motion.velocity, self._sent.velocity)):  # else it is the same step, repeated
            self.received.append((now, motion.velocity))
        self._sent = motion
        self._transit.append((now + self.delay, motion.velocity))

    def _move(self, dt: float) -> None:
        decay = np.exp(-dt / self.lag) if self.lag else 0.0
        gap = self.dq - self._followed
        self.q = self.q + self._followed * dt + gap * self.lag * (1.0 - decay)
        self.dq = self._followed + gap * decay
        self._now += dt


class Timing:
    """When the bridge's cycles run and which states reach it.

    A late cycle is followed by one at its regular time, as with a timer, so a cycle may also be short.
    """

    def __init__(self, plant: Plant, period: float, random: np.random.Generator) -> None:
        self._plant, self._period, self._random = plant, period, random
        self._regular, self._missing = 0.0, 0

    def next(self, now: float) -> float:
        """Return the time of the cycle after the one at `now`, s."""
        if self._plant.slow:
            return now + SLOW_CYCLE
        self._regular += self._period * max(1.0, np.floor((now - self._regular) / self._period + 1.0 + 1e-9))
        late = self._random.random() < self._plant.late
        return float(self._regular + late * self._random.uniform(0.0, LATEST))

    def state_arrives(self) -> bool:
        """Return whether the state of this cycle reaches the bridge."""
        if self._missing:
            self._missing -= 1
            return False
        gaps = 2.0 * self._plant.dropped / (1.0 + LONGEST_GAP)  # per cycle, of (1 + LONGEST_GAP) / 2 states on average
        if self._random.random() >= gaps:
            return True
        self._missing = int(self._random.integers(0, LONGEST_GAP))
        return False


def measured(plant: Plant, arm: SimulatedArm, random: np.random.Generator) -> tuple[Vector, Vector]:
    """Return positions and velocities as the arm measures them, (joints,) each in rad and rad/s."""
    if not plant.noise:
        return arm.q.copy(), arm.dq.copy()
    shape = arm.q.shape
    return arm.q + random.normal(0.0, POSITION_NOISE, shape), arm.dq + random.normal(0.0, VELOCITY_NOISE, shape)


def misplaced(places: Rows, rotations: Rows, random: np.random.Generator) -> Rows:
    """Return end-effector positions (n, 3) in m with base and end effector mounted slightly wrong.

    The end effector is shifted in its own frame and the base is turned, each in a random direction.

    Args:
        places: Positions according to the URDF, (n, 3) in m.
        rotations: Orientations of the end effector, (n, 3, 3).
        random: Draws the directions.
    """
    shift, axis = (v / np.linalg.norm(v) for v in random.normal(size=(2, 3)))
    shifted = places + FRAME_SHIFT * rotations @ shift
    return np.asarray(shifted + np.cross(FRAME_TURN * axis, shifted))


def plant_named(name: str) -> Plant:
    """Return a plant by its name."""
    return next(plant for plant in PLANTS if plant.name == name)


def worse(plant: Plant, lag: float, delay: float) -> Plant:
    """Return a plant with this lag and delay beyond the robot file's, s."""
    return replace(plant, extra_lag=lag, extra_delay=delay)
