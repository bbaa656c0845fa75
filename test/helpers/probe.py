"""A probe that publishes to nodes under test and listens to them, in this process with real rclpy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import rclpy.node

from franka_reacher_rl.ros.spin.executor import Executor


class Probe:
    """Publishes to and listens to nodes under test."""

    def __init__(self, *, message_info: bool = False) -> None:
        self.node = rclpy.node.Node("probe")
        self.executor = Executor(message_info=message_info)
        self.executor.add_node(self.node)
        self._nodes: list[Any] = []

    def add(self, node: Any) -> Any:
        """Spins a node under test too, and destroys it after the test."""
        self.executor.add_node(node)
        self._nodes.append(node)
        return node

    def listen(self, kind: type, topic: str, qos: Any) -> list[Any]:
        """A list that grows with each message."""
        received: list[Any] = []
        self.node.create_subscription(kind, topic, received.append, qos)
        return received

    def until(self, condition: Callable[[], Any], seconds: float = 30.0) -> None:
        """Spins until a condition holds, and fails when it does not in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            self.executor.spin_once(timeout_sec=0.05)

    def remove(self, node: Any) -> None:
        """Ends a node as its process would."""
        self._nodes.remove(node)
        self.executor.remove_node(node)
        for _ in range(10):  # what the executor has accepted for it still runs
            self.executor.spin_once(timeout_sec=0.0)
        getattr(node, "on_stop", lambda: None)()
        node.destroy_node()

    def close(self) -> None:
        """Ends the nodes as their processes would."""
        for node in list(self._nodes):
            self.remove(node)
        self.executor.shutdown()
        self.node.destroy_node()
