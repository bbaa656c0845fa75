"""Tests of the bridge node with real rclpy and a fake arm behind the topics of a forward velocity controller."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Empty, Float64MultiArray
from std_srvs.srv import Trigger

from franka_reacher_rl.action import MoveTo
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.paths import config_dir
from franka_reacher_rl.drivers import topic
from franka_reacher_rl.msg import RobotState, RobotStatus
from franka_reacher_rl.nodes.robot_bridge import RobotBridge
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.stop_record import StopRecord

PERIOD = 0.01  # s
SLOW = [0.05] * 7


def wall_stamp(offset: float = 0.0) -> Time:
    """Return the stamp of the wall clock of this process, which a test may step, plus an offset in s."""
    seconds, nanoseconds = divmod(time.time_ns() + round(offset * 1e9), 1_000_000_000)
    return Time(sec=seconds, nanosec=nanoseconds)


class FakeArm(Node):
    """Executes velocities and publishes joint states like a ros2_control arm, with its joints in another order."""

    def __init__(self, robot: Robot, parameters: dict[str, object] | None = None) -> None:
        super().__init__("sim_robot")
        controller = {"joints": robot.joints, "interface_name": "velocity", **(parameters or {})}
        for name, value in controller.items():
            self.declare_parameter(name, value)
        self.order = [robot.joints.index(joint) for joint in controller["joints"] if joint in robot.joints]
        self.robot, self.q, self.v = robot, robot.start_middle(), np.zeros(robot.dof)
        self.silent = self.held = self.blocked = False
        self.received: list[tuple[float, np.ndarray]] = []
        self._moved = time.monotonic()
        self._states = self.create_publisher(JointState, robot.driver.state_topic, QoSProfile(depth=1))
        self.create_subscription(Float64MultiArray, robot.driver.command_topic, self._take, QoSProfile(depth=10))
        self.create_timer(PERIOD, self._cycle)

    def _take(self, message: Float64MultiArray) -> None:
        self._advance()
        self.v = np.zeros(len(self.q))
        self.v[self.order] = message.data
        self.received.append((time.monotonic(), self.v))

    def _advance(self) -> None:
        now = time.monotonic()
        noise = np.random.default_rng(len(self.received)).normal(size=self.robot.dof) * 1e-5  # or it looks frozen
        self.q = self.q + (noise if self.blocked else self.v * (now - self._moved))
        self._moved = now

    def _cycle(self) -> None:
        self._advance()
        if self.silent:
            return
        order = range(self.robot.dof - 1, -1, -1)
        q = self.robot.start_middle() if self.held else self.q
        state = JointState(name=[self.robot.joints[i] for i in order])
        state.position, state.velocity = [float(q[i]) for i in order], [float(self.v[i]) for i in order]
        state.header.stamp = wall_stamp()
        self._states.publish(state)


class Graph:
    """A bridge, its arm, and a client that commands it."""

    def __init__(self, probe, arm_parameters=None, bridge=True, arm=True):
        self.probe, self.robot = probe, Robot.load("panda_sim")
        if arm:
            self.arm = probe.add(FakeArm(self.robot, arm_parameters))
        node = probe.node
        self.states = probe.listen(RobotState, "/robot_bridge/robot_state", qos.RELIABLE)
        self.statuses = probe.listen(RobotStatus, "/robot_bridge/status", qos.LATCHED)
        self.diagnostics = probe.listen(DiagnosticArray, "/diagnostics", 10)
        self.commands = node.create_publisher(JointState, "velocity_command", qos.RELIABLE)
        self.stop = node.create_client(Trigger, "/robot_bridge/stop")
        self.arm_service = node.create_client(Trigger, "/robot_bridge/arm")
        self.move_to = ActionClient(node, MoveTo, "/robot_bridge/move_to")
        self.finish = node.create_client(Trigger, "/robot_bridge/finish")
        self.heartbeats = node.create_publisher(Empty, "command_guard/heartbeat", qos.RELIABLE)
        self.guarded = True
        node.create_timer(0.1, lambda: self.guarded and self.heartbeats.publish(Empty()))
        self.feedback = []
        if bridge:
            self.bridge = probe.add(RobotBridge())
            self.until_mode("ready")
            probe.until(lambda: self.commands.get_subscription_count() == 1)
            probe.until(self.move_to.server_is_ready)

    def restart_bridge(self):
        """End the bridge as its process would, and start another."""
        self.probe.remove(self.bridge)
        self.states.clear()
        self.statuses.clear()
        self.bridge = self.probe.add(RobotBridge())

    @property
    def status(self):
        return self.statuses[-1] if self.statuses else RobotStatus()

    @property
    def mode(self):
        return self.states[-1].mode if self.states else ""

    def until_mode(self, mode, seconds=10.0):
        self.probe.until(lambda: self.mode == mode, seconds)

    def command(self, velocity=SLOW, names=None, age=0.0):
        message = JointState(name=names or self.robot.joints, velocity=[float(v) for v in velocity])
        message.header.stamp = wall_stamp(-age)
        self.commands.publish(message)

    def keep_commanding(self, condition, velocity=SLOW, seconds=10.0):
        """Publish a command every 40 ms until a condition holds."""
        timer = self.probe.node.create_timer(0.04, lambda: self.command(velocity))
        try:
            self.probe.until(condition, seconds)
        finally:
            self.probe.node.destroy_timer(timer)

    def call(self, client, request=None):
        future = client.call_async(request or Trigger.Request())
        self.probe.until(future.done, 20.0)
        return future.result()

    def send_move(self, position, timeout=0.0):
        """Send a goal and return its handle, once it is accepted."""
        goal = MoveTo.Goal(joint_names=self.robot.joints, position=[float(q) for q in position], timeout=timeout)
        sent = self.move_to.send_goal_async(goal, feedback_callback=lambda m: self.feedback.append(m.feedback))
        self.probe.until(sent.done)
        assert sent.result().accepted
        return sent.result()

    def ended(self, handle):
        """Wait for the end of a move and return its status and result."""
        future = handle.get_result_async()
        self.probe.until(future.done, 20.0)
        return future.result().status, future.result().result

    def move(self, position, timeout=0.0):
        return self.ended(self.send_move(position, timeout))


def robot_file(tmp_path, *, real=False, **bridge):
    """Write the file of a robot with other settings of its bridge, and return its path."""
    robot = yaml.safe_load((config_dir() / "robots" / "panda_sim.yaml").read_text())
    if real:
        del robot["model"]["mjcf"]
    robot.setdefault("bridge", {}).update(bridge)
    (tmp_path / "changed.yaml").write_text(yaml.safe_dump(robot))
    return tmp_path / "changed.yaml"


@pytest.fixture(autouse=True)
def ros_home(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_HOME", str(tmp_path / "ros_home"))


@pytest.fixture
def graph(probe_after):
    return Graph(probe_after())


def test_a_command_moves_the_arm_and_is_published_as_applied(graph):
    velocity = np.linspace(-0.05, 0.05, 7)
    graph.keep_commanding(lambda: np.allclose(graph.arm.v, velocity), velocity)
    graph.keep_commanding(lambda: np.allclose(graph.states[-1].dq_cmd, velocity), velocity)
    state = graph.states[-1]
    assert state.mode == "running" and list(state.joint_names) == graph.robot.joints
    assert state.header.frame_id == graph.robot.model.base_frame
    place = graph.bridge._bridge.kinematics.position(np.array(state.q))
    np.testing.assert_allclose([state.o_t_ee.position.x, state.o_t_ee.position.y, state.o_t_ee.position.z], place)


def test_reasons_are_published(graph):
    graph.keep_commanding(lambda: "velocity" in graph.states[-1].reasons, [1.0] * 7)
    graph.probe.until(lambda: graph.status.commands_limited > 0)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"velocity": [*SLOW[:6], float("nan")]}, "not_finite"),
        ({"velocity": [*SLOW[:6], float("inf")]}, "not_finite"),
        ({"velocity": SLOW[:6]}, "wrong_length"),
        ({"names": [f"other{i}" for i in range(7)]}, "unknown_joint"),
        ({"names": [f"panda_joint{i}" for i in range(1, 7)], "velocity": SLOW[:6]}, "missing_joint"),
        ({"names": ["panda_joint1"] * 7}, "duplicate_joint"),
        ({"age": 2.0}, "stale"),
        ({"age": -2.0}, "future"),
    ],
)
def test_an_invalid_command_is_refused_and_counted(graph, change, why):
    graph.command(**change)
    graph.probe.until(lambda: graph.status.commands_refused == 1)
    assert graph.status.last_refusal.startswith(why)
    assert graph.mode == "ready" and not graph.arm.v.any()


def test_invalid_commands_do_not_reset_the_watchdog(graph):
    graph.keep_commanding(lambda: graph.mode == "running")
    graph.keep_commanding(lambda: graph.mode == "holding", [float("nan")] * 7)
    graph.probe.until(lambda: not graph.arm.v.any())


def test_permuted_names_are_mapped(graph):
    velocity = dict(zip(graph.robot.joints, np.linspace(-0.05, 0.05, 7), strict=True))
    names = sorted(graph.robot.joints, reverse=True)
    timer = graph.probe.node.create_timer(0.04, lambda: graph.command([velocity[n] for n in names], names))
    graph.probe.until(lambda: np.allclose(graph.arm.v, list(velocity.values())))
    graph.probe.node.destroy_timer(timer)


def test_when_commands_cease_the_arm_ramps_to_rest_and_the_next_command_is_accepted(graph):
    graph.keep_commanding(lambda: graph.arm.v[0] > 0.19, [0.2, 0, 0, 0, 0, 0, 0])
    ceased = time.monotonic()
    graph.until_mode("holding")
    graph.probe.until(lambda: not graph.arm.v.any())
    assert time.monotonic() - ceased < graph.robot.bridge.command_timeout + 0.3
    steps = np.abs(np.diff([v for _, v in graph.arm.received], axis=0))
    assert (steps <= np.array(graph.robot.limits.acceleration) * PERIOD * 1.001).all()
    graph.keep_commanding(lambda: graph.mode == "running")
    assert graph.status.watchdog_stops == 1


def test_a_latched_watchdog_needs_arming(probe_after, tmp_path):
    robot = robot_file(tmp_path, command_timeout=0.05, latch_after=0.3)
    graph = Graph(probe_after("-p", f"robot:={robot}"))
    graph.keep_commanding(lambda: graph.mode == "running")
    graph.until_mode("stopped")
    graph.command()
    graph.probe.until(lambda: graph.status.last_refusal.startswith("not_armed"))
    assert graph.call(graph.arm_service).success
    graph.keep_commanding(lambda: graph.mode == "running")


def test_two_publishers_are_a_fault_naming_them_and_it_refuses_to_arm(graph):
    other = graph.probe.add(Node("teleop"))
    publisher = other.create_publisher(JointState, "velocity_command", qos.RELIABLE)
    graph.until_mode("fault")
    graph.probe.until(lambda: "/probe" in graph.status.fault and "/teleop" in graph.status.fault)
    answer = graph.call(graph.arm_service)
    assert not answer.success and "/teleop" in answer.message
    other.destroy_publisher(publisher)
    graph.probe.until(lambda: graph.call(graph.arm_service).success)
    graph.until_mode("ready")


@pytest.mark.parametrize(("trouble", "fault"), [("silent", "no new joint state"), ("held", "frozen")])
def test_a_state_that_is_stale_or_frozen_is_a_fault(graph, trouble, fault):
    graph.keep_commanding(lambda: graph.mode == "running", [0.1] * 7)
    setattr(graph.arm, trouble, True)
    graph.keep_commanding(lambda: graph.status.mode == "fault", [0.1] * 7)
    assert fault in graph.status.fault
    graph.probe.until(lambda: not graph.arm.v.any())
    setattr(graph.arm, trouble, False)
    graph.probe.until(lambda: graph.call(graph.arm_service).success)
    graph.until_mode("ready")


def test_the_control_cycle_continues_during_a_move(graph):
    goal = graph.robot.start_middle() + 0.2
    before = len(graph.states)
    status, result = graph.move(goal)
    assert status == GoalStatus.STATUS_SUCCEEDED
    assert result.success and result.message == "" and 0.1 < result.duration < 8.0
    np.testing.assert_allclose(graph.arm.q, goal, atol=0.02)
    assert len(graph.states) - before > 20 * result.duration
    assert {"moving", "ready"} <= {s.mode for s in graph.states[before:]}


def test_a_move_reports_the_distance_left_and_the_time(graph):
    graph.move(graph.robot.start_middle() + 0.5)
    left, elapsed = [f.distance_left for f in graph.feedback], [f.elapsed for f in graph.feedback]
    assert len(left) >= 3 and left[0] > left[len(left) // 2] > left[-1]
    assert 0.3 < left[0] < 0.51 and left[-1] < 0.2
    assert np.all(np.diff(elapsed) > 0.09)


def test_a_move_that_is_not_allowed_is_aborted_with_a_reason(graph):
    status, result = graph.move([9.0] * 7)
    assert status == GoalStatus.STATUS_ABORTED
    assert not result.success and "panda_joint1 = 9.000 rad is not allowed" in result.message


def test_a_second_move_is_aborted_and_the_first_continues(graph):
    first = graph.send_move(graph.robot.start_middle() + 0.4)
    status, result = graph.move(graph.robot.start_middle())
    assert status == GoalStatus.STATUS_ABORTED and "another move is in progress" in result.message
    status, result = graph.ended(first)
    assert status == GoalStatus.STATUS_SUCCEEDED and result.success


def test_a_move_of_a_blocked_arm_is_aborted_after_its_timeout(graph):
    graph.arm.blocked = True
    status, result = graph.move(graph.robot.start_middle() + 0.3, timeout=0.3)
    assert status == GoalStatus.STATUS_ABORTED and not result.success
    assert "rad from its goal after 0.3 s" in result.message


def test_a_canceled_move_ramps_to_rest_and_the_next_one_is_accepted(graph):
    goal = graph.robot.start_middle() + 0.8
    move = graph.send_move(goal)
    graph.probe.until(lambda: np.abs(graph.arm.v).max() > 0.5)
    canceled = move.cancel_goal_async()
    graph.probe.until(canceled.done)
    assert len(canceled.result().goals_canceling) == 1
    status, result = graph.ended(move)
    assert status == GoalStatus.STATUS_CANCELED and not result.success
    assert "canceled" in result.message and "rad before the goal" in result.message
    assert not graph.arm.received[-1][1].any() and np.abs(graph.arm.q - goal).max() > 0.1
    steps = np.abs(np.diff([v for _, v in graph.arm.received], axis=0))
    assert (steps <= np.array(graph.robot.limits.acceleration) * PERIOD * 1.001).all()
    assert graph.move(graph.robot.start_middle())[1].success
    late = move.cancel_goal_async()
    graph.probe.until(late.done)
    assert not late.result().goals_canceling, "a move that has ended cannot be canceled"


def test_stop_ends_a_move_and_needs_arming(graph):
    goal = graph.robot.start_middle() + 0.8
    move = graph.send_move(goal)
    graph.until_mode("moving")
    assert graph.call(graph.stop).success
    status, result = graph.ended(move)
    assert status == GoalStatus.STATUS_ABORTED and not result.success and "stopped" in result.message
    graph.until_mode("stopped")
    graph.probe.until(lambda: not graph.arm.v.any())
    status, result = graph.move(goal)
    assert status == GoalStatus.STATUS_ABORTED and "call ~/arm" in result.message
    assert graph.call(graph.arm_service).success
    graph.until_mode("ready")


def test_a_fault_aborts_a_move(graph):
    move = graph.send_move(graph.robot.start_middle() + 0.8)
    graph.until_mode("moving")
    graph.arm.silent = True
    status, result = graph.ended(move)
    assert status == GoalStatus.STATUS_ABORTED and not result.success
    graph.probe.until(lambda: graph.status.fault)
    assert result.message == graph.status.fault


def test_ros2_action_sends_a_goal_and_cancels_it_on_an_interrupt(probe_after, tmp_path):
    if subprocess.run(["ros2", "action", "--help"], capture_output=True, check=False).returncode:
        pytest.skip("this ROS 2 has no ros2 action")
    # Starting a process may delay the joint states.
    graph = Graph(probe_after("-p", f"robot:={robot_file(tmp_path, state_timeout=5.0)}"))

    def send(position):
        goal = yaml.safe_dump({"joint_names": graph.robot.joints, "position": position}, default_flow_style=True)
        names = ["/robot_bridge/move_to", "franka_reacher_rl/action/MoveTo"]
        command = ["ros2", "action", "send_goal", "--feedback", *names, goal]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def output(process):
        graph.probe.until(lambda: process.poll() is not None, 30.0)
        return process.communicate()[0]

    refused = output(send([9.0] * 7))
    assert "panda_joint1 = 9.000 rad is not allowed" in refused and "status: ABORTED" in refused
    done = output(send((graph.robot.start_middle() + 0.2).tolist()))
    assert "distance_left" in done and "success: true" in done and "status: SUCCEEDED" in done
    graph.arm.blocked = True  # so that the move lasts
    canceled = send(graph.robot.start_middle().tolist())
    graph.until_mode("moving", 30.0)
    canceled.send_signal(signal.SIGINT)
    assert "Canceling goal" in output(canceled)
    graph.probe.until(lambda: graph.mode == "ready", 0.5 * graph.robot.reset.timeout)
    assert not graph.arm.received[-1][1].any()


def test_status_is_latched_and_diagnostics_report_the_mode(graph):
    late = graph.probe.listen(RobotStatus, "/robot_bridge/status", qos.LATCHED)
    graph.probe.until(lambda: late and late[-1].mode == "ready" and late[-1].robot == "panda_sim")

    def reported(level, text):
        found = [
            s
            for a in graph.diagnostics
            for s in a.status
            if s.name == "robot_bridge: arm" and s.hardware_id == "panda_sim"
        ]
        return found and found[-1].level == level and text in found[-1].message

    graph.probe.until(lambda: reported(DiagnosticStatus.OK, "ready"))
    graph.call(graph.stop)
    graph.probe.until(lambda: reported(DiagnosticStatus.WARN, "call ~/arm"))
    assert graph.diagnostics[-1].status[0].hardware_id == "panda_sim"


def test_joint_states_are_published_in_the_standard_message(graph):
    states = graph.probe.listen(JointState, "/robot_bridge/joint_states", qos.NEWEST)
    graph.probe.until(lambda: states and states[-1].header in [s.header for s in graph.states])
    same = next(s for s in graph.states if s.header == states[-1].header)
    assert list(states[-1].name) == graph.robot.joints and not states[-1].effort
    assert states[-1].position == same.q and states[-1].velocity == same.dq


@pytest.mark.parametrize("step", [-3.0, 3.0])
def test_a_step_of_the_wall_clock_does_not_disturb_the_bridge(graph, monkeypatch, step):
    graph.keep_commanding(lambda: graph.mode == "running")
    wall = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: wall() + round(step * 1e9))
    stepped, before = time.monotonic(), len(graph.states)
    graph.keep_commanding(lambda: time.monotonic() - stepped > 1.0)
    after = graph.states[before + 5 :]
    assert {s.mode for s in after} == {"running"} and len(after) > 50
    assert graph.status.watchdog_stops == 0 and graph.status.commands_refused <= 1  # one may have been in flight
    ages = [1e-9 * wall() + step - (s.header.stamp.sec + 1e-9 * s.header.stamp.nanosec) for s in after]
    assert min(ages) > -0.1 and max(ages) < 1.5, "stamps follow the wall clock"


@pytest.mark.parametrize("step", ["update", "serialize_message"])
def test_a_velocity_that_a_pause_of_the_process_has_made_old_is_not_sent(graph, monkeypatch, step):
    """The process may be stopped between deciding a velocity and sending it; the guard brakes meanwhile."""
    graph.keep_commanding(lambda: graph.arm.v[0] > 0.9 * SLOW[0])
    place = graph.bridge._bridge if step == "update" else topic
    sent, made = [], getattr(place, step)
    pause = [1.0]  # s

    def stopped(argument):
        result = made(argument)
        time.sleep(pause.pop() if pause else 0.0)
        return result

    monkeypatch.setattr(place, step, stopped)
    monkeypatch.setattr(graph.bridge._driver._commands, "publish", sent.append)
    graph.probe.until(lambda: sent)
    assert not pause and not np.any(deserialize_message(sent[0], Float64MultiArray).data)


def test_commands_are_put_into_the_controllers_joint_order(probe_after):
    graph = Graph(probe_after(), {"joints": Robot.load("panda_sim").joints[::-1]})
    velocity = np.linspace(-0.05, 0.05, 7)
    graph.keep_commanding(lambda: np.allclose(graph.arm.v, velocity), velocity)


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"interface_name": "position"}, "commands the interface 'position', not 'velocity'"),
        ({"joints": [f"panda_joint{i}" for i in range(1, 7)]}, "give both the same joints"),
    ],
)
def test_nothing_is_sent_to_a_controller_that_does_not_drive_these_joints_by_velocity(probe_after, parameters, fault):
    graph = Graph(probe_after(), parameters, bridge=False)
    bridge = graph.probe.add(RobotBridge())
    graph.probe.until(lambda: fault in graph.status.fault)
    assert fault in graph.call(graph.arm_service).message
    bridge._driver.send(np.ones(7))
    other = graph.probe.node.create_publisher(Float64MultiArray, graph.robot.driver.command_topic, qos.RELIABLE)
    graph.probe.until(other.get_subscription_count)
    other.publish(Float64MultiArray(data=[0.5] * len(graph.arm.order)))
    graph.probe.until(lambda: graph.arm.v.any())
    assert len(graph.arm.received) == 1, "only what the other publisher has sent"


def test_a_controller_that_has_not_answered_is_waited_for(probe_after):
    graph = Graph(probe_after(), {"interface_name": ""}, bridge=False)
    bridge = graph.probe.add(RobotBridge())
    graph.probe.until(lambda: "has no parameter `interface_name`" in bridge._bridge.waiting_for())
    graph.command()
    graph.probe.until(lambda: "interface_name: velocity" in graph.status.last_refusal)
    assert graph.status.mode == "starting" and not graph.arm.received


def test_another_publisher_of_the_arms_commands_is_a_fault(graph):
    other = graph.probe.add(Node("other_bridge"))
    publisher = other.create_publisher(Float64MultiArray, graph.robot.driver.command_topic, qos.RELIABLE)
    graph.probe.until(lambda: "/other_bridge; stop them" in graph.status.fault)
    assert "/other_bridge" in graph.call(graph.arm_service).message
    other.destroy_publisher(publisher)
    graph.probe.until(lambda: graph.call(graph.arm_service).success)


def test_a_second_bridge_of_the_same_name_does_not_start(graph):
    second = graph.probe.add(RobotBridge())
    graph.probe.until(lambda: "other publishers" in second._bridge.waiting_for())
    graph.probe.until(lambda: graph.bridge._bridge.status.mode == "fault")
    assert "other publishers than this bridge: /robot_bridge" in graph.bridge._bridge.status.fault
    assert second._bridge.status.mode == "starting"


def test_a_controller_manager_that_cannot_be_asked_is_a_fault(probe_after, monkeypatch):
    monkeypatch.setattr("franka_reacher_rl.drivers.controller.ListControllers", None)
    probe = probe_after()
    probe.node.create_service(Trigger, "/controller_manager/list_controllers", lambda request, response: response)
    graph = Graph(probe, bridge=False)
    probe.add(RobotBridge())
    probe.until(lambda: "install the ROS 2 package controller_manager_msgs" in graph.status.fault)


def test_a_very_long_joint_state_is_refused_without_delay(graph):
    names = [f"other{i}" for i in range(8000)]
    message = JointState(name=names + graph.robot.joints, position=[0.0] * 8007, velocity=[0.0] * 8007)
    driver = graph.bridge._driver
    driver._on_state(message)
    before = time.perf_counter()
    assert driver.state() is None
    assert time.perf_counter() - before < 0.01
    assert "joint states have 8007 joints, at most 256 are allowed" in driver.fault()


def test_missing_joints_in_the_state_are_a_fault(probe_after):
    probe = probe_after()
    graph = Graph(probe, bridge=False)
    graph.arm.robot = type("Fewer", (), {"dof": 6, "joints": graph.robot.joints, "start_middle": None})()
    probe.add(RobotBridge())
    probe.until(lambda: "lack joint 'panda_joint7'" in graph.status.fault)


def test_an_unknown_robot_is_refused_with_the_known_ones(ros):
    ros("-p", "robot:=pnada")
    with pytest.raises(ValueError, match="no robot 'pnada'.*: there are .*panda_sim"):
        RobotBridge()


def test_a_requested_stop_holds_in_a_restarted_bridge(graph):
    assert graph.call(graph.stop).success
    graph.probe.until(lambda: graph.status.mode == "stopped" and graph.status.stop_requested)
    graph.restart_bridge()
    graph.until_mode("stopped")
    graph.probe.until(lambda: graph.status.mode == "stopped" and graph.status.stop_requested)
    assert graph.call(graph.arm_service).success
    graph.until_mode("ready")
    graph.restart_bridge()
    graph.until_mode("ready")
    assert not graph.status.stop_requested


def test_the_end_of_a_run_stops_the_arm_but_leaves_no_record(graph):
    graph.keep_commanding(lambda: graph.mode == "running")
    assert graph.call(graph.finish).success
    graph.until_mode("stopped")
    assert not graph.status.stop_requested and not StopRecord("/", "panda_sim").read()
    assert graph.call(graph.arm_service).success
    graph.until_mode("ready")


def test_a_real_arm_starts_stopped_and_is_armed_by_a_person_once_it_has_a_guard(probe_after, tmp_path):
    graph = Graph(probe_after("-p", f"robot:={robot_file(tmp_path, real=True)}"), bridge=False)
    graph.guarded = False
    graph.probe.add(RobotBridge())
    graph.until_mode("stopped")
    refused = graph.call(graph.arm_service)
    assert not refused.success and "ros2 run franka_reacher_rl command_guard" in refused.message
    graph.guarded = True
    graph.probe.until(lambda: graph.call(graph.arm_service).success)
    graph.keep_commanding(lambda: graph.mode == "running")
    graph.guarded = False
    graph.keep_commanding(lambda: graph.status.mode == "fault")
    assert "command guard does not respond" in graph.status.fault
    graph.probe.until(lambda: not graph.arm.v.any())


def test_a_simulated_arm_without_a_guard_moves_and_says_so(graph):
    graph.guarded = False

    def reported():
        return [s for a in graph.diagnostics for s in a.status if "command guard does not respond" in s.message]

    graph.keep_commanding(reported)
    assert reported()[-1].level == DiagnosticStatus.WARN and graph.mode == "running"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_brings_the_arm_to_rest_before_the_process_ends(probe_after, number):
    graph = Graph(probe_after(), bridge=False)
    program = "from franka_reacher_rl.nodes.robot_bridge import main; main()"
    process = subprocess.Popen([sys.executable, "-c", program], env=os.environ, stderr=subprocess.PIPE, text=True)
    try:
        graph.probe.until(lambda: graph.mode == "ready", 30.0)
        graph.keep_commanding(lambda: np.abs(graph.arm.v).max() > 0.14, [0.15] * 7)
        process.send_signal(number)
        graph.keep_commanding(lambda: process.poll() is not None, [0.15] * 7)
        graph.probe.until(lambda: not graph.arm.v.any(), 2.0)
        assert process.returncode == 0
        assert "Traceback" not in process.stderr.read()
        steps = np.abs(np.diff([v for _, v in graph.arm.received], axis=0))
        assert (steps <= np.array(graph.robot.limits.acceleration) * PERIOD * 1.001).all()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
