"""An arm behind topics: the contract of ros2_control's forward velocity controller, which sim_robot keeps too.

Velocities go out as Float64MultiArray on `<controller>/commands`, in the order of the controller's parameter `joints`;
positions and velocities come in as JointState, by name.
"""

from __future__ import annotations

import array
import time

import numpy as np
from rcl_interfaces.srv import GetParameters
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.drivers.base import JointSample
from franka_reacher_rl.ros import qos

SETTLE = 0.5  # s, from finding the other side until it has found us
ASK_EVERY = 1.0  # s, while the controller has not told its joints


class TopicDriver:
    """Drives an arm over `driver.command_topic` and `driver.state_topic` of its robot file."""

    def __init__(self, node: Node, robot: Robot) -> None:
        self._node, self._joints, self._topic = node, robot.joints, robot.driver.command_topic
        self._newest: JointState | None = None
        self._sample: JointSample | None = None
        self._found: float | None = None  # when somebody who takes commands was found
        self._state_fault = ""
        self._order_fault = ""
        self._indices: tuple[list[str], list[int]] = ([], [])
        self._commands = node.create_publisher(Float64MultiArray, self._topic, qos.RELIABLE)
        node.create_subscription(JointState, robot.driver.state_topic, self._on_state, qos.NEWEST)
        # The controller is the node whose private topic `commands` we publish.
        controller = self._topic.rsplit("/", 1)[0] if "/" in self._topic.strip("/") else ""
        self._asked: Future | None = None
        service = f"{controller}/get_parameters"
        self._controller = node.create_client(GetParameters, service) if controller else None
        self._timer = node.create_timer(ASK_EVERY, self._ask_order) if self._controller else None

    def state(self) -> JointSample | None:
        """The newest measurement; None before the first, while a joint lacks in it, or while nobody takes commands."""
        if not self._connected():
            return None
        if self._newest is not None:
            self._sample, self._newest = self._convert(self._newest), None
        return self._sample

    def _connected(self) -> bool:
        """Discovery may find the states before the commands, and us before it tells the other side."""
        if self._found is None and self._commands.get_subscription_count():
            self._found = time.monotonic()
        return self._found is not None and time.monotonic() - self._found > SETTLE

    def send(self, velocity: Vector) -> None:
        """Publishes a velocity, (joints,) in rad/s."""
        self._commands.publish(Float64MultiArray(data=array.array("d", velocity.tobytes())))

    def fault(self) -> str:
        """Missing joints in the state, or another joint order in the controller."""
        return self._state_fault or self._order_fault

    def interruption(self) -> str:
        """Nothing known."""
        return ""

    def recover(self) -> str:
        """Asks the controller for its joints again; whoever mends its order restarts it."""
        if self._order_fault:
            self._order_fault = ""
            self._asked = None
            if self._timer is not None:
                self._timer.reset()
        return self._state_fault

    def flush(self, timeout: float) -> None:
        """Waits until the last velocity was acknowledged, at most `timeout` s."""
        self._commands.wait_for_all_acked(Duration(seconds=timeout))

    def close(self) -> None:
        """Nothing to let go of."""

    def _on_state(self, message: JointState) -> None:
        self._newest = message

    def _convert(self, message: JointState) -> JointSample | None:
        names = list(message.name)
        if names != self._indices[0]:
            missing = [joint for joint in self._joints if joint not in names]
            if missing:
                self._state_fault = f"joint states lack joint {missing[0]!r}: they have {', '.join(names) or 'none'}"
                return None
            self._indices = (names, [names.index(joint) for joint in self._joints])
        if len(message.position) != len(names) or len(message.velocity) != len(names):
            self._state_fault = (
                f"joint states have {len(names)} names, {len(message.position)} positions and "
                f"{len(message.velocity)} velocities: all three must be there"
            )
            return None
        self._state_fault = ""
        order = self._indices[1]
        stamp = message.header.stamp
        return JointSample(
            stamp.sec + stamp.nanosec * 1e-9, np.asarray(message.position)[order], np.asarray(message.velocity)[order]
        )

    def _ask_order(self) -> None:
        """Asks once the controller is there; arms without one, such as sim_robot, never answer, which is no fault."""
        if self._controller is None or not self._controller.service_is_ready() or self._asked is not None:
            return
        self._asked = self._controller.call_async(GetParameters.Request(names=["joints"]))
        self._asked.add_done_callback(self._check_order)

    def _check_order(self, answer: Future) -> None:
        if self._timer is not None:
            self._timer.cancel()
        response = answer.result()
        theirs = list(response.values[0].string_array_value) if response and response.values else []
        if theirs and theirs != self._joints:
            self._order_fault = (
                f"the controller of {self._topic} takes joints {theirs}, the robot file says {self._joints}: "
                "make them the same, in the same order"
            )
