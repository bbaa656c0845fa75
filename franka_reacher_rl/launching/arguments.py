"""The arguments of the launch files, and their checks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from launch import LaunchContext
from launch.actions import DeclareLaunchArgument

from franka_reacher_rl.core.base.paths import PACKAGE
from franka_reacher_rl.core.base.suggestions import did_you_mean

CHOICES = {
    "device": ("auto", "cpu", "cuda"),
    "evaluate": ("true", "false"),
    "log_level": ("debug", "info", "warn", "error", "fatal"),
    "realtime": ("auto", "off"),
    "record": ("true", "false"),
    "rviz": ("true", "false"),
    "rqt": ("true", "false"),
    "use_sim_time": ("true", "false"),
    "view": ("true", "false"),
    "wiring": ("async", "sync"),
}

# Arguments that replace a node of the graph by another package's, and the node that each replaces.
REPLACEMENTS = {"camera_node": "camera", "reward_node": "reward", "robot_bridge_node": "robot_bridge"}


def _argument(name: str, default: str, description: str) -> DeclareLaunchArgument:
    # `check_choices` checks them, because launch reports a wrong choice as "Caught exception in launch".
    choices = f"; one of {', '.join(CHOICES[name])}" if name in CHOICES else ""
    return DeclareLaunchArgument(name, default_value=default, description=description + choices)


ARGUMENTS = [
    _argument(
        "setting",
        "auto",
        "baseline, highres or lite, with or without the wiring (async_baseline), or the path of a setting file; "
        "auto: baseline with CUDA, else lite",
    ),
    _argument("robot", "panda_sim", "robot file: a name or a path"),
    _argument("address", "", "franka driver: host name or IP address of the robot; empty: that of the robot file"),
    _argument("camera", "simulated", "simulated, a device such as /dev/video0, or a video file"),
    _argument("camera_info_url", "", "calibration of the camera: a file:// or package:// URL or a path; empty: none"),
    _argument("image_topic", "", "topic of a camera that is running already, instead of starting one"),
    *(
        _argument(name, "", f"package/executable to start instead of this package's {node}; see docs/interfaces.md")
        for name, node in REPLACEMENTS.items()
    ),
    _argument("device", "auto", "where updates are computed"),
    _argument("seed", "0", "seed of networks, noise, start poses and targets"),
    _argument("episodes", "0", "number of the last episode; 0: no limit"),
    _argument("training_minutes", "0", "training time to run in minutes; 0: no limit"),
    _argument("run_dir", "auto", "folder of the run; auto: runs/<date>_<setting>_<robot>_seed<seed>"),
    _argument("resume", "", "folder of a run to resume, with its setting, robot, camera and seed"),
    _argument(
        "resume_weights",
        "",
        "start a new run from the networks of another one: its run folder, a checkpoint, or a policy.safetensors",
    ),
    _argument(
        "seed_replay",
        "",
        "start a new run with the replay of another one: its run folder, or a folder written by `relabel`",
    ),
    _argument("policy", "", "policy file to run, or pretrained, with evaluate:=true"),
    _argument("evaluate", "false", "run a policy without learning"),
    _argument("namespace", "", "namespace of all nodes, for several graphs in one domain"),
    _argument("frame_prefix", "auto", "prefix of all TF frames; auto: the namespace and a slash, or none"),
    _argument("params_file", "", "ROS parameter file for any node, applied after all other values"),
    _argument("log_level", "info", "lowest severity that the nodes log"),
    _argument("use_sim_time", "false", "must be false: the graph runs in real time"),
    _argument(
        "realtime", "auto", "real-time priority of all nodes from the camera to the bridge, where the system permits it"
    ),
    _argument("view", "false", "show the graph on a page in the browser; the console names its address"),
    _argument("record", "false", "write all messages into run.mcap in the run folder"),
    _argument("rviz", "false", "open RViz"),
    _argument("rqt", "false", "open rqt"),
]


# Further arguments of learner.launch.py and robot.launch.py.
PART_ARGUMENTS = [
    _argument("wiring", "async", "wiring of the whole graph"),
    _argument("run", "", "name of the run, the same for learner.launch.py and robot.launch.py; required"),
]


def check_names(given: list[str], arguments: list[DeclareLaunchArgument] = ARGUMENTS) -> None:
    """Check the names of launch arguments, which launch itself ignores when they are misspelt.

    Args:
        given: The names on the command line.
        arguments: The arguments of the launch file, by default those of a whole run.

    Raises:
        ValueError: An argument is unknown.
    """
    known = [argument.name for argument in arguments]
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ValueError(f"unknown launch argument {name!r}{hint}: there are {', '.join(known)}")


def names_on_command_line(context: LaunchContext) -> list[str]:
    """Return the names of the arguments on the command line if this launch file is the one named there, else none.

    A launch file that includes this one may have arguments of its own.
    """
    path = Path(getattr(context.locals, "current_launch_file_path", ""))
    by_name = (PACKAGE, path.name) in pairwise(sys.argv)
    by_path = any(word.endswith(path.name) and Path(word).resolve() == path.resolve() for word in sys.argv[1:])
    if not (path.name and (by_name or by_path)):
        return []
    return [word.partition(":=")[0] for word in context.argv if ":=" in word]


def check_choices(values: dict[str, str]) -> None:
    """Check the arguments that have choices.

    Raises:
        ValueError: A value is not one of its argument's choices.
    """
    for name, allowed in CHOICES.items():
        if values.get(name, allowed[0]) not in allowed:
            hint = did_you_mean(values[name], allowed)
            raise ValueError(f"{name}:={values[name]} is not allowed{hint}: give {' or '.join(allowed)}")
    if values["use_sim_time"] == "true":
        raise ValueError(
            "use_sim_time:=true is not allowed: the action cycle and all deadlines use this machine's steady clock. "
            "To simulate faster than real time, use `experiment run`"
        )


def number(name: str, text: str, kind: Callable[[str], Any]) -> Any:
    """Return the number that a launch argument gives.

    Raises:
        ValueError: It is not a number, or negative.
    """
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"{name}:={text} is not a number") from None
    if not 0 <= value < 1e9:
        raise ValueError(f"{name}:={text} is not allowed: give 0 or more")
    return value
