"""The picture of a frame and its mask, and the box that a person draws in it."""

from __future__ import annotations

import numpy as np
import pytest

from franka_reacher_rl.core.task.bands import Box
from franka_reacher_rl.tuner.picture import Picture, Point, compose

FRAME = np.full((90, 160, 3), 200, np.uint8)
MASK = np.zeros((90, 160), np.uint8)


def point(picture: Picture, x: float, y: float) -> Point:
    """Return where a point of the frame, in fractions of the frame, lies in the picture."""
    rows, columns = picture.image.shape[:2]
    return (picture.left + x * picture.width) / columns, (picture.top + y * picture.height) / rows


@pytest.mark.parametrize("aspect", [0.5, 0.9, 1.6, 3.5, 6.0])
def test_the_picture_has_the_shape_of_the_window(aspect: float) -> None:
    rows, columns = compose(FRAME, MASK, None, aspect).image.shape[:2]
    assert columns / rows == pytest.approx(aspect, rel=0.01)


def test_a_wide_window_has_the_mask_beside_the_frame_and_a_high_one_below() -> None:
    wide, high = compose(FRAME, MASK, None, 3.5), compose(FRAME, MASK, None, 0.9)
    assert wide.image.shape[1] > 2 * wide.width and high.image.shape[0] > 2 * high.height


@pytest.mark.parametrize("aspect", [0.9, 3.5])
@pytest.mark.parametrize("turned", [False, True])
def test_a_drawn_box_is_a_part_of_the_frame(aspect: float, turned: bool) -> None:
    picture = compose(FRAME, MASK, None, aspect)
    one, other = point(picture, 0.251, 0.501), point(picture, 0.499, 0.749)
    box = picture.box(other, one, FRAME) if turned else picture.box(one, other, FRAME)
    assert (box.left, box.top, box.right, box.bottom) == (40, 45, 80, 68)


def test_a_box_is_cut_at_the_edge_of_the_frame() -> None:
    picture = compose(FRAME, MASK, None, 1.5)
    assert picture.box(point(picture, -0.2, -0.2), point(picture, 1.3, 1.2), FRAME) == Box(0, 0, 160, 90)


def test_a_box_on_the_mask_is_refused() -> None:
    picture = compose(FRAME, MASK, None, 3.5)
    with pytest.raises(ValueError, match="draw it on the frame"):
        picture.box(point(picture, 1.2, 0.2), point(picture, 1.4, 0.4), FRAME)


def test_the_mask_dims_what_it_leaves_out_and_the_box_is_green() -> None:
    mask = MASK.copy()
    mask[:, :80] = 1
    picture = compose(FRAME, mask, Box(40, 20, 80, 60), 3.5)
    image, beside = picture.image, picture.left + picture.width + 8
    middle = picture.top + picture.height // 2
    assert image[middle, beside + 100].tolist() == [200, 200, 200]
    assert image[middle, beside + 500].tolist() == [40, 40, 40]
    assert image[middle, picture.left + 160].tolist() == [0, 255, 0]


@pytest.mark.parametrize("size", [(36, 64), (1080, 1920), (640, 480)])
def test_any_size_of_frames(size: tuple[int, int]) -> None:
    picture = compose(np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8), None, 1.3)
    assert picture.width == 640 and picture.height == round(640 * size[0] / size[1])
