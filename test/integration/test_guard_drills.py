"""Drills of the command guard: real processes, and a simulated arm that holds its last command for ever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from franka_reacher_rl.action import MoveTo
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.fields import to_mapping
from franka_reacher_rl.msg import RobotStatus
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.node import REALTIME_PRIORITY

pytestmark = pytest.mark.integration

ROBOT = Robot.load("panda_sim")
TURN = 1.2  # rad from the start poses: long enough for the arm to reach `reset.velocity`
FAST = 0.95 * ROBOT.reset.velocity
MOVING = 0.01  # rad/s
PRIORITY = "30"
PAUSE = 0.06  # s
SCHEDULING = 0.15  # s, of a busy computer: from a signal to the guard's first command, and to the measurement


class Drill:
    """The arm, its guard and its bridge as processes, and what this process hears of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.processes = folder, dict[str, subprocess.Popen[bytes]]()
        self.node = Node("drill")
        self.joint_states: list[tuple[float, float]] = []  # stamp in s, and greatest joint speed
        self._signalled = False
        self._began, self._ages = time.time(), list[float]()
        self.status = RobotStatus()
        self.warnings = set[str]()
        self.node.create_subscription(JointState, "sim_robot/joint_states", self._on_state, qos.NEWEST)
        self.node.create_subscription(RobotStatus, "robot_bridge/status", self._on_status, qos.LATCHED)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 100)
        self.move_to = ActionClient(self.node, MoveTo, "robot_bridge/move_to")
        self.arm_service = self.node.create_client(Trigger, "robot_bridge/arm")
        self.velocity = self.node.create_publisher(JointState, "velocity_command", qos.RELIABLE)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def _on_state(self, state: JointState) -> None:
        stamp = state.header.stamp.sec + 1e-9 * state.header.stamp.nanosec
        self._ages.append(time.time() - stamp)
        self.joint_states.append((stamp, float(np.abs(state.velocity).max())))

    def _on_status(self, status: RobotStatus) -> None:
        self.status = status

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        self.warnings |= {s.message for s in array.status if s.level != b"\0"}

    def start(self, name: str, **parameters: object) -> None:
        words = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
        arguments = ["--ros-args", *words]
        code = f"from franka_reacher_rl.nodes.{name} import main; main()"
        with (self.folder / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-c", code, *arguments]
            # As in the launch files; the controller of a real arm has real-time priority too.
            environment = os.environ | {REALTIME_PRIORITY: PRIORITY}
            self.processes[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def start_arm(self, *, guard: bool = True, bridge_robot: str = "panda_sim") -> None:
        self.start("sim_robot", command_timeout=0.0)
        if guard:
            self.start("command_guard")
        self.start("robot_bridge", robot=bridge_robot)
        self.until(lambda: self.status.mode in ("ready", "stopped"), 40.0)
        self.until(lambda: self.move_to.server_is_ready() and len(self.joint_states) > 10)

    def arm(self) -> None:
        """Arm the bridge, as a person would."""
        answer = self.arm_service.call_async(Trigger.Request())
        self.until(answer.done)
        assert answer.result().success, answer.result().message

    def signal(self, name: str, number: int) -> float:
        """Send a signal to a process; return when, s since the epoch."""
        self._signalled = True
        os.kill(self.processes[name].pid, number)
        return time.time()

    def state_of(self, name: str) -> str:
        """The letter of the process's state in /proc, T if it is stopped."""
        return Path(f"/proc/{self.processes[name].pid}/stat").read_text().rsplit(")", 1)[1].split()[0]

    def overloads(self) -> list[str]:
        """Pauses of a process that no signal has stopped, which only a computer that is too busy causes."""
        gaps = np.diff([self._began, *(stamp for stamp, _ in list(self.joint_states))])[1:]
        late = [age for age in self._ages if age > PAUSE]
        log = self.folder / "command_guard.log"
        if not self._signalled and log.is_file() and "the bridge is silent" in log.read_text():
            late.append(ROBOT.driver.deadline)
        return [f"joint states {gap:.2f} s apart" for gap in gaps if gap > PAUSE] + [f"{a:.2f} s late" for a in late]

    def turn(self) -> None:
        """Move all joints until the arm is as fast as a move may be."""
        goal = ROBOT.start_middle() + TURN * np.array([1.0, 0, 0, 0, 0, 0, 1.0])
        self.move_to.send_goal_async(MoveTo.Goal(joint_names=ROBOT.joints, position=goal.tolist()))
        self.until(lambda: self.speed > FAST)

    @property
    def speed(self) -> float:
        return self.joint_states[-1][1]

    def rest_after(self, began: float) -> float:
        """Wait until the arm rests, and return how long after a time it has moved, s."""
        self.until(lambda: self.joint_states[-1][0] > began and self.speed < MOVING)
        settled = time.time()
        self.until(lambda: self.joint_states[-1][0] > settled + 0.3)
        return max(t for t, speed in self.joint_states if speed > MOVING) - began

    def command_during(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Publish velocity commands until a condition holds."""

        def there() -> bool:
            message = JointState(name=ROBOT.joints, velocity=[0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.2])
            message.header.stamp = self.node.get_clock().now().to_msg()
            self.velocity.publish(message)
            return condition()

        self.until(there, seconds)

    def until(self, condition: Callable[[], bool], seconds: float = 15.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not in time; {self.status}\n{self.logs()}"
            time.sleep(0.02)

    def logs(self) -> str:
        return "".join(p.read_text() for p in self.folder.glob("*.log"))

    def close(self) -> None:
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        self._executor.shutdown()
        self._thread.join(5.0)
        self.move_to.destroy()  # it would keep the node, and DDS trying to reach processes that are dead
        self.node.destroy_node()


@pytest.fixture
def drill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drill]:
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "ros_home"))
    rclpy.init()
    drill = Drill(tmp_path)
    yield drill
    drill.close()
    rclpy.try_shutdown()


def allowed() -> float:
    """Time in which the arm must rest: the deadline, the braking and one cycle of each process."""
    braking = float(np.max(ROBOT.reset.velocity / np.asarray(ROBOT.limits.acceleration)[[0, 6]]))
    return ROBOT.driver.deadline + braking + 2.0 / ROBOT.driver.control_rate + SCHEDULING


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_an_arm_whose_bridge_dies_or_hangs_comes_to_rest(drill: Drill, number: int) -> None:
    drill.start_arm()
    drill.turn()
    stopped = drill.signal("robot_bridge", number)
    assert drill.rest_after(stopped) < allowed()
    drill.until(lambda: any("the bridge is silent" in text for text in drill.warnings))
    if number == signal.SIGSTOP:
        # After a shorter pause the bridge would go on with the move.
        drill.until(lambda: drill.joint_states[-1][0] > stopped + 2.0 * ROBOT.bridge.state_timeout)
        before = len(drill.joint_states)
        resumed = drill.signal("robot_bridge", signal.SIGCONT)
        drill.until(lambda: drill.status.mode in ("ready", "fault") and drill.joint_states[-1][0] > resumed + 0.5)
        moved = [(round(t - resumed, 3), round(speed, 2)) for t, speed in drill.joint_states[before:] if speed > MOVING]
        assert not moved, f"the bridge must start from rest\n{drill.logs()}"
        drill.arm()  # it may have read joint states from its pause, which is a fault
        drill.turn()


def test_a_killed_bridge_can_be_replaced(drill: Drill) -> None:
    """The new bridge waits until DDS forgets the dead one, which looks like a second bridge, and takes the arm over."""
    drill.start_arm()
    drill.turn()
    drill.rest_after(drill.signal("robot_bridge", signal.SIGKILL))
    drill.processes.pop("robot_bridge").wait()
    drill.status = RobotStatus()
    drill.start("robot_bridge", robot="panda_sim")
    drill.until(lambda: drill.status.mode == "ready", 60.0)
    drill.turn()


def test_without_a_guard_the_arm_would_move_on(drill: Drill) -> None:
    drill.start_arm(guard=False)
    drill.turn()
    killed = drill.signal("robot_bridge", signal.SIGKILL)
    drill.until(lambda: drill.joint_states[-1][0] > killed + 2.0 * allowed())
    assert drill.speed > 0.5 * FAST


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_bridge_whose_guard_dies_or_hangs_says_so(drill: Drill, number: int) -> None:
    drill.start_arm()
    drill.command_during(lambda: drill.status.mode == "running" and drill.speed > 0.15)
    drill.signal("command_guard", number)
    drill.command_during(lambda: any("command guard does not respond" in text for text in drill.warnings))
    assert drill.status.mode == "running", "a simulated arm needs no guard"


def test_a_real_arm_whose_guard_dies_stops(drill: Drill, tmp_path: Path) -> None:
    mapping = to_mapping(ROBOT)
    mapping["model"]["mjcf"] = ""
    (tmp_path / "real.yaml").write_text(yaml.safe_dump(mapping))
    drill.start_arm(bridge_robot=str(tmp_path / "real.yaml"))
    assert drill.status.mode == "stopped"
    drill.arm()
    drill.turn()
    drill.signal("command_guard", signal.SIGKILL)
    drill.until(lambda: drill.status.mode == "fault")
    assert "command guard does not respond" in drill.status.fault
    drill.rest_after(time.time())


def test_ctrl_z_stops_the_arm_before_the_bridge_which_then_waits_to_be_armed(drill: Drill) -> None:
    drill.start_arm()
    drill.turn()
    stopped = drill.signal("robot_bridge", signal.SIGTSTP)
    drill.until(lambda: drill.state_of("robot_bridge") == "T")
    assert drill.rest_after(stopped) < allowed()
    assert not any("the bridge is silent" in text for text in drill.warnings), "the bridge itself has stopped the arm"
    resumed = drill.signal("robot_bridge", signal.SIGCONT)
    before = len(drill.joint_states)
    drill.command_during(lambda: drill.status.mode == "stopped" and drill.joint_states[-1][0] > resumed + 0.5)
    assert max(speed for _, speed in drill.joint_states[before:]) < MOVING


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_a_closed_terminal_stops_the_arm_and_ends_all_processes(drill: Drill, number: int) -> None:
    drill.start_arm()
    drill.turn()
    closed = [drill.signal(name, number) for name in ("command_guard", "robot_bridge")]
    assert drill.rest_after(closed[0]) < allowed()
    for name in ("command_guard", "robot_bridge"):
        assert drill.processes[name].wait(10.0) == 0
