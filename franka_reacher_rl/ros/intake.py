"""Converts images of any size and usual encoding to frames at the training resolution."""

from __future__ import annotations

import time

from sensor_msgs.msg import Image

from franka_reacher_rl.core.base.datatypes import Frame
from franka_reacher_rl.core.base.settings import ImageSettings
from franka_reacher_rl.core.task.frames import resized
from franka_reacher_rl.ros.standard_messages import frame_from_msg, message_from_bytes


class LazyImage:
    """An image that has arrived serialised, and is decoded when it is first used."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._message: Image | None = None

    @property
    def message(self) -> Image:
        """The image.

        Raises:
            ValueError: The bytes are no image.
        """
        if self._message is None:
            self._message = message_from_bytes(self._data, Image)
        return self._message


class FrameIntake:
    """Converts images and measures what that costs.

    This package's camera publishes frames at the training resolution, which pass without a copy.
    """

    def __init__(self, settings: ImageSettings) -> None:
        self._size = (settings.width, settings.height)
        self._converted, self._seconds, self._longest = 0, 0.0, 0.0

    def __call__(self, image: Image) -> Frame:
        """Return the frame (height, width, 3), RGB, cropped to its centre if the aspect ratio differs.

        Raises:
            ValueError: The encoding cannot be converted to RGB, or the data do not have the stated size.
        """
        start = time.perf_counter()
        frame = resized(frame_from_msg(image), *self._size)
        seconds = time.perf_counter() - start
        self._converted += 1
        self._seconds += seconds
        self._longest = max(self._longest, seconds)
        return frame

    def cost(self) -> dict[str, float]:
        """Return the mean and the longest time of a conversion since the last call, in ms."""
        mean = self._seconds / max(1, self._converted)
        found = {"conversion_ms": round(1e3 * mean, 3), "longest_conversion_ms": round(1e3 * self._longest, 3)}
        self._converted, self._seconds, self._longest = 0, 0.0, 0.0
        return found
