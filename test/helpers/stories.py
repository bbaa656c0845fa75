"""Stand-ins for arm and learner, so that a test sees nothing but the order of events."""

from __future__ import annotations

import numpy as np

from franka_reacher_rl.core.base.datatypes import StepId
from franka_reacher_rl.core.base.settings import EpisodeSettings
from franka_reacher_rl.core.loop.gate import UpdateBudget
from franka_reacher_rl.virtual.latency import Clockwork, Latency
from franka_reacher_rl.virtual.timeline import Timeline
from franka_reacher_rl.virtual.wiring import Action, View, Wiring

MS = 1_000_000


class FakePlant:
    """An arm that is where it should be; its reset takes a given time."""

    def __init__(self, reset_ms: int = 20, period_ms: int = 10) -> None:
        self.period = period_ms * MS
        self.held = self.watchdog_stops = self.commands_limited = 0
        self.controls: list[int] = []
        self._reset_ms, self._until, self._now = reset_ms, 0, 0

    def begin_reset(self, episode: int, now: int) -> None:
        self._until = now + self._reset_ms * MS

    def resetting(self) -> bool:
        return self._now < self._until

    def begin_episode(self, now: int) -> None:
        self._now = now

    def control(self, now: int) -> None:
        self._now = now
        self.controls.append(now)

    def command(self, action: Action, now: int) -> None:
        pass

    def observe(self, now: int) -> View:
        return View(np.zeros((1, 1, 3), np.uint8), np.zeros(3, np.float32), 1.0)


class FakeAgent:
    """Counts, and remembers which policy acted when."""

    def __init__(self) -> None:
        self.stored_steps = self.updates = self.version = 0
        self.acted_with: list[int] = []
        self.seen: list[tuple[StepId, bool]] = []

    def see(self, view: View, step: StepId, *, truncated: bool) -> None:
        self.stored_steps += step.step > 0
        self.seen.append((step, truncated))

    def act(self) -> Action:
        self.acted_with.append(self.version)
        return np.zeros(1, np.float32)

    def update(self) -> None:
        self.updates += 1

    def use(self, version: int) -> None:
        assert version > self.version, "policies arrive in order"
        self.version = version


class Story:
    """A timeline with its stand-ins, and what happened as lines of `milliseconds event`."""

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
        self.timeline = Timeline(
            Wiring(wiring),
            EpisodeSettings(cycle_ms=cycle_ms, seconds=seconds, action_timeout=action_timeout),
            UpdateBudget(warmup, per_step),
            Clockwork(Latency.of(latency or {}, "test"), seed),
            self.plant,
            self.agent,
            lambda now, what: self.lines.append(f"{now // MS} {what}"),
        )

    def tell(self, episodes: int = 1) -> list[str]:
        for episode in range(1, episodes + 1):
            self.timeline.reset(episode)
            self.outcome = self.timeline.run_episode(episode)
        return self.lines
