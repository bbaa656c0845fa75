"""A browser without a window, of which screenshots are taken."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from websockets.sync.client import connect

from franka_reacher_rl.core.base.datatypes import Frame

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_START, _ANSWER, _PERIOD = 60.0, 120.0, 2.0  # s
_OPTIONS = (
    "--headless",
    "--no-sandbox",  # in containers, which lack the privileges for it
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",  # WebGL without a GPU
    "--use-angle=swiftshader",
    "--remote-debugging-port=0",
)


def find_browser() -> str:
    """Return the path of Chromium.

    Raises:
        ValueError: It is not installed.
    """
    for name in PROGRAMS:
        if path := shutil.which(name):
            return path
    raise ValueError(f"none of {', '.join(PROGRAMS)} is installed: sudo apt install chromium")


class Browser:
    """Chromium with one page, driven by its DevTools protocol."""

    def __init__(self, url: str, width: int = 1600, height: int = 900) -> None:
        """Open a page.

        Args:
            url: Of the page.
            width: Of the window, px.
            height: Of the window, px.

        Raises:
            ValueError: Chromium is not installed.
            OSError: It does not start.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="browser_", ignore_cleanup_errors=True)
        self._program = find_browser()
        command = [self._program, *_OPTIONS, f"--user-data-dir={self._folder.name}", f"--window-size={width},{height}"]
        self._process = subprocess.Popen([*command, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._socket = connect(self._address(), max_size=None)
        except BaseException:
            self.close()
            raise
        self._asked = 0

    def _address(self) -> str:
        """Return the address of the page's debugger, once there is one."""
        deadline = time.monotonic() + _START
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                port = (Path(self._folder.name) / "DevToolsActivePort").read_text().split()[0]
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=5.0) as answer:
                    pages = [each for each in json.loads(answer.read()) if each["type"] == "page"]
                return str(pages[0]["webSocketDebuggerUrl"])
            except (OSError, IndexError, ValueError):
                time.sleep(0.1)
        raise OSError(f"{self._program} has not started within {_START:g} s")

    def screenshot(self) -> Frame:
        """Return the picture of the page, (height, width, 3) in RGB.

        Raises:
            TimeoutError: The browser does not answer.
        """
        data = np.frombuffer(base64.b64decode(self._ask("Page.captureScreenshot")["data"]), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert picture is not None, "the browser sends a PNG"
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8)

    def screenshot_once(self, ready: Callable[[Frame], bool], seconds: float) -> Frame:
        """Return the first picture of the page that is as it should be, or the last one after a time.

        Args:
            ready: Whether a picture is.
            seconds: The time.
        """
        deadline = time.monotonic() + seconds
        while True:
            picture = self.screenshot()
            if ready(picture) or time.monotonic() > deadline:
                return picture
            time.sleep(_PERIOD)

    def _ask(self, method: str) -> Any:
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method}))
        while True:
            answer = json.loads(self._socket.recv(timeout=_ANSWER))
            if answer.get("id") == self._asked:
                return answer["result"]

    def close(self) -> None:
        """End the browser."""
        if hasattr(self, "_socket"):
            self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def filled(panel: Frame) -> float:
    """Return the share of a panel's pixels that differ from its most frequent colour, its background."""
    colours, counts = np.unique(panel.reshape(-1, 3), axis=0, return_counts=True)
    difference = np.abs(panel.astype(int) - colours[counts.argmax()].astype(int)).max(axis=-1)
    return float((difference > 24).mean())
