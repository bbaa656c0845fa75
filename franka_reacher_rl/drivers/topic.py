"""Driver of an arm behind topics, such as ros2_control's forward velocity controller or sim_robot.

It publishes velocities as Float64MultiArray on `<controller>/commands`, in the order of the controller's parameter
`joints`, and receives positions and velocities by name as JointState.
"""

from __future__ import annotations

import array
import math

import numpy as np
from rclpy.duration import Duration
from rclpy.serialization import serialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, MultiArrayDimension

from franka_reacher_rl.core.arm.health import JointMeasurement
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.core.base.suggestions import shortened
from franka_reacher_rl.drivers.controller import LONGEST_FAULT, Controller
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import stamp_ns, steady_from_stamp, steady_seconds
from franka_reacher_rl.ros.node import Node
from franka_reacher_rl.ros.standard_messages import MOST_JOINTS

SETTLE = 0.5  # s, from discovering the controller until it has discovered this node


class TopicDriver:
    """Drives an arm through `driver.command_topic` and `driver.state_topic` of its robot file.

    Raises:
        ValueError: The name of the command topic does not contain that of a controller.
    """

    def __init__(self, node: Node, robot: Robot) -> None:
        self._joints = robot.joints
        self._measurement: JointMeasurement | None = None
        self._discovered: float | None = None  # s, when a subscriber of the commands was discovered
        self._state_fault = ""
        self._indices: tuple[list[str], list[int]] = ([], [])
        self._message, self._order = Float64MultiArray(), list[int]()  # whose layout names the joints in this order
        self._commands = node.create_publisher(Float64MultiArray, robot.driver.command_topic, qos.RELIABLE)
        self._controller = Controller(node, robot, self._commands.topic_name)
        self._read = node.poll_subscription(JointState, robot.driver.state_topic, self._on_state, qos.NEWEST)

    def state(self) -> JointMeasurement | None:
        """Return the newest measurement; None if there is none, a joint is missing, or no command may be sent."""
        if not self._connected() or self._controller.order is None:
            return None
        self._read()
        return self._measurement

    def _connected(self) -> bool:
        """Return whether both sides have discovered each other; joint states may arrive before that."""
        if not self._commands.get_subscription_count():
            self._discovered = None
            self._controller.lose()
        elif self._discovered is None:
            self._discovered = steady_seconds()
        return self._discovered is not None and steady_seconds() - self._discovered > SETTLE

    def send(self, velocity: Vector, expires: float = math.inf) -> bool:
        """Publish a velocity, (joints,) in rad/s, if the controller is known to take it as one; see `Driver.send`."""
        order = self._controller.order
        if order is None:
            return True
        if order != self._order:
            self._order = order
            # The label tells the command guard the controller's order; controllers ignore the layout.
            joints = " ".join(self._joints[i] for i in order)
            self._message.layout.dim = [MultiArrayDimension(label=joints, size=len(order), stride=len(order))]
        self._message.data = array.array("d", velocity[order].tobytes())
        serialised = serialize_message(self._message)
        if steady_seconds() > expires:  # as late as possible: right before it leaves
            return False
        self._commands.publish(serialised)
        return True

    def fault(self) -> str:
        """Return what is wrong with the joint states or with the controller, or an empty string."""
        return self._controller.fault or self._state_fault

    def interruption(self) -> str:
        """Return an empty string: a topic does not report interruptions."""
        return ""

    def waiting_for(self) -> str:
        """Return what must be known about the controller before the first command, or an empty string."""
        return self._controller.waiting_for

    def recover(self) -> str:
        """Return the present fault; the controller is asked again all the time."""
        return self.fault()

    def flush(self, timeout: float) -> None:
        """Wait until the last velocity is acknowledged, at most `timeout` s."""
        self._commands.wait_for_all_acked(Duration(seconds=timeout))

    def close(self) -> None:
        """Do nothing: there is no connection to release."""

    def _on_state(self, message: JointState) -> None:
        self._measurement = None
        self._state_fault = shortened(self._mismatch(message), LONGEST_FAULT)
        if self._state_fault:
            return
        stamp = message.header.stamp
        measured = steady_from_stamp(stamp) * 1e-9 if stamp_ns(stamp) else 0.0
        order = self._indices[1]
        q, dq = np.asarray(message.position)[order], np.asarray(message.velocity)[order]
        self._measurement = JointMeasurement(measured, q, dq)

    def _mismatch(self, message: JointState) -> str:
        """Return why a joint state cannot be used, or an empty string; remember where its joints are."""
        number = len(message.name)
        if number > MOST_JOINTS:
            return f"joint states have {number} joints, at most {MOST_JOINTS} are allowed: check driver.state_topic"
        if len(message.position) != number or len(message.velocity) != number:
            return (
                f"joint states have {number} names, {len(message.position)} positions and {len(message.velocity)} "
                "velocities: the source must publish all three, one per joint"
            )
        names = list(message.name)
        if names != self._indices[0]:
            places = {name: place for place, name in enumerate(names)}
            missing = [joint for joint in self._joints if joint not in places]
            if missing:
                return f"joint states lack joint {missing[0]!r}: they contain {', '.join(names) or 'none'}"
            self._indices = (names, [places[joint] for joint in self._joints])
        return ""
