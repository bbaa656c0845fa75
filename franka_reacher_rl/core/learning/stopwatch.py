"""Where a loop's time goes, by name."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class TimeBook:
    """Accounts the seconds of one thread to named parts; another thread may read it at any time.

    A part that is under way when the period is closed counts up to then, and from then on in the next period.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seconds: dict[str, float] = defaultdict(float)
        self._since = self._mark = clock()
        self._part: str | None = None

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Accounts the time inside the with block to a part; parts do not nest."""
        self._switch(name)
        try:
            yield
        finally:
            self._switch(None)

    def close(self) -> tuple[float, dict[str, float]]:
        """Ends the period: its length (s) and each part's fraction of it; the next period starts."""
        with self._lock:
            now = self._account()
            length = max(1e-9, now - self._since)
            fractions = {name: seconds / length for name, seconds in self._seconds.items()}
            self._seconds.clear()
            self._since = now
        return length, fractions

    def _switch(self, name: str | None) -> None:
        with self._lock:
            self._account()
            self._part = name

    def _account(self) -> float:
        now = self._clock()
        if self._part is not None:
            self._seconds[self._part] += now - self._mark
        self._mark = now
        return now
