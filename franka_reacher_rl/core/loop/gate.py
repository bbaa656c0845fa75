"""Decides which request the learner answers when, and whether with an update.

The same rules give the lockstep of the sync graph and the free run of the async graph; only the sender of the requests
differs.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from franka_reacher_rl.core.base.datatypes import StepId


class Answer(Enum):
    """What to do with the pending request."""

    UPDATE = "update"
    ANSWER = "answer"  # without an update
    WAIT_FOR_DATA = "waiting_for_data"
    WAIT_FOR_BUDGET = "waiting_for_budget"
    WAIT_FOR_REQUEST = "waiting_for_request"


class UpdateBudget:
    """At most `max_updates_per_step` updates per step stored after the warm-up.

    Attributes:
        closed: Whether no update is allowed any more.
    """

    def __init__(self, warmup_steps: int, max_updates_per_step: float) -> None:
        self.warmup_steps = warmup_steps
        self.max_updates_per_step = max_updates_per_step
        self.closed = False

    def allowed(self, stored_steps: int, updates: int) -> bool:
        """Return whether one more update is within the budget."""
        return not self.closed and updates + 1 <= self.max_updates_per_step * (stored_steps - self.warmup_steps)

    def warming_up(self, stored_steps: int) -> bool:
        """Return whether the replay is still filling before the first update."""
        return stored_steps <= self.warmup_steps


class RequestGate:
    """Decides about the newest request.

    A request for a new step is answered at once when that step's transition is stored. A request for a step already
    answered, the learner's own echo, waits until the budget allows an update. The gate starts with such an echo
    pending, which sets the async loop going even if a first message is lost to discovery; in sync the first new step
    replaces it.
    """

    def __init__(self, budget: UpdateBudget) -> None:
        self._budget = budget
        self._answered = StepId(0, 0)
        self._pending: StepId | None = StepId(0, 0)

    @property
    def pending(self) -> StepId | None:
        """The request to answer next, or None."""
        return self._pending

    def request(self, step: StepId) -> None:
        """Take a request, which replaces the pending one; one that is older than the last answer is ignored."""
        if not step < self._answered:
            self._pending = step

    def decide(self, newest_stored: StepId, stored_steps: int, updates: int) -> Answer:
        """Return what to do now, given the newest row in the replay and the counters."""
        if self._pending is None:
            return Answer.WAIT_FOR_REQUEST
        allowed = self._budget.allowed(stored_steps, updates)
        if self._answered < self._pending:
            if newest_stored < self._pending:
                return Answer.WAIT_FOR_DATA
            return Answer.UPDATE if allowed else Answer.ANSWER
        if allowed:
            return Answer.UPDATE
        warming_up = self._budget.warming_up(stored_steps)
        return Answer.WAIT_FOR_DATA if warming_up else Answer.WAIT_FOR_BUDGET

    def answer(self) -> StepId:
        """Mark the pending request as answered and return it."""
        assert self._pending is not None, "answer() without a pending request"
        self._answered, self._pending = max(self._answered, self._pending), None
        return self._answered

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        pending = self._pending
        return {
            "answered": [self._answered.episode, self._answered.step],
            "pending": None if pending is None else [pending.episode, pending.step],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from a state."""
        self._answered = StepId(*state["answered"])
        self._pending = None if state["pending"] is None else StepId(*state["pending"])
