"""What a node refuses: messages of another run, and those that hold something that is not allowed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import rclpy.node

from franka_reacher_rl.core.base.suggestions import shortened
from franka_reacher_rl.ros.parameters import declare_param

Message = TypeVar("Message")

_LONGEST_REASON = 400  # characters
_LOG_PERIOD = 10.0  # s between two warnings


class Refusals:
    """Counts messages and requests that a node refuses, and warns of them now and then.

    Attributes:
        count: Refused so far.
        last: What was refused last and why; empty: nothing was.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        """Start at zero.

        Args:
            warn: Logs a warning.
        """
        self._warn, self._reported = warn, 0
        self._warned = dict[str, float]()  # when, by type and topic
        self.count, self.last = 0, ""

    def add(self, what: str, reason: object) -> None:
        """Count a refusal.

        Args:
            what: Type and topic of the message.
            reason: Why it is refused.
        """
        self.count += 1
        self.last = f"{what}: {shortened(reason, _LONGEST_REASON)}"
        now = time.monotonic()
        # Cheaper than a throttled log, which looks for the line that it is called from.
        if now - self._warned.get(what, -_LOG_PERIOD) >= _LOG_PERIOD:
            self._warned[what] = now
            self._warn(f"refused {self.last}")

    def news(self) -> int:
        """Return how many there were since the last call."""
        new, self._reported = self.count - self._reported, self.count
        return new


class RunIdentity:
    """Marks a node's messages with its run, and passes on those of the same run only.

    Attributes:
        id: Identifier of the run; empty for nodes that were started by hand.
    """

    def __init__(self, node: rclpy.node.Node) -> None:
        """Declare the parameter `run_id`."""
        self.id: str = declare_param(node, "run_id", "", "identifier of the run; messages of another run are refused")

    def mark(self, message: Message) -> Message:
        """Return a message that carries this run's identifier."""
        message.run_id = self.id  # type: ignore[attr-defined]
        return message

    def only(self, callback: Callable[[Any], None]) -> Callable[[Any], None]:
        """Return a subscription's callback that raises ValueError for a message of another run."""

        def take(message: Any) -> None:
            self.check(message.run_id)
            callback(message)

        return take

    def check(self, run_id: str) -> None:
        """Check the run of a message.

        Raises:
            ValueError: It is another one.
        """
        if run_id != self.id:
            raise ValueError(
                f"of run {shortened(repr(run_id), 40)}; this is run {self.id!r}: another graph uses the same topics. "
                "End it, or give one of them another ROS_DOMAIN_ID or namespace"
            )
