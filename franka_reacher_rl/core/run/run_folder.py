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
from franka_reacher_rl.core.base.csv_file import read_rows
from franka_reacher_rl.core.base.documents import load_yaml
from franka_reacher_rl.core.base.fields import to_mapping
from franka_reacher_rl.core.base.files import without_none, write_atomic
from franka_reacher_rl.core.base.paths import find_yaml
from franka_reacher_rl.core.base.provenance import GRAPH_CODE, commit, digest_code, versions
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.base.suggestions import shortened
from franka_reacher_rl.core.run.progress_file import PROGRESS_FILE, read_progress
from franka_reacher_rl.core.run.run_state import holder, state_of

MANIFEST, EPISODES = "manifest.yaml", "episodes.csv"
SETTING_FILE = "setting.yaml"  # the run's setting
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

    The manifest of an earlier part of the same run is kept under another name. Nothing is written twice for the same
    part.

    Raises:
        OSError: A file cannot be written; an earlier manifest remains.
    """
    path, run = folder / MANIFEST, content["run"]
    if path.exists():
        if run.get("run_id") and recorded_run(folder) == run["run_id"]:
            return
        write_atomic(folder / f"manifest.{int(path.stat().st_mtime)}.yaml", path.read_bytes())
    params_file = run.get("params_file")
    if params_file and Path(params_file) != folder / PARAMS_FILE:
        write_atomic(folder / PARAMS_FILE, Path(params_file).read_text())
    _write_setting(folder, content)
    _write_robot(folder, content)
    write_atomic(path, yaml.safe_dump(content, sort_keys=False))


def last_recorded(folder: Path, run_id: str) -> int:
    """Return the last recorded episode of a run whose recorder starts anew; 0 if the folder is of no or another run."""
    try:
        if not run_id or recorded_run(folder) != run_id:
            return 0
        rows, _ = read_rows(folder / EPISODES)
        return int(rows[-1]["episode"]) if rows else 0
    except (OSError, KeyError, ValueError):
        return 0


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a run.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged; the message says what to do.
    """
    path = folder / MANIFEST
    try:
        found = load_yaml(path)
        if not isinstance(found["run"]["wiring"], str):
            raise TypeError("run.wiring is not a text")
    except (ValueError, KeyError, TypeError) as error:
        earlier = max(folder.glob("manifest.*.yaml"), default=None, key=lambda each: each.name)
        remedy = f"copy {earlier.name} over it" if earlier else "start a new run with resume_weights:=" + str(folder)
        reason = "it is empty" if not path.stat().st_size else shortened(repr(error), 200)
        raise ValueError(f"{path} is damaged ({reason}), so the run cannot be resumed from it: {remedy}") from None
    return dict(found)


def recorded_run(folder: Path) -> str:
    """Return the identifier of the run that a folder has recorded; empty if there is none or it cannot be read."""
    try:
        return str(load_yaml(folder / MANIFEST)["run"].get("run_id", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _write_setting(folder: Path, content: dict[str, Any]) -> None:
    setting = {"/**": {"ros__parameters": without_none(content["setting"])}}
    write_atomic(folder / SETTING_FILE, yaml.safe_dump(setting, sort_keys=False))


def _write_robot(folder: Path, content: dict[str, Any]) -> None:
    write_atomic(folder / ROBOT_FILE, yaml.safe_dump(content["robot"], sort_keys=False))


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

    A damaged part that another file of the folder has is restored, with a warning.

    Raises:
        ValueError: It holds no run, a damaged manifest, a run that a launch is running, a run of the other wiring, or a
            run of other models of the arm; or the limits that are tighter now leave no room for the task.
    """

    def __init__(self, folder: str, wiring: str) -> None:
        self.folder = Path(folder).expanduser().absolute()
        path = self.folder / MANIFEST
        if not path.is_file():
            raise ValueError(f"resume:={folder} holds no run: {path} does not exist")
        if running := holder(self.folder):
            raise ValueError(f"resume:={folder} is running in {running}: end it first")
        self.manifest = read_manifest(self.folder)
        run = self.manifest["run"]
        if run["wiring"] != wiring:
            raise ValueError(f"resume:={folder} is a run of {run['wiring']}.launch.py")
        try:
            self.arguments = {name: str(run[name]) for name in ("camera", "seed")}
            self.arguments |= {name: str(run.get(name, "")) for name in KEPT_ARGUMENTS}
            self.robot_source = str(run.get("robot_source") or run["robot"])
        except KeyError as error:
            raise ValueError(f"{path} is damaged: it lacks run.{error.args[0]}") from None
        warnings = [state_of(self.folder).remark, *self._repair()]
        robot_file, tightened = self._tighten()
        files = {"setting": SETTING_FILE, "robot": robot_file}
        if (self.folder / PARAMS_FILE).is_file():
            files["params_file"] = PARAMS_FILE
        self.arguments |= {name: str(self.folder / file) for name, file in files.items()}
        self.counters, torn = self._counters()
        self.warning = "; ".join(text for text in (*warnings, torn, self._compare(), tightened) if text)

    def _repair(self) -> list[str]:
        """Restore files that are missing from the manifest, and set damaged progress aside; say what was done."""
        done = []
        for name, write in ((SETTING_FILE, _write_setting), (ROBOT_FILE, _write_robot)):
            if not (self.folder / name).exists():
                try:
                    write(self.folder, self.manifest)
                except KeyError:
                    raise ValueError(f"{self.folder} lacks {name}, and its manifest cannot replace it") from None
                done.append(f"{name} was missing and is restored from {MANIFEST}")
        progress = self.folder / PROGRESS_FILE
        try:
            read_progress(progress)
        except ValueError:  # a resumed run continues after the last recorded episode and does not need it
            progress.rename(progress.with_suffix(".damaged"))
            done.append(f"{PROGRESS_FILE} was damaged and is renamed")
        return done

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

    def _counters(self) -> tuple[dict[str, Any], str]:
        """Return where the environment continues, after the last recorded episode, and a warning if it is torn."""
        table = self.folder / EPISODES
        if not table.is_file():
            return {}, ""
        rows, torn = read_rows(table)
        warning = f"the last row of {EPISODES} is incomplete: its episode is repeated" if torn else ""
        if not rows:
            return {}, warning
        last = rows[-1]
        try:
            return {
                "first_episode": int(last["episode"]) + 1,
                "training_seconds": float(last["training_seconds"]),
                "total_steps": int(last["total_steps"]),
                "run_seconds": float(last["run_seconds"]),
            }, warning
        except (KeyError, ValueError) as error:
            raise ValueError(
                f"the last row of {table} is damaged ({error}): remove it to continue after the episode before"
            ) from None
