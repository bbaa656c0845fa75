"""Reruns integration tests that failed because the computer was too slow to simulate the robot in real time."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol, runtime_checkable

import pytest


@runtime_checkable
class Watched(Protocol):
    """A fixture that notices when its processes got too little of the computer."""

    def overloads(self) -> list[str]:
        """When that was the case, in words."""


class RobotTooSlow(Exception):
    """Raised in place of a failure while the computer was too busy to simulate the robot in real time."""


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
