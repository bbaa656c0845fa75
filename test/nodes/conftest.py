"""Real rclpy in this process, started anew for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import rclpy
from probe import Probe


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
