"""The environment that is created where no ROS 2 is installed, and the search for an installed ROS 2."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bootstrap import installed_ros, launch_packages, python_packages
from bootstrap.cmake_paths import correct_cmake_files
from bootstrap.environment import OwnEnvironment, command_script, prepend
from bootstrap.problem import Problem
from bootstrap.workspace import Workspace, contents, files, remove_dangling_links


def test_other_ros_installations_stay_out(tmp_path: Path) -> None:
    environment = OwnEnvironment(tmp_path)
    base = {"PATH": "/usr/bin", "PYTHONPATH": "/opt/ros/x/lib", "AMENT_PREFIX_PATH": "/opt/ros/x", "HOME": "/home/me"}
    variables = environment.variables(base, tmp_path / "prefix")
    assert "/opt/ros" not in "".join(variables.values())
    assert variables["HOME"] == "/home/me"
    assert variables["PATH"].split(":") == [str(environment.venv / "bin"), "/usr/bin"]
    assert variables["AMENT_PREFIX_PATH"] == f"{tmp_path}/prefix:{environment.venv}"
    assert environment.variables(variables, tmp_path / "prefix") == variables


def test_prepend_names_no_folder_twice() -> None:
    assert prepend("/b:/a:/c", Path("/a")) == "/a:/b:/c"
    assert prepend("", Path("/a")) == "/a"


def test_wheels_paths_are_corrected_once(tmp_path: Path) -> None:
    cmake = tmp_path / "std_msgs" / "cmake" / "export.cmake"
    cmake.parent.mkdir(parents=True)
    cmake.write_text(
        '"/opt/python/cp311-cp311/include/python3.11;'
        '/opt/python/cp311-cp311/lib/python3.11/site-packages/numpy/_core/include"\n'
        "PUBLIC ${Python3_INCLUDE_DIRS} ${Python3_NumPy_INCLUDE_DIRS})\n"
    )
    correct_cmake_files(tmp_path, ("/usr/include/python3.11", "/venv/numpy/include"))
    corrected = cmake.read_text()
    assert corrected == (
        '"/usr/include/python3.11;/venv/numpy/include"\n'
        'PUBLIC "$<BUILD_INTERFACE:${Python3_INCLUDE_DIRS};${Python3_NumPy_INCLUDE_DIRS}>")\n'
    )
    correct_cmake_files(tmp_path, ("/usr/include/python3.11", "/venv/numpy/include"))
    assert cmake.read_text() == corrected


def test_a_command_runs_from_a_path_with_a_space(tmp_path: Path) -> None:
    python = tmp_path / "a folder" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    (tmp_path / "greeting.py").write_text("def main(): print('hello'); return 4")
    script = tmp_path / "greet"
    script.write_text(command_script(python, "greeting"))
    script.chmod(0o755)
    result = subprocess.run([script], capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}, check=False)
    assert (result.stdout, result.returncode) == ("hello\n", 4)


def test_every_requirement_is_pinned_for_every_python() -> None:
    names = [name for file in python_packages.requirement_files() for name in python_packages.names(file)]
    assert {"torch", "pandas", "ray", "ruff", "cv-bridge"} <= set(names)
    for version in ("3.11", "3.12", "3.13"):
        text = (python_packages.REQUIREMENTS / f"constraints-{version}.txt").read_text()
        pins = dict(re.findall(r"^(\S+)==(\S+)$", text, re.MULTILINE))
        # Names differ in case and in - and _.
        assert {name.lower().replace("_", "-") for name in names} <= {name.replace("_", "-") for name in pins}
        assert not re.search(r"[+@:/]", "".join(line for line in text.splitlines() if not line.startswith("#")))


def wheel(folder: Path, licence: str = "Apache License 2.0") -> Path:
    """A wheel with just enough of each package that is taken from the real one."""
    path = folder / "tree.whl"
    tree = launch_packages.TREE
    with zipfile.ZipFile(path, "w") as archive:
        for package in launch_packages.PYTHON_PACKAGES:
            archive.writestr(f"{tree}share/{package}/package.xml", f"<license>{licence}</license>")
            archive.writestr(f"{tree}{launch_packages.INDEX}/{package}", "")
            archive.writestr(f"{tree}rclpy/{package}/__init__.py", "")
            archive.writestr(f"{tree}rclpy/{package}-1.0-py3.12.egg-info/entry_points.txt", "")
        archive.writestr(f"{tree}rclpy/{launch_packages.PYTHON_MODULES[0]}", "")
        archive.writestr(f"{tree}rclpy/proprietary/__init__.py", "")
        for package, expected in launch_packages.INTERFACE_PACKAGES.items():
            text = f"<license>{expected}</license><depend>std_msgs</depend>"
            archive.writestr(f"{tree}share/{package}/package.xml", text)
            archive.writestr(f"{tree}share/{package}/srv/Load.srv", "---")
            archive.writestr(f"{tree}share/{package}/srv/Load.idl", "")
    return path


def test_only_the_named_packages_are_unpacked(tmp_path: Path) -> None:
    launch_packages.unpack(wheel(tmp_path), tmp_path / "site", tmp_path / "prefix", tmp_path / "interfaces")
    assert (tmp_path / "site" / "launch" / "__init__.py").is_file()
    assert (tmp_path / "site" / "ros2cli-1.0-py3.12.egg-info" / "entry_points.txt").is_file()
    assert (tmp_path / "prefix" / launch_packages.INDEX / "launch_ros").is_file()
    assert not (tmp_path / "site" / "proprietary").exists()
    built = (tmp_path / "interfaces" / "tf2_msgs" / "CMakeLists.txt").read_text()
    assert '"srv/Load.srv"' in built
    assert "find_package(std_msgs REQUIRED)" in built
    assert "Load.idl" not in built


def test_a_package_under_another_licence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="launch is under"):
        launch_packages.unpack(
            wheel(tmp_path, "Proprietary"), tmp_path / "site", tmp_path / "prefix", tmp_path / "interfaces"
        )


def test_modules_that_rosdep_does_not_install_come_from_requirements_txt(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# comment\npin\ntorch>=2.3\n")
    assert installed_ros.python_modules(tmp_path / "requirements.txt") == ["pinocchio", "torch"]


def test_an_installed_ros_is_found(tmp_path: Path) -> None:
    assert installed_ros.setup_file({}, tmp_path) is None
    for distribution in ("humble", "jazzy"):
        (tmp_path / distribution).mkdir()
        (tmp_path / distribution / "setup.bash").touch()
    assert installed_ros.setup_file({}, tmp_path) == tmp_path / "jazzy" / "setup.bash"


def test_the_own_environment_is_not_taken_for_an_installed_ros(tmp_path: Path) -> None:
    ros2 = tmp_path / "ros2"
    ros2.touch(0o755)
    sourced = {"ROS_DISTRO": "jazzy", "PATH": str(tmp_path)}
    assert installed_ros.is_sourced(sourced)
    assert not installed_ros.is_sourced({**sourced, "PATH": ""})
    assert not installed_ros.is_sourced({**sourced, "REACHER_ENVIRONMENT": "/x/.reacher"})


def checkout(folder: Path) -> Path:
    """A checkout with one message and one module."""
    for name in ("msg/Tick.msg", "franka_reacher_rl/core/types.py", "franka_reacher_rl/__pycache__/x.pyc"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    (folder / "CMakeLists.txt").write_text("1")
    return folder


def test_what_makes_a_build_necessary(tmp_path: Path) -> None:
    def inputs(environment: str = "1") -> list[str]:
        return list(Workspace(tmp_path, "ws").step(dict, environment).inputs)

    before = inputs(checkout(tmp_path) and "1")
    (tmp_path / "franka_reacher_rl/core/types.py").write_text("2")
    (tmp_path / "franka_reacher_rl/__pycache__/y.pyc").write_text("2")
    assert inputs() == before, "modules are linked, not copied"
    assert inputs("2") != before
    (tmp_path / "franka_reacher_rl/core/new.py").touch()
    assert inputs() != before
    (tmp_path / "franka_reacher_rl/core/new.py").unlink()
    (tmp_path / "msg/Tick.msg").write_text("2")
    assert inputs()[0] != before[0]
    assert inputs()[1:] == before[1:]


def test_fingerprints_cover_files_and_folders(tmp_path: Path) -> None:
    checkout(tmp_path)
    assert contents(tmp_path, ["CMakeLists.txt", "msg"]) == ["CMakeLists.txt", "1", "msg/Tick.msg", "1"]
    assert files(tmp_path, ["franka_reacher_rl"]) == ["franka_reacher_rl/core/types.py"]


def test_links_to_removed_files_go(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    (tmp_path / "good").symlink_to(tmp_path / "kept")
    (tmp_path / "bad").symlink_to(tmp_path / "gone")
    remove_dangling_links(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good", "kept"]


def ros_package(folder: Path, name: str) -> Path:
    """A folder with a package.xml."""
    folder.mkdir(parents=True)
    (folder / "package.xml").write_text(f"<package><name> {name} </name></package>")
    (folder / "node").write_text("1")
    return folder


def test_added_packages_are_built_until_their_folder_is_gone(tmp_path: Path) -> None:
    workspace = Workspace(checkout(tmp_path / "checkout"), "ws")
    mine = ros_package(tmp_path / "mine", "my_reward")
    workspace.add([str(mine)])
    workspace.add([str(mine), str(ros_package(tmp_path / "other", "other"))])
    assert [prefix.name for prefix in workspace.prefixes] == ["franka_reacher_rl", "my_reward", "other"]
    before = workspace.step(dict, "1").inputs
    (mine / ".git").mkdir()
    (mine / ".git" / "index").write_text("1")
    assert workspace.step(dict, "1").inputs == before
    (mine / "node").write_text("2")
    assert workspace.step(dict, "1").inputs != before
    (mine / "package.xml").unlink()
    assert [prefix.name for prefix in workspace.prefixes] == ["franka_reacher_rl", "other"]


def test_only_a_ros_package_can_be_added(tmp_path: Path) -> None:
    (tmp_path / "package.xml").write_text("<package/>")
    with pytest.raises(Problem, match="contains no package name"):
        Workspace(tmp_path, "ws").add([str(tmp_path)])
    with pytest.raises(Problem, match="nowhere is not a ROS package: it contains no package.xml"):
        Workspace(tmp_path, "ws").add([str(tmp_path / "nowhere")])


def test_programs_find_added_packages(tmp_path: Path) -> None:
    environment = OwnEnvironment(tmp_path)
    variables = environment.variables({}, tmp_path / "ours", tmp_path / "theirs")
    assert variables["AMENT_PREFIX_PATH"] == f"{tmp_path}/ours:{tmp_path}/theirs:{environment.venv}"
    assert [Path(path).parents[2].name for path in variables["PYTHONPATH"].split(":")] == ["ours", "theirs"]
