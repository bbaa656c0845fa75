"""A thread that keeps a camera open and passes on every frame."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from franka_reacher_rl.cameras.base import CameraLost, Captured, FrameSource
from franka_reacher_rl.core.base.datatypes import Frame

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0  # s, between attempts to open a lost camera
_FROZEN_AFTER = 10  # equal frames in a row; the noise of a working camera prevents so many
_BLACK_BELOW = 4.0  # mean pixel value


@dataclass
class Health:
    """Health of a camera as observed by its grabber."""

    frames: int = 0  # received so far
    reopened: int = 0  # how often a lost camera was opened again
    equal: int = 0  # consecutive frames equal to their predecessor
    black: bool = False  # whether the newest frame is black
    error: str = ""  # why there are no frames; empty if there are

    @property
    def frozen(self) -> bool:
        """Whether the camera repeats one frame."""
        return self.equal >= _FROZEN_AFTER


class Grabber:
    """Reads a camera until stopped, and reopens it with exponential back-off when it is lost.

    A camera that never delivered a frame, or that fails in another way, is reported through `on_missing` and ends the
    thread. A camera that is lost later is reported through `on_lost` and opened again.

    Args:
        open_source: Opens the camera.
        on_frame: Called in the grabber's thread for every frame.
        on_missing: Called with the reason before the thread ends.
        on_lost: Called with the reason whenever the camera is lost.
    """

    def __init__(
        self,
        open_source: Callable[[], FrameSource],
        on_frame: Callable[[Captured, FrameSource], None],
        on_missing: Callable[[str], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self.health = Health()
        self._open, self._on_frame = open_source, on_frame
        self._on_missing, self._on_lost = on_missing, on_lost
        self._last: Frame | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="grabber", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and close the camera."""
        self._stopping.set()
        self._thread.join(timeout=3.0)

    def _run(self) -> None:
        wait = _FIRST_WAIT
        while not self._stopping.is_set():
            seen = self.health.frames
            try:
                self._grab()
            except CameraLost as error:
                self.health.error = str(error)
                if self.health.frames == 0:
                    self._on_missing(str(error))
                    return
                self._on_lost(str(error))
                wait = _FIRST_WAIT if self.health.frames > seen else min(2 * wait, _LONGEST_WAIT)
                self._stopping.wait(wait)
                self.health.reopened += 1
            except Exception as error:  # an exception that ends a thread would go unnoticed
                self.health.error = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
                self._on_missing(self.health.error)
                return

    def _grab(self) -> None:
        source = self._open()
        try:
            while not self._stopping.is_set():
                captured = source.read()
                if captured is not None:
                    self._inspect(captured.frame)
                    self._on_frame(captured, source)
        finally:
            source.close()

    def _inspect(self, frame: Frame) -> None:
        health = self.health
        health.equal = health.equal + 1 if self._last is not None and (frame == self._last).all() else 0
        health.black = float(frame.mean()) < _BLACK_BELOW
        health.error = ""
        health.frames += 1
        self._last = frame
