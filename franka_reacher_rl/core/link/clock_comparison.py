"""Notices that another computer's clock differs, from the stamps of its messages."""

from __future__ import annotations

from dataclasses import dataclass

_WINDOW = 10.0  # s
_FEWEST = 5  # messages in a window


@dataclass
class _Window:
    began: float
    count: int
    least: float  # s
    before: float | None = None  # the result of the preceding window, s


class ClockComparison:
    """Compares this computer's clock with those of the senders of stamped messages.

    The age of a message on arrival is the time that it took, plus the difference of the clocks. The least age of many
    messages is close to the difference. It also contains the shortest time that the link takes, so a slow link looks
    like a clock that is behind. Late messages, for example those of an interrupted link, do not matter.
    """

    def __init__(self, allowed: float = 0.05) -> None:
        """Start without senders.

        Args:
            allowed: Difference that is not reported, s.
        """
        self._allowed = allowed
        self._windows: dict[str, _Window] = {}
        self._results: dict[str, float] = {}

    def take(self, now: float, sender: str, age: float) -> None:
        """Take note of a message.

        Args:
            now: Steady time, s.
            sender: Whose clock has stamped it.
            age: This computer's wall time minus its stamp, s.
        """
        window = self._windows.get(sender)
        if window is None:
            self._windows[sender] = _Window(now, 1, age)
            return
        if now - window.began >= _WINDOW:
            before = self._finish(sender, window)
            self._windows[sender] = _Window(now, 1, age, before)
            return
        window.count += 1
        window.least = min(window.least, age)

    def differing(self) -> dict[str, float]:
        """Return the senders whose clocks differ, with the least age of their messages in s.

        It is negative where the sender's clock is ahead.
        """
        return dict(self._results)

    def _finish(self, sender: str, window: _Window) -> float | None:
        """Compare a complete window with the preceding one, and return its result."""
        if window.count < _FEWEST:
            return window.before
        least, before = window.least, window.before
        if abs(least) < self._allowed:
            self._results.pop(sender, None)
        elif before is not None and abs(before) >= self._allowed:  # in two windows, so that it is no interruption
            self._results[sender] = least
        return least
