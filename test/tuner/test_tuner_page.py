"""What the widgets of the page do, without a browser."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from franka_reacher_rl.core.base.settings import RewardSettings
from franka_reacher_rl.core.task.reward import target_mask

pytest.importorskip("viser", reason="viser is not installed")
from franka_reacher_rl.tuner.page import Page

GREEN = RewardSettings(bands=[50, 100, 100, 70, 255, 255], dilate=1, erode=2)


def frame(hue: int = 110) -> np.ndarray:
    """A target of a hue, which covers an eighth of a grey frame."""
    hsv = np.full((40, 80, 3), (0, 0, 120), np.uint8)
    hsv[10:30, 20:40] = (hue, 220, 180)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def describe(settings: RewardSettings) -> str:
    return f"kept {settings.bands}"


def refuse(settings: RewardSettings) -> str:
    raise ValueError("the reward node refuses")


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page(GREEN, {"keep": describe, "send": refuse}, 8971)
    yield page
    page.close()


def draw_box(page: Page, left: float, top: float, right: float, bottom: float) -> None:
    """Draw a box, given in fractions of the frame."""
    picture = page.picture
    assert picture is not None
    rows, columns = picture.image.shape[:2]
    page.select(
        *(
            ((picture.left + x * picture.width) / columns, (picture.top + y * picture.height) / rows)
            for x, y in ((left, top), (right, bottom))
        )
    )


def test_the_page_begins_with_the_mask_that_it_is_given(page: Page) -> None:
    assert page.settings == GREEN and page.picture is None
    page.show(frame(60))
    assert "coverage 10." in page.text or "coverage 12." in page.text


def test_a_box_gives_bands_that_find_the_target(page: Page) -> None:
    page.show(frame(110))
    assert "coverage 0.00 %" in page.text
    draw_box(page, 0.2, 0.2, 0.55, 0.8)
    page.suggest()
    found = target_mask(frame(110), page.settings)
    assert found[14:26, 24:36].all() and found.mean() < 0.2 and "coverage" in page.text


def test_a_held_frame_stays_for_the_box(page: Page) -> None:
    page.show(frame(110))
    draw_box(page, 0.25, 0.25, 0.5, 0.75)
    page._shown = -1.0
    page.show(frame(30))
    page.suggest()
    assert target_mask(frame(110), page.settings).any() and not target_mask(frame(30), page.settings).any()


def test_mistakes_are_shown(page: Page) -> None:
    page.suggest()
    assert "draw one around the target" in page.text
    page.show(frame())
    draw_box(page, 0.7, 0.1, 0.9, 0.9)
    page.suggest()
    assert "not grey, black or white" in page.text and page.settings == GREEN
    page.show_bands([])
    assert "no band is used" in page.text
    page.do(describe)
    assert "kept" not in page.text and "no band is used" in page.text


def test_a_button_passes_the_mask_on(page: Page) -> None:
    page.do(describe)
    assert f"kept {GREEN.bands}" in page.text
    page.do(refuse)
    assert "the reward node refuses" in page.text


def test_frames_of_a_run_can_be_chosen(page: Page) -> None:
    page.browse([frame(60), frame(110)])
    assert "coverage 0.00" not in page.text


def test_more_bands_than_usual_are_all_kept() -> None:
    bands = [value for hue in range(0, 50, 10) for value in (hue, 100, 100, hue + 5, 255, 255)]
    page = Page(RewardSettings(bands=bands), {}, 8972)
    try:
        assert page.settings.bands == bands
    finally:
        page.close()
