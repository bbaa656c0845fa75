"""`bench latency`: measure this machine's latency profile, for experiments in virtual time."""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable

import numpy as np
import torch
import yaml

from franka_reacher_rl.core.base.datatypes import Observation, StepId, Transition
from franka_reacher_rl.core.base.provenance import versions
from franka_reacher_rl.core.base.settings import Setting, setting_path
from franka_reacher_rl.core.learning.machine import prepare_learner
from franka_reacher_rl.core.learning.sac import SAC
from franka_reacher_rl.core.policy.policy import Policy
from franka_reacher_rl.core.policy.weights import FlatWeights
from franka_reacher_rl.core.replay.replay import Replay

_DOF = 7
_WARM = 3  # discarded measurements
_ROWS = 400


def run(options: argparse.Namespace) -> int:
    """Measure the profile, print it and write it to `--out`; return the exit code.

    Raises:
        ValueError: There is no such setting, or an option is out of range.
    """
    if options.repeats < 1:
        raise ValueError(f"--repeats {options.repeats} is not allowed: at least 1")
    prepare_learner(options.threads)
    paths = [setting_path(name, default_wiring="async") for name in options.settings]
    # The latencies do not depend on the wiring, so a profile's cases are named without it.
    cases = {
        path.stem.removeprefix("async_").removeprefix("sync_"): measure(Setting.load(path), options.repeats)
        for path in paths
    }
    profile = {"description": _description(), "reset_seconds": 2.0, "cases": cases}
    text = yaml.safe_dump(profile, sort_keys=False, default_flow_style=None, width=120)
    print(text, end="")
    if options.out:
        options.out.write_text("# Milliseconds, measured on an otherwise idle machine.\n" + text)
    return 0


def _description() -> str:
    made = versions()
    return (
        f"measured by bench latency: {platform.machine()}, learner threads: {torch.get_num_threads()}, "
        f"torch {made['torch']}"
    )


def measure(setting: Setting, repeats: int) -> dict[str, dict[str, list[float]]]:
    """Return the measured latencies of a profile's case, as samples in ms.

    `interaction` is the policy's inference alone; `bench cycle` measures what the ROS graph adds to it.
    """
    image, learner = setting.image, setting.learner
    sac = SAC(image, setting.network, setting.sac, learner, _DOF, 0)
    policy, weights = Policy(image, setting.network, _DOF, 0), FlatWeights(sac.policy)
    replay = _filled(setting)
    stack = np.zeros((image.channels, image.height, image.width), np.uint8)
    proprioception = np.zeros(3 * _DOF, np.float32)

    def update() -> None:
        sac.update(replay.sample(learner.batch_size))
        sac.info()  # waits for the device

    sampling = _times(lambda: replay.sample(learner.batch_size), repeats)
    both = _times(update, repeats)
    timed = {
        "interaction": _times(lambda: policy.act(stack, proprioception), repeats),
        "sampling": sampling,
        "update": [max(0.0, v - float(np.median(sampling))) for v in both],
        "policy_transfer": _times(lambda: policy.load(bytes(weights.bytes())), repeats),
    }
    return {name: {"samples_ms": [round(v, 3) for v in values]} for name, values in timed.items()}


def _times(action: Callable[[], object], repeats: int) -> list[float]:
    """Return the durations of repeated calls of a function, in ms."""
    taken = []
    for _ in range(_WARM + repeats):
        began = time.perf_counter()
        action()
        taken.append(1e3 * (time.perf_counter() - began))
    return taken[_WARM:]


def _filled(setting: Setting) -> Replay:
    """Return a replay buffer filled with random frames."""
    image, random = setting.image, np.random.default_rng(0)
    replay = Replay(_ROWS, image.height, image.width, image.frames, 3 * _DOF, _DOF, 0)
    frames = random.integers(0, 256, (16, image.height, image.width, 3), np.uint8)
    for i in range(_ROWS):
        step = i % 100
        values = np.zeros(3 * _DOF, np.float32)
        seen = Observation(StepId(1 + i // 100, step), frames[i % 16], values, 0.0, step == 0, False, step == 99)
        replay.add(Transition(seen, np.zeros(_DOF, np.float32)))
    return replay
