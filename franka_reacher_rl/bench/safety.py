"""`bench safety`: search adversarially for motions of the bridge that leave the box or exceed a limit."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from franka_reacher_rl.bench.adversary.plants import Plant, plant_named
from franka_reacher_rl.bench.adversary.search import Worst, search
from franka_reacher_rl.core.arm.robot import Robot

CHATTER_GOAL, DEAD_STILL_GOAL = 0.02, 0.0  # shares of the runs with a constant request
RATIO_GOAL = 1.0
MARGIN_GOAL = (
    0.5  # share of the margin that the arm must keep on ideal plants; a filter that ignores it is found by this
)
ROUNDING = 1e-6  # of ratios, and m
Results = dict[str, dict[str, Worst]]


def run(options: argparse.Namespace) -> int:
    """Search and print; return the exit code, which is 1 if a goal is missed.

    Raises:
        ValueError: There is no such robot or plant, or an option is out of range.
    """
    if options.cycles < 1 or options.processes < 0:
        raise ValueError("--cycles must be at least 1 and --processes at least 0")
    robots = [Robot.load(name) for name in options.robot]
    share = max(1, options.cycles // (len(options.robot) * len(options.plants)))
    jobs = [(name, plant, share, options.seed) for name in options.robot for plant in options.plants]
    results: Results = {robot.name: {} for robot in robots}
    missed: list[str] = []
    pairs = [(robot, plant) for robot in robots for plant in options.plants]
    for (robot, plant), worst in zip(pairs, _in_processes(jobs, options.processes), strict=True):
        results[robot.name][plant] = worst
        missed += misses(robot, plant_named(plant), worst)
        print(f"{robot.name}, {plant}: {worst.cycles} cycles", file=sys.stderr)
    if options.json:
        print(json.dumps({robot: {plant: _json(w) for plant, w in rows.items()} for robot, rows in results.items()}))
    else:
        print(table(results))
        print("\n".join(missed) or "all goals are met")
    return 1 if missed else 0


def _in_processes(jobs: list[tuple[str, str, int, int]], processes: int) -> Iterable[Worst]:
    count = min(processes or os.cpu_count() or 1, len(jobs))
    if count == 1:
        yield from map(_search, jobs)
        return
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_search, jobs)


def _search(job: tuple[str, str, int, int]) -> Worst:
    name, plant, cycles, seed = job
    return search(Robot.load(name), plant_named(plant), cycles, seed)


def misses(robot: Robot, plant: Plant, worst: Worst) -> list[str]:
    """Return one line for each goal that a robot misses on a plant."""
    figures = [
        ("velocity ratio", worst.velocity, RATIO_GOAL),
        ("acceleration ratio", worst.acceleration, RATIO_GOAL),
        ("jerk ratio", worst.jerk, RATIO_GOAL),
    ]
    if plant.box_goal is not None:
        goal = plant.box_goal - MARGIN_GOAL * robot.bridge.workspace_margin * plant.keeps_margin
        figures += [
            ("mm outside", 1e3 * worst.outside, 1e3 * goal),
            ("chatter share", worst.chatter / max(worst.constant, 1), CHATTER_GOAL),
            ("dead still share", worst.dead_still / max(worst.constant, 1), DEAD_STILL_GOAL),
        ]
    return [
        f"missed: {robot.name}, {plant.name}: {what} {value:.4g}, at most {goal:g}"
        for what, value, goal in figures
        if value > goal + ROUNDING
    ]


def table(results: Results) -> str:
    """Return the results as a Markdown table."""
    head = (
        "| robot | plant | outside (mm) | beyond range (mrad) | velocity | acceleration | jerk | chatter | dead still |"
    )
    rows = [head + " faults | cycles |", "|---" * (head.count("|") + 1) + "|"]
    for robot, plants in results.items():
        for plant, w in plants.items():
            shares = f"{w.chatter}/{w.constant} | {w.dead_still}/{w.constant} | {w.faults} | {w.cycles}"
            ratios = f"{w.velocity:.3f} | {w.acceleration:.3f} | {w.jerk:.3f}"
            rows.append(f"| {robot} | {plant} | {1e3 * w.outside:.2f} | {1e3 * w.beyond:.2f} | {ratios} | {shares} |")
    return "\n".join(rows)


def _json(w: Worst) -> dict[str, float]:
    return {
        "worst_outside_mm": 1e3 * w.outside,
        "worst_velocity_ratio": w.velocity,
        "worst_acceleration_ratio": w.acceleration,
        "chatter_share": w.chatter / max(w.constant, 1),
        "dead_still_share": w.dead_still / max(w.constant, 1),
        "worst_beyond_range_mrad": 1e3 * w.beyond,
        "worst_jerk_ratio": w.jerk,
        "faults": w.faults,
        "cycles": w.cycles,
    }
