"""Tests of the robot files: those of the package load, and a mistake gives a clear error."""

import numpy as np
import pytest
import yaml
from robots import ROBOTS

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.base.fields import from_mapping
from franka_reacher_rl.core.base.paths import config_dir


@pytest.fixture
def document():
    return yaml.safe_load((config_dir() / "robots" / "panda_sim.yaml").read_text())


def load(document, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(document))
    return Robot.load(path)


@pytest.mark.parametrize("name", ROBOTS)
def test_shipped_files_load(name):
    robot = Robot.load(name)
    assert robot.name == name
    assert robot.velocity_of(np.ones(robot.dof)).tolist() == robot.task.action_scale
    assert robot.draw_start(np.random.default_rng(0)).shape == (robot.dof,)


def test_the_documented_robots_are_shipped():
    assert {"panda_sim", "fr3", "panda", "ros2_control", "ur5e_sim"} <= set(ROBOTS)


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("limits", "velocity", [1.0] * 6, "velocity has 6 values: give 7, one per joint"),
        ("limits", "jerk", [0.0] * 7, "jerk = 0.0 is not allowed: at least 0.1 rad/s"),
        ("limits", "speed", [1.0] * 7, "unknown 'speed'"),
        ("task", "workspace_lower", [0.3, 0.3], "workspace_lower has 2 values: give 3, x, y and z"),
        ("task", "workspace_lower", [0.8, -0.3, 0.1], "workspace_lower = .* exceeds workspace_upper"),
        ("task", "position_upper", [4.0] * 7, "position_upper of panda_joint1 = 4.0 rad is not allowed"),
        ("task", "action_scale", [9.0] * 7, "exceeds the velocity limit"),
        ("reset", "strategy", "teleprot", "one of teleport, swing, joint"),
        ("reset", "strategy", "swing", "swing_lower has 0 values"),
        ("reset", "start_upper", [3.0] * 7, "start_upper of panda_joint1 = 3.0 rad is not allowed"),
        ("task", "workspace_upper", [0.7, 0.3, 0.09], "leaves 0.006 m between the margins"),
        ("reset", "start_upper", [0.0, 0.13, 0.02, -1.9, 0.03, 2.15, 0.898], "start_upper of panda_joint7 = 0.898"),
        ("model", "guarded_frames", [{"frame": "a", "lower": [0, 0]}], "guarded frame 'a': lower"),
        ("model", "guarded_frames", [{"frme": "a"}], r"guarded_frames\[0\]: unknown 'frme'"),
        ("driver", "name", "usb", "one of topic, franka"),
        ("driver", "control_rate", float("nan"), "control_rate = nan is not allowed"),
    ],
)
def test_a_mistake_gives_a_clear_error(document, tmp_path, section, key, value, message):
    document[section][key] = value
    with pytest.raises(ValueError, match=message) as error:
        load(document, tmp_path)
    assert "mine.yaml" in str(error.value)


def test_duplicate_joints_are_refused(document, tmp_path):
    document["joints"][1] = document["joints"][0]
    with pytest.raises(ValueError, match="each joint's name exactly once"):
        load(document, tmp_path)


def test_an_unknown_robot_names_those_there_are():
    with pytest.raises(ValueError, match=r"no robot 'pnada'.*: there are .*panda_sim"):
        Robot.load("pnada")


def test_a_file_that_is_not_yaml_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("joints: [a, b")
    with pytest.raises(ValueError, match="not valid YAML"):
        Robot.load(path)


def test_the_franka_driver_needs_seven_joints():
    robot = yaml.safe_load((config_dir() / "robots" / "ur5e_sim.yaml").read_text())
    robot["driver"]["name"] = "franka"
    with pytest.raises(ValueError, match="franka drives 7 joints, but the robot has 6"):
        from_mapping(Robot, robot, "mine")
