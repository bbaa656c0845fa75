"""Reruns integration tests that failed because the computer was too slow to simulate the robot in real time."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from protocol_server import Server


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
        server = getattr(item, "funcargs", {}).get("server")
        overloads = server.overloads() if isinstance(server, Server) else []
        if overloads:
            raise RobotTooSlow(f"{overloads[-1]}; the failure was: {error}") from error
        raise
