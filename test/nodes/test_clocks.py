"""Tests that nodes use the steady clock, which a step of the wall clock does not disturb."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from probe import Probe

from franka_reacher_rl.nodes.camera import Camera
from franka_reacher_rl.nodes.reward import Reward
from franka_reacher_rl.nodes.robot_bridge import RobotBridge
from franka_reacher_rl.nodes.sim_robot import SimRobot
from franka_reacher_rl.ros.node import Node


@pytest.mark.parametrize("node_class", [Camera, Reward, RobotBridge, SimRobot])
def test_every_timer_is_on_the_steady_clock(probe_after: Callable[..., Probe], node_class: Callable[[], Node]) -> None:
    node = probe_after().add(node_class())
    assert not list(node.timers), "the clock of a timer of rclpy may be another"
