"""The saved policy that a launch evaluates, and the setting of a run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from franka_reacher_rl.core.base.settings import setting_path
from franka_reacher_rl.core.run.pretrained import NAME as PRETRAINED
from franka_reacher_rl.core.run.pretrained import pretrained


def policy_file(given: str, robot: str, *, evaluate: bool) -> str:
    """Return the policy file that a run acts with; empty: it acts with the learner's policies.

    Args:
        given: The launch argument `policy`: a path, `pretrained` or nothing.
        robot: Name of the robot.
        evaluate: Whether the run evaluates a saved policy.

    Raises:
        ValueError: It is missing, does not exist or is not to be evaluated.
    """
    if evaluate and not given:
        raise ValueError(
            f"evaluate:=true needs policy:=PATH, for example runs/LAST/policy.safetensors, or policy:={PRETRAINED}"
        )
    if given and not evaluate:
        raise ValueError(f"policy:={given} runs a saved policy: give evaluate:=true too")
    if not given:
        return ""
    path = pretrained(robot).policy if given == PRETRAINED else Path(os.path.abspath(os.path.expanduser(given)))
    if not path.is_file():
        raise ValueError(f"policy:={given} does not exist: a run writes its policy to RUN_DIR/policy.safetensors")
    return str(path)


def chosen_setting(given: str, policy: str, robot: str, wiring: str) -> Path:
    """Return the setting file of a run.

    Args:
        given: The launch argument `setting`.
        policy: The launch argument `policy`.
        robot: Name of the robot.
        wiring: `sync` or `async`.

    Raises:
        ValueError: There is no such setting, or the policy brings its own.
    """
    if policy == PRETRAINED:
        if given != "auto":
            raise ValueError(f"policy:={PRETRAINED} brings its own setting: leave out setting:={given}")
        return pretrained(robot).setting
    return setting_path(_automatic() if given == "auto" else given, wiring)


def _automatic() -> str:
    """Return the setting that suits this machine."""
    if shutil.which("nvidia-smi") is None:
        return "lite"
    try:
        import torch  # takes seconds, so only where there may be a GPU
    except ImportError:  # PyTorch may be in a virtual environment that the nodes use and `ros2` does not
        return "baseline"
    return "baseline" if torch.cuda.is_available() else "lite"
