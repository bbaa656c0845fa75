"""Keeps the newest of what a graph says of itself, and shows it as tables."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from franka_reacher_rl.core.arm.status import Mode
from franka_reacher_rl.core.task.summary import EpisodeSummary

SILENT_AFTER = 3.0  # s without a status
_KEPT_EPISODES, _KEPT_ACTIONS = 60, 1500
_RECENT = 60.0  # s, of the actions that are summed up
_MOST_NODES, _MOST_OTHERS = 50, 20
_BARS = "▁▂▃▄▅▆▇█"
_STATES = {0: Text("OK", "green"), 1: Text("warning", "yellow"), 2: Text("ERROR", "bold red"), 3: Text("stale", "red")}
_SILENT = 4  # a level above those of diagnostics
_NO_GRAPH = "check ROS_DOMAIN_ID and --namespace, or start a graph with ./reacher launch async.launch.py"
_UNKNOWN = "-"


@dataclass(frozen=True)
class NodeStatus:
    """A node's last status."""

    level: int
    message: str
    heard: float  # steady time, s

    def severity(self, now: float) -> int:
        """Return its level, or that of silence."""
        return _SILENT if now - self.heard > SILENT_AFTER else min(max(self.level, 0), _SILENT - 1)


@dataclass
class Board:
    """Everything that `watch` shows. All times are steady, in s."""

    namespace: str = ""
    nodes: dict[str, NodeStatus] = field(default_factory=dict)
    episodes: deque[EpisodeSummary] = field(default_factory=lambda: deque(maxlen=_KEPT_EPISODES))
    planned: int = 0
    learner: Mapping[str, float] = field(default_factory=dict)
    waits_for: str = ""  # what keeps the learner from updating
    robot: str = _UNKNOWN  # mode of the bridge, and its fault
    remedy: str = ""  # what ends a fault or a stop of the arm
    others: set[str] = field(default_factory=set)  # namespaces of other graphs
    _actions: deque[tuple[float, ...]] = field(default_factory=lambda: deque(maxlen=_KEPT_ACTIONS))

    def on_other(self, namespace: str) -> None:
        """Take note of a graph in another namespace."""
        if len(self.others) < _MOST_OTHERS:
            self.others.add(namespace)

    def on_status(self, now: float, name: str, level: int, message: str) -> None:
        """Take a node's status."""
        if name in self.nodes or len(self.nodes) < _MOST_NODES:
            self.nodes[name] = NodeStatus(level, message, now)

    def on_episode(self, summary: EpisodeSummary, planned: int) -> None:
        """Take an episode's summary; a smaller number begins another run, the same one is a repetition."""
        if self.episodes and summary.episode == self.episodes[-1].episode:
            return
        if self.episodes and summary.episode < self.episodes[-1].episode:
            self.episodes.clear()
        self.episodes.append(summary)
        self.planned = planned

    def on_action(self, now: float, age: float, response: float, lateness: float, policy_age: float) -> None:
        """Take the times of an action, s."""
        self._actions.append((now, age, response, lateness, policy_age))

    def on_learner(self, values: Mapping[str, float], waits_for: str) -> None:
        """Take the learner's status."""
        self.learner, self.waits_for = values, waits_for

    def on_robot(self, mode: str, fault: str) -> None:
        """Take the bridge's status."""
        self.robot = f"{mode}: {fault}" if fault else mode
        arm = f"ros2 service call {'/' if self.namespace else ''}{self.namespace}/robot_bridge/arm std_srvs/srv/Trigger"
        self.remedy = {
            Mode.FAULT.value: f"the arm has a fault: {fault}; once the cause is fixed: {arm}",
            Mode.STOPPED.value: f"the arm is stopped; to continue, when it is safe: {arm}",
        }.get(mode, "")

    def render(self, now: float) -> RenderableType:
        """Return the tables."""
        notice = self.notice(now)
        shown = [_plain(notice, "yellow")] if notice else []
        return Group(*shown, self._run(), self._times(now), self._learning(), self._nodes(now))

    def notice(self, now: float) -> str:
        """Return what a person has to know or to do first; empty: nothing."""
        if not self.nodes:
            there = [f"--namespace {name}" if name else "no --namespace" for name in sorted(self.others)]
            hint = f"there is a graph in another namespace: give {' or '.join(there)}" if there else _NO_GRAPH
            return f"no node of a graph is heard{self._place}; {hint}"
        silent = now - max(status.heard for status in self.nodes.values())
        return (
            f"no node has been heard for {silent:.0f} s: the graph has ended" if silent > SILENT_AFTER else self.remedy
        )

    @property
    def _place(self) -> str:
        return f" in {self.namespace}" if self.namespace else ""

    def _run(self) -> Table:
        table = _table("episode", "return", "last episodes", "success", "late cycles", "ended", "robot")
        if not self.episodes:
            table.add_row(*[_UNKNOWN] * 6, _plain(self.robot))
            return table
        last = self.episodes[-1]
        returns = [summary.episode_return for summary in self.episodes]
        known = [summary.success for summary in self.episodes if not math.isnan(summary.success)][-20:]
        table.add_row(
            f"{last.episode}/{self.planned}" if self.planned else str(last.episode),
            f"{last.episode_return:.1f}",
            sparkline(returns[-30:]),
            f"{sum(known):.0f} of {len(known)}" if known else _UNKNOWN,
            str(last.late_cycles),
            last.end_reason,
            _plain(self.robot),
        )
        return table

    def _times(self, now: float) -> Table:
        recent = np.array([action for action in self._actions if now - action[0] < _RECENT])
        rate = (len(recent) - 1) / max(1e-3, recent[-1][0] - recent[0][0]) if len(recent) > 1 else 0.0
        table = _table(f"last {_RECENT:.0f} s, ms", "median", "p99", "largest", f"{rate:.1f} actions/s")
        for column, name in enumerate(("observation age", "observation to command", "lateness", "policy age"), 1):
            values = 1e3 * recent[:, column] if len(recent) else np.array([math.nan])
            figures = (*np.quantile(values, [0.5, 0.99]), values.max())
            table.add_row(name, *(_UNKNOWN if math.isnan(v) else f"{v:.1f}" for v in figures), "")
        return table

    def _learning(self) -> Table:
        table = _table("updates", "updates/s", "replay", "policy version", "waits for")
        digits = {"updates": 0, "updates_per_s": 1, "replay_size": 0, "policy_version": 0}
        table.add_row(
            *(f"{self.learner[name]:.{n}f}" if name in self.learner else _UNKNOWN for name, n in digits.items()),
            _plain(self.waits_for or _UNKNOWN),
        )
        return table

    def _nodes(self, now: float) -> Table:
        """Return the nodes, the worst ones first: a small terminal shows only the upper rows."""
        table = _table(f"node{self._place}", "state", "")
        rows = [(status.severity(now), name, status) for name, status in self.nodes.items()]
        for severity, name, status in sorted(rows, key=lambda row: (-row[0], row[1])):
            if severity == _SILENT:
                table.add_row(_plain(name), Text("silent", "red"), f"for {now - status.heard:.0f} s")
            else:
                table.add_row(_plain(name), _STATES[severity], _plain(status.message))
        return table


def sparkline(values: Sequence[float]) -> str:
    """Return a line of bars, from 0 to the largest value."""
    top = max((value for value in values if math.isfinite(value)), default=0.0)
    if top <= 0.0:
        return _BARS[0] * len(values)
    heights = (min(len(_BARS) - 1, int(max(0.0, value) / top * len(_BARS))) for value in values if math.isfinite(value))
    return "".join(_BARS[height] for height in heights)


def _plain(text: str, style: str = "") -> Text:
    """Return a text that others have written without what would change the terminal."""
    return Text("".join(letter if letter.isprintable() else " " for letter in text), style)


def _table(*columns: str) -> Table:
    return Table(*columns, expand=True, box=None, header_style="bold")
