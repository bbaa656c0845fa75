"""Proposes the HSV bands of a target from a box that a person has drawn around it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.datatypes import Frame

HUES = 180  # OpenCV's hues are 0 to 179
_MARGIN = (4, 30, 30)  # added to hue, saturation and value on both sides
_PEAK = 12  # hues on either side of the most frequent one that may belong to the target
_SHARE = 5.0  # percent of the target's pixels that may lie outside of each limit
_GREY = 40  # saturation below which a hue is noise
_LEAST_PIXELS = 9


@dataclass(frozen=True)
class Box:
    """A part of an image, in pixels; right and bottom are excluded."""

    left: int
    top: int
    right: int
    bottom: int


def suggest(frame: Frame, box: Box) -> list[int]:
    """Return bands for the colour that fills most of a box; a hue that wraps around 0 gives two bands.

    Args:
        frame: RGB, (height, width, 3).
        box: Around the target.

    Returns:
        Six numbers per band, as `RewardSettings.bands`.

    Raises:
        ValueError: The box is too small or outside, or what it contains has no colour.
    """
    height, width = frame.shape[:2]
    if not (0 <= box.left < box.right <= width and 0 <= box.top < box.bottom <= height):
        raise ValueError(f"the box {box} does not lie within the image of {width}x{height}")
    hsv = cv2.cvtColor(np.ascontiguousarray(frame[box.top : box.bottom, box.left : box.right]), cv2.COLOR_RGB2HSV)
    pixels = hsv.reshape(-1, 3).astype(int)
    coloured = pixels[pixels[:, 1] >= _GREY]
    if len(coloured) < _LEAST_PIXELS:
        raise ValueError(
            f"the box has {len(coloured)} coloured pixels, at least {_LEAST_PIXELS} are needed: draw it around the "
            "target, and choose a target that is not grey, black or white"
        )
    centre = _peak(coloured[:, 0])
    distance = _from(centre, coloured[:, 0])
    near = coloured[abs(distance) <= _PEAK]
    low, high = np.percentile(_from(centre, near[:, 0]), [_SHARE, 100 - _SHARE])
    floors = np.percentile(near[:, 1:], _SHARE, axis=0) - _MARGIN[1:]
    saturation, value = (int(max(0, floor)) for floor in floors)
    return _bands(centre + round(low) - _MARGIN[0], centre + round(high) + _MARGIN[0], saturation, value)


def _peak(hues: npt.NDArray[np.int_]) -> int:
    """Return the most frequent hue, of a histogram that is smoothed around the circle."""
    counts = np.bincount(hues, minlength=HUES)[:HUES].astype(float)
    smooth = sum(np.roll(counts, shift) for shift in range(-_MARGIN[0], _MARGIN[0] + 1))
    return int(np.argmax(smooth))


def _from(centre: int, hues: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
    """Return the signed distances of hues from a hue, around the circle."""
    return (hues - centre + HUES // 2) % HUES - HUES // 2


def _bands(low: int, high: int, saturation: int, value: int) -> list[int]:
    """Return the bands of a range of hues that may reach beyond 0 or 179."""
    if low < 0:
        ranges = [(low + HUES, HUES - 1), (0, high)]
    elif high >= HUES:
        ranges = [(low, HUES - 1), (0, high - HUES)]
    else:
        ranges = [(low, high)]
    return [number for first, last in ranges for number in (first, saturation, value, last, 255, 255)]
