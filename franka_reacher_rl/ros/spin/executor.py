"""Runs the callbacks of nodes: rclpy those of messages and services, and the nodes' own timers in between."""

from __future__ import annotations

from typing import Any

import rclpy.node
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from franka_reacher_rl.ros.spin.timers import Timers

try:  # it takes half the processor time: the wait set is not built anew for every message
    from rclpy.experimental import EventsExecutor as _Messages
except ImportError:  # ROS 2 Humble
    _Messages = SingleThreadedExecutor


class Executor:
    """An executor of rclpy that also runs the timers of nodes which have some."""

    def __init__(self, context: Context | None = None, *, message_info: bool = False) -> None:
        """Create an executor without nodes.

        Args:
            context: Of the nodes; None: the default one.
            message_info: Whether callbacks take the information on a message too, which only the slower one passes.
        """
        kind = SingleThreadedExecutor if message_info else _Messages
        self._messages: Any = kind(context=context)
        self._timers: list[Timers] = []

    def add_node(self, node: rclpy.node.Node) -> None:
        """Run the callbacks of a node."""
        self._messages.add_node(node)
        self._timers += [node.steady_timers] if hasattr(node, "steady_timers") else []

    def remove_node(self, node: rclpy.node.Node) -> None:
        """Run them no longer."""
        self._messages.remove_node(node)
        self._timers = [timers for timers in self._timers if timers is not getattr(node, "steady_timers", None)]

    def spin_once(self, timeout_sec: float) -> None:
        """Run the timers that are due, and the next callback of a message if one comes before the next timer.

        Args:
            timeout_sec: Longest wait in s.
        """
        for timers in self._timers:
            timers.run_due()
        for timers in self._timers:
            timeout_sec = timers.wait(timeout_sec)
        self._messages.spin_once(timeout_sec=timeout_sec)

    def shutdown(self) -> None:
        """Run nothing any longer."""
        self._messages.shutdown()
