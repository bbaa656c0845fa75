"""The health of a whole graph, from the states that its nodes report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from franka_reacher_rl.core.base.suggestions import shortened

MOST_TASKS = 200
LONGEST_MESSAGE = 300  # characters of a task's message
STALE_AFTER = 5.0  # s; the nodes report once a second


class Level(IntEnum):
    """How well something works; the values are those of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Report:
    """The state of one task of a node, or of the whole graph."""

    level: Level
    message: str


class GraphHealth:
    """Keeps the newest report of each task and sums them up."""

    def __init__(self) -> None:
        self._reports: dict[str, tuple[float, Report]] = {}

    def take(self, now: float, name: str, report: Report) -> None:
        """Take the report of a task.

        Args:
            now: Steady time, s.
            name: Of the task, `<node>: <task>`.
            report: Its state.

        Raises:
            ValueError: There are too many tasks, or the name is too long.
        """
        if name not in self._reports and (len(self._reports) >= MOST_TASKS or len(name) > LONGEST_MESSAGE):
            raise ValueError(f"{shortened(name)} is not taken up: there are {len(self._reports)} tasks already")
        self._reports[name] = now, Report(report.level, shortened(report.message, LONGEST_MESSAGE))

    def overall(self, now: float) -> Report:
        """Return the worst level, and the tasks that have it.

        A task that has not reported for `STALE_AFTER` is an error, as for diagnostic_aggregator. Without any report the
        graph is stale.
        """
        if not self._reports:
            return Report(Level.STALE, "no node has reported")
        current = {name: self._current(now, *entry) for name, entry in sorted(self._reports.items())}
        worst = max(report.level for report in current.values())
        if worst is Level.OK:
            return Report(Level.OK, "all nodes are well")
        return Report(worst, "; ".join(f"{name}: {r.message}" for name, r in current.items() if r.level is worst))

    def _current(self, now: float, reported: float, report: Report) -> Report:
        if now - reported > STALE_AFTER:
            return Report(Level.ERROR, f"silent for {STALE_AFTER:g} s")
        return Report(min(report.level, Level.ERROR), report.message)
