"""Tests of the simulated robot through its topics and services."""

import array

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import Point, PoseStamped
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.nodes.sim_robot import SimRobot
from franka_reacher_rl.ros import qos
from franka_reacher_rl.srv import PlaceTarget

ROBOTS = ["panda_sim", "ur5e_sim"]


def _start(probe_after, robot: str, *parameters: str):
    probe = probe_after("-p", f"robot:={robot}", *(part for p in parameters for part in ("-p", p)))
    probe.add(SimRobot())
    states = probe.listen(JointState, "/sim_robot/joint_states", qos.RELIABLE)
    commands = probe.node.create_publisher(Float64MultiArray, "/sim_robot/commands", qos.RELIABLE)
    probe.until(lambda: states and commands.get_subscription_count())
    return probe, states, commands


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_arm_follows_velocities_and_stops_when_they_cease(probe_after, robot):
    probe, states, commands = _start(probe_after, robot, "command_timeout:=0.2")
    dof = Robot.load(robot).dof
    commands.publish(Float64MultiArray(data=array.array("d", [0.1] * dof)))
    probe.until(lambda: np.allclose(states[-1].velocity, 0.1, atol=0.01))
    probe.until(lambda: np.allclose(states[-1].velocity, 0.0, atol=1e-3))
    assert list(states[-1].name) == Robot.load(robot).joints
    moved = np.array(states[-1].position) - np.array(states[0].position)
    assert np.all((moved > 0.01) & (moved < 0.05)), "0.1 rad/s for about 0.2 s"


def test_without_a_timeout_the_arm_holds_its_last_command(probe_after):
    probe, states, commands = _start(probe_after, "panda_sim", "command_timeout:=0.0")
    assert np.allclose(states[-1].velocity, 0.0)
    commands.publish(Float64MultiArray(data=array.array("d", [0.1] * 7)))
    probe.until(lambda: np.allclose(states[-1].velocity, 0.1, atol=0.01))
    seen = len(states)
    probe.until(lambda: len(states) > seen + 90)  # longer than the default timeout
    assert np.allclose(states[-1].velocity, 0.1, atol=0.01)


@pytest.mark.parametrize("value", ["-1.0", "inf", "nan"])
def test_a_timeout_that_is_no_time_is_refused(ros, value):
    ros("-p", f"command_timeout:={'.inf' if value == 'inf' else '.nan' if value == 'nan' else value}")
    with pytest.raises(ValueError, match="command_timeout = .* is not allowed: give 0 s or more"):
        SimRobot()


@pytest.mark.parametrize("data", [[0.1] * 3, [np.nan] * 7], ids=["length", "nan"])
def test_an_invalid_command_is_refused(probe_after, data):
    probe, states, commands = _start(probe_after, "panda_sim")
    commands.publish(Float64MultiArray(data=array.array("d", data)))
    seen = len(states)
    probe.until(lambda: len(states) > seen + 20)
    assert np.allclose(states[-1].velocity, 0.0, atol=1e-3)


def test_the_target_can_be_placed_only_on_the_table(probe_after):
    probe, *_ = _start(probe_after, "panda_sim")
    targets = probe.listen(PoseStamped, "/sim_robot/target", qos.LATCHED)
    client = probe.node.create_client(PlaceTarget, "/sim_robot/place_target")
    probe.until(lambda: client.service_is_ready() and targets)
    for x, good in ((0.5, True), (9.0, False)):
        future = client.call_async(PlaceTarget.Request(position=Point(x=x, y=0.1)))
        probe.until(future.done)
        assert future.result().success is good
    assert "not on the table" in future.result().message
    probe.until(lambda: targets[-1].pose.position.x == 0.5)


def test_a_simulation_that_falls_behind_is_reported(probe_after):
    probe = probe_after()
    robot = probe.add(SimRobot())
    assert robot.diagnose()[:2] == (DiagnosticStatus.OK, "at rest, without commands")
    robot._stepped -= 1.0  # a pause of the process
    robot._advance()
    assert robot.diagnose()[0] == DiagnosticStatus.WARN
    assert robot.diagnose()[0] == DiagnosticStatus.OK
