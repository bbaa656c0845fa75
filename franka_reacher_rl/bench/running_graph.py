"""The async ROS graph as a benchmark runs it: its setting, and its process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import yaml

from franka_reacher_rl.core.base.files import without_none
from franka_reacher_rl.core.base.settings import Setting, setting_path

UNLIMITED = 1e9  # updates per step
_WARMUP_BATCHES = 2  # the warm-up ends when this many batches are stored
_SECONDS_TO_STOP = 60.0  # s, for an interrupted graph


def short_setting(name: str, folder: Path, cycle_ms: float | None = None, budget: float | None = None) -> Path:
    """Write a copy of a setting whose warm-up is short enough for a benchmark; return its path.

    Args:
        name: Name or path of a setting of the async wiring.
        folder: The folder to write to.
        cycle_ms: The action cycle time in ms; None: the setting's.
        budget: Maximum number of updates per step; None: the setting's.

    Raises:
        ValueError: There is no such setting, or a value is not allowed.
    """
    source = setting_path(name, "async")
    setting = Setting.load(source)
    learner = replace(
        setting.learner,
        max_updates_per_step=setting.learner.max_updates_per_step if budget is None else budget,
        warmup_steps=_WARMUP_BATCHES * setting.learner.batch_size,
        checkpoint_period=0.0,
    )
    episode = replace(setting.episode, cycle_ms=setting.episode.cycle_ms if cycle_ms is None else cycle_ms)
    values = without_none(replace(setting, episode=episode, learner=learner).to_mapping())
    path = folder / f"{source.stem}_short.yaml"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
    return path


def graph_environment() -> dict[str, str]:
    """Return the environment variables of a graph that no other graph hears."""
    return os.environ | {"ROS_DOMAIN_ID": str(random.SystemRandom().randint(1, 100))}


@contextmanager
def running_graph(
    setting: Path,
    robot: str,
    run_dir: Path,
    environment: dict[str, str],
    length: str,
    *,
    quiet: bool,
    further: Sequence[str] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Launch the async graph, and wait for its end.

    Args:
        setting: The setting file.
        robot: The robot: a name or a path.
        run_dir: The run folder.
        environment: Its environment variables.
        length: The launch argument that limits the run, such as `episodes:=5`.
        quiet: Whether to print errors only.
        further: Launch arguments, such as `record:=true`.

    Raises:
        RuntimeError: The graph failed.
    """
    command = ["ros2", "launch", "franka_reacher_rl", "async.launch.py", f"setting:={setting}", f"robot:={robot}"]
    command += [length, f"run_dir:={run_dir}", *further]
    output = subprocess.DEVNULL if quiet else None
    process = subprocess.Popen(command, env=environment, stdout=output, preexec_fn=_accept_interrupts)
    try:
        yield process
        process.wait()
    finally:
        end_graph(process)
    if process.returncode:
        raise RuntimeError(f"the graph ended with exit code {process.returncode}")


def _accept_interrupts() -> None:
    """Undo what shells do for processes in the background, so that `end_graph` works there too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def launched_graph(wiring: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Launch a graph that writes nothing, and end it."""
    command = ["ros2", "launch", "franka_reacher_rl", f"{wiring}.launch.py", "setting:=lite", "run_dir:="]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, preexec_fn=_accept_interrupts)
    try:
        yield process
    finally:
        end_graph(process)


def end_graph(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a graph that runs, as Ctrl-C does, and wait for its end."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(_SECONDS_TO_STOP)


def finished_episodes(run_dir: Path) -> int:
    """Return the number of episodes in the table of a running graph."""
    table = run_dir / "episodes.csv"
    return max(0, table.read_bytes().count(b"\n") - 1) if table.exists() else 0
