"""A joint move: from where the arm is to a configuration, on a straight line in joint space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from franka_reacher_rl.core.arm.ramps import Motion
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector

GAIN = 8.0  # 1/s, of the last bit of the way
REST = 0.02  # rad/s, over REST_TIME: slower is at rest
REST_TIME = 0.05  # s; measured velocities are too noisy for one of them to tell


@dataclass
class Move:
    """One move, from its request to its end.

    Attributes:
        goal: Configuration to reach, (joints,) in rad.
        started: When it was requested, s.
        timeout: After how long it has failed, s.
        done: Whether it has ended, one way or the other.
        message: What went wrong; empty where nothing did.
        duration: How long it took, s.
    """

    goal: Vector
    started: float
    timeout: float
    done: bool = False
    message: str = ""
    duration: float = 0.0
    _settled: tuple[float, Vector] | None = None

    @property
    def success(self) -> bool:
        """Whether the arm has arrived."""
        return self.done and not self.message

    def end(self, now: float, message: str = "") -> None:
        """Ends the move; with a message, as a failure."""
        if not self.done:
            self.done, self.message, self.duration = True, message, now - self.started

    def velocity(self, x: Vector, robot: Robot) -> Vector:
        """The velocity towards the goal, (joints,) in rad/s, from where the arm would come to rest by itself.

        All joints arrive together: as fast as the slowest-braking joint could still stop, the last bit in proportion.
        """
        error = self.goal - x
        distance = float(np.abs(error).max())
        if distance <= 0.5 * robot.reset.tolerance:
            return np.zeros_like(x)
        deceleration = 0.5 * min(robot.limits.acceleration)
        speed = min(robot.reset.velocity, GAIN * distance, float(np.sqrt(2.0 * deceleration * distance)))
        return error * (speed / distance)

    def check(self, now: float, q: Vector, last: Motion, robot: Robot) -> None:
        """Ends the move when the arm has arrived and rests, or when its time is over."""
        error = np.abs(q - self.goal)
        if not last.at_rest or (error > robot.reset.tolerance).any():
            self._settled = None
        elif self._settled is None or (np.abs(q - self._settled[1]) > REST * REST_TIME).any():
            self._settled = (now, q)
        if self._settled is not None and now - self._settled[0] >= REST_TIME:
            self.end(now)
        elif now - self.started > self.timeout:
            worst = int(error.argmax())
            self.end(
                now,
                f"{robot.joints[worst]} is {error[worst]:.3f} rad from its goal after {self.timeout:.1f} s: something "
                "holds the arm, or the timeout is too short for the velocity",
            )
