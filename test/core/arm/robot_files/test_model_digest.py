from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from franka_reacher_rl.core.arm.robot import Robot
from franka_reacher_rl.core.arm.robot_files.model_digest import digest_models

MJCF = """
<mujoco>
  <compiler meshdir="meshes"/>
  <include file="table.xml"/>
  <asset><mesh name="link" file="link.stl"/></asset>
</mujoco>
"""


@pytest.fixture
def robot(tmp_path: Path) -> Robot:
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes" / "link.stl").write_bytes(b"\x00mesh")
    (tmp_path / "table.xml").write_text('<mujoco><worldbody><body name="table"/></worldbody></mujoco>')
    (tmp_path / "arm.xml").write_text(MJCF)
    (tmp_path / "arm.urdf").write_text('<robot name="arm"><link name="base"/></robot>')
    made = Robot.load("panda_sim")
    model = dataclasses.replace(made.model, urdf=str(tmp_path / "arm.urdf"), mjcf=str(tmp_path / "arm.xml"))
    return dataclasses.replace(made, model=model)


@pytest.mark.parametrize("name", ["arm.urdf", "arm.xml", "table.xml", "meshes/link.stl"])
def test_a_change_of_any_file_of_the_model_changes_the_digest(robot: Robot, tmp_path: Path, name: str) -> None:
    before, path = digest_models(robot), tmp_path / name
    assert digest_models(robot) == before
    path.write_bytes(path.read_bytes().replace(b"base", b"root").replace(b"link", b"part").replace(b"table", b"bench"))
    path.write_bytes(path.read_bytes().replace(b"mesh", b"shape"))
    assert digest_models(robot) != before


def test_comments_indentation_and_the_folder_do_not_count(robot: Robot, tmp_path: Path) -> None:
    before = digest_models(robot)
    (tmp_path / "arm.xml").write_text(MJCF.replace("\n", "\n\n<!-- note -->\n").strip())
    assert digest_models(robot) == before


def test_further_files_count(robot: Robot, tmp_path: Path) -> None:
    scene = tmp_path / "scene.xml"
    scene.write_text("<mujoco/>")
    assert digest_models(robot, scene) != digest_models(robot)


def test_a_missing_model_is_refused(robot: Robot, tmp_path: Path) -> None:
    (tmp_path / "arm.urdf").unlink()
    with pytest.raises(ValueError, match="no model"):
        digest_models(robot)


def test_the_packages_robots_differ() -> None:
    assert digest_models(Robot.load("panda_sim")) != digest_models(Robot.load("ur5e_sim"))
