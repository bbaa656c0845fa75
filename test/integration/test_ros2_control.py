"""The bridge with ros2_control: `ros2_control.py` runs a controller manager and a controller in a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
import rclpy.node
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.msg import RobotState, RobotStatus
from franka_reacher_rl.ros import qos

pytest.importorskip("controller_manager_msgs", reason="this ROS 2 has no controller_manager_msgs")
from controller_manager_msgs.srv import SwitchController

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ROBOT = Robot.load("ros2_control")
NAME = "forward_velocity_controller"
FORWARD, GROUP = (
    "forward_command_controller/ForwardCommandController",
    "velocity_controllers/JointGroupVelocityController",
)
GUARDED = ("-r", "guard_heartbeat:=command_guard/heartbeat")


def controller(kind: str = FORWARD, state: str = "active", **parameters: object) -> dict[str, Any]:
    """Describe a controller for `ros2_control.py`."""
    known = {"joints": ROBOT.joints, "interface_name": "velocity", **parameters}
    return {"type": kind, "state": state, "parameters": {k: v for k, v in known.items() if v is not None}}


class Bench:
    """A process of ros2_control, one of the bridge, and a client of both."""

    def __init__(self) -> None:
        rclpy.init()
        self.node = rclpy.node.Node("client")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.processes: list[subprocess.Popen[str]] = []
        self.states: list[RobotState] = []
        self.statuses: list[RobotStatus] = []
        self.measured: list[JointState] = []
        listen = self.node.create_subscription
        listen(RobotState, "/robot_bridge/robot_state", self.states.append, qos.RELIABLE)
        listen(RobotStatus, "/robot_bridge/status", self.statuses.append, qos.LATCHED)
        listen(JointState, "/joint_states", self.measured.append, qos.RELIABLE)
        self.commands = self.node.create_publisher(JointState, "/velocity_command", qos.RELIABLE)
        self.arm = self.node.create_client(Trigger, "/robot_bridge/arm")
        self.switch = self.node.create_client(SwitchController, "/controller_manager/switch_controller")

    def start_control(self, **described: Any) -> None:
        """Start ros2_control with one controller, described as for `controller`, and the command guard."""
        arguments = {"robot": "ros2_control", "controllers": {NAME: controller(**described)}}
        self._start([sys.executable, str(Path(__file__).with_name("ros2_control.py")), json.dumps(arguments)])
        self._start_node("command_guard")
        self.until(lambda: self.measured)

    def start_bridge(self) -> subprocess.Popen[str]:
        """Start a bridge."""
        return self._start_node("robot_bridge", *GUARDED)

    def _start_node(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        program = f"from franka_reacher_rl.nodes.{name} import main; main()"
        return self._start([sys.executable, "-c", program, "--ros-args", "-p", "robot:=ros2_control", *arguments])

    def _start(self, command: list[str]) -> subprocess.Popen[str]:
        self.processes.append(subprocess.Popen(command, env=os.environ, text=True))
        return self.processes[-1]

    @property
    def status(self) -> RobotStatus:
        return self.statuses[-1] if self.statuses else RobotStatus()

    @property
    def q(self) -> np.ndarray:
        """Measured joint positions."""
        return np.array(self.measured[-1].position)

    def until(self, condition: Callable[[], Any], seconds: float = 20.0) -> None:
        """Spin until a condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not in time; status: {self.status}"
            self.executor.spin_once(timeout_sec=0.02)

    def call(self, client: Any, request: Any) -> Any:
        self.until(client.service_is_ready)
        future = client.call_async(request)
        self.until(future.done)
        return future.result()

    def armed(self) -> bool:
        """Call ~/arm, and return whether the bridge is armed."""
        return bool(self.call(self.arm, Trigger.Request()).success)

    def command_until(self, condition: Callable[[], Any], velocity: np.ndarray, seconds: float = 20.0) -> None:
        """Publish a velocity at 50 Hz until a condition holds."""

        def publish() -> None:
            message = JointState(name=ROBOT.joints, velocity=velocity.tolist())
            message.header.stamp = self.node.get_clock().now().to_msg()
            self.commands.publish(message)

        timer = self.node.create_timer(0.02, publish)
        self.until(condition, seconds)
        self.node.destroy_timer(timer)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


SPEEDS = np.array([0.05, 0.04, 0.03, 0.02, -0.02, -0.03, -0.04])


def moves_as_commanded(bench: Bench) -> None:
    """Arm the bridge, and check that each joint moves with its own velocity."""
    bench.until(bench.armed)
    bench.command_until(lambda: np.allclose(bench.measured[-1].velocity, SPEEDS, atol=1e-3), SPEEDS)
    assert bench.status.fault == ""


@pytest.mark.parametrize(
    "described",
    [
        {},
        {"joints": [*ROBOT.joints[3:], *ROBOT.joints[:3]]},
        {"kind": GROUP},
        {"kind": GROUP, "interface_name": None},
    ],
    ids=["forward", "permuted", "group", "group without interface_name"],
)
def test_a_velocity_controller_moves_the_joints_by_name(bench: Bench, described: dict[str, Any]) -> None:
    bench.start_control(**described)
    bench.start_bridge()
    moves_as_commanded(bench)


def test_a_position_controller_is_never_sent_a_command(bench: Bench) -> None:
    bench.start_control(interface_name="position")
    bridge = bench.start_bridge()
    bench.until(lambda: "commands the interface 'position', not 'velocity'" in bench.status.fault)
    assert not bench.armed()
    before = len(bench.measured)
    bench.command_until(lambda: len(bench.measured) > before + 100, SPEEDS)
    bridge.terminate()
    bench.until(lambda: bridge.poll() is not None)
    assert np.abs(bench.q - ROBOT.start_middle()).max() < 0.01, "the arm has not moved"


def test_an_inactive_controller_is_a_fault_with_the_line_that_activates_it(bench: Bench) -> None:
    bench.start_control(state="inactive")
    bench.start_bridge()
    line = f"ros2 control switch_controllers --activate {NAME}"
    bench.until(lambda: bench.status.mode == "fault" and line in bench.status.fault)
    assert not bench.armed()
    bench.call(bench.switch, SwitchController.Request(activate_controllers=[NAME]))
    moves_as_commanded(bench)
    bench.call(bench.switch, SwitchController.Request(deactivate_controllers=[NAME]))
    bench.command_until(lambda: bench.status.mode == "fault" and line in bench.status.fault, SPEEDS)


def test_two_bridges_are_a_fault(bench: Bench) -> None:
    """The second one sends nothing, and the first one brings the arm to rest."""
    bench.start_control()
    bench.start_bridge()
    moves_as_commanded(bench)
    second = bench.start_bridge()
    bench.command_until(lambda: "has other publishers than this bridge" in bench.status.fault, SPEEDS)
    bench.until(lambda: not np.any(bench.measured[-1].velocity))
    second.terminate()
    bench.until(lambda: second.poll() is not None)
    moves_as_commanded(bench)
