"""Messages of another run are refused; refusals are counted, named, and logged now and then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from franka_reacher_rl.ros.run import identity as run_identity
from franka_reacher_rl.ros.run.identity import Refusals, RunIdentity


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> RunIdentity:
    monkeypatch.setattr(run_identity, "declare_param", lambda *_: "mine")
    return RunIdentity(SimpleNamespace())  # type: ignore[arg-type]


def test_only_messages_of_the_run_are_passed_on(identity: RunIdentity) -> None:
    taken: list[Any] = []
    take = identity.only(taken.append)
    take(mine := SimpleNamespace(run_id="mine"))
    for other in ("theirs", ""):
        with pytest.raises(ValueError, match=f"of run '{other}'; this is run 'mine'"):
            take(SimpleNamespace(run_id=other))
    assert taken == [mine]


def test_messages_carry_the_run(identity: RunIdentity) -> None:
    assert identity.mark(SimpleNamespace(run_id="")).run_id == "mine"


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
