"""An episode is a success once the target has filled a share of the image for a time."""

from __future__ import annotations

import math

import pytest

from franka_reacher_rl.core.base.settings import EpisodeSettings
from franka_reacher_rl.core.task.success import Success

SETTINGS = EpisodeSettings(success_coverage=0.25, success_seconds=1.0)


def after(*coverages: float) -> Success:
    """The state after one frame each half second."""
    success = Success(SETTINGS)
    for frame, coverage in enumerate(coverages):
        success.take(0.5 * frame, coverage)
    return success


@pytest.mark.parametrize(
    ("coverages", "time"),
    [
        ((0.0, 0.1, 0.3, 0.3, 0.3), 1.0),
        ((0.25, 0.25, 0.25), 0.0),
        ((0.3, 0.3, 0.3, 0.0, 0.9, 0.9, 0.9), 0.0),  # the first time counts
        ((0.3, 0.3, 0.2, 0.3, 0.3, 0.3), 1.5),  # the time begins anew
    ],
)
def test_the_time_to_reach_is_that_of_the_first_frame_above_the_share(
    coverages: tuple[float, ...], time: float
) -> None:
    success = after(*coverages)
    assert success.reached and success.time_to_reach == pytest.approx(time)


@pytest.mark.parametrize("coverages", [(), (0.3, 0.3), (0.24,) * 10, (0.3, 0.3, 0.2) * 5, (math.nan,) * 10])
def test_not_reached(coverages: tuple[float, ...]) -> None:
    success = after(*coverages)
    assert not success.reached and math.isnan(success.time_to_reach)
