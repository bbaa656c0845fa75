"""Records in the run folder that a launch is running it, and how the launch ended."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path
from types import FrameType
from typing import Any

from launch import LaunchContext
from launch.actions import RegisterEventHandler
from launch.event_handlers import OnShutdown
from launch.events import Shutdown
from launch.launch_description_entity import LaunchDescriptionEntity

from franka_reacher_rl.core.run.run_state import RunLock, end_by_progress

_log = logging.getLogger(__name__)

# Signals that end the launch process at once, unlike SIGINT. The nodes then end by themselves.
_DEADLY = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class RunEnd:
    """Holds the lock of a run folder until it is released, and notes how the run ended."""

    def __init__(self, folder: Path, run_id: str) -> None:
        """Take the lock.

        Raises:
            ValueError: Another launch runs a run in this folder, or the folder cannot be written.
        """
        self._folder, self._run_id = folder, run_id
        self._lock = RunLock(folder, run_id)
        self._how = self._failure = ""
        self._watched = [number for number in _DEADLY if signal.getsignal(number) is signal.SIG_DFL]
        for number in self._watched:
            signal.signal(number, self._on_signal)

    def handlers(self, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        """Return the event handlers that keep the note; errors of the launch are noted from now on."""
        loop = context.asyncio_loop
        shown = loop.get_exception_handler() or (lambda loop, problem: loop.default_exception_handler(problem))

        def on_error(loop: asyncio.AbstractEventLoop, problem: dict[str, Any]) -> None:
            self._fail(str(problem.get("exception") or problem["message"]))
            shown(loop, problem)

        loop.set_exception_handler(on_error)
        return [RegisterEventHandler(OnShutdown(on_shutdown=self._on_shutdown))]

    def release(self) -> None:
        """Release the lock, after the last process of the launch has ended."""
        self._lock.release()
        self._restore_signals()

    def _on_shutdown(self, event: Shutdown, context: LaunchContext) -> None:
        otherwise = "interrupted by SIGINT" if event.due_to_sigint else f"ended: {event.reason}"
        self._how = end_by_progress(self._folder, self._run_id, otherwise)
        self._note()

    def _fail(self, message: str) -> None:
        if not self._failure:
            self._failure = message.removeprefix("error: ")
            self._note()

    def _note(self) -> None:
        try:
            self._lock.end(f"failed: {self._failure}" if self._failure else self._how)
        except OSError as error:
            _log.error("%s does not tell how the run ended: %s", self._folder, error.strerror)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """Note the end, then end as if the signal had not been handled."""
        if not self._how:
            self._how = end_by_progress(self._folder, self._run_id, f"interrupted by {signal.Signals(number).name}")
            self._note()
        self._restore_signals()
        os.kill(os.getpid(), number)

    def _restore_signals(self) -> None:
        """Restore the default actions."""
        for number in self._watched:
            signal.signal(number, signal.SIG_DFL)
