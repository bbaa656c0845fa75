"""Tests of the display node with real messages."""

from __future__ import annotations

import pytest
from geometry_msgs.msg import Point, Pose, PoseStamped
from visualization_msgs.msg import Marker, MarkerArray

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.msg import Reward, RobotState, Tick
from franka_reacher_rl.nodes.display import Display
from franka_reacher_rl.ros import qos


def state(z: float, reasons: tuple[str, ...] = ()) -> RobotState:
    return RobotState(o_t_ee=Pose(position=Point(x=0.5, y=0.0, z=z)), reasons=reasons)


def newest(arrays: list[MarkerArray]) -> dict[str, Marker]:
    return {m.ns: m for m in arrays[-1].markers} if arrays else {}


@pytest.fixture
def graph(probe_after):
    probe = probe_after("-p", "robot:=ur5e_sim", "-p", "rate:=50.0", "-p", "frame_prefix:=left/")
    probe.display = probe.add(Display())
    for name, kind, profile in (
        ("robot_state", RobotState, qos.RELIABLE),
        ("reward", Reward, qos.RELIABLE),
        ("cycle", Tick, qos.EVENT),
        ("target", PoseStamped, qos.LATCHED),
    ):
        setattr(probe, name, probe.node.create_publisher(kind, f"/{name}", profile))
    return probe


def test_the_markers_show_box_trail_target_and_acting_face(graph):
    target = PoseStamped()
    target.header.frame_id, target.pose.position.y = "left/base_link", 0.1
    graph.target.publish(target)
    arrays = graph.listen(MarkerArray, "/display/markers", qos.RELIABLE)
    inputs = (graph.robot_state, graph.reward, graph.cycle)
    graph.until(lambda: newest(arrays).get("target") and all(p.get_subscription_count() for p in inputs))
    robot = Robot.load("ur5e_sim")
    box = newest(arrays)["workspace"]
    assert max(p.z for p in box.points) == robot.task.workspace_upper[2] and len(box.points) == 24
    assert {m.header.frame_id for a in arrays for m in a.markers} == {"left/base_link"}
    assert newest(arrays)["target"].pose.position.y == 0.1
    assert newest(arrays)["trail"].action == newest(arrays)["faces"].action == Marker.DELETE
    bottom = robot.task.workspace_lower[2]

    def step(number: int, coverage: float, height: float, *reasons: str) -> None:
        graph.robot_state.publish(state(height, reasons))
        graph.reward.publish(Reward(coverage=coverage))
        graph.until(lambda: graph.display._coverage == pytest.approx(coverage))
        graph.until(lambda: graph.display._state and graph.display._state.o_t_ee.position.z == height)
        graph.cycle.publish(Tick(episode=1, step=number))
        graph.until(lambda: len(graph.display._trail.points) == number + 1)

    step(0, 0.0, 0.2)
    step(1, 0.25, bottom + 0.01, "workspace", "acceleration")
    graph.until(lambda: len(newest(arrays)["trail"].points) == 2)
    markers = newest(arrays)
    assert markers["trail"].colors[1].r > markers["trail"].colors[0].r, "coloured by reward"
    assert markers["filter"].text == "workspace"
    assert markers["faces"].action == Marker.ADD and {p.z for p in markers["faces"].points} == {bottom}
    step(0, 0.0, 0.25)
    graph.until(lambda: newest(arrays)["trail"].action == Marker.DELETE, 10.0)
    assert newest(arrays)["faces"].action == newest(arrays)["filter"].action == Marker.DELETE


def test_nothing_is_received_while_nobody_looks(graph):
    listener = graph.node.create_subscription(MarkerArray, "/display/markers", lambda message: None, qos.RELIABLE)
    graph.until(lambda: graph.robot_state.get_subscription_count() == 1)
    graph.node.destroy_subscription(listener)
    graph.until(lambda: not graph.robot_state.get_subscription_count() + graph.cycle.get_subscription_count())


def test_a_rate_out_of_range_is_refused(ros):
    ros("-p", "rate:=0.0")
    with pytest.raises(ValueError, match="0.1 to 100 Hz"):
        Display()
