"""What a run leaves behind: manifest, one CSV row per episode, TensorBoard scalars."""

from __future__ import annotations

import csv
import importlib.metadata
import platform
import socket
import subprocess
import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from franka_reacher_rl import __version__
from franka_reacher_rl.core.config import Setting
from franka_reacher_rl.core.robot import Robot

_VERSIONED = ("torch", "numpy", "opencv-python-headless", "mujoco", "pin", "rclpy")


def manifest(setting: Setting, robot: Robot, run: dict[str, Any]) -> dict[str, Any]:
    """Everything needed to know what a run was: its arguments, the whole configuration, versions and the machine."""
    return {
        "run": run,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {"franka_reacher_rl": __version__, "python": platform.python_version(), **_versions()},
        "commit": _commit(),
        "host": {"name": socket.gethostname(), "machine": platform.machine(), "system": platform.platform()},
        "command": sys.argv[0],
        "setting": setting.to_mapping(),
        "robot": asdict(robot),
    }


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Writes `manifest.yaml`; one of an earlier part of the same run is kept beside it."""
    path = folder / "manifest.yaml"
    if path.exists():
        path.rename(folder / f"manifest.{int(path.stat().st_mtime)}.yaml")
    path.write_text(yaml.safe_dump(content, sort_keys=False))


class EpisodeTable:
    """`episodes.csv`: a row per episode, on disk as soon as it is written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", newline="")
        self._writer: csv.DictWriter[str] | None = None
        self._started = path.stat().st_size > 0

    def write(self, row: dict[str, Any]) -> None:
        """Appends one row; the first one also writes the header."""
        if self._writer is None:
            self._writer = csv.DictWriter(self._file, fieldnames=list(row))
            if not self._started:
                self._writer.writeheader()
        self._writer.writerow(row)
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _versions() -> dict[str, str]:
    found = {}
    for name in _VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not known"
    return found


def _commit() -> str:
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=here, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "not known"
    return done.stdout.strip() or "not known"
