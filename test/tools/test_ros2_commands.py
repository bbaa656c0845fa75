"""The `ros2` command of the environment in `.reacher/`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("ros2cli")

from reacher_ros2.action_command import parse_goal, status_name, users_of
from reacher_ros2.command_line import unknown_command
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


def test_an_unknown_command_names_those_that_there_are() -> None:
    message = unknown_command("bag", ["topic", "action", "extensions"])
    assert "no command 'bag'. It has action, topic. A ROS 2 installation has the others" in message
    assert "(did you mean 'topic'?)" in unknown_command("topc", ["topic", "action"])


def test_a_goal_in_yaml() -> None:
    kind, goal = parse_goal("franka_reacher_rl/action/MoveTo", "{joint_names: [a], position: [1.5], timeout: 2}")
    assert kind.__name__ == "MoveTo" and list(goal.joint_names) == ["a"] and list(goal.position) == [1.5]
    assert goal.timeout == 2.0 and parse_goal("franka_reacher_rl/action/MoveTo", "{}")[1].timeout == 0.0
    for unknown in ("franka_reacher_rl/action/MoveIt", "no_such_package/action/MoveTo", "MoveTo"):
        with pytest.raises(ValueError, match=f"there is no action type '{unknown}'"):
            parse_goal(unknown, "{}")
    for wrong in ("{positions: [1.0]}", "{timeout: soon}", "{timeout: [", "1.0"):
        with pytest.raises(ValueError, match=r"(?s)the goal is not allowed .* timeout \(double\)"):
            parse_goal("franka_reacher_rl/action/MoveTo", wrong)


def test_the_users_of_an_action() -> None:
    actions = {
        ("robot_bridge", "/"): [("/robot_bridge/move_to", ["a/action/MoveTo"])],
        ("other", "/left"): [("/move_to", ["b/action/MoveTo"])],
    }

    def find(name: str, namespace: str) -> list[tuple[str, list[str]]]:
        return actions[(name, namespace)]

    assert users_of("/robot_bridge/move_to", list(actions), find) == [("/robot_bridge", ["a/action/MoveTo"])]
    assert users_of("/move_to", list(actions), find) == [("/left/other", ["b/action/MoveTo"])]


def test_the_name_of_a_status() -> None:
    assert [status_name(status) for status in (4, 5, 6, 99)] == ["SUCCEEDED", "CANCELED", "ABORTED", "99"]
