"""Messages that are dropped, repeated or overtaken break no rule of actor and learner."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from franka_reacher_rl.core.base.datatypes import Observation, StepId, Tick, Transition
from franka_reacher_rl.core.base.settings import ImageSettings
from franka_reacher_rl.core.learning.stopwatch import Stopwatch
from franka_reacher_rl.core.loop.actor import Actor
from franka_reacher_rl.core.loop.gate import UpdateBudget
from franka_reacher_rl.core.loop.learner import Learner
from franka_reacher_rl.core.task.frames import FrameStack

STEPS = [StepId(episode, step) for episode in (1, 2, 3) for step in range(4)]
IMAGE = ImageSettings(width=16, height=16, frames=2, crop_fraction=0.02)


class Policy:
    def load(self, weights: object) -> None:
        pass

    def reseed(self, episode: int) -> None:
        pass

    def act(self, stack: object, proprioception: object, deterministic: bool = False) -> np.ndarray:
        return np.zeros(7, np.float32)


@dataclass
class Trainer:
    """Keeps the steps that were stored."""

    stored: list[StepId] = field(default_factory=list)
    updates: int = 0
    can_sample: bool = True

    def add(self, transition: Transition) -> None:
        self.stored.append(transition.observation.id)

    @property
    def stored_steps(self) -> int:
        return len(self.stored)


def observation(step: StepId) -> Observation:
    frame = np.full((16, 16, 3), 10 * step.step, np.uint8)
    return Observation(step, frame, np.zeros(21, np.float32), 1.0, step.step == 0, False, step.step == 3)


# Which message comes next: mostly the following one, else one of those around it, again or early.
disturbed = st.lists(st.integers(0, len(STEPS) - 1), max_size=40)


@settings(max_examples=300, deadline=None)
@given(observations=disturbed, ticks=disturbed)
def test_the_actor_acts_once_on_each_step_and_stores_it_once(observations: list[int], ticks: list[int]) -> None:
    actor = Actor(Policy(), FrameStack(IMAGE), 7)
    actor.on_policy(0, 0, None)
    acted, stored = [], []
    events = [("tick", i) for i in ticks] + [("observation", i) for i in observations]
    events.sort(key=lambda event: event[1] // 2)  # roughly in order, as over a bad link
    for kind, i in events:
        step = actor.on_tick(Tick(STEPS[i])) if kind == "tick" else actor.on_observation(observation(STEPS[i]))
        if step.transition is not None:
            stored.append(step.transition.observation.id)
        if step.command is not None:
            acted.append(actor.sent(0).id)
    assert acted == sorted(set(acted)) and stored == sorted(set(stored))
    assert all(step.step < 3 for step in acted), "nobody acts on a final observation"


@settings(max_examples=300, deadline=None)
@given(rows=disturbed, requests=disturbed)
def test_the_learner_stores_each_step_once_and_answers_what_comes_after(rows: list[int], requests: list[int]) -> None:
    trainer = Trainer()
    learner = Learner(trainer, UpdateBudget(2, 1.0), Stopwatch())
    events = [("row", i) for i in rows] + [("request", i) for i in requests]
    events.sort(key=lambda event: event[1] // 2)
    answered = []

    def answer() -> None:
        for _ in range(3):
            work = learner.next()
            if work is None:
                return
            trainer.updates += work.update
            answered.append(learner.answer(work).id)

    for kind, i in events:
        if kind == "request":
            learner.on_request(Tick(STEPS[i]))
        else:
            try:
                learner.on_transition(Transition(observation(STEPS[i]), np.zeros(7, np.float32)))
            except ValueError as error:
                assert "repetition" in str(error)
        answer()
    assert trainer.stored == sorted(set(trainer.stored))
    assert answered == sorted(answered)
    # Whatever has gone wrong before, the next step is stored and answered.
    after = StepId(9, 0)
    learner.on_transition(Transition(observation(after), np.zeros(7, np.float32)))
    learner.on_request(Tick(after))
    answer()
    assert after in answered
