"""The actor's rules: when to act, how frames are stacked, and what is stored.

Pure: events come in with their time, outputs go out as values. The actor node and virtual time run this code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.datatypes import (
    Action,
    Nanoseconds,
    Observation,
    StepId,
    Tick,
    Transition,
    number,
    vector,
)
from franka_reacher_rl.core.task.frames import FrameStack

_TICKS = 8  # that are kept


class Policy(Protocol):
    """What acts."""

    def load(self, weights: Any) -> None:
        """Take new weights."""

    def reseed(self, episode: int) -> None:
        """Begin the noise of an episode."""

    def act(
        self, stack: npt.NDArray[np.uint8], proprioception: npt.NDArray[np.float32], deterministic: bool = False
    ) -> npt.NDArray[np.float32]:
        """Return an action (joints,) in [-1, 1]."""


@dataclass(frozen=True)
class Step:
    """What follows from an event: a command to send at once, then a transition to store."""

    command: npt.NDArray[np.float32] | None = None  # (joints,), normalised to [-1, 1]; call `Actor.sent` once it is out
    transition: Transition | None = None


@dataclass(frozen=True)
class _Pending:
    """A command that has been decided and not yet sent."""

    observation: Observation
    action: npt.NDArray[np.float32]
    version: int
    published: Nanoseconds
    uses: int


class Actor:
    """Acts on observation k when it holds a tick for k and a policy at least as new as the tick says.

    Nobody acts on a final observation, and nothing is acted on twice. Each observation is stored once, with the
    action that was sent for the step before it.
    """

    def __init__(self, policy: Policy, stack: FrameStack, dof: int, *, evaluate: bool = False) -> None:
        """Start without a policy version: nothing is acted on before `on_policy`.

        Args:
            policy: What acts.
            stack: Empty; of the policy's frames.
            dof: Joints of the arm.
            evaluate: Act without noise and store nothing.
        """
        self._policy, self._stack, self._evaluate = policy, stack, evaluate
        self._none = Action(StepId(0, 0), np.zeros(dof, np.float32))
        self._observation: Observation | None = None
        self._ticks: dict[StepId, int] = {}  # the newest, with the policy version that each asks for
        self._last = self._none  # the action that was sent last in this episode
        self._pending: _Pending | None = None
        self.acted = StepId(0, 0)
        self._stored = StepId(0, 0)
        self.version: int | None = None  # of the policy
        self._published: Nanoseconds = 0
        self._uses = 0

    def on_policy(self, version: int, published: Nanoseconds, weights: Any) -> Step:
        """Take a policy, and act if that was all that was missing.

        Args:
            version: Of the policy.
            published: When the learner published it.
            weights: As `Policy.load` takes them.

        Raises:
            ValueError: The weights cannot be used; the policy is kept as it was.
        """
        self._policy.load(weights)
        self.version, self._published, self._uses = version, published, 0
        return Step(self._act_if_due())

    def on_tick(self, tick: Tick) -> Step:
        """Take a tick. Ticks may arrive in any order, and before their observation."""
        self._ticks.pop(tick.id, None)
        self._ticks[tick.id] = tick.policy_version
        while len(self._ticks) > _TICKS:
            del self._ticks[next(iter(self._ticks))]
        return Step(self._act_if_due())

    def on_observation(self, observation: Observation) -> Step:
        """Take an observation: act on it if due, and store it with the action that led to it.

        Raises:
            ValueError: It cannot be used; nothing has changed.
        """
        vector(observation.proprioception, 3 * self._none.action.size, "proprioception")
        number(observation.reward, "reward")
        previous = self._observation
        gap = previous is None or observation.first or observation.id.step != previous.id.step + 1
        if gap:
            self._stack.reset(observation.frame)
        else:
            self._stack.push(observation.frame)
        self._observation = observation
        if observation.first:
            self._last, self._pending = self._none, None
            self._policy.reseed(observation.id.episode)
        led_here = self._last
        return Step(self._act_if_due(), self._transition(observation, led_here))

    def sent(self, now: Nanoseconds) -> Action:
        """Record that the last command has left, and return the action with its ages."""
        assert self._pending is not None, "sent() without a command"
        pending, self._pending = self._pending, None
        self._last = Action(
            id=pending.observation.id,
            action=pending.action,
            policy_version=pending.version,
            observation_age=1e-9 * (now - pending.observation.captured),
            response_time=1e-9 * (now - pending.observation.taken),
            policy_age=1e-9 * max(0, now - pending.published),
            policy_age_steps=pending.uses,
            lateness=pending.observation.lateness,
        )
        return self._last

    def _act_if_due(self) -> npt.NDArray[np.float32] | None:
        observation = self._observation
        if observation is None or observation.last or not self.acted < observation.id:
            return None
        wanted = self._ticks.get(observation.id)
        if wanted is None or self.version is None or self.version < wanted:
            return None
        self.acted = observation.id
        action = self._policy.act(self._stack.stack, observation.proprioception, deterministic=self._evaluate)
        self._pending = _Pending(observation, action, self.version, self._published, self._uses)
        self._uses += 1
        return action

    def _transition(self, observation: Observation, action: Action) -> Transition | None:
        if self._evaluate or not self._stored < observation.id:
            return None
        self._stored = observation.id
        return Transition(observation, action.action, action.policy_version, action.observation_age, action.policy_age)

    def state(self) -> dict[str, Any]:
        """Return what later episodes depend on, as JSON values; to be asked for between two episodes."""
        return {
            "ticks": [[tick.episode, tick.step, version] for tick, version in self._ticks.items()],
            "acted": [self.acted.episode, self.acted.step],
            "stored": [self._stored.episode, self._stored.step],
            "policy": [self.version, self._published, self._uses],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from a state; the policy's weights are loaded separately."""
        self._ticks = {StepId(episode, step): version for episode, step, version in state["ticks"]}
        self.acted, self._stored = StepId(*state["acted"]), StepId(*state["stored"])
        self.version, self._published, self._uses = state["policy"]
