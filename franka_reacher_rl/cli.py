"""The command line `franka-reacher`, which `./reacher` forwards commands to.

`make_parser` defines every command and option. A command's modules are imported when it runs, so `--help` is fast.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from franka_reacher_rl.bench import options as bench_options
from franka_reacher_rl.commands import experiments, graph, look, machine
from franka_reacher_rl.commands.common import EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_USAGE, PROGRAM
from franka_reacher_rl.core.base.suggestions import did_you_mean

CONTROL = {
    "pause": "end the episode of a running graph and let the arm rest",
    "resume": "let a paused graph go on",
    "abort": "end a running graph for good after stopping the arm",
}


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
    for name, text, function, add_options in (
        ("run", "run settings or a preset in virtual time, or resume", experiments.run, experiments.add_run),
        ("plot", "plot the results of an experiment", experiments.plot, experiments.add_folder),
        ("report", "write plots, tables and conclusions", experiments.report, experiments.add_folder),
        ("export", "copy and evaluate the trained policies", experiments.export, experiments.add_export),
    ):
        command(verbs, name, text, function, add_options)

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
        command(benches, name, text, machine.bench, add_options)

    pictures = commands.add_parser("draw", help="draw the pictures of the documentation")
    kinds = pictures.add_subparsers(dest="picture", required=True, metavar="PICTURE")
    for name, text, add_options in (
        ("graph", "the node graph, sync beside async, from the running graphs", look.add_graph),
        ("timing", "what happens when within a cycle, from runs", look.add_timing),
        ("film", "the arm before and after learning", look.add_film),
        ("page", "a screenshot of the page in the browser", look.add_page),
    ):
        command(kinds, name, text, look.draw, add_options)

    for verb, text in CONTROL.items():
        command(commands, verb, text, graph.control, graph.add_control)
    for name, text, function, add_options in (
        ("demo", "show a trained policy at work in the browser", look.demo, look.add_demo),
        ("watch", "show a running graph as tables in the terminal", graph.watch, graph.add_watch),
        ("view", "show a recorded run in the browser", look.view, look.add_view),
        ("tune-mask", "tune the mask of the target in the browser", look.tune_mask, look.add_tune_mask),
        ("runs", "list runs of the graph, and how to resume them", graph.runs, graph.add_runs),
        ("curve", "plot the learning curves of runs of the graph", graph.curve, graph.add_curve),
        ("relabel", "recompute the rewards of a run under another setting", graph.relabel, graph.add_relabel),
        ("identify", "measure how late an arm follows its commands", graph.identify, graph.add_identify),
        ("soak", "run the graph for hours and fail where something grows", graph.soak, bench_options.add_soak),
        ("doctor", "check this computer, and say what to do", machine.doctor, machine.add_doctor),
        ("preview", "render the simulated world", machine.preview, machine.add_preview),
    ):
        command(commands, name, text, function, add_options)
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


if __name__ == "__main__":
    sys.exit(main())
