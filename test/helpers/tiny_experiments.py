"""Experiments of a few seconds, and their tables without the clock of the machine."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from franka_reacher_rl.core.task.summary import MACHINE_COLUMNS
from franka_reacher_rl.experiments.run_files import EPISODES
from franka_reacher_rl.experiments.spec import Experiment, make_experiment

CHANGES: dict[str, Any] = {
    "image": {"width": 16, "height": 16},
    "episode": {"seconds": 1.2},
    "learner": {"batch_size": 4, "warmup_steps": 12},
}


def experiment(*settings: str, episodes: int = 3, seeds: str = "0", **changes: Any) -> Experiment:
    return make_experiment("smoke", settings, seeds, episodes, changes={**CHANGES, **changes})


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / EPISODES).open() as file:
        return [{k: v for k, v in row.items() if k not in MACHINE_COLUMNS} for row in csv.DictReader(file)]
