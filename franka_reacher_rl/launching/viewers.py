"""What a launch starts to watch the graph: transforms, RViz, rqt and the aggregator of diagnostics."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from launch import LaunchContext
from launch.actions import LogInfo, OpaqueFunction, TimerAction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.logging import launch_config
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.ros_adapters import get_ros_node

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.model_file import find_model
from franka_reacher_rl.core.base.documents import load_yaml
from franka_reacher_rl.core.base.paths import PACKAGE, config_dir, find_yaml
from franka_reacher_rl.launching.middleware import enclave_arguments, middleware_settings
from franka_reacher_rl.launching.plan import NICE, NICENESS, STATE_PUBLISHER
from franka_reacher_rl.ros.node import END_WITH_PARENT

TRANSFORM_RATE = 25.0  # Hz
_POLL_PERIOD = 0.5  # s, between looks for the topics that rqt plots


def state_publisher(robot: str, namespace: str = "", frame_prefix: str = "", params_file: str = "") -> Node:
    """Return the node that publishes the robot's description and transforms.

    It is that of the package robot_state_publisher where this is installed, otherwise ours.

    Args:
        robot: Robot file, a name or a path.
        namespace: Of the graph; empty: none.
        frame_prefix: Precedes the name of every frame.
        params_file: ROS parameter file that is applied last; empty: none.
    """
    name = STATE_PUBLISHER
    foreign = installed(name)
    parameters: dict[str, Any] = {"frame_prefix": frame_prefix, "publish_frequency": TRANSFORM_RATE}
    if foreign:
        urdf = find_model(Robot.load(robot).model.urdf).read_text()
        parameters["robot_description"] = ParameterValue(urdf, value_type=str)
    else:
        parameters["robot"] = str(find_yaml("robots", robot))
    return Node(
        package=name if foreign else PACKAGE,
        executable=name,
        name=name,
        namespace=namespace or None,
        parameters=[parameters, *([params_file] if params_file else [])],
        remappings=[("joint_states", "robot_bridge/joint_states")],
        ros_arguments=enclave_arguments(name, os.environ),
        output="screen",
        additional_env={END_WITH_PARENT: "1", NICE: str(NICENESS[name]), **middleware_settings(os.environ)},
    )


def viewers(
    values: Mapping[str, str], robot: Robot, namespace: str = "", frame_prefix: str = ""
) -> list[LaunchDescriptionEntity]:
    """Return RViz and rqt where requested and installed, and the aggregator of diagnostics where installed.

    None of them ends the run when it ends.

    Args:
        values: The launch arguments.
        robot: The arm.
        namespace: Of the graph; empty: none.
        frame_prefix: Precedes the name of every frame.
    """
    made: list[LaunchDescriptionEntity] = []
    if installed("diagnostic_aggregator"):
        made.append(_aggregator(namespace))
    if values["rviz"] == "true":
        made.append(_missing("rviz", ["rviz2"], "rviz2") or _rviz(robot, namespace, frame_prefix))
    if values["rqt"] == "true":
        text = perspective(namespace)
        packages = ["rqt_gui", *sorted({plugin.partition("/")[0] for plugin in plugins(text)})]
        learning = values["evaluate"] != "true"
        made.append(_missing("rqt", packages, "rqt-common-plugins") or _rqt(text, namespace, learning=learning))
    return made


def installed(package: str) -> bool:
    """Return whether a ROS package is installed."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)
    return any(Path(p, "share", package).is_dir() for p in prefixes if p)


# -- the configurations ---------------------------------------------------------------------------------------------


def rviz_config(frame_prefix: str = "") -> str:
    """Return RViz's configuration, whose topic names are relative.

    RViz puts a slash between its TF prefix and the name of a link.
    """
    text = (config_dir() / "rviz" / "reacher.rviz").read_text()
    return text.replace('TF Prefix: ""', f'TF Prefix: "{frame_prefix.rstrip("/")}"')


