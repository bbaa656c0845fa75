"""The command-line options of the benchmarks, in a module that imports nothing heavy."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_learner(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench learner`."""
    add = parser.add_argument
    add("--setting", default="async_baseline", help="setting: a name or a path (default: %(default)s)")
    add("--json", action="store_true", help="print JSON")
    add("--against-plain", action="store_true", help="also time a plain learner with the reference's structure")
    add("--updates", type=int, default=30, help="updates to time (default: %(default)s)")
    add("--plain-updates", type=int, default=5, help="updates of the plain learner to time (default: %(default)s)")
    add("--threads", type=int, default=0, help="threads; 0: one per core (default: %(default)s)")
    add("--device", choices=("auto", "cpu", "cuda"), help="where to compute (default: the setting's)")
    add("--precision", help="float32, bfloat16 or auto (default: the setting's)")
    add("--batch", type=int, help="transitions per update (default: the setting's)")
    add("--size", metavar="WIDTHxHEIGHT", help="image size (default: the setting's)")
    add("--rows", type=int, default=2000, help="transitions in the replay buffer (default: %(default)s)")
    add("--no-prefetch", action="store_true", help="sample each batch only when it is needed")
    add("--replay-on-device", action="store_true", help="also keep the frames in the device's memory")


def add_cycle(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench cycle`."""
    add = parser.add_argument
    add("--minutes", type=float, default=2.0, help="training time in minutes (default: %(default)s)")
    add(
        "--observers", type=int, default=0, metavar="N",
        help="instead of a busy learner: N tools that come and go, and as many CPU burners in their place",
    )  # fmt: skip
    add(
        "--episodes", type=int, default=12, metavar="N",
        help="with --observers: episodes with tools, and as many with CPU burners (default: %(default)s)",
    )  # fmt: skip
    add("--setting", help="async setting: a name or a path (default: baseline; with --observers: lite)")
    add("--robot", default="panda_sim", help="robot: a name or a path (default: %(default)s)")
    add("--cycle-ms", type=float, help="action cycle time in ms (default: the setting's)")
    add("--peers", action="store_true", help="also measure rtgym and a plain loop beside an equally busy learner")
    add(
        "--launch", nargs="+", default=[], metavar="NAME:=VALUE",
        help="without --observers: further launch arguments of the graph, such as record:=true",
    )  # fmt: skip
    add("--out", type=Path, metavar="DIR", help="keep the table of all cycles and their histogram there")
    add("--json", action="store_true", help="print JSON only")


def add_graph(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench graph`."""
    add = parser.add_argument
    add("--starts", type=int, default=0, metavar="N", help="time N starts and ends of the graph instead")
    add("--minutes", type=float, default=1.0, help="time to measure in minutes (default: %(default)s)")
    add("--setting", default="lite", help="async setting: a name or a path (default: %(default)s)")
    add("--robot", default="panda_sim", help="robot: a name or a path (default: %(default)s)")
    add("--cycle-ms", type=float, help="action cycle time in ms (default: the setting's)")
    add("--json", action="store_true", help="print JSON only")


def add_latency(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench latency`."""
    add = parser.add_argument
    add("--settings", nargs="+", default=["async_lite"], metavar="NAME", help="settings to measure: names or paths")
    add("--repeats", type=int, default=50, help="measurements of each latency (default: %(default)s)")
    add("--threads", type=int, default=0, help="threads of the learner; 0: one per core (default: %(default)s)")
    add("--out", type=Path, metavar="FILE", help="profile to write, for `experiment run --latency FILE`")


def add_plant(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench plant`."""
    robots, settings = ["panda_sim", "fr3", "ur5e_sim"], ["async_baseline", "async_highres"]
    add = parser.add_argument
    add("--robots", nargs="+", default=robots, metavar="NAME", help=f"robots (default: {' '.join(robots)})")
    add(
        "--settings", nargs="+", default=settings, metavar="NAME", help="settings, for image size and cycle time "
        f"(default: {' '.join(settings)})"
    )  # fmt: skip
    add("--seconds", type=float, default=20.0, help="simulated time of each measurement in s (default: %(default)s)")
    add("--json", action="store_true", help="print JSON only")


def add_safety(parser: argparse.ArgumentParser) -> None:
    """Add the options of `bench safety`."""
    robots = ["panda_sim", "fr3", "ur5e_sim"]
    plants = ["exact", "declared", "undeclared", "noise", "dropped", "late", "slow", "model_error"]
    add = parser.add_argument
    add("--robot", nargs="+", default=robots, metavar="NAME", help=f"robots (default: {' '.join(robots)})")
    add(
        "--plants",
        nargs="+",
        default=plants,
        choices=plants,
        metavar="NAME",
        help=f"plants (default: {' '.join(plants)})",
    )
    add("--cycles", type=int, default=1_000_000, help="control cycles in total (default: %(default)s)")
    add("--processes", type=int, default=0, help="processes; 0: one per core (default: %(default)s)")
    add("--seed", type=int, default=0, help="seed of the search (default: %(default)s)")
    add("--json", action="store_true", help="print JSON only")


def add_soak(parser: argparse.ArgumentParser) -> None:
    """Add the options of `soak`."""
    add = parser.add_argument
    add("--hours", type=float, default=1.0, metavar="H", help="how long to run, in hours (default: %(default)s)")
    add("--setting", default="lite", help="async setting: a name or a path (default: %(default)s)")
    add("--robot", default="panda_sim", help="robot: a name or a path (default: %(default)s)")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the run and of the samples")
    add("--json", action="store_true", help="print JSON only")
