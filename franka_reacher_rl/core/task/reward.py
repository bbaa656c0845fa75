"""The reward of the visual reaching task: the fraction of the frame that the target covers."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from franka_reacher_rl.core.base.datatypes import Frame
from franka_reacher_rl.core.base.settings import RewardSettings

Mask = npt.NDArray[np.uint8]  # (height, width), 0 or 1

_KERNEL = np.ones((3, 3), np.uint8)


def target_mask(frame: Frame, settings: RewardSettings) -> Mask:
    """Segment the target by its colour bands, closing gaps by dilation and erosion.

    Args:
        frame: RGB image, (height, width, 3) uint8.
        settings: Colour bands (HSV in OpenCV's ranges) and morphology.

    Returns:
        (height, width) uint8, 1 on the target.
    """
    hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV)
    bands = np.array(settings.bands, np.uint8).reshape(-1, 2, 3)
    mask, *others = [cv2.inRange(hsv, low, high) for low, high in bands]
    for other in others:
        cv2.bitwise_or(mask, other, mask)
    if cv2.countNonZero(mask):  # otherwise there is nothing to close
        mask = cv2.erode(cv2.dilate(mask, _KERNEL, iterations=settings.dilate), _KERNEL, iterations=settings.erode)
    return np.asarray(mask, np.uint8) & np.uint8(1)


def reward_of(mask: Mask, cycle_ms: float, settings: RewardSettings) -> float:
    """Return the reward of one step by eq. (3) of the paper, alpha * cycle_ms * mean(mask).

    Scaling by the cycle time makes the return of a behaviour independent of it.

    Args:
        mask: 1 on the target, (height, width).
        cycle_ms: Action cycle time, ms.
        settings: Give alpha.
    """
    return settings.alpha * cycle_ms * (cv2.countNonZero(mask) / mask.size)
