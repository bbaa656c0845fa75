"""Moves to a joint configuration on a straight line in joint space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from franka_reacher_rl.core.arm.ramps import Motion
from franka_reacher_rl.core.arm.region import Region
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector

GAIN = 8.0  # 1/s, proportional gain near the goal
REST = 0.02  # rad/s; the arm is at rest if it was slower than this, on average, over REST_TIME
REST_TIME = 0.05  # s; a single measured velocity is too noisy to decide


@dataclass
class Move:
    """A move to a joint configuration, from its request to its end.

    Attributes:
        goal: Configuration to reach, (joints,) in rad.
        started: When it was requested, s.
        timeout: Time after which it fails, s.
        done: Whether it has ended, successfully or not.
        message: Why it failed; empty if it did not.
        duration: How long it took, s.
        canceled: Whether it was canceled; it ends when the arm has come to rest.
    """

    goal: Vector
    started: float
    timeout: float
    done: bool = False
    message: str = ""
    duration: float = 0.0
    canceled: bool = False
    _settled: tuple[float, Vector] | None = None

    @property
    def success(self) -> bool:
        """Whether the arm has reached the goal."""
        return self.done and not self.message

    def end(self, now: float, message: str = "") -> None:
        """End the move at time `now` (s); a message marks it as failed."""
        if not self.done:
            self.done, self.message, self.duration = True, message, now - self.started

    def cancel(self) -> bool:
        """Let the arm ramp to rest instead of moving on; return whether there was anything to cancel."""
        self.canceled = self.canceled or not self.done
        return not self.done

    def distance_left(self, q: Vector) -> float:
        """Return the distance in rad of the joint that is farthest from its goal, at joint positions q."""
        return float(np.abs(q - self.goal).max())

    def velocity(self, x: Vector, robot: Robot) -> Vector:
        """Return the velocity towards the goal, (joints,) in rad/s.

        All joints arrive together. The speed is limited so that the joint with the least deceleration can still stop,
        and is proportional to the distance near the goal.

        Args:
            x: Where the arm would come to rest if it were commanded zero now, (joints,) in rad.
            robot: Gives acceleration limits, reset velocity and tolerance.
        """
        error = self.goal - x
        distance = float(np.abs(error).max())
        if distance <= 0.5 * robot.reset.tolerance:
            return np.zeros_like(x)
        deceleration = 0.5 * min(robot.limits.acceleration)
        speed = min(robot.reset.velocity, GAIN * distance, float(np.sqrt(2.0 * deceleration * distance)))
        return error * (speed / distance)

    def check(self, now: float, q: Vector, last: Motion, robot: Robot) -> None:
        """End the move when the arm rests at the goal or after a cancellation, or when the timeout has passed.

        Args:
            now: Current time, s.
            q: Measured joint positions, (joints,) in rad.
            last: The motion that was commanded last.
            robot: Gives joint names and tolerance.
        """
        error = np.abs(q - self.goal)
        if not last.at_rest or (error > robot.reset.tolerance).any():
            self._settled = None
        elif self._settled is None or (np.abs(q - self._settled[1]) > REST * REST_TIME).any():
            self._settled = (now, q)
        if self.canceled:
            if last.at_rest:
                self.end(now, f"canceled {self.distance_left(q):.3f} rad before the goal")
        elif self._settled is not None and now - self._settled[0] >= REST_TIME:
            self.end(now)
        elif now - self.started > self.timeout:
            worst = int(error.argmax())
            self.end(
                now,
                f"{robot.joints[worst]} is {error[worst]:.3f} rad from its goal after {self.timeout:.1f} s: something "
                "holds the arm, or the timeout is too short for the velocity",
            )


def check_goal(goal: Vector, timeout: float, joints: Sequence[str], region: Region) -> None:
    """Check the request of a move.

    Args:
        goal: Configuration to reach, (joints,) in rad.
        timeout: Time after which the move fails, s.
        joints: Joint names.
        region: The positions that the arm may reach in a move.

    Raises:
        ValueError: A position or the timeout is not allowed.
    """
    outside = (goal < region.position_lower) | (goal > region.position_upper)
    if outside.any():
        i = int(outside.argmax())
        raise ValueError(
            f"{joints[i]} = {goal[i]:.3f} rad is not allowed: "
            f"{region.position_lower[i]:.3f} to {region.position_upper[i]:.3f} rad"
        )
    if not (np.isfinite(timeout) and timeout >= 0.0):
        raise ValueError(f"timeout = {timeout} s is not allowed: give at least 0 s")
