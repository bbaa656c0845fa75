"""Independent random streams derived from a run's seed."""

from __future__ import annotations

import zlib
from typing import Literal

import numpy as np

Stream = Literal[
    "policy_weights",  # initial weights of encoder and actor
    "critic_weights",  # initial weights of the critics
    "policy_noise",  # the actor's exploration, by episode
    "updates",  # crops and noise of the learner's updates
    "sampling",  # the replay's draws
    "reset",  # the environment's resets, by episode
    "latency",  # the latencies of virtual time
]


def spawn(seed: int, name: Stream, *key: int) -> np.random.SeedSequence:
    """Return the seed sequence of a stream, which is independent of every other seed, name and key.

    The stream depends on its name, not on the order in which streams are created.

    Args:
        seed: Seed of the run, not negative.
        name: Name of the stream.
        key: Numbers of a part of the stream, for example an episode.

    Raises:
        ValueError: The seed or a number of the key is negative.
    """
    if seed < 0 or min(key, default=0) < 0:
        raise ValueError(f"seed = {seed}, key = {list(key)}: use numbers of at least 0")
    return np.random.SeedSequence(entropy=seed, spawn_key=(zlib.crc32(name.encode()), *key))


def torch_seed(seed: int, name: Stream, *key: int) -> int:
    """Return the seed for a stream's `torch.Generator`; arguments and errors as for `spawn`."""
    return int(spawn(seed, name, *key).generate_state(1, np.uint64)[0])


def reset_rng(seed: int, episode: int) -> np.random.Generator:
    """Return the generator of an episode's reset.

    It depends on seed and episode only, so a reset that is tried again draws the same values, and later episodes are
    not affected.
    """
    return np.random.default_rng(spawn(seed, "reset", episode))
