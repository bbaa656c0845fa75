"""The action cycle of an episode on a steady clock: when the next observation is due, and when the episode ends.

Pure: time is passed in, so the environment node and virtual time run the same code.
"""

from __future__ import annotations

from dataclasses import dataclass

from franka_reacher_rl.core.base.datatypes import EndReason
from franka_reacher_rl.core.base.settings import EpisodeSettings


@dataclass(frozen=True)
class Cycle:
    """One observation taken."""

    step: int
    lateness: float  # s past the deadline
    end: EndReason | None  # set at the final observation


class EpisodeClock:
    """Deadlines, lateness and the end of one episode.

    The world never waits: an observation is taken when its deadline has passed and the last step's action is out. A
    late one keeps the grid of deadlines unless it lost more than half a cycle; then the grid starts anew from it, so
    that no burst of short cycles follows.
    """

    def __init__(self, settings: EpisodeSettings) -> None:
        self._settings = settings
        self._cycle = settings.cycle_ms / 1000.0
        self.step = -1
        self.start = 0.0
        self._deadline = 0.0
        self._taken = 0.0
        self._acted = False

    @property
    def deadline(self) -> float:
        """When the next observation is due (s)."""
        return self._deadline

    @property
    def acted(self) -> bool:
        """Whether the current step's action is out."""
        return self._acted

    def begin(self, now: float) -> Cycle:
        """Takes the first observation."""
        self.step, self.start, self._taken, self._acted = 0, now, now, False
        self._deadline = now + self._cycle
        return Cycle(0, 0.0, None)

    def on_action(self, step: int) -> None:
        """The action of a step is out; another step's (an old one) is ignored."""
        self._acted = self._acted or step == self.step

    def due(self, now: float) -> bool:
        """Whether the next observation is to be taken now."""
        return self._acted and now >= self._deadline

    def timed_out(self, now: float) -> bool:
        """Whether the actor has been silent for too long."""
        return not self._acted and now - self._taken > self._settings.action_timeout

    def take(self, now: float, end: EndReason | None = None) -> Cycle:
        """Takes the next observation; the last one where time is up or `end` is given."""
        self.step += 1
        lateness = now - self._deadline
        elapsed = now - self.start
        self._taken, self._acted = now, False
        grid = self._deadline if lateness <= self._cycle / 2 else now
        self._deadline = grid + self._cycle
        if end is None and elapsed > self._settings.seconds - self._cycle / 2:
            end = EndReason.TIME_LIMIT
        return Cycle(self.step, lateness, end)
