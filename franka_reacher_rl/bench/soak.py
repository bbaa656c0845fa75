"""`soak`: runs the async graph for hours, samples its processes, and fails where something grows or slows down."""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import yaml

from franka_reacher_rl.bench.cycle import read_column, spread
from franka_reacher_rl.bench.graph import process_name
from franka_reacher_rl.bench.running_graph import end_graph, graph_environment, running_graph
from franka_reacher_rl.core.base.csv_file import CsvFile
from franka_reacher_rl.core.base.files import without_none
from franka_reacher_rl.core.base.settings import Setting, setting_path

PERIOD = 10.0  # s between two samples
COLUMNS = ("seconds", "process", "memory_mb", "handles", "threads")
SHARED_MEMORY = "shared memory"  # stands for a process in the table
_SHARED = ("franka_reacher_rl-*", "fastrtps_*")

# How far the last quarter may lie above the second one: share, and absolute.
ALLOWED = {"memory_mb": (0.05, 8.0), "handles": (0.0, 3.0), "threads": (0.0, 1.0)}
SLOWER = 0.8  # share of the second quarter's updates per second that the last quarter must reach


@dataclass(frozen=True)
class Sample:
    """What a process holds at one time."""

    seconds: float
    process: str
    memory_mb: float  # resident
    handles: int
    threads: int


def growth(samples: Sequence[Sample]) -> list[str]:
    """Return what has grown from the second quarter of the time to the last one, in words; empty if nothing has.

    The first quarter is left out: the replay and caches fill in it.
    """
    found = []
    end = max((sample.seconds for sample in samples), default=0.0)
    for process in sorted({sample.process for sample in samples}):
        second, last = (
            [s for s in samples if s.process == process and low * end <= s.seconds <= high * end]
            for low, high in ((0.25, 0.5), (0.75, 1.0))
        )
        if not (second and last):
            found.append(f"{process}: it was not there all the time")
            continue
        for quantity, (share, absolute) in ALLOWED.items():
            before, after = (float(np.median([getattr(s, quantity) for s in part])) for part in (second, last))
            if after > before + max(share * before, absolute):
                found.append(f"{process}: {quantity} has grown from {before:g} to {after:g}")
    return found


def run(options: argparse.Namespace) -> int:
    """Run the graph for the given time and print the figures; return the exit code: 1 if something has grown.

    Raises:
        ValueError: The time or the setting is not allowed, the folder is in use, or ROS 2 is missing.
    """
    if not 0.01 <= options.hours <= 1000.0:
        raise ValueError(f"--hours {options.hours:g} is not allowed: 0.01 to 1000")
    if shutil.which("ros2") is None:
        raise ValueError("needs ROS 2: run ./reacher soak, or source the setup.bash of ROS 2")
    if (options.out / "run").exists():
        raise ValueError(f"--out {options.out} has a run already: give another folder")
    options.out.mkdir(parents=True, exist_ok=True)
    setting = _setting(options.setting, options.out, options.hours)
    run_dir, table = options.out / "run", CsvFile(options.out / "soak.csv", COLUMNS)
    samples: list[Sample] = []
    try:
        with running_graph(
            setting, options.robot, run_dir, graph_environment(), "episodes:=0", quiet=options.json
        ) as graph:
            samples = _watch(graph, table, 3600.0 * options.hours)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        table.close()
    problems = [*growth(samples), *_slower(run_dir)]
    found = figures(run_dir)
    print(json.dumps(found | {"problems": problems}) if options.json else _table(found))
    for problem in problems:
        print(f"grown or slower: {problem}", file=sys.stderr)
    return 1 if problems else 0


def figures(run_dir: Path) -> dict[str, float]:
    """Return lateness and ages of every cycle of a run, and its rates."""
    found: dict[str, float] = {}
    for name in ("lateness", "observation_age", "response_time"):
        values = 1e3 * read_column(run_dir / "cycles.csv", name)
        found |= spread(name, values)
        found["cycles"] = float(len(values))
    updates = read_column(run_dir / "learner.csv", "updates")
    return found | {
        "episodes": float(len(read_column(run_dir / "episodes.csv", "episode"))),
        "updates": float(updates[-1]),
    }


def _slower(run_dir: Path) -> list[str]:
    """Return whether the learner has become slower, in words."""
    rates = read_column(run_dir / "learner.csv", "updates_per_s")
    second, last = (
        float(np.mean(part)) for part in (rates[len(rates) // 4 : len(rates) // 2], rates[-len(rates) // 4 :])
    )
    return [f"learner: updates per second fell from {second:.1f} to {last:.1f}"] if last < SLOWER * second else []


def _setting(name: str, folder: Path, hours: float) -> Path:
    """Write a copy of a setting whose replay is full after a quarter of the time, and return its path."""
    setting = Setting.load(setting_path(name, "async"))
    steps = round(0.2 * hours * 3600.0 / (1e-3 * setting.episode.cycle_ms))
    capacity = max(200, min(setting.learner.replay_capacity, steps))
    learner = replace(
        setting.learner, replay_capacity=capacity, warmup_steps=min(setting.learner.warmup_steps, capacity // 2)
    )
    values = without_none(replace(setting, learner=learner).to_mapping())
    path = folder / "setting.yaml"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
    return path


def _watch(graph: subprocess.Popen[bytes], table: CsvFile, seconds: float) -> list[Sample]:
    """Sample the processes of a graph until the time is over or it ends."""
    samples: list[Sample] = []
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            graph.wait(PERIOD)
            return samples
        except subprocess.TimeoutExpired:
            pass
        for sample in _samples(graph.pid, time.monotonic() - began):
            samples.append(sample)
            table.write(vars(sample))
    end_graph(graph)
    return samples


def _samples(pid: int, seconds: float) -> list[Sample]:
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        try:
            with process.oneshot():
                name = process_name(process)
                memory, handles, threads = process.memory_info().rss, process.num_fds(), process.num_threads()
        except psutil.Error:  # it has just ended
            continue
        found.append(Sample(seconds, name, 1e-6 * memory, handles, threads))
    files = [path for pattern in _SHARED for path in Path("/dev/shm").glob(pattern)]
    size = sum(path.stat().st_size for path in files if path.exists())
    return [*found, Sample(seconds, SHARED_MEMORY, 1e-6 * size, len(files), 0)]


def _table(found: dict[str, float]) -> str:
    return "\n".join(f"{name:41} {value:10.3f}" for name, value in found.items())


def read_samples(path: Path) -> list[Sample]:
    """Return the samples of a table that `soak` has written."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Sample(float(r["seconds"]), r["process"], float(r["memory_mb"]), int(r["handles"]), int(r["threads"]))
        for r in rows
    ]
