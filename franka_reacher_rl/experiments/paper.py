"""The paper's results, with which a report compares an experiment's."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from franka_reacher_rl.core.base.documents import load_yaml


@dataclass(frozen=True)
class PaperSetting:
    """The paper's results for one setting, over 25 runs on a real arm."""

    final: float  # mean return over the last 10 % of a run
    final_ci: float  # half the width of its 95 % confidence interval
    updates: int  # gradient updates per run
    minutes: list[float]  # training time at the points of the learning curve
    mean: list[float]  # mean return over the 3 minutes up to each point
    ci: list[float]  # half the width of its 95 % confidence interval


@functools.cache
def paper() -> dict[str, PaperSetting]:
    """Read the results of the paper's settings, by name, from `paper.yaml`, which cites their source."""
    document: dict[str, Any] = load_yaml(Path(__file__).parent / "paper.yaml")
    return {name: _setting(row) for name, row in document["settings"].items()}


def _setting(row: dict[str, Any]) -> PaperSetting:
    final, half = row["final"]
    return PaperSetting(final, half, row["updates"], row["training_minutes"], row["mean_return"], row["ci95"])
