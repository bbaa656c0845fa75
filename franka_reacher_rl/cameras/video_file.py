"""A video file, played as if it were a camera."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from franka_reacher_rl.cameras.base import CameraLost, Captured, calibration_for
from franka_reacher_rl.core.base.calibration import Calibration
from franka_reacher_rl.core.task.frames import resized

MOST_PIXELS = 16384  # of a side
LOWEST_RATE, HIGHEST_RATE = 0.1, 1000.0  # Hz, that a file may give


class VideoCamera:
    """A video file, played in real time and repeated for ever."""

    values: Mapping[str, object]
    warnings: Sequence[str] = ()

    def __init__(self, path: str, width: int, height: int, fps: float, calibration: Calibration | None = None) -> None:
        """Open the file.

        Args:
            path: Path of the file.
            width: Frame width, px.
            height: Frame height, px.
            fps: Frame rate if the file does not give its own, Hz.
            calibration: The calibration of the camera that recorded the file, if known.

        Raises:
            CameraLost: The file is missing or not a video.
            ValueError: The calibration is for frames of another size.
        """
        self._path, self._size = path, (width, height)
        if not os.path.isfile(path):
            raise CameraLost(f"{path}: no such video file")
        self._capture = cv2.VideoCapture(path)
        if not self._capture.isOpened():
            raise CameraLost(f"{path}: OpenCV cannot read this as a video")
        size = [self._capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
        if not all(1.0 <= side <= MOST_PIXELS for side in size):
            raise CameraLost(
                f"{path}: a size of {size[0]:g}x{size[1]:g} px is not allowed: at most {MOST_PIXELS} a side"
            )
        columns, rows = map(round, size)
        self.calibration = calibration_for(calibration, columns, rows, self._size, path)
        own = self._capture.get(cv2.CAP_PROP_FPS)
        rate = own if LOWEST_RATE <= own <= HIGHEST_RATE else fps
        self.values = {"mode": f"{columns}x{rows} at {rate:g} Hz"}
        self._period = 1.0 / rate
        self._due = time.monotonic()

    def read(self) -> Captured | None:
        good, frame = self._capture.read()
        if not good:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            good, frame = self._capture.read()
        if not good:
            raise CameraLost(f"{self._path}: no frame can be read")
        self._due = max(self._due + self._period, time.monotonic() - self._period)
        time.sleep(max(0.0, self._due - time.monotonic()))
        rgb = cv2.cvtColor(resized(frame.astype(np.uint8, copy=False), *self._size), cv2.COLOR_BGR2RGB)
        return Captured(np.asarray(rgb, np.uint8), time.monotonic_ns())

    def close(self) -> None:
        self._capture.release()
