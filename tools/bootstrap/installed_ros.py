"""Find the ROS 2 installation of this machine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from bootstrap.python_packages import names

# In order of preference: Jazzy is the distribution the package is developed for.
DISTRIBUTIONS = ("jazzy", "kilted", "rolling", "humble")

_MODULES = {"pin": "pinocchio"}  # packages whose module has another name


def is_sourced(variables: Mapping[str, str]) -> bool:
    """Return whether this process runs in a sourced ROS 2 other than the environment in `.reacher/`."""
    if "REACHER_ENVIRONMENT" in variables:
        return False
    return bool(variables.get("ROS_DISTRO")) and shutil.which("ros2", path=variables.get("PATH", "")) is not None


def setup_file(variables: Mapping[str, str], root: Path = Path("/opt/ros")) -> Path | None:
    """Return the setup.bash of the preferred installed ROS 2, or None."""
    if "REACHER_ENVIRONMENT" in variables:
        return None
    for distribution in DISTRIBUTIONS:
        path = root / distribution / "setup.bash"
        if path.is_file():
            return path
    return None


def python_modules(requirements: Path) -> list[str]:
    """Return the modules of the packages in requirements.txt, which rosdep does not install."""
    return [_MODULES.get(name, name) for name in names(requirements)]
