"""Where results come from: versions, machine and the code itself."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path
from typing import Any

from franka_reacher_rl.core.versions import commit, versions

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
        "versions": versions(),
        "commit": commit(),
        "code": code_digest(),
        "machine": {"system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count()},
    }
