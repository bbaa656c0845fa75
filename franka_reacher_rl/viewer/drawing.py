"""Draws a graph's messages on the stage, live and from a recording alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.task.summary import LOSSES
from franka_reacher_rl.viewer.stage import Stage

_TIMES = ("observation_age", "response_time", "policy_age", "lateness")
_TRAIL_STEPS = 4  # action cycles between two points of the trail


class Drawing:
    """Takes messages by the name of the viewer's input, with their time in s.

    The messages of rclpy and those that mcap_ros2 reads have the same fields.
    """

    def __init__(self, stage: Stage, robot: Robot, namespace: str) -> None:
        """Draw on a stage.

        Args:
            stage: The scene, the images and the curves.
            robot: The arm.
            namespace: Of the graph, whose diagnostics are shown; empty for the root.
        """
        self._stage, self._dof = stage, robot.dof
        self._prefix = f"{namespace}/" if namespace else ""
        self._position = np.zeros(3)
        self._draw: dict[str, Callable[[float, Any], None]] = {
            "image": self._image,
            "mask": self._mask,
            "reward": lambda t, m: stage.reward(t, m.reward, m.coverage),
            "robot_state": self._state,
            "robot_status": self._robot,
            "cycle": self._cycle,
            "episode": lambda t, m: stage.episode(t, m.episode, m.episode_return, m.end_reason),
            "target": self._target,
            "action": lambda t, m: stage.action(t, {name: getattr(m, name) for name in _TIMES}),
            "learner_status": lambda t, m: stage.learner(t, m.updates_per_s, {n: getattr(m, n) for n in LOSSES}),
            "diagnostics": self._diagnostics,
        }

    def draw(self, name: str, time: float, message: Any) -> None:
        """Draw a message.

        Raises:
            ValueError: It cannot be drawn.
        """
        self._draw[name](time, message)

    def _image(self, time: float, image: Any) -> None:
        if image.encoding != "rgb8":
            raise ValueError(f"images in {image.encoding!r} are not shown: rgb8 is")
        self._stage.image(time, np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3))

    def _mask(self, time: float, image: Any) -> None:
        self._stage.mask(time, np.frombuffer(image.data, np.uint8).reshape(image.height, image.width))

    def _state(self, time: float, state: Any) -> None:
        place, q = state.o_t_ee.position, np.asarray(state.q, float)
        if q.shape != (self._dof,):
            raise ValueError(f"the robot state has {q.size} joints instead of {self._dof}")
        self._position = np.array([place.x, place.y, place.z])
        self._stage.joints(time, q)
        self._stage.reasons(time, list(state.reasons))

    def _robot(self, time: float, status: Any) -> None:
        text = f"{status.mode}: {status.fault}" if status.fault else f"robot {status.mode}"
        self._stage.say(time, "robot", text, warning=bool(status.fault))

    def _cycle(self, time: float, tick: Any) -> None:
        if tick.step % _TRAIL_STEPS == 0:
            self._stage.step(time, self._position, first=tick.step == 0)

    def _target(self, time: float, target: Any) -> None:
        p, q = target.pose.position, target.pose.orientation
        self._stage.target(time, np.array([p.x, p.y, p.z]), np.array([q.x, q.y, q.z, q.w]))

    def _diagnostics(self, time: float, array: Any) -> None:
        for status in array.status:
            name = status.name.partition(":")[0]
            if name.rpartition("/")[0] == self._prefix.rstrip("/"):
                ok = status.level in (0, b"\0")  # rclpy has bytes
                text = "" if ok else f"{name.removeprefix(self._prefix)}: {status.message}"
                self._stage.say(time, name, text, warning=True)
