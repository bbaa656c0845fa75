"""Render images of the simulated world: `./reacher preview --robot panda_sim --out DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.datatypes import Frame
from franka_reacher_rl.core.base.settings import RewardSettings
from franka_reacher_rl.core.task.reset import MoveTo, reset_steps
from franka_reacher_rl.core.task.reward import target_mask
from franka_reacher_rl.sim.camera import WristCamera
from franka_reacher_rl.sim.world import World


def pictures(robot: Robot, seed: int, width: int, height: int) -> dict[str, Frame]:
    """Render the start of an episode: the wrist view, its mask, the robot from outside, and the three in a row.

    Args:
        robot: A robot that can be simulated.
        seed: Seed of start pose and target.
        width: Width of each of the three images in px.
        height: Height of each of the three images in px.

    Returns:
        Each image by its name, (height, width, 3) uint8, RGB.

    Raises:
        RuntimeError: OpenGL is not available.
        ValueError: The robot cannot be simulated.
    """
    random = np.random.default_rng(seed)
    world = World(robot)
    for step in reset_steps(robot, random):
        if isinstance(step, MoveTo):
            world.reset(step.q)
        else:
            world.place_target(step.xy)
    with WristCamera(world, width, height) as camera:
        wrist, outside = camera.render(), camera.render_outside(width=width, height=height)
    mask = np.repeat(255 * target_mask(wrist, RewardSettings())[..., None], 3, axis=2)
    gap = np.full((height, max(2, width // 80), 3), 255, np.uint8)
    row = np.hstack([wrist, gap, mask, gap, outside])
    return {"wrist": wrist, "mask": mask, "outside": outside, "preview": row}


def run(robot: str, out: Path, seed: int, width: int, height: int) -> int:
    """Write the images as PNG files, print their paths and return the exit code.

    Args:
        robot: Name or path of the robot file.
        out: Folder of the images, created if missing.
        seed: Seed of start pose and target.
        width: Width of each image in px.
        height: Height of each image in px.

    Raises:
        ValueError: The robot is unknown or cannot be simulated, or the size is not allowed.
    """
    if min(width, height) < 16:
        raise ValueError(f"an image of {width}x{height} px is not allowed: at least 16x16")
    try:
        images = pictures(Robot.load(robot), seed, width, height)
        out.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        print(f"preview: {error}", file=sys.stderr)
        return 1
    for name, picture in images.items():
        path = out / f"{name}.png"
        cv2.imwrite(str(path), picture[..., ::-1])
        print(path)
    return 0
