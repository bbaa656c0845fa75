"""Figures of an experiment.

The colours are Okabe and Ito's, which colour-blind readers can tell apart. Line styles and markers differ as well, so
that figures stay readable in black and white.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from franka_reacher_rl.analysis.estimates import curve_interval, estimate
from franka_reacher_rl.experiments.results import Results, end_length

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
_LINES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_BINS = 20  # points of a learning curve
_RETURN = "return per episode"
_OTHERS = "0.75"  # grey of what is drawn for comparison
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


@dataclass(frozen=True)
class Look:
    """How a variant is drawn."""

    colour: str
    line: str
    marker: str


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
    """Return the functions that draw the figures of the results, by title."""
    last: dict[str, Callable[[Results], Any]] = {"Sweep": sweep} if is_sweep(results) else {"Returns": returns}
    return {"Learning curves": learning_curves, **last}


def is_sweep(results: Results) -> bool:
    """Return whether a quantity is swept: a group has variants at more than one place."""
    return any(len(names) > 1 for names in results.sweep_groups.values())


def learning_curves(results: Results) -> Any:
    """Draw the mean return over training time with its 95 % interval.

    A sweep has a panel for each of its places, on one scale, with the other variants in grey. The paper's curves, if
    there are any, are drawn in a panel of their own, whose scale differs.
    """
    panels, beside = _panels(results), results.beside_paper
    count = len(panels) + bool(beside)
    width = 6.0 if count == 1 else 4.4 if count == 2 else 2.9
    figure, axes = plt.subplots(1, count, figsize=(width * count, 3.6), squeeze=False, layout="constrained")
    curves = {name: results.curve(name, _BINS) for name in results.variants}
    for axis, (title, names) in zip(axes[0], panels):
        for name in results.variants:
            minutes, runs = curves[name]
            if name in names:
                _line(axis, _look(results, name), minutes, *curve_interval(runs), _label(results, name))
            else:
                axis.plot(minutes, runs.mean(axis=0), color=_OTHERS, linewidth=0.8, zorder=1, label="the other panels")
        axis.set(title=title, xlabel="training time (min)")
    own = axes[0, : len(panels)]
    top = max(axis.get_ylim()[1] for axis in own)
    for axis in own:
        axis.set_ylim(0, top)
    for axis in own[1:]:
        axis.tick_params(labelleft=False)
    own[0].set_ylabel(_RETURN)
    if beside:
        _draw_paper(axes[0, -1], results)
    _legend(figure, own)
    return figure


def _draw_paper(axis: Any, results: Results) -> None:
    for name, row in results.beside_paper.items():
        middle, half = np.array(row.mean), np.array(row.ci)
        _line(axis, _look(results, name), np.array(row.minutes), middle, middle - half, middle + half, "")
    axis.set(title="the paper: a real arm, 25 runs each", xlabel="training time (min)")
    axis.set_ylabel(f"{_RETURN} (another scale)")
    axis.set_ylim(bottom=0)


def _panels(results: Results) -> list[tuple[str, list[str]]]:
    """Return the panels of the learning curves: a title, and the variants that are drawn in colour."""
    if not is_sweep(results):
        return [("here, in real time" if results.realtime else "here: simulated", results.variants)]
    places: dict[float, list[str]] = {}
    for name in results.variants:
        x = results.manifest["variants"][name].get("x")
        if x is not None:
            places.setdefault(float(x), []).append(name)
    quantity, _, unit = _swept(results).partition(" (")
    return [(f"{quantity} {x:g} {unit.rstrip(')')}".rstrip(), names) for x, names in sorted(places.items())]


def returns(results: Results) -> Any:
    """Draw each run's return over the whole run and at its end, with the interquartile mean and its 95 % interval."""
    size = (9.0, 1.3 + 0.36 * len(results.variants))
    figure, axes = plt.subplots(1, 2, figsize=size, sharex=True, sharey=True, layout="constrained")
    for axis, (title, values) in zip(axes, _measures(results).items(), strict=True):
        for i, name in enumerate(results.variants):
            _interval(axis, values(name), i, _look(results, name), vertical=False)
        axis.set(title=title, xlabel=_RETURN)
    axes[0].set_xlim(left=0)
    axes[0].set_yticks(range(len(results.variants)), [_label(results, name) for name in results.variants])
    axes[0].set_ylim(len(results.variants) - 0.4, -0.6)
    for axis in axes:
        axis.grid(axis="y", visible=False)
    return figure


