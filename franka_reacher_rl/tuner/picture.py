"""The picture of the page: a frame and its mask, side by side or one above the other."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from franka_reacher_rl.core.base.datatypes import Frame
from franka_reacher_rl.core.task.bands import Box
from franka_reacher_rl.core.task.reward import Mask

_WIDTH = 640  # px, of the frame in the picture
_GAP = 8  # px
_MARGIN_GREY, _DIMMED = 32, 5  # grey value beside the frame; divisor of what the mask leaves out
_GREEN = (0, 255, 0)

Point = tuple[float, float]  # x and y in fractions of the picture, from its upper left corner


@dataclass(frozen=True)
class Picture:
    """A picture, and where the frame lies in it."""

    image: Frame
    left: int  # px; likewise below
    top: int
    width: int
    height: int

    def box(self, one: Point, other: Point, frame: Frame) -> Box:
        """Return the part of a frame that lies between two points of the picture.

        Raises:
            ValueError: It lies outside the frame.
        """
        rows, columns = self.image.shape[:2]
        (x0, x1), (y0, y1) = (sorted(pair) for pair in zip(one, other, strict=True))
        left, right = ((x * columns - self.left) / self.width for x in (x0, x1))
        top, bottom = ((y * rows - self.top) / self.height for y in (y0, y1))
        if right <= 0.0 or bottom <= 0.0 or left >= 1.0 or top >= 1.0:
            raise ValueError("the box lies outside the frame: draw it on the frame, which is the first of the two")
        height, width = frame.shape[:2]
        return Box(
            int(max(0.0, left) * width),
            int(max(0.0, top) * height),
            int(np.ceil(min(1.0, right) * width)),
            int(np.ceil(min(1.0, bottom) * height)),
        )


def compose(frame: Frame, mask: Mask, box: Box | None, aspect: float) -> Picture:
    """Draw a frame and its mask for a window.

    Args:
        frame: RGB, (height, width, 3).
        mask: 1 on the target, (height, width).
        box: Drawn on the frame.
        aspect: Width of the window divided by its height.
    """
    rows, columns = frame.shape[:2]
    height = max(1, round(_WIDTH * rows / columns))
    shown = _resized(frame, height)
    if box is not None:
        scale = _WIDTH / columns, height / rows
        first, last = (
            (round(x * scale[0]), round(y * scale[1])) for x, y in ((box.left, box.top), (box.right, box.bottom))
        )
        cv2.rectangle(shown, first, last, _GREEN, 2)
    found = _resized(np.where(mask[..., None] > 0, frame, frame // _DIMMED).astype(np.uint8), height)
    beside, above = (2 * _WIDTH + _GAP) / height, _WIDTH / (2 * height + _GAP)
    axis = 1 if abs(np.log(beside / aspect)) < abs(np.log(above / aspect)) else 0
    gap = np.full((height, _GAP, 3) if axis else (_GAP, _WIDTH, 3), _MARGIN_GREY, np.uint8)
    both = np.concatenate([shown, gap, found], axis)
    # The browser stretches the picture over the window, so it needs the window's shape.
    full = max(both.shape[0], round(both.shape[1] / aspect)), max(both.shape[1], round(both.shape[0] * aspect))
    top, left = ((size - part) // 2 for size, part in zip(full, both.shape, strict=False))
    image = np.full((*full, 3), _MARGIN_GREY, np.uint8)
    image[top : top + both.shape[0], left : left + both.shape[1]] = both
    return Picture(image, left, top, _WIDTH, height)


def _resized(image: Frame, height: int) -> Frame:
    larger = image.shape[1] <= _WIDTH
    method = cv2.INTER_NEAREST if larger else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, (_WIDTH, height), interpolation=method), np.uint8)
