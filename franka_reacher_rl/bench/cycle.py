"""Measures the action cycle of the real async graph beside a learner that never rests.

`./reacher bench cycle [--minutes M] [--setting S] [--json]`
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml

from franka_reacher_rl.core.base.settings import Setting

_UNLIMITED = 1e9  # updates per step
_WARMUP_BATCHES = 2  # the learner starts as soon as it can fill this many batches


def busy_setting(name: str, folder: Path) -> Path:
    """A setting file like async_<name>, its learner without a budget and almost without a warm-up."""
    setting = Setting.load(f"async_{name}")
    warmup = _WARMUP_BATCHES * setting.learner.batch_size
    learner = replace(setting.learner, max_updates_per_step=_UNLIMITED, warmup_steps=warmup, checkpoint_period=0.0)
    values = replace(setting, learner=learner).to_mapping()
    values["sac"].pop("target_entropy")  # null, which ROS parameters do not know
    path = folder / f"async_{name}_busy.yaml"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
    return path


def read_column(path: Path, name: str, since: float = 0.0) -> npt.NDArray[np.float64]:
    """A column of a table, of the rows whose `episode` or `updates` is at least `since`; (rows,)."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    key = "episode" if rows and "episode" in rows[0] else "updates"
    return np.array([float(row[name]) for row in rows if float(row[key]) >= since])


def figures(run_dir: Path) -> dict[str, float]:
    """The bench's figures from a run folder; only episodes in which the learner was updating count.

    Raises:
        ValueError: The learner never updated; run longer.
    """
    episodes = read_column(run_dir / "episodes.csv", "episode")
    updates = read_column(run_dir / "episodes.csv", "updates")
    learning = episodes[updates > 0]
    if len(learning) < 2:
        raise ValueError("the learner did not update during two whole episodes: give more --minutes")
    since = float(learning[1])  # in the first one it began
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


def main(arguments: list[str] | None = None) -> int:
    """Runs the graph, prints the figures."""
    parser = argparse.ArgumentParser(prog="./reacher bench cycle", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="training time [min]")
    parser.add_argument("--setting", default="baseline", help="baseline, highres or lite")
    parser.add_argument("--robot", default="panda_sim", help="robot file")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        try:
            setting = busy_setting(options.setting, Path(folder))
            _run(setting, options.robot, options.minutes, Path(folder) / "run", quiet=options.json)
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


def _run(setting: Path, robot: str, minutes: float, run_dir: Path, quiet: bool) -> None:
    environment = os.environ | {"ROS_DOMAIN_ID": str(random.SystemRandom().randint(1, 100))}
    command = ["ros2", "launch", "franka_reacher_rl", "async.launch.py", f"setting:={setting}", f"robot:={robot}"]
    command += [f"training_minutes:={minutes}", f"run_dir:={run_dir}"]
    output = subprocess.DEVNULL if quiet else None
    done = subprocess.run(command, env=environment, stdout=output, check=False)
    if done.returncode:
        raise RuntimeError(f"the graph ended with exit code {done.returncode}")