def perspective(namespace: str = "") -> str:
    """Return rqt's perspective for the graph in a namespace: rqt_plot takes absolute names only."""
    text = (config_dir() / "rqt" / "reacher.perspective").read_text()
    return text.replace("'/", f"'/{namespace}/") if namespace else text


def plugins(perspective: str) -> list[str]:
    """Return the plugins that a perspective opens, each as `package/class`."""
    keys = json.loads(perspective)["groups"]["pluginmanager"]["keys"]
    return list(ast.literal_eval(keys["running-plugins"]["repr"]))


def plotted(perspective: str) -> list[str]:
    """Return what the plots of a perspective show, each as `topic/field`."""
    groups = json.loads(perspective)["groups"]["pluginmanager"]["groups"].values()
    keys = [group["groups"]["plugin"]["keys"] for group in groups]
    return [name for each in keys if "topics" in each for name in ast.literal_eval(each["topics"]["repr"])]


def analyzers(namespace: str = "") -> dict[str, Any]:
    """Return the parameters of diagnostic_aggregator for the graph in a namespace."""
    document = load_yaml(config_dir() / "diagnostics" / "analyzers.yaml")
    parameters: dict[str, Any] = document["analyzers"]["ros__parameters"]
    if namespace:
        parameters["path"] = f"{namespace}/{parameters['path']}"
        for group in parameters.values():
            if isinstance(group, dict):
                group["startswith"] = [f"{namespace}/{name}" for name in group["startswith"]]
    return parameters


# -- the processes --------------------------------------------------------------------------------------------------


def when_published(topics: Iterable[str], actions: list[LaunchDescriptionEntity]) -> OpaqueFunction:
    """Return an action that executes others once every topic has a publisher."""
    awaited = sorted(set(topics))

    def poll(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        node = get_ros_node(context)
        if all(node.count_publishers(topic) for topic in awaited):
            return actions
        return [TimerAction(period=_POLL_PERIOD, actions=[OpaqueFunction(function=poll)])]

    return OpaqueFunction(function=poll)


def _aggregator(namespace: str) -> Node:
    # Each graph has an aggregator, so its topics are in the graph's namespace.
    topics = ("diagnostics_agg", "diagnostics_toplevel_state")
    return Node(
        package="diagnostic_aggregator",
        executable="aggregator_node",
        namespace=namespace or None,
        parameters=[analyzers(namespace)],
        remappings=[(f"/{topic}", topic) for topic in topics],
        output="log",
    )


def _rviz(robot: Robot, namespace: str, frame_prefix: str) -> Node:
    path = _written("reacher.rviz", rviz_config(frame_prefix))
    arguments = ["-d", path, "-f", frame_prefix + robot.model.base_frame]
    return Node(package="rviz2", executable="rviz2", namespace=namespace or None, arguments=arguments, output="log")


def _rqt(text: str, namespace: str, *, learning: bool) -> OpaqueFunction:
    """Return rqt, started once the topics that it plots exist: rqt_plot drops those that do not."""
    path = _written("reacher.perspective", text)
    topics = [name.rpartition("/")[0] for name in plotted(text)]
    if not learning:
        topics = [topic for topic in topics if "/learner/" not in topic]
    rqt = Node(package="rqt_gui", executable="rqt_gui", arguments=["--perspective-file", path], output="log")
    return when_published(topics, [rqt])


def _missing(argument: str, packages: list[str], debian: str) -> LogInfo | None:
    """Return a message that names what has to be installed; None if nothing is missing."""
    lacking = [package for package in packages if not installed(package)]
    if not lacking:
        return None
    how = f"sudo apt install ros-$ROS_DISTRO-{debian}"
    return LogInfo(msg=f"{argument}:=true, but {', '.join(lacking)} not installed: {how}")


def _written(name: str, text: str) -> str:
    """Write a file beside the log of this launch and return its path."""
    path = Path(launch_config.log_dir, name)
    path.write_text(text)
    return str(path)
