"""Bands are proposed from a box around the target."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from franka_reacher_rl.core.base.settings import RewardSettings
from franka_reacher_rl.core.task.bands import Box, suggest
from franka_reacher_rl.core.task.reward import target_mask

BOX = Box(20, 10, 40, 26)


def scene(hue: int, seed: int = 0) -> np.ndarray:
    """A target of a hue with noise and shading, on a grey table beside a brown box."""
    random = np.random.default_rng(seed)
    hsv = np.zeros((36, 64, 3), int)
    hsv[:] = (20, 10, 150)
    hsv[:, 50:] = (15, 120, 90) if abs(hue - 15) > 30 else (110, 120, 90)
    target = np.zeros((36, 64), bool)
    target[BOX.top : BOX.bottom, BOX.left : BOX.right] = True
    hsv[target] = np.stack(
        [
            (hue + random.integers(-3, 4, target.sum())) % 180,
            random.integers(180, 240, target.sum()),
            random.integers(90, 220, target.sum()),
        ],
        axis=1,
    )
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)


@pytest.mark.parametrize("hue", [0, 2, 30, 60, 100, 140, 178])
def test_the_mask_of_the_bands_is_the_target(hue: int) -> None:
    frame = scene(hue)
    settings = RewardSettings(bands=suggest(frame, BOX), dilate=0, erode=0)
    found = target_mask(frame, settings).astype(bool)
    inside = found[BOX.top : BOX.bottom, BOX.left : BOX.right]
    assert inside.mean() > 0.95 and found.sum() - inside.sum() == 0


def test_a_hue_that_wraps_gives_two_bands() -> None:
    assert len(suggest(scene(0), BOX)) == 12 and len(suggest(scene(60), BOX)) == 6


def test_a_generous_box_gives_the_colour_that_fills_most_of_it() -> None:
    frame = scene(60)
    bands = suggest(frame, Box(14, 6, 46, 30))
    mask = target_mask(frame, RewardSettings(bands=bands, dilate=0, erode=0))
    assert mask[10:26, 20:40].mean() > 0.95


@pytest.mark.parametrize("box", [Box(0, 0, 0, 5), Box(-1, 0, 5, 5), Box(0, 0, 65, 5), Box(30, 5, 20, 9)])
def test_a_box_outside(box: Box) -> None:
    with pytest.raises(ValueError, match="does not lie within the image of 64x36"):
        suggest(scene(60), box)


def test_a_box_without_colour() -> None:
    with pytest.raises(ValueError, match="draw it around the target"):
        suggest(scene(60), Box(0, 0, 10, 10))
