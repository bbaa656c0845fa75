"""Real rclpy in this process, started anew for each test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
import rclpy
from probe import Probe


@pytest.fixture
def ros() -> Iterator[Callable[..., None]]:
    """Starts rclpy with command-line arguments: `ros("-p", "name:=value")`.

    In the next domain, since nodes of an earlier test may live on until Python collects them.
    """

    def start(*arguments: str) -> None:
        os.environ["ROS_DOMAIN_ID"] = str(int(os.environ["ROS_DOMAIN_ID"]) % 100 + 1)
        rclpy.init(args=["--ros-args", *arguments] if arguments else None)

    yield start
    rclpy.try_shutdown()


@pytest.fixture
def probe_after(ros: Callable[..., None]) -> Iterator[Callable[..., Probe]]:
    """Starts rclpy with arguments and gives a probe."""
    probes: list[Probe] = []

    def start(*arguments: str, message_info: bool = False) -> Probe:
        ros(*arguments)
        probes.append(Probe(message_info=message_info))
        return probes[-1]

    yield start
    for probe in probes:
        probe.close()
