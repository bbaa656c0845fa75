"""The learner's rules: what is stored, which request is answered when, and whether with an update.

Pure: the caller carries out the updates. The learner node and virtual time run this code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from franka_reacher_rl.core.base.datatypes import StepId, Tick, Transition
from franka_reacher_rl.core.loop.gate import Answer, RequestGate, UpdateBudget


class Trainer(Protocol):
    """The replay and the networks."""

    def add(self, transition: Transition) -> None:
        """Store a transition.

        Raises:
            ValueError: It cannot be stored.
        """

    @property
    def stored_steps(self) -> int:
        """Transitions ever stored."""

    @property
    def can_sample(self) -> bool:
        """Whether a transition is held; a damaged replay may have lost all of those stored."""

    @property
    def updates(self) -> int:
        """Updates made; also the version of the newest policy."""


class Stopwatch(Protocol):
    """Accounts time to named parts."""

    def switch(self, part: str | None) -> None:
        """Account the time from now on to a part, or to none."""


@dataclass(frozen=True)
class Work:
    """A request to answer now."""

    step: StepId
    update: bool  # whether with an update


class Learner:
    """Answers requests; see `RequestGate` for the rules. The time spent waiting goes to the stopwatch."""

    def __init__(self, trainer: Trainer, budget: UpdateBudget, stopwatch: Stopwatch) -> None:
        self._trainer, self._stopwatch = trainer, stopwatch
        self._budget, self._gate = budget, RequestGate(budget)
        self._newest = StepId(0, 0)
        self.ended = 0  # the last episode whose final observation is stored

    def on_transition(self, transition: Transition) -> None:
        """Store a transition.

        Raises:
            ValueError: It cannot be stored, or it is not newer than the last one; nothing has changed.
        """
        if not self._newest < transition.observation.id:
            raise ValueError(f"{transition.observation.id} has arrived after {self._newest}: it is a repetition")
        self._trainer.add(transition)
        self._newest = transition.observation.id
        if transition.observation.last:
            self.ended = self._newest.episode

    def on_request(self, tick: Tick) -> None:
        """Take an update request."""
        self._gate.request(tick.id)

    def next(self) -> Work | None:
        """Return the request to answer now, or None if something must come first."""
        stored = self._trainer.stored_steps
        stored = stored if stored and self._trainer.can_sample else 0
        answer = self._gate.decide(self._newest, stored, self._trainer.updates)
        if answer not in (Answer.UPDATE, Answer.ANSWER):
            self._stopwatch.switch(answer.value)
            return None
        self._stopwatch.switch(None)
        return Work(self._gate.answer(), update=answer is Answer.UPDATE)

    def answer(self, work: Work) -> Tick:
        """Return the answer to a request, once its update is made and its policy is published."""
        return Tick(work.step, self._trainer.updates)

    def stop_updates(self) -> None:
        """Answer all further requests without an update; an echo is not answered any more."""
        self._budget.closed = True

    def resume_after(self, newest: StepId) -> None:
        """Continue a run whose stored transitions end with this step."""
        self._newest = newest

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {"gate": self._gate.state(), "newest": [self._newest.episode, self._newest.step]}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self._gate.load_state(state["gate"])
        self._newest = StepId(*state["newest"])
