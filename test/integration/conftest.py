"""The transport of integration tests, and reruns where the computer was too slow to simulate the robot in real time."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Protocol, runtime_checkable

import pytest

from franka_reacher_rl.launching.middleware import middleware_settings


@runtime_checkable
class Watched(Protocol):
    """A fixture that notices when its processes got too little of the computer."""

    def overloads(self) -> list[str]:
        """When that was the case, in words."""


class RobotTooSlow(Exception):
    """Raised in place of a failure while the computer was too busy to simulate the robot in real time."""


@pytest.fixture(autouse=True)
def transport(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the transport of a launched graph.

    With its shared memory, Fast DDS may wait for ever when a process ends that knew one which was killed.
    """
    for name, value in middleware_settings(os.environ).items():
        monkeypatch.setenv(name, value)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "integration" in item.keywords:
            item.add_marker(pytest.mark.flaky(reruns=2, only_rerun="RobotTooSlow"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Raise RobotTooSlow if a test failed while the simulated robot was too slow."""
    try:
        return (yield)
    except Exception as error:
        watched = [v for v in getattr(item, "funcargs", {}).values() if isinstance(v, Watched)]
        overloads = [text for each in watched for text in each.overloads()]
        if overloads:
            raise RobotTooSlow(f"{overloads[-1]}; the failure was: {error}") from error
        raise
