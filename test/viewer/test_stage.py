"""The scene on the page."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rerun")

import rerun as rr

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.viewer.stage import Stage, reduced


class Recording:
    """Takes the place of rerun's stream, and keeps what is logged."""

    def __init__(self) -> None:
        self.logged: list[tuple[str, object]] = []

    def __getattr__(self, name: str) -> object:
        return lambda *arguments, **named: None

    def log(self, entity: str, archetype: object, *, static: bool = False) -> None:
        self.logged.append((entity, archetype))

    def of(self, entity: str) -> list[object]:
        return [archetype for logged, archetype in self.logged if logged == entity]


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture(params=["sync", "async", ""])
def stage(recording: Recording, request: pytest.FixtureRequest) -> Stage:
    return Stage(recording, Robot.load("ur5e_sim"), request.param)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "shown"), [((36, 64), (36, 64)), ((90, 160), (90, 160)), ((180, 320), (90, 160)), ((50, 1000), (8, 160))]
)
def test_large_frames_are_reduced(size: tuple[int, int], shown: tuple[int, int]) -> None:
    frame = np.full((*size, 3), 7, np.uint8)
    assert reduced(frame).shape == (*shown, 3)
    assert (reduced(frame) == 7).all()


def test_frames_are_not_compressed(stage: Stage, recording: Recording) -> None:
    stage.image(1.0, np.zeros((36, 64, 3), np.uint8))
    assert [type(shown) for shown in recording.of("camera/image")] == [rr.Image]


def test_the_shapes_of_the_arm_are_logged_once(stage: Stage, recording: Recording) -> None:
    shapes = [entity for entity, archetype in recording.logged if isinstance(archetype, (rr.Cylinders3D, rr.Boxes3D))]
    assert len(shapes) > 6
    before = len(recording.logged)
    stage.joints(1.0, np.zeros(6))
    assert {type(archetype) for _, archetype in recording.logged[before:]} == {rr.Transform3D}
    assert 1 < len(recording.logged) - before <= 6, "at most one transform per joint"


def test_a_text_is_said_once_until_it_ends(stage: Stage, recording: Recording) -> None:
    for reasons in (["workspace"], ["workspace"], [], ["workspace"]):
        stage.reasons(1.0, reasons)
    assert len(recording.of("events/filter")) == 2


def test_the_trail_begins_anew_with_an_episode(stage: Stage, recording: Recording) -> None:
    for first in (True, False, False, True):
        stage.step(1.0, np.zeros(3), first=first)
    trails = recording.of("world/trail")
    assert [len(trail.positions) for trail in trails] == [1, 2, 3, 1]  # type: ignore[attr-defined]


def test_losses_that_are_unknown_are_left_out(stage: Stage, recording: Recording) -> None:
    stage.learner(1.0, 20.0, {"critic_loss": 0.5, "actor_loss": float("nan")})
    assert recording.of("losses/critic_loss") and not recording.of("losses/actor_loss")
