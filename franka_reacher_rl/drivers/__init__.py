"""Drivers, which send velocities to an arm: one module per kind of arm, selected by `driver.name` of the robot file."""

from __future__ import annotations

from typing import Any

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.drivers.base import Driver


def make_driver(node: Any, robot: Robot) -> Driver:
    """Create the driver that a robot file names.

    Args:
        node: The node through which a driver may use topics and services.
        robot: The robot.

    Raises:
        RuntimeError: The driver cannot be used; the message says what to do.
    """
    # Imported here so that each driver needs only its own libraries.
    if robot.driver.name == "franka":
        from franka_reacher_rl.drivers.franka import FrankaDriver

        return FrankaDriver(robot)
    from franka_reacher_rl.drivers.topic import TopicDriver

    return TopicDriver(node, robot)
