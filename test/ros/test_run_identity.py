"""Refusals: counted, named, and logged now and then."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from franka_reacher_rl.ros import run_identity
from franka_reacher_rl.ros.run_identity import Refusals


def test_refusals_are_counted_and_logged_once_in_ten_seconds_per_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    now, logged = [100.0], list[str]()
    monkeypatch.setattr(run_identity, "time", SimpleNamespace(monotonic=lambda: now[0]))
    refusals = Refusals(logged.append)
    for _ in range(3):
        refusals.add("Image on image", "too large")
    refusals.add("Tick on tick", ValueError("of run 'x'"))
    assert logged == ["refused Image on image: too large", "refused Tick on tick: of run 'x'"]
    assert (refusals.count, refusals.last) == (4, "Tick on tick: of run 'x'")
    assert (refusals.news(), refusals.news()) == (4, 0)
    now[0] += 10.0
    refusals.add("Image on image", "x" * 10_000)
    assert len(logged) == 3 and len(logged[2]) < 500
    assert refusals.news() == 1
