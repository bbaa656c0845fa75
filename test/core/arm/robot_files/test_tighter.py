"""A resumed run keeps the tighter of its own limits and those of its robot file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.sections import GuardedFrame
from franka_reacher_rl.core.arm.robot_files.tighter import tighter

ROBOT = Robot.load("panda_sim")


def changed(part: str, **values: Any) -> Robot:
    return replace(ROBOT, **{part: replace(getattr(ROBOT, part), **values)})


@pytest.mark.parametrize(
    ("part", "field", "tight"),
    [
        ("task", "workspace_upper", [0.6, 0.3, 0.38]),
        ("task", "workspace_lower", [0.3, -0.2, 0.08]),
        ("task", "position_upper", [0.4, *ROBOT.task.position_upper[1:]]),
        ("limits", "position_lower", [-2.0, *ROBOT.limits.position_lower[1:]]),
        ("limits", "velocity", [1.5, *ROBOT.limits.velocity[1:]]),
        ("limits", "acceleration", [5.0, *ROBOT.limits.acceleration[1:]]),
        ("limits", "jerk", [5000.0, *ROBOT.limits.jerk[1:]]),
        ("bridge", "workspace_margin", 0.01),
        ("bridge", "command_timeout", 0.1),
        ("driver", "lag", 0.03),
        ("reset", "velocity", 0.5),
    ],
)
def test_a_tighter_limit_wins_whichever_file_has_it(part: str, field: str, tight: Any) -> None:
    tightened = changed(part, **{field: tight})
    assert tighter(ROBOT, tightened) == (tightened, [f"{part}.{field}"])
    assert tighter(tightened, ROBOT) == (tightened, []), "a limit that was relaxed since stays as it was"


def test_each_joint_has_the_tighter_of_its_own_limits() -> None:
    mine = changed("limits", velocity=[1.0, 2.0, *ROBOT.limits.velocity[2:]])
    now = changed("limits", velocity=[2.0, 1.0, *ROBOT.limits.velocity[2:]])
    robot, names = tighter(mine, now)
    assert robot.limits.velocity[:2] == [1.0, 1.0] and names == ["limits.velocity"]


def test_what_is_no_limit_stays_the_runs() -> None:
    other = replace(
        changed("task", action_scale=[0.1] * 7),
        description="another",
        driver=replace(ROBOT.driver, command_topic="other"),
        target=replace(ROBOT.target, lower=[0.5, 0.0]),
    )
    assert tighter(ROBOT, other) == (ROBOT, [])


def test_the_lower_collision_thresholds_apply() -> None:
    fr3 = Robot.load("fr3")
    sensitive = replace(fr3, driver=replace(fr3.driver, collision_torque=[5.0] * 7))
    assert tighter(fr3, sensitive) == (sensitive, ["driver.collision_torque"])
    assert tighter(sensitive, fr3) == (sensitive, [])


def test_frames_that_either_file_guards_are_guarded() -> None:
    wrist, wide = GuardedFrame("panda_link6", [-1.0, -1.0, 0.1]), GuardedFrame("panda_link6", [-2.0, -0.5, 0.0])
    robot, names = tighter(changed("model", guarded_frames=[wrist]), changed("model", guarded_frames=[wide]))
    assert names == ["model.guarded_frames"]
    assert robot.model.guarded_frames == [GuardedFrame("panda_link6", [-1.0, -0.5, 0.1])]
    both = [*ROBOT.model.guarded_frames, wrist]
    assert tighter(ROBOT, changed("model", guarded_frames=[wrist]))[0].model.guarded_frames == both
    assert tighter(changed("model", guarded_frames=both), ROBOT)[1] == []


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (replace(ROBOT, joints=[f"joint{i}" for i in range(7)]), "joint0"),
        (changed("task", workspace_lower=[0.75, -0.3, 0.08], workspace_upper=[0.9, 0.3, 0.38]), "workspace_lower"),
        (
            replace(changed("task", action_scale=[0.1] * 7), limits=replace(ROBOT.limits, velocity=[0.1] * 7)),
            "action_scale",
        ),
    ],
    ids=["other joints", "no common box", "slower than an action"],
)
def test_limits_that_leave_no_room_are_refused(now: Robot, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tighter(ROBOT, now)
