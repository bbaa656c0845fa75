"""Tests of the identification with the bridge and a simulated arm in this process."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from franka_reacher_rl.cli import main
from franka_reacher_rl.clients import identify as module
from franka_reacher_rl.clients.identify import Identify
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.nodes.robot_bridge import RobotBridge
from franka_reacher_rl.nodes.sim_robot import SimRobot
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import steady_seconds
from franka_reacher_rl.sim.world import World

ROBOT = Robot.load("panda_sim")
SPEED = 0.1


class LateArm(SimRobot):
    """A simulated arm that follows its commands after a delay."""

    def __init__(self, delay: float) -> None:
        self.delay, self.waiting = delay, deque()
        super().__init__()
        self.steady_timer(0.001, self._on_tick)

    def _on_command(self, message):
        self.waiting.append((steady_seconds() + self.delay, message))

    def _on_tick(self):
        while self.waiting and self.waiting[0][0] <= steady_seconds():
            super()._on_command(self.waiting.popleft()[1])


def measured_lag():
    """Return the time in which the simulated arm reaches 63 % of a step, averaged over its joints."""
    world, reached = World(ROBOT), np.zeros(ROBOT.dof)
    for joint in range(ROBOT.dof):
        world.reset(ROBOT.start_middle())
        world.set_command(SPEED * np.eye(ROBOT.dof)[joint])
        started = world.time
        while world.dq[joint] < (1.0 - np.exp(-1.0)) * SPEED:
            world.step(0.002)
        reached[joint] = world.time - started
    return reached.mean()


@pytest.fixture
def started(probe_after):
    """Starts an arm with a delay, its bridge, and the identification of some of its joints."""

    def start(delay=0.0, robot=ROBOT, speed=SPEED, repeats=1):
        probe = probe_after(message_info=True)
        probe.add(LateArm(delay))
        bridge = probe.add(RobotBridge())
        probe.until(lambda: bridge._bridge.status.mode == "ready")
        return probe, bridge, probe.add(Identify(robot, speed, repeats))

    return start


@pytest.mark.parametrize("delay", [0.0, 0.04])
def test_the_lag_and_delay_of_the_simulated_arm_are_found(started, delay):
    probe, _, node = started(delay)
    probe.until(lambda: node.done, 60.0)
    assert node.problem == "" and len(node.fits) == ROBOT.dof
    total = np.median([fit.lag + fit.delay for fit in node.fits])
    # A command waits for its transport, and a measurement for the next publication, for some milliseconds.
    assert -0.002 < total - measured_lag() - delay < 0.015


def test_an_arm_that_does_not_move_is_reported(started):
    probe, _, node = started(delay=1000.0)
    probe.until(lambda: node.done)
    assert "the bridge is fault (joint state is frozen" in node.problem


def test_a_stopped_bridge_is_reported(started):
    probe, bridge, node = started()
    bridge._on_stop_request(Trigger.Request(), Trigger.Response())
    probe.until(lambda: node.done)
    assert "the bridge is stopped" in node.problem and "call ~/arm" in node.problem


def test_another_robot_is_reported(started):
    probe, _, node = started(robot=Robot.load("ur5e_sim"))
    probe.until(lambda: node.done)
    assert node.problem == "the bridge drives robot 'panda_sim', not 'ur5e_sim': give --robot"


def test_another_publisher_of_commands_is_reported(started):
    probe, _, node = started()
    probe.node.create_publisher(JointState, "velocity_command", qos.RELIABLE)
    probe.until(lambda: node.done, 15.0)
    assert "2 nodes publish velocity commands" in node.problem


def test_a_missing_bridge_is_reported(ros, monkeypatch, capsys):
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    assert main(["identify", "--robot", "panda_sim"]) == 2
    assert "no robot state on /robot_bridge/robot_state (there is no bridge): start" in capsys.readouterr().err


def test_a_speed_above_that_of_an_episode_is_refused(capsys):
    assert main(["identify", "--robot", "panda_sim", "--speed", "0.5"]) == 2
    assert "at most 0.2 rad/s" in capsys.readouterr().err


def test_the_lines_are_printed_and_written(monkeypatch, capsys, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("driver:\n  lag: 0.5 # guessed\nname: mine\n")
    fits = [module.Fit(lag, 0.004, 0.001) for lag in (0.02, 0.022, 0.03)]
    monkeypatch.setattr(module, "identify", lambda *_: fits)
    monkeypatch.setattr(Robot, "load", lambda name: ROBOT)
    assert main(["identify", "--robot", str(path)]) == 0
    line = "lag: 0.0220 # s, 0.0200 to 0.0300 in 3 of 3 movements of 7 joints"
    assert line in capsys.readouterr().out and "0.5 # guessed" in path.read_text()
    assert main(["identify", "--robot", str(path), "--write"]) == 0
    assert f"  {line}\n  delay: 0.0040" in path.read_text() and path.read_text().endswith("\nname: mine\n")
