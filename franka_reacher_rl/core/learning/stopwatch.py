"""A stopwatch that accounts a thread's time to named parts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class Stopwatch:
    """Accumulates the time that one thread spends in named parts; any thread may read it.

    The totals only grow, so a reader gets the time of a period from the difference of two readings.
    """

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """Start with no part in progress.

        Args:
            clock: Returns the current time in nanoseconds.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._totals: dict[str, int] = {}
        self._part: str | None = None
        self._since = clock()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Account the time inside the with block to a part, then continue with the part before it."""
        before = self._part
        self.switch(name)
        try:
            yield
        finally:
            self.switch(before)

    def switch(self, name: str | None) -> None:
        """End the part in progress and begin another one, or none."""
        with self._lock:
            self._account()
            self._part = name

    def add(self, name: str, nanoseconds: int) -> None:
        """Add time to a part."""
        with self._lock:
            self._totals[name] = self._totals.get(name, 0) + nanoseconds

    def totals(self) -> dict[str, int]:
        """Return the nanoseconds of each part so far, including those of the part in progress."""
        with self._lock:
            self._account()
            return dict(self._totals)

    def state(self) -> dict[str, Any]:
        """Return the totals and the part in progress as JSON values."""
        with self._lock:
            self._account()
            return {"totals": dict(self._totals), "part": self._part}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state; the part in progress continues from the current time."""
        with self._lock:
            self._totals = {name: int(value) for name, value in state["totals"].items()}
            self._part, self._since = state["part"], self._clock()

    def _account(self) -> None:
        now = self._clock()
        if self._part is not None:
            self._totals[self._part] = self._totals.get(self._part, 0) + now - self._since
        self._since = now
