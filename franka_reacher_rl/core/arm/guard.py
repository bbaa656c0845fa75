"""The command guard: brakes an arm whose bridge has fallen silent, and how the bridge knows that it has one.

A forward velocity controller holds its last command for ever. The guard is a process of its own that hears every
command. It imports NumPy and nothing heavier, so that it starts quickly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from franka_reacher_rl.core.arm.ramps import Limits, Motion, brake, clipped
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector, vector

NAME = "command_guard"  # of the node; its commands carry this label, which tells them from the bridge's
HEARTBEAT = f"{NAME}/heartbeat"  # topic
HEARTBEAT_PERIOD = 0.1  # s
GONE_AFTER = 0.5  # s without a heartbeat
REPEAT_ZERO = 1.0  # s for which zero is repeated once the arm has been brought to rest
AGREEMENT = 3.0  # cycles of full acceleration by which a bridge that wakes may be faster than what the guard has left


class Guard:
    """Ramps the bridge's last command to zero once the bridge has been silent for `driver.deadline`.

    Attributes:
        alarm: When `on_alarm` is to be called next, s; infinite if there is nothing to guard.
        braking: Whether the guard, not the bridge, commands the arm.
    """

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._joints = tuple(robot.joints)  # in the order of the commands
        self._limits = self._limits_of(robot.joints)
        self._period = 1.0 / robot.driver.control_rate
        self._deadline = max(robot.driver.deadline, self._period)
        self._motion = Motion.rest(robot.dof)
        self._quiet_at = math.inf  # s, when the guard ceases to repeat zero
        self._contradicted = False  # the last command
        self.alarm = math.inf
        self.braking = False

    @property
    def idle(self) -> bool:
        """Whether the arm needs no guard: it is commanded zero."""
        return not any(self._motion.velocity.tolist())

    def _limits_of(self, joints: Sequence[str]) -> Limits:
        limits, order = self._robot.limits, [self._robot.joints.index(joint) for joint in joints]
        return Limits(*(np.asarray(v, float)[order] for v in (limits.velocity, limits.acceleration, limits.jerk)))

    def on_command(self, now: float, velocity: Vector, joints: Sequence[str] = ()) -> Vector | None:
        """Take a command of the bridge.

        The arm cannot be faster than its limits allow, so it is braked from no higher velocity.

        A bridge that was stopped just before it sent a command sends it when it wakes, long after the guard has braked
        the arm. The first command after the guard has taken over is contradicted if it is faster than what the guard
        has left. With the second one the bridge is in charge: two that contradict each other would shake the arm.

        Args:
            now: Current time, s.
            velocity: Joint velocities, (joints,) in rad/s.
            joints: Their names, in the controller's order; empty: that of the robot file.

        Returns:
            The velocity to send at once, (joints,) in rad/s, or None.

        Raises:
            ValueError: The command is not finite or has another length; it is ignored.
        """
        velocity = vector(velocity, self._robot.dof, "velocity", np.finfo(float).max)
        if joints and tuple(joints) != self._joints and sorted(joints) == sorted(self._robot.joints):
            self._joints, self._limits = tuple(joints), self._limits_of(joints)
        velocity = clipped(velocity, -self._limits.velocity, self._limits.velocity)
        full = self._limits.acceleration
        if self.braking and not self._contradicted and self._much_slower_than(velocity):
            self._contradicted, self._quiet_at, self.alarm = True, math.inf, now
            return self.on_alarm(now)
        self._contradicted = False
        acceleration = clipped((velocity - self._motion.velocity) / self._period, -full, full)
        self._motion = Motion(velocity, acceleration)
        self.braking = False
        self.alarm = now + self._deadline if not self.idle else math.inf
        return None

    def _much_slower_than(self, velocity: Vector) -> bool:
        allowed = AGREEMENT * self._limits.acceleration * self._period
        return bool((np.abs(velocity) > np.abs(self._motion.velocity) + allowed).any())

    def on_alarm(self, now: float) -> Vector | None:
        """Return the velocity to send now, (joints,) in rad/s, or None."""
        if now < self.alarm:
            return None
        if not self.braking and now - self.alarm > self._period:
            # This process itself was late, so commands may wait unread.
            self.alarm = now + self._period
            return None
        if not self.braking:
            self.braking, self._quiet_at = True, math.inf
        self._motion = brake(self._motion, self._limits, self._period)
        if self.idle and math.isinf(self._quiet_at):
            self._quiet_at = now + REPEAT_ZERO
        self.alarm = now + self._period if now < self._quiet_at else math.inf
        return self._motion.velocity


class GuardWatch:
    """Tells from the guard's heartbeat whether there is one, where the driver has no deadline of its own."""

    def __init__(self, robot: Robot) -> None:
        self._needed = robot.driver.name == "topic"
        self._heard = -math.inf

    def on_heartbeat(self, now: float) -> None:
        """Take a heartbeat of the guard."""
        self._heard = now

    def problem(self, now: float) -> str:
        """Return that the guard is missing and what to do, or an empty string."""
        if not self._needed or now - self._heard <= GONE_AFTER:
            return ""
        state = "has never been heard" if math.isinf(self._heard) else "does not respond"
        return (
            f"the command guard {state}, so nothing would stop the arm if this process died: start "
            f"`ros2 run franka_reacher_rl {NAME}` with the same robot and namespace, as the launch files do"
        )
