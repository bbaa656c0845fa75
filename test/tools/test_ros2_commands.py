"""`ros2 launch` and `ros2 interface` of the environment in `.reacher/`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ros2cli")

from reacher_ros2.interface_command import definition, nested_type
from reacher_ros2.launch_command import find_launch_file, parse_launch_arguments


def test_launch_arguments() -> None:
    assert parse_launch_arguments(["a:=1", "b:=x:=y", "a:=2", "c:="]) == [("a", "2"), ("b", "x:=y"), ("c", "")]
    with pytest.raises(ValueError, match="malformed launch argument 'a=1'"):
        parse_launch_arguments(["a=1"])


def test_a_launch_file_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "some.launch.py"
    path.touch()
    assert find_launch_file(str(path), "a:=1", ["b:=2"]) == (path, ["a:=1", "b:=2"])
    with pytest.raises(ValueError, match="there is no launch file"):
        find_launch_file(str(tmp_path / "other.launch.py"), None, [])


def test_a_launch_file_by_its_package() -> None:
    path, arguments = find_launch_file("franka_reacher_rl", "async.launch.py", ["seed:=1"])
    assert path.name == "async.launch.py"
    assert arguments == ["seed:=1"]
    with pytest.raises(ValueError, match=r"there is no launch file 'no\.launch\.py': .* has .*async\.launch\.py"):
        find_launch_file("franka_reacher_rl", "no.launch.py", [])
    with pytest.raises(ValueError, match="there is no package"):
        find_launch_file("no_such_package", "x.launch.py", [])


@pytest.mark.parametrize(
    ("line", "nested"),
    [
        ("std_msgs/Header header", "std_msgs/msg/Header"),
        ("std_msgs/msg/Header[<=3] headers", "std_msgs/msg/Header"),
        ("Tick tick", "mine/msg/Tick"),
        ("float32[] x", None),
        ("uint8 BIG=3", None),
        ("---", None),
    ],
)
def test_nested_types(line: str, nested: str | None) -> None:
    assert nested_type(line, "mine") == nested


def test_a_definition_shows_what_is_nested() -> None:
    lines = definition("std_msgs/msg/Header", comments=False)
    assert lines[0] == "builtin_interfaces/Time stamp"
    assert lines[1] == "\tint32 sec"
    assert lines[-1] == "string frame_id"
    with pytest.raises(LookupError):
        definition("no_such_package/msg/Nothing", comments=False)
