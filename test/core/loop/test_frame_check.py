"""Frames that show nothing new."""

import numpy as np

from franka_reacher_rl.core.loop.frame_check import BLACK, MOVED, FrameCheck

REST = np.zeros(7)


def frame(value: int) -> np.ndarray:
    return np.full((4, 6, 3), value, np.uint8)


def test_a_black_frame() -> None:
    check, almost = FrameCheck(), frame(0)
    almost[1, 2, 0] = BLACK + 1
    assert check.problem(frame(BLACK), REST) == "black"
    assert check.problem(almost, REST) == ""


def test_a_frame_is_frozen_once_the_arm_has_moved_without_a_change() -> None:
    check, moved = FrameCheck(), REST.copy()
    assert check.problem(frame(50), REST) == ""
    assert check.problem(frame(50), REST) == "", "the arm rests"
    moved[3] = 1.01 * MOVED
    assert check.problem(frame(50), moved) == "frozen"
    assert check.problem(frame(51), moved) == ""
    assert check.problem(frame(51), moved) == ""


def test_nothing_is_frozen_while_the_joints_are_unknown() -> None:
    check = FrameCheck()
    assert check.problem(frame(50), None) == ""
    assert check.problem(frame(50), REST + 1.0) == "", "where the joints were before is not known"
    assert check.problem(frame(50), REST) == "frozen"


def test_a_picture_may_be_allowed_to_stand_still() -> None:
    check = FrameCheck(frozen=False)
    assert check.problem(frame(50), REST) == check.problem(frame(50), REST + 1.0) == ""
