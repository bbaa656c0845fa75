"""The launch files' arguments: a mistake prints one line and ends the launch with exit code 1."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("launch")

from launch import LaunchContext
from launch.actions import Shutdown
from launch_ros.actions import Node

from franka_reacher_rl.ros import launching
from franka_reacher_rl.ros.launch_arguments import ARGUMENTS, check_names, names_on_command_line

ROOT = Path(__file__).resolve().parents[2]


def context(**arguments: str) -> LaunchContext:
    """A launch context with the arguments' defaults and the given values."""
    made = LaunchContext()
    for argument in ARGUMENTS:
        argument.execute(made)
    made.launch_configurations.update({"setting": "lite", "run_dir": ""} | arguments)
    return made


def started(wiring: str, **arguments: str) -> tuple[list[Any], list[str]]:
    """The entities that a launch would run, and its errors."""
    loop, made = asyncio.new_event_loop(), context(**arguments)
    errors: list[str] = []
    loop.set_exception_handler(lambda _, problem: errors.append(problem["message"]))
    made._set_asyncio_loop(loop)
    try:
        return launching.start(made, wiring), errors
    finally:
        loop.close()


@pytest.mark.parametrize("name", ["lite", "async_lite"])
def test_a_setting_with_or_without_its_wiring(name: str) -> None:
    entities, errors = started("async", setting=name)
    assert not errors
    assert sum(isinstance(entity, Node) for entity in entities) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"setting": "async_lite"},
            "error: setting 'async_lite' is for the async wiring, not for sync: give 'sync_lite'",
        ),
        ({"setting": "lit"}, "error: no setting 'lit' (did you mean 'lite'?): there are baseline, highres, lite"),
        ({"robot": "panda_smi"}, "error: no robot 'panda_smi' (did you mean 'panda_sim'?)"),
        ({"device": "cdua"}, "error: device:=cdua is not allowed (did you mean 'cuda'?): give auto or cpu or cuda"),
        ({"rviz": "yes"}, "error: rviz:=yes is not allowed: give true or false"),
        ({"episodes": "many"}, "error: episodes:=many is not a number"),
        ({"seed": "-1"}, "error: seed:=-1 is not allowed"),
        ({"evaluate": "true"}, "error: evaluate:=true needs policy:=PATH"),
        ({"evaluate": "true", "policy": "/nowhere.safetensors"}, "error: policy:=/nowhere.safetensors does not exist"),
        ({"resume": "/nowhere"}, "error: resume:=/nowhere"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_mistake_ends_the_launch_with_one_line(arguments: dict[str, str], message: str) -> None:
    entities, errors = started("sync", **arguments)
    assert len(errors) == 1 and errors[0].startswith(message)
    assert [type(entity) for entity in entities] == [Shutdown]


def test_a_run_of_the_other_wiring_is_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "manifest.yaml").write_text("run: {wiring: async}")
    _, errors = started("sync", resume=str(tmp_path))
    assert "async.launch.py" in errors[0]


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown launch argument 'setings' \(did you mean 'setting'\?\): there are"):
        check_names(["seed", "setings"])


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["franka_reacher_rl", "sync.launch.py"], ["seed", "mine"]),
        ([str(ROOT / "launch" / "sync.launch.py")], ["seed", "mine"]),
        (["my_package", "sync.launch.py"], []),
        (["my_package", "everything.launch.py"], []),
    ],
)
def test_only_arguments_of_the_launch_file_itself_are_checked(
    words: list[str], names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["seed:=1", "mine:=2"]
    monkeypatch.setattr("sys.argv", ["ros2", "launch", *words, *arguments])
    made = LaunchContext(argv=arguments)
    made.extend_locals({"current_launch_file_path": str(ROOT / "launch" / "sync.launch.py")})
    assert names_on_command_line(made) == names


def exited(name: str, code: int, *, shutdown: bool) -> tuple[Any, list[str]]:
    loop, made = asyncio.new_event_loop(), context()
    errors: list[str] = []
    loop.set_exception_handler(lambda _, problem: errors.append(problem["message"]))
    made._set_asyncio_loop(loop)
    made._set_is_shutdown(shutdown)
    try:
        return launching._on_exit(name)(SimpleNamespace(returncode=code), made), errors  # type: ignore[arg-type]
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("code", "shutdown", "ends", "message"),
    [
        (0, False, True, ""),
        (2, False, True, "error: camera refused its settings; its message above says why"),
        (-9, False, True, "error: camera died with exit code -9"),
        (0, True, False, ""),
        (-2, True, False, ""),
        (1, True, False, "error: camera ended with exit code 1"),
    ],
)
def test_the_graph_ends_with_any_node(code: int, shutdown: bool, ends: bool, message: str) -> None:
    entities, errors = exited("camera", code, shutdown=shutdown)
    assert bool(entities) == ends
    assert [error[: len(message)] for error in errors] == ([message] if message else [])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["setings:=lite"], "error: unknown launch argument 'setings' (did you mean 'setting'?)"),
        (["setting:=lit"], "error: no setting 'lit' (did you mean 'lite'?)"),
    ],
)
def test_ros2_launch_prints_the_line_and_fails(words: list[str], line: str, tmp_path: Path) -> None:
    command = ["ros2", "launch", str(ROOT / "launch" / "async.launch.py"), "run_dir:=", *words]
    variables = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "ROS_LOG_DIR": str(tmp_path)}
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60.0, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(line) and ended.stderr.count("\n") == 1, ended.stderr
    assert "Caught exception" not in ended.stdout
