"""What of a graph's messages reaches the page."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rerun")

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.viewer.drawing import Drawing

DOF = 7


class Log:
    """Takes the place of a stage, and keeps what it is to show."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: self.shown.append((name, arguments, named))

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for called, arguments, _ in self.shown if called == name]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def drawing(log: Log) -> Drawing:
    return Drawing(log, Robot.load("panda_sim"), "left")  # type: ignore[arg-type]


def image(encoding: str = "rgb8", channels: int = 3) -> SimpleNamespace:
    return SimpleNamespace(encoding=encoding, height=2, width=3, data=bytes(range(6 * channels)))


def state(joints: int = DOF) -> SimpleNamespace:
    place = SimpleNamespace(position=SimpleNamespace(x=0.5, y=0.1, z=0.2))
    return SimpleNamespace(q=[0.1] * joints, o_t_ee=place, reasons=["workspace"])


def test_a_frame_keeps_its_pixels(drawing: Drawing, log: Log) -> None:
    drawing.draw("image", 1.0, image())
    np.testing.assert_array_equal(log.of("image")[0][1].ravel(), np.arange(18))


def test_a_mask_has_one_channel(drawing: Drawing, log: Log) -> None:
    drawing.draw("mask", 1.0, image("mono8", channels=1))
    assert log.of("mask")[0][1].shape == (2, 3)


def test_the_trail_is_where_the_arm_was(drawing: Drawing, log: Log) -> None:
    drawing.draw("robot_state", 1.0, state())
    drawing.draw("cycle", 1.1, SimpleNamespace(step=0))
    (_, place), named = log.of("step")[0], log.shown[-1][2]
    np.testing.assert_array_equal(place, [0.5, 0.1, 0.2])
    assert named == {"first": True}


def test_the_reasons_of_the_filter_are_shown(drawing: Drawing, log: Log) -> None:
    drawing.draw("robot_state", 1.0, state())
    assert log.of("reasons") == [(1.0, ["workspace"])]


@pytest.mark.parametrize(
    ("name", "message", "problem"),
    [
        ("image", image("mono16"), "'mono16' are not shown"),
        ("robot_state", state(6), "6 joints instead of 7"),
        ("mask", SimpleNamespace(height=9, width=9, data=b"short"), "reshape"),
    ],
)
def test_a_message_that_cannot_be_drawn_is_refused(
    drawing: Drawing, log: Log, name: str, message: SimpleNamespace, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        drawing.draw(name, 1.0, message)
    assert not log.shown


@pytest.mark.parametrize("level", [1, b"\1"])
def test_a_problem_of_a_node_is_said(drawing: Drawing, log: Log, level: object) -> None:
    status = SimpleNamespace(name="left/camera: frames", level=level, message="no frames")
    drawing.draw("diagnostics", 1.0, SimpleNamespace(status=[status]))
    assert log.of("say") == [(1.0, "left/camera", "camera: no frames")]


@pytest.mark.parametrize("level", [0, b"\0"])
def test_the_end_of_a_problem_says_nothing(drawing: Drawing, log: Log, level: object) -> None:
    status = SimpleNamespace(name="left/camera: frames", level=level, message="30 frames per second")
    drawing.draw("diagnostics", 1.0, SimpleNamespace(status=[status]))
    assert log.of("say") == [(1.0, "left/camera", "")]


def test_another_graph_is_not_shown(drawing: Drawing, log: Log) -> None:
    names = ["right/camera: frames", "camera: frames", "left/arm/camera: frames"]
    statuses = [SimpleNamespace(name=name, level=2, message="no frames") for name in names]
    drawing.draw("diagnostics", 1.0, SimpleNamespace(status=statuses))
    assert not log.shown
