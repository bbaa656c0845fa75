"""`draw page`: a screenshot of the page in the browser."""

from __future__ import annotations

import argparse

import cv2

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Frame
from franka_reacher_rl.core.base.settings import Setting
from franka_reacher_rl.core.run.pretrained import pretrained
from franka_reacher_rl.pictures.browser import Browser, filled
from franka_reacher_rl.viewer.demo import Show
from franka_reacher_rl.viewer.server import Server
from franka_reacher_rl.viewer.stage import Stage
from franka_reacher_rl.virtual.rollout import Rollout

_LONGEST = 120.0  # s, without a GPU
CAMERA, ARM = (0.02, 0.10, 0.23, 0.30), (0.27, 0.10, 0.73, 0.70)  # left, top, right, bottom; shares of the page
_FILLED = 0.02  # share of a panel's pixels; a spinner fills less


def run(options: argparse.Namespace) -> int:
    """Write the screenshot; return the exit code.

    Raises:
        ValueError: There is no browser, or no trained policy for the robot.
        OSError: The page stays empty.
    """
    if options.url:
        picture = _screenshot(options.url)
    else:
        robot = Robot.load(options.robot)
        policy = pretrained(robot.name)
        setting = Setting.load(policy.setting)
        rollout = Rollout(robot, setting, policy.policy, options.seed)
        try:
            with Server(options.page_port, options.data_port) as server:
                Show(rollout, Stage(server.recording("demo"), robot, ""), robot, setting).episode(1)
                picture = _screenshot(server.url)
        finally:
            rollout.close()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(options.out), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    print(options.out)
    return 0


def shown(page: Frame) -> bool:
    """Return whether the panels of the camera and of the arm have pictures."""
    return min(filled(panel(page, CAMERA)), filled(panel(page, ARM))) > _FILLED


def _screenshot(url: str) -> Frame:
    with Browser(url) as browser:
        picture = browser.screenshot_once(shown, _LONGEST)
    if not shown(picture):
        raise OSError(f"the page {url} shows no camera or no arm after {_LONGEST:g} s: open it in a browser")
    return picture


def panel(page: Frame, place: tuple[float, float, float, float]) -> Frame:
    height, width = page.shape[:2]
    left, top, right, bottom = place
    return page[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
