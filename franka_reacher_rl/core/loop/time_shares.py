"""Where the learner's time went between two reports."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from franka_reacher_rl.core.base.datatypes import Nanoseconds
from franka_reacher_rl.core.task.summary import LEARNER_PARTS, UNKNOWN

STARVING = 0.2  # share of the time from which a wait is reported
_SLACK = 0.05  # share of the time without work, from which nothing keeps the learner from its updates
_WAITS = {
    "waiting_for_data": "waits for transitions: see response_time in cycles.csv and, on two machines, test the link",
    "sampling": "waits for batches: set learner.prefetch: true, free a core, or use CUDA with learner.replay_on_device",
    "publishing": "waits for its policies to be published: check the shared memory with `doctor`",
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
        """Return what keeps the learner from updating and what to do, or an empty string.

        A learner that waits for its budget or for the next step has made all the updates that it may.
        """
        worst = max(_WAITS, key=lambda part: shares[part])
        idle = shares["waiting_for_budget"] + shares["waiting_for_request"]
        if shares[worst] <= STARVING or idle >= _SLACK:
            return ""
        return f"for {shares[worst]:.0%} of the time, the learner {_WAITS[worst]}"
