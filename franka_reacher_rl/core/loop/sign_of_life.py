"""Whether a node that reports regularly is still there."""

from __future__ import annotations

from franka_reacher_rl.core.base.datatypes import Nanoseconds


class SignOfLife:
    """Remembers when a node has reported last, and whether it was well."""

    def __init__(self, timeout: float) -> None:
        """Start without a report.

        Args:
            timeout: s after a report during which the node counts as alive.
        """
        self._timeout: Nanoseconds = round(timeout * 1e9)
        self._heard: Nanoseconds | None = None
        self._well = False

    def heard(self, now: Nanoseconds, *, well: bool = True) -> None:
        """Take a report."""
        self._heard, self._well = now, well

    def forget(self) -> None:
        """Wait for the next report."""
        self._heard = None

    def well(self, now: Nanoseconds) -> bool:
        """Return whether the node is alive and well."""
        return self._well and self._heard is not None and now - self._heard <= self._timeout

    def silence(self, now: Nanoseconds) -> str:
        """Return for how long the node has been silent, in words; empty while it is alive."""
        if self._heard is None:
            return " (no sign of life yet)"
        silent = now - self._heard
        return f" (silent for {1e-9 * silent:.0f} s: it goes on when it is back)" if silent > self._timeout else ""
