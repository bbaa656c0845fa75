"""Messages of another run are refused and counted."""

from types import SimpleNamespace
from typing import Any

import pytest

from franka_reacher_rl.ros.run import identity as run_identity
from franka_reacher_rl.ros.run.identity import RunIdentity


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> RunIdentity:
    monkeypatch.setattr(run_identity, "declare_param", lambda *_: "mine")
    logger = SimpleNamespace(warning=lambda *_, **__: None)
    return RunIdentity(SimpleNamespace(get_logger=lambda: logger))  # type: ignore[arg-type]


def test_only_messages_of_the_run_are_passed_on(identity: RunIdentity) -> None:
    taken: list[Any] = []
    take = identity.only(taken.append)
    take(mine := SimpleNamespace(run_id="mine"))
    take(SimpleNamespace(run_id="theirs"))
    take(SimpleNamespace(run_id=""))
    assert taken == [mine] and identity.refused == 2
    assert identity.last_refusal == "SimpleNamespace: of run ''"


def test_a_message_that_cannot_be_used_is_refused(identity: RunIdentity) -> None:
    def take(message: Any) -> None:
        raise ValueError("it has no rows")

    identity.only(take)(SimpleNamespace(run_id="mine"))
    assert identity.refused == 1 and identity.last_refusal.endswith("it has no rows")


def test_messages_carry_the_run(identity: RunIdentity) -> None:
    assert identity.mark(SimpleNamespace(run_id="")).run_id == "mine"
