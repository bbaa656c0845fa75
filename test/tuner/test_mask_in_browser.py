"""The page of `tune-mask` in a browser: a box is drawn with the mouse, and the mask that it gives is shown.

`TUNE_MASK_PICTURE=docs/images/tune_mask.png` keeps the screenshot.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from franka_reacher_rl.core.base.settings import RewardSettings

pytest.importorskip("viser", reason="viser is not installed")
from websockets.sync.client import connect

from franka_reacher_rl.tuner.page import Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PREVIEW = Path(__file__).resolve().parents[2] / "docs" / "images" / "preview.png"
WINDOW = (1300, 1040)
NO_NOTE = "document.querySelectorAll('.mantine-Notification-closeButton').forEach(button => button.click())"
OPTIONS = ["--headless=new", "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


class Browser:
    """Chromium without a window, controlled through its DevTools protocol."""

    def __init__(self, folder: Path, url: str) -> None:
        assert CHROMIUM is not None
        options = [*OPTIONS, f"--user-data-dir={folder}", f"--window-size={WINDOW[0]},{WINDOW[1]}"]
        self._process = subprocess.Popen(
            [CHROMIUM, *options, "--remote-debugging-port=0", url], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        port = until(lambda: (folder / "DevToolsActivePort").exists() and (folder / "DevToolsActivePort").read_text())
        self._numbers = itertools.count(1)
        with connect("ws://127.0.0.1:" + "".join(port.split("\n", 1))) as browser:
            self._socket = browser
            targets = self.do("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self._socket = connect(f"ws://127.0.0.1:{port.split()[0]}/devtools/page/{page}", max_size=None)

    def do(self, method: str, **parameters: Any) -> Any:
        """Send a command and return its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv(20.0))).get("id") != number:
            pass
        return answer["result"]

    def drag(self, one: tuple[float, float], other: tuple[float, float]) -> None:
        """Drag the mouse from one point of the window to another, px."""
        middle = (one[0] + other[0]) / 2, (one[1] + other[1]) / 2
        held = {"button": "left", "buttons": 1, "clickCount": 1}
        self.do("Input.dispatchMouseEvent", type="mouseMoved", x=one[0], y=one[1])
        self.do("Input.dispatchMouseEvent", type="mousePressed", x=one[0], y=one[1], **held)
        for x, y in (middle, other):
            self.do("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, **held)
        self.do("Input.dispatchMouseEvent", type="mouseReleased", x=other[0], y=other[1], **{**held, "buttons": 0})

    def canvas(self) -> tuple[float, float]:
        """Return width and height of the canvas, which begins in the window's upper left corner."""
        script = "JSON.stringify(document.querySelector('canvas').getBoundingClientRect())"
        box = json.loads(self.do("Runtime.evaluate", expression=script)["result"]["value"])
        assert box["x"] == box["y"] == 0
        return box["width"], box["height"]

    def screenshot(self) -> tuple[bytes, np.ndarray]:
        """Return a PNG file, and its pixels in RGB."""
        data = base64.b64decode(self.do("Page.captureScreenshot")["data"])
        return data, cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Wait for a condition, and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)
    return value


@pytest.fixture
def frame() -> np.ndarray:
    """The wrist camera's view of the simulated world: the first of the images in the preview."""
    image = cv2.cvtColor(cv2.imread(str(PREVIEW)), cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(image[:, : int(0.325 * image.shape[1])])


@pytest.fixture
def page(frame: np.ndarray) -> Iterator[Page]:
    page = Page(RewardSettings(bands=[50, 100, 100, 70, 255, 255]), {"write mask.yaml": str}, 8975)
    page.show(frame)
    yield page
    page.close()


@pytest.fixture
def browser(page: Page, tmp_path: Path) -> Iterator[Browser]:
    browser = Browser(tmp_path / "chromium", page.url)
    yield browser
    browser.close()


def test_a_box_that_is_drawn_with_the_mouse_gives_the_mask(page: Page, browser: Browser, frame: np.ndarray) -> None:
    until(lambda: browser.screenshot()[1][:, :600].max() == 255 and page.aspect != Page.aspect)
    width, height = until(browser.canvas)
    picture = page.picture
    assert picture is not None and width / height == pytest.approx(page.aspect, rel=0.01)
    rows, columns = picture.image.shape[:2]

    def point(x: float, y: float) -> tuple[float, float]:
        return (picture.left + x * picture.width) / columns * width, (picture.top + y * picture.height) / rows * height

    browser.drag(point(0.37, 0.02), point(0.63, 0.36))
    box = until(lambda: page.box)
    drawn = [
        box.left / frame.shape[1],
        box.top / frame.shape[0],
        box.right / frame.shape[1],
        box.bottom / frame.shape[0],
    ]
    assert drawn == pytest.approx([0.37, 0.02, 0.63, 0.36], abs=0.03)
    page.suggest()
    assert "coverage 6." in page.text

    def red() -> bool:
        """Return whether the target is shown in the frame and in the mask."""
        canvas = browser.screenshot()[1][:, : int(width)].astype(int)
        target = (canvas[..., 0] > 150) & (canvas[..., 1:].max(axis=2) < 60)
        halves = target[: int(height) // 2].sum(), target[int(height) // 2 :].sum()
        return bool(min(halves) > 0.5 * max(halves) > 2000)

    until(red)
    if name := os.environ.get("TUNE_MASK_PICTURE"):
        browser.do("Runtime.evaluate", expression=NO_NOTE)  # about rendering without a GPU
        time.sleep(1.0)  # for the animations of the page
        Path(name).write_bytes(browser.screenshot()[0])
