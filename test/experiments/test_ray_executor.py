from __future__ import annotations

from pathlib import Path

import pytest
import tiny_experiments as tiny

from franka_reacher_rl.experiments.executors import InThisProcess
from franka_reacher_rl.experiments.runner import run_experiment


@pytest.mark.timeout(180)
def test_runs_on_a_ray_cluster_equal_local_ones(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is an optional extra: pip install ray")
    from franka_reacher_rl.experiments.ray_executor import OnRay

    made = tiny.experiment("async_baseline", "sync_baseline", episodes=2)
    assert run_experiment(made, tmp_path / "here", InThisProcess()) == {}
    assert run_experiment(made, tmp_path / "ray", OnRay("local")) == {}
    for run in made.runs:
        assert tiny.rows(tmp_path / "here" / run.folder) == tiny.rows(tmp_path / "ray" / run.folder)
