"""`bench learner`: the duration of an update, in parts and compared with a plain learner."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from franka_reacher_rl.bench.options import add_learner
from franka_reacher_rl.bench.plain_learner import PlainLearner
from franka_reacher_rl.core.base.datatypes import Observation, StepId, Transition
from franka_reacher_rl.core.base.settings import Setting, setting_path
from franka_reacher_rl.core.learning.factory import make_trainer
from franka_reacher_rl.core.learning.machine import choose_dtype, prepare_learner
from franka_reacher_rl.core.learning.sac import SAC
from franka_reacher_rl.core.learning.trainer import Trainer
from franka_reacher_rl.core.policy.policy_store import PolicyWriter
from franka_reacher_rl.core.policy.weights import FlatWeights
from franka_reacher_rl.core.replay.batch import to_device
from franka_reacher_rl.core.replay.replay import Replay

DOF = 7
PARTS = ("sample", "crop", "critic", "actor", "target")
# the part that each step method of `SAC` belongs to
_PART_OF = {
    "crop": "crop",
    "target": "target",
    "update_critic": "critic",
    "update_target": "target",
    "update_actor": "actor",
    "update_temperature": "actor",
}
_STEPS = 150  # steps per episode
_FRAMES = 64  # number of distinct frames
_WARM = 5  # updates before the timing starts


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the arguments, measure and print; return the exit code."""
    return run(_parse(argv))


def run(options: argparse.Namespace) -> int:
    """Measure and print; return the exit code."""
    try:
        setting = _setting(options)
        result = measure(setting, options)
    except (ValueError, RuntimeError) as error:
        print(f"bench learner: {error}", file=sys.stderr)
        return 2
    print(json.dumps(result) if options.json else _table(result))
    return 0


def measure(setting: Setting, options: argparse.Namespace) -> dict[str, Any]:
    """Time updates on random transitions.

    Raises:
        ValueError: The requested device is not available.
        RuntimeError: There is not enough memory.
    """
    torch.set_num_threads(options.threads or torch.get_num_threads())
    trainer = filled_trainer(setting, options.rows)
    sac = trainer.sac
    # first, because the learner's memory setting would also speed up the plain learner
    plain = _time_plain(setting, trainer.replay, options.plain_updates) if options.against_plain else []
    prepare_learner(options.threads)
    parts, sums = _time_parts(trainer, setting.learner.batch_size, options.updates)
    result: dict[str, Any] = {
        "setting": options.setting,
        "image": f"{setting.image.width}x{setting.image.height}",
        "batch": setting.learner.batch_size,
        "precision": str(choose_dtype(setting.learner.precision, sac.device)).removeprefix("torch."),
        "device": torch.cuda.get_device_name() if sac.device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "updates": options.updates,
        "parts": {name: _spread(times) for name, times in parts.items()},
        "sum": _spread(sums),
    }
    if sac.device.type == "cuda" or setting.learner.prefetch:
        result["running"] = _time_running(trainer, options.updates)
    running = sac.device.type == "cuda"  # the sum includes a wait after every part
    result["ms_per_update"] = result["running" if running else "sum"]["median"]
    result["publish"] = _spread(_time_publishing(sac, options.updates))
    trainer.close()
    if plain:
        result["plain"] = _spread(plain)
        result["speedup"] = round(result["plain"]["median"] / result["ms_per_update"], 2)
    return result


def _time_parts(trainer: Trainer, batch: int, updates: int) -> tuple[dict[str, list[float]], list[float]]:
    """Time each part of updates executed kernel by kernel, waiting for the device after each part.

    Returns:
        The seconds of each part and of the whole, for each update.
    """
    sac, times = trainer.sac, dict.fromkeys(PARTS, 0.0)
    parts: dict[str, list[float]] = {name: [] for name in PARTS}
    sums: list[float] = []
    for method, part in _PART_OF.items():
        setattr(sac, method, _timed(getattr(sac, method), times, part, sac.device))
    sample = _timed(lambda: to_device(trainer.replay.sample(batch), sac.device), times, "sample", sac.device)
    for i in range(_WARM + updates):
        times.update(dict.fromkeys(PARTS, 0.0))
        start = time.perf_counter()
        sac.steps(sample(), sac.draw(batch).to(sac.device))
        if i >= _WARM:
            sums.append(time.perf_counter() - start)
            for name in PARTS:
                parts[name].append(times[name])
    for method in _PART_OF:
        delattr(sac, method)
    return parts, sums


