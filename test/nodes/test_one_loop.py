"""The graph and virtual time run one loop: the same events give the same actions, stored rows and answers.

A run in virtual time is recorded: what reaches the actor and the learner, and what they send. The same events then go
through the nodes as messages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from stories import ROBOT, FakePlant

from franka_reacher_rl import msg
from franka_reacher_rl.core.base.datatypes import Action, Observation, Tick, Transition
from franka_reacher_rl.core.base.seeding import reset_rng
from franka_reacher_rl.core.base.settings import (
    EpisodeSettings,
    ImageSettings,
    LearnerSettings,
    NetworkSettings,
    SACSettings,
)
from franka_reacher_rl.core.learning.factory import make_trainer
from franka_reacher_rl.core.learning.networks import network_digest
from franka_reacher_rl.core.learning.trainer import Trainer
from franka_reacher_rl.core.loop import actor as loop
from franka_reacher_rl.core.loop.environment import Environment
from franka_reacher_rl.core.loop.events import Sensed
from franka_reacher_rl.core.loop.gate import UpdateBudget
from franka_reacher_rl.core.loop.learner import Learner as LearnerLoop
from franka_reacher_rl.core.policy.policy import Policy
from franka_reacher_rl.core.policy.policy_store import PolicyWriter
from franka_reacher_rl.core.policy.weights import FlatWeights
from franka_reacher_rl.core.task.frames import FrameStack
from franka_reacher_rl.nodes.actor import Actor
from franka_reacher_rl.nodes.learner import Learner
from franka_reacher_rl.ros.clocks import stamp_from_steady, steady_ns
from franka_reacher_rl.ros.messages import (
    action_from_msg,
    observation_msg,
    tick_from_msg,
    tick_msg,
    transition_from_msg,
    transition_msg,
)
from franka_reacher_rl.ros.standard_messages import bytes_msg, image_msg
from franka_reacher_rl.virtual.latency import Latency, LatencySampler
from franka_reacher_rl.virtual.timeline import Timeline

IMAGE = ImageSettings(width=16, height=16, crop_fraction=0.1)
NETWORK = NetworkSettings(channels=[4, 4], strides=[2, 2], hidden=[8, 8])
LEARNER = LearnerSettings(batch_size=4, warmup_steps=6, device="cpu", threads=1, nice=0, prefetch=False)
SEED = 3
PARAMETERS = [
    argument
    for value in (
        *("image.width:=16", "image.height:=16", "image.crop_fraction:=0.1", f"seed:={SEED}"),
        *("network.channels:=[4, 4]", "network.strides:=[2, 2]", "network.hidden:=[8, 8]"),
        *("learner.batch_size:=4", "learner.warmup_steps:=6", "learner.device:=cpu", "learner.threads:=1"),
        *("learner.nice:=0", "learner.prefetch:=false"),
    )
    for argument in ("-p", value)
]


class World(FakePlant):
    """Shows another frame and other joints at each time."""

    def read(self, now: int) -> Sensed:
        random = np.random.default_rng(now)
        frame = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        return Sensed(frame, float(random.uniform()), 0.1, now, random.normal(size=21).astype(np.float32))


class Updates:
    """The trainer as the timeline drives it; weights are the bytes that a policy message carries."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer, self._weights = trainer, FlatWeights(trainer.sac.policy)

    @property
    def updates(self) -> int:
        return self._trainer.updates

    def update(self) -> None:
        self._trainer.update(self._trainer.sample())

    def weights(self) -> bytes:
        return bytes(self._weights.bytes())


class Recording(Timeline):
    """Keeps every message in the order in which it was sent."""

    def __init__(self, *arguments: Any) -> None:
        self.sent: list[tuple[str, Any]] = []
        super().__init__(*arguments)

    def _route(self, output: str, message: Any) -> None:
        if output != "actor/velocity_command":
            self.sent.append((output, message))
        super()._route(output, message)

    def messages(self, output: str) -> list[Any]:
        return [message for name, message in self.sent if name == output]


