"""RViz's, rqt's and the aggregator's configurations, checked against the running graph of two robots.

The graph of the second runs in a namespace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from graphs import Watcher
from rclpy.qos import (
    DurabilityPolicy,
    LivelinessPolicy,
    QoSCompatibility,
    QoSProfile,
    ReliabilityPolicy,
    qos_check_compatible,
)
from rosidl_runtime_py.utilities import get_message
from sensor_msgs.msg import Image
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import Marker, MarkerArray

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.launching import viewers
from franka_reacher_rl.msg import RobotState
from franka_reacher_rl.ros import qos

# What each display of RViz shows.
DISPLAYED = {
    "RobotModel": "std_msgs/msg/String",
    "MarkerArray": "visualization_msgs/msg/MarkerArray",
    "Image": "sensor_msgs/msg/Image",
}
NUMBERS = {"boolean", "float", "double", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
TOPICS = (
    (TFMessage, "/tf", QoSProfile(depth=100)),
    (TFMessage, "/tf_static", qos.LATCHED),
    (MarkerArray, "display/markers", qos.RELIABLE),
    (RobotState, "robot_bridge/robot_state", qos.NEWEST),
    (Image, "camera/image_raw", qos.NEWEST),
    (DiagnosticArray, "/diagnostics", qos.EVENT),
    (DiagnosticStatus, "recorder/toplevel_state", qos.LATCHED),
)
TASKS = {
    "actor: policy",
    "camera: frames",
    "command_guard: guard",
    "display: markers",
    "environment: cycle",
    "learner: updates",
    "recorder: run folder",
    "reward: frames",
    "robot_bridge: arm",
    "robot_state_publisher: transforms",
    "sim_robot: physics",
}


class View(Watcher):
    """Listens to what the viewers of a graph show."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        super().__init__(*((kind, self.full(topic), profile) for kind, topic, profile in TOPICS))

    def full(self, topic: str) -> str:
        """The full name of a topic of the graph."""
        return topic if topic.startswith("/") else f"/{self.namespace}/{topic}" if self.namespace else f"/{topic}"

    def messages(self, topic: str) -> list[Any]:
        """What came over a topic so far."""
        return self.heard[self.full(topic)]


@pytest.fixture
def view(launch: Callable[..., Any]) -> Iterator[Callable[[str, str], View]]:
    """Starts the async graph of a robot and listens to it once an episode runs: `view("ur5e_sim", "left")`."""
    made: list[View] = []

    def start(robot: str, namespace: str) -> View:
        graph = launch("async", robot=robot, namespace=namespace)
        made.append(View(namespace))
        graph.until(lambda: "\n        1 " in graph.text and all(made[0].heard.values()), 180.0)
        return made[0]

    yield start
    for one in made:
        one.close()


@pytest.mark.timeout(300)  # the first episode of a busy computer comes late
@pytest.mark.parametrize(("name", "namespace"), [("panda_sim", ""), ("ur5e_sim", "left")])
def test_what_the_configurations_name_is_there(view: Callable[[str, str], View], name: str, namespace: str) -> None:
    graph, robot = view(name, namespace), Robot.load(name)
    check_rviz(graph)
    check_plots(graph)
    check_frames(graph, robot)
    check_markers(graph)
    check_diagnostics(graph, robot)


def check_rviz(graph: View) -> None:
    """Every display has a topic with its type and a quality of service that its publisher offers."""
    displays = yaml.safe_load(viewers.rviz_config())["Visualization Manager"]["Displays"]
    types = dict(graph.node.get_topic_names_and_types())
    checked = 0
    for display in displays:
        topic = display.get("Topic") or display.get("Description Topic")
        if topic is None:
            continue
        name = graph.full(topic["Value"])
        assert types.get(name) == [DISPLAYED[display["Class"].split("/")[1]]], display["Name"]
        wanted = QoSProfile(
            depth=topic["Depth"],
            reliability=ReliabilityPolicy[topic["Reliability Policy"].upper().replace(" ", "_")],
            durability=DurabilityPolicy[topic["Durability Policy"].upper().replace(" ", "_")],
        )
        assert_compatible(graph, name, wanted)
        checked += 1
    assert checked == 4 and all(d["Enabled"] for d in displays)


