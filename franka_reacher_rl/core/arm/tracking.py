"""How the arm follows its commands: what it was sent, and how much later than the robot file says it follows."""

from __future__ import annotations

from collections import deque

import numpy as np

from franka_reacher_rl.core.arm.health import JointMeasurement
from franka_reacher_rl.core.arm.robot import DriverSettings
from franka_reacher_rl.core.base.datatypes import Vector

KEPT = 1.0  # s, how long commands are kept
SPAN = 0.2  # s, between the two measurements that are compared
MEMORY = 3.0  # s, time constant with which old comparisons are forgotten
ENOUGH = 0.02  # (rad/s)^2, sum of squared changes of velocity from which the estimate is used
LARGEST = 0.2  # s, bound of the estimate


class Tracking:
    """Keeps the commands of the last second and estimates the lag that the robot file does not declare.

    An arm that follows its commands late by some time is behind them by that time multiplied by their velocity. The
    estimate is the regression of changes of the distance on changes of the velocity, so a constant offset, drift or a
    blocked joint does not count.

    Attributes:
        excess: Estimated lag and delay beyond those of the robot file, s.
    """

    def __init__(self, driver: DriverSettings, dof: int) -> None:
        self.excess = 0.0
        self._lag, self._delay = driver.lag, driver.delay
        rest: Vector = np.zeros(dof)
        self._sent = deque([(-np.inf, rest, rest)])  # time in s, velocity from then on, integral of commands until then
        self._compared: deque[tuple[float, Vector, Vector]] = deque()  # stamp in s, distance behind, velocity
        self._products, self._squares = 0.0, 0.0

    def sent(self, now: float, velocity: Vector) -> None:
        """Take a velocity that the arm received at time `now`, (joints,) in rad/s."""
        if velocity is self._sent[-1][1]:
            return
        self._sent.append((now, velocity, self._integral(now)[0]))
        while len(self._sent) > 1 and self._sent[1][0] < now - KEPT:
            self._sent.popleft()

    def travel(self, stamp: float, now: float) -> Vector:
        """Return the integral of the commands that a measurement at `stamp` does not contain yet, (joints,) in rad."""
        return np.asarray(self._integral(now)[0] - self._integral(stamp - self._delay - self.excess)[0])

    def measure(self, measured: JointMeasurement) -> None:
        """Update the estimate with a new measurement; ignore one that is not new."""
        if self._compared and measured.stamp <= self._compared[-1][0]:
            return
        reached, velocity = self._integral(measured.stamp - self._delay)
        behind = reached - measured.q - self._lag * measured.dq
        self._compared.append((measured.stamp, behind, velocity))
        while self._compared[0][0] < measured.stamp - SPAN:
            stamp, before, slower = self._compared.popleft()
            if self._compared[0][0] >= measured.stamp - SPAN and stamp > measured.stamp - 2.0 * SPAN:
                self._regress(behind - before, velocity - slower)

    def _regress(self, distance: Vector, velocity: Vector) -> None:
        kept = 1.0 - (self._compared[-1][0] - self._compared[-2][0]) / MEMORY if len(self._compared) > 1 else 1.0
        self._products = kept * self._products + float(distance @ velocity)
        self._squares = kept * self._squares + float(velocity @ velocity)
        if self._squares > ENOUGH:
            self.excess = min(max(self._products / self._squares, 0.0), LARGEST)

    def _integral(self, time: float) -> tuple[Vector, Vector]:
        """Return the integral of the commands until a time, (joints,) in rad, and the velocity at that time."""
        since, velocity, integral = next((sent for sent in reversed(self._sent) if sent[0] <= time), self._sent[0])
        if not 0.0 < time - since < np.inf:  # before the first command, or before those that are kept
            return integral, velocity
        return integral + velocity * (time - since), velocity
