"""A simulated arm in real time, with the topics of a ros2_control forward velocity controller."""

from __future__ import annotations

import math

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from rcl_interfaces.msg import ParameterDescriptor
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import steady_seconds
from franka_reacher_rl.ros.node import Diagnosis, Node, run_node
from franka_reacher_rl.ros.parameters import declare_frame_prefix, declare_param
from franka_reacher_rl.ros.standard_messages import floats_msg
from franka_reacher_rl.sim.world import World
from franka_reacher_rl.srv import PlaceTarget

_LONGEST_STEP = 0.1  # s; after a longer pause of the process the simulation does not catch up
_FELL_BEHIND = 0.1  # s lost per second from which diagnostics warn


class SimRobot(Node):
    """Publishes `~/joint_states` and `~/target`, and executes the velocities received on `~/commands`."""

    task = "physics"

    def __init__(self) -> None:
        super().__init__("sim_robot")
        self._robot = Robot.load(
            declare_param(self, "robot", "panda_sim", "robot file: a name in config/robots, or the path of a YAML file")
        )
        self.hardware_id = self._robot.name
        self._frame_prefix = declare_frame_prefix(self)
        rate = float(declare_param(self, "rate", 120.0, "publishing rate of the joint states [Hz]"))
        if not 10.0 <= rate <= 500.0:
            raise ValueError(f"parameter rate = {rate} is not allowed: 10 to 500 Hz")
        timeout = float(
            declare_param(
                self,
                "command_timeout",
                0.5,
                "time without a command after which the arm stops [s]; 0: never, like a forward velocity controller",
            )
        )
        # As a controller of ros2_control has them, so that the bridge can ask what the commands mean.
        for name, value in (("joints", self._robot.joints), ("interface_name", "velocity")):
            description = ParameterDescriptor(description="what the commands set", read_only=True)
            self.declare_parameter(name, value, description, ignore_override=True)
        if not 0.0 <= timeout < math.inf:
            raise ValueError(f"parameter command_timeout = {timeout} is not allowed: give 0 s or more")
        self._timeout = timeout or math.inf
        self._world = World(self._robot)
        self._commanded = 0.0
        self._stepped = steady_seconds()
        self._lost = 0.0  # s that the simulation has not caught up since the last diagnosis
        self._states = self.create_publisher(JointState, "~/joint_states", qos.RELIABLE)
        self._targets = self.create_publisher(PoseStamped, "~/target", qos.LATCHED)
        self.create_subscription(Float64MultiArray, "~/commands", self._on_command, qos.RELIABLE)
        self.create_service(PlaceTarget, "~/place_target", self._on_place_target)
        self.steady_timer(1.0 / rate, self._on_timer)
        self._publish_target()

    def _advance(self) -> None:
        now = steady_seconds()
        elapsed = now - self._stepped
        self._world.step(min(elapsed, _LONGEST_STEP))
        self._lost += max(0.0, elapsed - _LONGEST_STEP)
        self._stepped = now

    def _on_timer(self) -> None:
        self._advance()
        if self._stepped - self._commanded > self._timeout:
            self._world.set_command(np.zeros(self._robot.dof))
        state = JointState(name=self._robot.joints)
        state.header.stamp = self.get_clock().now().to_msg()
        state.position = floats_msg(self._world.q, "d")
        state.velocity = floats_msg(self._world.dq, "d")
        self._states.publish(state)

    def _on_command(self, message: Float64MultiArray) -> None:
        self._advance()
        self._world.set_command(np.asarray(message.data))
        self._commanded = self._stepped

    def _on_place_target(self, request: PlaceTarget.Request, response: PlaceTarget.Response) -> PlaceTarget.Response:
        try:
            self._world.place_target(np.array([request.position.x, request.position.y]))
            response.success = True
        except ValueError as error:
            response.message = str(error)
        self._publish_target()
        return response

    def _publish_target(self) -> None:
        pose = PoseStamped()
        pose.header.stamp = self.get_clock().now().to_msg()
        pose.header.frame_id = self._frame_prefix + self._robot.model.base_frame
        p = pose.pose.position
        p.x, p.y, p.z = (float(v) for v in self._world.target)
        self._targets.publish(pose)

    def diagnose(self) -> Diagnosis:
        lost, self._lost = self._lost, 0.0
        commanded = steady_seconds() - self._commanded < self._timeout
        values = {"commanded": commanded, "lost_seconds": round(lost, 3)}
        if lost > _FELL_BEHIND:
            return DiagnosticStatus.WARN, f"the simulation fell {lost:.1f} s behind: is the computer too busy?", values
        return DiagnosticStatus.OK, "following commands" if commanded else "at rest, without commands", values


def main() -> None:
    """Run the simulated robot."""
    run_node(SimRobot)
