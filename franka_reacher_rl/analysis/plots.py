"""Figures of an experiment.

The colours are Okabe and Ito's, which colour-blind readers can tell apart. Line styles and markers differ as well, so
that figures stay readable in black and white.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt

from franka_reacher_rl.analysis.estimates import curve_interval, estimate
from franka_reacher_rl.experiments.results import Results, numbers

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_LINES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_BINS = 20  # points of a learning curve
_LEARNER_TIME = (  # columns and their labels
    ("learner_update", "update"),
    ("learner_sampling", "sampling"),
    ("learner_batch_transfer", "moving batches"),
    ("learner_waiting_for_budget", "waiting for budget"),
    ("learner_waiting_for_data", "waiting for data"),
    ("learner_waiting_for_request", "waiting for a request"),
    ("learner_publishing", "publishing the policy"),
    ("learner_checkpointing", "writing checkpoints"),
)
_AGES = (  # column, factor to ms, label
    ("observation_age_ms_median", 1.0, "observation (ms)"),
    ("policy_age_s_median", 1e3, "policy (ms)"),
)
_STYLE: Any = {
    "figure.dpi": 110,
    "savefig.dpi": 130,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}


def draw_all(results: Results, folder: Path) -> dict[str, Path]:
    """Draw every figure for which the results have values, as PNG.

    Returns:
        The file of each figure by its title.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    with plt.rc_context(_STYLE):
        for title, draw in figures(results).items():
            path = folder / f"{draw.__name__}.png"
            figure = draw(results)
            figure.savefig(path, bbox_inches="tight", metadata={"Software": None})
            plt.close(figure)
            made[title] = path
    return made


def figures(results: Results) -> dict[str, Callable[[Results], Any]]:
    """Return the functions that draw the figures for which the results have values, by title."""
    found: dict[str, Callable[[Results], Any]] = {"Learning curves": learning_curves, "Final performance": final}
    if any(len(names) > 1 for names in results.sweep_groups.values()):
        found["Sweep"] = sweep
    if _any_known(results.last(name, "updates") for name in results.variants):
        found["Updates per run"] = updates
    if any(_learner_seconds(results, name).any() for name in results.variants):
        found["Where the learner's time goes"] = learner_time
    if _any_known(results.medians(name, column) for column, *_ in _AGES for name in results.variants):
        found["Age of observation and policy"] = ages
    return found


def learning_curves(results: Results) -> Any:
    """Draw the mean return over training time with its 95 % interval, beside the paper's curves if it has them."""
    beside = results.beside_paper
    figure, axes = plt.subplots(1, 2 if beside else 1, figsize=(9.0 if beside else 6.0, 3.6), squeeze=False)
    for i, name in enumerate(results.variants):
        minutes, runs = results.curve(name, _BINS)
        middle, low, high = curve_interval(runs)
        _line(axes[0, 0], i, minutes, middle, low, high, f"{name} ({len(runs)})")
    title = "here, in real time (runs)" if results.realtime else "here, simulated (runs)"
    axes[0, 0].set(title=title, xlabel="training time (min)", ylabel="return")
    for name, row in beside.items():
        i = results.variants.index(name)
        middle, half = np.array(row.mean), np.array(row.ci)
        _line(axes[0, 1], i, np.array(row.minutes), middle, middle - half, middle + half, name)
    if beside:
        axes[0, 1].set(title="the paper, on a real arm (25 runs each)", xlabel="training time (min)", ylabel="return")
    for axis in axes[0]:
        axis.legend(fontsize=7)
        axis.set_ylim(bottom=0)
    figure.tight_layout()
    return figure


def final(results: Results) -> Any:
    """Draw each run's return at its end, with the interquartile mean and its 95 % interval."""
    return _dots(results, results.final, "return at the end of the run")


def updates(results: Results) -> Any:
    """Draw the number of gradient updates of each run."""
    return _dots(results, lambda name: results.last(name, "updates"), "gradient updates in a run")


def ages(results: Results) -> Any:
    """Draw how old observation and policy are when a command leaves: the mean over runs of their medians."""
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 0.9 + 0.32 * len(results.variants)), sharey=True)
    for axis, (column, factor, label) in zip(axes, _AGES, strict=True):
        for i, name in enumerate(results.variants):
            age = factor * known_mean(results.medians(name, column))
            if np.isnan(age):
                axis.text(0.0, i, " unknown", va="center", fontsize=7)
                continue
            axis.barh(i, age, color=_COLOURS[i % len(_COLOURS)], height=0.6)
            axis.text(age, i, f" {age:.1f}", va="center", fontsize=7)
        axis.set(xlabel=f"age of the {label} when a command leaves")
    _name_rows(axes[0], results)
    figure.tight_layout()
    return figure


