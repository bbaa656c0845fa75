"""What carries out a velocity: one module per kind of arm, found by the robot file's `driver.name`."""

from __future__ import annotations

from typing import Any

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.drivers.base import Driver


def make_driver(node: Any, robot: Robot) -> Driver:
    """The driver a robot file names.

    Args:
        node: The rclpy node whose topics a driver may use.
        robot: The robot file.

    Raises:
        RuntimeError: The driver can't be used here; the message says what to do.
    """
    # Imported where needed: neither rclpy nor libfranka must be there for the other driver.
    if robot.driver.name == "franka":
        from franka_reacher_rl.drivers.franka import FrankaDriver

        return FrankaDriver(robot)
    from franka_reacher_rl.drivers.topic import TopicDriver

    return TopicDriver(node, robot)
