"""The page in headless Chromium, with pictures of the camera and of the arm."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("rerun")
pytest.importorskip("websockets")

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Frame
from franka_reacher_rl.pictures.browser import Browser, filled, find_browser
from franka_reacher_rl.pictures.page import ARM, CAMERA, panel, shown
from franka_reacher_rl.viewer.server import Server
from franka_reacher_rl.viewer.stage import Stage

try:
    find_browser()
except ValueError as missing:
    NO_BROWSER = str(missing)
else:
    NO_BROWSER = ""

GREEN = (20, 160, 60)


def test_a_spinner_does_not_fill_a_panel() -> None:
    picture = np.full((200, 300, 3), 255, np.uint8)
    picture[95:105, 135:145] = 0
    assert filled(picture) < 0.01
    picture[50:150, 50:250] = GREEN
    assert filled(picture) == pytest.approx(1 / 3, abs=0.01)


def share_of(part: Frame, colour: tuple[int, int, int]) -> float:
    """The share of pixels of a colour, as JPEG leaves it."""
    return float((np.abs(part.astype(int) - colour).max(axis=-1) < 40).mean())


@pytest.fixture
def url() -> Iterator[str]:
    """The address of a page on which an arm moves while a camera films something half green."""
    with socket.socket() as page, socket.socket() as data:
        for each in (page, data):
            each.bind(("127.0.0.1", 0))
        ports = page.getsockname()[1], data.getsockname()[1]
    robot, over = Robot.load("panda_sim"), threading.Event()
    frame = np.full((36, 64, 3), 40, np.uint8)
    frame[:, :32] = GREEN
    with Server(*ports) as server:
        stage = Stage(server.recording("test"), robot, "async")

        def show() -> None:
            while not over.wait(0.1):
                now = time.time()
                stage.image(now, frame)
                stage.mask(now, np.eye(36, 64, dtype=np.uint8))
                stage.joints(now, np.array(robot.reset.start_lower, float) + 0.1 * np.sin(now))
                stage.reward(now, 1.0, 0.2)

        thread = threading.Thread(target=show)
        thread.start()
        yield server.url
        over.set()
        thread.join()


@pytest.mark.integration
@pytest.mark.skipif(bool(NO_BROWSER), reason=NO_BROWSER)
def test_the_live_page_shows_the_camera_and_the_arm(url: str) -> None:
    with Browser(url) as browser:
        page = browser.screenshot_once(
            lambda page: shown(page) and share_of(panel(page, CAMERA), GREEN) > 0.3, seconds=80.0
        )
    assert share_of(panel(page, CAMERA), GREEN) > 0.3, "the camera's panel shows another picture, or none"
    arm = panel(page, ARM)
    assert filled(arm) > 0.05
    assert len(np.unique(arm.reshape(-1, 3), axis=0)) > 100, "shaded surfaces have many colours"