def learner_time(results: Results) -> Any:
    """Draw how the learner's time is shared out after the warm-up; parts that no variant knows are left out."""
    figure, axis = plt.subplots(figsize=(7.5, 1.4 + 0.32 * len(results.variants)))
    hatches = ("", "//", "xx", "..", "\\\\", "--", "++", "oo")
    seconds = np.array([_learner_seconds(results, name) for name in results.variants])  # (variants, parts)
    known = [k for k in range(len(_LEARNER_TIME)) if _knows(results, _LEARNER_TIME[k][0])]
    for i, row in enumerate(seconds):
        left, whole = 0.0, row.sum() or 1.0
        for k in known:
            share = 100.0 * row[k] / whole
            label = _LEARNER_TIME[k][1] if i == 0 else None
            look: dict[str, Any] = {"color": _COLOURS[k], "hatch": hatches[k], "edgecolor": "white", "height": 0.6}
            axis.barh(i, share, left=left, label=label, **look)
            left += share
    axis.set(xlabel="share of the learner's time (%)", xlim=(0, 100))
    _name_rows(axis, results)
    axis.legend(ncols=3, fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def sweep(results: Results) -> Any:
    """Draw the return at the end over the swept quantity, with one line per group."""
    figure, axis = plt.subplots(figsize=(5.5, 3.6))
    for i, (group, names) in enumerate(results.sweep_groups.items()):
        x = [float(results.manifest["variants"][name]["x"]) for name in names]
        estimates = [estimate(results.final(name)) for name in names]
        middle, low, high = (np.array([getattr(e, key) for e in estimates]) for key in ("value", "low", "high"))
        _line(axis, i, np.array(x), middle, low, high, group)
        for at, name in zip(x, names, strict=True):
            runs = results.final(name)
            axis.plot([at] * len(runs), runs, _MARKERS[i], color=_COLOURS[i], markersize=3, alpha=0.5)
    axis.set(xlabel=results.manifest.get("x_label") or "x", ylabel="return at the end of the run")
    axis.set_ylim(bottom=0)
    axis.legend()
    figure.tight_layout()
    return figure


def known_mean(values: Sequence[float]) -> float:
    """Return the mean of the known values, NaN if all are unknown."""
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else float("nan")


def _any_known(rows: Iterable[Sequence[float]]) -> bool:
    return any(not np.isnan(row).all() for row in rows)


def _knows(results: Results, column: str) -> bool:
    return not np.isnan(numbers(results.episodes, column)).all()


def _learner_seconds(results: Results, variant: str) -> npt.NDArray[np.float64]:
    """Seconds of each part of `_LEARNER_TIME` after the first update, over all runs, (parts,); unknown ones count 0."""
    rows = results.episodes[results.episodes.variant == variant]
    learning = rows[numbers(rows, "updates") > 0]
    return np.array([np.nansum(numbers(learning, column)) for column, _ in _LEARNER_TIME])


def _line(axis: Any, i: int, x: Any, middle: Any, low: Any, high: Any, label: str) -> None:
    colour = _COLOURS[i % len(_COLOURS)]
    style = _LINES[i % len(_LINES)]
    axis.plot(x, middle, style, color=colour, marker=_MARKERS[i % len(_MARKERS)], markersize=3.5, label=label)
    axis.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)


def _dots(results: Results, values: Callable[[str], list[float]], label: str) -> Any:
    """Draw a row per variant: every run, the interquartile mean and its interval; nothing where all are unknown."""
    figure, axis = plt.subplots(figsize=(6.5, 1.0 + 0.36 * len(results.variants)))
    for i, name in enumerate(results.variants):
        runs, colour = [v for v in values(name) if not np.isnan(v)], _COLOURS[i % len(_COLOURS)]
        if not runs:
            continue
        e = estimate(runs)
        axis.plot(runs, [i] * len(runs), "o", color=colour, alpha=0.35, markersize=4)
        axis.errorbar(
            e.value, i, xerr=[[e.value - e.low], [e.high - e.value]], fmt=_MARKERS[i % len(_MARKERS)], color=colour,
            capsize=4, markersize=6,
        )  # fmt: skip
    axis.set(xlabel=f"{label}: runs, interquartile mean, 95 % interval")
    axis.set_xlim(left=0)
    _name_rows(axis, results)
    figure.tight_layout()
    return figure


def _name_rows(axis: Any, results: Results) -> None:
    axis.set_yticks(range(len(results.variants)), results.variants)
    axis.set_ylim(len(results.variants) - 0.4, -0.6)
    axis.grid(axis="y", visible=False)
