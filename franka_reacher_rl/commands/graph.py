"""Runs of the ROS graph: what controls, watches and measures them, and what reads their folders."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from franka_reacher_rl.commands.common import EXIT_FAILURE, launch_command, require_ros


def add_watch(parser: argparse.ArgumentParser) -> None:
    """Add the options of `watch`."""
    add = parser.add_argument
    add("--namespace", default="", metavar="NAME", help="namespace of the graph")
    add("--once", type=float, default=0.0, metavar="S", help="listen for S seconds, print the tables and end")


def watch(options: argparse.Namespace) -> int:
    """Show a running graph."""
    require_ros("watch")
    from franka_reacher_rl.watch import terminal

    return terminal.run(options)


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Add the options of `runs`."""
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("runs"), help="folder of the runs, or one run (default: runs)"
    )


def runs(options: argparse.Namespace) -> int:
    """List the runs in a folder."""
    from franka_reacher_rl.core.run.runs import find_runs, table

    found = find_runs(options.folder)
    print("\n".join(table(found, launch_command())) if found else f"no runs in {options.folder}")
    return 0


def add_control(parser: argparse.ArgumentParser) -> None:
    """Add the options of `pause`, `resume` and `abort`."""
    parser.add_argument("--namespace", default="", metavar="NAME", help="namespace of the graph")


def control(options: argparse.Namespace) -> int:
    """Pause, resume or abort the run of a graph."""
    require_ros(options.command)
    from franka_reacher_rl.clients.run_control import ask

    done, answer = ask(options.command, options.namespace)
    print(answer, file=sys.stdout if done else sys.stderr)
    return 0 if done else EXIT_FAILURE


def add_identify(parser: argparse.ArgumentParser) -> None:
    """Add the options of `identify`."""
    add = parser.add_argument
    add("--robot", required=True, metavar="NAME", help="robot that the running bridge drives: a name or a path")
    add("--speed", type=float, default=0.1, metavar="V", help="speed of the steps in rad/s (default: %(default)s)")
    add("--repeats", type=int, default=2, metavar="N", help="movements of each joint (default: %(default)s)")
    add("--namespace", default="", metavar="NAME", help="namespace of the bridge")
    add("--write", action="store_true", help="write the values into the robot file")


def identify(options: argparse.Namespace) -> int:
    """Measure lag and delay of an arm whose bridge is running."""
    require_ros("identify")
    from franka_reacher_rl.clients import identify

    return identify.run(options)


def soak(options: argparse.Namespace) -> int:
    """Run the graph for hours."""
    from franka_reacher_rl.bench import soak

    return soak.run(options)


def add_relabel(parser: argparse.ArgumentParser) -> None:
    """Add the options of `relabel`."""
    add = parser.add_argument
    add("run_dir", type=Path, help="run folder whose replay is read")
    add("--setting", default="", metavar="NAME", help="setting with the new reward: a name or a path")
    add("--mask", type=Path, default=None, metavar="FILE", help="mask as tune-mask writes it, instead of the setting's")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the new replay, for seed_replay:=DIR")


def relabel(options: argparse.Namespace) -> int:
    """Recompute the rewards of a stored replay."""
    from franka_reacher_rl.core.run import relabel

    *lines, arguments = relabel.run(options.run_dir, options.out, options.setting, options.mask)
    print(*lines, f"next: {launch_command()} {arguments}", sep="\n")
    return 0


def add_curve(parser: argparse.ArgumentParser) -> None:
    """Add the options of `curve`."""
    parser.add_argument("run_dir", nargs="+", type=Path, help="run folders, as printed by the launch")
    parser.add_argument(
        "--out", type=Path, default=Path("learning_curve.png"), help="image file (default: %(default)s)"
    )


def curve(options: argparse.Namespace) -> int:
    """Plot the learning curves of runs of the graph."""
    from franka_reacher_rl.analysis import curve

    return curve.run(options.run_dir, options.out)
