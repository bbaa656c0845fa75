"""The interface of the drivers, through which the bridge moves an arm."""

from __future__ import annotations

import math
from typing import Protocol

from franka_reacher_rl.core.arm.health import JointMeasurement
from franka_reacher_rl.core.base.datatypes import Vector


class Driver(Protocol):
    """An arm that takes joint velocities.

    Only `recover`, `flush` and `close` may block longer than a fraction of a control cycle.
    """

    def state(self) -> JointMeasurement | None:
        """Return the newest measurement, with its stamp on the steady clock, or None before the first."""

    def send(self, velocity: Vector, expires: float = math.inf) -> bool:
        """Command a velocity that holds until the next one.

        Args:
            velocity: (joints,), rad/s.
            expires: Steady time, s, after which it must not leave: this process may be stopped at any moment.

        Returns:
            Whether it has not expired.
        """

    def fault(self) -> str:
        """Return what keeps the arm from moving and how to fix it, or an empty string."""

    def interruption(self) -> str:
        """Return why the arm is stopped while it recovers automatically, or an empty string."""

    def waiting_for(self) -> str:
        """Return what the driver must know before it gives the first measurement, or an empty string."""

    def recover(self) -> str:
        """Try to clear a fault on request of a person; return why that failed, or an empty string."""

    def flush(self, timeout: float) -> None:
        """Wait until the last velocity has been sent, at most `timeout` s."""

    def close(self) -> None:
        """Release the arm, which is at rest or stops by its own deadline."""
