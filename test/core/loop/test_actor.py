"""The actor's rules: when it acts, what it sees, what it stores."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from franka_reacher_rl.core.base.datatypes import Observation, StepId, Tick
from franka_reacher_rl.core.base.settings import ImageSettings
from franka_reacher_rl.core.loop.actor import Actor
from franka_reacher_rl.core.task.frames import FrameStack

MS = 1_000_000


class Policy:
    """Acts with its version, and remembers the stacks it saw."""

    def __init__(self) -> None:
        self.weights: Any = None
        self.episode = 0  # of the noise
        self.stacks: list[npt.NDArray[np.uint8]] = []

    def load(self, weights: Any) -> None:
        if weights == "damaged":
            raise ValueError("damaged")
        self.weights = weights

    def reseed(self, episode: int) -> None:
        self.episode = episode

    def act(self, stack: Any, proprioception: Any, deterministic: bool = False) -> Any:
        self.stacks.append(stack)
        return np.full(2, self.weights, np.float32)


@pytest.fixture
def policy() -> Policy:
    return Policy()


@pytest.fixture
def actor(policy: Policy) -> Actor:
    made = Actor(policy, FrameStack(ImageSettings(width=16, height=16)), dof=2)
    made.on_policy(0, 0, 0.0)
    return made


def observation(episode: int, step: int, *, last: bool = False, taken: int = 0, captured: int = 0) -> Observation:
    return Observation(
        id=StepId(episode, step),
        frame=np.full((16, 16, 3), 10 * episode + step, np.uint8),
        proprioception=np.zeros(6, np.float32),
        reward=1.0,
        first=step == 0,
        terminated=False,
        truncated=last,
        captured=captured,
        taken=taken,
    )


def tick(episode: int, step: int, version: int = 0) -> Tick:
    return Tick(StepId(episode, step), version)


def seen(policy: Policy) -> list[int]:
    """The last stack as one value per frame, newest first."""
    return [int(v) for v in policy.stacks[-1][::3, 0, 0]]


def test_it_waits_for_tick_policy_and_observation_in_any_order(actor: Actor) -> None:
    assert actor.on_observation(observation(1, 0)).command is None
    assert actor.on_tick(tick(1, 0, version=2)).command is None
    assert actor.on_policy(1, 0, 0.1).command is None, "too old"
    assert actor.on_policy(2, 0, 0.2).command is not None
    actor.sent(0)
    assert actor.on_tick(tick(1, 1)).command is None
    assert actor.on_observation(observation(1, 1)).command is not None


def test_it_never_acts_twice_nor_on_a_final_observation(actor: Actor) -> None:
    actor.on_tick(tick(1, 0))
    assert actor.on_observation(observation(1, 0)).command is not None
    actor.sent(0)
    assert actor.on_tick(tick(1, 0)).command is None
    assert actor.on_policy(1, 0, 0.1).command is None
    actor.on_tick(tick(1, 1))
    assert actor.on_observation(observation(1, 1, last=True)).command is None


def test_an_older_tick_is_ignored(actor: Actor) -> None:
    actor.on_tick(tick(1, 1))
    actor.on_tick(tick(1, 0))
    assert actor.on_observation(observation(1, 1)).command is not None


def test_a_stray_tick_does_not_silence_the_actor(actor: Actor) -> None:
    actor.on_tick(tick(4000, 0))
    for step in range(3):
        actor.on_tick(tick(1, step))
        assert actor.on_observation(observation(1, step)).command is not None
        actor.sent(0)


def test_stacks_start_anew_with_an_episode_and_after_a_gap(actor: Actor, policy: Policy) -> None:
    for step in range(3):
        actor.on_tick(tick(1, step))
        actor.on_observation(observation(1, step))
    assert seen(policy) == [12, 11, 10]
    actor.on_tick(tick(1, 5))
    actor.on_observation(observation(1, 5))
    assert seen(policy) == [15, 15, 15], "frames from before a gap in the steps do not remain"
    actor.on_tick(tick(2, 0))
    actor.on_observation(observation(2, 0))
    assert seen(policy) == [20, 20, 20]


def test_ages_are_taken_when_the_command_leaves(actor: Actor) -> None:
    actor.on_policy(3, 10 * MS, 0.3)
    actor.on_tick(tick(1, 0))
    actor.on_observation(observation(1, 0, captured=30 * MS, taken=40 * MS))
    actor.on_policy(4, 41 * MS, 0.4)  # arrives while the command is on its way
    action = actor.sent(45 * MS)
    assert (action.id, action.policy_version, action.policy_age_steps) == (StepId(1, 0), 3, 0)
    assert action.observation_age == pytest.approx(0.015) and action.response_time == pytest.approx(0.005)
    assert action.policy_age == pytest.approx(0.035), "of the policy that acted"


def test_a_row_holds_the_action_that_was_sent_before_it(actor: Actor) -> None:
    actor.on_policy(1, 0, 0.5)
    actor.on_tick(tick(1, 0))
    first = actor.on_observation(observation(1, 0)).transition
    assert first is not None and not first.action.any() and first.policy_version == 0
    sent = actor.sent(7 * MS)
    actor.on_tick(tick(1, 1))
    second = actor.on_observation(observation(1, 1))
    assert second.command is not None and second.transition is not None
    assert np.array_equal(second.transition.action, sent.action) and second.transition.policy_version == 1
    assert second.transition.observation_age == sent.observation_age
    # the command for step 1 never leaves: the arm goes on with the last one
    third = actor.on_observation(observation(1, 2, last=True)).transition
    assert third is not None and np.array_equal(third.action, sent.action)
    again = actor.on_observation(observation(2, 0)).transition
    assert again is not None and not again.action.any()


def test_no_observation_is_stored_twice(actor: Actor) -> None:
    assert actor.on_observation(observation(1, 0)).transition is not None
    assert actor.on_observation(observation(1, 0)).transition is None


def test_the_noise_begins_anew_with_each_episode(actor: Actor, policy: Policy) -> None:
    """So a resumed run continues with the noise of its next episode, not with that of its first."""
    for episode in (1, 2, 9):
        actor.on_observation(observation(episode, 0))
        assert policy.episode == episode
        policy.episode = 0
        actor.on_observation(observation(episode, 1))
        assert policy.episode == 0


def test_an_evaluation_stores_nothing(policy: Policy) -> None:
    actor = Actor(policy, FrameStack(ImageSettings(width=16, height=16)), dof=2, evaluate=True)
    actor.on_policy(0, 0, 0.0)
    actor.on_tick(tick(1, 0))
    step = actor.on_observation(observation(1, 0))
    assert step.command is not None and step.transition is None


def test_without_a_policy_it_does_not_act(policy: Policy) -> None:
    actor = Actor(policy, FrameStack(ImageSettings(width=16, height=16)), dof=2)
    actor.on_tick(tick(1, 0))
    assert actor.on_observation(observation(1, 0)).command is None
    with pytest.raises(ValueError, match="damaged"):
        actor.on_policy(1, 0, "damaged")
    assert actor.version is None


def test_frames_of_another_size_are_refused_with_the_settings_to_change(actor: Actor) -> None:
    other = observation(1, 0)
    object.__setattr__(other, "frame", np.zeros((9, 16, 3), np.uint8))
    with pytest.raises(ValueError, match=r"expected uint8\(16, 16, 3\): give camera and actor the same image.width"):
        actor.on_observation(other)
