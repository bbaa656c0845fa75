"""The thread of the updates, with a trainer that counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from franka_reacher_rl.core.base.datatypes import Observation, StepId, Tick, Transition
from franka_reacher_rl.core.base.settings import LearnerSettings
from franka_reacher_rl.core.link.sender import Gap
from franka_reacher_rl.core.loop.update_thread import UpdateThread


class Trainer:
    """Counts, and fails or is slow where a test asks for it."""

    def __init__(self) -> None:
        self.stored_steps = self.updates = self.saves = 0
        self.during_update: Callable[[], None] = lambda: None
        self.can_sample, self.saving, self.problem, self.fails_at = True, False, "", 0

    def start(self) -> None:
        pass

    def add(self, transition: Transition) -> None:
        if transition.observation.reward != transition.observation.reward:
            raise ValueError("reward is not finite")
        self.stored_steps += not transition.observation.first

    def sample(self) -> str:
        return "batch"

    def update(self, batch: str) -> None:
        assert batch == "batch"
        self.during_update()
        self.updates += 1

    def check_update(self) -> bool:
        if self.updates != self.fails_at:
            return True
        self.problem = "critic_loss is nan"
        self.updates -= 1
        return False

    def save(self, extra: dict[str, Any] | None = None, wait: bool = False) -> bool:
        self.saves += 1
        self.extra = extra
        return True


class Thread:
    """An update thread and what it published."""

    def __init__(self, **changes: Any) -> None:
        self.trainer, self.published = Trainer(), threading.Semaphore(0)
        self.policies: list[int] = []
        self.answers: list[Tick] = []
        values = {"warmup_steps": 1, "checkpoint_period": 0.0, "threads": 1, "nice": 0, **changes}
        self.under_test = UpdateThread(self.trainer, LearnerSettings(**values), self._policy, self._answer)  # type: ignore[arg-type]

    def _policy(self) -> None:
        self.policies.append(self.trainer.updates)

    def _answer(self, tick: Tick) -> None:
        self.answers.append(tick)
        self.published.release()

    def step(self, number: int) -> None:
        """A step's request and transition, and its answer."""
        self.under_test.on_request(Tick(StepId(1, number)))
        self.under_test.on_transition(row(number))
        assert self.published.acquire(timeout=5.0), "no answer"


def row(step: int, reward: float = 1.0) -> Transition:
    frame, proprioception = np.zeros((1, 1, 3), np.uint8), np.zeros(3, np.float32)
    observation = Observation(StepId(1, step), frame, proprioception, reward, step == 0, False, False)
    return Transition(observation, np.zeros(1, np.float32))


@pytest.fixture
def make() -> Iterator[Callable[..., Thread]]:
    made: list[Thread] = []

    def start(**changes: Any) -> Thread:
        made.append(Thread(**changes))
        made[-1].under_test.start()
        return made[-1]

    yield start
    for thread in made:
        thread.under_test.stop(timeout=5.0)


def test_answers_follow_policies(make: Callable[..., Thread]) -> None:
    thread = make()
    for step in range(4):
        thread.step(step)
    assert [(a.id.step, a.policy_version) for a in thread.answers] == [(0, 0), (1, 0), (2, 1), (3, 2)]
    assert thread.policies == [0, 1, 2]
    assert set(thread.under_test.stopwatch.totals()) >= {"sampling", "update", "publishing"}


def test_transitions_are_stored_while_an_update_runs(make: Callable[..., Thread]) -> None:
    thread, updating, go_on = make(), threading.Event(), threading.Event()
    thread.step(0)
    thread.step(1)

    def wait() -> None:
        updating.set()
        assert go_on.wait(5.0)

    thread.trainer.during_update = wait
    thread.under_test.on_request(Tick(StepId(1, 2)))
    thread.under_test.on_transition(row(2))
    assert updating.wait(5.0)
    thread.under_test.on_transition(row(3))
    assert thread.trainer.stored_steps == 3
    go_on.set()
    assert thread.published.acquire(timeout=5.0)


def test_a_transition_that_cannot_be_stored_is_the_callers_to_report(make: Callable[..., Thread]) -> None:
    thread = make()
    with pytest.raises(ValueError, match="not finite"):
        thread.under_test.on_transition(row(0, reward=float("nan")))
    thread.step(0)
    assert thread.under_test.failure is None


def test_a_failing_update_ends_the_thread_and_is_kept(make: Callable[..., Thread]) -> None:
    thread = make()
    thread.step(0)
    thread.step(1)

    failing = threading.Event()

    def fail() -> None:
        failing.set()
        raise RuntimeError("out of memory")

    thread.trainer.during_update = fail
    thread.under_test.on_request(Tick(StepId(1, 2)))
    thread.under_test.on_transition(row(2))
    assert failing.wait(5.0)
    thread.under_test.stop(timeout=5.0)
    assert isinstance(thread.under_test.failure, RuntimeError)


def test_the_first_policy_and_the_first_update_are_saved_at_once(make: Callable[..., Thread]) -> None:
    thread = make(checkpoint_period=3600.0)
    saved: list[int] = []
    thread.trainer.save = lambda extra, wait: saved.append(thread.trainer.updates)  # type: ignore[assignment]
    for step in range(4):
        thread.step(step)
    thread.under_test.stop(timeout=5.0)
    assert saved == [0, 1]


def test_a_checkpoint_that_is_due_while_another_is_written_is_saved_after_it(make: Callable[..., Thread]) -> None:
    thread = make(checkpoint_period=3600.0)
    saved: list[int] = []

    def save(extra: dict[str, str], wait: bool = False) -> None:
        saved.append(thread.trainer.updates)
        thread.trainer.saving = True

    thread.trainer.save = save  # type: ignore[method-assign]
    for step in range(4):
        thread.step(step)
    assert saved == [0]
    thread.trainer.saving = False
    thread.step(4)
    thread.under_test.stop(timeout=5.0)
    assert len(saved) == 2 and saved[1] > 0


