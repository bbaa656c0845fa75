"""Publishes the arm's description and transforms where the package robot_state_publisher is not installed."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import steady_seconds
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare_frame_prefix, declare_param
from franka_reacher_rl.ros.robot_description import RobotDescription
from franka_reacher_rl.ros.standard_messages import joint_positions_from_msg, message_from_bytes


class RobotStatePublisher(Node):
    """Publishes `robot_description`, `/tf` and `/tf_static` from `joint_states`, as robot_state_publisher does.

    It receives joint states only while `/tf` has subscribers.
    """

    task = "transforms"

    def __init__(self) -> None:
        super().__init__("robot_state_publisher")
        robot = Robot.load(declare_param(self, "robot", "panda_sim", "robot file: a name or a path"))
        self.hardware_id = robot.name
        prefix = declare_frame_prefix(self)
        rate = float(declare_param(self, "publish_frequency", 25.0, "highest rate of the transforms [Hz]"))
        if not 0.0 < rate <= 1000.0:
            raise ValueError(f"parameter publish_frequency = {rate} is not allowed: above 0, up to 1000 Hz")
        self._joints = robot.joints
        self._description = RobotDescription(robot, prefix)
        self._period, self._due = 1.0 / rate, 0.0  # s
        self._texts = self.create_publisher(String, "robot_description", qos.LATCHED)
        self._static = self.create_publisher(TFMessage, "/tf_static", qos.LATCHED)
        self._moving = self.create_publisher(TFMessage, "/tf", QoSProfile(depth=100))
        self._texts.publish(String(data=self._description.urdf))
        self._static.publish(TFMessage(transforms=self._description.fixed(self.get_clock().now().to_msg())))
        self.subscribe_while_watched(self._moving, (JointState, "joint_states", self._take, qos.NEWEST), raw=True)

    def _take(self, serialised: bytes) -> None:
        now = steady_seconds()
        if now < self._due:
            return
        # Without drift, so that the mean rate is the one asked for, whatever that of the joint states.
        self._due = max(self._due + self._period, now)
        state = message_from_bytes(serialised, JointState)
        q = joint_positions_from_msg(state, self._joints)
        self._moving.publish(TFMessage(transforms=self._description.moving(q, state.header.stamp)))

    def diagnose(self) -> Diagnosis:
        watched = self._moving.get_subscription_count()
        return DiagnosticStatus.OK, "publishing" if watched else "nobody listens to /tf", {"subscribers": watched}


def main() -> None:
    """Run the publisher of the arm's transforms."""
    run_node(RobotStatePublisher)
