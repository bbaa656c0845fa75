"""Where a loop's time goes, by name."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class TimeBook:
    """Accounts a loop's seconds to named parts; what is not inside a part counts as the rest."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._since = time.monotonic()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Accounts the time inside the with block to a part."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds[name] += time.monotonic() - began

    def close(self) -> tuple[float, dict[str, float]]:
        """Ends the period: its length (s) and each part's fraction of it; the next period starts."""
        now = time.monotonic()
        length = max(1e-9, now - self._since)
        fractions = {name: min(1.0, seconds / length) for name, seconds in self._seconds.items()}
        self._seconds.clear()
        self._since = now
        return length, fractions