def sweep(results: Results) -> Any:
    """Draw the returns over the swept quantity, with one line per group."""
    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.6), sharex=True, sharey=True, layout="constrained")
    places = [float(row["x"]) for row in results.manifest["variants"].values() if row.get("x") is not None]
    shift = 0.012 * (max(places) - min(places))  # so that the intervals of two groups do not overlap
    for axis, (title, values) in zip(axes, _measures(results).items(), strict=True):
        for k, (group, names) in enumerate(results.sweep_groups.items()):
            swept = [float(results.manifest["variants"][name]["x"]) for name in names]
            x = [each + k * shift for each in swept]
            look = _look(results, names[0])
            axis.plot(x, [estimate(values(name)).value for name in names], look.line, color=look.colour)
            for at, name in zip(x, names, strict=True):
                label = group if name == names[0] else ""
                _interval(axis, values(name), at, look, vertical=True, label=label)
        axis.set(title=title, xlabel=_swept(results))
    axes[0].set_ylabel(_RETURN)
    axes[0].set_ylim(bottom=0)
    _legend(figure, axes)
    return figure


def _measures(results: Results) -> dict[str, Callable[[str], list[float]]]:
    """Return the measures of a run that the tests compare, by title."""
    end = end_length(results.manifest["episodes"])
    return {"over the whole run": results.whole, f"at the end (last {end} episodes)": results.final}


def _swept(results: Results) -> str:
    return str(results.manifest.get("x_label") or "x")


def _label(results: Results, name: str) -> str:
    """Return a variant's name in a sweep's group, or its own, with its number of runs."""
    group = results.manifest["variants"][name].get("group")
    shown = group if is_sweep(results) and group else name.replace("_", " ")
    return f"{shown} ({len(results.seeds(name))} runs)"


def _look(results: Results, name: str) -> Look:
    """Return how a variant is drawn: the variants of a sweep's group look the same."""
    group = results.manifest["variants"][name].get("group")
    groups = sorted(results.sweep_groups)
    i = groups.index(str(group)) if is_sweep(results) and str(group) in groups else results.variants.index(name)
    return Look(_COLOURS[i % len(_COLOURS)], _LINES[i % len(_LINES)], _MARKERS[i % len(_MARKERS)])


def known_mean(values: Sequence[float]) -> float:
    """Return the mean of the known values, NaN if all are unknown."""
    known = np.asarray(values, float)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else float("nan")


def _legend(figure: Any, axes: Iterable[Any]) -> None:
    """Draw one legend below all panels, with each label once."""
    shown: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            shown.setdefault(label, handle)
    figure.legend(list(shown.values()), list(shown), loc="outside lower center", ncols=4)


def _line(axis: Any, look: Look, x: Any, middle: Any, low: Any, high: Any, label: str) -> None:
    axis.plot(x, middle, look.line, color=look.colour, marker=look.marker, markersize=3.5, label=label)
    axis.fill_between(x, low, high, color=look.colour, alpha=0.15, linewidth=0)


def _interval(axis: Any, values: list[float], at: float, look: Look, *, vertical: bool, label: str = "") -> None:
    """Draw every run, the interquartile mean and its interval; nothing if all runs are unknown."""
    runs = [value for value in values if not np.isnan(value)]
    if not runs:
        return
    e = estimate(runs)
    spread = [[e.value - e.low], [e.high - e.value]]
    places = [at] * len(runs)
    dots = (places, runs) if vertical else (runs, places)
    axis.plot(*dots, look.marker, color=look.colour, alpha=0.35, markersize=3.5)
    point = (at, e.value) if vertical else (e.value, at)
    error: dict[str, Any] = {"yerr" if vertical else "xerr": spread}
    axis.errorbar(*point, **error, fmt=look.marker, color=look.colour, capsize=4, markersize=6, label=label)
