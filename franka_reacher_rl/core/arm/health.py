"""Joint measurements, and the checks that decide whether the newest one may be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from franka_reacher_rl.core.arm.commands import FUTURE
from franka_reacher_rl.core.base.datatypes import Vector, within

MOST_MEASURED = 1e3  # rad or rad/s; no joint moves as far or as fast
FROZEN_TRAVEL = 0.02  # rad commanded while the measured positions stay exactly the same


@dataclass(frozen=True)
class JointMeasurement:
    """Joint positions and velocities as measured by the arm.

    Drivers deliver measurements, and the bridge keeps the newest one. What the bridge publishes is a
    `core.base.datatypes.RobotState`, which adds the velocity that it applied.
    """

    stamp: float  # s by the bridge's clock, when the joints were measured; 0: the source gives no stamp
    q: Vector  # (joints,), rad
    dq: Vector  # (joints,), rad/s


class StateMonitor:
    """Keeps the newest joint measurement and checks its age, its clock, its values and whether it is frozen.

    A measurement that is not finite or impossible is not kept, but is a problem until a finite one arrives.

    Args:
        timeout: Longest time without a new measurement, and oldest accepted measurement, in s.
    """

    def __init__(self, timeout: float) -> None:
        self.newest: JointMeasurement | None = None
        self._timeout = timeout
        self._received = 0.0
        self.not_finite = ""  # why the last measurement was not kept
        self._ahead = 0.0  # s, by how much the last measurement was stamped in the future; 0: it was not
        self._frozen_q: Vector | None = None
        self._frozen_since, self._travel = 0.0, 0.0

    def take(self, now: float, measurement: JointMeasurement) -> None:
        """Store a measurement received at `now` (s), unless it is no newer than the last or from the future.

        A single stamp from the future is ignored: a step of the wall clock falsifies the stamps of messages in flight.
        """
        ahead = measurement.stamp - now
        possible = within(measurement.q, MOST_MEASURED) and within(measurement.dq, MOST_MEASURED)
        if not (possible and math.isfinite(ahead)):
            values = f"positions {measurement.q.tolist()}, velocities {measurement.dq.tolist()}"
            finite = np.isfinite(measurement.q).all() and np.isfinite(measurement.dq).all() and np.isfinite(ahead)
            what = "is impossible" if finite else "is not finite"
            self.not_finite = f"joint state {what}: {values}: check the driver and its sensors"
            return
        self.not_finite = ""
        if ahead > FUTURE:
            self._ahead = ahead
        elif self.newest is None or measurement.stamp > self.newest.stamp:
            self.newest, self._received, self._ahead = measurement, now, 0.0

    def problem(self, now: float) -> str:
        """Return why the newest measurement cannot be used at time `now` (s), or an empty string."""
        if self.not_finite:
            return self.not_finite
        if self.newest is None:
            return self._future() or "no joint state yet"
        age, silence = now - self.newest.stamp, now - self._received
        if silence > self._timeout and self._ahead:
            return self._future()
        if silence > self._timeout or (age > self._timeout and silence > 0.5 * self._timeout):
            return f"no new joint state for {silence:.2f} s"
        if age > self._timeout:
            return f"joint state is {age:.2f} s old by its stamp: are the clocks synchronised?"
        return ""

    def _future(self) -> str:
        return f"joint state is stamped {self._ahead:.2f} s ahead: are the clocks synchronised?" if self._ahead else ""

    def frozen(self, velocity: Vector, dt: float) -> bool:
        """Return whether the measured positions have not changed although the arm was commanded to move.

        Elapsed time is taken from the measurements' stamps: a source that sends nothing is silent, not frozen.

        Args:
            velocity: Velocity commanded during the last cycle, (joints,) in rad/s.
            dt: Length of that cycle, s.
        """
        if self.newest is None:
            return False
        if self._frozen_q is None or self._frozen_q.tolist() != self.newest.q.tolist():
            self._frozen_q, self._frozen_since, self._travel = self.newest.q, self.newest.stamp, 0.0
        self._travel += max(map(abs, velocity.tolist())) * dt
        return self.newest.stamp - self._frozen_since > self._timeout and self._travel > FROZEN_TRAVEL

    def restart_frozen_check(self) -> None:
        """Forget the travel and time counted so far towards a frozen state."""
        self._frozen_q = None
