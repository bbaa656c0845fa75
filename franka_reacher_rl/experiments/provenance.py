"""Where results come from: versions, machine and the code itself."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from franka_reacher_rl import __version__

_VERSIONED = ("torch", "numpy", "opencv-python-headless", "mujoco", "daqp", "pin")
_FOLDERS = ("core", "sim", "experiments")
_NOT_RUN = ("bench_", "plain_learner", "plots", "report", "conclusions", "cli", "runner", "paper", "curve")


@functools.cache
def code_digest() -> str:
    """A short name of the code that makes results: core, sim and virtual time, without plots and command line."""
    root, known = Path(__file__).resolve().parents[1], hashlib.sha256()
    files = [path for folder in _FOLDERS for path in sorted((root / folder).rglob("*.py"))]
    for path in files:
        if path.parent.name != "experiments" or not path.name.startswith(_NOT_RUN):
            known.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return known.hexdigest()[:16]


def provenance() -> dict[str, Any]:
    """Versions and the kind of machine; no names of hosts or people."""
    return {
        "versions": {"franka_reacher_rl": __version__, "python": platform.python_version(), **_versions()},
        "commit": _commit(),
        "code": code_digest(),
        "machine": {"system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count()},
    }


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
