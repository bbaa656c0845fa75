"""Versions of the software that produced a result."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

from franka_reacher_rl import __version__

_NAMED = ("torch", "numpy", "opencv-python-headless", "mujoco", "daqp", "pin", "rclpy")


def versions() -> dict[str, str]:
    """Return the versions of this package, of Python and of the libraries that results depend on."""
    found = {"franka_reacher_rl": __version__, "python": platform.python_version()}
    for name in _NAMED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def commit() -> str:
    """Return the commit of the checkout as `git describe` prints it, with `-dirty` if there are uncommitted changes."""
    here = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=here, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"
