"""The command line `franka-reacher`, which `./reacher` forwards commands to.

`make_parser` defines every command and option. A command's modules are imported when it runs, so `--help` is fast.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from franka_reacher_rl.bench import options as bench_options
from franka_reacher_rl.core.base.paths import PACKAGE, config_dir
from franka_reacher_rl.core.base.suggestions import did_you_mean

if TYPE_CHECKING:
    from franka_reacher_rl.experiments.executors import Executor

PROGRAM = os.environ.get("REACHER_PROGRAM", "franka-reacher")
CONTROL = {
    "pause": "end the episode of a running graph and let the arm rest",
    "resume": "let a paused graph go on",
    "abort": "end a running graph for good after stopping the arm",
}
EXIT_FAILURE, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 success, 1 failure, 2 wrong usage, 130 interrupted.
    """
    try:
        options = make_parser().parse_args(argv)
    except SystemExit as end:  # after --help or a usage error
        return int(end.code or 0)
    try:
        return int(options.run(options))
    except ValueError as error:
        print(f"{options.program}: {error}", file=sys.stderr)
        return EXIT_USAGE
    except OSError as error:
        print(f"{options.program}: {error}", file=sys.stderr)
        return EXIT_FAILURE
    except KeyboardInterrupt:
        print(f"\n{options.program}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line and suggests corrections of misspelt commands and options."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit."""
        self.exit(EXIT_USAGE, f"{self.prog}: {message}. See {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments; an unknown argument is an error, reported before missing ones."""
        if self._subparsers is None:  # else these are the arguments of a command
            self._check_options(args or ())
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unexpected argument {unknown[0]!r}")
        return parsed, unknown

    def _check_options(self, words: Sequence[str]) -> None:
        known = list(self._option_string_actions)
        for word in (word.partition("=")[0] for word in words):
            if word.startswith("--") and not any(option.startswith(word) for option in known):
                self.error(f"unknown option {word!r}{did_you_mean(word, known)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            kind = "" if action.option_strings else f"unknown {str(action.metavar).lower()} "
            text = f"{kind}{value!r}{did_you_mean(str(value), known)}: choose {', '.join(known)}"
            raise argparse.ArgumentError(action if action.option_strings else None, text)


def make_parser() -> Parser:
    """Return the parser of all commands; the parsed `run` is the function of the chosen command."""
    parser = Parser(prog=PROGRAM, description="Real-time reinforcement learning on a velocity-controlled arm.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    experiment = commands.add_parser("experiment", help="run, plot and report experiments")
    verbs = experiment.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    command(verbs, "run", "run settings or a preset in virtual time, or resume an interrupted experiment", run, add_run)
    command(verbs, "plot", "plot the results of an experiment", plot, add_folder)
    command(verbs, "report", "write plots, tables and conclusions of an experiment", report, add_folder)

    bench = commands.add_parser("bench", help="measure this machine")
    benches = bench.add_subparsers(dest="bench", required=True, metavar="BENCH")
    for name, text, add_options in (
        ("learner", "time the parts of an update of the learner", bench_options.add_learner),
        ("cycle", "measure how late the ROS graph's actions are beside a busy learner", bench_options.add_cycle),
        ("graph", "measure the processor time and the memory of the ROS graph", bench_options.add_graph),
        ("latency", "measure this machine's latency profile, for experiments", bench_options.add_latency),
        ("plant", "time the simulated arm and the safety filter", bench_options.add_plant),
        ("safety", "search for motions that leave the box or exceed a limit", bench_options.add_safety),
    ):
        command(benches, name, text, _bench, add_options)

    command(commands, "soak", "run the graph for hours and fail where something grows", soak, bench_options.add_soak)
    command(commands, "identify", "measure how late an arm follows its commands", identify, add_identify)
    command(commands, "runs", "list runs of the graph, and how to resume them", runs, add_runs)
    for verb, text in CONTROL.items():
        command(commands, verb, text, control, add_control)
    command(commands, "curve", "plot the learning curves of runs of the graph", curve, add_curve)
    command(commands, "preview", "render the simulated world", preview, add_preview)
    return parser


def command(
    parent: Any,
    name: str,
    text: str,
    function: Callable[[argparse.Namespace], int],
    add_options: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Add a command with its help text, its function and its options."""
    parser = parent.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(run=function, program=parser.prog)
    add_options(parser)


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the options of `experiment run`."""
    presets, profiles = _names("presets"), _names("latency")
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


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add the options of `experiment plot` and `experiment report`."""
    parser.add_argument("folder", type=Path, help="folder of the experiment")


def add_curve(parser: argparse.ArgumentParser) -> None:
    """Add the options of `curve`."""
    parser.add_argument("run_dir", nargs="+", type=Path, help="run folders, as printed by the launch")
    parser.add_argument(
        "--out", type=Path, default=Path("learning_curve.png"), help="image file (default: %(default)s)"
    )


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add the options of `runs`."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("runs"), help="folder of the runs, or one run (default: runs)"
    )


def add_control(parser: argparse.ArgumentParser) -> None:
    """Add the options of `pause`, `resume` and `abort`."""
    parser.add_argument("--namespace", default="", metavar="NAME", help="namespace of the graph")


def add_preview(parser: argparse.ArgumentParser) -> None:
    """Add the options of `preview`."""
    add = parser.add_argument
    add("--robot", default="panda_sim", help="robot: a name or a path (default: %(default)s)")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the images, created if missing")
    add("--seed", type=int, default=0, help="seed of start pose and target (default: %(default)s)")
    add("--width", type=int, default=640, help="width of each image in px (default: %(default)s)")
    add("--height", type=int, default=360, help="height of each image in px (default: %(default)s)")


def add_identify(parser: argparse.ArgumentParser) -> None:
    """Add the options of `identify`."""
    add = parser.add_argument
    add("--robot", required=True, metavar="NAME", help="robot that the running bridge drives: a name or a path")
    add("--speed", type=float, default=0.1, metavar="V", help="speed of the steps in rad/s (default: %(default)s)")
    add("--repeats", type=int, default=2, metavar="N", help="movements of each joint (default: %(default)s)")
    add("--namespace", default="", metavar="NAME", help="namespace of the bridge")
    add("--write", action="store_true", help="write the values into the robot file")


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


def identify(options: argparse.Namespace) -> int:
    """Measure lag and delay of an arm whose bridge is running."""
    _require_ros("identify")
    from franka_reacher_rl.nodes import identify

    return identify.run(options)


def soak(options: argparse.Namespace) -> int:
    """Run the graph for hours."""
    from franka_reacher_rl.bench import soak

    return soak.run(options)


def curve(options: argparse.Namespace) -> int:
    """Plot the learning curves of runs of the graph."""
    from franka_reacher_rl.analysis import curve

    return curve.run(options.run_dir, options.out)


def runs(options: argparse.Namespace) -> int:
    """List the runs in a folder."""
    from franka_reacher_rl.core.run.runs import find_runs, table

    found = find_runs(options.folder)
    launch = f"{PROGRAM} launch" if PROGRAM == "./reacher" else f"ros2 launch {PACKAGE}"
    print("\n".join(table(found, launch)) if found else f"no runs in {options.folder}")
    return 0


def control(options: argparse.Namespace) -> int:
    """Pause, resume or abort the run of a graph."""
    _require_ros(options.command)
    from franka_reacher_rl.nodes.run_control import ask

    done, answer = ask(options.command, options.namespace)
    print(answer, file=sys.stdout if done else sys.stderr)
    return 0 if done else EXIT_FAILURE


def preview(options: argparse.Namespace) -> int:
    """Render the simulated world."""
    from franka_reacher_rl.sim import preview

    return preview.run(options.robot, options.out, options.seed, options.width, options.height)


def _require_ros(name: str) -> None:
    if importlib.util.find_spec("rclpy") is None:
        raise ValueError(f"needs ROS 2: run ./reacher {name}, or source the setup.bash of ROS 2")


def _bench(options: argparse.Namespace) -> int:
    module = importlib.import_module(f"franka_reacher_rl.bench.{options.bench}")
    return int(module.run(options))


def _names(kind: str) -> str:
    return ", ".join(sorted(path.stem for path in (config_dir() / kind).glob("*.yaml")))


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


if __name__ == "__main__":
    sys.exit(main())
