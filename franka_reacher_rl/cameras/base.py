"""The interface of the cameras, and resizing of their frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2

from franka_reacher_rl.core.base.calibration import Calibration, centre_crop
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


def resized(frame: Frame, width: int, height: int) -> Frame:
    """Return the frame scaled to (height, width, 3), cropped to its centre if the aspect ratio differs."""
    rows, columns = frame.shape[:2]
    if (rows, columns) == (height, width):
        return frame
    crop = centre_crop(columns, rows, width, height)
    middle = frame[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    return cv2.resize(middle, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
