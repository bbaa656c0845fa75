"""Does a run on two hosts learn as one on a single computer does? `python test/faults/compare_learning.py OUT`.

Run it as root, on an otherwise idle computer. It prints the table of docs/two_machines.md; OUT keeps the run folders,
and a run that is complete there is not repeated.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

from processes import Launch
from two_hosts import TwoHosts

from franka_reacher_rl.bench.cycle import read_column

LAST = 30  # episodes whose mean return is compared


def main() -> None:
    """Compare the two, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder for the runs")
    parser.add_argument("--setting", default="lite")
    parser.add_argument("--episodes", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", "63")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    print(f"| seed | one computer | two | (mean return of the last {LAST} episodes)", flush=True)
    found = []
    for seed in arguments.seeds:
        given = {"setting": arguments.setting, "episodes": str(arguments.episodes), "seed": str(seed), "device": "cpu"}
        found.append((one(arguments.out / f"one_{seed}", given), two(arguments.out / f"two_{seed}", given)))
        print(f"| {seed} | {found[-1][0]:.0f} | {found[-1][1]:.0f} |", flush=True)
    means, spread = np.mean(found, axis=0), np.ptp(found, axis=0)[0]
    print(f"means {means[0]:.0f} and {means[1]:.0f}; the runs on one computer range over {spread:.0f}")


def one(folder: Path, given: dict[str, str]) -> float:
    """Run all nodes on this computer."""
    if not complete(folder, given):
        launch = Launch("async", **given, run_dir=str(folder))
        try:
            assert launch.wait(3600.0) == 0, launch.text
        finally:
            launch.end()
    return last_returns(folder)


def two(folder: Path, given: dict[str, str]) -> float:
    """Run the learner on one host and the other nodes on another, joined by a cable."""
    if not complete(folder / "robot", given):
        hosts = TwoHosts()
        parts = given | {"wiring": "async", "run": folder.name}
        try:
            learner = hosts.launch("gpu", "learner", **parts, run_dir=str(folder / "learner"))
            robot = hosts.launch("arm", "robot", **parts, run_dir=str(folder / "robot"))
            assert robot.wait(3600.0) == 0, robot.text
            assert learner.wait(120.0) == 0, learner.text
        finally:
            hosts.close()
    return last_returns(folder / "robot")


def returns(folder: Path) -> list[float]:
    """Return the returns of a run's episodes so far."""
    path = folder / "episodes.csv"
    return read_column(path, "episode_return").tolist() if path.exists() else []


def complete(folder: Path, given: dict[str, str]) -> bool:
    """Return whether all episodes of a run are on record."""
    return len(returns(folder)) == int(given["episodes"])


def last_returns(folder: Path) -> float:
    """Return the mean return of a run's last episodes."""
    return float(np.mean(returns(folder)[-LAST:]))


if __name__ == "__main__":
    main()
