"""Calls services without blocking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.task import Future


def call(client: Any, request: Any, answered: Callable[[Any], None]) -> None:
    """Call a service; `answered` gets its response in a later callback."""

    def done(future: Future) -> None:
        answered(future.result())

    client.call_async(request).add_done_callback(done)


class LatestCall:
    """Calls services one after the other: the answer to a call counts until the next one is made."""

    def __init__(self, answered: Callable[[Any], None]) -> None:
        self._answered, self._calls = answered, 0

    def __call__(self, client: Any, request: Any) -> None:
        """Call a service."""
        self._calls += 1
        number = self._calls

        def answered(response: Any) -> None:
            if number == self._calls:
                self._answered(response)

        call(client, request, answered)
