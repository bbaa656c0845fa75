"""The interface of the cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from franka_reacher_rl.core.base.datatypes import Frame


@dataclass(frozen=True)
class Captured:
    """A frame with the time of its capture."""

    frame: Frame
    stamp: float  # s since the epoch (wall time), for the message


class CameraLost(RuntimeError):
    """Raised when a camera delivers no frame; opening it again may help."""


class FrameSource(Protocol):
    """A camera, which is opened, read and closed in one thread."""

    vertical_fov: float  # rad; a typical value if the camera does not report its own

    def read(self) -> Captured | None:
        """Wait for the next frame, and return None after a short time without one, so that the caller can stop.

        Raises:
            CameraLost: The camera is disconnected or reports an error.
        """

    def close(self) -> None:
        """Release the device."""