def record(wiring: str) -> tuple[Recording, Trainer]:
    """Two episodes with a policy that is on its way for longer than a step."""
    trainer = make_trainer(IMAGE, NETWORK, SACSettings(), LEARNER, ROBOT.dof, SEED, rows=100, exact_draws=True)
    world, settings = World(), EpisodeSettings(cycle_ms=40.0, seconds=0.4)
    policy = Policy(IMAGE, NETWORK, ROBOT.dof, SEED)
    timeline = Recording(
        wiring,
        Environment(settings, ROBOT, world, lambda episode: reset_rng(SEED, episode)),
        loop.Actor(policy, FrameStack(IMAGE), ROBOT.dof),
        lambda stopwatch: LearnerLoop(trainer, UpdateBudget(LEARNER.warmup_steps, 1.0), stopwatch),
        Updates(trainer),
        world,
        LatencySampler(Latency.of({"interaction": 3.0, "update": 15.0, "policy_transfer": 7.0}, "test"), SEED),
    )
    for _ in range(2):
        timeline.reset()
        timeline.run_episode()
    return timeline, trainer


class Outbox:
    """Takes the place of a publisher."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def publish(self, message: Any) -> None:
        self.messages.append(message)


@pytest.mark.parametrize("wiring", ["sync", "async"])
def test_the_actor_node_acts_and_stores_as_in_virtual_time(ros: Callable[..., None], wiring: str) -> None:
    timeline, _ = record(wiring)
    ros(*PARAMETERS)
    node = Actor()
    actions, rows = Outbox(), Outbox()
    node._actions, node._transitions = actions, rows
    writer = PolicyWriter("", network_digest(IMAGE, NETWORK, ROBOT.dof))
    first = Policy(IMAGE, NETWORK, ROBOT.dof, SEED)
    start = FlatWeights(first._network).bytes()

    def policy(weights: bytes | memoryview, version: int) -> None:
        announced = msg.Policy(**vars(writer.inline(memoryview(weights), version)))
        announced.stamp, announced.weights = stamp_from_steady(steady_ns()), bytes_msg(bytes(weights))
        node._on_policy(announced)

    policy(start, 0)
    ticks = "learner/update_done" if wiring == "sync" else "environment/cycle"
    for output, message in timeline.sent:
        if output == "environment/observation":
            now = steady_ns()
            shown: Observation = dataclasses.replace(message, taken=now, captured=now)
            node._on_observation(observation_msg(shown, image_msg(shown.frame, msg.Observation().header)))
        elif output == ticks:
            node._on_tick(tick_msg(message, stamp_from_steady(steady_ns())))
        elif output == "learner/policy":
            policy(message.weights, message.version)
    writer.close()

    expected: list[Action] = timeline.messages("actor/action")
    found = [action_from_msg(message) for message in actions.messages]
    assert len(expected) == 20 and [a.id for a in found] == [a.id for a in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert np.array_equal(ours.action, theirs.action)
        assert (ours.policy_version, ours.policy_age_steps) == (theirs.policy_version, theirs.policy_age_steps)
    assert expected[-1].policy_version > 0, "no policy arrived"
    compare_rows([transition_from_msg(message) for message in rows.messages], timeline.messages("actor/transition"))


@pytest.mark.parametrize("wiring", ["sync", "async"])
def test_the_learner_node_stores_and_answers_as_in_virtual_time(probe_after: Callable[..., Any], wiring: str) -> None:
    timeline, trainer = record(wiring)
    probe = probe_after(*PARAMETERS)
    node = probe.add(Learner())
    answers = Outbox()
    node._answers = answers
    requests = "environment/cycle" if wiring == "sync" else "learner/update_done"
    expected: list[Tick] = []
    for output, message in timeline.sent:
        if output == "actor/transition":
            node._on_transition(transition_msg(message))
        if output == "learner/update_done":
            expected.append(message)
            # an answer of virtual time: wait for the node's before its next input
            probe.until(lambda: len(answers.messages) == len(expected))
        if output == requests:
            node._on_request(tick_msg(message, stamp_from_steady(steady_ns())))
    assert [tick_from_msg(message) for message in answers.messages] == expected
    assert trainer.updates > 5
    node.on_stop()
    stored, theirs = node._trainer.replay, trainer.replay
    assert stored.total == theirs.total
    for ours, virtual in zip(stored.slots(0, stored.total), theirs.slots(0, theirs.total), strict=True):
        assert ours.tobytes() == virtual.tobytes()


def compare_rows(found: list[Transition], expected: list[Transition]) -> None:
    assert len(found) == len(expected) == 22
    for ours, virtual in zip(found, expected, strict=True):
        assert ours.observation.id == virtual.observation.id and ours.policy_version == virtual.policy_version
        assert np.array_equal(ours.action, virtual.action)
        assert np.array_equal(ours.observation.frame, virtual.observation.frame)
        assert np.array_equal(ours.observation.proprioception, virtual.observation.proprioception)
        assert ours.observation.reward == pytest.approx(virtual.observation.reward, rel=1e-6)
