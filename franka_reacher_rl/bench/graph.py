"""`bench graph`: the processor time and the memory that the nodes of the async graph take, without any update."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
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
    with tempfile.TemporaryDirectory() as name:
        setting = short_setting(options.setting, Path(name), options.cycle_ms, _NO_UPDATES)
        try:
            found = _measure(setting, options, Path(name) / "run")
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
    print(json.dumps(found) if options.json else table(found))
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
