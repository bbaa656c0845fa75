"""The paper's own results, to put beside ours."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class PaperSetting:
    """One setting's results of the paper."""

    final: float  # mean return over the last 10 % of the run
    final_ci: float  # half the width of its 95 % confidence interval
    updates: int  # per run
    minutes: list[float]  # of training
    mean: list[float]  # return up to then, over the 3 minutes before
    ci: list[float]  # half the width of its 95 % confidence interval


@functools.cache
def paper() -> dict[str, PaperSetting]:
    """The paper's settings by name, from `paper.yaml`, which names its source."""
    document: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "paper.yaml").read_text())
    return {name: _setting(row) for name, row in document["settings"].items()}


def _setting(row: dict[str, Any]) -> PaperSetting:
    final, half = row["final"]
    return PaperSetting(final, half, row["updates"], row["training_minutes"], row["mean_return"], row["ci95"])
