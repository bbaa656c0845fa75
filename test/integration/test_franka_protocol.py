"""Tests of libfranka with franka-sim, which enforces motion limits and communication constraints; robot file `fr3`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
import rclpy.node
import yaml
from protocol_server import Server
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from franka_reacher_rl.action import MoveTo
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.paths import config_dir
from franka_reacher_rl.doctor import hardware
from franka_reacher_rl.doctor.finding import Level
from franka_reacher_rl.drivers.franka import FrankaDriver
from franka_reacher_rl.msg import RobotState, RobotStatus
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.node import EXIT_CANNOT_START, REALTIME_PRIORITY

pytest.importorskip("franky", reason="franky-control, the client of libfranka, is not installed")
pytestmark = pytest.mark.integration

ADDRESS = "127.0.0.1"
FR3 = Robot.load("fr3")
PAUSE = 0.15  # s
STILL = 2e-3  # rad over 0.1 s; the server's position control chatters at 500 Hz


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "franka_sim.log")
    yield server
    server.stop()


class Bench:
    """The bridge in a process of its own, and a client that commands it."""

    def __init__(self) -> None:
        rclpy.init()
        self.node = rclpy.node.Node("bench")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.states: list[RobotState] = []
        self.statuses: list[RobotStatus] = []
        self.node.create_subscription(RobotState, "/robot_bridge/robot_state", self.states.append, qos.RELIABLE)
        self.node.create_subscription(RobotStatus, "/robot_bridge/status", self.statuses.append, qos.LATCHED)
        self.commands = self.node.create_publisher(JointState, "velocity_command", qos.RELIABLE)
        self.arm = self.node.create_client(Trigger, "/robot_bridge/arm")
        self.stop = self.node.create_client(Trigger, "/robot_bridge/stop")
        self.move_to = ActionClient(self.node, MoveTo, "/robot_bridge/move_to")
        self.random = np.random.default_rng(0)
        program = "from franka_reacher_rl.nodes.robot_bridge import main; main()"
        parameters = ("--ros-args", "-p", "robot:=fr3", "-p", f"address:={ADDRESS}")
        # As in the launch files.
        environment = os.environ | {REALTIME_PRIORITY: "30"}
        self.bridge = subprocess.Popen([sys.executable, "-c", program, *parameters], env=environment)
        self.until(lambda: self.mode, 30.0)
        self.arm_bridge()

    def overloads(self) -> list[str]:
        """Pauses of the bridge, which only a computer that is too busy causes unless a test does."""
        stamps = [state.header.stamp.sec + 1e-9 * state.header.stamp.nanosec for state in self.states]
        return [f"robot states {gap:.2f} s apart" for gap in np.diff(stamps) if gap > PAUSE]

    @property
    def mode(self) -> str:
        return self.statuses[-1].mode if self.statuses else ""

    def until(self, condition: Callable[[], Any], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not in time; status: {self.statuses[-1:]}"
            self.executor.spin_once(timeout_sec=0.02)

    def random_commands(self, seconds: float) -> None:
        """Publish random velocities every 40 ms, as an untrained policy does."""
        timer = self.node.create_timer(0.04, self._command)
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, seconds + 1.0)
        self.node.destroy_timer(timer)

    def _command(self) -> None:
        message = JointState(name=FR3.joints, velocity=self.random.uniform(-0.2, 0.2, 7).tolist())
        message.header.stamp = self.node.get_clock().now().to_msg()
        self.commands.publish(message)

    def call(self, client: Any, request: Any = None) -> Any:
        assert client.wait_for_service(10.0)
        future = client.call_async(request or Trigger.Request())
        self.until(future.done, 20.0)
        return future.result()

    def arm_bridge(self) -> None:
        """Call ~/arm until the bridge is armed, as a person does after each start of a real arm."""
        self.until(lambda: self.call(self.arm).success, 20.0)
        self.until(lambda: self.mode == "ready", 5.0)

    def move(self, q: np.ndarray) -> MoveTo.Result:
        self.until(self.move_to.server_is_ready, 10.0)
        sent = self.move_to.send_goal_async(MoveTo.Goal(joint_names=FR3.joints, position=q.tolist()))
        self.until(sent.done, 10.0)
        ended = sent.result().get_result_async()
        self.until(ended.done, 20.0)
        return ended.result().result

    def rests(self) -> bool:
        """Return whether the arm has not moved during the last 0.1 s."""
        recent = np.array([s.q for s in self.states[-10:]])
        return len(recent) == 10 and float(np.ptp(recent, axis=0).max()) < STILL

    def close(self) -> None:
        self.bridge.kill()
        self.bridge.wait()
        self.executor.shutdown()
        self.move_to.destroy()  # it would keep the node, and DDS trying to reach processes that are dead
        self.node.destroy_node()
        rclpy.shutdown()


@pytest.fixture
def bench(server: Server) -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def arm_at_rest(seconds: float) -> None:
    """Connect as another client and check that the arm is at rest within a time."""
    import franky

    deadline = time.monotonic() + seconds
    robot = franky.Robot(ADDRESS, realtime_config=franky.RealtimeConfig.Ignore)
    while True:
        before = np.array(robot.state.q)
        time.sleep(0.1)
        if np.abs(np.array(robot.state.q) - before).max() < STILL:
            return
        assert time.monotonic() < deadline, "the arm still moves"


def at_rest(driver: FrankaDriver, seconds: float) -> np.ndarray:
    """Wait until the arm is at rest and return its joint positions."""
    deadline = time.monotonic() + seconds
    while True:
        before = driver.state().q
        time.sleep(0.1)
        if np.abs(driver.state().q - before).max() < STILL:
            return before
        assert time.monotonic() < deadline, "the arm still moves"


def test_random_commands_and_resets_violate_no_rule(server: Server, bench: Bench) -> None:
    for _ in range(3):
        answer = bench.move(FR3.draw_start(bench.random))
        assert answer.success, answer.message
        bench.random_commands(6.0)
    status = bench.statuses[-1]
    assert status.mode == "running" and status.commands_accepted > 400 and status.fault == ""
    low, high = np.array(FR3.task.workspace_lower), np.array(FR3.task.workspace_upper)
    places = [s.o_t_ee.position for s in bench.states if s.mode == "running"]
    places = np.array([[p.x, p.y, p.z] for p in places])
    assert (places >= low - 1e-3).all() and (places <= high + 1e-3).all()
    bench.bridge.send_signal(signal.SIGTERM)
    bench.until(lambda: bench.bridge.poll() is not None, 5.0)
    assert bench.bridge.returncode == 0
    assert server.violations() == []


def test_when_commands_cease_the_arm_rests_within_the_command_timeout_and_the_ramp(bench: Bench) -> None:
    assert bench.move(FR3.start_middle()).success
    bench.random_commands(2.0)
    bench.until(lambda: bench.mode == "holding", FR3.bridge.command_timeout + 0.2)
    bench.until(bench.rests, 0.5)


def test_a_killed_bridge_leaves_an_arm_at_rest(bench: Bench) -> None:
    assert bench.move(FR3.start_middle()).success
    bench.random_commands(2.0)
    bench.bridge.send_signal(signal.SIGKILL)
    bench.bridge.wait()
    arm_at_rest(3.0)


def test_the_drivers_own_deadline_stops_the_arm(server: Server) -> None:
    """If the bridge hangs, the motion ends after its deadline; the next velocity is executed again."""
    driver = FrankaDriver(replace(FR3, driver=replace(FR3.driver, address=ADDRESS)))
    try:
        for cycle in range(50):
            driver.send(np.full(7, 0.1 * min(1.0, cycle / 10)))
            time.sleep(0.01)
        before = at_rest(driver, FR3.driver.deadline + 0.5)
        for cycle in range(50):
            driver.send(np.full(7, -0.1 * min(1.0, cycle / 10)))
            time.sleep(0.01)
        assert driver.fault() == driver.interruption() == ""
        assert (driver.state().q < before - 0.01).all()
        assert server.violations() == []
    finally:
        driver.close()


def test_a_reflex_is_recovered_from(server: Server, bench: Bench) -> None:
    """A bridge that pauses for 0.15 s violates the communication constraints; the robot stops, then recovers."""
    assert bench.move(FR3.start_middle()).success
    bench.random_commands(1.0)
    bench.bridge.send_signal(signal.SIGSTOP)
    time.sleep(0.15)
    bench.bridge.send_signal(signal.SIGCONT)
    bench.random_commands(2.0)
    assert any("communication_constraints_violation" in line for line in server.violations())
    assert bench.mode == "running" and bench.statuses[-1].fault == ""
    assert any("interrupted" in s.reasons for s in bench.states)
    assert bench.move(FR3.start_middle()).success


def shortfall(samples: list[tuple[float, RobotState]]) -> float:
    """How far the positions are behind the integral of the commands while a joint moves steadily, as a time in s.

    This is lag plus delay, from positions instead of velocities and without a fit.
    """
    sent = np.array([time for time, _ in samples])
    measured_at = np.array([state.header.stamp.sec + 1e-9 * state.header.stamp.nanosec for _, state in samples])
    commands, q = np.array([state.dq_cmd for _, state in samples]), np.array([state.q for _, state in samples])
    behind = []
    for command, position in zip(commands.T, q.T, strict=True):
        commanded = np.concatenate([[0.0], np.cumsum(command[:-1] * np.diff(sent))])
        began = int(np.argmax(command != 0.0))
        for i in range(began, len(sent)):
            steady = (sent > sent[i] - 0.15) & (sent <= sent[i])
            if abs(command[i]) > 0.01 and np.ptp(command[steady]) < 1e-6:
                travel = np.interp(measured_at[i], sent, commanded)
                behind.append((travel - (position[i] - position[began])) / command[i])
    return float(np.median(behind))


def test_lag_and_delay_are_identified(bench: Bench) -> None:
    """They agree with how far the arm is behind its commands, and the robot file does not underestimate them."""
    assert bench.move(FR3.start_middle()).success
    bench.node.destroy_publisher(bench.commands)  # only one node may command the bridge
    bench.until(lambda: not bench.node.count_publishers("/velocity_command"), 5.0)
    samples: list[tuple[float, RobotState]] = []
    bench.node.create_subscription(
        RobotState,
        "/robot_bridge/robot_state",
        lambda state, info: samples.append((1e-9 * info["source_timestamp"], state)),
        qos.RELIABLE,
    )
    program = [sys.executable, "-m", "franka_reacher_rl.cli", "identify", "--robot", "fr3", "--repeats", "1"]
    identify = subprocess.Popen(program, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    bench.until(lambda: identify.poll() is not None, 100.0)
    output, errors = identify.communicate()
    assert identify.returncode == 0, errors
    values = yaml.safe_load(output)
    found, known = values["lag"] + values["delay"], shortfall(samples)
    assert "movements of 7 joints" in output
    assert abs(found - known) < 0.005, f"{known} {output}{errors}"
    assert known < FR3.driver.lag + FR3.driver.delay


def test_a_contact_is_never_recovered_from_automatically(server: Server, bench: Bench) -> None:
    """A person has to call ~/arm."""
    assert f"thresholds: {FR3.driver.collision_torque} {FR3.driver.collision_force}" in server.read()
    assert bench.move(FR3.start_middle()).success
    bench.random_commands(1.0)
    server.touch()
    bench.until(lambda: bench.mode == "fault", 2.0)
    assert "joint_reflex" in bench.statuses[-1].fault and "call ~/arm" in bench.statuses[-1].fault
    bench.random_commands(1.0)
    assert bench.mode == "fault" and server.read().count("AutomaticErrorRecovery") == 0
    bench.arm_bridge()
    assert server.read().count("AutomaticErrorRecovery") > 0
    assert bench.move(FR3.start_middle()).success


def test_a_user_stop_is_never_recovered_from_before_it_is_released(server: Server, bench: Bench) -> None:
    """Pressed during a motion, the stop is a fault until a person releases it and calls ~/arm."""
    assert bench.move(FR3.start_middle()).success
    bench.random_commands(1.0)
    server.press_user_stop()
    bench.until(lambda: bench.mode == "fault", 1.0)
    assert "user stop" in bench.statuses[-1].fault
    bench.until(bench.rests, 0.5)
    refused = bench.call(bench.arm)
    assert not refused.success and "release" in refused.message
    bench.random_commands(1.0)
    assert bench.mode == "fault" and bench.rests()
    assert server.read().count("AutomaticErrorRecovery") == 0
    server.release_user_stop()
    bench.until(lambda: bench.call(bench.arm).success, 5.0)
    bench.until(lambda: bench.mode == "ready", 2.0)
    assert bench.move(FR3.start_middle()).success
    bench.random_commands(1.0)
    assert bench.mode == "running"


def test_a_restarted_server_is_a_fault_until_armed_again(server: Server, bench: Bench) -> None:
    assert bench.move(FR3.start_middle()).success
    bench.random_commands(1.0)
    server.stop()
    bench.until(lambda: bench.mode == "fault", 5.0)
    assert not bench.call(bench.arm).success
    server.start()
    bench.until(lambda: bench.call(bench.arm).success, 20.0)
    bench.until(lambda: bench.mode == "ready", 2.0)
    assert bench.move(FR3.start_middle()).success
    bench.random_commands(1.0)
    assert bench.mode == "running"


def test_the_doctor_reads_the_protocol_version(server: Server) -> None:
    (found,) = hardware.robot("fr3", ADDRESS)
    assert found.level is Level.OK and "speaks protocol 10" in found.text, found


def test_a_missing_robot_gives_a_clear_error_and_exit_code() -> None:
    command = "from franka_reacher_rl.nodes.robot_bridge import main; main()"
    arguments = ["--ros-args", "-p", "robot:=fr3", "-p", f"address:={ADDRESS}"]
    ended = subprocess.run(
        [sys.executable, "-c", command, *arguments], env=os.environ, capture_output=True, text=True, timeout=60.0
    )
    assert ended.returncode == EXIT_CANNOT_START
    assert "no connection to the arm at 127.0.0.1" in ended.stderr and "FCI" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A ten-second video of a moving red spot."""
    import cv2

    path = tmp_path / "spot.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 50.0, (160, 90))
    for i in range(500):
        frame = np.full((90, 160, 3), 120, np.uint8)
        cv2.circle(frame, (20 + i % 120, 45), 10, (20, 20, 200), -1)
        writer.write(frame)
    writer.release()
    return path


