"""`experiment export`: copies the trained policies of an experiment to where the package looks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas  # type: ignore[import-untyped]
import yaml

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.documents import load_yaml
from franka_reacher_rl.core.base.fields import to_mapping
from franka_reacher_rl.core.base.files import without_none, write_atomic
from franka_reacher_rl.core.run.pretrained import Pretrained
from franka_reacher_rl.core.task.evaluation import Evaluation, Outcome
from franka_reacher_rl.experiments.results import MANIFEST
from franka_reacher_rl.experiments.run_files import EPISODES, POLICY, RESULT, RUN
from franka_reacher_rl.experiments.spec import Run
from franka_reacher_rl.virtual.rollout import Rollout, outcome

SEED = 1000  # of the evaluation: other start poses and targets than in training
_END = 20  # episodes at the end of training whose mean return the manifest has


def export(folder: Path, out: Path, episodes: int, print_line: Callable[[str], None] = print) -> None:
    """Copy the policies of an experiment, and evaluate each in the simulated world without noise and latency.

    Args:
        folder: The experiment; it has one finished run per robot.
        out: Gets a folder per robot, with policy, setting and manifest.
        episodes: Of each evaluation.
        print_line: Is called with one line per policy.

    Raises:
        ValueError: A run has not finished, or two runs have the same robot.
        OSError: A file cannot be read or written.
    """
    manifest = load_yaml(folder / MANIFEST)
    runs = [path.parent for path in sorted(folder.glob(f"runs/*/*/{RUN}"))]
    unfinished = [str(path) for path in runs if not (path / RESULT).is_file()]
    if unfinished or not runs:
        what = f"{unfinished[0]} has not finished" if unfinished else f"{folder} has no runs"
        raise ValueError(f"{what}: run the experiment to its end first")
    robots = [Run.read(path / RUN).variant.robot for path in runs]
    if len(set(robots)) < len(robots):
        raise ValueError(f"{folder} has several runs of one robot: run it with one seed and one variant per robot")
    for path, robot in zip(runs, robots, strict=True):
        made = Pretrained(out / robot)
        made.folder.mkdir(parents=True, exist_ok=True)
        run = Run.read(path / RUN)
        write_atomic(made.policy, (path / POLICY).read_bytes())
        setting = {"/**": {"ros__parameters": without_none(run.variant.setting.to_mapping())}}
        write_atomic(made.setting, yaml.safe_dump(setting, sort_keys=False))
        evaluation = _evaluate(run, made, episodes)
        content = {
            "made_by": [
                *manifest["commands"],
                f"franka-reacher experiment export DIR --out config/policies --episodes {episodes}",
            ],
            "run": to_mapping(run),
            "provenance": manifest["provenance"],
            "return_at_the_end_of_training": _final_return(path),
            "evaluation": {"seed": SEED, "noise": False, "latency": "none", **_rounded(asdict(evaluation))},
        }
        write_atomic(made.manifest, yaml.safe_dump(content, sort_keys=False))
        rate, mean = evaluation.success_rate.text(2), evaluation.mean_return.text(0)
        print_line(f"{made.folder}: return {mean}, success rate {rate} in {episodes} episodes")


def _evaluate(run: Run, made: Pretrained, episodes: int) -> Evaluation:
    setting = run.variant.setting
    rollout = Rollout(Robot.load(run.variant.robot), setting, made.policy, SEED)
    try:
        outcomes: list[Outcome] = [outcome(rollout.episode(n), setting) for n in range(1, episodes + 1)]
    finally:
        rollout.close()
    return Evaluation.of(outcomes)


def _final_return(run: Path) -> float:
    """Return the mean return of the last episodes of training, in which the policy acts with noise."""
    returns = pandas.read_csv(run / EPISODES).episode_return
    return round(float(np.mean(returns[-_END:])), 1)


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _rounded(value) if isinstance(value, dict) else round(value, 3) if isinstance(value, float) else value
        for name, value in values.items()
    }
