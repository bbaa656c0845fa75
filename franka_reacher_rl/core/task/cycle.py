"""The action cycle of an episode: when the next observation is due, and when the episode ends.

The time is passed in, so the graph and virtual time run the same code.
"""

from __future__ import annotations

from dataclasses import dataclass

from franka_reacher_rl.core.base.datatypes import EndReason
from franka_reacher_rl.core.base.settings import EpisodeSettings


@dataclass(frozen=True)
class Cycle:
    """An observation that has been taken."""

    step: int
    lateness: float  # s past the deadline
    end: EndReason | None  # set at the final observation


class EpisodeClock:
    """Tracks the deadlines, the lateness and the end of one episode.

    An observation is taken when its deadline has passed and the action of the last step has been sent. The world does
    not wait meanwhile. An observation that is at most half a cycle late leaves the grid of deadlines unchanged. After a
    later one the grid restarts at its time, so that no burst of short cycles follows.
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
        """When the next observation is due, s."""
        return self._deadline

    @property
    def acted(self) -> bool:
        """Whether the action of the current step has been sent."""
        return self._acted

    def begin(self, now: float) -> Cycle:
        """Take the first observation."""
        self.step, self.start, self._taken, self._acted = 0, now, now, False
        self._deadline = now + self._cycle
        return Cycle(0, 0.0, None)

    def on_action(self, step: int) -> None:
        """Record that the action of a step has been sent; one of another step is ignored."""
        self._acted = self._acted or step == self.step

    def due(self, now: float) -> bool:
        """Return whether the next observation is to be taken now."""
        return self._acted and now >= self._deadline

    def timed_out(self, now: float) -> bool:
        """Return whether the current step has waited for its action for longer than the timeout."""
        return not self._acted and now - self._taken > self._settings.action_timeout

    def take(self, now: float, end: EndReason | None = None) -> Cycle:
        """Take the next observation: the last one if the time is up or `end` is given."""
        self.step += 1
        lateness = now - self._deadline
        elapsed = now - self.start
        self._taken, self._acted = now, False
        grid = self._deadline if lateness <= self._cycle / 2 else now
        self._deadline = grid + self._cycle
        if end is None and elapsed > self._settings.seconds - self._cycle / 2:
            end = EndReason.TIME_LIMIT
        return Cycle(self.step, lateness, end)
