"""A machine with an installed ROS 2: the virtual environment that sees it, and what is missing from either."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bootstrap import installed_ros, machines, python_packages
from bootstrap.machines import RosMachine, with_defaults
from bootstrap.problem import Problem


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return the machine with a distribution; pip, venv and colcon are only recorded in `machine.done`."""
    (tmp_path / "requirements.txt").write_text("pin\n")
    (tmp_path / "ros2").write_text(f"#!{sys.executable}\n")
    (tmp_path / "ros2").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/opt/ros/x")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)

    def make(distribution: str) -> RosMachine:
        monkeypatch.setenv("ROS_DISTRO", distribution)
        made = RosMachine(tmp_path)
        made.done = []  # type: ignore[attr-defined]
        monkeypatch.setattr(python_packages, "make_venv", lambda *what: made.done.append(what))
        monkeypatch.setattr(python_packages, "pip", lambda *what: made.done.append(what))
        monkeypatch.setattr(made.workspace, "build", lambda step: made.done.append(made._variables()))
        monkeypatch.setattr(machines, "_missing", lambda python, modules: [])
        return made

    return make


@pytest.mark.parametrize(("distribution", "bound"), [("jazzy", ["numpy<2"]), ("rolling", [])])
def test_the_environment_sees_ros_and_keeps_its_numpy(machine, tmp_path: Path, distribution: str, bound) -> None:
    made = machine(distribution)
    made.prepare()
    venv = tmp_path / ".reacher" / f"venv-{distribution}"
    created, installed, build = made.done
    assert created == (venv, Path(sys.executable), "--system-site-packages")
    assert installed[:2] == (venv, "install") and tmp_path / "requirements.txt" in installed
    assert list(installed[6:]) == bound
    assert build["VIRTUAL_ENV"] == str(venv) and build["PATH"].startswith(f"{venv}/bin:")
    assert made.command(["python", "x"])[1]["PATH"].startswith(f"{venv}/bin:")
    made.done.clear()
    made.prepare()
    assert len(made.done) == 1, "only the build, which is not recorded as complete here, runs again"


def test_an_active_environment_is_used_as_it_is(machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "mine"))
    made = machine("jazzy")
    made.prepare()
    assert len(made.done) == 1 and made.done[0]["VIRTUAL_ENV"] == str(tmp_path / "mine")
    monkeypatch.setattr(machines, "_missing", lambda python, modules: ["pinocchio"] if "pinocchio" in modules else [])
    with pytest.raises(Problem, match=r"lacks pinocchio.*\n.*pip install -r .*requirements\.txt 'numpy<2'"):
        made.prepare()


def test_what_rosdep_installs_is_asked_for_before_any_download(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    made = machine("jazzy")
    monkeypatch.setattr(machines, "_missing", lambda python, modules: ["cv2"] if "cv2" in modules else [])
    with pytest.raises(Problem, match=r"lacks cv2\.(.|\n)*rosdep install --from-paths .* --ignore-src -y"):
        made.prepare()
    assert not made.done


def test_missing_modules_are_found() -> None:
    assert machines._missing(Path(sys.executable), ["json", "no_such_module"]) == ["no_such_module"]


def test_the_python_of_ros_is_that_of_its_command(tmp_path: Path) -> None:
    ros2 = tmp_path / "ros2"
    ros2.write_text("#!/usr/bin/python3.99\nimport x")
    ros2.chmod(0o755)
    assert installed_ros.interpreter({"PATH": str(tmp_path)}) == Path("/usr/bin/python3.99")
    ros2.write_text("#!/bin/sh\n")
    (tmp_path / "python3").touch(0o755)
    assert installed_ros.interpreter({"PATH": str(tmp_path)}) == tmp_path / "python3"


def test_discovery_stays_on_this_computer() -> None:
    assert with_defaults({"ROS_DISTRO": "humble"})["ROS_LOCALHOST_ONLY"] == "1"
    assert with_defaults({"ROS_DISTRO": "jazzy"})["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    chosen = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}
    assert with_defaults(chosen) == chosen
