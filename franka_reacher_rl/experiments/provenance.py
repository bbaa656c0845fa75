"""Provenance of results: versions, machine, and digests of the code and the models that made them."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from franka_reacher_rl.core.base.provenance import GRAPH_CODE, VIRTUAL_CODE, commit, digest_code, versions


def code_digest(realtime: bool = False) -> str:
    """Return the digest of the code that makes results in virtual time, or in real time with the ROS graph."""
    return digest_code(*(GRAPH_CODE if realtime else VIRTUAL_CODE))


def provenance(realtime: bool = False) -> dict[str, Any]:
    """Return versions, code and the kind of machine, without names of hosts or people."""
    return {
        "versions": versions(),
        "commit": commit(),
        "code": code_digest(realtime),
        "machine": {
            "system": platform.system(),
            "machine": platform.machine(),
            "processor": _processor(),
            "cores": os.cpu_count(),
        },
    }


def made_by_this_code(result: Mapping[str, Any]) -> bool:
    """Whether a run's `result.json`, or the extra of its checkpoint, was written by the present version of the code."""
    return bool(result.get("code") == code_digest(bool(result.get("realtime"))))


def require_this_code(recorded: Mapping[str, Any], where: Path, realtime: bool = False) -> None:
    """Refuse to continue results that another version of the code has begun.

    Args:
        recorded: A mapping with the digest as `code`: the provenance of a manifest or the extra of a checkpoint.
        where: Folder of the results, for the message.
        realtime: Whether the ROS graph makes the results.

    Raises:
        ValueError: The digests differ.
    """
    if recorded.get("code") != code_digest(realtime):
        begun = f"digest {recorded.get('code')}, commit {recorded.get('commit', 'unknown')}"
        raise ValueError(
            f"{where} was begun by another version of the code ({begun}; now digest {code_digest(realtime)}): "
            "check that version out to continue, or take another folder"
        )


def _processor() -> str:
    """The processor's model, on which rounding depends."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or "unknown"
