"""The learner's rules: which request is answered when, and where the waiting goes."""

from __future__ import annotations

import numpy as np

from franka_reacher_rl.core.base.datatypes import Observation, StepId, Tick, Transition
from franka_reacher_rl.core.learning.stopwatch import Stopwatch
from franka_reacher_rl.core.loop.gate import UpdateBudget
from franka_reacher_rl.core.loop.learner import Learner, Work


class Trainer:
    """Counts."""

    def __init__(self) -> None:
        self.stored_steps = self.updates = 0
        self.can_sample = True

    def add(self, transition: Transition) -> None:
        self.stored_steps += not transition.observation.first


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def row(episode: int, step: int) -> Transition:
    frame, proprioception = np.zeros((1, 1, 3), np.uint8), np.zeros(3, np.float32)
    observation = Observation(StepId(episode, step), frame, proprioception, 0.0, step == 0, False, False)
    return Transition(observation, np.zeros(1, np.float32))


def test_a_new_step_is_answered_once_it_is_stored_and_with_an_update_once_the_budget_allows() -> None:
    trainer, clock = Trainer(), Clock()
    learner = Learner(trainer, UpdateBudget(warmup_steps=1, max_updates_per_step=1.0), Stopwatch(clock))
    learner.on_request(Tick(StepId(1, 1)))
    assert learner.next() is None, "its transition is missing"
    learner.on_transition(row(1, 1))
    assert learner.next() == Work(StepId(1, 1), update=False)
    assert learner.answer(Work(StepId(1, 1), update=False)) == Tick(StepId(1, 1), 0)
    learner.on_request(Tick(StepId(1, 2)))
    learner.on_transition(row(1, 2))
    work = learner.next()
    assert work == Work(StepId(1, 2), update=True)
    trainer.updates += 1
    assert learner.answer(work) == Tick(StepId(1, 2), 1)
    assert learner.next() is None, "no request is pending"


def test_waiting_goes_to_the_stopwatch_by_its_reason() -> None:
    trainer, clock = Trainer(), Clock()
    stopwatch = Stopwatch(clock)
    learner = Learner(trainer, UpdateBudget(0, 1.0), stopwatch)
    assert learner.next() is None  # the echo it starts with waits for data
    clock.now = 5
    learner.on_transition(row(1, 0))
    learner.on_transition(row(1, 1))
    work = learner.next()
    assert work is not None and work.update
    clock.now = 7  # the update: the caller's to account for
    trainer.updates += 1
    assert learner.next() is None  # no request
    clock.now = 10
    learner.on_request(Tick(work.step))
    assert learner.next() is None  # the budget is used up
    clock.now = 14
    assert stopwatch.totals() == {"waiting_for_data": 5, "waiting_for_request": 3, "waiting_for_budget": 4}


def test_a_saved_state_continues() -> None:
    trainer = Trainer()
    learner = Learner(trainer, UpdateBudget(0, 1.0), Stopwatch())
    learner.on_transition(row(1, 1))
    learner.on_request(Tick(StepId(1, 2)))
    again = Learner(trainer, UpdateBudget(0, 1.0), Stopwatch())
    again.load_state(learner.state())
    assert again.next() is None
    again.on_transition(row(1, 2))
    assert again.next() == Work(StepId(1, 2), update=True)
