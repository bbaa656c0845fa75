"""Experiments in virtual time."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from franka_reacher_rl.commands.common import EXIT_FAILURE, PROGRAM, names

if TYPE_CHECKING:
    from franka_reacher_rl.experiments.executors import Executor


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the options of `experiment run`."""
    presets, profiles = names("presets"), names("latency")
    add = parser.add_argument
    add("--preset", default="", metavar="NAME", help=f"variants, seeds and length: {presets}, or a .yaml file")
    add(
        "--settings", nargs="+", default=[], metavar="NAME",
        help="settings to run, such as async_baseline or a .yaml file; with --preset: variants of the preset to run",
    )  # fmt: skip
    add("--seeds", default="", help="3, or 0,2,5, or 0:5 for 0 to 4 (default: the preset's, or 0)")
    add("--episodes", type=int, default=0, metavar="N", help="episodes of each run (default: the preset's, or 720)")
    add("--latency", default="", metavar="NAME", help=f"latency profile: {profiles}, or a .yaml file")
    add("--device", default="", choices=("auto", "cpu", "cuda"), help="where updates are computed")
    add("--jobs", type=int, default=1, metavar="J", help="runs at the same time; 0: run in this process")
    add("--ray", default="", metavar="ADDRESS", help="run on a Ray cluster: auto, local or an address")
    add("--gpus-per-run", type=float, default=0.0, metavar="SHARE", help="with --ray: share of a GPU for each run")
    add("--reuse", type=Path, nargs="+", default=[], metavar="DIR", help="experiments from which to copy equal runs")
    add("--realtime", action="store_true", help="run the ROS graph instead of virtual time, one run after another")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the experiment")


def run(options: argparse.Namespace) -> int:
    """Run or resume an experiment."""
    from franka_reacher_rl.experiments.progress import Progress
    from franka_reacher_rl.experiments.results import load, write_table
    from franka_reacher_rl.experiments.runner import run_experiment
    from franka_reacher_rl.experiments.spec import make_experiment

    # SIGTERM must stop the child processes of the runs, as an interrupt does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    changes = {"learner": {"device": options.device}} if options.device else {}
    made = make_experiment(options.preset, options.settings, options.seeds, options.episodes, options.latency, changes)
    out = options.out.resolve()
    try:
        failures = run_experiment(made, out, _executor(options), Progress(), options.reuse)
    except KeyboardInterrupt:
        print("\nThe same command resumes this experiment.", file=sys.stderr)
        raise
    for name, reason in failures.items():
        print(f"failed: {name}: {reason}", file=sys.stderr)
    if len(failures) < len(made.runs):
        print(f"table: {write_table(load(out))}")
        print(f"next:  {PROGRAM} experiment report {options.out}")
    return EXIT_FAILURE if failures else 0


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add the options of `experiment plot` and `experiment report`."""
    parser.add_argument("folder", type=Path, help="folder of the experiment")


def plot(options: argparse.Namespace) -> int:
    """Plot the results of an experiment."""
    from franka_reacher_rl.analysis.plots import draw_all
    from franka_reacher_rl.analysis.report import FIGURES
    from franka_reacher_rl.experiments.results import load

    for path in draw_all(load(options.folder), options.folder / FIGURES).values():
        print(path)
    return 0


def report(options: argparse.Namespace) -> int:
    """Write the report of an experiment."""
    from franka_reacher_rl.analysis.report import write_report
    from franka_reacher_rl.experiments.results import load

    for path in write_report(load(options.folder)):
        print(path)
    return 0


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the options of `experiment export`."""
    add_folder(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="gets a folder per robot; config/policies is shipped"
    )
    parser.add_argument(
        "--episodes", type=int, default=100, metavar="N", help="episodes of each evaluation (default: %(default)s)"
    )


def export(options: argparse.Namespace) -> int:
    """Copy the policies of an experiment, and evaluate each."""
    from franka_reacher_rl.experiments.export import export

    if options.episodes < 1:
        raise ValueError("--episodes must be 1 or more")
    export(options.folder, options.out, options.episodes)
    return 0


def _executor(options: argparse.Namespace) -> Executor:
    from franka_reacher_rl.experiments.executors import InThisProcess, LocalProcesses

    if options.episodes < 0 or options.jobs < 0:
        raise ValueError("--episodes and --jobs must not be negative")
    if options.ray and options.realtime:
        raise ValueError("--ray and --realtime exclude each other, because there is one robot")
    if options.ray:
        from franka_reacher_rl.experiments.ray_executor import OnRay

        return OnRay(options.ray, options.gpus_per_run)
    if options.realtime:
        from franka_reacher_rl.experiments.realtime_executor import RealTime

        return RealTime()
    return LocalProcesses(options.jobs) if options.jobs else InThisProcess()
