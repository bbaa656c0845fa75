"""Calls services and actions without blocking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.task import Future


def call(client: Any, request: Any, answered: Callable[[Any], None]) -> None:
    """Call a service; `answered` gets its response in a later callback."""

    def done(future: Future) -> None:
        answered(future.result())

    client.call_async(request).add_done_callback(done)


class Goal:
    """A goal that is sent to an action server."""

    def __init__(self, client: ActionClient, goal: Any, ended: Callable[[Any], None]) -> None:
        """Send the goal.

        Args:
            client: Client of the action.
            goal: The goal message.
            ended: Gets the result in a later callback, or None if the server rejects the goal.
        """
        self._ended = ended
        self._handle: ClientGoalHandle | None = None
        self._canceled = False
        client.send_goal_async(goal).add_done_callback(self._on_response)

    def cancel(self) -> None:
        """Ask the server to cancel the goal; one that has ended is not affected."""
        self._canceled = True
        if self._handle is not None:
            self._handle.cancel_goal_async()

    def _on_response(self, future: Future) -> None:
        handle: ClientGoalHandle = future.result()
        if not handle.accepted:
            self._ended(None)
            return
        self._handle = handle
        if self._canceled:
            handle.cancel_goal_async()
        handle.get_result_async().add_done_callback(self._on_result)

    def _on_result(self, future: Future) -> None:
        self._ended(future.result().result)


class LatestAnswer:
    """Forwards the answer to the newest of several requests, and ignores late answers to the others."""

    def __init__(self, answered: Callable[[Any], None]) -> None:
        self._answered, self._requests = answered, 0

    def expect(self) -> Callable[[Any], None]:
        """Return the callback for the answer to a new request; it has an effect until the next request."""
        self._requests += 1
        number = self._requests

        def answered(answer: Any) -> None:
            if number == self._requests:
                self._answered(answer)

        return answered
