"""Tests of what the wrist camera leaves out: every pixel is the same as with the whole scene."""

from __future__ import annotations

import numpy as np
import pytest

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.sim.camera import WristCamera
from franka_reacher_rl.sim.visibility import Visible

WHOLE = Visible(arm=False, surroundings=True, target=True)


@pytest.mark.parametrize("size", [(64, 36), (97, 41)])
def test_a_frame_without_what_cannot_be_seen_is_the_same(robot: Robot, size: tuple[int, int]) -> None:
    random, found = np.random.default_rng(0), set()
    with WristCamera(robot, *size) as camera:
        for i in range(300):
            low, high = np.array(robot.task.position_lower), np.array(robot.task.position_upper)
            q = random.uniform(low, high) if i % 2 else robot.draw_start(random)
            frame = camera.render(q, robot.draw_target(random))
            found.add(camera._visibility.now())
            np.testing.assert_array_equal(frame, camera._draw(camera._wrist, *size, WHOLE))
    assert len(found) == 4  # with and without the surroundings, with and without the bag
