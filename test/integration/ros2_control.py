"""A stand-in of ros2_control for one arm: a controller manager, forward controllers and joint states.

It has the services, parameters and states of the real ones. A controller receives commands as soon as it is
configured, as forward_command_controller does, and moves the arm only while it is active. The measured positions are
noisy, as those of a real arm are.

Usage: ros2_control.py '{"robot": NAME, "controllers": {NAME: {"type": ..., "parameters": {...}, "state": ...}}}'
"""

from __future__ import annotations

import contextlib
import json
import sys
import time

import numpy as np
import rclpy
from controller_manager_msgs.msg import ControllerState
from controller_manager_msgs.srv import ListControllers, SwitchController
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from franka_reacher_rl.core.arm.robot import Robot

PERIOD = 0.01  # s
NOISE = 1e-4  # rad, standard deviation


class Arm:
    """Joints that follow velocities, or jump to positions, exactly and hold the last command for ever."""

    def __init__(self, robot: Robot) -> None:
        self.joints, self.q, self.v = robot.joints, robot.start_middle(), np.zeros(robot.dof)
        self._moved = time.monotonic()

    def advance(self) -> None:
        now = time.monotonic()
        self.q, self._moved = self.q + self.v * (now - self._moved), now


class Controller(Node):
    """A forward controller of some joints of the arm."""

    def __init__(self, name: str, arm: Arm, kind: str, parameters: dict[str, object], state: str) -> None:
        super().__init__(name)
        self.kind, self.state, self._arm = kind, state, arm
        for each, value in parameters.items():
            self.declare_parameter(each, value)
        self.joints = list(parameters["joints"])
        self.interface = str(parameters.get("interface_name", "velocity"))
        self.create_subscription(Float64MultiArray, "~/commands", self._on_command, QoSProfile(depth=10))

    def _on_command(self, message: Float64MultiArray) -> None:
        if self.state != "active" or len(message.data) != len(self.joints):
            return
        self._arm.advance()
        values = self._arm.v if self.interface == "velocity" else self._arm.q
        values[[self._arm.joints.index(joint) for joint in self.joints]] = message.data


class Manager(Node):
    """Lists and switches the controllers, and publishes the joint states."""

    def __init__(self, arm: Arm, controllers: list[Controller]) -> None:
        super().__init__("controller_manager")
        self._arm, self._controllers, self._random = arm, controllers, np.random.default_rng(0)
        self._states = self.create_publisher(JointState, "joint_states", QoSProfile(depth=10))
        self.create_service(ListControllers, "~/list_controllers", self._on_list)
        self.create_service(SwitchController, "~/switch_controller", self._on_switch)
        self.create_timer(PERIOD, self._on_timer)

    def _on_timer(self) -> None:
        self._arm.advance()
        q = self._arm.q + self._random.normal(scale=NOISE, size=len(self._arm.q))
        message = JointState(name=self._arm.joints, position=q.tolist(), velocity=self._arm.v.tolist())
        message.header.stamp = self.get_clock().now().to_msg()
        self._states.publish(message)

    def _on_list(
        self, request: ListControllers.Request, response: ListControllers.Response
    ) -> ListControllers.Response:
        for each in self._controllers:
            interfaces = [f"{joint}/{each.interface}" for joint in each.joints]
            entry = ControllerState(name=each.get_name(), state=each.state, type=each.kind)
            entry.required_command_interfaces = interfaces
            response.controller.append(entry)
        return response

    def _on_switch(
        self, request: SwitchController.Request, response: SwitchController.Response
    ) -> SwitchController.Response:
        for each in self._controllers:
            if each.get_name() in request.deactivate_controllers:
                each.state = "inactive"
                self._arm.advance()
                self._arm.v = np.zeros(len(self._arm.q))
            if each.get_name() in request.activate_controllers:
                each.state = "active"
        response.ok = True
        return response


def main() -> None:
    """Run the arm that the argument describes."""
    described = json.loads(sys.argv[1])
    rclpy.init()
    arm = Arm(Robot.load(described["robot"]))
    controllers = [
        Controller(name, arm, each["type"], each["parameters"], each["state"])
        for name, each in described["controllers"].items()
    ]
    executor = SingleThreadedExecutor()
    for node in (*controllers, Manager(arm, controllers)):
        executor.add_node(node)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        executor.spin()


if __name__ == "__main__":
    main()
