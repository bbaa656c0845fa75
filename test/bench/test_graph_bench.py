"""What the graph's benchmark says of the processes that it has looked at."""

from __future__ import annotations

import os

import psutil
import pytest

from franka_reacher_rl.bench.graph import Usage, figures, process_name, start_times, table

BEFORE = {"camera": Usage(1.0, 90.0), "sim_robot": Usage(2.0, 80.0), "actor": Usage(3.0, 300.0)}
AFTER = {"camera": Usage(3.0, 100.0), "sim_robot": Usage(3.0, 80.0), "actor": Usage(4.0, 310.0)}


def test_figures() -> None:
    found = figures(BEFORE, AFTER, 10.0)
    assert found["cores_per_node"] == pytest.approx({"camera": 0.2, "sim_robot": 0.1, "actor": 0.1})
    assert found["cores_total"] == pytest.approx(0.4)
    assert found["cores_without_simulation"] == pytest.approx(0.1)
    assert found["memory_mb_per_node"]["actor"] == 310.0 and found["memory_mb_total"] == 490.0


def test_the_table_begins_with_what_costs_most() -> None:
    lines = table(figures(BEFORE, AFTER, 10.0)).splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["camera", "sim_robot", "actor"]
    assert lines[-1].split()[-1] == "0.100"


def test_a_process_has_the_name_of_its_program() -> None:
    assert process_name(psutil.Process(os.getpid())).startswith(("python", "pytest"))


def test_the_stages_of_a_start() -> None:
    lines = [
        (0.4, "[INFO] [launch]: All log files can be found below /tmp"),
        (0.5, "[INFO] [launch.user]: learning, async, setting async_lite, 1 episodes"),
        (0.6, "[INFO] [camera-1]: process started with pid [1]"),
        (0.7, "[INFO] [reward-2]: process started with pid [2]"),
        (10.6, "  episode   return  steps  updates"),
        (10.6, "      1/1     45.2    150        0"),
        (11.0, "[INFO] [environment-3]: process has finished cleanly [pid 3]"),
    ]
    found = start_times(lines, {"duration": "6.0", "reset_seconds": "0.4"}, 11.5)
    assert found == pytest.approx(
        {"launch_file": 0.5, "nodes_started": 0.7, "first_reset": 4.2, "first_action": 4.6, "exit": 0.9}
    )
