"""Identifies lag and delay of an arm: moves one joint at a time by small steps through a running bridge.

Every command passes the bridge's safety filter. The fit uses the velocity that the bridge applied, so limits that it
imposed do not falsify the result.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import rclpy
from sensor_msgs.msg import JointState

from franka_reacher_rl.core.arm.bridge import ARMED, Mode
from franka_reacher_rl.core.arm.identification import (
    Fit,
    Recording,
    direction,
    fit,
    line_of,
    summarise,
    write_into,
)
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.core.base.files import write_atomic
from franka_reacher_rl.core.base.paths import find_yaml
from franka_reacher_rl.msg import RobotState, RobotStatus
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import stamp_ns, steady_seconds
from franka_reacher_rl.ros.messages import check_robot_status, robot_state_from_msg
from franka_reacher_rl.ros.node import Node
from franka_reacher_rl.ros.spin.executor import Executor
from franka_reacher_rl.ros.standard_messages import floats_msg

COMMAND_PERIOD = 0.02  # s
PHASES = (1.0, 0.0, -1.0, 0.0)  # shares of the speed, after which the joint is back
PHASE_TIME = 0.4  # s
PATIENCE = 10.0  # s, for the first state of the bridge


class Identify(Node):
    """Moves each joint in turn and records commands and velocities.

    Args:
        robot: The robot that the bridge drives.
        speed: Speed of the steps, rad/s.
        repeats: Movements of each joint.
        namespace: Namespace of the bridge.

    Attributes:
        fits: One for each movement that is done.
        problem: Why the identification failed, or an empty string.
        done: Whether it has ended.
    """

    def __init__(self, robot: Robot, speed: float, repeats: int, namespace: str = "") -> None:
        super().__init__("identify", namespace=namespace)
        self.fits: list[Fit] = []
        self.problem, self.done = "", False
        self._robot, self._speed, self._repeats = robot, speed, repeats
        self._state: RobotState | None = None
        self._status: RobotStatus | None = None
        self._samples: list[tuple[float, Vector, float, Vector]] = []  # sent in s, dq_cmd, measured in s, dq
        self._velocity = np.zeros(robot.dof)
        self._started = steady_seconds()
        self._movements: Iterator[tuple[int, float]] | None = None
        self._joint, self._sign, self._since = 0, 0.0, 0.0
        self.create_subscription(RobotState, "robot_bridge/robot_state", self._on_state, qos.EVENT)
        self.create_subscription(RobotStatus, "robot_bridge/status", self._on_status, qos.LATCHED)
        self._commands = self.create_publisher(JointState, "velocity_command", qos.RELIABLE)
        self.steady_timer(COMMAND_PERIOD, self._on_timer)

    def _on_status(self, status: RobotStatus) -> None:
        check_robot_status(status)
        self._status = status

    def _on_state(self, state: RobotState, info: Any) -> None:
        """Record a state, which the bridge publishes right after it has sent `dq_cmd`."""
        robot_state_from_msg(state, self._robot.joints)
        self._state = state
        sent, measured = 1e-9 * info["source_timestamp"], 1e-9 * stamp_ns(state.header.stamp)
        self._samples.append((sent, np.array(state.dq_cmd), measured, np.array(state.dq)))

    def _on_timer(self) -> None:
        try:
            self._advance()
        except ValueError as error:
            self.problem, self.done = str(error), True

    def _advance(self) -> None:
        if self.done or not self._ready():
            return
        if self._movements is None:
            self._movements = self._plan()
            self._next()
        phase = int((steady_seconds() - self._since) / PHASE_TIME)
        if phase >= len(PHASES):
            self._finish_movement()
            if self.done:
                return
            phase = 0
        self._velocity[:] = 0.0
        self._velocity[self._joint] = PHASES[phase] * self._sign * self._speed
        message = JointState(name=self._robot.joints, velocity=floats_msg(self._velocity, "d"))
        message.header.stamp = self.get_clock().now().to_msg()
        self._commands.publish(message)

    def _ready(self) -> bool:
        """Return whether the bridge can be commanded.

        Raises:
            ValueError: It cannot; the message says what to do.
        """
        if self._status is not None and self._status.robot != self._robot.name:
            raise ValueError(f"the bridge drives robot {self._status.robot!r}, not {self._robot.name!r}: give --robot")
        if self._status is None or self._state is None:
            if steady_seconds() - self._started > PATIENCE:
                waits = f"it is {self._status.mode}: {self._status.fault}" if self._status else "there is no bridge"
                raise ValueError(
                    f"no robot state on {self.resolve_topic_name('robot_bridge/robot_state')} ({waits}): start the "
                    "bridge with `ros2 run franka_reacher_rl robot_bridge --ros-args -p robot:=...`"
                )
            return False
        if Mode(self._status.mode) not in ARMED - {Mode.MOVING}:
            why = self._status.fault or "it takes no commands"
            raise ValueError(f"the bridge is {self._status.mode} ({why}): call ~/arm, or wait for the end of the move")
        return self._commands.get_subscription_count() > 0

    def _plan(self) -> Iterator[tuple[int, float]]:
        """Return the joints and directions of all movements, after checking the room of each."""
        assert self._state is not None
        q, travel = np.array(self._state.q), self._speed * PHASE_TIME
        signs = [direction(self._robot, q, joint, travel) for joint in range(self._robot.dof)]
        return iter([(joint, sign) for joint, sign in enumerate(signs) for _ in range(self._repeats)])

    def _next(self) -> None:
        assert self._movements is not None
        self._samples.clear()
        self._since = steady_seconds()
        self._joint, self._sign = next(self._movements, (-1, 0.0))
        self.done = self._joint < 0

    def _finish_movement(self) -> None:
        name = self._robot.joints[self._joint]
        try:
            self.fits.append(fit(self._recording()))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        found = self.fits[-1]
        self.get_logger().info(
            f"{name}: lag {found.lag:.4f} s, delay {found.delay:.4f} s, unexplained {found.error:.4f} rad/s"
        )
        self._next()

    def _recording(self) -> Recording:
        """Return the recording of the joint that has moved, with each measurement once."""
        sent, commanded, measured_at, measured = zip(*self._samples, strict=True)
        times, first = np.unique(np.array(measured_at), return_index=True)
        origin = sent[0]
        return Recording(
            np.array(sent) - origin,
            np.array(commanded)[:, self._joint],
            times - origin,
            np.array(measured)[first, self._joint],
        )


def identify(robot: Robot, speed: float, repeats: int, namespace: str = "") -> list[Fit]:
    """Move the joints of a robot whose bridge is running, and return one fit for each movement.

    Raises:
        ValueError: A number is not allowed, the bridge cannot be commanded, or the arm does not move.
    """
    if not 0.0 < speed <= min(robot.task.action_scale) or repeats < 1:
        raise ValueError(
            f"speed = {speed} rad/s and repeats = {repeats} are not allowed: more than 0 and at most "
            f"{min(robot.task.action_scale)} rad/s (action_scale), and at least 1"
        )
    rclpy.init()
    executor = Executor(message_info=True)
    node = Identify(robot, speed, repeats, namespace)
    executor.add_node(node)
    try:
        while not node.done:
            executor.spin_once(timeout_sec=0.1)
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
    if node.problem:
        raise ValueError(node.problem)
    return node.fits


def run(options: argparse.Namespace) -> int:
    """Identify a robot, print the lines of its file and, if asked to, write them; return the exit code.

    Raises:
        ValueError: There is no such robot, or see `identify`.
    """
    robot = Robot.load(options.robot)
    fits = identify(robot, options.speed, options.repeats, options.namespace)
    values, counted = summarise(fits, options.speed)
    note = f"{counted} of {len(fits)} movements of {robot.dof} joints"
    for key, value in values.items():
        print(line_of(key, value, note))
    if options.write:
        path = find_yaml("robots", options.robot)
        write_atomic(path, write_into(path.read_text(), values, note))
        print(f"written to {path}")
    return 0
