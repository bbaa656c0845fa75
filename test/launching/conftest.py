"""What launch files do to their process must not last beyond a test."""

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def unclaimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs that are described but never run claim no names."""
    monkeypatch.setattr("franka_reacher_rl.launching.graph.claim_graph", lambda *_: lambda: None)
