"""The manifest of a run folder, and how a run is resumed from it."""

from __future__ import annotations

import platform
import socket
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.model_digest import model_digest
from franka_reacher_rl.core.arm.robot_files.tighter import tighter
from franka_reacher_rl.core.base.documents import load_table, load_yaml
from franka_reacher_rl.core.base.fields import to_mapping
from franka_reacher_rl.core.base.files import without_none, write_atomic
from franka_reacher_rl.core.base.paths import find_yaml
from franka_reacher_rl.core.base.provenance import GRAPH_CODE, commit, digest_code, versions
from franka_reacher_rl.core.base.settings import Setting

ROBOT_FILE = "robot.yaml"  # the run's copy of its robot file
TIGHTENED_FILE = "robot_tightened.yaml"  # with limits that are tighter now
PARAMS_FILE = "params.yaml"  # the run's copy of its params_file

# Launch arguments of a run that it keeps when it is resumed; empty: none.
KEPT_ARGUMENTS = ("camera_info_url", "image_topic", "camera_node", "reward_node", "robot_bridge_node")


def manifest(setting: Setting, robot: Robot, run: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a run: its arguments, the whole configuration, versions and the machine."""
    return {
        "run": run,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
        "commit": commit(),
        "code": digest_code(*GRAPH_CODE),
        "models": model_digest(robot),
        "host": {"name": socket.gethostname(), "machine": platform.machine(), "system": platform.platform()},
        "command": sys.argv[0],
        "setting": setting.to_mapping(),
        "robot": asdict(robot),
    }


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Write `manifest.yaml`, and its setting and robot as files that a launch can read.

    The manifest of an earlier part of the same run is kept under another name.
    """
    path = folder / "manifest.yaml"
    if path.exists():
        path.rename(folder / f"manifest.{int(path.stat().st_mtime)}.yaml")
    write_atomic(path, yaml.safe_dump(content, sort_keys=False))
    setting = {"/**": {"ros__parameters": without_none(content["setting"])}}
    params_file = content["run"].get("params_file")
    if params_file and Path(params_file) != folder / PARAMS_FILE:
        write_atomic(folder / PARAMS_FILE, Path(params_file).read_text())
    write_atomic(folder / "setting.yaml", yaml.safe_dump(setting, sort_keys=False))
    write_atomic(folder / ROBOT_FILE, yaml.safe_dump(content["robot"], sort_keys=False))


def last_recorded(folder: Path, run_id: str) -> int:
    """Return the last recorded episode of a run whose recorder starts anew; 0 if the folder is of no or another run."""
    try:
        run = load_yaml(folder / "manifest.yaml")["run"]
        if not run_id or run.get("run_id") != run_id:
            return 0
        rows = load_table(folder / "episodes.csv")
        return int(rows[-1]["episode"]) if rows else 0
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return 0


class Resumed:
    """A run folder to resume.

    The run keeps its robot, but a safety limit that its robot file has tightened since applies.

    Attributes:
        folder: The run folder.
        manifest: Its manifest.
        arguments: Launch arguments that the run keeps.
        counters: Parameters of the environment: what of the run is done.
        robot_source: The robot file that the run was begun with, a name or a path.
        warning: What has changed since the run was begun; empty: nothing.

    Raises:
        ValueError: It holds no run, a damaged manifest, a run of the other wiring, or a run of other models of the arm;
            or the limits that are tighter now leave no room for the task.
    """

    def __init__(self, folder: str, wiring: str) -> None:
        self.folder = Path(folder).expanduser().absolute()
        path = self.folder / "manifest.yaml"
        if not path.is_file():
            raise ValueError(f"resume:={folder} holds no run: {path} does not exist")
        self.manifest: dict[str, Any] = load_yaml(path)
        try:
            run = self.manifest["run"]
            if run["wiring"] != wiring:
                raise ValueError(f"resume:={folder} is a run of {run['wiring']}.launch.py")
            self.arguments = {name: str(run[name]) for name in ("camera", "seed")}
            self.arguments |= {name: str(run.get(name, "")) for name in KEPT_ARGUMENTS}
            self.robot_source = str(run.get("robot_source") or run["robot"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is damaged ({error!r}): the run cannot be resumed from it") from None
        robot_file, tightened = self._tighten()
        files = {"setting": "setting.yaml", "robot": robot_file}
        if (self.folder / PARAMS_FILE).is_file():
            files["params_file"] = PARAMS_FILE
        self.arguments |= {name: str(self.folder / file) for name, file in files.items()}
        self.counters = self._counters()
        self.warning = "; ".join(text for text in (self._compare(), tightened) if text)

    def _compare(self) -> str:
        """Return what differs from the version that began the run, in a sentence; refuse other models of the arm."""
        recorded, now = self.manifest.get("models"), model_digest(Robot.load(self.folder / ROBOT_FILE))
        if recorded not in (None, now):
            raise ValueError(
                f"{self.folder} was recorded with other models of the arm or the scene (digest {recorded}, now {now}): "
                "restore its URDF, MJCF and scene to resume it, or start a new run"
            )
        if self.manifest.get("code") == digest_code(*GRAPH_CODE):
            return ""
        return f"the run was begun by another version of the code (commit {self.manifest.get('commit', 'unknown')})"

    def _tighten(self) -> tuple[str, str]:
        """Return the name of the robot file in the run folder that applies, and why if that is not the run's own."""
        own = Robot.load(self.folder / ROBOT_FILE)
        try:
            path = find_yaml("robots", self.robot_source)
        except ValueError:
            return ROBOT_FILE, f"robot file {self.robot_source} does not exist any more, so the run's own limits apply"
        try:
            robot, changed = tighter(own, Robot.load(path))
        except ValueError as error:
            raise ValueError(
                f"resume:={self.folder}: its robot file {path} has changed ({error}): "
                "undo the change, or start a new run"
            ) from None
        if not changed:
            return ROBOT_FILE, ""
        write_atomic(self.folder / TIGHTENED_FILE, yaml.safe_dump(to_mapping(robot), sort_keys=False))
        return TIGHTENED_FILE, f"tighter limits of {path} apply: {', '.join(changed)}"

    def _counters(self) -> dict[str, Any]:
        """Return where the environment continues: after the last recorded episode."""
        table = self.folder / "episodes.csv"
        rows = load_table(table) if table.is_file() else []
        if not rows:
            return {}
        last = rows[-1]
        try:
            return {
                "first_episode": int(last["episode"]) + 1,
                "training_seconds": float(last["training_seconds"]),
                "total_steps": int(last["total_steps"]),
                "run_seconds": float(last["run_seconds"]),
            }
        except (KeyError, ValueError) as error:
            raise ValueError(f"the last row of {table} is damaged ({error!r}): remove it to resume the run") from None
