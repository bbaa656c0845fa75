"""What the graph's benchmark says of the processes that it has looked at."""

from __future__ import annotations

import os

import psutil
import pytest

from franka_reacher_rl.bench.graph import Usage, figures, process_name, table

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
