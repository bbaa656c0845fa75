"""How far apart commands are, for the graph and for its peers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from franka_reacher_rl.bench import peers
from franka_reacher_rl.bench.cycle import command_period_errors, spread


def table(folder: Path, rows: list[tuple[int, float, float]]) -> Path:
    lines = ["episode,lateness,response_time", *(",".join(map(str, row)) for row in rows)]
    (folder / "cycles.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_the_errors_are_those_of_the_commands_times(tmp_path: Path) -> None:
    """Deadlines at 0, 40, 80 ms; the third observation is so late that the fourth is due 40 ms after it."""
    rows = [(1, 0.0, 0.002), (1, 0.001, 0.003), (1, 0.030, 0.002), (1, 0.001, 0.002)]
    times = np.array([0.002, 0.044, 0.112, 0.153])
    found = command_period_errors(table(tmp_path, rows), 0.04)
    assert found == pytest.approx(peers.period_errors(times, 0.04))


def test_episodes_are_not_compared_with_each_other(tmp_path: Path) -> None:
    rows = [(1, 0.0, 0.002), (1, 0.0, 0.002), (2, 0.0, 0.009), (2, 0.0, 0.009)]
    assert command_period_errors(table(tmp_path, rows), 0.04) == pytest.approx([0.0, 0.0])


def test_spread() -> None:
    found = spread("age", np.arange(1001.0))
    assert found == {"age_ms_median": 500.0, "age_ms_p99": 990.0, "age_ms_p99.9": 999.0, "age_ms_max": 1000.0}
