"""The command line: `franka-reacher experiment ...` and `franka-reacher bench ...`, also behind `./reacher`."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from franka_reacher_rl.core.base.paths import config_dir

if TYPE_CHECKING:
    from franka_reacher_rl.experiments.executors import Executor

_USAGE = """\
usage: franka-reacher COMMAND ...

  experiment run     run settings or a preset in virtual time (or --realtime, as a ROS graph)
  experiment plot    draw an experiment's pictures
  experiment report  pictures, tables and conclusions, as HTML and Markdown
  bench learner      how long an update takes on this machine
  bench cycle        how well the ROS graph keeps its action cycle on this machine
  bench latency      measure this machine's latency profile, for experiments
  bench plant        how much faster than real time the simulated arm is, and the safety filter's time

Each tells its options with --help.
"""
_BENCHES = ("learner", "cycle", "latency", "plant")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0 done, 1 something failed, 2 it was not understood."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    commands: dict[str, Callable[[list[str]], int]] = {"experiment": experiment, "bench": bench}
    if arguments[:1] in (["-h"], ["--help"]):
        print(_USAGE, end="")
        return 0
    if not arguments or arguments[0] not in commands:
        return _refuse(f"there is no command {arguments[0]!r}" if arguments else "which command?")
    try:
        return commands[arguments[0]](arguments[1:])
    except ValueError as error:
        print(f"franka-reacher: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nfranka-reacher: interrupted; the same command goes on from here", file=sys.stderr)
        return 130


def bench(arguments: list[str]) -> int:
    """Hands over to the bench of that name."""
    if not arguments or arguments[0] not in _BENCHES:
        wrong = f"there is no bench {arguments[0]!r}" if arguments else "which bench?"
        return _refuse(f"{wrong}: {', '.join(_BENCHES)}")
    name = f"franka_reacher_rl.bench.{arguments[0]}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            raise ValueError(f"this installation has no bench {arguments[0]!r}") from None
        where = "./reacher bench, or a sourced ROS 2" if error.name == "rclpy" else "pip install franka-reacher-rl"
        raise ValueError(f"bench {arguments[0]} needs {error.name}: use {where}") from None
    return int(module.main(arguments[1:]))


def experiment(arguments: list[str]) -> int:
    """Runs, draws or reports an experiment."""
    parser = argparse.ArgumentParser(prog="franka-reacher experiment")
    verbs = parser.add_subparsers(dest="verb", required=True)
    _add_run(verbs.add_parser("run", help="run an experiment; the same command goes on where it was cut short"))
    for verb, what in (("plot", "draw an experiment's pictures"), ("report", "pictures, tables and conclusions")):
        verbs.add_parser(verb, help=what).add_argument("folder", type=Path, help="of the experiment")
    options = parser.parse_args(arguments)
    return {"run": run, "plot": plot, "report": report}[options.verb](options)


def run(options: argparse.Namespace) -> int:
    """Runs an experiment."""
    from franka_reacher_rl.experiments.progress import Progress
    from franka_reacher_rl.experiments.results import load, write_table
    from franka_reacher_rl.experiments.runner import run_experiment
    from franka_reacher_rl.experiments.spec import make_experiment

    # A terminated runner ends its runs, as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    changes = {"learner": {"device": options.device}} if options.device else {}
    made = make_experiment(options.preset, options.settings, options.seeds, options.episodes, options.latency, changes)
    out = options.out.resolve()
    failures = run_experiment(made, out, _executor(options), Progress(), options.reuse)
    for name, why in failures.items():
        print(f"failed: {name}: {why}", file=sys.stderr)
    if len(failures) < len(made.runs):
        print(f"table: {write_table(load(out))}")
        print(f"next:  franka-reacher experiment report {options.out}")
    return 1 if failures else 0


def plot(options: argparse.Namespace) -> int:
    """Draws the pictures."""
    from franka_reacher_rl.analysis.plots import draw_all
    from franka_reacher_rl.analysis.report import FIGURES
    from franka_reacher_rl.experiments.results import load

    for path in draw_all(load(options.folder), options.folder / FIGURES).values():
        print(path)
    return 0


def report(options: argparse.Namespace) -> int:
    """Writes the report."""
    from franka_reacher_rl.analysis.report import write_report
    from franka_reacher_rl.experiments.results import load

    for path in write_report(load(options.folder)):
        print(path)
    return 0


def _add_run(parser: argparse.ArgumentParser) -> None:
    presets = ", ".join(sorted(p.stem for p in (config_dir() / "presets").glob("*.yaml")))
    profiles = ", ".join(sorted(p.stem for p in (config_dir() / "latency").glob("*.yaml")))
    parser.add_argument("--preset", default="", help=f"variants, seeds and length in one: {presets}, or a .yaml file")
    parser.add_argument(
        "--settings", nargs="+", default=[], metavar="NAME", help="settings to run, or which variants of the preset"
    )
    parser.add_argument("--seeds", default="", help="3, or 0,2,5, or 0:5 for 0 to 4 (default: the preset's, or 0)")
    parser.add_argument(
        "--episodes", type=int, default=0, metavar="N", help="of each run (default: the preset's or 720)"
    )
    parser.add_argument("--latency", default="", metavar="NAME", help=f"profile: {profiles}, or a .yaml file")
    parser.add_argument("--device", default="", choices=("auto", "cpu", "cuda"), help="where updates are computed")
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="runs at the same time; 0: in this process")
    parser.add_argument("--ray", default="", metavar="ADDRESS", help="run on a Ray cluster: auto, local or an address")
    parser.add_argument("--gpus-per-run", type=float, default=0.0, metavar="SHARE", help="with --ray: of a GPU")
    parser.add_argument(
        "--reuse", type=Path, nargs="+", default=[], metavar="DIR", help="experiments whose equal runs are taken over"
    )
    parser.add_argument("--realtime", action="store_true", help="run the ROS graph instead, one run after another")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the experiment")


def _executor(options: argparse.Namespace) -> Executor:
    from franka_reacher_rl.experiments.executors import InThisProcess, LocalProcesses

    if options.episodes < 0 or options.jobs < 0:
        raise ValueError("--episodes and --jobs must not be negative")
    if options.ray and options.realtime:
        raise ValueError("--ray and --realtime exclude each other: there is one robot")
    if options.ray:
        from franka_reacher_rl.experiments.ray_executor import OnRay

        return OnRay(options.ray, options.gpus_per_run)
    if options.realtime:
        from franka_reacher_rl.experiments.realtime_executor import RealTime

        return RealTime()
    return LocalProcesses(options.jobs) if options.jobs else InThisProcess()


def _refuse(why: str) -> int:
    print(f"franka-reacher: {why}\n\n{_USAGE}", file=sys.stderr, end="")
    return 2


if __name__ == "__main__":
    sys.exit(main())
