"""Draws the learning curve of one run of the graph: `python -m franka_reacher_rl.analysis.curve RUN_DIR`."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

_WINDOW = 10  # episodes


def read_returns(run_dir: Path) -> npt.NDArray[np.float64]:
    """The return of each episode of a run folder, (episodes,).

    Raises:
        ValueError: The folder holds no finished episode.
    """
    path = run_dir / "episodes.csv"
    if not path.is_file():
        raise ValueError(f"{path} is not there: give the run folder that the launch printed")
    with path.open(newline="") as file:
        returns = np.array([float(row["episode_return"]) for row in csv.DictReader(file)])
    if not returns.size:
        raise ValueError(f"{path} holds no finished episode")
    return returns


def running_mean(values: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    """The mean of each value and the window - 1 before it, fewer at the start; (n,)."""
    sums = np.cumsum(np.insert(values, 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def draw(run_dirs: list[Path], out: Path) -> None:
    """Writes a picture with every run's returns and their running mean."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.0, 3.5), layout="constrained")
    for run_dir, colour in zip(run_dirs, ["#0072b2", "#d55e00", "#009e73", "#cc79a7"] * len(run_dirs), strict=False):
        returns = read_returns(run_dir)
        episodes = np.arange(1, len(returns) + 1)
        axes.plot(episodes, returns, ".", color=colour, alpha=0.35, markersize=4)
        axes.plot(episodes, running_mean(returns, _WINDOW), color=colour, label=run_dir.name)
    axes.set(xlabel="episode (6 s each)", ylabel=f"return (line: mean of {_WINDOW})", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(loc="upper left", frameon=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=130)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> int:
    """Draws the given runs and prints what they reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run_dir", nargs="+", type=Path, help="run folders, as the launch printed them")
    parser.add_argument("--out", type=Path, default=Path("learning_curve.png"), help="picture to write")
    options = parser.parse_args(arguments)
    try:
        draw(options.run_dir, options.out)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for run_dir in options.run_dir:
        returns = read_returns(run_dir)
        ends = min(20, len(returns))
        first, last = returns[:ends].mean(), returns[-ends:].mean()
        print(
            f"{run_dir.name}: mean return of the first {ends} episodes {first:.1f}, of the last {ends} {last:.1f}, "
            f"ratio {last / max(first, 1e-9):.1f}"
        )
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
