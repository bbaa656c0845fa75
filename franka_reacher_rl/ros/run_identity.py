"""The run that a node belongs to: messages of another run are refused and counted, never obeyed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import rclpy.node

from franka_reacher_rl.ros.parameters import declare_param

Message = TypeVar("Message")


class RunIdentity:
    """Marks a node's messages with its run, and passes on those of the same run only.

    Attributes:
        id: Identifier of the run; empty for nodes that were started by hand.
        refused: Messages refused so far.
        last_refusal: What was refused last and why; empty: nothing was.
    """

    def __init__(self, node: rclpy.node.Node) -> None:
        """Declare the parameter `run_id`."""
        self._node = node
        self.id: str = declare_param(node, "run_id", "", "identifier of the run; messages of another run are refused")
        self.refused = 0
        self.last_refusal = ""

    def mark(self, message: Message) -> Message:
        """Return a message that carries this run's identifier."""
        message.run_id = self.id  # type: ignore[attr-defined]
        return message

    def only(self, callback: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return a subscription's callback that is called with messages of this run only.

        A message for which the callback raises ValueError is refused too.
        """

        def take(message: Any) -> None:
            if message.run_id != self.id:
                self.refuse_stranger(type(message).__name__, message.run_id)
                return
            try:
                callback(message)
            except ValueError as error:
                self.refuse(type(message).__name__, str(error), "its sender is at fault")

        return take

    def refuse_stranger(self, kind: str, run_id: str) -> None:
        """Refuse a message of another run.

        Args:
            kind: Name of the message's type.
            run_id: Its run.
        """
        remedy = (
            f"this is run {self.id!r}: another graph uses the same topics. End it, or give one of them another "
            "ROS_DOMAIN_ID or namespace"
        )
        self.refuse(kind, f"of run {run_id[:40]!r}", remedy)

    def refuse(self, kind: str, reason: str, remedy: str) -> None:
        """Count and report a refused message."""
        self.refused += 1
        self.last_refusal = f"{kind}: {reason}"
        self._node.get_logger().warning(f"refused {self.last_refusal}; {remedy}", throttle_duration_sec=10.0)
