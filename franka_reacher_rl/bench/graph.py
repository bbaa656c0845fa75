"""`bench graph`: the processor time and the memory that the nodes of the async graph take, without any update.

With `--starts`, it measures how long the graph takes to start and to end instead.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from franka_reacher_rl.bench.running_graph import (
    end_graph,
    finished_episodes,
    graph_environment,
    running_graph,
    short_setting,
)

SIMULATION = ("camera", "sim_robot")  # what a robot and its camera replace
LAUNCH = "launch"  # the process that starts the others
_NO_UPDATES = 0.0  # updates per step
_POLL_PERIOD = 0.2  # s
_START = 60.0  # s, that the first episode may take to end
# The lines of a launch that mark its progress. Several nodes match `nodes`, of which the last one counts.
_MARKS = {"launch_file": r"\[launch\.user\]: ", "nodes": r"process started with pid", "episode": r"^ +1/1 "}


@dataclass(frozen=True)
class Usage:
    """What a process has used so far."""

    seconds: float  # of processor time
    memory_mb: float  # proportional set size: what it shares is divided among those who share it


def run(options: argparse.Namespace) -> int:
    """Run the graph for some minutes and print what it took; return the exit code.

    Raises:
        ValueError: There is no such setting, a number is not allowed, or ROS 2 is missing.
    """
    if not 0.1 <= options.minutes <= 600.0:
        raise ValueError(f"--minutes {options.minutes:g} is not allowed: 0.1 to 600")
    if shutil.which("ros2") is None:
        raise ValueError("needs ROS 2: run ./reacher bench graph, or source the setup.bash of ROS 2")
    if options.starts < 0:
        raise ValueError(f"--starts {options.starts} is not allowed: 1 or more, or 0 for none")
    with tempfile.TemporaryDirectory() as name:
        setting = short_setting(options.setting, Path(name), options.cycle_ms, _NO_UPDATES)
        measure = _time_starts if options.starts else _measure
        try:
            found = measure(setting, options, Path(name) / "run")
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
    if options.json:
        print(json.dumps(found))
    elif options.starts:
        print("\n".join(f"{stage:14} {seconds:6.2f} s" for stage, seconds in found.items()))
    else:
        print(table(found))
    return 0


def _measure(setting: Path, options: argparse.Namespace, run_dir: Path) -> dict[str, Any]:
    environment, endless = graph_environment(), "episodes:=0"
    with running_graph(setting, options.robot, run_dir, environment, endless, quiet=options.json) as graph:
        began = time.monotonic()
        while not finished_episodes(run_dir):
            if graph.poll() is not None or time.monotonic() - began > _START:
                raise RuntimeError(f"no episode has ended within {_START:g} s: see the graph's messages")
            time.sleep(_POLL_PERIOD)
        before, began = _usage(graph), time.monotonic()
        time.sleep(60.0 * options.minutes)
        after, ended = _usage(graph), time.monotonic()
        end_graph(graph)
    if before.keys() != after.keys():
        raise RuntimeError("a process of the graph has died or was started during the measurement")
    return figures(before, after, ended - began)


def figures(before: Mapping[str, Usage], after: Mapping[str, Usage], seconds: float) -> dict[str, Any]:
    """Return the benchmark's figures.

    Args:
        before: By process, at the beginning of the measurement.
        after: At its end.
        seconds: Between the two.
    """
    cores = {name: (after[name].seconds - before[name].seconds) / seconds for name in after}
    memory = {name: usage.memory_mb for name, usage in after.items()}
    return {
        "cores_total": sum(cores.values()),
        "cores_without_simulation": sum(value for name, value in cores.items() if name not in SIMULATION),
        "cores_per_node": cores,
        "memory_mb_total": sum(memory.values()),
        "memory_mb_per_node": memory,
    }


def table(found: Mapping[str, Any]) -> str:
    """Return the figures as text."""
    cores, memory = found["cores_per_node"], found["memory_mb_per_node"]
    rows = [f"{name:24} {cores[name]:6.3f} {memory[name]:10.0f}" for name in sorted(cores, key=cores.get, reverse=True)]
    total = f"{'all':24} {found['cores_total']:6.3f} {found['memory_mb_total']:10.0f}"
    without = f"{'all but ' + ', '.join(SIMULATION):24} {found['cores_without_simulation']:6.3f}"
    return "\n".join([f"{'':24} {'cores':>6} {'memory, MB':>10}", *rows, total, without])


def _time_starts(setting: Path, options: argparse.Namespace, run_dir: Path) -> dict[str, Any]:
    runs = [_time_start(setting, options, Path(f"{run_dir}{number}")) for number in range(options.starts)]
    return {stage: statistics.median(run[stage] for run in runs) for stage in runs[0]}


def _time_start(setting: Path, options: argparse.Namespace, run_dir: Path) -> dict[str, float]:
    command = ["ros2", "launch", "franka_reacher_rl", "async.launch.py", f"setting:={setting}"]
    command += [f"robot:={options.robot}", "episodes:=1", f"run_dir:={run_dir}"]
    began, lines = time.monotonic(), list[tuple[float, str]]()
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, env=graph_environment(), text=True, **pipes) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append((time.monotonic() - began, line))
    ended = time.monotonic() - began
    if process.returncode:
        output = "".join(text for _, text in lines)
        raise RuntimeError(f"the graph ended with exit code {process.returncode}:\n{output}")
    with (run_dir / "episodes.csv").open(newline="") as file:
        return start_times(lines, next(csv.DictReader(file)), ended)


def start_times(lines: Sequence[tuple[float, str]], episode: Mapping[str, str], ended: float) -> dict[str, float]:
    """Return when a run of one episode reached each stage, in s from the command on, and how long it took to end.

    Args:
        lines: What the launch printed, each line with its time in s.
        episode: Row of the episode in `episodes.csv`.
        ended: When the command ended, s.
    """
    marks = {mark: [at for at, line in lines if re.search(text, line)][-1] for mark, text in _MARKS.items()}
    action = marks["episode"] - float(episode["duration"])
    return {
        "launch_file": marks["launch_file"],
        "nodes_started": marks["nodes"],
        "first_reset": action - float(episode["reset_seconds"]),
        "first_action": action,
        "exit": ended - marks["episode"],
    }


def _usage(graph: subprocess.Popen[bytes]) -> dict[str, Usage]:
    """Return what each process of a graph has used so far."""
    return dict(_usages(psutil.Process(graph.pid)))


def _usages(launch: psutil.Process) -> Iterator[tuple[str, Usage]]:
    for process in (launch, *launch.children(recursive=True)):
        try:
            name = LAUNCH if process == launch else process_name(process)
            times = process.cpu_times()
            yield name, Usage(times.user + times.system, 1e-6 * process.memory_full_info().pss)
        except psutil.Error:  # it has just ended
            continue


def process_name(process: psutil.Process) -> str:
    """Return the name of a node's executable, else that of the program."""
    return Path(next((word for word in process.cmdline() if "/lib/" in word), process.name())).name
