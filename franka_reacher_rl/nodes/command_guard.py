"""The command guard: a small process that stops a topic-driven arm when its bridge dies or hangs.

It imports no library beyond NumPy and rclpy, so that it starts before the bridge and needs little memory.
"""

from __future__ import annotations

import array
import math
import signal

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Empty, Float64MultiArray, MultiArrayDimension, MultiArrayLayout

from franka_reacher_rl.core.arm.guard import HEARTBEAT, HEARTBEAT_PERIOD, NAME, Guard
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Vector
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import steady_seconds
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare_param

LONGEST_LABEL = 10_000  # characters; the label names the joints


class CommandGuard(Node):
    """Subscribes to the commands of the bridge, and publishes to the same topic once they cease.

    It publishes `command_guard/heartbeat` so that the bridge notices when the guard is gone.
    """

    task = "guard"
    drain_seconds = 2.0  # s; the bridge, which ends at the same time, may hang while it brakes

    def __init__(self) -> None:
        super().__init__(NAME)
        robot = Robot.load(
            declare_param(self, "robot", "panda_sim", "robot file: a name in config/robots, or the path of a YAML file")
        )
        if robot.driver.name != "topic":
            raise ValueError(f"robot {robot.name!r} needs no guard: driver {robot.driver.name} has a deadline itself")
        self.hardware_id = robot.name
        self._guard = Guard(robot)
        size = MultiArrayDimension(label=NAME, size=robot.dof, stride=robot.dof)
        # The label tells these messages from the bridge's; controllers ignore the layout.
        self._message = Float64MultiArray(layout=MultiArrayLayout(dim=[size]))
        self._commands = self.create_publisher(Float64MultiArray, robot.driver.command_topic, qos.RELIABLE)
        self._heartbeats = self.create_publisher(Empty, HEARTBEAT, qos.RELIABLE)
        self.create_subscription(Float64MultiArray, robot.driver.command_topic, self._on_command, qos.RELIABLE)
        self._alarm = self.alarm(self._on_alarm)
        self.steady_timer(HEARTBEAT_PERIOD, self._publish_heartbeat)

    def _on_command(self, message: Float64MultiArray) -> None:
        label = message.layout.dim[0].label if message.layout.dim else ""
        if label == NAME:
            return
        was_braking = self._guard.braking
        joints = label.split() if len(label) <= LONGEST_LABEL else []
        answer = self._guard.on_command(steady_seconds(), np.asarray(message.data, float), joints)
        if answer is not None:
            self._send(answer)
            self.get_logger().warning(
                "a command of the bridge came too late and is revoked; if this repeats, run `doctor` (scheduling)",
                throttle_duration_sec=5.0,
            )
        if was_braking and not self._guard.braking:
            self.get_logger().info("the bridge commands again", throttle_duration_sec=5.0)
        self._set_alarm()

    def _on_alarm(self) -> None:
        was_braking = self._guard.braking
        velocity = self._guard.on_alarm(steady_seconds())
        if velocity is not None:
            self._send(velocity)
        if self._guard.braking and not was_braking:
            self.get_logger().warning(
                "the bridge is silent while the arm moves: stopping the arm; see the log of robot_bridge for the cause",
                throttle_duration_sec=5.0,
            )
        self._set_alarm()

    def _send(self, velocity: Vector) -> None:
        self._message.data = array.array("d", velocity.tobytes())
        self._commands.publish(self._message)

    def _set_alarm(self) -> None:
        alarm = self._guard.alarm
        self._alarm.due = round(1e9 * alarm) if math.isfinite(alarm) else None

    def _publish_heartbeat(self) -> None:
        # Without a connection to the controller, the guard cannot stop the arm.
        if self._commands.get_subscription_count() > 1:
            self._heartbeats.publish(Empty())

    def drained(self) -> bool:
        """Whether the arm is at rest, so that the guard may end."""
        return self._guard.idle

    def diagnose(self) -> Diagnosis:
        if self._guard.braking:
            return DiagnosticStatus.ERROR, "the bridge is silent: the guard has stopped the arm", {}
        return DiagnosticStatus.OK, "guarding", {"commanded_zero": self._guard.idle}


def main() -> None:
    """Run the command guard, which neither Ctrl-Z nor a closed terminal may end before the bridge."""
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    run_node(CommandGuard)
