"""What a source of frames is, and how one is opened by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2

from franka_reacher_rl.core.base.datatypes import Frame


@dataclass(frozen=True)
class Captured:
    """A frame and when it was captured (s since the epoch)."""

    frame: Frame
    stamp: float


class CameraLost(RuntimeError):
    """No frame could be had; opening the source again may help."""


class FrameSource(Protocol):
    """A camera. Opened, read and closed in one thread."""

    vertical_fov: float  # rad, as far as it is known

    def read(self) -> Captured | None:
        """Waits for the next frame; None when there is none yet (so that the caller can look whether to stop).

        Raises:
            CameraLost: The camera is gone or gives errors.
        """

    def close(self) -> None:
        """Gives the device back."""


def resized(frame: Frame, width: int, height: int) -> Frame:
    """The frame at the training resolution, cropped in the middle where the aspect differs; (height, width, 3)."""
    rows, columns = frame.shape[:2]
    if (rows, columns) == (height, width):
        return frame
    scale = max(width / columns, height / rows)
    keep_columns, keep_rows = min(columns, round(width / scale)), min(rows, round(height / scale))
    top, left = (rows - keep_rows) // 2, (columns - keep_columns) // 2
    middle = frame[top : top + keep_rows, left : left + keep_columns]
    return cv2.resize(middle, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
