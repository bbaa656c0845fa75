"""Timers on the steady clock, which a node's process runs between two messages.

rclpy's own timers wake the process once more, and with the executor that takes the least processor time they are those
of a thread that waits on the wall clock where ROS 2 was built for an old C library: a step of that clock delays them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from franka_reacher_rl.core.base.datatypes import Nanoseconds
from franka_reacher_rl.ros.clocks import steady_ns

PRECEDENCE: Nanoseconds = 2_000_000  # before the time of a single call, periodic ones wait for it,
LONGEST_DELAY: Nanoseconds = 4_000_000  # but no longer than this


class Timer:
    """Calls a function periodically, or once at a time that is set.

    Attributes:
        callback: The function.
        due: When the next call is due, on the steady clock; None: there is none.
        periodic: Whether it calls again and again.
    """

    def __init__(self, callback: Callable[[], None], period: Nanoseconds | None = None) -> None:
        """Start a periodic timer, or make one that waits to be set.

        Args:
            callback: Called when the timer is due.
            period: Between two calls; None: there is one call each time that `due` is set.
        """
        self.callback, self._period = callback, period
        self.periodic = period is not None
        self.due: Nanoseconds | None = None if period is None else steady_ns() + period

    def run(self, now: Nanoseconds) -> None:
        """Call the function if it is due. Calls that have been missed are left out."""
        if self.due is None or self.due > now:
            return
        self.due = None if self._period is None else self.due + self._period * (1 + (now - self.due) // self._period)
        self.callback()


class Timers:
    """The timers of a node. A single call at a set time is a deadline, for which periodic calls make way."""

    def __init__(self) -> None:
        self._timers: list[Timer] = []

    def add(self, timer: Timer) -> Timer:
        """Keep a timer running, and return it."""
        self._timers.append(timer)
        return timer

    def clear(self) -> None:
        """Remove all timers."""
        self._timers.clear()

    def __iter__(self) -> Iterator[Timer]:
        return iter(tuple(self._timers))

    def run_due(self) -> None:
        """Call what is due."""
        for timer in self:
            now = steady_ns()
            if self._time_of(timer, now) <= now:
                timer.run(now)

    def wait(self, longest: float) -> float:
        """Return the time until the next call in s, at most `longest`."""
        now = steady_ns()
        due = min((self._time_of(timer, now) for timer in self._timers), default=math.inf)
        return min(longest, max(0.0, 1e-9 * (due - now)))

    def _time_of(self, timer: Timer, now: Nanoseconds) -> float:
        """Return when a timer is to be called, ns; infinite if it is not."""
        if timer.due is None:
            return math.inf
        near = timer.periodic and any(
            t.due is not None and not t.periodic and t.due - now < PRECEDENCE for t in self._timers
        )
        return timer.due + (LONGEST_DELAY if near else 0)
