"""The control cycle's own timing: how long since the last command, and how long the next may take."""

from __future__ import annotations

import math

MEMORY = 2.0  # s, time constant with which a late cycle is forgotten
SHORTEST = 0.5  # share of the period; an earlier cycle, such as one after a late cycle, changes no velocity


class CycleClock:
    """Measures the cycles of the control loop.

    Attributes:
        period: Regular cycle time, s.
        slowest: Time that a cycle may take according to the recent ones, s.
        silence: Time from the previous cycle to this one, for which the arm was sent nothing, s.
    """

    def __init__(self, period: float) -> None:
        self.period = self.slowest = period
        self.silence = 0.0
        self._ticked = self._changed = -math.inf  # s, the last cycle, and the last that could change the velocity

    def tick(self, now: float) -> float:
        """Begin a cycle at time `now` (s).

        Returns:
            The time that allows a change of the velocity, s: that since the last change, but at most one period, so
            that a late cycle allows no larger change. It is 0 if the cycle is too early.
        """
        first = math.isinf(self._ticked)
        elapsed = self.period if first else now - self._changed
        self.silence = 0.0 if first else now - self._ticked
        self._ticked = now
        if elapsed < SHORTEST * self.period:
            return 0.0
        self._changed = now
        excess = (self.slowest - self.period) * math.exp(-elapsed / MEMORY)
        self.slowest = max(self.period + excess, self.silence)
        return min(elapsed, self.period)
