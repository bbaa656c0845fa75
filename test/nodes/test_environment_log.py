"""The environment's warnings and errors are logged from one place."""

from __future__ import annotations

from collections.abc import Callable

import rclpy

from franka_reacher_rl.core.loop.events import Warn
from franka_reacher_rl.nodes.environment import Environment


def test_an_error_may_follow_a_warning(ros: Callable[..., None]) -> None:
    ros()
    node = rclpy.create_node("log")
    for error in (False, True, False):
        Environment._log(node, Warn("the reset failed", error=error))
    node.destroy_node()
