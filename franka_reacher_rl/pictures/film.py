"""`draw film`: an animation of the simulated arm before and after learning."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Frame
from franka_reacher_rl.core.base.settings import Setting, setting_path
from franka_reacher_rl.virtual.rollout import Rollout, Step

_WIDTH, _HEIGHT = 400, 260  # px, of the view from outside
_WRIST = 128, 72  # px, of the wrist camera's image in its corner
_EVERY = 3  # steps between two pictures
_PAUSE = 1500  # ms, at the end
_COLOURS = 128
_FULL = 1500.0  # return of an episode of 6 s in which the target fills the image
_TEXT, _PALE, _WHITE = (40, 40, 40), (225, 225, 225), (255, 255, 255)
_BAR = (0, 158, 115)  # Okabe and Ito's green


def run(options: argparse.Namespace) -> int:
    """Write the animation; return the exit code.

    Raises:
        ValueError: The policy does not fit the setting, the robot cannot be simulated, or the file is no animation.
    """
    if options.out.suffix not in (".gif", ".png"):
        raise ValueError(f"--out {options.out}: an animation is a .gif, or a .png (APNG)")
    robot, setting = Robot.load(options.robot), Setting.load(setting_path(options.setting, default_wiring="async"))
    before = _pictures(Rollout(robot, setting, None, options.seed), "before learning", options.episode)
    after = _pictures(Rollout(robot, setting, options.policy, options.seed), "after learning", options.episode)
    count = write(options.out, before, after, round(_EVERY * setting.episode.cycle_ms))
    print(f"{options.out}: {count} pictures, {options.out.stat().st_size / 1e6:.1f} MB")
    return 0


def write(out: Path, before: Iterator[Frame], after: Iterator[Frame], milliseconds: int) -> int:
    """Write two films side by side, and return the number of pictures.

    Args:
        out: File to write, .gif or .png.
        before: Pictures of one size, (height, width, 3).
        after: As many pictures of the same size.
        milliseconds: Duration of a picture; the last one is shown for longer.
    """
    films = [
        Image.fromarray(np.hstack([a, np.full((a.shape[0], 12, 3), 255, np.uint8), b])).quantize(
            _COLOURS, dither=Image.Dither.NONE
        )
        for a, b in zip(before, after, strict=True)
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    shown = [milliseconds] * (len(films) - 1) + [_PAUSE]
    films[0].save(out, save_all=True, append_images=films[1:], duration=shown, loop=0, optimize=True)
    return len(films)


def _pictures(rollout: Rollout, title: str, episode: int) -> Iterator[Frame]:
    """Yield pictures of an episode: the arm, what its camera sees, and the return so far."""
    total = 0.0
    try:
        for step in rollout.episode(episode):
            total += step.sensed.reward if step.number else 0.0
            if step.number % _EVERY == 0:
                yield _picture(rollout, step, title, total)
    finally:
        rollout.close()


def _picture(rollout: Rollout, step: Step, title: str, total: float) -> Frame:
    outside = rollout.plant.camera.render_outside(width=_WIDTH, height=_HEIGHT)
    wrist = cv2.resize(step.sensed.frame, _WRIST, interpolation=cv2.INTER_NEAREST)
    outside[4 : 6 + _WRIST[1], 4 : 6 + _WRIST[0]] = _WHITE
    outside[5 : 5 + _WRIST[1], 5 : 5 + _WRIST[0]] = wrist
    head, foot = np.full((28, _WIDTH, 3), 255, np.uint8), np.full((30, _WIDTH, 3), 255, np.uint8)
    _write(head, title, (6, 20))
    _write(foot, f"return {total:.0f}", (6, 20))
    right = _WIDTH - 8
    length = round((right - 122) * min(1.0, total / _FULL))
    cv2.rectangle(foot, (122, 8), (right, 22), _PALE, -1)
    if length:
        cv2.rectangle(foot, (122, 8), (122 + length, 22), _BAR, -1)
    return np.vstack([head, outside, foot])


def _write(picture: Any, text: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.55, _TEXT, 1, cv2.LINE_AA)
