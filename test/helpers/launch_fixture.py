"""Launches that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from processes import Launch


@pytest.fixture
def launch() -> Iterator[Callable[..., Launch]]:
    """Starts a launch file: `launch("async", episodes="2")`."""
    started: list[Launch] = []

    def start(wiring: str, **arguments: str) -> Launch:
        started.append(Launch(wiring, **arguments))
        return started[-1]

    yield start
    for one in started:
        one.end()
