"""`bench cycle`: how late the actions of the async ROS graph are, and how old its observations.

The learner updates without pause. With `--observers`, the graph runs as usual instead while tools come and go. With
`--peers`, others keep the same cycle beside an equally busy learner, one after another on the same computer.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.bench import histogram, peers
from franka_reacher_rl.bench.observers import observe, observed_figures, plan_blocks
from franka_reacher_rl.bench.running_graph import UNLIMITED, graph_environment, running_graph, short_setting
from franka_reacher_rl.core.base.settings import Setting

_SETTING, _OBSERVED_SETTING = "baseline", "lite"  # the learner of lite leaves two cores time for observers


def busy_setting(name: str, folder: Path, cycle_ms: float | None = None) -> Path:
    """Write a copy of a setting whose learner has no update budget and hardly any warm-up; return its path.

    Raises:
        ValueError: There is no such setting, or the cycle time is not allowed.
    """
    return short_setting(name, folder, cycle_ms, budget=UNLIMITED)


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
    since = _learning_since(run_dir)
    updates = read_column(run_dir / "episodes.csv", "updates")
    lateness = 1e3 * read_column(run_dir / "cycles.csv", "lateness", since)
    response = 1e3 * read_column(run_dir / "cycles.csv", "response_time", since)
    age = 1e3 * read_column(run_dir / "cycles.csv", "observation_age", since)
    first = float(updates[updates > 0][0])
    return {
        **spread("cycle_lateness", lateness),
        "observation_to_command_ms_p99": float(np.quantile(response, 0.99)),
        "late_over_5ms_fraction": float(np.mean(lateness > 5.0)),
        "updates_per_s": float(np.mean(read_column(run_dir / "learner.csv", "updates_per_s", first))),
        "learner_busy_fraction": float(np.mean(read_column(run_dir / "learner.csv", "update", first))),
        "observation_to_command_ms_median": float(np.median(response)),
        "capture_to_command_ms_median": float(np.median(age)),
        "capture_to_command_ms_p99": float(np.quantile(age, 0.99)),
        "cycles": float(len(lateness)),
    }


def _learning_since(run_dir: Path) -> float:
    """Return the first episode during all of which the learner updated."""
    episodes = read_column(run_dir / "episodes.csv", "episode")
    learning = episodes[read_column(run_dir / "episodes.csv", "updates") > 0]
    if len(learning) < 2:
        raise ValueError("the learner updated in fewer than two episodes: give more --minutes")
    return float(learning[1])  # it started during the first one


def command_period_errors(run_dir: Path, cycle: float) -> npt.NDArray[np.float64]:
    """Return how far the time between two commands of an episode was from the cycle, s, in the order of the cycles.

    An observation that was more than half a cycle late shifts the following deadlines (see `EpisodeClock`).
    """
    episode, lateness, response = (
        read_column(run_dir / "cycles.csv", name) for name in ("episode", "lateness", "response_time")
    )
    shift = np.where(2.0 * lateness[:-1] <= cycle, lateness[:-1], 0.0)
    error = np.abs(lateness[1:] - shift + np.diff(response))
    return np.asarray(error[np.diff(episode) == 0])


def spread(name: str, values: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return median, 99th and 99.9th percentile and maximum of some values in ms, by name."""
    quantiles = {"median": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    return {f"{name}_ms_{quantity}": float(np.quantile(values, q)) for quantity, q in quantiles.items()}


def run(options: argparse.Namespace) -> int:
    """Run the graph and print the figures; return the exit code.

    Raises:
        ValueError: There is no such setting, a number is not allowed, or ROS 2 is missing.
    """
    if options.observers < 0 or options.episodes < 2:
        raise ValueError("--observers must not be negative, and --episodes must be at least 2")
    if shutil.which("ros2") is None:
        raise ValueError("needs ROS 2: run ./reacher bench cycle, or source the setup.bash of ROS 2")
    if options.peers:
        peers.require()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.observers:
            setting = short_setting(options.setting or _OBSERVED_SETTING, folder, options.cycle_ms)
        else:
            setting = busy_setting(options.setting or _SETTING, folder, options.cycle_ms)
        try:
            found = (_observed if options.observers else _busy)(options, setting, folder / "run")
        except (ValueError, RuntimeError) as error:
            print(error, file=sys.stderr)
            return 1
    if options.json:
        print(json.dumps(found))
    else:
        for figure, value in found.items():
            print(f"{figure:41} {value:10.3f}")
    return 0


def _busy(options: argparse.Namespace, setting: Path, run_dir: Path) -> dict[str, float]:
    length = f"training_minutes:={options.minutes}"
    with running_graph(
        setting, options.robot, run_dir, graph_environment(), length, quiet=options.json, further=options.launch
    ):
        pass
    found = figures(run_dir)
    if options.out:
        _keep(run_dir, options.out)
    cycle = 1e-3 * Setting.load(setting).episode.cycle_ms
    errors = {"graph": command_period_errors(run_dir, cycle)} if options.peers else {}
    for peer in peers.PEERS if options.peers else ():
        errors[peer] = peers.period_errors(peers.run_peer(peer, setting, 60.0 * options.minutes), cycle)
    for name, values in errors.items():
        found |= {f"{name}_{quantity}": value for quantity, value in spread("period_error", 1e3 * values).items()}
    return found


def _keep(run_dir: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    histogram.keep_table(run_dir / "cycles.csv", folder)
    columns = {"lateness of the observation": "lateness", "observation to command": "response_time"}
    since = _learning_since(run_dir)
    drawn = {label: 1e3 * read_column(run_dir / "cycles.csv", name, since) for label, name in columns.items()}
    histogram.draw(drawn, folder)


def _observed(options: argparse.Namespace, setting: Path, run_dir: Path) -> dict[str, float]:
    made = Setting.load(setting)
    warmup = 1 + math.ceil(made.learner.warmup_steps / made.episode.steps)
    blocks = plan_blocks(options.observers, options.episodes, warmup, made.episode.seconds)
    environment, length = graph_environment(), f"episodes:={blocks[-1].episodes[-1]}"
    with running_graph(setting, options.robot, run_dir, environment, length, quiet=options.json) as graph:
        observers = observe(blocks, run_dir, graph, environment)
    return observed_figures(run_dir, blocks) | {"observers": float(observers)}
