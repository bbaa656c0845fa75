"""Keeps the cycles of a `bench cycle`: a compressed table, and a histogram of how late they were."""

from __future__ import annotations

import csv
import lzma
from pathlib import Path

import numpy as np
import numpy.typing as npt

TABLE, FIGURE = "cycles.csv.xz", "cycles.png"
_QUANTILES = {0.5: "median", 0.99: "99 %", 0.999: "99.9 %", 1.0: "maximum"}
_BINS = 100


def keep_table(cycles: Path, folder: Path) -> None:
    """Write the table of cycles to a folder, compressed and with its times rounded to microseconds."""
    with cycles.open(newline="") as file:
        rows = list(csv.reader(file))
    kept = [rows[0], *([cell if cell.isdigit() else f"{float(cell):.6f}" for cell in row] for row in rows[1:])]
    text = "".join(",".join(row) + "\n" for row in kept)
    (folder / TABLE).write_bytes(lzma.compress(text.encode()))


def draw(times: dict[str, npt.NDArray[np.float64]], folder: Path) -> None:
    """Draw how often each time occurred, with both axes logarithmic.

    Args:
        times: Values in ms, (cycles,), by their name.
        folder: Where FIGURE is written.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(len(times), 1, figsize=(7.0, 2.4 * len(times)), sharex=True, squeeze=False)
    smallest = max(1e-3, min(float(values.min()) for values in times.values()))
    edges = np.geomspace(smallest, max(float(values.max()) for values in times.values()) * 1.01, _BINS + 1)
    for panel, (name, values) in zip(panels[:, 0], times.items(), strict=True):
        panel.hist(np.maximum(values, smallest), edges, log=True, color="#0072B2")
        for quantile, label in _QUANTILES.items():
            at = float(np.quantile(values, quantile))
            panel.axvline(max(at, smallest), color="#D55E00", linewidth=0.8)
            panel.text(
                max(at, smallest),
                0.97,
                f" {label}: {at:.2f}",
                transform=panel.get_xaxis_transform(),
                rotation=90,
                va="top",
                ha="right",
                bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
                fontsize=7,
            )
        panel.set(xscale="log", ylabel="cycles", title=f"{name} ({len(values)} cycles)")
    panels[-1, 0].set_xlabel("ms")
    figure.tight_layout()
    figure.savefig(folder / FIGURE, dpi=110)
    plt.close(figure)
