"""What a launch starts to watch the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("launch")

import rclpy
import rclpy.node
from launch import LaunchContext, LaunchDescription, LaunchService
from launch.actions import LogInfo, OpaqueFunction, Shutdown
from launch.logging import launch_config
from launch.utilities import perform_substitutions
from launch_ros.actions import Node
from std_msgs.msg import Bool

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.paths import config_dir
from franka_reacher_rl.launching import viewers

UR5E = Robot.load("ur5e_sim")
ASKED = {"rviz": "true", "rqt": "true", "evaluate": "false"}
# What rqt_common_plugins depends on. A single missing plugin makes qt_gui restore no settings at all.
RQT_COMMON_PLUGINS = {
    *("rqt_action", "rqt_bag", "rqt_bag_plugins", "rqt_console", "rqt_graph", "rqt_image_view", "rqt_msg", "rqt_plot"),
    *("rqt_publisher", "rqt_py_common", "rqt_py_console", "rqt_reconfigure", "rqt_service_caller", "rqt_shell"),
    *("rqt_srv", "rqt_topic"),
}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretends that ROS packages are installed: `packages("rviz2")`. Launch's log goes to a temporary folder."""
    monkeypatch.setattr(launch_config, "_log_dir", str(tmp_path))

    def install(*names: str) -> None:
        for name in names:
            (tmp_path / "share" / name).mkdir(parents=True)
        monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))

    return install


def words(node: Node) -> list[str]:
    """The command line of a node as far as it is fixed."""
    texts = (part if isinstance(part, list) else [part] for part in node.cmd)
    return [t for t in ("".join(getattr(p, "text", "") for p in part) for part in texts) if t]


def test_rviz_opens_with_the_frames_of_the_robot(packages: Any, tmp_path: Path) -> None:
    packages("rviz2")
    made = viewers.viewers(ASKED | {"rqt": "false"}, UR5E, "left", "left/")
    (rviz,) = made
    assert isinstance(rviz, Node) and rviz.node_package == "rviz2"
    command = words(rviz)
    assert command[command.index("-f") + 1] == "left/base_link"
    config = yaml.safe_load(Path(command[command.index("-d") + 1]).read_text())
    displays = {d["Class"].split("/")[1]: d for d in config["Visualization Manager"]["Displays"]}
    assert displays["RobotModel"]["TF Prefix"] == "left", "RViz adds the slash"
    assert all(displays[name]["Enabled"] for name in ("TF", "MarkerArray", "RobotModel"))


def test_what_is_not_installed_is_named(packages: Any) -> None:
    packages("rqt_gui", "rqt_plot")
    made = viewers.viewers(ASKED, UR5E)
    context = LaunchContext()
    texts = [perform_substitutions(context, entity.msg) for entity in made if isinstance(entity, LogInfo)]
    assert texts == [
        "rviz:=true, but rviz2 not installed: sudo apt install ros-$ROS_DISTRO-rviz2",
        "rqt:=true, but rqt_console not installed: sudo apt install ros-$ROS_DISTRO-rqt-common-plugins",
    ]


def test_the_installed_state_publisher_and_aggregator_are_used(packages: Any) -> None:
    assert viewers.state_publisher("ur5e_sim").node_package == "franka_reacher_rl"
    packages("robot_state_publisher", "diagnostic_aggregator")
    assert viewers.state_publisher("ur5e_sim", "left", "left/").node_package == "robot_state_publisher"
    (aggregator,) = viewers.viewers(ASKED | {"rviz": "false", "rqt": "false"}, UR5E)
    assert isinstance(aggregator, Node) and aggregator.node_package == "diagnostic_aggregator"


def test_the_configurations_follow_the_namespace() -> None:
    parameters = viewers.analyzers("left")
    assert parameters["path"] == "left/franka_reacher_rl"
    assert parameters["images"]["startswith"] == ["left/camera:", "left/reward:"]
    assert all(name.startswith("/left/") for name in viewers.plotted(viewers.perspective("left")))
    assert viewers.plotted(viewers.perspective())[0] == "/reward/value/reward"
    assert viewers.rviz_config() == (config_dir() / "rviz" / "reacher.rviz").read_text()


def test_the_perspective_lists_only_common_plugins() -> None:
    assert {plugin.partition("/")[0] for plugin in viewers.plugins(viewers.perspective())} <= RQT_COMMON_PLUGINS


def test_an_action_waits_until_every_topic_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    context = rclpy.Context()
    context.init()
    node = rclpy.node.Node("late", context=context)
    node.create_publisher(Bool, "first", 1)
    looks: list[str] = []
    get_ros_node = viewers.get_ros_node

    def look(launch_context: Any) -> Any:
        looks.append("look")
        if len(looks) == 2:
            node.create_publisher(Bool, "second", 1)
        return get_ros_node(launch_context)

    monkeypatch.setattr(viewers, "get_ros_node", look)
    started = OpaqueFunction(function=lambda _: looks.append("started"))
    waiting = viewers.when_published(["/first", "/second"], [started, Shutdown(reason="done")])
    service = LaunchService(noninteractive=True)
    service.include_launch_description(LaunchDescription([waiting]))
    try:
        assert service.run() == 0
    finally:
        node.destroy_node()
        context.try_shutdown()
    assert looks[:2] == ["look", "look"] and looks[-1] == "started"
