"""The interface of the cameras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from franka_reacher_rl.core.base.calibration import Calibration
from franka_reacher_rl.core.base.datatypes import Frame, Nanoseconds


@dataclass(frozen=True)
class Captured:
    """A frame with the time of its capture."""

    frame: Frame
    time: Nanoseconds  # on the steady clock


class CameraLost(RuntimeError):
    """Raised when a camera delivers no frame; opening it again may help."""


class FrameSource(Protocol):
    """A camera, which is opened, read and closed in one thread."""

    calibration: Calibration | None  # of the frames that `read` returns; None if unknown
    values: Mapping[str, object]  # how the camera is set, for the diagnostics
    warnings: Sequence[str]  # why its frames may not be those that were asked for

    def read(self) -> Captured | None:
        """Wait for the next frame, and return None after a short time without one, so that the caller can stop.

        Raises:
            CameraLost: The camera is disconnected or reports an error.
        """

    def close(self) -> None:
        """Release the device."""
