"""The stack of the newest frames, as the actor sees it and as the replay rebuilds it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.datatypes import Frame


class FrameStack:
    """The newest frames of an episode, newest first; frames of another episode never remain."""

    def __init__(self, height: int, width: int, frames: int) -> None:
        self._planes = np.zeros((frames, 3, height, width), np.uint8)

    @property
    def stack(self) -> npt.NDArray[np.uint8]:
        """(3 * frames, height, width), newest frame first; a copy."""
        return self._planes.reshape(-1, *self._planes.shape[2:]).copy()

    def reset(self, frame: Frame) -> None:
        """Starts an episode: its first frame (height, width, 3) stands for those before it."""
        self._planes[:] = self._checked(frame)

    def push(self, frame: Frame) -> None:
        """Takes the next frame (height, width, 3)."""
        planes = self._checked(frame)
        self._planes[1:] = self._planes[:-1].copy()
        self._planes[0] = planes

    def _checked(self, frame: Frame) -> npt.NDArray[np.uint8]:
        height, width = self._planes.shape[2:]
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            raise ValueError(f"frame is {frame.dtype}{frame.shape}, the stack holds uint8{(height, width, 3)}")
        return frame.transpose(2, 0, 1)