def _timed(
    function: Callable[..., Any], times: dict[str, float], part: str, device: torch.device
) -> Callable[..., Any]:
    """Wrap a function so that its seconds, including the device's work, are added to a part."""

    def call(*arguments: Any) -> Any:
        start = time.perf_counter()
        result = function(*arguments)
        _wait(device)
        times[part] += time.perf_counter() - start
        return result

    return call


def _time_running(trainer: Trainer, updates: int) -> dict[str, float]:
    """Time updates as the graph's learner executes them, with prefetching and CUDA graphs as set."""
    device = trainer.sac.device
    for _ in range(_WARM):
        trainer.update(trainer.sample())
    _wait(device)
    each = 1 if device.type == "cpu" else 20  # calls return long before the device has finished
    times = []
    for _ in range(max(1, updates // each)):
        start = time.perf_counter()
        for _ in range(each):
            trainer.update(trainer.sample())
        _wait(device)
        times.append((time.perf_counter() - start) / each)
    return _spread(times)


def _time_publishing(sac: SAC, times: int) -> list[float]:
    seconds, weights = [], FlatWeights(sac.policy)
    with PolicyWriter("bench", "bench") as writer:
        for version in range(_WARM + times):
            start = time.perf_counter()
            writer.publish(weights.bytes(), version)
            seconds.append(time.perf_counter() - start)
    return seconds[_WARM:]


def _time_plain(setting: Setting, replay: Replay, updates: int) -> list[float]:
    """Return the seconds per update of the plain learner, including its sampling."""
    learner, seconds = PlainLearner(setting, DOF, seed=0), []
    for i in range(2 + updates):
        start = time.perf_counter()
        learner.update(replay.sample(setting.learner.batch_size))
        if i >= 2:
            seconds.append(time.perf_counter() - start)
    return seconds


def filled_trainer(setting: Setting, rows: int) -> Trainer:
    """Create a learner with a replay full of random rows; the images' content does not affect the timing."""
    image = setting.image
    trainer = make_trainer(image, setting.network, setting.sac, setting.learner, DOF, 0, rows=rows)
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (_FRAMES, image.height, image.width, 3), dtype=np.uint8)
    for i in range(rows):
        episode, step = divmod(i, _STEPS)
        made = Observation(
            id=StepId(episode + 1, step),
            frame=frames[i % _FRAMES],
            proprioception=random.standard_normal(3 * DOF).astype(np.float32),
            reward=float(random.random()),
            first=step == 0,
            terminated=False,
            truncated=step == _STEPS - 1,
        )
        trainer.add(Transition(made, random.uniform(-1, 1, DOF).astype(np.float32)))
    return trainer


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return the median and the 10th and 90th percentiles in ms."""
    low, median, high = np.quantile(seconds, [0.1, 0.5, 0.9]) * 1000.0
    return {"median": round(float(median), 3), "p10": round(float(low), 3), "p90": round(float(high), 3)}


def _table(result: dict[str, Any]) -> str:
    keys = ("setting", "image", "batch", "precision", "device", "threads", "torch")
    lines = [", ".join(f"{key} {result[key]}" for key in keys), f"{'ms':24}{'median':>9}{'p10':>9}{'p90':>9}"]
    rows: list[tuple[str, dict[str, float]]] = list(result["parts"].items())
    rows += [(name, result[key]) for name, key in _ROWS if key in result]
    lines += [f"{name:24}{s['median']:9.2f}{s['p10']:9.2f}{s['p90']:9.2f}" for name, s in rows]
    lines.append(f"{result['ms_per_update']:.2f} ms per update, {1000.0 / result['ms_per_update']:.1f} updates/s")
    if "speedup" in result:
        lines.append(f"{result['speedup']:.1f} times as fast as the plain learner")
    return "\n".join(lines)


_ROWS = (
    ("sum of the parts", "sum"),
    ("update while running", "running"),
    ("publishing the policy", "publish"),
    ("plain learner", "plain"),
)


def _setting(options: argparse.Namespace) -> Setting:
    setting = Setting.load(setting_path(options.setting, default_wiring="async"))
    image, learner = setting.image, setting.learner
    if options.size:
        width, height = _size(options.size)
        image = dataclasses.replace(image, width=width, height=height)
    changes = {"device": options.device, "precision": options.precision, "batch_size": options.batch}
    changes |= {"prefetch": not options.no_prefetch, "replay_on_device": options.replay_on_device}
    learner = dataclasses.replace(learner, **{k: v for k, v in changes.items() if v is not None})
    return dataclasses.replace(setting, image=image, learner=learner)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    try:
        return int(width), int(height)
    except ValueError:
        raise ValueError(f"--size {text!r} is not WIDTHxHEIGHT, such as 320x180") from None


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench learner")
    add_learner(parser)
    return parser.parse_args(argv)
