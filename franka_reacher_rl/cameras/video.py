"""Cameras read through OpenCV: a V4L2 device or a video file."""

from __future__ import annotations

import math
import os
import time

import cv2
import numpy as np

from franka_reacher_rl.cameras.base import CameraLost, Captured
from franka_reacher_rl.core.task.frames import resized

_TYPICAL_FOV = math.radians(45.0)  # rad, vertical field of view of a common webcam


class DeviceCamera:
    """A V4L2 device such as /dev/video0, in the smallest mode that is at least as large as the frames."""

    def __init__(self, device: str, width: int, height: int, fps: float) -> None:
        """Open the device.

        Args:
            device: Path of the device.
            width: Frame width, px.
            height: Frame height, px.
            fps: Requested frame rate, Hz.

        Raises:
            CameraLost: The device is missing, in use or not permitted.
        """
        self.vertical_fov = _TYPICAL_FOV
        self._device, self._size = device, (width, height)
        if not os.path.exists(device):
            raise CameraLost(f"{device} does not exist: connect the camera, or list devices with `ls /dev/video*`")
        self._capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise CameraLost(
                f"{device} cannot be opened: check that it is a camera, that no other program uses it and that you "
                "have permission"
            )
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*"MJPG"))  # type: ignore[attr-defined]
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, max(width, 320))
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, max(height, 180))
        self._capture.set(cv2.CAP_PROP_FPS, fps)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def read(self) -> Captured | None:
        good, frame = self._capture.read()
        stamp = time.time()
        if not good:
            raise CameraLost(f"{self._device} delivers no frame")
        rgb = cv2.cvtColor(resized(frame.astype(np.uint8, copy=False), *self._size), cv2.COLOR_BGR2RGB)
        return Captured(np.asarray(rgb, np.uint8), stamp)

    def close(self) -> None:
        self._capture.release()


class VideoCamera:
    """A video file, played in real time and repeated for ever."""

    def __init__(self, path: str, width: int, height: int, fps: float) -> None:
        """Open the file.

        Args:
            path: Path of the file.
            width: Frame width, px.
            height: Frame height, px.
            fps: Frame rate if the file does not give its own, Hz.

        Raises:
            CameraLost: The file is missing or not a video.
        """
        self.vertical_fov = _TYPICAL_FOV
        self._path, self._size = path, (width, height)
        if not os.path.isfile(path):
            raise CameraLost(f"{path}: no such video file")
        self._capture = cv2.VideoCapture(path)
        if not self._capture.isOpened():
            raise CameraLost(f"{path}: OpenCV cannot read this as a video")
        own = self._capture.get(cv2.CAP_PROP_FPS)
        self._period = 1.0 / (own if own and math.isfinite(own) and own > 0 else fps)
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
        return Captured(np.asarray(rgb, np.uint8), time.time())

    def close(self) -> None:
        self._capture.release()
