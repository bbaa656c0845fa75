"""Real rclpy, in this process: nodes under test beside a probe that publishes and listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import rclpy
import rclpy.node
from rclpy.executors import SingleThreadedExecutor


class Probe:
    """Publishes to and listens to nodes under test."""

    def __init__(self) -> None:
        self.node = rclpy.node.Node("probe")
        self.executor = SingleThreadedExecutor()
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

    def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        """Spins until a condition holds, and fails when it does not in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            self.executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        """Ends the nodes as their processes would."""
        for node in self._nodes:
            getattr(node, "on_stop", lambda: None)()
            node.destroy_node()
        self.executor.shutdown()
        self.node.destroy_node()


@pytest.fixture
def ros() -> Iterator[Callable[..., None]]:
    """Starts rclpy with command-line arguments: `ros("-p", "name:=value")`."""

    def start(*arguments: str) -> None:
        rclpy.init(args=["--ros-args", *arguments] if arguments else None)

    yield start
    rclpy.try_shutdown()


@pytest.fixture
def probe_after(ros: Callable[..., None]) -> Iterator[Callable[..., Probe]]:
    """Starts rclpy with arguments and gives a probe."""
    probes: list[Probe] = []

    def start(*arguments: str) -> Probe:
        ros(*arguments)
        probes.append(Probe())
        return probes[-1]

    yield start
    for probe in probes:
        probe.close()
