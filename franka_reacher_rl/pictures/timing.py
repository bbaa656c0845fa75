"""`draw timing`: what happens when within a cycle, from the cycles of a sync and an async run."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.documents import load_table
from franka_reacher_rl.core.run.run_folder import EPISODES, read_manifest

CYCLES = "cycles.csv"
_COLOURS = {"camera": "#56B4E9", "policy": "#009E73", "update": "#E69F00"}  # Okabe and Ito's
_SHOWN = 3  # cycles
_RARE = 99.0  # percentile at the end of a line


@dataclass(frozen=True)
class Duration:
    """Median and 99th percentile in ms."""

    median: float
    rare: float


@dataclass(frozen=True)
class Timing:
    """The cycles of a run while its learner was updating."""

    wiring: str
    cycle: float  # ms
    cycles: int  # that were evaluated
    frame: Duration  # from the capture of the frame to its observation
    response: Duration  # from the observation to the command
    age: Duration  # from the capture to the command
    update: float  # mean duration of an update in ms; NaN: none was made


def read_timing(folder: Path) -> Timing:
    """Read a run.

    Raises:
        ValueError: It has no finished episode, or a table is damaged.
        OSError: A table or the manifest is missing.
    """
    wiring = str(read_manifest(folder)["run"]["wiring"])
    episodes = load_table(folder / EPISODES)
    if not episodes:
        raise ValueError(f"{folder} has no finished episode: give the folder of a run with at least one")
    learning = _learning(episodes)
    evaluated = {row["episode"] for row in learning or episodes}
    cycles = [row for row in load_table(folder / CYCLES) if row["episode"] in evaluated]
    age, response = _milliseconds(cycles, "observation_age"), _milliseconds(cycles, "response_time")
    if not np.isfinite(response).any():
        raise ValueError(f"{folder / CYCLES} has no action in episode {', '.join(sorted(evaluated))}")
    return Timing(
        wiring,
        float(episodes[-1]["cycle_ms"]),
        len(cycles),
        _duration(age - response),
        _duration(response),
        _duration(age),
        _update_ms(episodes, learning),
    )


def _learning(episodes: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the episodes during which the number of updates grew."""
    counts = [float(row["updates"] or "nan") for row in episodes]
    return [row for row, before, after in zip(episodes[1:], counts, counts[1:]) if before > 0.0 and after > before]


def _update_ms(episodes: list[dict[str, str]], learning: list[dict[str, str]]) -> float:
    if not learning:
        return float("nan")
    before = episodes[episodes.index(learning[0]) - 1]
    made = float(learning[-1]["updates"]) - float(before["updates"])
    return 1e3 * sum(float(row["learner_update"] or "nan") for row in learning) / made


def _milliseconds(rows: list[dict[str, str]], column: str) -> npt.NDArray[np.float64]:
    return np.array([1e3 * float(row[column] or "nan") for row in rows])


def _duration(values: npt.NDArray[np.float64]) -> Duration:
    return Duration(float(np.nanmedian(values)), float(np.nanpercentile(values, _RARE)))


def draw(timings: list[Timing], out: Path) -> None:
    """Draw the timings below one another on one scale."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    height = 1.55 * len(timings) + 0.5
    figure, axes = plt.subplots(
        len(timings), 1, figsize=(8.6, height), sharex=True, squeeze=False, layout="constrained"
    )
    for axis, timing in zip(axes[:, 0], timings, strict=True):
        _draw_cycles(axis, timing)
    axes[-1, 0].set_xlabel("ms since an observation")
    axes[0, 0].set_xlim(-25.0, max(_SHOWN * timing.cycle for timing in timings))
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)
    plt.close(figure)


def _draw_cycles(axis: Any, timing: Timing) -> None:
    """Draw some cycles of a run: bars are medians, lines end at the 99th percentile."""
    starts = np.arange(8 * _SHOWN, dtype=np.float64) * timing.cycle  # more than are seen
    line = {"color": "0.25", "capsize": 2, "elinewidth": 0.8}
    for begin in starts:
        axis.axvline(begin, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        axis.barh(2, timing.frame.median, 0.6, left=begin - timing.frame.median, color=_COLOURS["camera"])
        axis.barh(1, timing.response.median, 0.6, left=begin, color=_COLOURS["policy"])
        axis.errorbar(
            begin + timing.response.median, 1, xerr=[[0.0], [timing.response.rare - timing.response.median]], **line
        )
        axis.plot(begin + timing.response.median, 1.42, "v", color="0.1", markersize=4)
    for begin in _updates(timing, starts):
        axis.barh(0, timing.update, 0.6, left=begin, color=_COLOURS["update"], edgecolor="white", linewidth=0.8)
    axis.set_yticks([2, 1, 0], ["frame, from its capture", "observation to command (▾)", "updates"], fontsize=8)
    axis.set_ylim(-0.5, 2.6)
    axis.spines[["top", "right"]].set_visible(False)
    update = "no update" if np.isnan(timing.update) else f"an update takes {timing.update:.0f} ms"
    axis.set_title(
        f"{timing.wiring}: a cycle of {timing.cycle:g} ms, commands from images {timing.age.median:.0f} ms old "
        f"(99th percentile {timing.age.rare:.0f}), {update}",
        fontsize=8.5,
        loc="left",
    )


def _updates(timing: Timing, starts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return when updates begin: in sync after each observation, in async one after the other."""
    if np.isnan(timing.update):
        return np.zeros(0)
    return starts if timing.wiring == "sync" else np.arange(0.0, starts[-1], timing.update)


def run(options: argparse.Namespace) -> int:
    """Draw the runs; return the exit code."""
    timings = [read_timing(folder) for folder in options.run_dir]
    draw(timings, options.out)
    for timing in timings:
        print(
            f"{timing.wiring}: {timing.cycles} cycles, observation age {timing.age.median:.1f} ms, 99th percentile "
            f"{timing.age.rare:.1f}; observation to command {timing.response.median:.1f}, {timing.response.rare:.1f}"
        )
    print(options.out)
    return 0
