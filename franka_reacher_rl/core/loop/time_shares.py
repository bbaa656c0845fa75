"""Where the learner's time went between two reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from franka_reacher_rl.core.base.datatypes import Nanoseconds
from franka_reacher_rl.core.task.summary import LEARNER_PARTS, UNKNOWN

STARVING = 0.2  # share of the time from which a wait is reported
_WAITS = {
    "waiting_for_data": "transitions: they arrive more slowly than it could use them",
    "sampling": "batches: drawing them takes longer than updating",
    "publishing": "time: publishing the policy takes long",
}


class TimeShares:
    """Differences a stopwatch's totals."""

    def __init__(self, totals: Mapping[str, Nanoseconds], clock: Callable[[], Nanoseconds] = time.monotonic_ns) -> None:
        self._totals, self._clock = dict(totals), clock
        self._since = clock()

    def next(self, totals: Mapping[str, Nanoseconds]) -> tuple[float, dict[str, float]]:
        """Return the time since the last call in s, and each part's share of it."""
        now = self._clock()
        elapsed = max(1, now - self._since)
        shares = {part: (totals.get(part, 0) - self._totals.get(part, 0)) / elapsed for part in LEARNER_PARTS}
        shares["batch_transfer"] = UNKNOWN  # part of `sampling` or `update`, wherever the batch crosses
        self._totals, self._since = dict(totals), now
        return 1e-9 * elapsed, shares

    @staticmethod
    def starved_of(shares: Mapping[str, float]) -> str:
        """Return what keeps the learner from updating, in a sentence, or an empty string."""
        worst = max(_WAITS, key=lambda part: shares[part])
        if shares[worst] <= STARVING:
            return ""
        return f"the learner lacks {_WAITS[worst]} ({shares[worst]:.0%} of the time)"
