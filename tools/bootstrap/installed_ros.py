"""Find the ROS 2 installation of this machine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from bootstrap.python_packages import names

# In order of preference: Jazzy is the distribution the package is developed for.
DISTRIBUTIONS = ("jazzy", "kilted", "lyrical", "rolling", "humble")
# The distributions on Ubuntu 22.04 and 24.04, whose cv_bridge is compiled against NumPy 1 and fails with NumPy 2.
_NUMPY_1 = ("humble", "jazzy", "kilted")

# packages whose module has another name
_MODULES = {"pin": "pinocchio", "opencv-python-headless": "cv2", "pyyaml": "yaml"}


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


def interpreter(variables: Mapping[str, str]) -> Path:
    """Return the Python of the sourced ROS 2: the one that runs its ros2 command."""
    path = variables.get("PATH", "")
    ros2 = shutil.which("ros2", path=path)
    first = Path(ros2).read_text(errors="replace").partition("\n")[0] if ros2 else ""
    named = first.removeprefix("#!").strip()
    if first.startswith("#!/") and " " not in named and Path(named).name.startswith("python"):
        return Path(named)
    return Path(shutil.which("python3", path=path) or "python3")


def numpy_bound(distribution: str) -> list[str]:
    """Return the requirement that keeps pip from replacing the NumPy of a distribution by an incompatible one."""
    return ["numpy<2"] if distribution in _NUMPY_1 else []


def python_modules(requirements: Path) -> list[str]:
    """Return the modules of the packages that a requirements file lists."""
    return [_MODULES.get(name, name) for name in names(requirements)]
