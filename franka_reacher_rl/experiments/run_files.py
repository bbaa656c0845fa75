"""The files of one run's folder."""

from __future__ import annotations

import json
from pathlib import Path

from franka_reacher_rl.experiments.spec import Run

RUN, RESULT, ERROR, EPISODES = "run.json", "result.json", "error.txt", "episodes.csv"
CHECKPOINTS, POLICY = "checkpoints", "policy.safetensors"


def finished(run: Run, folder: Path) -> bool:
    """Return whether a folder holds the whole result of this very run."""
    try:
        return bool(json.loads((folder / RESULT).read_text())["run"] == run.digest)
    except (OSError, json.JSONDecodeError, KeyError):
        return False
