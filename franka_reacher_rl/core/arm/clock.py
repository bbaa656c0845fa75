"""The control cycle's own timing: how long since the last command, and how long the next may take."""

from __future__ import annotations

import math

from franka_reacher_rl.core.arm.robot import DriverSettings

MEMORY = 2.0  # s, time constant with which a late cycle is forgotten
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
        self.slowest = max(self.period + (self.slowest - self.period) * math.exp(-self.silence / MEMORY), seen)
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
