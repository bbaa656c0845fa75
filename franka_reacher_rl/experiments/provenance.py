"""Where results come from: versions, machine and the code itself."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from pathlib import Path
from typing import Any

from franka_reacher_rl.core.base.provenance import commit, versions

_FOLDERS = ("core", "sim", "virtual")  # the code that produces a result; experiments/ only calls it


@functools.cache
def code_digest() -> str:
    """Return a digest of the code that produces results: `core`, `sim` and `virtual`."""
    root, known = Path(__file__).resolve().parents[1], hashlib.sha256()
    files = [path for folder in _FOLDERS for path in sorted((root / folder).rglob("*.py"))]
    for path in files:
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
