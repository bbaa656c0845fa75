"""Versions of the software that produced a result."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from xml.etree import ElementTree

from franka_reacher_rl.core.base.paths import PACKAGE, share_dir

_NAMED = ("torch", "numpy", "opencv-python-headless", "mujoco", "daqp", "pin", "rclpy")

# The folders whose code determines a result, in virtual time and of the graph.
VIRTUAL_CODE = ("core", "sim", "virtual")
GRAPH_CODE = ("core", "sim", "cameras", "drivers", "ros", "nodes")


def versions() -> dict[str, str]:
    """Return the versions of this package, of Python and of the libraries that results depend on."""
    found = {PACKAGE: package_version(), "python": platform.python_version()}
    for name in _NAMED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def package_version() -> str:
    """Return the version of this package, which package.xml defines."""
    return ElementTree.parse(share_dir() / "package.xml").findtext("version", "unknown")


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


@functools.cache
def digest_code(*rooms: str) -> str:
    """Return 16 hexadecimal digits that identify the Python code in these folders of the package."""
    root, digest = Path(__file__).resolve().parents[2], hashlib.sha256()
    for path in (path for room in rooms for path in sorted((root / room).rglob("*.py"))):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]
