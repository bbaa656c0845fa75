"""What a person can do with a run that has ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from franka_reacher_rl.core.base.paths import config_dir
from franka_reacher_rl.core.run.run_folder import KEPT_ARGUMENTS, read_manifest
from franka_reacher_rl.core.run.run_state import COMPLETE
from franka_reacher_rl.core.run.runs import RunSummary, summarise

POLICY = "policy.safetensors"

# Launch arguments that an evaluation needs where they differ from these defaults.
_DEFAULTS = {"robot": "panda_sim", "camera": "simulated", "params_file": "", **dict.fromkeys(KEPT_ARGUMENTS, "")}


def next_steps(folder: Path, launch: str, program: str) -> list[str]:
    """Return lines that name the result of a run and the commands that continue from it.

    Args:
        folder: The run folder.
        launch: The command that takes a launch file and its arguments.
        program: The command that takes `curve` and `view`.
    """
    if not folder.is_dir():
        return []
    run = summarise(folder)
    count = f"{run.episodes} episode{'' if run.episodes == 1 else 's'}" if run.episodes else "no complete episode"
    lines, steps = [f"run {run.status.state}: {count} in {folder}"], []
    if run.wiring and run.episodes:
        steps.append(("curve", f"{program} curve {folder}"))
        arguments: Mapping[str, Any] = {} if run.problem else read_manifest(folder)["run"]
        if (folder / POLICY).is_file():
            steps.append(("evaluate", f"{launch} {run.wiring}.launch.py {_evaluation(folder, arguments)}"))
        if run.status.state == COMPLETE:
            steps.append(("go on", f"{launch} {run.wiring}.launch.py {_continuation(run, arguments)}"))
    if run.resume:
        steps.append(("resume", f"{launch} {run.resume}"))
    if any(folder.glob("*.mcap")):
        steps.append(("view", f"{program} view {folder}"))
    return lines + [f"  {name:9} {command}" for name, command in steps]


def _evaluation(folder: Path, arguments: Mapping[str, Any]) -> str:
    """Return the launch arguments that evaluate the policy of a run, with its setting, robot and camera."""
    given = [f"setting:={_short(arguments.get('setting', 'auto'), 'settings')}"]
    for name, default in _DEFAULTS.items():
        value = _short(arguments.get(name, default), "robots")
        if value != default:
            given.append(f"{name}:={value}")
    return " ".join([*given, "evaluate:=true", f"policy:={folder / POLICY}", "episodes:=10"])


def _continuation(run: RunSummary, arguments: Mapping[str, Any]) -> str:
    """Return the launch arguments that make a complete run twice as long."""
    minutes = float(arguments.get("training_minutes", 0.0))
    longer = f"training_minutes:={2 * minutes:g}" if minutes else f"episodes:={2 * run.episodes}"
    return f"resume:={run.folder} {longer}"


def _short(value: object, kind: str) -> str:
    """Return the name of a file of this package's `config/`, which is given by its path."""
    path = Path(str(value))
    return path.stem if path.parent == config_dir() / kind else str(value)
