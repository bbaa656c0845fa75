"""Frames at the training resolution, and the stack of the newest ones that the actor acts on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.calibration import centre_crop
from franka_reacher_rl.core.base.datatypes import Frame
from franka_reacher_rl.core.base.settings import ImageSettings


def resized(frame: Frame, width: int, height: int) -> Frame:
    """Return the frame scaled to (height, width, 3), cropped to its centre if the aspect ratio differs."""
    rows, columns = frame.shape[:2]
    if (rows, columns) == (height, width):
        return frame
    import cv2  # nodes start faster without it, and with our camera none needs it

    crop = centre_crop(columns, rows, width, height)
    middle = frame[crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    return cv2.resize(middle, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


class FrameStack:
    """The newest frames of an episode, newest first; frames of another episode never remain."""

    def __init__(self, image: ImageSettings) -> None:
        self._planes = np.zeros((image.frames, 3, image.height, image.width), np.uint8)

    @property
    def stack(self) -> npt.NDArray[np.uint8]:
        """A copy of the stack, (3 * frames, height, width), newest frame first."""
        return self._planes.reshape(-1, *self._planes.shape[2:]).copy()

    def reset(self, frame: Frame) -> None:
        """Start an episode: fill the stack with its first frame (height, width, 3)."""
        self._planes[:] = self._checked(frame)

    def push(self, frame: Frame) -> None:
        """Add the next frame (height, width, 3)."""
        planes = self._checked(frame)
        self._planes[1:] = self._planes[:-1].copy()
        self._planes[0] = planes

    def _checked(self, frame: Frame) -> npt.NDArray[np.uint8]:
        height, width = self._planes.shape[2:]
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            raise ValueError(
                f"frame is {frame.dtype}{frame.shape}, expected uint8{(height, width, 3)}: "
                "give camera and actor the same image.width and image.height"
            )
        return frame.transpose(2, 0, 1)
