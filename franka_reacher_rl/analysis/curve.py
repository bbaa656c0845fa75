"""Plot the learning curves of runs of the graph: `./reacher curve RUN_DIR ...`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.documents import load_table

_WINDOW = 10  # episodes


def read_returns(run_dir: Path) -> npt.NDArray[np.float64]:
    """Return the return of each episode of a run folder, (episodes,).

    Raises:
        ValueError: The folder contains no finished episode.
    """
    path = run_dir / "episodes.csv"
    if not path.is_file():
        raise ValueError(f"{path} does not exist: give the run folder that the launch printed")
    try:
        returns = np.array([float(row["episode_return"]) for row in load_table(path)])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} cannot be used: {error!r}") from None
    if not returns.size:
        raise ValueError(f"{path} contains no finished episode")
    return returns


def running_mean(values: npt.NDArray[np.float64], window: int) -> npt.NDArray[np.float64]:
    """Return the mean of each value and the window - 1 values before it, (n,); at the start the window is shorter."""
    sums = np.cumsum(np.insert(values, 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def draw(run_dirs: list[Path], out: Path) -> None:
    """Plot the returns of every run and their running mean to an image file."""
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


def run(run_dirs: list[Path], out: Path) -> int:
    """Plot runs, print the mean returns of their first and last episodes and return the exit code.

    Raises:
        ValueError: A folder contains no finished episode.
    """
    draw(run_dirs, out)
    for run_dir in run_dirs:
        returns = read_returns(run_dir)
        ends = min(20, len(returns))
        first, last = returns[:ends].mean(), returns[-ends:].mean()
        print(
            f"{run_dir.name}: mean return of the first {ends} episodes {first:.1f}, of the last {ends} {last:.1f}, "
            f"ratio {last / max(first, 1e-9):.1f}"
        )
    print(f"wrote {out}")
    return 0
