"""`--realtime`: the ROS graph runs what virtual time would, one run after the other, into the same tables.

Latencies are then the machine's own, and no two runs are the same.
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
from typing import Any

import yaml

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.experiments import virtual_run as run_one
from franka_reacher_rl.experiments.provenance import code_digest
from franka_reacher_rl.experiments.runner import Job
from franka_reacher_rl.experiments.spec import Run
from franka_reacher_rl.experiments.table import EpisodeRow, EpisodeTable
from franka_reacher_rl.virtual.plant import with_command_timeout

_PACKAGE = "franka_reacher_rl"
_GRAPH = "graph"  # the graph's own run folder, below ours


class RealTime:
    """Starts `ros2 launch` for a run and takes over its table. A run that was cut short starts anew."""

    slots = 1

    def __init__(self) -> None:
        """Looks for ROS.

        Raises:
            ValueError: There is none.
        """
        if shutil.which("ros2") is None:
            raise ValueError("--realtime needs ROS 2: run it as ./reacher experiment ..., or source its setup.bash")
        self._running: tuple[Job, subprocess.Popen[bytes]] | None = None

    def start(self, job: Job) -> None:
        """Launches the graph."""
        graph = job.folder / _GRAPH
        shutil.rmtree(graph, ignore_errors=True)
        with (job.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                launch_command(job.run, job.folder), stdout=log, stderr=log, start_new_session=True
            )
        self._running = (job, process)

    def ended(self) -> list[tuple[Job, str]]:
        """The run, if it has ended."""
        if self._running is None or self._running[1].poll() is None:
            return []
        (job, process), self._running = self._running, None
        if process.returncode:
            return [(job, f"the graph ended with {process.returncode}; see {job.folder / 'log.txt'}")]
        try:
            take_over(job.run, job.folder)
        except (OSError, KeyError, ValueError) as error:
            return [(job, f"the graph's table cannot be used: {error}")]
        return [(job, "")]

    def stop(self) -> None:
        """Ends the graph as Ctrl-C would: the arm stops first."""
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
    """Writes the run's setting and robot as files and gives the command that runs them."""
    setting, robot = folder / "setting.yaml", folder / "robot.yaml"
    variant = run.variant
    setting.write_text(yaml.safe_dump({"/**": {"ros__parameters": _without_none(variant.setting.to_mapping())}}))
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
    """Makes the run's table and result from the graph's.

    Raises:
        OSError: The graph left no table.
        KeyError: The table lacks a column.
        ValueError: It has too few episodes, or something in it is no number.
    """
    graph = folder / _GRAPH
    with (graph / run_one.EPISODES).open() as file:
        rows = list(csv.DictReader(file))
    if len(rows) < run.episodes:
        raise ValueError(f"{len(rows)} episodes of {run.episodes}")
    table, began = EpisodeTable(folder / run_one.EPISODES), float(rows[0]["wall_time"])
    before = began - float(rows[0]["duration"])
    first = before
    for row in rows:
        now = float(row["wall_time"])
        table.write(_converted(row, now - first, now - before))
        before = now
    table.sync()
    table.close()
    if (graph / run_one.POLICY).exists():
        shutil.copyfile(graph / run_one.POLICY, folder / run_one.POLICY)
    result = {"run": run.digest, "code": code_digest(), "episodes": len(rows), "realtime": True}
    run_one.write_whole(folder / run_one.RESULT, json.dumps(result, indent=1))


def _converted(row: dict[str, str], elapsed: float, wall: float) -> EpisodeRow:
    """A row of the graph's table as one of ours; what the graph does not tell is 0."""

    def value(name: str) -> float:
        return float(row.get(name) or 0.0)

    steps, cycle_ms, duration = int(row["steps"]), float(row["cycle_ms"]), float(row["duration"])
    episode_return = float(row["episode_return"])
    return EpisodeRow(
        episode=int(row["episode"]),
        episode_return=episode_return,
        coverage_return=episode_return * (1e3 * duration / (steps * cycle_ms)) if steps else 0.0,
        steps=steps,
        duration=duration,
        training_seconds=float(row["training_seconds"]),
        virtual_seconds=elapsed,
        total_steps=int(row["total_steps"]),
        updates=int(value("learner_updates")),
        policy_version=int(row["policy_version"]),
        end_reason=row["end_reason"],
        late_cycles=int(row["late_cycles"]),
        lateness_ms_median=value("lateness_ms_median"),
        lateness_ms_max=value("lateness_ms_max"),
        observation_age_ms_median=value("observation_age_ms_median"),
        observation_age_ms_p99=value("observation_age_ms_p99"),
        policy_age_s_median=value("policy_age_s_median"),
        policy_age_steps_median=value("policy_age_steps_median"),
        watchdog_stops=0,
        held_seconds=0.0,
        commands_limited=0,
        learner_waiting_for_data=value("learner_waiting_for_data") * wall,
        learner_waiting_for_budget=value("learner_waiting_for_budget") * wall,
        learner_idle=0.0,
        learner_sampling=value("learner_sampling") * wall,
        learner_batch_transfer=value("learner_transfer") * wall,
        learner_update=value("learner_update") * wall,
        critic_loss=value("learner_critic_loss"),
        actor_loss=value("learner_actor_loss"),
        temperature=value("learner_temperature"),
        entropy=value("learner_entropy"),
        q_mean=value("learner_q_mean"),
        wall_seconds=wall,
    )


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    """ROS parameters have no null: what is not set is left out."""
    return {k: _without_none(v) if isinstance(v, dict) else v for k, v in values.items() if v is not None}
