"""Calls functions when everything that a launch has started has ended."""

from __future__ import annotations

from collections.abc import Callable

from launch import LaunchContext
from launch.actions import RegisterEventHandler
from launch.event_handlers import OnProcessExit, OnProcessStart, OnShutdown
from launch.events import Shutdown
from launch.events.process import ProcessExited, ProcessStarted
from launch.launch_description_entity import LaunchDescriptionEntity


class Lifetime:
    """Counts the processes of a launch."""

    def __init__(self, over: list[Callable[[], None]]) -> None:
        """Start before the first process.

        Args:
            over: Called in their order once the launch is shutting down and its last process has ended.
        """
        self._over = over
        self._alive: set[int] = set()
        self._ending = False

    def handlers(self) -> list[LaunchDescriptionEntity]:
        """Return the event handlers that count."""
        return [
            RegisterEventHandler(OnProcessStart(on_start=self._on_start)),
            RegisterEventHandler(OnProcessExit(on_exit=self._on_exit)),
            RegisterEventHandler(OnShutdown(on_shutdown=self._on_shutdown)),
        ]

    def _on_start(self, event: ProcessStarted, context: LaunchContext) -> None:
        self._alive.add(event.pid)

    def _on_exit(self, event: ProcessExited, context: LaunchContext) -> None:
        self._alive.discard(event.pid)
        self._check()

    def _on_shutdown(self, event: Shutdown, context: LaunchContext) -> None:
        self._ending = True
        self._check()

    def _check(self) -> None:
        while self._ending and not self._alive and self._over:
            self._over.pop(0)()
