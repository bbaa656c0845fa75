"""For the launch tests: the real launch files, and a watcher of what goes over the topics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
import rclpy.node
from launch import LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
from launch_testing.actions import ReadyToTest
from rclpy.executors import SingleThreadedExecutor

ROOT = Path(__file__).resolve().parents[2]


def included(wiring: str, **arguments: str) -> LaunchDescription:
    """One of the package's launch files with arguments, ready to test at once."""
    source = AnyLaunchDescriptionSource(str(ROOT / "launch" / f"{wiring}.launch.py"))
    return LaunchDescription(
        [IncludeLaunchDescription(source, launch_arguments=list(arguments.items())), ReadyToTest()]
    )


def setting(name: str) -> str:
    """The path of a test's setting."""
    return str(ROOT / "test" / "settings" / f"{name}.yaml")


def assert_ended_well(proc_info: Any) -> None:
    """Every node ended with exit code 0; launch_testing may miss the environment's, whose exit ends the launch."""
    codes = {info.process_name.rsplit("-", 1)[0]: getattr(info, "returncode", None) for info in proc_info}
    ended = {name: code for name, code in codes.items() if code is not None}
    assert len(codes) == 11 and len(ended) >= 10 and set(ended.values()) == {0}, codes


class Watcher:
    """Listens to topics in a thread until closed; messages are kept in the order of their arrival."""

    def __init__(self, *topics: tuple[type, str, Any]) -> None:
        self._context = rclpy.Context()
        self._context.init()
        self.node = rclpy.node.Node("watcher", context=self._context)
        self.heard: dict[str, list[Any]] = {}
        for kind, topic, qos in topics:
            self.heard[topic] = []
            self.node.create_subscription(kind, topic, self.heard[topic].append, qos)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()

    def until(self, condition: Callable[[], Any], seconds: float) -> None:
        """Waits until a condition holds and fails when it does not in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            threading.Event().wait(0.02)

    def close(self) -> None:
        """Ends the thread."""
        self._executor.shutdown()
        self._thread.join(timeout=5.0)
        self.node.destroy_node()
        self._context.try_shutdown()


def stamp(message: Any) -> float:
    """Seconds since the epoch of a message with a header, or a Tick."""
    at = message.header.stamp if hasattr(message, "header") else message.stamp
    return float(at.sec) + 1e-9 * at.nanosec
