"""Creates the learner that the node, virtual time and the benchmarks use."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from franka_reacher_rl.core.base.settings import ImageSettings, LearnerSettings, NetworkSettings, SACSettings
from franka_reacher_rl.core.learning.sac import SAC
from franka_reacher_rl.core.learning.trainer import Trainer
from franka_reacher_rl.core.replay.checkpoint import Checkpointer
from franka_reacher_rl.core.replay.replay import Replay


def make_trainer(
    image: ImageSettings,
    network: NetworkSettings,
    sac: SACSettings,
    learner: LearnerSettings,
    dof: int,
    seed: int,
    *,
    rows: int | None = None,
    checkpoints: Path | None = None,
    exact_draws: bool = False,
) -> Trainer:
    """Create an untrained learner with an empty replay.

    Args:
        image: Image settings.
        network: Network settings.
        sac: Settings of the algorithm.
        learner: Settings of the replay, the batches and the device.
        dof: Number of action values.
        seed: Seed of the run, from which independent streams of weights, sampling and updates are derived.
        rows: Number of rows that the run stores at most, which limits the replay's capacity; None if unknown.
        checkpoints: Folder of the checkpoints; None for a learner without checkpoints.
        exact_draws: Never prefetch, so that each batch is drawn from everything stored at the time of its update and
            does not depend on the timing of threads.

    Raises:
        ValueError: CUDA is requested but not available, or the image is too small for the network.
    """
    if exact_draws:
        learner = dataclasses.replace(learner, prefetch=False)
    capacity = learner.replay_capacity
    if rows is not None:
        capacity = max(min(capacity, rows), image.frames + 2)
    algorithm = SAC(image, network, sac, learner, dof, seed)
    replay = Replay(
        capacity,
        image.height,
        image.width,
        image.frames,
        3 * dof,
        dof,
        seed,
        pinned=algorithm.device.type == "cuda",
    )
    checkpointer = Checkpointer(checkpoints, algorithm, replay) if checkpoints is not None else None
    return Trainer(algorithm, replay, learner, checkpointer)
