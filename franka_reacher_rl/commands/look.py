"""Pages in the browser, and pictures."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from franka_reacher_rl.commands.common import require_ros
from franka_reacher_rl.viewer.page import DATA_PORT, PAGE_PORT, require_rerun


def _add_ports(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--page-port", type=int, default=PAGE_PORT, metavar="PORT", help="port of the page (default: %(default)s)")
    add("--data-port", type=int, default=DATA_PORT, metavar="PORT", help="port of the data (default: %(default)s)")


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Add the options of `demo`."""
    add = parser.add_argument
    add("--robot", default="panda_sim", metavar="NAME", help="panda_sim or ur5e_sim (default: %(default)s)")
    add("--episodes", type=int, default=0, metavar="N", help="end after N episodes; 0: until Ctrl-C")
    add("--seed", type=int, default=0, help="seed of start poses and targets (default: %(default)s)")
    _add_ports(parser)


def demo(options: argparse.Namespace) -> int:
    """Show a trained policy at work."""
    require_rerun("demo")
    from franka_reacher_rl.viewer import demo

    return demo.run(options)


def add_view(parser: argparse.ArgumentParser) -> None:
    """Add the options of `view`."""
    add = parser.add_argument
    add("run_dir", type=Path, help="run folder with a recording (record:=true)")
    add("--once", action="store_true", help="end when everything has been read")
    _add_ports(parser)


def view(options: argparse.Namespace) -> int:
    """Show a recorded run in the browser."""
    require_rerun("view")
    from franka_reacher_rl.viewer import replay

    return replay.run(options)


def add_tune_mask(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tune-mask`."""
    add = parser.add_argument
    add("--camera", default="", metavar="DEVICE", help="a device, such as /dev/video0")
    add("--video", default="", metavar="FILE", help="a video file")
    add("--run", dest="run_dir", type=Path, metavar="RUN_DIR", help="the frames of a run")
    add("--live", action="store_true", help="the running graph, whose reward node can take the mask")
    add("--namespace", default="", metavar="NAME", help="with --live: namespace of the graph")
    add("--image-topic", default="camera/image_raw", metavar="NAME", help="with --live (default: %(default)s)")
    add("--setting", default="", metavar="NAME", help="setting to begin with (default: that of the run, else lite)")
    add("--out", type=Path, default=Path("mask.yaml"), metavar="FILE", help="file to write (default: %(default)s)")
    add("--port", type=int, default=8080, metavar="PORT", help="port of the page (default: %(default)s)")


def tune_mask(options: argparse.Namespace) -> int:
    """Tune the mask of the target in the browser."""
    if options.live:
        require_ros("tune-mask")
    from franka_reacher_rl.tuner import command

    return command.run(options)


def add_film(parser: argparse.ArgumentParser) -> None:
    """Add the options of `draw film`."""
    add = parser.add_argument
    add("--policy", type=Path, required=True, metavar="FILE", help="a policy.safetensors")
    add("--setting", default="lite", metavar="NAME", help="setting of the policy (default: %(default)s)")
    add("--robot", default="panda_sim", metavar="NAME", help="robot: a name or a path (default: %(default)s)")
    add("--seed", type=int, default=0, help="seed of start pose and target (default: %(default)s)")
    add("--episode", type=int, default=1, help="number of the episode (default: %(default)s)")
    add("--out", type=Path, required=True, metavar="FILE", help="animation to write (.gif)")


def add_timing(parser: argparse.ArgumentParser) -> None:
    """Add the options of `draw timing`."""
    parser.add_argument("run_dir", type=Path, nargs="+", help="run folders, for example of a sync and an async run")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="picture to write (.png)")


def add_graph(parser: argparse.ArgumentParser) -> None:
    """Add the options of `draw graph`."""
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="picture to write (.png)")


def add_page(parser: argparse.ArgumentParser) -> None:
    """Add the options of `draw page`."""
    add = parser.add_argument
    add("--url", default="", help="address of a page that is open already; else the trained policy at work is shown")
    add("--robot", default="panda_sim", metavar="NAME", help="panda_sim or ur5e_sim (default: %(default)s)")
    add("--seed", type=int, default=0, help="seed of start pose and target (default: %(default)s)")
    _add_ports(parser)
    add("--out", type=Path, required=True, metavar="FILE", help="picture to write (.png)")


def draw(options: argparse.Namespace) -> int:
    """Draw a picture."""
    module = {"graph": "node_graph"}.get(options.picture, options.picture)
    return int(importlib.import_module(f"franka_reacher_rl.pictures.{module}").run(options))
