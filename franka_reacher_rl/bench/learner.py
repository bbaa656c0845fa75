"""`bench learner`: how long an update takes, part by part, and against a plain learner."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from franka_reacher_rl.bench.options import add_learner
from franka_reacher_rl.bench.plain_learner import PlainLearner
from franka_reacher_rl.core.base.datatypes import Observation, StepId, Transition
from franka_reacher_rl.core.base.settings import Setting, setting_path
from franka_reacher_rl.core.learning.machine import prepare_learner
from franka_reacher_rl.core.learning.sac import SAC
from franka_reacher_rl.core.policy.policy_store import PolicyWriter
from franka_reacher_rl.core.replay.device_batch import choose_device, choose_dtype
from franka_reacher_rl.core.replay.replay import Replay
from franka_reacher_rl.core.replay.sources import Source

DOF = 7
PARTS = ("sample", "crop", "critic", "actor", "target")
_STEPS = 150  # of an episode
_FRAMES = 64  # distinct ones
_WARM = 5  # updates before the clock starts


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints; returns the exit code."""
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
    """Times updates on made-up transitions.

    Raises:
        ValueError: The device is not there.
        RuntimeError: There is not enough memory.
    """
    torch.set_num_threads(options.threads or torch.get_num_threads())
    replay = _filled(setting, options.rows, pinned=choose_device(setting.learner.device).type == "cuda")
    plain = _time_plain(setting, replay, options.plain_updates) if options.against_plain else []
    prepare_learner(options.threads)
    sac = SAC(setting.image, setting.network, setting.sac, setting.learner, DOF, seed=0)
    parts, sums = _time_parts(sac, replay, setting.learner.batch_size, options.updates)
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
        result["running"] = _time_running(setting, replay, options.updates)
    running = sac.device.type == "cuda"  # kernel by kernel it would wait after each
    result["ms_per_update"] = result["running" if running else "sum"]["median"]
    result["publish"] = _spread(_time_publishing(sac, options.updates))
    if plain:
        result["plain"] = _spread(plain)
        result["speedup"] = round(result["plain"]["median"] / result["ms_per_update"], 2)
    return result


def _time_parts(sac: SAC, replay: Replay, batch: int, updates: int) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds of each part and of the whole of each update, one after another; waits for the device after each."""
    sac.plain = True
    parts: dict[str, list[float]] = {name: [] for name in PARTS}
    sums: list[float] = []
    for i in range(_WARM + updates):
        times = dict.fromkeys(PARTS, 0.0)
        last = start = time.perf_counter()

        def mark(part: str, times: dict[str, float] = times) -> None:
            nonlocal last
            _wait(sac.device)
            now = time.perf_counter()
            times["actor" if part == "temperature" else part] += now - last
            last = now

        sac.mark = mark
        sampled = replay.sample(batch)
        mark("sample")
        sac.update(sampled)
        if i >= _WARM:
            sums.append(time.perf_counter() - start)
            for name in PARTS:
                parts[name].append(times[name])
    sac.plain, sac.mark = False, lambda part: None
    return parts, sums


def _time_running(setting: Setting, replay: Replay, updates: int) -> dict[str, float]:
    """Seconds per update of a learner that runs as it does in the graph: batches prefetched, CUDA graphs."""
    sac = SAC(setting.image, setting.network, setting.sac, setting.learner, DOF, seed=0)
    source = Source(replay, setting.learner, sac.device)
    for _ in range(_WARM):
        sac.update(source.next())
    _wait(sac.device)
    each = 1 if sac.device.type == "cpu" else 20  # the device is far behind a single call
    times = []
    for _ in range(max(1, updates // each)):
        start = time.perf_counter()
        for _ in range(each):
            sac.update(source.next())
        _wait(sac.device)
        times.append((time.perf_counter() - start) / each)
    source.close()
    return _spread(times)


def _time_publishing(sac: SAC, times: int) -> list[float]:
    seconds = []
    with PolicyWriter("bench", "bench") as writer:
        for version in range(_WARM + times):
            start = time.perf_counter()
            writer.publish(sac.policy_bytes(), version)
            seconds.append(time.perf_counter() - start)
    return seconds[_WARM:]


def _time_plain(setting: Setting, replay: Replay, updates: int) -> list[float]:
    """Seconds per update of the plain learner, with its sampling, as malloc comes."""
    learner, seconds = PlainLearner(setting, DOF, seed=0), []
    for i in range(2 + updates):
        start = time.perf_counter()
        learner.update(replay.sample(setting.learner.batch_size))
        if i >= 2:
            seconds.append(time.perf_counter() - start)
    return seconds


def _filled(setting: Setting, rows: int, pinned: bool) -> Replay:
    """A replay of noise: an update takes as long whatever the images show."""
    image = setting.image
    replay = Replay(rows, image.height, image.width, image.frames, 3 * DOF, DOF, 0, pinned)
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (_FRAMES, image.height, image.width, 3), dtype=np.uint8)
    for i in range(rows):
        episode, step = divmod(i, _STEPS)
        proprioception = random.standard_normal(3 * DOF).astype(np.float32)
        last = step == _STEPS - 1
        made = Observation(
            StepId(episode + 1, step),
            frames[i % _FRAMES],
            proprioception,
            float(random.random()),
            step == 0,
            False,
            last,
        )
        replay.add(Transition(made, random.uniform(-1, 1, DOF).astype(np.float32)))
    return replay


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    """Median and the 10th and 90th of a hundred, in ms."""
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
    ("sum, one after another", "sum"),
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
