"""The environment of a process that imports the package from this checkout."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def child_environment(log_folder: Path) -> dict[str, str]:
    """This process's environment; ROS writes its log files to a folder."""
    return os.environ | {
        "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}",
        "ROS_LOG_DIR": str(log_folder),
    }
