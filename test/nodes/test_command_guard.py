"""The guard's node: what it takes for the bridge, and what it publishes. The drills are integration tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
from probe import Probe
from std_msgs.msg import Empty, Float64MultiArray

from franka_reacher_rl.core.arm.guard import NAME
from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.nodes.command_guard import CommandGuard
from franka_reacher_rl.ros import qos

ROBOT = Robot.load("panda_sim")


class Setup:
    """The guard, and a probe in place of the bridge and the controller."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.guard = probe.add(CommandGuard())
        self.heartbeats = probe.listen(Empty, "command_guard/heartbeat", qos.RELIABLE)
        self.bridge = probe.node.create_publisher(Float64MultiArray, ROBOT.driver.command_topic, qos.RELIABLE)

    def connect(self) -> None:
        """Subscribe to the commands, as the controller does."""
        self.received: list[tuple[float, bool, np.ndarray]] = []
        self.probe.node.create_subscription(Float64MultiArray, ROBOT.driver.command_topic, self._on_command, qos.EVENT)
        self.probe.until(lambda: self.bridge.get_subscription_count() == 2 and self.heartbeats)

    def _on_command(self, message: Float64MultiArray) -> None:
        by_guard = bool(message.layout.dim) and message.layout.dim[0].label == NAME
        self.received.append((time.monotonic(), by_guard, np.array(message.data)))

    def command(self, velocity: float) -> None:
        self.bridge.publish(Float64MultiArray(data=[velocity] * 7))

    @property
    def guarded(self) -> list[np.ndarray]:
        return [velocity for _, by_guard, velocity in self.received if by_guard]


@pytest.fixture
def setup(probe_after: Callable[..., Probe]) -> Setup:
    return Setup(probe_after())


def test_its_own_commands_are_no_heartbeat_of_the_bridge(setup: Setup) -> None:
    setup.connect()
    setup.command(0.5)
    setup.probe.until(lambda: setup.guarded and not setup.guarded[-1].any())
    steps = np.diff([0.5, *(velocity[1] for velocity in setup.guarded)])
    assert (steps <= 0.0).all() and steps.min() >= -1.001 * ROBOT.limits.acceleration[1] / ROBOT.driver.control_rate
    assert setup.guard.drained()


def test_it_is_silent_while_the_bridge_commands_and_after_a_last_command_of_zero(setup: Setup) -> None:
    setup.connect()
    timer = setup.probe.node.create_timer(0.01, lambda: setup.command(0.5))
    setup.probe.until(lambda: len(setup.received) > 50)
    setup.probe.node.destroy_timer(timer)
    setup.command(0.0)
    ceased = time.monotonic()
    setup.probe.until(lambda: time.monotonic() > ceased + 3.0 * ROBOT.driver.deadline)
    lengths = np.diff([received for received, _, _ in setup.received])
    if lengths.max() < ROBOT.driver.deadline:  # not on a computer that is too busy to command in time
        assert not setup.guarded


def test_without_a_controller_there_is_no_heartbeat(setup: Setup) -> None:
    began = time.monotonic()
    setup.probe.until(lambda: time.monotonic() > began + 0.5)
    assert not setup.heartbeats
    setup.connect()


def test_an_arm_with_a_deadline_of_its_own_needs_no_guard(ros: Callable[..., None]) -> None:
    ros("-p", "robot:=fr3")
    with pytest.raises(ValueError, match="'fr3' needs no guard: driver franka has a deadline itself"):
        CommandGuard()


def test_it_loads_no_heavy_module() -> None:
    code = (
        "import sys, franka_reacher_rl.nodes.command_guard; "
        "sys.exit({'torch', 'pinocchio', 'mujoco', 'cv2', 'daqp', 'scipy', 'cv_bridge'} & set(sys.modules) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_a_stale_command_is_answered_with_the_guards_own(setup: Setup) -> None:
    setup.connect()
    setup.command(0.5)
    setup.probe.until(lambda: setup.guard._guard.braking and np.isinf(setup.guard._guard.alarm))  # it is silent again
    before = len(setup.received)
    setup.command(0.5)
    setup.probe.until(lambda: {by_guard for _, by_guard, _ in setup.received[before:]} == {False, True})
    assert not any(velocity.any() for _, by_guard, velocity in setup.received[before:] if by_guard)
