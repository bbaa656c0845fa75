"""A simple arm, trainer and policy, so that a test sees nothing but the order of events."""

from __future__ import annotations

from typing import Any

import numpy as np

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import StepId, Transition
from franka_reacher_rl.core.base.seeding import reset_rng
from franka_reacher_rl.core.base.settings import EpisodeSettings, ImageSettings
from franka_reacher_rl.core.loop.actor import Actor
from franka_reacher_rl.core.loop.environment import Environment
from franka_reacher_rl.core.loop.events import BridgeCounters, Sensed
from franka_reacher_rl.core.loop.gate import UpdateBudget
from franka_reacher_rl.core.loop.learner import Learner
from franka_reacher_rl.core.task.frames import FrameStack
from franka_reacher_rl.virtual.latency import Latency, LatencySampler
from franka_reacher_rl.virtual.timeline import Timeline

MS = 1_000_000
ROBOT = Robot.load("panda_sim")
IMAGE = ImageSettings(width=16, height=16)


class FakePlant:
    """An arm that is where it should be; its reset takes a given time."""

    def __init__(self, reset_ms: int = 20, period_ms: int = 10) -> None:
        self.period = period_ms * MS
        self.controls: list[int] = []
        self._reset_ms, self._until, self._now = reset_ms, 0, 0

    def move_to(self, q: Any, now: int) -> None:
        self._until = now + self._reset_ms * MS

    def place_target(self, xy: Any) -> None:
        pass

    def moving(self) -> bool:
        return self._now < self._until

    def begin_episode(self, now: int) -> None:
        self._now = now

    def control(self, now: int) -> None:
        self._now = now
        self.controls.append(now)

    def command(self, action: Any, now: int) -> None:
        pass

    def read(self, now: int) -> Sensed:
        return Sensed(np.zeros((16, 16, 3), np.uint8), 1.0, 0.1, now, np.zeros(21, np.float32))

    def missing(self, now: int) -> str:
        return ""

    def since(self, time: int) -> bool:
        return True

    def counters(self) -> BridgeCounters:
        return BridgeCounters(0, 0.0, 0)

    def refused(self) -> dict[str, int]:
        return {}


class FakeAgent:
    """Trainer and policy: counts, and remembers which policy acted when. A policy's weights are its version."""

    def __init__(self) -> None:
        self.stored_steps = self.updates = 0
        self.can_sample = True
        self.version = -1
        self.acted_with: list[int] = []
        self.seen: list[tuple[StepId, bool]] = []

    def add(self, transition: Transition) -> None:
        observation = transition.observation
        self.stored_steps += not observation.first
        self.seen.append((observation.id, observation.truncated))

    def update(self) -> None:
        self.updates += 1

    def weights(self) -> int:
        return self.updates

    def load(self, weights: int) -> None:
        assert weights > self.version, "policies arrive in order"
        self.version = weights

    def reseed(self, episode: int) -> None:
        pass

    def act(self, stack: Any, proprioception: Any, deterministic: bool = False) -> Any:
        self.acted_with.append(self.version)
        return np.zeros(7, np.float32)


class Story:
    """A timeline of simple parts, and what happened as lines of `milliseconds event`."""

    def __init__(
        self,
        wiring: str,
        latency: dict[str, object] | None = None,
        *,
        cycle_ms: float = 40.0,
        seconds: float = 0.12,
        warmup: int = 0,
        per_step: float = 1.0,
        reset_ms: int = 20,
        action_timeout: float = 2.0,
        seed: int = 0,
    ) -> None:
        self.lines: list[str] = []
        self.plant, self.agent = FakePlant(reset_ms), FakeAgent()
        settings = EpisodeSettings(cycle_ms=cycle_ms, seconds=seconds, action_timeout=action_timeout)
        self.timeline = Timeline(
            wiring,
            Environment(settings, ROBOT, self.plant, lambda episode: reset_rng(seed, episode)),
            Actor(self.agent, FrameStack(IMAGE), ROBOT.dof),
            lambda stopwatch: Learner(self.agent, UpdateBudget(warmup, per_step), stopwatch),
            self.agent,
            self.plant,
            LatencySampler(Latency.of(latency or {}, "test"), seed),
            lambda now, what: self.lines.append(f"{now // MS} {what}"),
        )

    def tell(self, episodes: int = 1) -> list[str]:
        for _ in range(episodes):
            self.timeline.reset()
            self.outcome = self.timeline.run_episode()
        return self.lines
