"""What a graph publishes arrives on the board of `./reacher watch`."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from franka_reacher_rl import msg
from franka_reacher_rl.watch.board import Board
from franka_reacher_rl.watch.listener import Listener


class Topics:
    """Takes the place of a node: keeps the callback of each topic."""

    def __init__(self, namespace: str) -> None:
        self.namespace, self.callbacks = namespace, dict[str, Callable[[Any], None]]()

    def get_namespace(self) -> str:
        return self.namespace

    def create_subscription(self, kind: type, topic: str, callback: Callable[[Any], None], profile: Any) -> None:
        self.callbacks[topic] = callback


@pytest.fixture
def graph() -> SimpleNamespace:
    topics, board = Topics("/left"), Board("left")
    Listener(topics, board)
    return SimpleNamespace(board=board, send=lambda topic, message: topics.callbacks[topic](message))


def status(name: str, level: bytes = DiagnosticStatus.OK) -> DiagnosticStatus:
    return DiagnosticStatus(name=name, level=level, message="well", values=[KeyValue(key="run_id", value="1")])


def test_only_the_nodes_of_the_namespace_are_shown(graph: SimpleNamespace) -> None:
    names = ("left/camera: frames", "right/camera: frames", "camera: frames", "left/deeper/camera: frames")
    graph.send("/diagnostics", DiagnosticArray(status=[status(name) for name in names]))
    assert list(graph.board.nodes) == ["camera"] and graph.board.nodes["camera"].message == "well"
    assert graph.board.others == {"right", "", "left/deeper"}


def test_a_status_without_a_run_is_no_graph(graph: SimpleNamespace) -> None:
    graph.send("/diagnostics", DiagnosticArray(status=[DiagnosticStatus(name="gpu: temperature")]))
    assert not graph.board.others and not graph.board.nodes


def test_episodes_actions_learner_and_robot(graph: SimpleNamespace) -> None:
    graph.send("environment/episode", msg.EpisodeSummary(episode=3, episodes=60, end_reason="time_limit"))
    graph.send("actor/action", msg.Action(observation_age=0.015))
    graph.send("learner/status", msg.LearnerStatus(updates=7, starved_of="its warm-up"))
    graph.send("robot_bridge/status", msg.RobotStatus(mode="fault", fault="no joint state"))
    board = graph.board
    assert board.episodes[-1].episode == 3 and board.planned == 60
    assert board.learner["updates"] == 7.0 and board.waits_for == "its warm-up"
    assert board.robot == "fault: no joint state"


def test_a_message_that_cannot_be_used_is_ignored(graph: SimpleNamespace) -> None:
    graph.send("environment/episode", msg.EpisodeSummary(episode=3, end_reason="nonsense"))
    assert not graph.board.episodes
