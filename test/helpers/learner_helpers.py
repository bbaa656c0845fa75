"""Small settings and synthetic data for the learner's tests."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from franka_reacher_rl.core.base.datatypes import Observation, StepId, Transition
from franka_reacher_rl.core.base.settings import ImageSettings, LearnerSettings, NetworkSettings, SACSettings
from franka_reacher_rl.core.learning.sac import SAC
from franka_reacher_rl.core.policy.weights import FlatWeights
from franka_reacher_rl.core.replay.batch import Batch
from franka_reacher_rl.core.replay.replay import Replay

# the tensors are tiny: waking further threads takes longer than the work, much longer on a busy machine
torch.set_num_threads(1)

DOF = 2
IMAGE = ImageSettings(width=24, height=20, frames=3, crop_fraction=0.1)
NETWORK = NetworkSettings(channels=[4, 6], strides=[2, 1], hidden=[16, 16])


def make_sac(precision: str = "float32", seed: int = 0, **settings: float) -> SAC:
    """Create a tiny learner."""
    learner = LearnerSettings(batch_size=8, device="cpu", precision=precision)
    return SAC(IMAGE, NETWORK, SACSettings(**settings), learner, DOF, seed)


def policy_bytes(sac: SAC) -> bytes:
    """Return the learner's policy as safetensors bytes."""
    return bytes(FlatWeights(sac.policy).bytes())


def make_batch(random: np.random.Generator, n: int = 8, image: ImageSettings = IMAGE, dof: int = DOF) -> Batch:
    """Create random transitions, some of them terminated."""
    shape = (n, image.frames + 1, 3, image.height, image.width)
    return Batch(
        frames=random.integers(0, 256, shape, dtype=np.uint8),
        proprioception=random.standard_normal((n, 3 * dof)).astype(np.float32),
        next_proprioception=random.standard_normal((n, 3 * dof)).astype(np.float32),
        action=random.uniform(-1, 1, (n, dof)).astype(np.float32),
        reward=random.uniform(0, 10, n).astype(np.float32),
        terminated=(random.random(n) < 0.3).astype(np.float32),
    )


def make_smooth_batch(random: np.random.Generator, n: int, image: ImageSettings) -> Batch:
    """Create transitions whose images show waves and noise; the reward depends on the phase of the waves."""
    batch = make_batch(random, n, image)
    rows, columns = np.mgrid[: image.height, : image.width]
    phase = random.uniform(0, 2 * np.pi, (n, 1, 1, 1, 1)) + 0.2 * np.arange(image.frames + 1)[:, None, None, None]
    wave = np.sin(rows / 5.0 + phase) + np.cos(columns / 7.0 + np.arange(3)[:, None, None] - phase)
    reward = 1.0 + np.cos(phase[:, 0, 0, 0, 0]).astype(np.float32)
    pixels = 127.5 + 60.0 * wave + random.normal(0.0, 10.0, wave.shape)
    return dataclasses.replace(batch, frames=pixels.clip(0, 255).astype(np.uint8), reward=reward)


def make_replay(capacity: int = 40, seed: int = 0, image: ImageSettings = IMAGE) -> Replay:
    """Create an empty replay for the tiny learner."""
    return Replay(capacity, image.height, image.width, image.frames, 3 * DOF, DOF, seed)


def make_transition(
    number: int, episode: int, step: int, *, first: bool = False, last: bool = False, image: ImageSettings = IMAGE
) -> Transition:
    """Create a row with its number in every part: pixels number % 251, proprioception and reward."""
    frame = np.full((image.height, image.width, 3), number % 251, np.uint8)
    proprioception = np.full(3 * DOF, number, np.float32)
    observation = Observation(
        StepId(episode, step), frame, proprioception, 0.0 if first else float(number), first, False, last
    )
    action = np.full(DOF, 0.0 if first else (number % 200) / 100 - 1, np.float32)
    return Transition(observation, action, number)


def fill(replay: Replay, rows: int, episode_length: int = 7, begin: int = 0) -> None:
    """Add consecutive episodes."""
    for number in range(begin, begin + rows):
        episode, step = divmod(number, episode_length)
        last = step == episode_length - 1
        replay.add(make_transition(number, episode + 1, step, first=step == 0, last=last))