def whole_graph(tmp_path: Path, video: Path, episodes: int) -> list[str]:
    """Return the command that launches the async graph with robot file `fr3` and the server as the robot."""
    robot = yaml.safe_load((config_dir() / "robots" / "fr3.yaml").read_text())
    robot["driver"]["address"] = ADDRESS
    (tmp_path / "fr3_here.yaml").write_text(yaml.safe_dump(robot))
    return [
        *("ros2", "launch", "franka_reacher_rl", "async.launch.py"),
        *(f"robot:={tmp_path / 'fr3_here.yaml'}", f"camera:={video}", "setting:=lite", f"episodes:={episodes}"),
        *("device:=cpu", "seed:=1", f"run_dir:={tmp_path / 'run'}"),
    ]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("episodes", [8])
def test_the_whole_async_graph_violates_no_rule(server: Server, tmp_path: Path, video: Path, episodes: int) -> None:
    """An untrained policy acts for more than a minute: all episodes are complete and all nodes end successfully."""
    command = whole_graph(tmp_path, video, episodes)
    launch = subprocess.Popen(command, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    watcher = StateWatcher()
    try:
        watcher.arm()
        output, _ = launch.communicate(timeout=300.0)
    finally:
        launch.kill()
        watcher.close()
    assert launch.returncode == 0, output[-3000:]
    assert "Traceback" not in output
    rows = (tmp_path / "run" / "episodes.csv").read_text().splitlines()
    assert len(rows) == 1 + episodes
    assert server.violations() == []


@pytest.mark.timeout(200)
def test_a_killed_actor_leaves_the_arm_at_rest_and_its_successor_goes_on(
    server: Server, tmp_path: Path, video: Path
) -> None:
    """After SIGKILL during an episode, the arm rests within the command timeout and the ramp, without violation."""
    launch = subprocess.Popen(
        whole_graph(tmp_path, video, 0), env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    watcher = StateWatcher()
    try:
        watcher.arm()
        watcher.until(lambda: [s.mode for s in watcher.states[-100:]] == ["running"] * 100, 60.0)
        killed = time.time()
        subprocess.run(["pkill", "-KILL", "-P", str(launch.pid), "-f", "franka_reacher_rl/actor"], check=True)
        watcher.until(lambda: watcher.states and watcher.stamped()[-1][0] > killed + 1.5, 10.0)
        after = [(stamp, state) for stamp, state in watcher.stamped() if stamp > killed]
        watcher.until(lambda: [s.mode for s in watcher.states[-50:]] == ["running"] * 50, 60.0)
        launch.send_signal(signal.SIGINT)
        output, _ = launch.communicate(timeout=60.0)
        watcher.drain()
    finally:
        launch.kill()
        watcher.close()
    assert launch.returncode == 0 and "actor died with signal SIGKILL: it is started again" in output
    commanded = [stamp for stamp, state in after if np.abs(state.dq_cmd).max() > 1e-9]
    assert not commanded or max(commanded) - killed < FR3.bridge.command_timeout + 0.2
    arm_at_rest(1.0)
    assert server.violations() == []


class StateWatcher:
    """Records the robot states of a launched graph."""

    def __init__(self) -> None:
        rclpy.init()
        self.node = rclpy.node.Node("watcher")
        self.executor = SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.states: list[RobotState] = []
        self.node.create_subscription(RobotState, "/robot_bridge/robot_state", self.states.append, qos.RELIABLE)

    def until(self, condition: Callable[[], Any], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not in time; last state: {self.states[-1:]}"
            self.executor.spin_once(timeout_sec=0.02)

    def arm(self) -> None:
        """Arm the bridge once it has started, as a person does."""
        client = self.node.create_client(Trigger, "/robot_bridge/arm")
        armed = False
        while not armed:
            self.until(client.service_is_ready, 60.0)
            answer = client.call_async(Trigger.Request())
            self.until(answer.done, 20.0)
            armed = answer.result().success

    def drain(self) -> None:
        for _ in range(100):
            self.executor.spin_once(timeout_sec=0.0)

    def stamped(self) -> list[tuple[float, RobotState]]:
        return [(s.header.stamp.sec + 1e-9 * s.header.stamp.nanosec, s) for s in self.states]

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown()
