"""What bridge and inputs have counted during an episode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from franka_reacher_rl.core.loop.events import BridgeCounters, Senses


class EpisodeCounts:
    """Differences of the senses' counters since the episode began."""

    def __init__(self, senses: Senses) -> None:
        self._senses = senses
        self._bridge: BridgeCounters | None = None
        self._refused: Mapping[str, int] = {}

    def begin(self) -> None:
        """Begin an episode."""
        self._bridge, self._refused = self._senses.counters(), dict(self._senses.refused())

    def fields(self) -> dict[str, Any]:
        """Return the summary's fields that are known."""
        return {"refused_inputs": self._refused_inputs(), **self._counted()}

    def _refused_inputs(self) -> str:
        """Return which inputs were not used, for example `black 3, frozen 12`."""
        counts = {why: n - self._refused.get(why, 0) for why, n in self._senses.refused().items()}
        return ", ".join(f"{why} {n}" for why, n in sorted(counts.items()) if n)

    def _counted(self) -> dict[str, float]:
        """Return what the bridge counted; empty if that is not known."""
        before, after = self._bridge, self._senses.counters()
        if before is None or after is None:
            return {}
        return {
            "watchdog_stops": after.watchdog_stops - before.watchdog_stops,
            "held_seconds": after.held_seconds - before.held_seconds,
            "commands_limited": after.commands_limited - before.commands_limited,
        }
