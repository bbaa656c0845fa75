"""The layout of a stored row, and the check of a transition before it is stored."""

from __future__ import annotations

import numpy as np

from franka_reacher_rl.core.base.datatypes import Transition


def row_type(height: int, width: int, proprioception: int, dof: int) -> np.dtype[np.void]:
    """Return the type of a stored row; checkpoints contain the same bytes."""
    return np.dtype(
        [
            ("frame", np.uint8, (3, height, width)),
            ("proprioception", "<f4", (proprioception,)),
            ("action", "<f4", (dof,)),
            ("reward", "<f4"),
            ("episode", "<u4"),
            ("step", "<u4"),
            ("first", np.bool_),
            ("terminated", np.bool_),
            ("truncated", np.bool_),
            ("policy_version", "<u8"),
        ]
    )


def check(transition: Transition, row: np.dtype[np.void]) -> None:
    """Check that a transition can be stored.

    Args:
        transition: The transition.
        row: The type of a row.

    Raises:
        ValueError: A shape or type is wrong, a value is not finite, or the action is outside [-1, 1].
    """
    observation = transition.observation
    expected = {name: row[name].shape for name in ("frame", "proprioception", "action")}
    height, width = expected["frame"][1:]
    if observation.frame.shape != (height, width, 3) or observation.frame.dtype != np.uint8:
        raise ValueError(
            f"frame is {observation.frame.dtype}{observation.frame.shape}, the replay holds "
            f"uint8{(height, width, 3)}: give camera and learner the same image settings"
        )
    for name, value in (("proprioception", observation.proprioception), ("action", transition.action)):
        if np.shape(value) != expected[name]:
            raise ValueError(f"{name} has shape {np.shape(value)}, the replay holds {expected[name]}")
        if not np.all(np.isfinite(value)):
            raise ValueError(f"{name} is not finite: {np.asarray(value).tolist()}")
    if not np.isfinite(observation.reward):
        raise ValueError(f"reward is not finite: {observation.reward}")
    if np.any(np.abs(transition.action) > 1.0 + 1e-5):
        raise ValueError(f"action is outside [-1, 1]: {np.asarray(transition.action).tolist()}")
