"""The lines that a person at the console reads: one per episode."""

from __future__ import annotations

import time
from collections.abc import Callable

from franka_reacher_rl.core.base.datatypes import EndReason
from franka_reacher_rl.core.task.summary import EpisodeSummary

HEADER = "  episode   return  steps  updates  updates/s  observation age  late cycles  policy age      left"
HEADER_EVERY = 20  # episodes


class Console:
    """Formats episodes as lines of a table."""

    def __init__(self, training_minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Start a table.

        Args:
            training_minutes: Planned training time; 0: no limit.
            clock: Steady time, s.
        """
        self._minutes, self._clock = training_minutes, clock
        self._began: float | None = None
        self._first = self._lines = 0

    def lines(self, summary: EpisodeSummary, episodes: int) -> list[str]:
        """Return the lines of an episode: the header where it is due, and the row.

        Args:
            summary: Of the episode.
            episodes: Planned number of episodes; 0: no limit.
        """
        if self._began is None:
            self._began, self._first = self._clock() - summary.duration, summary.episode
        header = [HEADER] if self._lines % HEADER_EVERY == 0 else []
        self._lines += 1
        number = f"{summary.episode}/{episodes}" if episodes else f"{summary.episode}"
        ended = "" if summary.end_reason == EndReason.TIME_LIMIT.value else f"  ended: {summary.end_reason}"
        row = (
            f"{number:>9} {summary.episode_return:8.1f} {summary.steps:6d} {_known(summary.updates, '8.0f')} "
            f"{_known(summary.updates_per_s, '10.1f')} {_known(summary.observation_age_ms_median, '12.1f')} ms "
            f"{summary.late_cycles:12d} {_known(1e3 * summary.policy_age_s_median, '8.0f')} ms "
            f"{self._left(summary, episodes):>9}{ended}"
        )
        return [*header, row]

    def _left(self, summary: EpisodeSummary, episodes: int) -> str:
        """Return the time left at the pace so far, or an empty string without a limit."""
        assert self._began is not None
        done = summary.episode - self._first + 1
        shares = []
        if episodes:
            shares.append((episodes - summary.episode) / done)
        if self._minutes:
            left = max(0.0, self._minutes * 60.0 - summary.training_seconds)
            shares.append(left / max(1e-3, summary.duration) / done)
        if not shares:
            return ""
        seconds = round(min(shares) * (self._clock() - self._began))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _known(value: float, form: str) -> str:
    """Format a number; a dash of the same width where it is unknown."""
    width = int(form.partition(".")[0])
    return f"{value:{form}}" if value == value else f"{'-':>{width}}"
