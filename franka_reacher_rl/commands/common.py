"""What the commands share."""

from __future__ import annotations

import importlib.util
import os

from franka_reacher_rl.core.base.paths import PACKAGE, config_dir

PROGRAM = os.environ.get("REACHER_PROGRAM", "franka-reacher")
EXIT_FAILURE, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def require_ros(name: str) -> None:
    """Raise ValueError if ROS 2 is missing."""
    if importlib.util.find_spec("rclpy") is None:
        raise ValueError(f"needs ROS 2: run ./reacher {name}, or source the setup.bash of ROS 2")


def launch_command() -> str:
    """Return the command that takes a launch file and its arguments."""
    return f"{PROGRAM} launch" if PROGRAM == "./reacher" else f"ros2 launch {PACKAGE}"


def names(kind: str) -> str:
    """Return the names of the files of a kind in `config/`."""
    return ", ".join(sorted(path.stem for path in (config_dir() / kind).glob("*.yaml")))
