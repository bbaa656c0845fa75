"""Tests of the mask and of eq. (3) on frames with a known answer."""

import cv2
import numpy as np
import pytest

from franka_reacher_rl.core.base.settings import RewardSettings
from franka_reacher_rl.core.task.reward import reward_of, target_mask


def _frame(hue: int, rows: slice, columns: slice) -> np.ndarray:
    hsv = np.full((90, 160, 3), (60, 40, 120), np.uint8)
    hsv[rows, columns] = (hue, 230, 200)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


@pytest.mark.parametrize("hue", [0, 5, 160, 178])
def test_both_ends_of_the_red_hue_range_are_detected(hue):
    mask = target_mask(_frame(hue, slice(30, 60), slice(40, 120)), RewardSettings())
    assert mask.dtype == np.uint8 and set(np.unique(mask)) == {0, 1}
    assert mask.sum() == 30 * 80 and mask[30:60, 40:120].all()


def test_the_band_of_the_reference_misses_low_hues():
    reference = RewardSettings(bands=[151, 155, 84, 179, 255, 255])
    assert target_mask(_frame(5, slice(30, 60), slice(40, 120)), reference).sum() == 0


def test_morphological_closing_fills_gaps():
    frame = _frame(170, slice(30, 60), slice(40, 120))
    frame[44:46, 40:120] = 0
    assert target_mask(frame, RewardSettings())[44:46, 60:100].all()
    assert not target_mask(frame, RewardSettings(dilate=0, erode=0))[44:46, 60:100].any()


@pytest.mark.parametrize(("cycle_ms", "full"), [(40.0, 10.0), (75.0, 18.75)])
def test_reward_of_a_full_frame(cycle_ms, full):
    assert reward_of(np.ones((9, 16), np.uint8), cycle_ms, RewardSettings()) == full
    assert reward_of(np.zeros((9, 16), np.uint8), cycle_ms, RewardSettings()) == 0.0


def test_the_return_of_a_behaviour_does_not_depend_on_the_cycle_time():
    mask = np.zeros((10, 10), np.uint8)
    mask[:3] = 1
    returns = [reward_of(mask, 6000 / n, RewardSettings()) * n for n in (150, 80, 75)]
    assert np.allclose(returns, 0.3 * 1500)


@pytest.mark.parametrize(
    ("bands", "words"),
    [([1, 2, 3], "six"), ([10, 0, 0, 5, 255, 255], "above"), ([0, 0, 0, 200, 255, 255], "179"), ([], "six")],
)
def test_wrong_bands_are_refused(bands, words):
    with pytest.raises(ValueError, match=words):
        RewardSettings(bands=bands)
