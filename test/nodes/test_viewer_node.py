"""The viewer node in this process, with real subscriptions and the real server of the page."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("rerun")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import PoseStamped
from probe import Probe
from sensor_msgs.msg import Image

from franka_reacher_rl.msg import Action, EpisodeSummary, LearnerStatus, Reward, RobotState, RobotStatus, Tick
from franka_reacher_rl.nodes import viewer as module
from franka_reacher_rl.nodes.viewer import Viewer
from franka_reacher_rl.ros import qos

DOF = 7


@pytest.fixture
def probe(probe_after: Callable[..., Probe]) -> Probe:
    """A probe and a viewer, `probe.viewer`."""
    with socket.socket() as page, socket.socket() as data:
        for each in (page, data):
            each.bind(("127.0.0.1", 0))
        ports = f"page_port:={page.getsockname()[1]}", f"data_port:={data.getsockname()[1]}"
    made = probe_after("-p", ports[0], "-p", ports[1])
    made.viewer = made.add(Viewer())  # type: ignore[attr-defined]
    return made


class Drawn:
    """Passes messages on, and keeps the names of those that could be drawn."""

    def __init__(self, node: Any) -> None:
        self._draw, self.names = node._drawing.draw, []
        node._drawing = self

    def draw(self, name: str, time: float, message: Any) -> None:
        self._draw(name, time, message)
        self.names.append(name)


def image(encoding: str, channels: int) -> Image:
    return Image(encoding=encoding, height=2, width=3, step=3 * channels, data=bytes(6 * channels))


def test_every_topic_of_the_graph_is_drawn(probe: Probe) -> None:
    drawn = Drawn(probe.viewer)  # type: ignore[attr-defined]
    status = DiagnosticStatus(name="camera: frames", level=DiagnosticStatus.ERROR, message="no frames")
    messages = {
        "image": (image("rgb8", 3), qos.RELIABLE),
        "mask": (image("mono8", 1), qos.RELIABLE),
        "reward": (Reward(reward=1.0, coverage=0.1), qos.RELIABLE),
        "robot_state": (RobotState(q=[0.1] * DOF, reasons=["workspace"]), qos.RELIABLE),
        "robot_status": (RobotStatus(mode="ready"), qos.LATCHED),
        "cycle": (Tick(step=0), qos.EVENT),
        "episode": (EpisodeSummary(episode=1, episode_return=70.0, end_reason="time_limit"), qos.SUMMARIES),
        "action": (Action(), qos.EVENT),
        "learner_status": (LearnerStatus(updates_per_s=20.0), qos.EVENT),
        "target": (PoseStamped(), qos.LATCHED),
        "/diagnostics": (DiagnosticArray(status=[status]), qos.EVENT),
    }
    publishers = {topic: probe.node.create_publisher(type(m), topic, p) for topic, (m, p) in messages.items()}

    def all_drawn() -> bool:
        for topic, publisher in publishers.items():
            publisher.publish(messages[topic][0])
        return set(drawn.names) == set(module._KINDS)

    probe.until(all_drawn)


def test_frequent_messages_are_drawn_ten_times_a_second(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, decoded = Drawn(probe.viewer), []  # type: ignore[attr-defined]
    now = [5.0]
    monkeypatch.setattr(module, "steady_seconds", lambda: now[0])
    monkeypatch.setattr(module, "message_from_bytes", lambda data, kind: decoded.append(kind) or kind())
    for hundredth in range(100):
        now[0] = 5.0 + 0.01 * hundredth + 0.001
        for name, kind in (("reward", Reward), ("cycle", Tick)):
            probe.viewer._take(name, kind, b"")  # type: ignore[attr-defined]
    assert drawn.names.count("reward") == decoded.count(Reward) == 10, "the others are dropped before they are decoded"
    assert drawn.names.count("cycle") == 100


def test_the_node_ends_with_its_server_so_that_both_start_again(probe: Probe) -> None:
    viewer = probe.viewer  # type: ignore[attr-defined]
    assert viewer.diagnose()[0] == DiagnosticStatus.OK and viewer.exit_code is None
    viewer._server._process.kill()
    viewer._server._process.wait(10.0)
    viewer.diagnose()
    assert viewer.exit_code == module.EXIT_SERVER_DIED


def test_the_server_ends_with_the_node(probe: Probe) -> None:
    viewer = probe.viewer  # type: ignore[attr-defined]
    probe.remove(viewer)
    assert not viewer._server.alive()
