"""Images of the simulation: `python -m franka_reacher_rl.sim.preview --robot panda_sim --out DIR`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
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
    """Render the start of an episode: wrist view, its mask, the robot from outside, and all three side by side.

    Args:
        robot: A robot that can be simulated.
        seed: Seed of start pose and target.
        width: Width of each of the three images in px.
        height: Height of each of the three images in px.

    Returns:
        RGB images by name, (height, width, 3) uint8 each.

    Raises:
        RuntimeError: There is no OpenGL on this machine.
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the images as PNG files and print their paths."""
    parser = argparse.ArgumentParser(description="Draws the simulated world: wrist view, mask, robot from outside.")
    parser.add_argument("--robot", default="panda_sim", help="robot file, a name or a path (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures, made where missing")
    parser.add_argument("--seed", type=int, default=0, help="draws start pose and target (default: %(default)s)")
    parser.add_argument("--width", type=int, default=640, help="of each picture in px (default: %(default)s)")
    parser.add_argument("--height", type=int, default=360, help="of each picture in px (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        drawn = pictures(Robot.load(options.robot), options.seed, options.width, options.height)
        options.out.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError, ValueError) as error:
        parser.exit(1, f"error: {error}\n")
    for name, picture in drawn.items():
        path = options.out / f"{name}.png"
        cv2.imwrite(str(path), picture[..., ::-1])
        print(path)


if __name__ == "__main__":
    main()
