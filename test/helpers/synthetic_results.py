"""Results of experiments that were never run: a manifest and a table with given returns."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from franka_reacher_rl.core.base.fields import to_mapping
from franka_reacher_rl.experiments.results import MANIFEST, RESULTS, Results, load
from franka_reacher_rl.experiments.spec import make_experiment

COLUMNS: dict[str, Any] = {
    "duration": 6.0,
    "steps": 80,
    "late_cycles": 8,
    "held_seconds": 0.0,
    "updates": 70,
    "total_steps": 80,
    "observation_age_ms_median": 58.0,
    "policy_age_s_median": 0.07,
    "learner_update": 4.0,
    "learner_waiting_for_request": 2.0,
    "wall_seconds": 0.5,
}


def synthetic(
    folder: Path,
    returns: Mapping[str, Sequence[Sequence[float]]],
    columns: Mapping[str, Any] = COLUMNS,
    **manifest: Any,
) -> Results:
    """Write an experiment's folder and load it.

    Args:
        folder: To write; made if missing.
        returns: For each variant (a setting of the preset lite), each run's returns by episode.
        columns: The value of every other column in all episodes.
        manifest: Entries in place of the usual ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = {v.name: v for v in make_experiment("lite").variants}
    runs = next(iter(returns.values()))
    content = {
        "preset": "lite",
        "description": "Four settings",
        "question": "Which one?",
        "episodes": len(runs[0]),
        "seeds": list(range(len(runs))),
        "beside_paper": False,
        "commands": ["franka-reacher experiment run"],
        "provenance": {
            "versions": {"python": "3"},
            "commit": "abc",
            "code": "def",
            "machine": {"system": "Linux", "machine": "x86_64", "cores": 4},
        },
        "variants": {name: {"digest": made[name].digest, **to_mapping(made[name])} for name in returns},
        **manifest,
    }
    (folder / MANIFEST).write_text(yaml.safe_dump(content, sort_keys=False))
    with (folder / RESULTS).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["variant", "seed", "episode", "coverage_return", "training_seconds", *columns])
        for name, rows in returns.items():
            for seed, run in enumerate(rows):
                for i, value in enumerate(run):
                    writer.writerow([name, seed, i + 1, value, 6.0 * (i + 1), *columns.values()])
    return load(folder)
