"""The simulated wrist camera, rendered from the robot's published joint states."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence

import numpy as np

from franka_reacher_rl.cameras.base import Captured
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.calibration import Calibration
from franka_reacher_rl.core.base.datatypes import Nanoseconds, Vector
from franka_reacher_rl.sim.camera import WristCamera

_READ_TIMEOUT = 0.1  # s


class StateFeed:
    """Passes the newest pose of arm and target from the node's callbacks to the rendering thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._target: Vector | None = None
        self._state: tuple[Vector, Nanoseconds] | None = None
        self._awaited = -math.inf  # ns: states from before are of no use

    def awaits(self, measured: Nanoseconds) -> bool:
        """Return whether a state of that time on the steady clock would be rendered, or could be."""
        return measured >= self._awaited

    def set_target(self, position: Vector) -> None:
        """Set the target's position, (3,) in m in the base frame."""
        with self._changed:
            self._target = position

    def set_state(self, q: Vector, measured: Nanoseconds) -> None:
        """Set the joint positions.

        Args:
            q: Joint positions, (joints,) in rad.
            measured: When they were measured, on the steady clock.
        """
        with self._changed:
            self._state = (q, measured)
            self._changed.notify()

    def wait(self, after: float) -> tuple[Vector, Vector, Nanoseconds] | None:
        """Wait for a state measured at or after a time on the steady clock (ns).

        Returns:
            Joint positions, target position and time of measurement on the steady clock, or None if there is no such
            state within a timeout.
        """

        def available() -> bool:
            return self._target is not None and self._state is not None and self._state[1] >= after

        with self._changed:
            self._awaited = after
            if not self._changed.wait_for(available, _READ_TIMEOUT):
                return None
            assert self._state is not None and self._target is not None
            q, measured = self._state
            return q, self._target, measured


class SimulatedCamera:
    """Renders at most `fps` frames per second, each with the time of the joint state that it shows."""

    warnings: Sequence[str] = ()

    def __init__(self, robot: Robot, feed: StateFeed, width: int, height: int, fps: float) -> None:
        self._camera = WristCamera(robot, width, height)
        self.calibration: Calibration | None = Calibration.pinhole(
            width, height, math.radians(robot.camera.vertical_fov_deg)
        )
        self.values: Mapping[str, object] = {"mode": f"{width}x{height} at {fps:g} Hz"}
        self._feed = feed
        self._period = 1e9 / fps  # ns
        self._next = -np.inf

    def read(self) -> Captured | None:
        state = self._feed.wait(self._next)
        if state is None:
            return None
        q, target, measured = state
        # Accept a state half a period early: states arrive at a rate of their own.
        self._next = max(self._next + self._period, measured + 0.5 * self._period)
        return Captured(self._camera.render(q, target), measured)

    def close(self) -> None:
        self._camera.close()
