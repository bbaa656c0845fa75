"""The files of one run's folder."""

from __future__ import annotations

from pathlib import Path

from franka_reacher_rl.core.base.documents import load_json
from franka_reacher_rl.experiments.provenance import made_by_this_code
from franka_reacher_rl.experiments.spec import Run

RUN, RESULT, ERROR, EPISODES = "run.json", "result.json", "error.txt", "episodes.csv"
CHECKPOINTS, POLICY = "checkpoints", "policy.safetensors"
CHECKPOINT_EVERY = 60.0  # s of wall time


def finished(run: Run, folder: Path) -> bool:
    """Return whether a folder holds the result of this run, made by the present version of the code."""
    try:
        result = load_json(folder / RESULT)
    except (OSError, ValueError):
        return False
    return isinstance(result, dict) and bool(result.get("run") == run.digest and made_by_this_code(result))
