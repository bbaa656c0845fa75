"""`bench cycle`: how late the actions of the async ROS graph are beside a learner that updates without pause."""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from franka_reacher_rl.core.base.files import without_none
from franka_reacher_rl.core.base.settings import Setting, setting_path

_UNLIMITED = 1e9  # updates per step
_WARMUP_BATCHES = 2  # the warm-up ends when this many batches are stored


def busy_setting(name: str, folder: Path, cycle_ms: float | None = None) -> Path:
    """Write a copy of a setting whose learner has no update budget and hardly any warm-up; return its path.

    Args:
        name: Name or path of a setting of the async wiring.
        folder: The folder to write to.
        cycle_ms: The action cycle time in ms; None: the setting's.

    Raises:
        ValueError: There is no such setting, or the cycle time is not allowed.
    """
    source = setting_path(name, "async")
    setting = Setting.load(source)
    warmup = _WARMUP_BATCHES * setting.learner.batch_size
    learner = replace(setting.learner, max_updates_per_step=_UNLIMITED, warmup_steps=warmup, checkpoint_period=0.0)
    episode = replace(setting.episode, cycle_ms=setting.episode.cycle_ms if cycle_ms is None else cycle_ms)
    values = without_none(replace(setting, episode=episode, learner=learner).to_mapping())
    path = folder / f"{source.stem}_busy.yaml"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
    return path


def read_column(path: Path, name: str, since: float = 0.0) -> npt.NDArray[np.float64]:
    """Return a column, (rows,), of the rows of a CSV file whose `episode`, else `updates`, is at least `since`."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    key = "episode" if rows and "episode" in rows[0] else "updates"
    return np.array([float(row[name]) for row in rows if float(row[key]) >= since])


def figures(run_dir: Path) -> dict[str, float]:
    """Return the benchmark's figures from a run folder, counting only episodes during which the learner updated.

    Raises:
        ValueError: The learner updated in fewer than two episodes.
    """
    episodes = read_column(run_dir / "episodes.csv", "episode")
    updates = read_column(run_dir / "episodes.csv", "updates")
    learning = episodes[updates > 0]
    if len(learning) < 2:
        raise ValueError("the learner updated in fewer than two episodes: give more --minutes")
    since = float(learning[1])  # the learner started during the first one
    lateness = 1e3 * read_column(run_dir / "cycles.csv", "lateness", since)
    response = 1e3 * read_column(run_dir / "cycles.csv", "response_time", since)
    age = 1e3 * read_column(run_dir / "cycles.csv", "observation_age", since)
    first = float(updates[updates > 0][0])
    return {
        "cycle_lateness_ms_p99": float(np.quantile(lateness, 0.99)),
        "observation_to_command_ms_p99": float(np.quantile(response, 0.99)),
        "late_over_5ms_fraction": float(np.mean(lateness > 5.0)),
        "updates_per_s": float(np.mean(read_column(run_dir / "learner.csv", "updates_per_s", first))),
        "learner_busy_fraction": float(np.mean(read_column(run_dir / "learner.csv", "update", first))),
        "cycle_lateness_ms_median": float(np.median(lateness)),
        "observation_to_command_ms_median": float(np.median(response)),
        "capture_to_command_ms_median": float(np.median(age)),
        "capture_to_command_ms_p99": float(np.quantile(age, 0.99)),
        "cycles": float(len(lateness)),
    }


def run(options: argparse.Namespace) -> int:
    """Run the graph and print the figures; return the exit code.

    Raises:
        ValueError: There is no such setting, or ROS 2 is missing.
    """
    if shutil.which("ros2") is None:
        raise ValueError("needs ROS 2: run ./reacher bench cycle, or source the setup.bash of ROS 2")
    with tempfile.TemporaryDirectory() as folder:
        setting = busy_setting(options.setting, Path(folder), options.cycle_ms)
        try:
            _launch(setting, options.robot, options.minutes, Path(folder) / "run", quiet=options.json)
            found = figures(Path(folder) / "run")
        except (ValueError, RuntimeError) as error:
            print(error, file=sys.stderr)
            return 1
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:34} {value:10.3f}")
    return 0


def _launch(setting: Path, robot: str, minutes: float, run_dir: Path, quiet: bool) -> None:
    environment = os.environ | {"ROS_DOMAIN_ID": str(random.SystemRandom().randint(1, 100))}
    command = ["ros2", "launch", "franka_reacher_rl", "async.launch.py", f"setting:={setting}", f"robot:={robot}"]
    command += [f"training_minutes:={minutes}", f"run_dir:={run_dir}"]
    output = subprocess.DEVNULL if quiet else None
    done = subprocess.run(command, env=environment, stdout=output, check=False)
    if done.returncode:
        raise RuntimeError(f"the graph ended with exit code {done.returncode}")
