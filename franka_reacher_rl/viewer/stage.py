"""Draws what happens in a graph, live or from a recording. All times are wall times of the messages, in s."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt
import rerun as rr

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.status import RAMPING
from franka_reacher_rl.core.base.datatypes import Frame, Vector
from franka_reacher_rl.core.task.scenery import Box, colour_of, target_size
from franka_reacher_rl.viewer.arm import Arm
from franka_reacher_rl.viewer.layout import (
    EPISODES,
    EVENTS,
    IMAGE,
    LEARNING,
    LOSSES,
    MASK,
    REWARD,
    TIMES,
    WORLD,
    layout,
)

TIMELINE = "time"
_WIDEST = 160  # px; ten such frames a second are 0.4 MB/s
_LONGEST_TRAIL = 1000  # points
_RED, _GREY, _DARK = (205, 13, 25), (150, 150, 150), (40, 40, 40)


class Stage:
    """The scene, the images and the curves."""

    def __init__(self, recording: rr.RecordingStream, robot: Robot, wiring: str) -> None:
        """Set the scene.

        Args:
            recording: What is drawn on.
            robot: The arm.
            wiring: `sync` or `async`, for the layout; empty: a policy runs without a graph.
        """
        self._recording = recording
        recording.send_blueprint(layout(wiring))
        recording.log(WORLD, rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
        recording.log(MASK, rr.AnnotationContext([(0, "elsewhere", _DARK), (1, "target", _RED)]), static=True)
        self._arm = Arm(robot, recording)
        box = Box(robot.task.workspace_lower, robot.task.workspace_upper)
        edges = box.edges().reshape(-1, 2, 3)
        recording.log(f"{WORLD}/workspace", rr.LineStrips3D(list(edges), colors=[_GREY], radii=[0.002]), static=True)
        self._size = target_size()
        self._trail: list[Vector] = []
        self._colours: list[npt.NDArray[np.float64]] = []
        self._coverage = 0.0
        self._said: dict[str, str] = {}  # the last text of each kind

    def image(self, time: float, frame: Frame) -> None:
        """Show a frame of the camera, (height, width, 3).

        It is not compressed: the page plays compressed images as a video and restarts the decoder at each one that it
        skips. Where the page is drawn less often than images come, as without a GPU, it would show none.
        """
        self._at(time)
        self._recording.log(IMAGE, rr.Image(reduced(frame)))

    def mask(self, time: float, mask: npt.NDArray[np.uint8]) -> None:
        """Show a mask of the target, (height, width), not 0 where it is."""
        self._at(time)
        self._recording.log(MASK, rr.SegmentationImage(reduced((mask > 0).astype(np.uint8))))

    def joints(self, time: float, q: Vector) -> None:
        """Move the arm to joint positions q, (joints,) in rad."""
        self._at(time)
        self._arm.move(q)

    def target(self, time: float, position: Vector, quaternion: Vector) -> None:
        """Place the target; the quaternion is x, y, z, w."""
        self._at(time)
        half = [0.5 * self._size]
        self._recording.log(
            f"{WORLD}/target",
            rr.Ellipsoids3D(
                half_sizes=half,
                centers=[position],
                quaternions=[rr.Quaternion(xyzw=quaternion)],
                colors=[_RED],
                fill_mode="solid",
            ),
        )

    def step(self, time: float, position: Vector, *, first: bool) -> None:
        """Add the position of the end effector at an action cycle to the trail, which begins anew with an episode."""
        if first or len(self._trail) >= _LONGEST_TRAIL:
            self._trail, self._colours = [], []
        self._trail.append(np.asarray(position, float))
        self._colours.append(colour_of(self._coverage))
        self._at(time)
        self._recording.log(f"{WORLD}/trail", rr.Points3D(self._trail, colors=self._colours, radii=[0.004]))

    def reward(self, time: float, reward: float, coverage: float) -> None:
        """Draw the reward of a frame."""
        self._coverage = coverage
        self._scalars(time, {f"{REWARD}/reward": reward})

    def action(self, time: float, times: Mapping[str, float]) -> None:
        """Draw the times of an action, in s, by name."""
        self._scalars(time, {f"{TIMES}/{name}": 1e3 * value for name, value in times.items()})

    def episode(self, time: float, number: int, episode_return: float, end_reason: str) -> None:
        """Draw the return of an episode."""
        self._scalars(time, {f"{EPISODES}/return": episode_return})
        self.say(time, "episode", f"episode {number} ended ({end_reason}): return {episode_return:.1f}")

    def learner(self, time: float, rate: float, losses: Mapping[str, float]) -> None:
        """Draw updates per second, and losses by name."""
        self._scalars(time, {f"{LEARNING}/updates_per_s": rate})
        self._scalars(time, {f"{LOSSES}/{name}": value for name, value in losses.items() if np.isfinite(value)})

    def reasons(self, time: float, reasons: list[str]) -> None:
        """Say why the safety filter changes the command, when that changes."""
        acting = sorted(set(reasons) - set(RAMPING))
        self.say(time, "filter", f"safety filter: {', '.join(acting)}" if acting else "")

    def say(self, time: float, kind: str, text: str, *, warning: bool = False) -> None:
        """Show a text, unless it is the last one of its kind; an empty one only ends that."""
        if text == self._said.get(kind):
            return
        self._said[kind] = text
        if text:
            self._at(time)
            level = rr.TextLogLevel.WARN if warning else rr.TextLogLevel.INFO
            self._recording.log(f"{EVENTS}/{kind}", rr.TextLog(text, level=level))

    def _scalars(self, time: float, values: Mapping[str, float]) -> None:
        self._at(time)
        for entity, value in values.items():
            self._recording.log(entity, rr.Scalars(value))

    def _at(self, time: float) -> None:
        self._recording.set_time(TIMELINE, timestamp=time)


def reduced(frame: Frame) -> Frame:
    """Return a frame or a mask that is at most 160 px wide, (height, width, ...), of the same proportions."""
    height, width = frame.shape[:2]
    if width <= _WIDEST:
        return frame
    size = _WIDEST, max(1, round(height * _WIDEST / width))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
