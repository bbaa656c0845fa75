"""A ROS 2 that the machine already has: found, sourced and used."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

# The distribution this package is made for first, then those it ought to work with.
DISTRIBUTIONS = ("jazzy", "kilted", "rolling", "humble")

# Import name and package of what rosdep doesn't bring.
PYTHON_PACKAGES = ("daqp", "mujoco", "pinocchio", "rich", "safetensors", "tensorboard", "torch")


def is_sourced(variables: Mapping[str, str]) -> bool:
    """Whether this process runs in a sourced ROS 2 that isn't the one this project makes for itself."""
    if "REACHER_ENVIRONMENT" in variables:
        return False
    return bool(variables.get("ROS_DISTRO")) and shutil.which("ros2", path=variables.get("PATH", "")) is not None


def setup_file(variables: Mapping[str, str], root: Path = Path("/opt/ros")) -> Path | None:
    """The setup.bash of an installed ROS 2, or None."""
    if "REACHER_ENVIRONMENT" in variables:
        return None
    for distribution in DISTRIBUTIONS:
        path = root / distribution / "setup.bash"
        if path.is_file():
            return path
    return None
