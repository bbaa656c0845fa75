"""The interface of the cameras, and resizing of their frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2

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


def resized(frame: Frame, width: int, height: int) -> Frame:
    """Return the frame scaled to (height, width, 3), cropped to its centre if the aspect ratio differs."""
    rows, columns = frame.shape[:2]
    if (rows, columns) == (height, width):
        return frame
    scale = max(width / columns, height / rows)
    keep_columns, keep_rows = min(columns, round(width / scale)), min(rows, round(height / scale))
    top, left = (rows - keep_rows) // 2, (columns - keep_columns) // 2
    middle = frame[top : top + keep_rows, left : left + keep_columns]
    return cv2.resize(middle, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
