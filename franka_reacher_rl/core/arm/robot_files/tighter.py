"""The tighter of two versions of a robot file, for a run that is resumed after the file has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.sections import GuardedFrame

# The safety limits of a robot file, and which of two values is tighter.
_TIGHTER: dict[str, dict[str, Callable[..., Any]]] = {
    "limits": {
        "position_lower": np.maximum,
        "position_upper": np.minimum,
        "velocity": np.minimum,
        "acceleration": np.minimum,
        "jerk": np.minimum,
    },
    "task": {
        "position_lower": np.maximum,
        "position_upper": np.minimum,
        "workspace_lower": np.maximum,
        "workspace_upper": np.minimum,
    },
    "driver": {
        "deadline": np.minimum,
        "lag": np.maximum,
        "delay": np.maximum,
        "collision_torque": np.minimum,
        "collision_force": np.minimum,
    },
    "bridge": {
        "command_timeout": np.minimum,
        "latch_after": np.minimum,
        "state_timeout": np.minimum,
        "max_command_age": np.minimum,
        "approach_time": np.maximum,
        "workspace_margin": np.maximum,
        "position_margin": np.maximum,
    },
    "reset": {"velocity": np.minimum},
}


def tighter(run: Robot, now: Robot) -> tuple[Robot, list[str]]:
    """Return a run's robot with the tighter of its own safety limits and those of the present robot file.

    All else is the run's, `task.action_scale` included, because it defines what the policy's actions mean.

    Args:
        run: The robot as the run has used it so far.
        now: The robot as its file describes it now.

    Returns:
        The robot, and the names of the values that are now tighter than in the run, such as `task.workspace_upper`.

    Raises:
        ValueError: The files describe different joints, or the tighter limits leave no room for the run's task.
    """
    if run.joints != now.joints:
        raise ValueError(f"the run's joints are {', '.join(run.joints)}, and those of the file {', '.join(now.joints)}")
    parts: dict[str, Any] = {}
    changed = list[str]()
    for name, fields in _TIGHTER.items():
        mine, other = getattr(run, name), getattr(now, name)
        values = {f: choose(getattr(mine, f), getattr(other, f)).tolist() for f, choose in fields.items()}
        changed += [f"{name}.{f}" for f, value in values.items() if value != getattr(mine, f)]
        parts[name] = replace(mine, **values)
    frames = _guarded_frames(run, now)
    if frames != run.model.guarded_frames:
        changed.append("model.guarded_frames")
        parts["model"] = replace(run.model, guarded_frames=frames)
    return replace(run, **parts), changed


def _guarded_frames(run: Robot, now: Robot) -> list[GuardedFrame]:
    """Return the frames that either file guards, each with the intersection of its boxes."""
    boxes: dict[str, GuardedFrame] = {}
    for guarded in (*run.model.guarded_frames, *now.model.guarded_frames):
        other = boxes.get(guarded.frame, guarded)
        lower = np.maximum(guarded.lower, other.lower).tolist()
        upper = np.minimum(guarded.upper, other.upper).tolist()
        boxes[guarded.frame] = GuardedFrame(guarded.frame, lower, upper)
    return list(boxes.values())
