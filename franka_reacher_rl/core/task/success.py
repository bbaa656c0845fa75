"""When an episode counts as a success: the target has filled a share of the image for a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from franka_reacher_rl.core.base.settings import EpisodeSettings


@dataclass
class Success:
    """Follows the coverage of an episode's frames."""

    settings: EpisodeSettings
    _since: float | None = None  # s; when the coverage rose above the share; None: it is below
    _reached: float | None = None  # s; when it rose for long enough

    def take(self, time: float, coverage: float) -> None:
        """Take the coverage of a frame.

        Args:
            time: Since the episode's first observation, s.
            coverage: Share of the image that the target covers, 0 to 1; NaN: unknown, which is no success.
        """
        if not coverage >= self.settings.success_coverage:
            self._since = None
        elif self._since is None:
            self._since = time
        if self._reached is None and self._since is not None and time - self._since >= self.settings.success_seconds:
            self._reached = self._since

    @property
    def time_to_reach(self) -> float:
        """Time from the first observation until the target was reached, s; NaN: it was not."""
        return math.nan if self._reached is None else self._reached

    @property
    def reached(self) -> bool:
        """Whether the target was reached."""
        return self._reached is not None
