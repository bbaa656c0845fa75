"""The action cycle of an episode: when the next observation is due, and when the episode ends.

The time is passed in, so the graph and virtual time run the same code.
"""

from __future__ import annotations

from dataclasses import dataclass

from franka_reacher_rl.core.base.datatypes import EndReason, Nanoseconds
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
        self._cycle: Nanoseconds = round(settings.cycle_ms * 1e6)
        self._length: Nanoseconds = round(settings.seconds * 1e9)
        self._timeout: Nanoseconds = round(settings.action_timeout * 1e9)
        self.step = -1
        self._began: Nanoseconds = 0
        self._deadline: Nanoseconds = 0  # of the next observation
        self._taken: Nanoseconds = 0
        self._acted = False

    @property
    def alarm(self) -> Nanoseconds:
        """When the next observation is due or, while the step's action is missing, the step times out."""
        return self._deadline if self._acted else self._taken + self._timeout

    def begin(self, now: Nanoseconds) -> Cycle:
        """Take the first observation."""
        self.step, self._began, self._taken, self._acted = 0, now, now, False
        self._deadline = now + self._cycle
        return Cycle(0, 0.0, None)

    def on_action(self, step: int) -> None:
        """Record that the action of a step has been sent; one of another step is ignored."""
        self._acted = self._acted or step == self.step

    def due(self, now: Nanoseconds) -> bool:
        """Return whether the next observation is to be taken now."""
        return self._acted and now >= self._deadline

    def timed_out(self, now: Nanoseconds) -> bool:
        """Return whether the current step has waited for its action for as long as the timeout."""
        return not self._acted and now >= self._taken + self._timeout

    def take(self, now: Nanoseconds, end: EndReason | None = None) -> Cycle:
        """Take the next observation: the last one if the time is up or `end` is given."""
        self.step += 1
        late = now - self._deadline
        self._taken, self._acted = now, False
        grid = self._deadline if 2 * late <= self._cycle else now
        self._deadline = grid + self._cycle
        if end is None and 2 * (now - self._began) > 2 * self._length - self._cycle:
            end = EndReason.TIME_LIMIT
        return Cycle(self.step, 1e-9 * late, end)
