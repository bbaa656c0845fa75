"""The health of the graph is that of its worst node."""

from __future__ import annotations

import pytest

from franka_reacher_rl.core.base.graph_health import STALE_AFTER, GraphHealth, Level, Report


@pytest.mark.parametrize(
    ("levels", "expected", "message"),
    [
        ([], Level.STALE, "no node has reported"),
        ([Level.OK, Level.OK], Level.OK, "all nodes are well"),
        ([Level.OK, Level.WARN], Level.WARN, "node1: state: warn"),
        ([Level.ERROR, Level.WARN], Level.ERROR, "node0: state: error"),
        ([Level.ERROR, Level.ERROR], Level.ERROR, "node0: state: error; node1: state: error"),
        ([Level.OK, Level.STALE], Level.ERROR, "node1: state: stale"),
    ],
)
def test_the_worst_level_counts(levels: list[Level], expected: Level, message: str) -> None:
    health = GraphHealth()
    for i, level in enumerate(levels):
        health.take(1.0, f"node{i}: state", Report(level, level.name.lower()))
    assert health.overall(1.0) == Report(expected, message)


def test_a_silent_node_is_an_error_until_it_reports_again() -> None:
    health = GraphHealth()
    health.take(0.0, "camera: frames", Report(Level.OK, "60 frames per second"))
    assert health.overall(STALE_AFTER).level is Level.OK
    silent = health.overall(STALE_AFTER + 0.1)
    assert silent == Report(Level.ERROR, "camera: frames: silent for 5 s")
    health.take(STALE_AFTER + 0.2, "camera: frames", Report(Level.OK, "60 frames per second"))
    assert health.overall(STALE_AFTER + 0.2).level is Level.OK