def test_checkpoints_are_saved_between_updates(make: Callable[..., Thread]) -> None:
    thread = make(checkpoint_period=1e-6)
    for step in range(3):
        thread.step(step)
    thread.under_test.stop(timeout=5.0)
    assert thread.trainer.saves >= 3


def test_after_an_update_that_is_not_finite_requests_are_answered_without_updates(make: Callable[..., Thread]) -> None:
    thread = make(checkpoint_period=1e-6)
    thread.trainer.fails_at = 2
    for step in range(4):
        thread.step(step)
    assert thread.under_test.stopped == "critic_loss is nan"
    saves = thread.trainer.saves
    thread.trainer.fails_at = 0
    for step in range(4, 8):
        thread.step(step)
    assert [a.policy_version for a in thread.answers] == [0, 0, 1, 1, 1, 1, 1, 1]
    assert thread.policies == [0, 1] and thread.trainer.updates == 1
    assert thread.under_test.failure is None and thread.trainer.stored_steps == 7
    thread.under_test.stop(timeout=5.0)
    assert thread.trainer.saves == saves


def test_an_echo_is_not_answered_after_updates_have_stopped(make: Callable[..., Thread]) -> None:
    """In the async graph, answers are requests: answering them at once would spin."""
    thread = make()
    thread.trainer.fails_at = 1
    for step in range(3):
        thread.step(step)
    assert thread.under_test.stopped
    thread.under_test.on_request(thread.answers[-1])
    assert not thread.published.acquire(timeout=0.3)


def test_a_state_that_cannot_be_saved_because_it_is_not_finite_stops_the_updates(make: Callable[..., Thread]) -> None:
    thread = make(checkpoint_period=1e-6)
    for step in range(3):
        thread.step(step)
    thread.trainer.problem = "optimizer.critic.0.exp_avg_sq is not finite"
    for step in range(3, 8):
        thread.step(step)
    assert thread.under_test.stopped == thread.trainer.problem
    versions = [answer.policy_version for answer in thread.answers]
    assert versions[-1] == versions[-3] < 6, "there were updates until it was noticed"


def test_nothing_is_updated_while_no_transition_is_held(make: Callable[..., Thread]) -> None:
    thread = make()
    thread.trainer.can_sample = False
    for step in range(4):
        thread.step(step)
    assert thread.trainer.updates == 0
    thread.trainer.can_sample = True
    thread.step(4)
    assert thread.trainer.updates == 1


def test_spooled_transitions_are_stored_once_and_in_order(make: Callable[..., Thread]) -> None:
    thread = make()
    under_test = thread.under_test
    for number, step in ((1, 0), (1, 0), (3, 2), (2, 1), (2, 1), (3, 2)):
        under_test.on_spooled(number, lambda step=step: row(step))  # type: ignore[misc]
    assert thread.trainer.stored_steps == 2 and under_test.received == 3 and under_test.missing == 0
    under_test.on_gap(Gap(4, 9))
    under_test.on_spooled(10, lambda: row(9))
    assert under_test.received == 10 and under_test.missing == 6 and thread.trainer.stored_steps == 3


def test_a_spooled_transition_that_cannot_be_stored_is_not_asked_for_again(make: Callable[..., Thread]) -> None:
    thread = make()

    def damaged() -> Transition:
        raise ValueError("image has 3 bytes")

    with pytest.raises(ValueError, match="3 bytes"):
        thread.under_test.on_spooled(1, damaged)
    with pytest.raises(ValueError, match="not finite"):
        thread.under_test.on_spooled(2, lambda: row(0, reward=float("nan")))
    thread.under_test.on_spooled(3, lambda: row(1))
    assert thread.under_test.received == 3 and thread.trainer.stored_steps == 1


def test_a_checkpoint_has_the_number_of_the_last_row_it_holds(make: Callable[..., Thread]) -> None:
    thread = make()
    seen: list[tuple[int, int]] = []
    added = threading.Event()

    def save(extra: dict[str, Any], wait: bool) -> bool:
        writer = threading.Thread(target=add, daemon=True)
        writer.start()  # a transition arrives while the rows are copied
        added.wait(0.2)
        seen.append((extra["received"], thread.trainer.stored_steps))
        return True

    def add() -> None:
        thread.under_test.on_spooled(3, lambda: row(3))
        added.set()

    for number in (1, 2):
        thread.under_test.on_spooled(number, lambda number=number: row(number))  # type: ignore[misc]
    thread.trainer.save = save  # type: ignore[method-assign, assignment]
    thread.under_test.save()
    assert seen == [(2, 2)]
    assert added.wait(5.0) and thread.under_test.received == 3


def test_a_restored_thread_continues_after_the_last_number(make: Callable[..., Thread]) -> None:
    thread = Thread()
    thread.under_test.resume_after(StepId(1, 5), received=6, missing=1)
    thread.under_test.on_spooled(6, lambda: row(5))
    thread.under_test.on_spooled(7, lambda: row(6))
    assert (thread.under_test.received, thread.under_test.missing, thread.trainer.stored_steps) == (7, 1, 1)


def test_the_end_of_an_episode_is_noticed_once_its_final_observation_is_stored(make: Callable[..., Thread]) -> None:
    thread = make()
    thread.step(0)
    assert thread.under_test.ended == 0
    final = row(1)
    thread.under_test.on_transition(replace(final, observation=replace(final.observation, truncated=True)))
    assert thread.under_test.ended == 1
