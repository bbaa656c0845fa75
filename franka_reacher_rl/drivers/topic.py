"""Driver of an arm behind topics, such as ros2_control's forward velocity controller or sim_robot.

It publishes velocities as Float64MultiArray on `<controller>/commands`, in the order of the controller's parameter
`joints`, and receives positions and velocities by name as JointState.
"""

from __future__ import annotations

import array

import numpy as np
from rcl_interfaces.srv import GetParameters
from rclpy.duration import Duration
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from franka_reacher_rl.core.arm.health import JointMeasurement
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import stamp_ns, steady_from_stamp, steady_seconds
from franka_reacher_rl.ros.node import Node

SETTLE = 0.5  # s, from discovering the controller until it has discovered this node
POLL_PERIOD = 1.0  # s, between attempts to read the controller's joints


class TopicDriver:
    """Drives an arm through `driver.command_topic` and `driver.state_topic` of its robot file."""

    def __init__(self, node: Node, robot: Robot) -> None:
        self._node, self._joints, self._topic = node, robot.joints, robot.driver.command_topic
        self._newest: tuple[JointState, float] | None = None  # with its stamp on the steady clock, s
        self._measurement: JointMeasurement | None = None
        self._discovered: float | None = None  # s, when a subscriber of the commands was discovered
        self._state_fault = ""
        self._order_fault = ""
        self._indices: tuple[list[str], list[int]] = ([], [])
        self._commands = node.create_publisher(Float64MultiArray, self._topic, qos.RELIABLE)
        node.create_subscription(JointState, robot.driver.state_topic, self._on_state, qos.NEWEST)
        # The command topic is the controller's private topic `commands`, so its prefix is the controller's name.
        controller = self._topic.rsplit("/", 1)[0] if "/" in self._topic.strip("/") else ""
        self._request: Future | None = None
        service = f"{controller}/get_parameters"
        self._controller = node.create_client(GetParameters, service) if controller else None
        self._timer = node.steady_timer(POLL_PERIOD, self._poll_order) if self._controller else None

    def state(self) -> JointMeasurement | None:
        """Return the newest measurement; None if there is none, a joint is missing, or nothing receives commands."""
        if not self._connected():
            return None
        if self._newest is not None:
            self._measurement, self._newest = self._convert(*self._newest), None
        return self._measurement

    def _connected(self) -> bool:
        """Return whether both sides have discovered each other; joint states may arrive before that."""
        if self._discovered is None and self._commands.get_subscription_count():
            self._discovered = steady_seconds()
        return self._discovered is not None and steady_seconds() - self._discovered > SETTLE

    def send(self, velocity: Vector) -> None:
        """Publish a velocity, (joints,) in rad/s."""
        self._commands.publish(Float64MultiArray(data=array.array("d", velocity.tobytes())))

    def fault(self) -> str:
        """Return a description of missing joints or of a wrong joint order in the controller, or an empty string."""
        return self._state_fault or self._order_fault

    def interruption(self) -> str:
        """Return an empty string: a topic does not report interruptions."""
        return ""

    def recover(self) -> str:
        """Read the controller's joints again, since it may have been restarted with the right order."""
        if self._order_fault:
            self._order_fault = ""
            self._request = None
            if self._timer is not None:
                self._timer.reset()
        return self._state_fault

    def flush(self, timeout: float) -> None:
        """Wait until the last velocity is acknowledged, at most `timeout` s."""
        self._commands.wait_for_all_acked(Duration(seconds=timeout))

    def close(self) -> None:
        """Do nothing: there is no connection to release."""

    def _on_state(self, message: JointState) -> None:
        stamp = message.header.stamp
        self._newest = message, steady_from_stamp(stamp) * 1e-9 if stamp_ns(stamp) else 0.0

    def _convert(self, message: JointState, stamp: float) -> JointMeasurement | None:
        names = list(message.name)
        if names != self._indices[0]:
            missing = [joint for joint in self._joints if joint not in names]
            if missing:
                self._state_fault = f"joint states lack joint {missing[0]!r}: they contain {', '.join(names) or 'none'}"
                return None
            self._indices = (names, [names.index(joint) for joint in self._joints])
        if len(message.position) != len(names) or len(message.velocity) != len(names):
            self._state_fault = (
                f"joint states have {len(names)} names, {len(message.position)} positions and "
                f"{len(message.velocity)} velocities: the source must publish all three, one per joint"
            )
            return None
        self._state_fault = ""
        order = self._indices[1]
        return JointMeasurement(stamp, np.asarray(message.position)[order], np.asarray(message.velocity)[order])

    def _poll_order(self) -> None:
        """Request the controller's joints once it is available; an arm without the parameter is accepted."""
        if self._controller is None or not self._controller.service_is_ready() or self._request is not None:
            return
        self._request = self._controller.call_async(GetParameters.Request(names=["joints"]))
        self._request.add_done_callback(self._check_order)

    def _check_order(self, answer: Future) -> None:
        if self._timer is not None:
            self._timer.cancel()
        response = answer.result()
        remote = list(response.values[0].string_array_value) if response and response.values else []
        if remote and remote != self._joints:
            self._order_fault = (
                f"the controller of {self._topic} has joints {remote}, but the robot file has {self._joints}: "
                "give both the same joints in the same order"
            )
