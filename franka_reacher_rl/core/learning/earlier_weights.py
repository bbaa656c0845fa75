"""The networks of an earlier run, from which a new one starts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from franka_reacher_rl.core.learning.sac import SAC
from franka_reacher_rl.core.replay.checkpoint import first_not_finite, part, read_checkpoint
from franka_reacher_rl.core.replay.stored import CHECKPOINTS

POLICY_FILE = "policy.safetensors"  # in a run folder
_UNREADABLE = (OSError, safetensors.SafetensorError, KeyError)


def load_earlier(sac: SAC, path: Path) -> str:
    """Start a learner from an earlier run; its counters, replay and random numbers stay those of a new run.

    Args:
        sac: The untrained learner.
        path: A run folder or its folder of checkpoints, of which the newest readable one is used whatever has become of
            its replay; or one checkpoint; or a policy.safetensors, which has no critics.

    Returns:
        What was loaded, in words.

    Raises:
        ValueError: There is nothing that can be read, or it is of another network; nothing is changed.
    """
    if not path.is_dir():
        return _load_file(sac, path)
    folder = path / CHECKPOINTS if (path / CHECKPOINTS).is_dir() else path
    # Checkpoints with damaged rows may have been renamed; their names begin with the number of updates.
    candidates = [p for p in folder.glob("checkpoint-*") if p.suffix in (".safetensors", ".damaged")]
    for candidate in sorted(candidates, reverse=True):
        try:
            return _load_checkpoint(sac, candidate)
        except _UNREADABLE:
            continue
    policy = path / POLICY_FILE
    hint = f"; its policy alone can be used: resume_weights:={policy}" if policy.is_file() else ""
    raise ValueError(f"resume_weights:={path} has no checkpoint that can be read{hint}")


def _load_file(sac: SAC, path: Path) -> str:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            is_checkpoint = "layout" in (file.metadata() or {})
        if is_checkpoint:
            return _load_checkpoint(sac, path)
        weights = safetensors.numpy.load_file(path)
    except _UNREADABLE as error:
        raise ValueError(f"resume_weights:={path} cannot be read ({error}): give another file") from None
    if name := first_not_finite(weights):
        raise ValueError(f"resume_weights:={path} has weights that are not finite: {name}")
    try:
        sac.load_policy(weights)
    except ValueError as error:
        raise _of_another_network(path, error) from None
    return f"the policy of {path}; the critics start untrained"


def _load_checkpoint(sac: SAC, path: Path) -> str:
    state, _ = read_checkpoint(path)
    learned = part(state, "sac.")
    try:
        sac.load_networks(learned)
    except ValueError as error:
        raise _of_another_network(path, error) from None
    return f"the networks of {path} after {int(np.asarray(learned['updates']))} updates; the replay starts empty"


def _of_another_network(path: Path, error: ValueError) -> ValueError:
    return ValueError(f"resume_weights:={path}: {error}. Give the setting and the robot of that run")
