"""Pictures of an experiment: colour-blind-safe (Okabe and Ito's colours), in print told apart by line and marker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from franka_reacher_rl.analysis.significance import curve_interval, estimate
from franka_reacher_rl.experiments.results import Results

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_LINES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_BINS = 20  # points of a learning curve
_PARTS = (
    ("learner_update", "update"),
    ("learner_sampling", "sampling"),
    ("learner_batch_transfer", "moving batches"),
    ("learner_waiting_for_budget", "waiting for budget"),
    ("learner_waiting_for_data", "waiting for data"),
    ("learner_idle", "waiting for a request"),
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
    """Draws every picture that the results allow, as PNG.

    Returns:
        Title to file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, Callable[[Results], Any]] = {"Learning curves": learning_curves, "Final performance": final}
    if _is_sweep(results):
        pictures["Sweep"] = sweep
    pictures |= {"Updates per run": updates, "Where the learner's time goes": learner_time, "Ages": ages}
    made = {}
    with plt.rc_context(_STYLE):
        for title, draw in pictures.items():
            path = folder / f"{draw.__name__}.png"
            figure = draw(results)
            figure.savefig(path, bbox_inches="tight", metadata={"Software": None})
            plt.close(figure)
            made[title] = path
    return made


def learning_curves(results: Results) -> Any:
    """Mean return over training time with 95 % bootstrap intervals; the paper's beside ours where it has any."""
    beside = results.beside_paper
    figure, axes = plt.subplots(1, 2 if beside else 1, figsize=(9.0 if beside else 6.0, 3.6), squeeze=False)
    for i, name in enumerate(results.variants):
        minutes, runs = results.curve(name, _BINS)
        middle, low, high = curve_interval(runs)
        _line(axes[0, 0], i, minutes, middle, low, high, f"{name} ({len(runs)})")
    axes[0, 0].set(title="here (runs)", xlabel="training time (min)", ylabel="return")
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
    """Interquartile mean of the runs' ends, with 95 % bootstrap intervals and every run."""

    def values(name: str) -> list[float]:
        return results.final(name)

    return _dots(results, values, "return at the end of the run")


def updates(results: Results) -> Any:
    """Gradient updates per run."""
    return _dots(results, lambda name: results.last(name, "updates"), "gradient updates in a run")


def ages(results: Results) -> Any:
    """How old observation and policy are when a command leaves: medians of each run."""
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 0.9 + 0.32 * len(results.variants)), sharey=True)
    columns = (("observation_age_ms_median", 1.0, "observation (ms)"), ("policy_age_s_median", 1e3, "policy (ms)"))
    for axis, (column, factor, label) in zip(axes, columns, strict=True):
        for i, name in enumerate(results.variants):
            values = factor * np.array(results.medians(name, column))
            axis.barh(i, values.mean(), color=_COLOURS[i % len(_COLOURS)], height=0.6)
            axis.text(values.mean(), i, f" {values.mean():.1f}", va="center", fontsize=7)
        axis.set(xlabel=f"age of the {label} when a command leaves")
    _name_rows(axes[0], results)
    figure.tight_layout()
    return figure


def learner_time(results: Results) -> Any:
    """Share of the learner's time by what it does, after the warm-up."""
    figure, axis = plt.subplots(figsize=(7.5, 1.4 + 0.32 * len(results.variants)))
    hatches = ("", "//", "xx", "..", "\\\\", "--")
    for i, name in enumerate(results.variants):
        spent = _time_spent(results, name)
        left, whole = 0.0, sum(spent) or 1.0
        for k, seconds in enumerate(spent):
            share = 100.0 * seconds / whole
            label = _PARTS[k][1] if i == 0 else None
            look: dict[str, Any] = {"color": _COLOURS[k], "hatch": hatches[k], "edgecolor": "white", "height": 0.6}
            axis.barh(i, share, left=left, label=label, **look)
            left += share
    axis.set(xlabel="share of the learner's time (%)", xlim=(0, 100))
    _name_rows(axis, results)
    axis.legend(ncols=3, fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def sweep(results: Results) -> Any:
    """Final performance over what is swept, a line per group."""
    figure, axis = plt.subplots(figsize=(5.5, 3.6))
    for i, (group, names) in enumerate(sweep_groups(results).items()):
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


def sweep_groups(results: Results) -> dict[str, list[str]]:
    """Variants of a sweep by group, in the order of x."""
    rows = results.manifest["variants"]
    groups: dict[str, list[str]] = {}
    for name in sorted(
        (n for n in results.variants if rows[n].get("x") is not None), key=lambda n: float(rows[n]["x"])
    ):
        groups.setdefault(str(rows[name]["group"]), []).append(name)
    return groups


def _is_sweep(results: Results) -> bool:
    return any(len(names) > 1 for names in sweep_groups(results).values())


def _time_spent(results: Results, variant: str) -> list[float]:
    """Seconds of each part of `_PARTS` from the first update on, all runs together."""
    rows = results.table[(results.table.variant == variant) & (results.table.updates > 0)]
    return [float(rows[column].sum()) for column, _ in _PARTS]


def _line(axis: Any, i: int, x: Any, middle: Any, low: Any, high: Any, label: str) -> None:
    colour = _COLOURS[i % len(_COLOURS)]
    style = _LINES[i % len(_LINES)]
    axis.plot(x, middle, style, color=colour, marker=_MARKERS[i % len(_MARKERS)], markersize=3.5, label=label)
    axis.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)


def _dots(results: Results, values: Callable[[str], list[float]], label: str) -> Any:
    """A row per variant: every run, the interquartile mean and its interval."""
    figure, axis = plt.subplots(figsize=(6.5, 1.0 + 0.36 * len(results.variants)))
    for i, name in enumerate(results.variants):
        runs, colour = values(name), _COLOURS[i % len(_COLOURS)]
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
