"""This computer, and the simulated world."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Add the options of `doctor`."""
    add = parser.add_argument
    add("--robot", default="panda_sim", help="robot: a name or a path (default: %(default)s)")
    add("--address", default="", help="host name or IP address of a Franka arm (default: that of the robot file)")
    add("--camera", default="", metavar="NAME", help="device or video file to measure (default: every V4L2 camera)")
    add("--json", action="store_true", help="print the findings as JSON")


def doctor(options: argparse.Namespace) -> int:
    """Check this computer."""
    from franka_reacher_rl.doctor import report

    return report.run(options)


def add_preview(parser: argparse.ArgumentParser) -> None:
    """Add the options of `preview`."""
    add = parser.add_argument
    add("--robot", default="panda_sim", help="robot: a name or a path (default: %(default)s)")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the images, created if missing")
    add("--seed", type=int, default=0, help="seed of start pose and target (default: %(default)s)")
    add("--width", type=int, default=640, help="width of each image in px (default: %(default)s)")
    add("--height", type=int, default=360, help="height of each image in px (default: %(default)s)")


def preview(options: argparse.Namespace) -> int:
    """Render the simulated world."""
    from franka_reacher_rl.sim import preview

    return preview.run(options.robot, options.out, options.seed, options.width, options.height)


def bench(options: argparse.Namespace) -> int:
    """Run a benchmark."""
    module = importlib.import_module(f"franka_reacher_rl.bench.{options.bench}")
    return int(module.run(options))
