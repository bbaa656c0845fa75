"""Replays of earlier runs: to read them, and to start a new run from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.safetensors_format import Arrays
from franka_reacher_rl.core.replay.checkpoint import Checkpointer
from franka_reacher_rl.core.replay.replay import Replay

CHECKPOINTS = "checkpoints"  # in a run folder


class _NoLearner:
    """Stands for the networks in a checkpoint of which only the replay is of interest."""

    updates = 0

    def save_state(self) -> Arrays:
        return {}

    def load_state(self, state: Mapping[str, npt.NDArray[np.generic]]) -> None:
        pass


def read_replay(folder: Path, replay: Replay) -> int:
    """Read the replay of an earlier run into an empty one.

    Args:
        folder: A run folder, or what `relabel` has written.
        replay: Of the same image size and robot.

    Returns:
        Number of rows read.

    Raises:
        ValueError: The folder has no replay that can be read, or it is of another image size or robot.
    """
    if not (folder / CHECKPOINTS).is_dir():
        raise ValueError(f"{folder} has no folder {CHECKPOINTS}: give a run folder, or a folder written by relabel")
    restored = Checkpointer(folder / CHECKPOINTS, _NoLearner(), replay, read_only=True).restore()
    if restored is None or not len(replay):
        raise ValueError(f"{folder} has no replay that can be read: its checkpoints are missing or damaged")
    return len(replay)


def write_replay(folder: Path, replay: Replay) -> None:
    """Write a replay as `read_replay` reads it.

    Raises:
        OSError: It cannot be written.
        ValueError: The folder has a replay already.
    """
    writer = Checkpointer(folder / CHECKPOINTS, _NoLearner(), replay)
    if writer.found:
        raise ValueError(f"{folder} has a replay already: give another folder")
    if not writer.save(wait=True):
        raise OSError(writer.failure)
