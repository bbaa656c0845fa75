"""Policies that an experiment leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_experiments as tiny
import yaml

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.paths import config_dir
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.run.pretrained import Pretrained, pretrained
from franka_reacher_rl.experiments.executors import InThisProcess
from franka_reacher_rl.experiments.export import export
from franka_reacher_rl.experiments.run_files import POLICY, RESULT
from franka_reacher_rl.experiments.runner import run_experiment
from franka_reacher_rl.virtual.rollout import Rollout, outcome

SHIPPED = sorted(path.name for path in (config_dir() / "policies").iterdir())


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiment")
    assert run_experiment(tiny.experiment("async_baseline", episodes=2), folder, InThisProcess()) == {}
    return folder


def test_a_policy_comes_with_its_setting_and_its_evaluation(experiment: Path, tmp_path: Path) -> None:
    printed: list[str] = []
    export(experiment, tmp_path, 2, printed.append)
    made = Pretrained(tmp_path / "panda_sim")
    assert made.policy.read_bytes() == next(experiment.glob(f"runs/*/*/{POLICY}")).read_bytes()
    assert Setting.load(made.setting).image.width == tiny.CHANGES["image"]["width"]
    manifest = yaml.safe_load(made.manifest.read_text())
    assert manifest["run"]["seed"] == 0 and manifest["run"]["variant"]["robot"] == "panda_sim"
    assert manifest["evaluation"]["episodes"] == 2
    assert 0.0 <= manifest["evaluation"]["success_rate"]["value"] <= 1.0
    assert len(printed) == 1 and "in 2 episodes" in printed[0]


def test_an_unfinished_run_is_not_exported(experiment: Path, tmp_path: Path) -> None:
    result = next(experiment.glob(f"runs/*/*/{RESULT}"))
    kept = result.read_bytes()
    result.unlink()
    try:
        with pytest.raises(ValueError, match="seed0 has not finished: run the experiment to its end first"):
            export(experiment, tmp_path, 1)
    finally:
        result.write_bytes(kept)


def test_two_runs_of_one_robot_are_ambiguous(experiment: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert run_experiment(tiny.experiment("async_baseline", seeds="0:2", episodes=2), again, InThisProcess()) == {}
    with pytest.raises(ValueError, match="several runs of one robot"):
        export(again, tmp_path / "out", 1)


def test_both_simulated_arms_have_a_policy() -> None:
    assert SHIPPED == ["panda_sim", "ur5e_sim"]


@pytest.mark.parametrize("robot", SHIPPED)
def test_the_shipped_policy_reaches_the_target(robot: str) -> None:
    policy = pretrained(robot)
    setting = Setting.load(policy.setting)
    rollout = Rollout(Robot.load(robot), setting, policy.policy, seed=5)
    try:
        result = outcome(rollout.episode(1), setting)
    finally:
        rollout.close()
    assert result.time_to_reach < 3.0
    assert result.episode_return > 600.0, "a random policy has about 70"
