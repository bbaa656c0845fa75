"""Executes runs as ROS graphs in real time (`--realtime`), one after the other, with the same tables as virtual time.

Latencies are the machine's own, and no two runs are equal.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import yaml

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.files import without_none, write_atomic
from franka_reacher_rl.core.task.summary import EpisodeSummary
from franka_reacher_rl.experiments.executors import Job
from franka_reacher_rl.experiments.provenance import code_digest
from franka_reacher_rl.experiments.run_files import EPISODES, POLICY, RESULT
from franka_reacher_rl.experiments.spec import Run
from franka_reacher_rl.virtual.plant import with_command_timeout

_PACKAGE = "franka_reacher_rl"
_GRAPH = "graph"  # the graph's own run folder, below ours


class RealTime:
    """Launches the graph for each run and copies its table. An interrupted run starts anew."""

    slots = 1
    realtime = True

    def __init__(self) -> None:
        """Look for ROS.

        Raises:
            ValueError: ROS is not there.
        """
        if shutil.which("ros2") is None:
            raise ValueError("--realtime needs ROS 2: run it as ./reacher experiment ..., or source its setup.bash")
        self._running: tuple[Job, subprocess.Popen[bytes]] | None = None

    def start(self, job: Job) -> None:
        """Launch the graph."""
        graph = job.folder / _GRAPH
        shutil.rmtree(graph, ignore_errors=True)
        with (job.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                launch_command(job.run, job.folder), stdout=log, stderr=log, start_new_session=True
            )
        self._running = (job, process)

    def ended(self) -> list[tuple[Job, str]]:
        """Return the run if it has ended."""
        if self._running is None or self._running[1].poll() is None:
            return []
        (job, process), self._running = self._running, None
        if process.returncode:
            return [(job, f"the graph ended with {process.returncode}; see {job.folder / 'log.txt'}")]
        try:
            take_over(job.run, job.folder)
        except (OSError, ValueError) as error:
            return [(job, f"the graph's table cannot be used: {error}")]
        return [(job, "")]

    def stop(self) -> None:
        """End the graph as Ctrl-C does, so that the arm stops first."""
        if self._running is None:
            return
        process = self._running[1]
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(60.0)
        if process.poll() is None:
            process.kill()
        self._running = None


def launch_command(run: Run, folder: Path) -> list[str]:
    """Write the run's setting and robot as files and return the command that launches them."""
    setting, robot = folder / "setting.yaml", folder / "robot.yaml"
    variant = run.variant
    setting.write_text(yaml.safe_dump({"/**": {"ros__parameters": without_none(variant.setting.to_mapping())}}))
    made = with_command_timeout(Robot.load(variant.robot), variant.command_timeout)
    robot.write_text(yaml.safe_dump(dataclasses.asdict(made), sort_keys=False))
    arguments = {
        "setting": setting,
        "robot": robot,
        "seed": run.seed,
        "episodes": run.episodes,
        "run_dir": folder / _GRAPH,
    }
    words = [f"{name}:={value}" for name, value in arguments.items()]
    return ["ros2", "launch", _PACKAGE, f"{variant.wiring}.launch.py", *words]


def take_over(run: Run, folder: Path) -> None:
    """Make the graph's table and policy the run's result.

    Raises:
        OSError: The graph left no table.
        ValueError: The table has too few episodes or a cell that cannot be read.
    """
    graph = folder / _GRAPH
    with (graph / EPISODES).open(newline="") as file:
        summaries = [EpisodeSummary.from_row(row) for row in csv.DictReader(file)]
    if len(summaries) < run.episodes:
        raise ValueError(f"{len(summaries)} episodes of {run.episodes}")
    for name in (EPISODES, POLICY):
        if (graph / name).exists():
            shutil.copyfile(graph / name, folder / name)
    result = {"run": run.digest, "code": code_digest(realtime=True), "episodes": len(summaries), "realtime": True}
    write_atomic(folder / RESULT, json.dumps(result, indent=1))
