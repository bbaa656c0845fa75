"""How often a node may die before its run fails."""

from __future__ import annotations

from collections import defaultdict, deque

DELAY = 1.0  # s before a node that has died is started again
# To the bridge, a new actor beside one that the middleware still remembers is a second source of commands: a fault.
DELAYS = {"actor": 5.0}  # s, as long as a dead process is remembered (config/dds)
WINDOW = 60.0  # s
MAX_DEATHS = 5  # of one node within the window, the last of which is a failure


class Restarts:
    """Counts the deaths of each node."""

    def __init__(self) -> None:
        self._deaths: defaultdict[str, deque[float]] = defaultdict(deque)

    def first(self, node: str) -> bool:
        """Return whether a node has never died so far."""
        return not self._deaths[node]

    def allowed(self, node: str, now: float) -> bool:
        """Take note of a node's death, and return whether it is to be started again.

        Args:
            node: Its name.
            now: Steady time, s.
        """
        deaths = self._deaths[node]
        deaths.append(now)
        while now - deaths[0] > WINDOW:
            deaths.popleft()
        return len(deaths) < MAX_DEATHS
