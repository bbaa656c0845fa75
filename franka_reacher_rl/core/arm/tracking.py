"""Timing of the control loop and of the arm: how late cycles are, and how late the arm follows its commands."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from franka_reacher_rl.core.arm.health import JointMeasurement
from franka_reacher_rl.core.arm.robot_files.sections import DriverSettings
from franka_reacher_rl.core.base.datatypes import Vector

KEPT = 1.0  # s, how long commands are kept
SPAN = 0.2  # s, between the two measurements that are compared
MEMORY = 3.0  # s, time constant with which old comparisons are forgotten
ENOUGH = 0.02  # (rad/s)^2, sum of squared changes of velocity from which the estimate is used
LARGEST = 0.2  # s, bound of the estimate

LATE_MEMORY = 2.0  # s, time constant with which a late cycle is forgotten
LONGEST_STOP = 500  # periods; a longer silence is long after the arm has come to rest
SHORTEST = 0.5  # share of the period; an earlier cycle, such as one after a late cycle, changes no velocity


class CycleClock:
    """Measures the cycles of the control loop.

    Attributes:
        period: Regular cycle time, s.
        slowest: Time that a cycle may take according to the recent ones, s; above the deadline only if two in a row
            were late by that much.
        silence: Time from the previous cycle to this one, for which the arm was sent nothing, s.
        braked: When the arm or its command guard braked in this silence, s before this cycle, oldest first.
    """

    def __init__(self, driver: DriverSettings) -> None:
        self.period = self.slowest = 1.0 / driver.control_rate
        self.silence, self.braked = 0.0, list[float]()
        self._deadline = driver.deadline
        self._ticked = self._changed = -math.inf  # s, the last cycle, and the last that could change the velocity

    def tick(self, now: float) -> float:
        """Begin a cycle at time `now` (s).

        Returns:
            The time that allows a change of the velocity, s: that since the last change, but at most one period, so
            that a late cycle allows no larger change. It is 0 if the cycle is too early.
        """
        first = math.isinf(self._ticked)
        elapsed = self.period if first else now - self._changed
        before, self.silence = self.silence, 0.0 if first else now - self._ticked
        self._ticked = now
        seen = self.silence if before > self._deadline else min(self.silence, self._deadline)
        self.slowest = max(self.period + (self.slowest - self.period) * math.exp(-self.silence / LATE_MEMORY), seen)
        late = self.silence - self._deadline
        braking = math.ceil((late - 1e-9) / self.period) if late > 0.0 else 0
        self.braked = [late - i * self.period for i in range(min(braking, LONGEST_STOP))]
        if self.braked:
            elapsed = late - (braking - 1) * self.period
            self._changed = now - elapsed
        if elapsed < SHORTEST * self.period:
            return 0.0
        self._changed = now
        return min(elapsed, self.period)


class Tracking:
    """Keeps the commands of the last second and estimates the lag that the robot file does not declare.

    An arm that follows its commands late by some time is behind them by that time multiplied by its velocity. The
    estimate is the regression of changes of that distance on changes of the measured velocity, so neither a constant
    offset nor a slow drift counts.

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
        self._sent.append((now, velocity, self._integral(now)))
        while len(self._sent) > 1 and self._sent[1][0] < now - KEPT:
            self._sent.popleft()

    def travel(self, stamp: float, now: float) -> Vector:
        """Return the integral of the commands that a measurement at `stamp` does not contain yet, (joints,) in rad."""
        return self._integral(now) - self._integral(stamp - self._delay - self.excess)

    def measure(self, measured: JointMeasurement) -> None:
        """Update the estimate with a new measurement; ignore one that is not new."""
        if self._compared and measured.stamp <= self._compared[-1][0]:
            return
        behind = self._integral(measured.stamp - self._delay) - measured.q - self._lag * measured.dq
        self._compared.append((measured.stamp, behind, measured.dq))
        while self._compared[0][0] < measured.stamp - SPAN:
            stamp, before, slower = self._compared.popleft()
            if self._compared[0][0] >= measured.stamp - SPAN and stamp > measured.stamp - 2.0 * SPAN:
                self._regress(behind - before, measured.dq - slower)

    def _regress(self, distance: Vector, velocity: Vector) -> None:
        kept = 1.0 - (self._compared[-1][0] - self._compared[-2][0]) / MEMORY if len(self._compared) > 1 else 1.0
        self._products = kept * self._products + float(distance @ velocity)
        self._squares = kept * self._squares + float(velocity @ velocity)
        if self._squares > ENOUGH:
            self.excess = min(max(self._products / self._squares, 0.0), LARGEST)

    def _integral(self, time: float) -> Vector:
        """Return the integral of the commands until a time, (joints,) in rad."""
        since, velocity, integral = self._sent[0]
        for sent in reversed(self._sent):
            if sent[0] <= time:
                since, velocity, integral = sent
                break
        if not 0.0 < time - since < math.inf:  # before the first command, or before those that are kept
            return integral
        return integral + velocity * (time - since)
