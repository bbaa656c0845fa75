"""Receives what a running graph says of itself, for the board of `./reacher watch`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import rclpy
import rclpy.node
from diagnostic_msgs.msg import DiagnosticArray

from franka_reacher_rl import msg
from franka_reacher_rl.ros import qos
from franka_reacher_rl.ros.clocks import steady_seconds
from franka_reacher_rl.ros.messages import summary_from_msg
from franka_reacher_rl.ros.node import RUN_ID
from franka_reacher_rl.watch.board import Board

_LEARNER_VALUES = ("updates", "updates_per_s", "replay_size", "policy_version", "temperature")
_MOST_VALUES = 100  # of a status that are looked through


class Listener:
    """A node that subscribes to the topics of a graph and publishes nothing.

    A message that cannot be used is ignored: the board only shows.
    """

    def __init__(self, node: rclpy.node.Node, board: Board) -> None:
        """Subscribe.

        Args:
            node: In the namespace of the graph.
            board: What is kept up to date.
        """
        self._board = board
        self._prefix = node.get_namespace().strip("/")
        for kind, topic, callback, profile in (
            (DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.last(50)),
            (msg.EpisodeSummary, "environment/episode", self._on_episode, qos.SUMMARIES),
            (msg.Action, "actor/action", self._on_action, qos.last(50)),
            (msg.LearnerStatus, "learner/status", self._on_learner, qos.last(10)),
            (msg.RobotStatus, "robot_bridge/status", self._on_robot, qos.LATCHED),
        ):
            node.create_subscription(kind, topic, _tolerant(callback), profile)

    def _on_diagnostics(self, array: DiagnosticArray) -> None:
        for status in array.status:
            name = status.name.partition(":")[0]
            space, _, node = name.rpartition("/")
            if space == self._prefix:
                self._board.on_status(steady_seconds(), node, ord(status.level), status.message)
            elif any(value.key == RUN_ID for value in status.values[:_MOST_VALUES]):
                self._board.on_other(space)

    def _on_episode(self, message: msg.EpisodeSummary) -> None:
        self._board.on_episode(summary_from_msg(message), message.episodes)

    def _on_action(self, action: msg.Action) -> None:
        times = action.observation_age, action.response_time, action.lateness, action.policy_age
        self._board.on_action(steady_seconds(), *times)

    def _on_learner(self, status: msg.LearnerStatus) -> None:
        values = {name: float(getattr(status, name)) for name in _LEARNER_VALUES}
        self._board.on_learner(values, status.failure or status.starved_of)

    def _on_robot(self, status: msg.RobotStatus) -> None:
        self._board.on_robot(status.mode, status.fault)


def _tolerant(callback: Callable[[Any], None]) -> Callable[[Any], None]:
    def take(message: Any) -> None:
        with suppress(ValueError, OverflowError):
            callback(message)

    return take
