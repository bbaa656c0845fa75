"""Two graphs in one domain, each in a namespace, neither receive nor record each other's messages."""

import csv
from collections import Counter
from pathlib import Path

import pytest
from graphs import Watcher
from mcap_ros2.reader import read_ros2_messages
from processes import until

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.loop.wiring import SHARED
from franka_reacher_rl.msg import Action, RobotState
from franka_reacher_rl.ros import qos

ROBOTS = {"left": Robot.load("ur5e_sim"), "right": Robot.load("panda_sim")}
NODES = set(SHARED)
OF_ALL = {"/diagnostics", "/parameter_events", "/rosout", "/tf", "/tf_static"}


def _names(watcher):
    return {f"{namespace.rstrip('/')}/{name}" for name, namespace in watcher.node.get_node_names_and_namespaces()}


@pytest.mark.timeout(300)  # two graphs start together
def test_two_robots_side_by_side(launch, tmp_path):
    topics = [(Action, f"/{n}/actor/action", qos.EVENT) for n in ROBOTS]
    topics += [(RobotState, f"/{n}/robot_bridge/robot_state", qos.RELIABLE) for n in ROBOTS]
    watcher = Watcher(*topics)
    try:
        # Two graphs need more than two cores, so with real-time priority their learners would not run at all.
        shared = {"episodes": "2", "realtime": "off", "record": "true"}
        graphs = {
            name: launch("async", namespace=name, robot=robot.name, run_dir=str(tmp_path / name), **shared)
            for name, robot in ROBOTS.items()
        }
        nodes: set[str] = set()
        seen: set[str] = set()

        def all_seen():
            """A graph may end before all nodes of the other are there, so names are collected."""
            nodes.update(f"/{name}/{node}" for name, graph in graphs.items() for node in graph.nodes())
            seen.update(_names(watcher))
            return all(watcher.heard.values()) and seen >= nodes

        until(all_seen, 120.0)
        assert not {name for name in seen - nodes if Path(name).name in NODES}, "a node outside its namespace"
        for graph in graphs.values():
            assert graph.wait(120.0) == 0, graph.text
    finally:
        watcher.close()
    for name, robot in ROBOTS.items():
        assert {len(action.action) for action in watcher.heard[f"/{name}/actor/action"]} == {robot.dof}
        joints = {tuple(state.joint_names) for state in watcher.heard[f"/{name}/robot_bridge/robot_state"]}
        assert joints == {tuple(robot.joints)}
        rows = list(csv.DictReader((tmp_path / name / "episodes.csv").open(newline="")))
        assert [row["episode"] for row in rows] == ["1", "2"]
        assert "nodes publish velocity commands" not in graphs[name].text
        recorded = Counter(m.channel.topic for m in read_ros2_messages(str(tmp_path / name / "run.mcap")))
        assert recorded[f"/{name}/environment/episode"] == 2 and recorded[f"/{name}/camera/image_raw"] > 100
        assert {topic for topic in recorded if not topic.startswith(f"/{name}/")} <= OF_ALL
