"""Robot files: those shipped load, and a mistake is named."""

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


def test_what_issue_4_asks_for_is_shipped():
    assert {"panda_sim", "fr3", "panda", "ros2_control", "ur5e_sim"} <= set(ROBOTS)


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("limits", "velocity", [1.0] * 6, "velocity has 6 values, but there are 7 joints"),
        ("limits", "jerk", [0.0] * 7, "jerk = 0.0 is not allowed: at least 0.1 rad/s"),
        ("limits", "speed", [1.0] * 7, "unknown 'speed'"),
        ("task", "workspace_lower", [0.3, 0.3], "workspace_lower has 2 values, but x, y, z"),
        ("task", "workspace_lower", [0.8, -0.3, 0.1], "workspace_lower = .* is not below workspace_upper"),
        ("task", "position_upper", [4.0] * 7, "position_upper of panda_joint1 = 4.0 rad is outside"),
        ("task", "action_scale", [9.0] * 7, "above the velocity limit"),
        ("reset", "strategy", "teleprot", "one of teleport, swing, joint"),
        ("reset", "strategy", "swing", "swing_lower has 0 values"),
        ("reset", "start_upper", [3.0] * 7, "start_upper of panda_joint1 = 3.0 rad is outside"),
        ("driver", "name", "usb", "one of topic, franka"),
        ("driver", "control_rate", float("nan"), "control_rate = nan is not allowed"),
    ],
)
def test_a_mistake_is_named(document, tmp_path, section, key, value, message):
    document[section][key] = value
    with pytest.raises(ValueError, match=message) as error:
        load(document, tmp_path)
    assert "mine.yaml" in str(error.value)


def test_joints_twice(document, tmp_path):
    document["joints"][1] = document["joints"][0]
    with pytest.raises(ValueError, match="each joint's name once"):
        load(document, tmp_path)


def test_an_unknown_robot_names_those_there_are():
    with pytest.raises(ValueError, match=r"no robot 'pnada'.*: there are .*panda_sim"):
        Robot.load("pnada")


def test_a_file_that_is_no_yaml(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("joints: [a, b")
    with pytest.raises(ValueError, match="not YAML"):
        Robot.load(path)


def test_franka_drives_seven_joints():
    robot = yaml.safe_load((config_dir() / "robots" / "ur5e_sim.yaml").read_text())
    robot["driver"]["name"] = "franka"
    with pytest.raises(ValueError, match="franka drives 7 joints, but there are 6"):
        from_mapping(Robot, robot, "mine")
