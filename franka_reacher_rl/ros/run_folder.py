"""What a run leaves behind, apart from what the learner writes: manifest and tables."""

from __future__ import annotations

import csv
import platform
import socket
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.provenance import commit, versions
from franka_reacher_rl.core.base.settings import Setting


def manifest(setting: Setting, robot: Robot, run: dict[str, Any]) -> dict[str, Any]:
    """Everything needed to know what a run was: its arguments, the whole configuration, versions and the machine."""
    return {
        "run": run,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": versions(),
        "commit": commit(),
        "host": {"name": socket.gethostname(), "machine": platform.machine(), "system": platform.platform()},
        "command": sys.argv[0],
        "setting": setting.to_mapping(),
        "robot": asdict(robot),
    }


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Writes `manifest.yaml`, and what it says of setting and robot as files that a launch can read.

    A manifest of an earlier part of the same run is kept beside it.
    """
    path = folder / "manifest.yaml"
    if path.exists():
        path.rename(folder / f"manifest.{int(path.stat().st_mtime)}.yaml")
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    setting = {"/**": {"ros__parameters": _without_null(content["setting"])}}
    (folder / "setting.yaml").write_text(yaml.safe_dump(setting, sort_keys=False))
    (folder / "robot.yaml").write_text(yaml.safe_dump(content["robot"], sort_keys=False))


class Resumed:
    """A run folder to go on with.

    Raises:
        ValueError: It holds no run, or a run of the other wiring.
    """

    def __init__(self, folder: str, wiring: str) -> None:
        self.folder = Path(folder).expanduser().absolute()
        path = self.folder / "manifest.yaml"
        if not path.is_file():
            raise ValueError(f"resume:={folder} holds no run: {path} is not there")
        run = yaml.safe_load(path.read_text())["run"]
        if run["wiring"] != wiring:
            raise ValueError(f"resume:={folder} is a run of {run['wiring']}.launch.py")
        self.arguments = {
            "setting": str(self.folder / "setting.yaml"),
            "robot": str(self.folder / "robot.yaml"),
            "camera": str(run["camera"]),
            "seed": str(run["seed"]),
        }
        self.counters = self._counters()

    def _counters(self) -> dict[str, Any]:
        """Where the environment goes on: after the last episode that was written."""
        table = self.folder / "episodes.csv"
        rows = list(csv.DictReader(table.open(newline=""))) if table.is_file() else []
        if not rows:
            return {}
        return {
            "first_episode": int(rows[-1]["episode"]) + 1,
            "training_seconds": float(rows[-1]["training_seconds"]),
            "total_steps": int(rows[-1]["total_steps"]),
        }


def _without_null(values: Any) -> Any:
    """ROS parameters know no null: what is left out keeps its default."""
    if isinstance(values, dict):
        return {k: _without_null(v) for k, v in values.items() if v is not None}
    return values


class Table:
    """A CSV file that grows by a row at a time; a resumed run goes on in it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", newline="")
        self._writer: csv.DictWriter[str] | None = None
        self._started = path.stat().st_size > 0

    def write(self, row: dict[str, Any], flush: bool = True) -> None:
        """Appends one row; the first one of a new file also writes the header."""
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, fieldnames=list(row))
            if not self._started:
                self._writer.writeheader()
        self._writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
        if flush:
            self.flush()

    def flush(self) -> None:
        """Hands what was written to the system: a killed process loses none of it."""
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