def check_plots(graph: View) -> None:
    """rqt_plot finds each topic and its field, and a publisher that is reliable.

    It takes the first topic whose name begins the plotted name, and asks for reliable messages.
    """
    types = dict(graph.node.get_topic_names_and_types())
    names = viewers.plotted(viewers.perspective(graph.namespace))
    assert len(names) == len(set(names)) == 8
    for name in names:
        topics = [topic for topic in types if name.startswith(topic)]
        assert len(topics) == 1, f"{name}: {topics}"
        kind, field = types[topics[0]][0], name.removeprefix(topics[0] + "/")
        message = get_message(kind)
        assert message.get_fields_and_field_types().get(field) in NUMBERS, f"{kind} has no number {field}"
        assert not any(
            field_kind == "sensor_msgs/Image" for field_kind in message.get_fields_and_field_types().values()
        )
        assert_compatible(graph, topics[0], RELIABLE)


def assert_compatible(graph: View, topic: str, wanted: QoSProfile) -> None:
    publishers = graph.node.get_publishers_info_by_topic(topic)
    assert len(publishers) == 1, topic
    wanted.liveliness = LivelinessPolicy.AUTOMATIC
    compatibility, reason = qos_check_compatible(publishers[0].qos_profile, wanted)
    assert compatibility == QoSCompatibility.OK, f"{topic}: {reason}"


def check_frames(graph: View, robot: Robot) -> None:
    """All frames in use are connected, down to the camera's."""
    parents = {
        t.child_frame_id: t.header.frame_id
        for topic in ("/tf", "/tf_static")
        for message in graph.messages(topic)
        for t in message.transforms
    }

    def root(frame: str) -> str:
        return root(parents[frame]) if frame in parents else frame

    prefix = f"{graph.namespace}/" if graph.namespace else ""
    base, camera = prefix + robot.model.base_frame, prefix + robot.camera.frame
    markers = [m for array in graph.messages("display/markers") for m in array.markers]
    stamped = [*markers, *graph.messages("robot_bridge/robot_state"), *graph.messages("camera/image_raw")]
    used = {message.header.frame_id for message in stamped}
    assert used == {base, camera}
    assert {root(frame) for frame in used} == {base}
    moving = graph.messages("/tf")[-1].transforms
    assert len(moving) == robot.dof and camera not in {t.child_frame_id for t in moving}


def check_markers(graph: View) -> None:
    """The box, the target and the trail are drawn."""
    graph.until(lambda: {"workspace", "target", "trail"} <= _drawn(graph), 20.0)


def _drawn(graph: View) -> set[str]:
    return {m.ns for m in graph.messages("display/markers")[-1].markers if m.action == Marker.ADD}


def check_diagnostics(graph: View, robot: Robot) -> None:
    """Each node's status belongs to one group of the aggregator, and no group is empty."""
    inside = f"{graph.namespace}/" if graph.namespace else ""
    graph.until(lambda: set(_statuses(graph)) >= {inside + task for task in TASKS}, 20.0)
    statuses = _statuses(graph)
    groups = {n: g["startswith"] for n, g in viewers.analyzers(graph.namespace).items() if isinstance(g, dict)}
    for name in statuses:
        assert sum(name.startswith(start) for starts in groups.values() for start in starts) == 1, name
    for group, starts in groups.items():
        assert all(any(name.startswith(start) for name in statuses) for start in starts), group
    assert statuses[f"{inside}robot_bridge: arm"].hardware_id == robot.name
    assert all(status.hardware_id for status in statuses.values())
    assert len(graph.node.get_publishers_info_by_topic(graph.full("recorder/toplevel_state"))) == 1


def _statuses(graph: View) -> dict[str, DiagnosticStatus]:
    return {status.name: status for array in graph.messages("/diagnostics") for status in array.status}
